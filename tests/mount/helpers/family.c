/* SPDX-License-Identifier: MIT */
/* The engine of the families: targets, users, and what is printed. */
#include "family.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util.h"

enum kind {
	ABSENT,
	REG,
	DIR_EMPTY,
	DIR_FULL,
	FIFO,
	SOCKET,
	CHAR,
	BLOCK,
	TO_FILE,
	TO_DIR,
	DANGLING,
	LOOP,
	LONG_NAME, /* NAME_MAX bytes, there */
	LONG_PATH, /* PATH_MAX bytes with the NUL, leads to a file */
};

/* path: what is passed, where that is not the name itself. mode: the target's,
 * in_mode: its directory's; 0: 0644 or 0755. flags: inode flags of target and
 * directory, set beneath the mount by another program's means. */
struct target {
	const char *name;
	enum kind kind;
	const char *path;
	mode_t mode, in_mode;
	int flags, in_flags;
	bool root, in_by_root;
};

static const struct target targets[] = {
	{"file", REG, NULL, .mode = 0},
	{"file 0200", REG, NULL, .mode = 0200},
	{"file 0060", REG, NULL, .mode = 0060},
	{"file 0666", REG, NULL, .mode = 0666},
	{"file 0755", REG, NULL, .mode = 0755},
	{"empty directory", DIR_EMPTY, NULL, .mode = 0},
	{"directory 0777", DIR_EMPTY, NULL, .mode = 0777},
	{"full directory", DIR_FULL, NULL, .mode = 0},
	{"fifo", FIFO, NULL, .mode = 0},
	{"socket", SOCKET, NULL, .mode = 0},
	{"character device", CHAR, NULL, .root = true},
	{"block device", BLOCK, NULL, .root = true},
	{"symlink to a file", TO_FILE, NULL, .mode = 0},
	{"symlink to a directory", TO_DIR, NULL, .mode = 0},
	{"dangling symlink", DANGLING, NULL, .mode = 0},
	{"symlink loop", LOOP, NULL, .mode = 0},
	{"nothing", ABSENT, NULL, .mode = 0},
	{"nothing, all may write", ABSENT, NULL, .in_mode = 0777},
	{"nothing, set-gid directory", ABSENT, NULL, .in_mode = 02777},
	{"nothing, below nothing", ABSENT, "none/x", .mode = 0},
	{"below a file", REG, "f/x", .mode = 0},
	{"below a loop", LOOP, "f/x", .mode = 0},
	{"below a symlink to a directory", TO_DIR, "f/x", .mode = 0},
	{"file with a slash", REG, "f/", .mode = 0},
	{"directory with a slash", DIR_EMPTY, "f/", .mode = 0},
	{"nothing with a slash", ABSENT, "f/", .mode = 0},
	{"symlink to a directory with a slash", TO_DIR, "f/", .mode = 0},
	{"directory with a dot", DIR_EMPTY, "f/.", .mode = 0},
	{"directory with two dots", DIR_EMPTY, "f/..", .mode = 0},
	{"empty path", ABSENT, "", .mode = 0},
	{"name of NAME_MAX", LONG_NAME, NULL, .mode = 0},
	{"name over NAME_MAX", ABSENT, "N", .mode = 0},
	{"path of PATH_MAX", LONG_PATH, "P", .mode = 0},
	{"path over PATH_MAX", LONG_PATH, "Q", .mode = 0},
	{"in a directory 0600", REG, NULL, .in_mode = 0600},
	{"in a directory 0555", REG, NULL, .in_mode = 0555},
	{"in a directory 0070", REG, NULL, .in_mode = 0070},
	{"directory, in a directory 0555", DIR_EMPTY, NULL, .in_mode = 0555},
	{"in another's sticky directory", REG, NULL, .in_mode = 01777, .in_by_root = true,
	 .root = true},
	{"in the own sticky directory", REG, NULL, .in_mode = 01777},
	{"directory, in another's sticky", DIR_EMPTY, NULL, .in_mode = 01777, .in_by_root = true,
	 .root = true},
	{"immutable file", REG, NULL, .mode = 0666, .flags = FS_IMMUTABLE_FL, .root = true},
	{"append-only file", REG, NULL, .mode = 0666, .flags = FS_APPEND_FL, .root = true},
	{"immutable directory", DIR_FULL, NULL, .mode = 0777, .flags = FS_IMMUTABLE_FL,
	 .root = true},
	{"in an immutable directory", REG, NULL, .mode = 0666, .in_mode = 0777,
	 .in_flags = FS_IMMUTABLE_FL, .root = true},
	{"in an append-only directory", REG, NULL, .mode = 0666, .in_mode = 0777,
	 .in_flags = FS_APPEND_FL, .root = true},
	{"nothing, append-only directory", ABSENT, NULL, .in_mode = 0777, .in_flags = FS_APPEND_FL,
	 .root = true},
};

#define TARGETS (sizeof(targets) / sizeof(targets[0]))
#define ENTRIES 8

/* What stood in a target's directory before the call; [0] is itself. */
struct snapshot {
	struct {
		char name[NAME_MAX + 1];
		struct stat st;
	} entries[ENTRIES];
	size_t count;
};

static struct snapshot before[TARGETS];
static const struct way *current;

static bool used(size_t t)
{
	return is_root_run() || !targets[t].root;
}

/* The path that the call gets. */
static const char *path_of(size_t t)
{
	static char path[PATH_MAX + 16];
	const struct target *at = &targets[t];
	int n = snprintf(path, sizeof(path), "%02zu/", t);
	size_t total = at->path && *at->path == 'Q' ? PATH_MAX : PATH_MAX - 1;

	if (!at->path && at->kind == LONG_NAME) {
		memset(path + n, 'n', NAME_MAX);
		path[n + NAME_MAX] = '\0';
	} else if (!at->path) {
		strcpy(path + n, "f");
	} else if (!*at->path) {
		path[0] = '\0';
	} else if (*at->path == 'N') {
		memset(path + n, 'n', NAME_MAX + 1);
		path[n + NAME_MAX + 1] = '\0';
	} else if (*at->path == 'P' || *at->path == 'Q') {
		for (size_t i = (size_t)n; i < total - 1; i++)
			path[i] = (i - (size_t)n) % 2 ? '/' : '.';
		path[total - 2] = '/';
		path[total - 1] = 'f';
		path[total] = '\0';
	} else {
		strcpy(path + n, at->path);
	}
	return path;
}

static void own(const char *path, bool by_root)
{
	if (geteuid() == 0)
		must(lchown(path, by_root ? 0 : USER_A, GROUP_X));
}

static void make_file(const char *path, mode_t mode)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	must(fd);
	must(write(fd, "0123456789", 10));
	must(close(fd));
	own(path, false);
	must(chmod(path, mode));
}

static void make_dir(const char *path, mode_t mode, bool by_root)
{
	must(mkdir(path, 0755));
	own(path, by_root);
	must(chmod(path, mode));
}

static void make_node(const char *path, mode_t mode, dev_t dev)
{
	must(mknod(path, mode, dev));
	own(path, false);
}

static void make_target(const char *f, const struct target *at)
{
	mode_t mode = at->mode;
	char inner[2 * PATH_MAX];

	switch (at->kind) {
	case ABSENT:
		return;
	case REG:
	case LONG_NAME:
	case LONG_PATH:
		make_file(f, mode ? mode : 0644);
		return;
	case DIR_EMPTY:
	case DIR_FULL:
		make_dir(f, mode ? mode : 0755, false);
		snprintf(inner, sizeof(inner), "%s/inner", f);
		if (at->kind == DIR_FULL)
			make_file(inner, 0644);
		return;
	case FIFO:
		make_node(f, S_IFIFO | 0640, 0);
		return;
	case SOCKET:
		make_node(f, S_IFSOCK | 0640, 0);
		return;
	case CHAR:
		make_node(f, S_IFCHR | 0640, makedev(1, 3));
		return;
	case BLOCK:
		make_node(f, S_IFBLK | 0640, makedev(199, 7)); /* no such device */
		return;
	default:
		break;
	}
	must(symlink(at->kind == LOOP ? "f" : at->kind == DANGLING ? "none" : "to", f));
	own(f, false);
	strcpy(strrchr(f, '/') + 1, "to");
	if (at->kind == TO_FILE)
		make_file(f, 0644);
	else if (at->kind == TO_DIR)
		make_dir(f, 0755, false);
}

static void take(size_t t)
{
	struct snapshot *s = &before[t];
	char dir[8], path[PATH_MAX];
	struct dirent *entry;
	DIR *d;

	snprintf(dir, sizeof(dir), "%02zu", t);
	must(lstat(dir, &s->entries[0].st));
	s->count = 1;
	d = opendir(dir);
	if (!d)
		return; /* an ordinary user has closed it */
	snprintf(path, sizeof(path), "free/%02zu", t);
	if (lstat(path, &s->entries[1].st) == 0)
		strcpy(s->entries[s->count++].name, "(beside)");
	while ((entry = readdir(d)) && s->count < ENTRIES) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		snprintf(s->entries[s->count].name, sizeof(s->entries[0].name), "%s",
			 entry->d_name);
		if (lstat(path, &s->entries[s->count].st) == 0)
			s->count++;
	}
	closedir(d);
}

/* Made by everybody who may: the mode of the directory comes last. */
static void make(size_t t)
{
	const struct target *at = &targets[t];
	char f[PATH_MAX], dir[8], beside[32];

	snprintf(dir, sizeof(dir), "%02zu", t);
	make_dir(dir, 0755, at->in_by_root);
	snprintf(f, sizeof(f), "%s/f", dir);
	make_target(at->kind == LONG_NAME ? (char *)path_of(t) : f, at);
	must(chmod(dir, at->in_mode ? at->in_mode : 0755));
	snprintf(beside, sizeof(beside), "free/%02zu", t);
	if (current->beside == BESIDE_FILE)
		make_file(beside, 0644);
	else if (current->beside == BESIDE_DIR)
		make_dir(beside, 0755, false);
	if (is_root_run() || !(at->in_mode && (at->in_mode & 0500) != 0500))
		take(t);
	else
		before[t].count = 0;
	if (at->flags)
		must(set_flags_beneath(f, at->flags));
	if (at->in_flags)
		must(set_flags_beneath(dir, at->in_flags));
}

static bool flagged(size_t t)
{
	return targets[t].flags || targets[t].in_flags;
}

/* The kernel does not know inode flags of BACKING: where a call is refused for
 * two reasons at once, it finds the other one first (mmapfs(8)). */
static void say_one(long result, size_t t)
{
	if (result == -1 && flagged(t))
		printf("  %s: refused\n", targets[t].name);
	else
		say(result, "%s", targets[t].name);
}

static void call_all(void)
{
	for (size_t t = 0; t < TARGETS; t++) {
		char beside[32];

		if (!used(t) || (flagged(t) && current->flags_unknown))
			continue;
		snprintf(beside, sizeof(beside), "free/%02zu", t);
		say_one(current->call(path_of(t), beside), t);
	}
}

static char moved(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec ? '=' : '>';
}

static void show_entry(const struct snapshot *old, const char *name, const struct stat *st,
		       bool times)
{
	printf(" %.9s:%o,%lu,%u:%u", *name ? name : ".", st->st_mode, (unsigned long)st->st_nlink,
	       st->st_uid, st->st_gid);
	if (!S_ISDIR(st->st_mode))
		printf(",%lld", (long long)st->st_size);
	for (size_t i = 0; times && i < old->count; i++)
		if (old->entries[i].st.st_ino == st->st_ino)
			printf(",%c%c", moved(&st->st_mtim, &old->entries[i].st.st_mtim),
			       moved(&st->st_ctim, &old->entries[i].st.st_ctim));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void show_target(size_t t)
{
	struct snapshot old = before[t];

	if (old.count == 0)
		return;
	take(t);
	qsort(&before[t].entries[1], before[t].count - 1, sizeof(old.entries[0]), by_name);
	printf("  %02zu", t);
	for (size_t i = 0; i < before[t].count; i++)
		show_entry(&old, before[t].entries[i].name, &before[t].entries[i].st,
			   !flagged(t) && !current->times_differ);
	putchar('\n');
}

/* Deletes what a call left, so that directories of thousands of cases do not add up. */
static void clear_flags(size_t t)
{
	char path[16];

	snprintf(path, sizeof(path), "%02zu", t);
	if (targets[t].in_flags)
		must(set_flags_beneath(path, 0));
	snprintf(path, sizeof(path), "%02zu/f", t);
	if (targets[t].flags)
		must(set_flags_beneath(path, 0));
}

static const struct {
	const char *name;
	uid_t uid;
	gid_t gid, more;
} users[] = {
	{"root", 0, 0, (gid_t)-1},
	{"the owner", USER_A, USER_A, (gid_t)-1},
	{"a member of the group", USER_B, USER_B, GROUP_X},
	{"another", USER_B, USER_B, (gid_t)-1},
};

static void one_batch(size_t user)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "%.40s-%zu", current->name, user);
	for (char *c = dir; *c; c++)
		if (*c == ' ' || *c == '/')
			*c = '_';
	printf("%s as %s\n", current->name, is_root_run() ? users[user].name : "oneself");
	must(mkdir(dir, 0755));
	must(enter(dir));
	must(mkdir("free", 0777));
	must(chmod("free", 0777));
	for (size_t t = 0; t < TARGETS; t++)
		if (used(t))
			make(t);
	usleep(10000); /* so that a time that moves can be seen to */
	if (is_root_run())
		as_user(users[user].uid, users[user].gid, users[user].more, call_all);
	else
		call_all();
	for (size_t t = 0; t < TARGETS; t++)
		if (used(t)) {
			show_target(t);
			clear_flags(t);
		}
	must(enter(".."));
}

void family_run(const struct way *ways, size_t count)
{
	size_t many = sizeof(users) / sizeof(users[0]);

	if (!is_root_run())
		many = 1;
	else if (few_users())
		many = 2;

	for (size_t w = 0; w < count; w++)
		for (size_t user = 0; user < many; user++) {
			current = &ways[w];
			one_batch(user);
		}
}

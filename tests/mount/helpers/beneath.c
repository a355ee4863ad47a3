/* SPDX-License-Identifier: MIT */
/*
 * Changes BACKING beneath the mount, in every way there is, and waits until
 * the mount shows it: beneath BACKING MNT LIMIT_MS ROUNDS CASE...
 *
 * Each case first makes the kernel cache what is about to change, and checks
 * that by looking. One line a case: "ok NAME MEDIAN_MS" or "late NAME
 * MEDIAN_MS" where the median of the rounds is above the limit (a round may
 * be late on a busy machine, but none may never come), or "bad NAME REASON".
 * No CASE: all of them. The exit status is 0 if all are ok.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

#define NEVER_SECONDS 5.0
#define ROUNDS_MAX 16
#define BLOCK 4096

/* What one case works with. */
struct scene {
	int b, m;     /* BACKING, MNT */
	int fd;       /* on the mount, if the case has the file open; else -1 */
	uint8_t *map; /* of the file on the mount; else NULL */
	unsigned round;
	struct stat before;
};

static void must(bool ok, const char *what)
{
	if (!ok)
		die("%s", what);
}

static void put(int dir, const char *name, size_t len, uint64_t seed)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	uint8_t *buf = malloc(len + 1);

	pattern_fill(buf, 0, len, seed);
	must(fd >= 0 && write_full(fd, buf, len, 0) == (int64_t)len, "writing a file");
	close(fd);
	free(buf);
}

static void patch(int dir, const char *name, uint64_t at, size_t len, uint64_t seed)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	uint8_t *buf = malloc(len);

	pattern_fill(buf, at, len, seed);
	must(fd >= 0 && write_full(fd, buf, len, at) == (int64_t)len, "changing a file");
	close(fd);
	free(buf);
}

static bool holds_fd(int fd, uint64_t at, size_t len, uint64_t seed)
{
	uint8_t *buf = malloc(len);
	bool right = read_full(fd, buf, len, at) == (int64_t)len &&
		     pattern_check(buf, at, len, seed) < 0;

	free(buf);
	return right;
}

static bool holds(int dir, const char *name, uint64_t at, size_t len, uint64_t seed)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	bool right = fd >= 0 && holds_fd(fd, at, len, seed);

	if (fd >= 0)
		close(fd);
	return right;
}

static int64_t size_at(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) ? -1 : st.st_size;
}

static int64_t size_fd(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_size;
}

static struct stat stat_at(int dir, const char *name)
{
	struct stat st = {0};

	(void)fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
	return st;
}

static bool there(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool listed(int dir, const char *name, const char *entry)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool found = false;

	while (d && (e = readdir(d)))
		found |= !strcmp(e->d_name, entry);
	if (d)
		closedir(d);
	return found;
}

/* What a case begins with was itself changed beneath: it shows when it shows. */
static void settle(struct scene *s, size_t len)
{
	double start = now_seconds();

	while (!holds(s->m, "f", 0, len, 2 * s->round + 1) || size_at(s->m, "f") != (int64_t)len) {
		must(now_seconds() - start < NEVER_SECONDS, "the file before");
		usleep(1000);
	}
	/* The events of it are over. */
	usleep(20000);
	must(holds(s->m, "f", 0, len, 2 * s->round + 1), "the file before, still");
}

/* Opens the file on the mount, and reads it, so that its pages are cached. */
static void hold(struct scene *s, int flags)
{
	uint8_t buf[BLOCK];

	s->fd = openat(s->m, "f", flags | O_CLOEXEC);
	must(s->fd >= 0 && read_full(s->fd, buf, 1, 0) >= 0, "opening on the mount");
}

#define OLD (2 * s->round + 1)
#define NEW (2 * s->round + 2)

/* ----------------------------------------------------------------- cases */

static void file_begin(struct scene *s)
{
	put(s->b, "f", 3 * BLOCK, OLD);
	settle(s, 3 * BLOCK);
	s->before = stat_at(s->m, "f");
}

static void reader_begin(struct scene *s)
{
	file_begin(s);
	hold(s, O_RDONLY);
}

/* Has written, and the kernel may hold that back. */
static void writer_begin(struct scene *s)
{
	uint8_t buf[100];

	file_begin(s);
	hold(s, O_RDWR);
	pattern_fill(buf, 0, sizeof(buf), 77);
	must(write_full(s->fd, buf, sizeof(buf), 0) == sizeof(buf), "writing on the mount");
}

static void mapped_begin(struct scene *s)
{
	reader_begin(s);
	s->map = mmap(NULL, 3 * BLOCK, PROT_READ, MAP_SHARED, s->fd, 0);
	must(s->map != MAP_FAILED && pattern_check(s->map, 0, 3 * BLOCK, OLD) < 0, "a mapping");
}

static void data_change(struct scene *s)
{
	patch(s->b, "f", BLOCK, BLOCK, NEW);
}
static bool data_seen(struct scene *s)
{
	return holds(s->m, "f", BLOCK, BLOCK, NEW);
}
static bool data_seen_fd(struct scene *s)
{
	return holds_fd(s->fd, BLOCK, BLOCK, NEW);
}
static bool data_seen_map(struct scene *s)
{
	return pattern_check(s->map + BLOCK, BLOCK, BLOCK, NEW) < 0;
}

/* And nothing of what the program itself wrote is lost. */
static bool data_seen_writer(struct scene *s)
{
	must(holds_fd(s->fd, 0, 100, 77), "own data kept");
	return data_seen_fd(s);
}

static void append_change(struct scene *s)
{
	patch(s->b, "f", 3 * BLOCK, 100, NEW);
}
static bool append_seen(struct scene *s)
{
	return size_at(s->m, "f") == 3 * BLOCK + 100 && holds(s->m, "f", 3 * BLOCK, 100, NEW);
}
static bool append_seen_fd(struct scene *s)
{
	return size_fd(s->fd) == 3 * BLOCK + 100 && holds_fd(s->fd, 3 * BLOCK, 100, NEW) &&
	       stat_at(s->m, "f").st_mtim.tv_nsec == stat_at(s->b, "f").st_mtim.tv_nsec;
}
static bool append_seen_writer(struct scene *s)
{
	must(holds_fd(s->fd, 0, 100, 77), "own data kept");
	return size_fd(s->fd) == 3 * BLOCK + 100 && holds_fd(s->fd, 3 * BLOCK, 100, NEW);
}

/* Within a page whose rest is cached as zeros. */
static void tail_begin(struct scene *s)
{
	put(s->b, "f", BLOCK + 100, OLD);
	settle(s, BLOCK + 100);
	hold(s, O_RDONLY);
}
static void tail_change(struct scene *s)
{
	patch(s->b, "f", BLOCK + 100, 50, OLD);
}
static bool tail_seen(struct scene *s)
{
	return size_fd(s->fd) == BLOCK + 150 && holds_fd(s->fd, 0, BLOCK + 150, OLD);
}

static void cut_change(struct scene *s)
{
	int fd = openat(s->b, "f", O_WRONLY | O_CLOEXEC);

	must(ftruncate(fd, BLOCK + 7) == 0, "truncating");
	close(fd);
}
static bool cut_seen(struct scene *s)
{
	return size_at(s->m, "f") == BLOCK + 7 && holds(s->m, "f", 0, BLOCK + 7, OLD);
}
static bool cut_seen_fd(struct scene *s)
{
	return size_fd(s->fd) == BLOCK + 7 && holds_fd(s->fd, 0, BLOCK + 7, OLD);
}

/* Dirty pages past the end that others cut do not come back. */
static void cut_writer_begin(struct scene *s)
{
	uint8_t buf[BLOCK];

	file_begin(s);
	hold(s, O_RDWR);
	pattern_fill(buf, 2 * BLOCK, sizeof(buf), 77);
	must(write_full(s->fd, buf, sizeof(buf), 2 * BLOCK) == sizeof(buf), "writing on the mount");
}
static bool cut_seen_writer(struct scene *s)
{
	if (!cut_seen_fd(s))
		return false;
	must(fsync(s->fd) == 0, "fsync");
	must(size_at(s->b, "f") == BLOCK + 7, "BACKING stays cut");
	return true;
}

static void grow_change(struct scene *s)
{
	int fd = openat(s->b, "f", O_WRONLY | O_CLOEXEC);

	must(ftruncate(fd, 9 * BLOCK) == 0, "growing");
	close(fd);
}
static bool grow_seen_fd(struct scene *s)
{
	return size_fd(s->fd) == 9 * BLOCK;
}

static void none_begin(struct scene *s)
{
	(void)unlinkat(s->b, "f", 0);
	while (there(s->m, "f"))
		usleep(1000);
	must(!there(s->m, "f") && !listed(s->m, ".", "f"), "no file before");
}
static void create_change(struct scene *s)
{
	put(s->b, "f", BLOCK, NEW);
}
static bool create_seen(struct scene *s)
{
	return there(s->m, "f") && listed(s->m, ".", "f") && holds(s->m, "f", 0, BLOCK, NEW);
}
static void unlink_change(struct scene *s)
{
	must(unlinkat(s->b, "f", 0) == 0, "unlink");
}
static bool unlink_seen(struct scene *s)
{
	return !there(s->m, "f") && !listed(s->m, ".", "f");
}

static void rename_begin(struct scene *s)
{
	(void)unlinkat(s->b, "g", 0);
	(void)unlinkat(s->b, "d/g", 0);
	(void)mkdirat(s->b, "d", 0755);
	file_begin(s);
	(void)there(s->m, "g");
	(void)there(s->m, "d/g");
	(void)listed(s->m, "d", "g");
}
static void rename_change(struct scene *s)
{
	must(renameat(s->b, "f", s->b, "g") == 0, "rename");
}
static bool rename_seen(struct scene *s)
{
	return !there(s->m, "f") && holds(s->m, "g", 0, 3 * BLOCK, OLD);
}
static void move_change(struct scene *s)
{
	must(renameat(s->b, "f", s->b, "d/g") == 0, "rename");
}
static bool move_seen(struct scene *s)
{
	return !there(s->m, "f") && holds(s->m, "d/g", 0, 3 * BLOCK, OLD) && listed(s->m, "d", "g");
}
static bool move_seen_open(struct scene *s)
{
	return move_seen(s) && holds_fd(s->fd, 0, 3 * BLOCK, OLD);
}
static void rename_open_begin(struct scene *s)
{
	rename_begin(s);
	hold(s, O_RDONLY);
}
static void replace_change(struct scene *s)
{
	put(s->b, "new", 2 * BLOCK + 9, NEW);
	must(renameat(s->b, "new", s->b, "f") == 0, "rename");
}
static bool replace_seen(struct scene *s)
{
	return size_at(s->m, "f") == 2 * BLOCK + 9 && holds(s->m, "f", 0, 2 * BLOCK + 9, NEW);
}
static bool replace_seen_open(struct scene *s)
{
	must(holds_fd(s->fd, 0, 3 * BLOCK, OLD), "the old file, open");
	return replace_seen(s);
}

static void dir_begin(struct scene *s)
{
	(void)unlinkat(s->b, "e/x", 0);
	(void)unlinkat(s->b, "e2/x", 0);
	(void)unlinkat(s->b, "e", AT_REMOVEDIR);
	(void)unlinkat(s->b, "e2", AT_REMOVEDIR);
	must(mkdirat(s->b, "e", 0755) == 0, "mkdir");
	put(s->b, "e/x", 10, OLD);
	while (there(s->m, "e2") || !there(s->m, "e/x"))
		usleep(1000);
}
static void dir_change(struct scene *s)
{
	must(renameat(s->b, "e", s->b, "e2") == 0, "rename");
}
static bool dir_seen(struct scene *s)
{
	return !there(s->m, "e/x") && !there(s->m, "e") && holds(s->m, "e2/x", 0, 10, OLD);
}
static void inside_change(struct scene *s)
{
	put(s->b, "e/y", 1, NEW);
}
static bool inside_seen(struct scene *s)
{
	struct stat b = stat_at(s->b, "e"), m = stat_at(s->m, "e");
	bool seen = b.st_mtim.tv_nsec == m.st_mtim.tv_nsec && listed(s->m, "e", "y");

	if (seen)
		(void)unlinkat(s->b, "e/y", 0);
	return seen;
}

static void chmod_change(struct scene *s)
{
	must(fchmodat(s->b, "f", 0600, 0) == 0, "chmod");
}
static bool chmod_seen(struct scene *s)
{
	return (stat_at(s->m, "f").st_mode & 07777) == 0600;
}
static void chown_change(struct scene *s)
{
	must(fchownat(s->b, "f", 12, 34 + s->round, 0) == 0, "chown");
}
static bool chown_seen(struct scene *s)
{
	struct stat st = stat_at(s->m, "f");

	return st.st_uid == 12 && st.st_gid == 34 + s->round;
}
static void utimes_change(struct scene *s)
{
	const struct timespec t[2] = {{1000 + s->round, 5}, {2000 + s->round, 7}};

	must(utimensat(s->b, "f", t, 0) == 0, "utimensat");
}
static bool utimes_seen(struct scene *s)
{
	struct stat st = stat_at(s->m, "f");

	return st.st_mtim.tv_sec == 2000 + s->round && st.st_mtim.tv_nsec == 7;
}
static void link_change(struct scene *s)
{
	(void)unlinkat(s->b, "l", 0);
	must(linkat(s->b, "f", s->b, "l", 0) == 0, "link");
}
static bool link_seen(struct scene *s)
{
	bool seen =
		stat_at(s->m, "f").st_nlink == 2 && stat_at(s->m, "l").st_ino == s->before.st_ino;

	if (seen)
		(void)unlinkat(s->b, "l", 0);
	return seen;
}

static void at_path(char *buf, size_t size, int dir, const char *name)
{
	snprintf(buf, size, "/proc/self/fd/%d/%s", dir, name);
}
static int set_attr(int dir, const char *name, const char *attr, const void *value, size_t len)
{
	char path[64];

	at_path(path, sizeof(path), dir, name);
	return setxattr(path, attr, value, len, 0);
}
static ssize_t get_attr(int dir, const char *name, const char *attr, void *value, size_t len)
{
	char path[64];

	at_path(path, sizeof(path), dir, name);
	return getxattr(path, attr, value, len);
}
static void xattr_change(struct scene *s)
{
	must(set_attr(s->b, "f", "user.x", &s->round, sizeof(s->round)) == 0, "setxattr");
}
static bool xattr_seen(struct scene *s)
{
	unsigned got = 0;

	return get_attr(s->m, "f", "user.x", &got, sizeof(got)) == sizeof(got) && got == s->round;
}

/* As the kernel keeps it (linux/posix_acl_xattr.h): owner, one user, group, mask, others. */
struct acl {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} e[5];
};
static void acl_change(struct scene *s)
{
	const struct acl acl = {
		2, {{1, 6, ~0u}, {2, 4, 1000 + s->round}, {4, 4, ~0u}, {16, 4, ~0u}, {32, 0, ~0u}}};

	must(set_attr(s->b, "f", "system.posix_acl_access", &acl, sizeof(acl)) == 0, "an ACL");
}
static bool acl_seen(struct scene *s)
{
	struct acl got = {0};

	return get_attr(s->m, "f", "system.posix_acl_access", &got, sizeof(got)) == sizeof(got) &&
	       got.e[1].id == 1000 + s->round && (stat_at(s->m, "f").st_mode & 07777) == 0640;
}

static void symlink_begin(struct scene *s)
{
	char buf[16];

	(void)unlinkat(s->b, "s", 0);
	must(symlinkat("old", s->b, "s") == 0, "symlink");
	while (readlinkat(s->m, "s", buf, sizeof(buf)) != 3 || memcmp(buf, "old", 3))
		usleep(1000);
}
static void symlink_change(struct scene *s)
{
	(void)unlinkat(s->b, "s2", 0);
	must(symlinkat("newer", s->b, "s2") == 0 && renameat(s->b, "s2", s->b, "s") == 0,
	     "symlink");
}
static bool symlink_seen(struct scene *s)
{
	char buf[16];

	return readlinkat(s->m, "s", buf, sizeof(buf)) == 5 && !memcmp(buf, "newer", 5);
}

/* Changed through a name in a directory that nobody has looked into on the mount. */
static void other_name_begin(struct scene *s)
{
	(void)unlinkat(s->b, "f", 0);
	(void)unlinkat(s->b, "unseen/h", 0);
	(void)mkdirat(s->b, "unseen", 0755);
	put(s->b, "unseen/h", 3 * BLOCK, OLD);
	must(linkat(s->b, "unseen/h", s->b, "f", 0) == 0, "link");
	settle(s, 3 * BLOCK);
}
static void other_name_change(struct scene *s)
{
	patch(s->b, "unseen/h", BLOCK, 5 * BLOCK, NEW);
}
static bool other_name_seen(struct scene *s)
{
	bool seen = size_at(s->m, "f") == 6 * BLOCK && holds(s->m, "f", BLOCK, 5 * BLOCK, NEW);

	if (seen)
		must(unlinkat(s->b, "f", 0) == 0, "unlink");
	return seen;
}

static const struct test {
	const char *name;
	void (*begin)(struct scene *s);
	void (*change)(struct scene *s);
	bool (*seen)(struct scene *s);
	bool root;
} tests[] = {
	{"data", file_begin, data_change, data_seen, false},
	{"data-reader", reader_begin, data_change, data_seen_fd, false},
	{"data-writer", writer_begin, data_change, data_seen_writer, false},
	{"data-mapped", mapped_begin, data_change, data_seen_map, false},
	{"append", file_begin, append_change, append_seen, false},
	{"append-reader", reader_begin, append_change, append_seen_fd, false},
	{"append-writer", writer_begin, append_change, append_seen_writer, false},
	{"append-in-page", tail_begin, tail_change, tail_seen, false},
	{"cut", file_begin, cut_change, cut_seen, false},
	{"cut-reader", reader_begin, cut_change, cut_seen_fd, false},
	{"cut-writer", cut_writer_begin, cut_change, cut_seen_writer, false},
	{"grow-reader", reader_begin, grow_change, grow_seen_fd, false},
	{"create", none_begin, create_change, create_seen, false},
	{"unlink", file_begin, unlink_change, unlink_seen, false},
	{"unlink-open", reader_begin, unlink_change, unlink_seen, false},
	{"rename", rename_begin, rename_change, rename_seen, false},
	{"move", rename_begin, move_change, move_seen, false},
	{"move-open", rename_open_begin, move_change, move_seen_open, false},
	{"replace", file_begin, replace_change, replace_seen, false},
	{"replace-open", reader_begin, replace_change, replace_seen_open, false},
	{"rename-dir", dir_begin, dir_change, dir_seen, false},
	{"inside-dir", dir_begin, inside_change, inside_seen, false},
	{"chmod", file_begin, chmod_change, chmod_seen, false},
	{"chmod-open", reader_begin, chmod_change, chmod_seen, false},
	{"chown", file_begin, chown_change, chown_seen, true},
	{"utimes", file_begin, utimes_change, utimes_seen, false},
	{"utimes-open", reader_begin, utimes_change, utimes_seen, false},
	{"xattr", file_begin, xattr_change, xattr_seen, false},
	{"acl", file_begin, acl_change, acl_seen, false},
	{"link", file_begin, link_change, link_seen, false},
	{"symlink", symlink_begin, symlink_change, symlink_seen, false},
	{"other-name", other_name_begin, other_name_change, other_name_seen, false},
};

/* Milliseconds until it was seen, or -1. */
static double run_round(const struct test *t, struct scene *s)
{
	double start, ms = -1;

	/* Each with a file of its own: nothing is left of the round before. */
	(void)unlinkat(s->b, "f", 0);
	while (there(s->m, "f"))
		usleep(1000);
	t->begin(s);
	must(!t->seen(s), "nothing to see before the change");
	start = now_seconds();
	t->change(s);
	while (now_seconds() - start < NEVER_SECONDS) {
		if (t->seen(s)) {
			ms = (now_seconds() - start) * 1000;
			break;
		}
		usleep(1000);
	}
	if (s->map)
		munmap(s->map, 3 * BLOCK);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->map = NULL;
	return ms;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool run(const struct test *t, struct scene *s, double limit, unsigned rounds)
{
	double ms[ROUNDS_MAX];

	for (unsigned i = 0; i < rounds; i++) {
		s->round++;
		ms[i] = run_round(t, s);
		if (ms[i] < 0) {
			printf("bad %s never seen\n", t->name);
			return false;
		}
	}
	qsort(ms, rounds, sizeof(*ms), by_value);
	printf("%s %s %.0f\n", ms[rounds / 2] <= limit ? "ok" : "late", t->name, ms[rounds / 2]);
	return ms[rounds / 2] <= limit;
}

static bool wanted(const struct test *t, char **names)
{
	if (t->root && geteuid() != 0)
		return false;
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(*names, t->name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct scene s = {.fd = -1};
	bool ok = true;

	if (argc < 5) {
		fprintf(stderr, "usage: beneath BACKING MNT LIMIT_MS ROUNDS [CASE...]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	s.b = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s.m = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(s.b >= 0 && s.m >= 0 && parse_number(argv[4]) <= ROUNDS_MAX, "arguments");
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (wanted(&tests[i], argv + 5))
			ok &= run(&tests[i], &s, (double)parse_number(argv[3]),
				  (unsigned)parse_number(argv[4]));
	return ok ? 0 : 1;
}

/* SPDX-License-Identifier: MIT */
/*
 *	posixcmp DIR [root] [nommap] [few] [slow] [shared] [only=NAME] [beneath=DIR]
 *
 * Runs the cases in new directories under DIR and prints what they answered.
 * beneath: what DIR is in BACKING. See posixcmp.h.
 */
#include "posixcmp.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

static bool root_run, few, slow, shared;
static char *top, *top_beneath;

bool is_root_run(void)
{
	return root_run;
}

bool few_users(void)
{
	return few;
}

int enter(const char *path)
{
	return chdir(path);
}

const char *beneath(const char *path)
{
	static char full[2 * PATH_MAX];
	char cwd[PATH_MAX];

	if (!getcwd(cwd, sizeof(cwd)) || strncmp(cwd, top, strlen(top)) != 0)
		die("the current directory is not below %s", top);
	snprintf(full, sizeof(full), "%s%s/%s", top_beneath, cwd + strlen(top), path);
	return full;
}

int set_flags_beneath(const char *path, int flags)
{
	int fd = open(beneath(path), O_RDONLY | O_NONBLOCK | O_CLOEXEC), now, rc;

	if (fd < 0)
		return -1;
	rc = ioctl(fd, FS_IOC_GETFLAGS, &now);
	now = (now & ~(FS_IMMUTABLE_FL | FS_APPEND_FL)) | flags;
	if (!rc)
		rc = ioctl(fd, FS_IOC_SETFLAGS, &now);
	close(fd);
	return rc;
}

long say(long result, const char *format, ...)
{
	int err = errno;
	va_list args;

	fputs("  ", stdout);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	if (result == -1)
		printf(": %s\n", errno_name(err));
	else
		printf(": %ld\n", result);
	return result;
}

static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '-';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	default:
		return '?';
	}
}

void show(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		printf("  %s: %s\n", path, errno_name(errno));
		return;
	}
	printf("  %s: %c %04o links %lu owner %u:%u", path, type_of(st.st_mode), st.st_mode & 07777,
	       (unsigned long)st.st_nlink, st.st_uid, st.st_gid);
	if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
		printf(" size %lld", (long long)st.st_size);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		printf(" device %lx", (unsigned long)st.st_rdev);
	putchar('\n');
}

void show_data(const char *path)
{
	uint64_t sum = 0, total = 0;
	uint8_t buf[65536];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		printf("  %s: %s\n", path, errno_name(errno));
		return;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 0x100000001b3u + buf[i] + 1;
		total += (uint64_t)n;
	}
	/* Beneath the mount the name of the directory may differ. */
	printf("  %s: %llu bytes, sum %016llx%s\n", *path == '/' ? strrchr(path, '/') + 1 : path,
	       (unsigned long long)total,
	       (unsigned long long)sum, n < 0 ? errno_name(errno) : "");
	close(fd);
}

void put_file(const char *path, size_t len, uint64_t seed)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	void *buf = malloc(len ? len : 1);

	pattern_fill(buf, 0, len, seed);
	if (fd < 0 || write_full(fd, buf, len, 0) != (int64_t)len || close(fd) < 0)
		die("put %s", path);
	free(buf);
}

int touch(const char *path, mode_t mode)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, mode);

	return fd < 0 ? -1 : close(fd);
}

void must(long result)
{
	if (result == -1)
		die("preparing");
}

static void wait_child(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		die("child");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		printf("  child ended with %x\n", (unsigned)status);
}

void as_user(uid_t uid, gid_t gid, gid_t group, void (*fn)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		size_t count = group == (gid_t)-1 ? 0 : 1;

		if (setgroups(count, &group) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0)
			die("becoming user %u", uid);
		umask(022);
		fn();
		fflush(stdout);
		_exit(0);
	}
	wait_child(pid);
}

void in_child(void (*fn)(void))
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		fn();
		fflush(stdout);
		_exit(0);
	}
	wait_child(pid);
}

static void run_case(const struct posix_case *c, int root)
{
	if (fchdir(root) < 0 || mkdir(c->name, 0755) < 0 || chdir(c->name) < 0)
		die("directory of case %s", c->name);
	printf("%s\n", c->name);
	umask(022);
	c->run();
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *only = NULL, *other = NULL;
	bool mmap = true;
	int dir;

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "root") == 0)
			root_run = true;
		else if (strcmp(argv[i], "nommap") == 0)
			mmap = false;
		else if (strcmp(argv[i], "few") == 0)
			few = true;
		else if (strcmp(argv[i], "slow") == 0)
			slow = true;
		else if (strcmp(argv[i], "shared") == 0)
			shared = true;
		else if (strncmp(argv[i], "only=", 5) == 0)
			only = argv[i] + 5;
		else if (strncmp(argv[i], "beneath=", 8) == 0)
			other = argv[i] + 8;
	}
	if (argc < 2 || (dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		die("usage: posixcmp DIR [root] [nommap] [few] [slow] [shared] [only=NAME] [beneath=DIR]");
	top = realpath(argv[1], NULL);
	top_beneath = other ? realpath(other, NULL) : top;
	if (!top || !top_beneath)
		die("%s", other ? other : argv[1]);
	for (const struct posix_case *const *table = posix_tables; *table; table++)
		for (const struct posix_case *c = *table; c->name; c++)
			if ((root_run || !c->root) && (mmap || !c->mmap) &&
			    (slow || !c->slow) && (shared || !c->beneath) &&
			    (!only || strcmp(only, c->name) == 0))
				run_case(c, dir);
	return 0;
}

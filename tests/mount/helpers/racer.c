/* SPDX-License-Identifier: MIT */
/*
 * Two sides of a race. All calls of theirs act beneath a directory and follow
 * no symlink, so that what happens elsewhere was done by whoever serves it.
 *
 *	racer attack DIR OUTSIDE SECONDS SEED   in turn makes DIR's entries directories, files, and
 *	                                        symlinks that lead to OUTSIDE
 *	racer work DIR SECONDS SEED SECRET      does everything to what it finds in DIR; fails if it
 *	                                        reads the word SECRET
 *	racer swap DIR SECONDS                  renames DIR/secret to DIR/name and back
 *	racer create DIR SECONDS SECRET         opens DIR/name with O_CREAT; fails if it reads SECRET
 *
 * Prints how many calls succeeded.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

#define NAMES 3

static uint64_t state;
static unsigned long succeeded;
static const char *secret = "";

static unsigned pick(unsigned n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)(state >> 33) % n;
}

static void count(long rc)
{
	succeeded += rc >= 0;
}

static bool until(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec < end->tv_sec || (now.tv_sec == end->tv_sec && now.tv_nsec < end->tv_nsec);
}

static struct timespec after(const char *seconds)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += atoi(seconds);
	return end;
}

static int open_inside(int dir, const char *name, int flags, mode_t mode)
{
	struct open_how how = {.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
			       .mode = flags & O_CREAT ? mode : 0,
			       .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};

	return (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

/* One of the directories d0.., or DIR itself. */
static int some_dir(int top)
{
	char name[8];

	if (pick(4) == 0)
		return dup(top);
	snprintf(name, sizeof(name), "d%u", pick(NAMES));
	return open_inside(top, name, O_RDONLY | O_DIRECTORY, 0);
}

/* Files and directories share names: an entry is now one, now the other. */
static void some_name(char *name, size_t size)
{
	snprintf(name, size, "%c%u", "dfl"[pick(3)], pick(NAMES));
}

/* ------------------------------------------------------------------ attack */

static void make_link(int dir, const char *name, const char *outside)
{
	char target[4096], to[8];

	some_name(to, sizeof(to));
	if (pick(3) == 0)
		snprintf(target, sizeof(target), "%s", outside);
	else
		snprintf(target, sizeof(target), "%s/%s", outside, to);
	count(symlinkat(target, dir, name));
}

static void attack_once(int top, const char *outside)
{
	int a = some_dir(top), b = some_dir(top), fd;
	char from[8], to[8];

	some_name(from, sizeof(from));
	some_name(to, sizeof(to));
	switch (a < 0 || b < 0 ? 3 : pick(8)) {
	case 0: case 1:
		count(syscall(SYS_renameat2, a, from, b, to, RENAME_EXCHANGE));
		break;
	case 2:
		count(renameat(a, from, b, to));
		break;
	case 3:
		count(mkdirat(top, from, 0777));
		break;
	case 4:
		make_link(a, from, outside);
		break;
	case 5:
		fd = open_inside(a, from, O_WRONLY | O_CREAT | O_NONBLOCK, 0666);
		count(fd);
		if (fd >= 0) {
			count(write(fd, "mine", 4));
			close(fd);
		}
		break;
	case 6:
		if (unlinkat(a, from, 0))
			count(unlinkat(a, from, AT_REMOVEDIR));
		break;
	default:
		count(linkat(a, from, b, to, 0));
	}
	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
}

/* -------------------------------------------------------------------- work */

static int check_data(int fd)
{
	char buf[4096];
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	count(n);
	buf[n > 0 ? n : 0] = '\0';
	if (!*secret || !strstr(buf, secret))
		return 0;
	printf("read what is not to be read\n");
	return 1;
}

static int use_file(int dir, const char *name)
{
	int fd = open_inside(dir, name, O_RDWR | O_NONBLOCK | (pick(2) ? O_CREAT : 0), 0644), bad;

	if (fd < 0)
		return 0;
	bad = check_data(fd);
	switch (pick(6)) {
	case 0: count(pwrite(fd, "root", 4, pick(9000))); break;
	case 1: count(ftruncate(fd, pick(9000))); break;
	case 2: count(fchmod(fd, 0600 + pick(64))); break;
	case 3: count(fchown(fd, 65534, 65534)); break;
	case 4: count(fsetxattr(fd, "user.x", "y", 1, 0)); break;
	default: count(fallocate(fd, 0, 0, 4096));
	}
	close(fd);
	return bad;
}

/* By name, and what would follow a symlink through a magic link to the entry. */
static void use_name(int dir, const char *name, int other, const char *to)
{
	const struct timespec times[2] = {{1, 1}, {2, 2}};
	char path[64], buf[4096];
	int fd;

	switch (pick(9)) {
	case 0: count(fchownat(dir, name, 65534, 65534, AT_SYMLINK_NOFOLLOW)); return;
	case 1: count(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW)); return;
	case 2: count(unlinkat(dir, name, 0)); return;
	case 3: count(mkdirat(dir, name, 0777)); return;
	case 4: count(renameat(dir, name, other, to)); return;
	case 5: count(linkat(dir, name, other, to, 0)); return;
	case 6: count(readlinkat(dir, name, buf, sizeof(buf))); return;
	case 7: count(mknodat(dir, name, S_IFIFO | 0666, 0)); return;
	default: break;
	}
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	switch (pick(4)) {
	case 0: count(chmod(path, 0700 + pick(64))); break;
	case 1: count(truncate(path, pick(100))); break;
	case 2: count(setxattr(path, "trusted.x", "y", 1, 0)); break;
	default: count(listxattr(path, buf, sizeof(buf)));
	}
	close(fd);
}

static int work_once(int top)
{
	int dir = some_dir(top), other = some_dir(top), bad = 0;
	char name[8], to[8];

	some_name(name, sizeof(name));
	some_name(to, sizeof(to));
	if (dir >= 0 && other >= 0) {
		if (pick(2))
			bad = use_file(dir, name);
		else
			use_name(dir, name, other, to);
	}
	if (dir >= 0)
		close(dir);
	if (other >= 0)
		close(other);
	return bad;
}

/* ---------------------------------------------------------- swap and create */

static void swap_once(int top)
{
	struct stat st;

	/* What the other side has made is in the way. */
	if (fstatat(top, "name", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid == geteuid())
		unlinkat(top, "name", 0);
	count(syscall(SYS_renameat2, top, "secret", top, "name", RENAME_NOREPLACE));
	count(syscall(SYS_renameat2, top, "name", top, "secret", RENAME_NOREPLACE));
}

static int create_once(int top)
{
	int fd = openat(top, "name", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600), bad;

	if (fd < 0)
		return 0;
	count(fd);
	bad = check_data(fd);
	close(fd);
	return bad;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct timespec end;
	int top, bad = 0;

	if (argc < 4)
		return 2;
	top = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0) {
		perror(argv[2]);
		return 2;
	}
	umask(0);
	if (argc > 5)
		state = (uint64_t)atoi(argv[strcmp(what, "attack") ? 4 : 5]);
	if (!strcmp(what, "create") && argc > 4)
		secret = argv[4];
	else if (!strcmp(what, "work") && argc > 5)
		secret = argv[5];
	end = after(argv[strcmp(what, "attack") ? 3 : 4]);
	while (!bad && until(&end)) {
		if (!strcmp(what, "attack"))
			attack_once(top, argv[3]);
		else if (!strcmp(what, "work"))
			bad = work_once(top);
		else if (!strcmp(what, "swap"))
			swap_once(top);
		else
			bad = create_once(top);
	}
	printf("%lu\n", succeeded);
	return bad;
}

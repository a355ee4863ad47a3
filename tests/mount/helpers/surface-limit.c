/* SPDX-License-Identifier: MIT */
/* Where things end: sizes, links, names, xattrs, resource limits, directories. */
#include "surface.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

static volatile sig_atomic_t exceeded;

static void on_limit(int sig)
{
	(void)sig;
	exceeded++;
}

static void limited(void)
{
	const struct rlimit limit = {10000, 10000};
	char buf[4096] = "";
	int fd = open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0644), in;

	put_file("source", 20000, 1);
	in = open("source", O_RDONLY | O_CLOEXEC);
	signal(SIGXFSZ, on_limit);
	must(setrlimit(RLIMIT_FSIZE, &limit));
	say(pwrite(fd, buf, sizeof(buf), 0), "write below the limit");
	say(pwrite(fd, buf, sizeof(buf), 8000), "write across it");
	say(pwrite(fd, buf, sizeof(buf), 10000), "write at it");
	say(pwrite(fd, buf, 1, 9999), "write of the last byte");
	say(ftruncate(fd, 10000), "truncate to it");
	say(ftruncate(fd, 10001), "truncate over it");
	say(truncate("f", 1 << 20), "truncate by name");
	say(fallocate(fd, 0, 0, 20000), "fallocate over it");
	say(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000), "fallocate over it, keep size");
	say(copy_file_range(in, NULL, fd, (off_t[]){9000}, 5000, 0), "copy across it");
	say(copy_file_range(in, NULL, fd, (off_t[]){10000}, 5000, 0), "copy at it");
	say(lseek(fd, 0, SEEK_END), "size");
	say(exceeded, "signals");
	show("f");
}

static void file_limit(void)
{
	in_child(limited);
}

/* The largest size that BACKING takes, by halves. */
static void largest_size(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	off_t good = 0, bad = INT64_MAX;

	while (bad - good > 1) {
		off_t at = good + (bad - good) / 2;

		if (ftruncate(fd, at) == 0)
			good = at;
		else if (errno == EFBIG)
			bad = at;
		else
			must(-1);
	}
	say(good, "largest size");
	say(ftruncate(fd, good), "that size");
	say(fallocate(fd, 0, good, 1), "fallocate behind it");
	say(ftruncate(fd, good - 1), "a byte less");
	say(pwrite(fd, "x", 1, good - 1), "write of the last byte");
	/* Written back later, the error may come later too. */
	say(pwrite(fd, "x", 1, good) < 0 || fsync(fd) < 0 ? -1 : 0, "write behind it, then fsync");
	close(fd);
}

static void symlink_chains(void)
{
	char from[16], to[16];

	put_file("0", 1, 1);
	for (int i = 1; i <= 42; i++) {
		snprintf(from, sizeof(from), "%d", i - 1);
		snprintf(to, sizeof(to), "%d", i);
		must(symlink(from, to));
		say(access(to, F_OK), "chain of %d", i);
	}
}

/* A path deeper than PATH_MAX, step by step. */
static void deep(void)
{
	char name[NAME_MAX + 1], path[PATH_MAX + 300];
	int top = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memset(name, 'd', NAME_MAX);
	name[NAME_MAX] = '\0';
	for (int i = 0; i < 20; i++) {
		must(mkdir(name, 0755));
		must(enter(name));
	}
	say(touch("f", 0644), "create below 20 long names");
	say(getcwd(path, sizeof(path)) ? 0 : -1, "getcwd");
	say(rename("f", "g"), "rename");
	say(unlink("g"), "unlink");
	must(fchdir(top));
	for (int i = 0; i < 14; i++)
		must(enter(name));
	say(access(".", R_OK), "access in the middle");
	must(fchdir(top));
	close(top);
}

static void xattr_sizes(void)
{
	static char value[70000];
	const size_t sizes[] = {0,    1,    255,  1000,  2000,  3000, 3900,
				4000, 4096, 8192, 65535, 65536, 65537};
	char name[32];
	int n = 0;

	put_file("f", 1, 1);
	memset(value, 'v', sizeof(value));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		put_file("g", 1, 1);
		say(setxattr("g", "user.v", value, sizes[i], 0), "a value of %zu", sizes[i]);
		say(getxattr("g", "user.v", NULL, 0), "its size");
		say(getxattr("g", "user.v", value, sizeof(value)), "it");
		unlink("g");
	}
	for (; n < 2000; n++) {
		snprintf(name, sizeof(name), "user.name-%d", n);
		if (setxattr("f", name, "0123456789", 10, 0) < 0)
			break;
	}
	say(-1, "xattrs until there is no room");
	say(n, "of them");
	say(listxattr("f", NULL, 0), "their list");
	say(listxattr("f", value, sizeof(value)), "their list");
	say(listxattr("f", value, 10), "their list in 10 bytes");
}

static void many_links(void)
{
	char name[16];
	struct stat st;
	int n = 0;

	put_file("f", 1, 1);
	for (; n < 70000; n++) {
		snprintf(name, sizeof(name), "%d", n);
		if (link("f", name) < 0)
			break;
	}
	say(-1, "the last link");
	say(n, "links");
	must(stat("f", &st));
	say((long)st.st_nlink, "as stat says");
	say(unlink("0"), "unlink one");
	say(link("f", "0"), "link again");
}

#define NAMES 100000

static int by_string(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Reads all, remembers where each hundredth was, then removes and adds names,
 * and goes back: what was not touched is where it was. */
static void seeking(void)
{
	static char *seen[NAMES + 16];
	static long where[NAMES / 100 + 1];
	static char *first_there[NAMES / 100 + 1];
	size_t n = 0, marks = 0, wrong = 0, twice = 0;
	struct dirent *e;
	char name[16];
	DIR *d;

	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "n%06d", i);
		must(mknod(beneath(name), S_IFREG | 0644, 0));
	}
	d = opendir(".");
	for (;;) {
		long at = telldir(d);

		e = readdir(d);
		if (!e || n >= NAMES + 16)
			break;
		if (n % 100 == 0) {
			where[marks] = at;
			first_there[marks++] = strdup(e->d_name);
		}
		seen[n++] = strdup(e->d_name);
	}
	say((long)n, "entries");
	for (int i = 0; i < NAMES; i += 3) {
		snprintf(name, sizeof(name), "n%06d", i);
		must(unlink(i % 2 ? beneath(name) : name));
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "later%d", i);
		must(touch(name, 0644));
	}
	for (size_t m = marks; m-- > 0;) {
		bool gone = *first_there[m] == 'n' && atoi(first_there[m] + 1) % 3 == 0;

		seekdir(d, where[m]);
		e = readdir(d);
		if (!gone && (!e || (strcmp(e->d_name, first_there[m]) != 0 &&
				     strncmp(e->d_name, "later", 5) != 0)))
			wrong++;
	}
	say((long)wrong, "positions that lead elsewhere");
	rewinddir(d);
	for (n = 0; n < NAMES && (e = readdir(d)); n++)
		seen[n] = strdup(e->d_name);
	qsort(seen, n, sizeof(seen[0]), by_string);
	for (size_t i = 1; i < n; i++)
		twice += strcmp(seen[i - 1], seen[i]) == 0;
	say((long)n, "entries after it");
	say((long)twice, "entries twice");
	closedir(d);
}

const struct posix_case limit_cases[] = {
	{.name = "file-size-limit", .run = file_limit},
	{.name = "largest-size", .run = largest_size},
	{.name = "symlink-chains", .run = symlink_chains},
	{.name = "deep", .run = deep},
	{.name = "xattr-sizes", .run = xattr_sizes},
	{.name = "many-links", .run = many_links, .slow = true},
	{.name = "seeking", .run = seeking, .slow = true},
	{0},
};

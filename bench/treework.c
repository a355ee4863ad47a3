/* SPDX-License-Identifier: MIT */
/*
 * The same call on each of many small files, timed: prints how many a second. Exits 1 with a line on
 * stderr if a call fails or a byte is wrong. File N is DIR/dNNN/fNNNNNN; its page is the pattern's
 * page N, and it has the first BYTES of that.
 */
#include "pattern.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define PER_DIR 100u

static const char *top;
static struct pattern pattern;
static unsigned long files;
static size_t bytes; /* of each */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static const char *name_of(unsigned long n)
{
	static char name[PATH_MAX];
	int len = snprintf(name, sizeof(name), "%s/d%03lu/f%06lu", top, n / PER_DIR, n);

	if (len < 0 || (size_t)len >= sizeof(name))
		errx(1, "%s is too long", top);
	return name;
}

static void on_directories(bool make)
{
	char name[PATH_MAX];

	for (unsigned long d = 0; d * PER_DIR < files; d++) {
		int len = snprintf(name, sizeof(name), "%s/d%03lu", top, d);

		if (len < 0 || (size_t)len >= sizeof(name))
			errx(1, "%s is too long", top);
		if (make ? mkdir(name, 0755) && errno != EEXIST : rmdir(name))
			err(1, "%s", name);
	}
}

/* --------------------------------------------------------- one file each */

static void create_one(unsigned long n)
{
	const char *name = name_of(n);
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		err(1, "%s", name);
	if (bytes && write(fd, pattern_stamped(&pattern, n), bytes) != (ssize_t)bytes)
		err(1, "writing %s", name);
	if (close(fd) < 0)
		err(1, "closing %s", name);
}

static void read_one(unsigned long n)
{
	const char *name = name_of(n);
	uint8_t found[PAGE];
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", name);
	if (read(fd, found, sizeof(found)) != (ssize_t)bytes)
		err(1, "%s has not %zu bytes", name, bytes);
	if (memcmp(found, pattern_stamped(&pattern, n), bytes) != 0)
		errx(1, "%s: wrong data", name);
	if (close(fd) < 0)
		err(1, "closing %s", name);
}

static void stat_one(unsigned long n)
{
	const char *name = name_of(n);
	struct stat st;

	if (stat(name, &st) < 0)
		err(1, "%s", name);
	if ((size_t)st.st_size != bytes)
		errx(1, "%s has %jd bytes instead of %zu", name, (intmax_t)st.st_size, bytes);
}

static void unlink_one(unsigned long n)
{
	const char *name = name_of(n);

	if (unlink(name) < 0)
		err(1, "%s", name);
}

/* A request to the daemon each time: the kernel does not keep the answer. */
static void statfs_one(unsigned long n)
{
	struct statvfs st;

	(void)n;
	if (statvfs(top, &st) < 0)
		err(1, "%s", top);
	if (!st.f_bsize)
		errx(1, "%s: a block size of 0", top);
}

static const struct work {
	const char *name;
	void (*one)(unsigned long n);
} works[] = {
	{"create", create_one}, {"read", read_one}, {"stat", stat_one},
	{"unlink", unlink_one}, {"statfs", statfs_one},
};

static double rate(const struct work *w, unsigned long passes)
{
	double start = now();

	for (unsigned long i = 0; i < passes; i++)
		for (unsigned long n = 0; n < files; n++)
			w->one(n);
	return (double)files * (double)passes / (now() - start);
}

static const struct work *work_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		if (strcmp(works[i].name, name) == 0)
			return &works[i];
	fputs("usage: treework create|read|stat|unlink|statfs DIR SEED FILES BYTES PASSES\n"
	      "BYTES, of each file, are at most 4096. Making and removing directories is not timed.\n",
	      stderr);
	exit(2);
}

static unsigned long number(const char *arg, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(arg, &end, 10);
	if (errno || end == arg || *end || n < least || n > most)
		errx(2, "'%s' is not a number from %lu to %lu", arg, least, most);
	return n;
}

int main(int argc, char **argv)
{
	const struct work *w = work_by_name(argc == 7 ? argv[1] : "");
	unsigned long passes;
	double result;

	top = argv[2];
	files = number(argv[4], 1, 1000000);
	bytes = number(argv[5], 0, PAGE);
	passes = number(argv[6], 1, 1000000);
	if (!pattern_init(&pattern, number(argv[3], 1, LONG_MAX)))
		errx(1, "no memory");
	if (w->one == create_one)
		on_directories(true);
	result = rate(w, passes);
	if (w->one == unlink_one)
		on_directories(false);
	printf("%.1f\n", result);
	pattern_release(&pattern);
	return 0;
}

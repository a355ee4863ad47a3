/* SPDX-License-Identifier: MIT */
/*
 * Many changes of many files in a short time:
 *
 *	burst make DIR DIRS EACH           DIRS directories with EACH files
 *	burst change DIR DIRS EACH TIMES SEED   five changes for each file, and again
 *	burst busy DIR DIRS EACH SECONDS SEED   such changes at random until the time is over;
 *	                                   others may do the same, so what is not there is no error
 *	burst append DIR FILE LINES        lines at the end of DIR/FILE, each written twice:
 *	                                   wrong first, then right
 *	burst scribble DIR FILE SECONDS    the first line, over and over
 *
 * prints how many were made. A line is LINE_BYTES of its number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define PATH_BYTES 64
#define LINE_BYTES 128

static unsigned long made;

static void done(int rc, const char *what)
{
	if (rc < 0)
		die("%s", what);
	made++;
}

static void path_of(char *path, unsigned d, unsigned f, const char *suffix)
{
	snprintf(path, PATH_BYTES, "d%u/%u%s", d, f, suffix);
}

static int put(int dir, const char *path, uint64_t at, size_t len, uint64_t seed, int flags)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
	char buf[8192];
	int rc;

	if (fd < 0)
		return -1;
	pattern_fill(buf, at, len, seed);
	rc = write_full(fd, buf, len, at) == (int64_t)len ? 0 : -1;
	return close(fd) ? -1 : rc;
}

static void make(int dir, unsigned dirs, unsigned each)
{
	char path[PATH_BYTES];

	for (unsigned d = 0; d < dirs; d++) {
		snprintf(path, sizeof(path), "d%u", d);
		done(mkdirat(dir, path, 0755), path);
		for (unsigned f = 0; f < each; f++) {
			path_of(path, d, f, "");
			done(put(dir, path, 0, 1000, f, 0), path);
		}
	}
}

/* Data, size, mode, a name that goes and one that comes. */
static void change(int dir, unsigned d, unsigned f, unsigned seed)
{
	char path[PATH_BYTES], other[PATH_BYTES];

	path_of(path, d, f, "");
	path_of(other, d, f, ".new");
	done(put(dir, path, 100 * seed, 800 + 10 * f, seed, 0), path);
	done(fchmodat(dir, path, 0600 + (seed & 1) * 044, 0), path);
	if (f % 2) {
		done(put(dir, other, 0, 50 + f, seed, O_TRUNC), other);
		done(renameat(dir, other, dir, path), path);
	} else {
		done(renameat(dir, path, dir, other), path);
		done(renameat(dir, other, dir, path), other);
	}
	path_of(other, d, f, seed & 1 ? ".one" : ".two");
	done(put(dir, other, 0, 0, seed, 0), other);
	path_of(other, d, f, seed & 1 ? ".two" : ".one");
	(void)unlinkat(dir, other, 0);
}

static void change_all(int dir, unsigned dirs, unsigned each, unsigned seed)
{
	for (unsigned d = 0; d < dirs; d++)
		for (unsigned f = 0; f < each; f++)
			change(dir, d, f, seed);
}

static void one_of(int dir, unsigned d, unsigned f, uint64_t *state)
{
	char path[PATH_BYTES], other[PATH_BYTES];
	uint64_t r = next_random(state);
	int rc = 0;

	path_of(path, d, f, r & 1 ? "" : ".x");
	path_of(other, d, (f + 1) % 4, r & 2 ? "" : ".x");
	switch ((r >> 8) % 7) {
	case 0:
		rc = put(dir, path, (r >> 16) % 20000, 1 + (r >> 40) % 8000, r, 0);
		break;
	case 1:
		rc = put(dir, path, 0, 1 + (r >> 40) % 8000, r, O_TRUNC);
		break;
	case 2:
		rc = renameat(dir, path, dir, other);
		break;
	case 3:
		rc = unlinkat(dir, path, 0);
		break;
	case 4:
		rc = put(dir, path, 0, 100, r, O_APPEND);
		break;
	case 5:
		rc = fchmodat(dir, path, 0600 + (r >> 20) % 64, 0);
		break;
	case 6:
		rc = linkat(dir, path, dir, other, 0);
		break;
	}
	if (rc && errno != ENOENT && errno != EEXIST && errno != ESTALE && errno != EACCES &&
	    errno != EIO)
		die("%s", path);
	made++;
}

static void busy(int dir, unsigned dirs, unsigned each, double seconds, uint64_t seed)
{
	double end = now_seconds() + seconds;
	uint64_t state = seed;

	while (now_seconds() < end) {
		uint64_t r = next_random(&state);

		one_of(dir, (unsigned)(r % dirs), (unsigned)((r >> 32) % each), &state);
	}
}

static void put_line(int fd, uint64_t at, unsigned long n)
{
	char line[LINE_BYTES + 1];

	snprintf(line, sizeof(line), "%0*lu\n", LINE_BYTES - 1, n);
	done(write_full(fd, line, LINE_BYTES, at) == LINE_BYTES ? 0 : -1, "a line");
}

static void append(int fd, unsigned long lines)
{
	struct stat st;

	done(fstat(fd, &st), "the size");
	for (unsigned long i = 0; i < lines; i++) {
		uint64_t at = (uint64_t)st.st_size + i * LINE_BYTES;

		put_line(fd, at, lines + i);
		put_line(fd, at, i);
	}
}

static void scribble(int fd, double seconds)
{
	double end = now_seconds() + seconds;

	while (now_seconds() < end)
		put_line(fd, 0, 7);
}

static int lines_main(char **argv, int dir)
{
	int fd = openat(dir, argv[3], O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("%s", argv[3]);
	if (!strcmp(argv[1], "append"))
		append(fd, parse_number(argv[4]));
	else
		scribble(fd, (double)parse_number(argv[4]));
	done(close(fd), "close");
	printf("%lu\n", made);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned dirs, each;
	int dir;

	if (argc < 5)
		die("usage");
	dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		die("%s", argv[2]);
	if (!strcmp(argv[1], "append") || !strcmp(argv[1], "scribble"))
		return lines_main(argv, dir);
	dirs = (unsigned)parse_number(argv[3]);
	each = (unsigned)parse_number(argv[4]);
	if (!strcmp(argv[1], "make"))
		make(dir, dirs, each);
	else if (!strcmp(argv[1], "busy") && argc > 6)
		busy(dir, dirs, each, (double)parse_number(argv[5]), parse_number(argv[6]));
	else if (!strcmp(argv[1], "change") && argc > 6)
		for (unsigned t = 0; t < parse_number(argv[5]); t++)
			change_all(dir, dirs, each, (unsigned)parse_number(argv[6]) + t);
	else
		die("usage");
	printf("%lu\n", made);
	return 0;
}

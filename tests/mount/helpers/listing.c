/* SPDX-License-Identifier: MIT */
/*
 * Directories that are read while names come, go and move.
 *
 *	listing make DIR DIRS NAMES
 *	listing run READ CHANGE DIRS NAMES SECONDS [stale]
 *
 * make: DIR/dN with NAMES files stayK each, some movingK, and directories
 * wanderN with NAMES files stayK. run: two threads rename in CHANGE, meanwhile
 * two read READ, which is the same tree by the same or another way. Each stayK
 * must be seen exactly once in each pass of its directory, and be there for
 * lstat; the others may be gone (ENOENT), and nothing else may go wrong. stale: but
 * a directory that moves may be ESTALE, see mmapfs(8).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define MOVING 50

static struct {
	const char *read, *change;
	unsigned dirs, names;
	double end;
	bool stale;
	_Atomic(unsigned long) renames, passes, gone, stales;
} job;

static void make_files(const char *dir, const char *prefix, unsigned count)
{
	char path[2 * PATH_MAX];

	for (unsigned i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s%u", dir, prefix, i);
		if (mknod(path, S_IFREG | 0644, 0) < 0)
			die("%s", path);
	}
}

static void make(const char *dir)
{
	char path[PATH_MAX];

	for (unsigned i = 0; i < job.dirs; i++) {
		snprintf(path, sizeof(path), "%s/d%u", dir, i);
		if (mkdir(path, 0755) < 0)
			die("%s", path);
		make_files(path, "stay", job.names);
		make_files(path, "moving", MOVING);
		snprintf(path, sizeof(path), "%s/d%u/wander%u", dir, i, i);
		if (mkdir(path, 0755) < 0)
			die("%s", path);
		make_files(path, "stay", job.names);
	}
}

/* A file or directory that moves, between any two directories and under two names. */
static void *change(void *arg)
{
	uint64_t random = (uint64_t)(uintptr_t)arg;

	while (now_seconds() < job.end) {
		const bool dir = next_random(&random) % 16 == 0;
		const unsigned i = (unsigned)(next_random(&random) % (dir ? job.dirs : MOVING));
		char from[PATH_MAX], to[PATH_MAX];

		snprintf(from, sizeof(from), "%s/d%u/%s%s%u", job.change,
			 (unsigned)(next_random(&random) % job.dirs), dir ? "wander" : "moving",
			 next_random(&random) % 2 ? "-other-" : "", i);
		snprintf(to, sizeof(to), "%s/d%u/%s%s%u", job.change,
			 (unsigned)(next_random(&random) % job.dirs), dir ? "wander" : "moving",
			 next_random(&random) % 2 ? "-other-" : "", i);
		if (rename(from, to) == 0)
			job.renames++;
		else if (errno != ENOENT && errno != ENOTEMPTY)
			die("rename %s %s", from, to);
	}
	return NULL;
}

__attribute__((noreturn)) static void wrong(const char *path, const char *what)
{
	printf("%s: %s\n", path, what);
	fflush(stdout);
	exit(1);
}

static void look_at(int dir, const char *path, const char *name, bool stays)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	if (errno == ESTALE && job.stale && strncmp(name, "wander", 6) == 0) {
		job.stales++;
		return;
	}
	if (errno != ENOENT || stays) {
		printf("lstat %s: %s\n", name, errno_name(errno));
		wrong(path, "a name that was listed");
	}
	job.gone++;
}

/* deep: also asks for the attributes of what it finds. */
static void pass(const char *path, bool may_miss, bool deep, uint8_t *seen)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir && errno == ENOENT && may_miss) {
		job.gone++;
		return;
	}
	if (!dir && errno == ESTALE && job.stale && may_miss) {
		job.stales++;
		return;
	}
	if (!dir)
		die("opendir %s", path);
	memset(seen, 0, job.names);
	for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
		const bool stays = strncmp(entry->d_name, "stay", 4) == 0;
		const unsigned long i = stays ? strtoul(entry->d_name + 4, NULL, 10) : 0;

		if (stays && (i >= job.names || seen[i]++))
			wrong(path, "a name comes twice");
		if (deep)
			look_at(dirfd(dir), path, entry->d_name, stays);
	}
	if (errno)
		die("readdir %s", path);
	for (unsigned i = 0; i < job.names; i++)
		if (!seen[i])
			wrong(path, "a name that is there all the time is missing");
	job.passes++;
	closedir(dir);
}

static void *look(void *arg)
{
	uint64_t random = (uint64_t)(uintptr_t)arg;
	uint8_t *seen = calloc(job.names, 1);

	while (now_seconds() < job.end) {
		const unsigned i = (unsigned)(next_random(&random) % job.dirs);
		const bool deep = next_random(&random) % 2;
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/d%u", job.read, i);
		pass(path, false, deep, seen);
		snprintf(path, sizeof(path), "%s/d%u/wander%u", job.read, i,
			 (unsigned)(next_random(&random) % job.dirs));
		pass(path, true, deep, seen);
	}
	free(seen);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[4];

	if (argc == 5 && strcmp(argv[1], "make") == 0) {
		job.dirs = (unsigned)parse_number(argv[3]);
		job.names = (unsigned)parse_number(argv[4]);
		make(argv[2]);
		return 0;
	}
	job.stale = argc == 8 && strcmp(argv[7], "stale") == 0;
	if (argc != 7 + job.stale || strcmp(argv[1], "run") != 0) {
		fprintf(stderr, "usage: listing make DIR DIRS NAMES\n"
				"       listing run READ CHANGE DIRS NAMES SECONDS [stale]\n");
		return 2;
	}
	job.read = argv[2];
	job.change = argv[3];
	job.dirs = (unsigned)parse_number(argv[4]);
	job.names = (unsigned)parse_number(argv[5]);
	job.end = now_seconds() + (double)parse_number(argv[6]);
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, i % 2 ? change : look, (void *)(i + 1));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	printf("%lu passes, %lu renames, %lu names gone meanwhile, %lu stale\n", job.passes,
	       job.renames, job.gone, job.stales);
	return !job.passes || !job.renames;
}

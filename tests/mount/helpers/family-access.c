/* SPDX-License-Identifier: MIT */
/* access, chdir, opendir, stat: who may look at what. */
#include "family.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static long access_exists(const char *path, const char *beside)
{
	(void)beside;
	return faccessat(AT_FDCWD, path, F_OK, AT_EACCESS);
}

static long access_read(const char *path, const char *beside)
{
	(void)beside;
	return access(path, R_OK);
}

static long access_write(const char *path, const char *beside)
{
	(void)beside;
	return access(path, W_OK);
}

static long access_search(const char *path, const char *beside)
{
	(void)beside;
	return access(path, X_OK);
}

static long access_chdir(const char *path, const char *beside)
{
	int here = open(".", O_PATH | O_CLOEXEC), rc = chdir(path);

	(void)beside;
	if (fchdir(here) < 0)
		return -2;
	close(here);
	return rc;
}

static long access_list(const char *path, const char *beside)
{
	DIR *d = opendir(path);

	(void)beside;
	return d ? closedir(d) : -1;
}

static long access_stat(const char *path, const char *beside)
{
	struct stat st;

	(void)beside;
	return stat(path, &st);
}

static const struct way access_ways[] = {
	{"access f", access_exists, .beside = BESIDE_NOTHING},
	{"access r", access_read, .beside = BESIDE_NOTHING},
	{"access w", access_write, .beside = BESIDE_NOTHING, .flags_unknown = true},
	{"access x", access_search, .beside = BESIDE_NOTHING},
	{"chdir", access_chdir, .beside = BESIDE_NOTHING},
	{"opendir", access_list, .beside = BESIDE_NOTHING},
	{"stat", access_stat, .beside = BESIDE_NOTHING},
};

FAMILY(access, access_ways);

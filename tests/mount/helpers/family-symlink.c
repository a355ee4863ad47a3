/* SPDX-License-Identifier: MIT */
/* symlink and readlink. */
#include "family.h"

#include <limits.h>
#include <unistd.h>

static long symlink_it(const char *path, const char *beside)
{
	(void)beside;
	return symlink("somewhere", path);
}

static long readlink_it(const char *path, const char *beside)
{
	char buf[PATH_MAX];

	(void)beside;
	return readlink(path, buf, sizeof(buf));
}

static const struct way symlink_ways[] = {
	{"symlink", symlink_it, .beside = BESIDE_NOTHING},
	{"readlink", readlink_it, .beside = BESIDE_NOTHING},
};

FAMILY(symlink, symlink_ways);

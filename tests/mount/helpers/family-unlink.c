/* SPDX-License-Identifier: MIT */
/* unlink and unlinkat. */
#include "family.h"

#include <fcntl.h>
#include <unistd.h>

static long unlink_it(const char *path, const char *beside)
{
	(void)beside;
	return unlink(path);
}

static long unlink_dir(const char *path, const char *beside)
{
	(void)beside;
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

static const struct way unlink_ways[] = {
	{"unlink", unlink_it, .beside = BESIDE_NOTHING},
	{"unlinkat AT_REMOVEDIR", unlink_dir, .beside = BESIDE_NOTHING},
};

FAMILY(unlink, unlink_ways);

/* SPDX-License-Identifier: MIT */
/* rmdir. */
#include "family.h"

#include <unistd.h>

static long rmdir_it(const char *path, const char *beside)
{
	(void)beside;
	return rmdir(path);
}

static const struct way rmdir_ways[] = {
	{"rmdir", rmdir_it, .beside = BESIDE_NOTHING},
};

FAMILY(rmdir, rmdir_ways);

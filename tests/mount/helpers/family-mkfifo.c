/* SPDX-License-Identifier: MIT */
/* mkfifo. */
#include "family.h"

#include <sys/stat.h>

static long mkfifo_0644(const char *path, const char *beside)
{
	(void)beside;
	return mkfifo(path, 0644);
}

static long mkfifo_all(const char *path, const char *beside)
{
	(void)beside;
	return mkfifo(path, 06777);
}

static const struct way mkfifo_ways[] = {
	{"mkfifo 0644", mkfifo_0644, .beside = BESIDE_NOTHING},
	{"mkfifo 06777", mkfifo_all, .beside = BESIDE_NOTHING},
};

FAMILY(mkfifo, mkfifo_ways);

/* SPDX-License-Identifier: MIT */
/* mkdir. */
#include "family.h"

#include <sys/stat.h>

static long mkdir_0755(const char *path, const char *beside)
{
	(void)beside;
	return mkdir(path, 0755);
}

static long mkdir_all(const char *path, const char *beside)
{
	(void)beside;
	return mkdir(path, 07777);
}

static const struct way mkdir_ways[] = {
	{"mkdir 0755", mkdir_0755, .beside = BESIDE_NOTHING},
	{"mkdir 07777", mkdir_all, .beside = BESIDE_NOTHING},
};

FAMILY(mkdir, mkdir_ways);

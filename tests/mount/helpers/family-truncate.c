/* SPDX-License-Identifier: MIT */
/* truncate by name. */
#include "family.h"

#include <unistd.h>

static long truncate_0(const char *path, const char *beside)
{
	(void)beside;
	return truncate(path, 0);
}

static long truncate_same(const char *path, const char *beside)
{
	(void)beside;
	return truncate(path, 10);
}

static long truncate_more(const char *path, const char *beside)
{
	(void)beside;
	return truncate(path, 123456);
}

static long truncate_negative(const char *path, const char *beside)
{
	(void)beside;
	return truncate(path, -1);
}

static const struct way truncate_ways[] = {
	{"truncate to 0", truncate_0, .beside = BESIDE_NOTHING},
	{"truncate to the same size", truncate_same, .beside = BESIDE_NOTHING,
	 .times_differ = true},
	{"truncate to more", truncate_more, .beside = BESIDE_NOTHING},
	{"truncate to -1", truncate_negative, .beside = BESIDE_NOTHING},
};

FAMILY(truncate, truncate_ways);

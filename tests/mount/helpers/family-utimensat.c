/* SPDX-License-Identifier: MIT */
/* utimensat: to now, to a time, by halves. */
#include "family.h"

#include <fcntl.h>
#include <sys/stat.h>

static const struct timespec both_now[] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
static const struct timespec half[] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
static const struct timespec omit[] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
static const struct timespec set[] = {{1234567890, 123456789}, {987654321, 987654321}};

static long times_now(const char *path, const char *beside)
{
	(void)beside;
	return utimensat(AT_FDCWD, path, NULL, 0);
}

static long times_now_both(const char *path, const char *beside)
{
	(void)beside;
	return utimensat(AT_FDCWD, path, both_now, 0);
}

static long times_half(const char *path, const char *beside)
{
	(void)beside;
	return utimensat(AT_FDCWD, path, half, 0);
}

static long times_set(const char *path, const char *beside)
{
	(void)beside;
	return utimensat(AT_FDCWD, path, set, 0);
}

static long times_omit(const char *path, const char *beside)
{
	(void)beside;
	return utimensat(AT_FDCWD, path, omit, 0);
}

static long times_link(const char *path, const char *beside)
{
	(void)beside;
	return utimensat(AT_FDCWD, path, set, AT_SYMLINK_NOFOLLOW);
}

static const struct way utimensat_ways[] = {
	{"to now by a null pointer", times_now, .beside = BESIDE_NOTHING},
	{"to now by both", times_now_both, .beside = BESIDE_NOTHING},
	{"access to now, modification stays", times_half, .beside = BESIDE_NOTHING},
	{"to a time", times_set, .beside = BESIDE_NOTHING},
	{"omit both", times_omit, .beside = BESIDE_NOTHING},
	{"to a time, without following", times_link, .beside = BESIDE_NOTHING},
};

FAMILY(utimensat, utimensat_ways);

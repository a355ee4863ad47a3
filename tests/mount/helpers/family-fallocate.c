/* SPDX-License-Identifier: MIT */
/* posix_fallocate and the modes of fallocate. */
#include "family.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

/* mode -1: posix_fallocate, which returns its error. */
static long allocate(const char *path, int flags, int mode, off_t off, off_t len)
{
	int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	long rc;

	if (fd < 0)
		return -1;
	if (mode < 0) {
		errno = posix_fallocate(fd, off, len);
		rc = errno ? -1 : 0;
	} else {
		rc = fallocate(fd, mode, off, len);
	}
	flags = errno;
	close(fd);
	errno = flags;
	return rc;
}

static long fallocate_posix(const char *path, const char *beside)
{
	(void)beside;
	return allocate(path, O_RDWR, -1, 0, 10000);
}

static long fallocate_within(const char *path, const char *beside)
{
	(void)beside;
	return allocate(path, O_WRONLY, -1, 2, 5);
}

static long fallocate_keep(const char *path, const char *beside)
{
	(void)beside;
	return allocate(path, O_RDWR, FALLOC_FL_KEEP_SIZE, 0, 10000);
}

static long fallocate_punch(const char *path, const char *beside)
{
	(void)beside;
	return allocate(path, O_WRONLY, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4);
}

static long fallocate_zero(const char *path, const char *beside)
{
	(void)beside;
	return allocate(path, O_RDWR, FALLOC_FL_ZERO_RANGE, 0, 20);
}

static long fallocate_read(const char *path, const char *beside)
{
	(void)beside;
	return allocate(path, O_RDONLY, -1, 0, 100);
}

static long fallocate_none(const char *path, const char *beside)
{
	(void)beside;
	return allocate(path, O_RDWR, -1, 0, 0);
}

static const struct way fallocate_ways[] = {
	{"posix_fallocate", fallocate_posix, .beside = BESIDE_NOTHING},
	{"posix_fallocate within", fallocate_within, .beside = BESIDE_NOTHING},
	{"fallocate, keep size", fallocate_keep, .beside = BESIDE_NOTHING},
	{"punch", fallocate_punch, .beside = BESIDE_NOTHING},
	{"zero", fallocate_zero, .beside = BESIDE_NOTHING},
	{"posix_fallocate of O_RDONLY", fallocate_read, .beside = BESIDE_NOTHING},
	{"posix_fallocate of nothing", fallocate_none, .beside = BESIDE_NOTHING},
};

FAMILY(fallocate, fallocate_ways);

/* SPDX-License-Identifier: MIT */
/* truncate by descriptor. */
#include "family.h"

#include <fcntl.h>
#include <unistd.h>

static long ftruncate_0(const char *path, const char *beside)
{
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	long rc = fd < 0 ? -1 : ftruncate(fd, 0);

	(void)beside;
	if (fd >= 0)
		close(fd);
	return rc;
}

static long ftruncate_same(const char *path, const char *beside)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	long rc = fd < 0 ? -1 : ftruncate(fd, 10);

	(void)beside;
	if (fd >= 0)
		close(fd);
	return rc;
}

static long ftruncate_more(const char *path, const char *beside)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	long rc = fd < 0 ? -1 : ftruncate(fd, 123456);

	(void)beside;
	if (fd >= 0)
		close(fd);
	return rc;
}

static long ftruncate_read(const char *path, const char *beside)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	long rc = fd < 0 ? -1 : ftruncate(fd, 0);

	(void)beside;
	if (fd >= 0)
		close(fd);
	return rc;
}

static const struct way ftruncate_ways[] = {
	{"ftruncate to 0", ftruncate_0, .beside = BESIDE_NOTHING},
	{"ftruncate to the same size", ftruncate_same, .beside = BESIDE_NOTHING},
	{"ftruncate to more", ftruncate_more, .beside = BESIDE_NOTHING},
	{"ftruncate of O_RDONLY", ftruncate_read, .beside = BESIDE_NOTHING},
};

FAMILY(ftruncate, ftruncate_ways);

/* SPDX-License-Identifier: MIT */
/* chmod: modes, special bits, through symlinks and descriptors. */
#include "family.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static long chmod_0640(const char *path, const char *beside)
{
	(void)beside;
	return chmod(path, 0640);
}

static long chmod_all(const char *path, const char *beside)
{
	(void)beside;
	return chmod(path, 07777);
}

static long chmod_none(const char *path, const char *beside)
{
	(void)beside;
	return chmod(path, 0);
}

static long chmod_nofollow(const char *path, const char *beside)
{
	(void)beside;
	return fchmodat(AT_FDCWD, path, 0600, AT_SYMLINK_NOFOLLOW);
}

static long chmod_open(const char *path, const char *beside)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	long rc = fd < 0 ? -1 : fchmod(fd, 0604);

	(void)beside;
	if (fd >= 0)
		close(fd);
	return rc;
}

static const struct way chmod_ways[] = {
	{"chmod 0640", chmod_0640, .beside = BESIDE_NOTHING},
	{"chmod 07777", chmod_all, .beside = BESIDE_NOTHING},
	{"chmod 0", chmod_none, .beside = BESIDE_NOTHING},
	{"fchmodat without following", chmod_nofollow, .beside = BESIDE_NOTHING},
	{"fchmod", chmod_open, .beside = BESIDE_NOTHING},
};

FAMILY(chmod, chmod_ways);

/* SPDX-License-Identifier: MIT */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define LOOSE (S_IRWXG | S_IRWXO | S_ISUID | S_ISGID | S_ISVTX)

static int tighten(int fd, const struct stat *st)
{
	if (!(st->st_mode & LOOSE))
		return 0;
	/* On a read-only BACKING nobody can misuse it, nor can it be mended. */
	if (fchmod(fd, st->st_mode & S_IRWXU) && errno != EROFS)
		return -errno;
	log_warning("%s/%s had the mode %04o; it is for the daemon alone, and 0700 now", fs.backing,
		    RESERVED_NAME, st->st_mode & 07777);
	return 0;
}

static int check(int fd, char *msg, size_t size)
{
	struct stat st;
	int rc = fstat(fd, &st) ? -errno : 0;

	if (!rc && st.st_uid != geteuid()) {
		snprintf(msg, size,
			 "BACKING %s has a directory %s of user %u, which is reserved for the "
			 "daemon's "
			 "own state; remove or rename it, or give it to user %u",
			 fs.backing, RESERVED_NAME, st.st_uid, geteuid());
		return -EPERM;
	}
	if (!rc)
		rc = tighten(fd, &st);
	if (rc)
		snprintf(msg, size, "%s/%s: %s", fs.backing, RESERVED_NAME, strerror(-rc));
	return rc;
}

int state_check(char *msg, size_t size)
{
	int fd = openat(fs.root_fd, RESERVED_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
	    rc;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0) {
		rc = -errno;
		snprintf(msg, size,
			 "BACKING %s has a %s that is no directory of the daemon's (%s): the name "
			 "is "
			 "reserved for its own state; remove or rename it",
			 fs.backing, RESERVED_NAME, strerror(-rc));
		return rc;
	}
	rc = check(fd, msg, size);
	close(fd);
	return rc;
}

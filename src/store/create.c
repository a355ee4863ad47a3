/* SPDX-License-Identifier: MIT */
/*
 * Creating a file of a given size under its name at once
 *
 * The file is made and sized under a temporary name, then renamed unless the
 * name exists. After a crash there is either nothing under the name or all of
 * the file; a temporary name may be left behind. Under MMS_SYNC_IMMEDIATE the
 * file and its name are durable on return.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arith.h"
#include "cleanup.h"
#include "errors.h"
#include "file.h"
#include "sys.h"

#define NAME_TRIES 100

/* Makes the directories above path, which is changed and restored. */
static int make_parents(const struct mms_sys *sys, char *path)
{
	for (char *p = path + 1; *path && (p = strchr(p, '/')); p++) {
		int r;

		*p = '\0';
		r = sys->mkdir(path, 0777);
		*p = '/';
		/* What is there but is no directory is refused by the next step. */
		if (r && r != -EEXIST)
			return r;
	}
	return 0;
}

/* A name in the directory of path, new to this process and probably to all. */
static char *temporary_name(const char *path)
{
	static _Atomic uint64_t count;
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path + 1) : 0;
	uint64_t n = atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
	struct timespec now;
	char *name;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	n = u64_mix(n ^ (uint64_t)now.tv_nsec << 20 ^ (uint64_t)getpid() << 40);
	if (asprintf(&name, "%.*s.mms-%016llx.tmp", dir_len, path, (unsigned long long)n) < 0)
		return NULL;
	return name;
}

static int open_temporary(const struct mms_sys *sys, const char *path, mode_t perm, char **ret_name)
{
	for (int i = 0; i < NAME_TRIES; i++) {
		CLEANUP_FREE char *name = temporary_name(path);
		int fd;

		if (!name)
			return -ENOMEM;
		fd = sys->open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, perm);
		if (fd >= 0)
			*ret_name = TAKE_PTR(name);
		if (fd != -EEXIST)
			return fd;
	}
	return -EEXIST;
}

static int sync_parent(const struct mms_sys *sys, const char *path)
{
	CLEANUP_FREE char *dir = strdup(path);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	int fd, r;

	if (!dir)
		return -ENOMEM;
	if (slash)
		slash[slash == dir] = '\0';
	fd = sys->open(slash ? dir : ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	r = sys->fsync(fd);
	(void)sys->close(fd);
	return r;
}

/* Sizes the file and gives it its name. */
static int finish(const struct mms_sys *sys, int fd, const char *temporary, const char *path,
		  uint64_t size, bool durable)
{
	int r = sys->ftruncate(fd, size);

	if (!r && durable)
		r = sys->fsync(fd);
	if (!r)
		r = sys->rename_new(temporary, path);
	if (r)
		return r;
	return durable ? sync_parent(sys, path) : 0;
}

static int create_fd(const struct mms_sys *sys, const char *path, uint64_t size, mode_t perm,
		     bool durable)
{
	CLEANUP_FREE char *copy = strdup(path);
	CLEANUP_FREE char *temporary = NULL;
	int fd, r;

	if (!copy)
		return -ENOMEM;
	r = make_parents(sys, copy);
	if (r)
		return r;
	fd = open_temporary(sys, path, perm, &temporary);
	if (fd < 0)
		return fd;
	r = finish(sys, fd, temporary, path, size, durable);
	if (r) {
		(void)sys->unlink(temporary); /* gone already if the rename was made */
		(void)sys->close(fd);
		return r;
	}
	return fd;
}

int mms_create(struct mms_pool *pool, const char *path, uint64_t size, mode_t perm,
	       const struct mms_file_options *options, struct mms_file **ret_file,
	       struct mms_error *err)
{
	struct mms_file_options o;
	const char *why = NULL;
	int fd, r = mms_file_check_options(options, &o, path, err);

	if (r)
		return r;
	if (o.mode == MMS_RDONLY) {
		r = -EINVAL;
		why = "the mode must be MMS_RDWR or MMS_COW";
	} else if (size > OFFSET_MAX) {
		r = -EFBIG;
		why = "a file has at most 2^63-1 bytes";
	}
	if (r) {
		(void)mms_error_set(err, r, "creating %s", path);
		mms_error_hint(err, "%s", why);
		return r;
	}
	fd = create_fd(pool->sys, path, size, perm, o.sync == MMS_SYNC_IMMEDIATE);
	if (fd < 0)
		return mms_error_set(err, fd, "creating %s", path);
	r = mms_adopt(pool, fd, path, &o, ret_file, err);
	if (r) {
		(void)pool->sys->unlink(path);
		(void)pool->sys->close(fd);
	}
	return r;
}

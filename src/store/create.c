/* SPDX-License-Identifier: MIT */
/*
 * Creating a file of a given size under its name at once
 *
 * The file is made, sized, filled and opened under a temporary name, and then
 * renamed, so that nothing but the rename and the sync of directories can
 * fail once the name is to show. After a crash there is either nothing (or
 * the earlier file) under the name or all of the new one; a temporary name
 * may be left behind.
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

/* Makes the directories above path, which is changed and restored. ret_made:
 * where the name of the topmost one ends that was not there, or path itself. */
static int make_parents(const struct mms_sys *sys, char *path, size_t *ret_made)
{
	size_t made = strlen(path);

	for (char *p = path + 1; *path && (p = strchr(p, '/')); p++) {
		int r;

		*p = '\0';
		r = sys->mkdir(path, 0777);
		*p = '/';
		/* What is there but is no directory is refused by the next step. */
		if (r && r != -EEXIST)
			return r;
		if (!r)
			made = size_min(made, (size_t)(p - path));
	}
	*ret_made = made;
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

static int sync_directory(const struct mms_sys *sys, const char *path)
{
	int fd = sys->open(path, O_RDONLY | O_DIRECTORY, 0);
	int r;

	if (fd < 0)
		return fd;
	r = sys->fsync(fd);
	(void)sys->close(fd);
	return r;
}

/* The directory that has the name, and those that have the names of the
 * directories that were made for it. path is cut meanwhile. */
static int sync_names(const struct mms_sys *sys, char *path, size_t made)
{
	for (;;) {
		char *slash = strrchr(path, '/');
		int r;

		if (!slash)
			return sync_directory(sys, ".");
		slash[slash == path] = '\0';
		r = sync_directory(sys, path);
		if (r || (size_t)(slash - path) < made)
			return r;
	}
}

int mms_parent_sync(const struct mms_sys *sys, const char *path)
{
	CLEANUP_FREE char *copy = strdup(path);

	return copy ? sync_names(sys, copy, SIZE_MAX) : -ENOMEM;
}

static int write_content(const struct mms_sys *sys, int fd, const struct mms_create_options *c)
{
	size_t done = 0;

	while (done < c->content_bytes) {
		ssize_t n = sys->pwrite(fd, (const char *)c->content + done,
					c->content_bytes - done, done);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n ? (int)n : -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* The size, the space, the content, and all of it on the disk before a name shows it. */
static int fill(const struct mms_sys *sys, int fd, const struct mms_create_options *c)
{
	int r = sys->ftruncate(fd, c->size);

	if (r)
		return r;
	if ((c->flags & MMS_CREATE_ALLOCATE) && c->size) {
		do {
			r = sys->allocate(fd, 0, c->size);
		} while (r == -EINTR);
		if (r)
			return r;
	}
	r = write_content(sys, fd, c);
	if (r)
		return r;
	/* Or the name could be on the disk before what it is to show. */
	if (c->content_bytes || (c->flags & (MMS_CREATE_DURABLE | MMS_CREATE_REPLACE)))
		return sys->fsync(fd);
	return 0;
}

/* Gives the file its name; path is cut. */
static int publish(const struct mms_sys *sys, const char *temporary, const char *path, char *copy,
		   size_t made, unsigned flags)
{
	bool replace = flags & MMS_CREATE_REPLACE;
	int r = replace ? sys->rename_over(temporary, path) : sys->rename_new(temporary, path);

	if (r) {
		(void)sys->unlink(temporary);
		return r;
	}
	if (flags & MMS_CREATE_DURABLE)
		r = sync_names(sys, copy, made);
	/* What was replaced is gone: then the new file is better than none. */
	if (r && !replace)
		(void)sys->unlink(path);
	return r;
}

static int create_file(struct mms_pool *pool, const char *path, const struct mms_create_options *c,
		       const struct mms_file_options *o, struct mms_file **ret_file)
{
	const struct mms_sys *sys = pool->sys;
	CLEANUP_FREE char *copy = strdup(path);
	CLEANUP_FREE char *temporary = NULL;
	struct mms_file *file;
	size_t made;
	int fd, r;

	if (!copy)
		return -ENOMEM;
	r = make_parents(sys, copy, &made);
	if (r)
		return r;
	fd = open_temporary(sys, path, c->perm, &temporary);
	if (fd < 0)
		return fd;
	r = fill(sys, fd, c);
	if (!r)
		r = mms_adopt(pool, fd, path, o, &file, NULL);
	if (r) {
		(void)sys->unlink(temporary);
		(void)sys->close(fd);
		return r;
	}
	r = publish(sys, temporary, path, copy, made, c->flags);
	if (r) {
		(void)mms_close(file); /* nothing was written through it */
		return r;
	}
	*ret_file = file;
	return 0;
}

static const char *check_create(const struct mms_create_options *c, enum mms_mode mode, int *ret)
{
	*ret = -EINVAL;
	if (mode == MMS_RDONLY)
		return "the mode must be MMS_RDWR or MMS_COW";
	if (c->flags & ~(MMS_CREATE_ALLOCATE | MMS_CREATE_REPLACE | MMS_CREATE_DURABLE))
		return "a flag is set that does not exist";
	if (c->content_bytes > c->size || (c->content_bytes && !c->content))
		return "the content must be there, and no longer than the file";
	*ret = -EFBIG;
	if (c->size > OFFSET_MAX)
		return "a file has at most 2^63-1 bytes";
	*ret = 0;
	return NULL;
}

int mms_create(struct mms_pool *pool, const char *path, const struct mms_create_options *create,
	       const struct mms_file_options *options, struct mms_file **ret_file,
	       struct mms_error *err)
{
	struct mms_create_options c = create ? *create : (struct mms_create_options){0};
	struct mms_file_options o;
	const char *why;
	int r = mms_file_check_options(options, &o, path, err);

	if (r)
		return r;
	why = check_create(&c, o.mode, &r);
	if (r) {
		(void)mms_error_set(err, r, "creating %s", path);
		mms_error_hint(err, "%s", why);
		return r;
	}
	if (!c.perm)
		c.perm = 0666;
	if (o.sync == MMS_SYNC_IMMEDIATE)
		c.flags |= MMS_CREATE_DURABLE;
	r = create_file(pool, path, &c, &o, ret_file);
	return r ? mms_error_set(err, r, "creating %s", path) : 0;
}

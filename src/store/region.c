/* SPDX-License-Identifier: MIT */
/*
 * Regions of memory that processes share
 *
 * Whoever opens a file first looks at its header under a shared lock. If the
 * region is not ready, nobody is at work on it then, and who may make it takes
 * the lock exclusively, looks again, and makes it. The kernel ends the lock of
 * a maker that dies; the next one starts anew, from a file cut to its header,
 * so that nothing of the first one's data is left.
 *
 * The file is never removed: somebody else may have it open already and wait
 * for the lock. A maker that fails leaves an empty file.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "arith.h"
#include "cleanup.h"
#include "clock.h"
#include "errors.h"
#include "pool.h"
#include "range.h"
#include "region_header.h"
#include "sys.h"

#define TIMEOUT_MS_DEFAULT 10000
#define PERM_DEFAULT 0600
#define ZEROS_BYTES (64u << 10)

/* The locks: see region_header.h. */
#define MAKERS_AT 0u
#define MAKERS_LEN REGION_FIELDS_BYTES
#define USERS_AT REGION_FIELDS_BYTES
#define USERS_LEN (REGION_HEADER_BYTES - REGION_FIELDS_BYTES)

struct mms_region {
	const struct mms_sys *sys; /* set before start; all up to lock */
	int fd;
	unsigned char *base; /* of the mapping: the header */
	uint64_t size;       /* of the data */
	bool is_new;
	bool readonly;
	pid_t pid; /* who opened it */

	pthread_mutex_t lock;
	pthread_cond_t freed; /* on CLOCK_MONOTONIC */
	bool held;            /* lock */
	pthread_t holder;     /* lock: if held */
};

/* What opening is about: the same for all ways to it. */
struct opening {
	const struct mms_sys *sys;
	const char *name;
	struct mms_region_options o;
	bool may_make;
	uint64_t start_ms;
	int fd;
	uint64_t size;
	bool is_new;
};

/* ----------------------------------------------------------------- making */

static int write_zeros(const struct opening *op, uint64_t from, uint64_t to)
{
	CLEANUP_FREE void *zeros = calloc(1, ZEROS_BYTES);
	int r = zeros ? 0 : -ENOMEM;

	while (!r && from < to) {
		size_t piece = size_bound(ZEROS_BYTES, to - from);

		r = mms_region_write(op->sys, op->fd, zeros, piece, from);
		from += piece;
	}
	return r;
}

/* The file is as long as its fields. */
static int allocate(const struct opening *op, uint64_t total)
{
	int r;

	do
		r = op->sys->allocate(op->fd, 0, total);
	while (r == -EINTR);
	return r == -EOPNOTSUPP ? write_zeros(op, REGION_FIELDS_BYTES, total) : r;
}

/* The caller's part: into a mapping that is gone afterwards. */
static int fill(const struct opening *op, size_t total)
{
	void *base;
	int r;

	if (!op->o.make)
		return 0;
	r = op->sys->mmap(total, PROT_READ | PROT_WRITE, MAP_SHARED, op->fd, 0, &base);
	if (r)
		return r;
	r = op->o.make((unsigned char *)base + REGION_HEADER_BYTES, op->o.size, op->o.arg);
	(void)op->sys->munmap(base, total);
	return r;
}

/* The header reaches the disk before the file has its length, and the data
 * before the header says that they are there: a file that a power failure cut
 * short is still known for what it is. */
static int make_steps(const struct opening *op, unsigned char *fields)
{
	uint64_t total = op->o.size + REGION_HEADER_BYTES;
	int r = op->sys->ftruncate(op->fd, 0);

	if (!r)
		r = mms_region_write(op->sys, op->fd, fields, REGION_FIELDS_BYTES, 0);
	if (!r)
		r = op->sys->fsync(op->fd);
	if (!r)
		r = allocate(op, total);
	if (!r)
		r = fill(op, (size_t)total);
	if (!r)
		r = op->sys->fsync(op->fd);
	return r ? r : mms_region_header_publish(op->sys, op->fd, fields);
}

/* With the lock held exclusively. */
static int make(struct opening *op, struct mms_error *err)
{
	unsigned char fields[REGION_FIELDS_BYTES];
	int r;

	mms_region_header_init(fields, op->o.magic, op->o.version, op->o.size,
			       mms_now_ns(op->sys));
	r = make_steps(op, fields);
	if (r) {
		/* Gives the space back. Where that fails too, the header says
		 * that the region is being made, which does as well. */
		(void)op->sys->ftruncate(op->fd, 0);
		return mms_error_set(err, r, "making region %s", op->name);
	}
	op->size = op->o.size;
	op->is_new = true;
	return 0;
}

/* ---------------------------------------------------------------- opening */

static int lock_makers(const struct opening *op, int type, struct mms_error *err)
{
	int left = op->o.timeout_ms;
	int r;

	if (left > 0)
		left = mms_range_left(op->sys, op->start_ms, left);
	do
		r = mms_range_wait(op->sys, op->fd, type, MAKERS_AT, MAKERS_LEN, left);
	while (r == -EINTR);
	if (!r)
		return 0;
	if (r == -EAGAIN)
		r = -ETIMEDOUT;
	(void)mms_error_set(err, r, "locking the header of region %s", op->name);
	if (r == -ETIMEDOUT)
		mms_error_hint(err, "another process has been making it for %d ms",
			       op->o.timeout_ms);
	return r;
}

static int unlock_makers(const struct opening *op, struct mms_error *err)
{
	int r = op->sys->lock(op->fd, F_UNLCK, MAKERS_AT, MAKERS_LEN, false);

	return r ? mms_error_set(err, r, "unlocking the header of region %s", op->name) : 0;
}

static int other_size(const struct opening *op, uint64_t size, struct mms_error *err)
{
	(void)mms_error_set(err, -EEXIST, "opening region %s", op->name);
	mms_error_hint(err, "it has %llu bytes of data, and %llu were asked for",
		       (unsigned long long)size, (unsigned long long)op->o.size);
	return -EEXIST;
}

static int take_ready(struct opening *op, uint64_t size, struct mms_error *err)
{
	if (op->o.flags & MMS_REGION_MUST_CREATE)
		return mms_error_set(err, -EEXIST, "making region %s", op->name);
	if (op->o.size && op->o.size != size)
		return other_size(op, size, err);
	op->size = size;
	return 0;
}

/* With the lock held. -EAGAIN: there is something to do that needs the lock
 * exclusively. */
static int look(struct opening *op, bool exclusive, struct mms_error *err)
{
	struct region_header h;
	int r = mms_region_header_read(op->sys, op->fd, op->name, op->o.magic, op->o.version, &h,
				       err);

	if (r)
		return r;
	if (h.state == REGION_READY)
		return take_ready(op, h.size, err);
	if (h.state == REGION_UNPUBLISHED && (exclusive || !op->may_make)) {
		/* All of it is there. Who cannot write takes it as it is. */
		r = exclusive ? mms_region_header_publish_state(op->sys, op->fd) : 0;
		return r ? mms_error_set(err, r, "publishing region %s", op->name)
			 : take_ready(op, h.size, err);
	}
	if (!op->may_make) {
		(void)mms_error_set(err, -ENOENT, "opening region %s", op->name);
		mms_error_hint(err, "the file is there, and nobody has made a region in it");
		return -ENOENT;
	}
	return exclusive ? make(op, err) : -EAGAIN;
}

/* From a descriptor to a region that is ready. */
static int find_or_make(struct opening *op, struct mms_error *err)
{
	int r = lock_makers(op, F_RDLCK, err);

	if (!r)
		r = look(op, false, err);
	if (r == -EAGAIN) {
		/* Two that convert their shared locks would wait for each other. */
		r = unlock_makers(op, err);
		if (!r)
			r = lock_makers(op, F_WRLCK, err);
		if (!r)
			r = look(op, true, err);
	}
	return r ? r : unlock_makers(op, err);
}

static int map(const struct opening *op, struct mms_region **ret_region)
{
	bool readonly = op->o.flags & MMS_REGION_RDONLY;
	uint64_t total = op->size + REGION_HEADER_BYTES;
	struct mms_region *region;
	void *base;
	int r;

	if (total > COUNT_MAX)
		return -EFBIG; /* of a machine with wider addresses */
	region = calloc(1, sizeof(*region));
	if (!region)
		return -ENOMEM;
	r = op->sys->mmap((size_t)total, readonly ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED,
			  op->fd, 0, &base);
	if (!r) {
		r = clock_pair_init(&region->lock, &region->freed);
		if (r)
			(void)op->sys->munmap(base, (size_t)total);
	}
	if (r) {
		free(region);
		return r;
	}
	region->sys = op->sys;
	region->fd = op->fd;
	region->base = base;
	region->size = op->size;
	region->is_new = op->is_new;
	region->readonly = readonly;
	region->pid = getpid();
	*ret_region = region;
	return 0;
}

static int check_regular(const struct opening *op)
{
	struct stat st;
	int r = op->sys->fstat(op->fd, &st);

	if (r)
		return r;
	return S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
}

/* Owns op->fd: closes it on failure. */
static int open_fd(struct opening *op, struct mms_region **ret_region, struct mms_error *err)
{
	int r = check_regular(op);

	if (r) {
		(void)mms_error_set(err, r, "opening region %s", op->name);
		if (r == -EINVAL || r == -EISDIR)
			mms_error_hint(err, "only a regular file can hold a region");
	} else {
		r = find_or_make(op, err);
	}
	if (!r) {
		r = map(op, ret_region);
		if (r)
			(void)mms_error_set(err, r, "mapping region %s", op->name);
	}
	if (r)
		(void)op->sys->close(op->fd);
	return r;
}

static const char *check_options(struct opening *op, bool named, int *ret)
{
	struct mms_region_options *o = &op->o;
	unsigned all = MMS_REGION_MUST_EXIST | MMS_REGION_MUST_CREATE | MMS_REGION_RDONLY;

	*ret = -EINVAL;
	if (!o->magic)
		return "a magic is needed";
	if (o->flags & ~all)
		return "a flag is set that does not exist";
	if (o->timeout_ms < -1)
		return "the timeout is negative";
	op->may_make = o->size && !(o->flags & (MMS_REGION_MUST_EXIST | MMS_REGION_RDONLY));
	if (!op->may_make && ((o->flags & MMS_REGION_MUST_CREATE) || !named))
		return "a region that must be made needs a size, and neither MMS_REGION_MUST_EXIST "
		       "nor MMS_REGION_RDONLY";
	*ret = -EFBIG;
	if (o->size > u64_min(OFFSET_MAX, COUNT_MAX) - REGION_HEADER_BYTES)
		return "the size is more than a file or the address space can have";
	*ret = 0;
	return NULL;
}

static int begin(struct opening *op, struct mms_pool *pool, const char *name, bool named,
		 const struct mms_region_options *options, struct mms_error *err)
{
	const char *why;
	int r;

	*op = (struct opening){.sys = pool->sys, .name = name};
	if (options)
		op->o = *options;
	why = check_options(op, named, &r);
	if (r) {
		(void)mms_error_set(err, r, "opening region %s", name);
		mms_error_hint(err, "%s", why);
		return r;
	}
	if (!op->o.perm)
		op->o.perm = PERM_DEFAULT;
	if (!op->o.timeout_ms)
		op->o.timeout_ms = TIMEOUT_MS_DEFAULT;
	op->start_ms = op->sys->monotonic_ms();
	return 0;
}

static int access_flags(const struct opening *op)
{
	/* O_NONBLOCK: a FIFO is refused later, not waited for. */
	return (op->o.flags & MMS_REGION_RDONLY ? O_RDONLY : O_RDWR) | O_NOCTTY | O_NONBLOCK;
}

int mms_region_open(struct mms_pool *pool, const char *path,
		    const struct mms_region_options *options, struct mms_region **ret_region,
		    struct mms_error *err)
{
	struct opening op;
	int r = begin(&op, pool, path ? path : "without a name", path != NULL, options, err);

	if (r)
		return r;
	if (path)
		op.fd = op.sys->open(path, access_flags(&op) | (op.may_make ? O_CREAT : 0),
				     op.o.perm);
	else
		op.fd = op.sys->memfd("mms-region");
	if (op.fd < 0)
		return mms_error_set(err, op.fd, "opening region %s", op.name);
	return open_fd(&op, ret_region, err);
}

/* Locks belong to an opening. What a child has from its parent, or somebody
 * was sent, is the same opening, and locks of it would not exclude; so the
 * file is opened anew, which also works where no name leads to it. */
static int reopen(const struct opening *op, int fd, struct mms_error *err)
{
	char path[32];
	int flags = op->sys->fd_flags(fd);
	int r = flags;

	if (r >= 0 && (flags & O_ACCMODE) != O_RDWR &&
	    ((flags & O_ACCMODE) != O_RDONLY || !(op->o.flags & MMS_REGION_RDONLY)))
		r = -EBADF;
	if (r < 0)
		return mms_error_set(err, r, "opening region %s", op->name);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = op->sys->open(path, access_flags(op), 0);
	if (r < 0) {
		(void)mms_error_set(err, r, "opening region %s anew as %s", op->name, path);
		mms_error_hint(err, "that needs /proc, and permission to open the file");
	}
	return r;
}

int mms_region_adopt(struct mms_pool *pool, int fd, const char *name,
		     const struct mms_region_options *options, struct mms_region **ret_region,
		     struct mms_error *err)
{
	struct opening op;
	int r = begin(&op, pool, name, true, options, err);

	if (r)
		return r;
	if (op.o.flags & MMS_REGION_MUST_CREATE) {
		(void)mms_error_set(err, -EINVAL, "opening region %s", name);
		mms_error_hint(err, "by descriptor, a region must exist");
		return -EINVAL;
	}
	op.may_make = false;
	op.fd = reopen(&op, fd, err);
	return op.fd < 0 ? op.fd : open_fd(&op, ret_region, err);
}

void mms_region_close(struct mms_region *region)
{
	const struct mms_sys *sys;

	if (!region)
		return;
	sys = region->sys;
	/* Closing ends the lock only if no child has the opening too; in a
	 * child, it is not ours to end. */
	if (region->pid == getpid() && region->held)
		(void)sys->lock(region->fd, F_UNLCK, USERS_AT, USERS_LEN, false);
	(void)sys->munmap(region->base, (size_t)region->size + REGION_HEADER_BYTES);
	(void)sys->close(region->fd);
	if (region->pid == getpid()) {
		pthread_cond_destroy(&region->freed);
		pthread_mutex_destroy(&region->lock);
	}
	free(region);
}

/* ------------------------------------------------------------- what it is */

void *mms_region_data(struct mms_region *region)
{
	return region->base + REGION_HEADER_BYTES;
}

uint64_t mms_region_size(const struct mms_region *region)
{
	return region->size;
}

int mms_region_fd(const struct mms_region *region)
{
	return region->fd;
}

bool mms_region_is_new(const struct mms_region *region)
{
	return region->is_new;
}

/* Flushes what was stored through mappings too: Linux finds it in the page
 * tables. */
int mms_region_sync(struct mms_region *region)
{
	return region->sys->fdatasync(region->fd);
}

/* ------------------------------------------------------------------- lock */

static void deadline_of(int timeout_ms, struct timespec *ret)
{
	(void)clock_gettime(CLOCK_MONOTONIC, ret);
	time_add_ms(ret, (unsigned)timeout_ms);
}

/* Excludes the threads of this process. */
static int hold(struct mms_region *region, int timeout_ms)
{
	struct timespec deadline = {0};
	SCOPED_LOCK(&region->lock);

	if (region->held && pthread_equal(region->holder, pthread_self()))
		return -EDEADLK;
	if (region->held && timeout_ms > 0)
		deadline_of(timeout_ms, &deadline);
	while (region->held) {
		if (!timeout_ms)
			return -EAGAIN;
		if (timeout_ms < 0)
			pthread_cond_wait(&region->freed, &region->lock);
		else if (pthread_cond_timedwait(&region->freed, &region->lock, &deadline) ==
				 ETIMEDOUT &&
			 region->held)
			return -ETIMEDOUT;
	}
	region->held = true;
	region->holder = pthread_self();
	return 0;
}

static void let_go(struct mms_region *region)
{
	SCOPED_LOCK(&region->lock);

	region->held = false;
	pthread_cond_signal(&region->freed);
}

int mms_region_lock(struct mms_region *region, int timeout_ms)
{
	const struct mms_sys *sys = region->sys;
	uint64_t start = sys->monotonic_ms();
	int left = timeout_ms;
	int r;

	if (timeout_ms < -1)
		return -EINVAL;
	if (region->readonly)
		return -EBADF;
	if (region->pid != getpid())
		return -ECHILD;
	r = hold(region, timeout_ms);
	if (r)
		return r;
	if (timeout_ms > 0)
		left = mms_range_left(sys, start, timeout_ms);
	do
		r = mms_range_wait(sys, region->fd, F_WRLCK, USERS_AT, USERS_LEN, left);
	while (r == -EINTR);
	if (!r)
		return 0;
	let_go(region);
	return r == -EAGAIN && timeout_ms ? -ETIMEDOUT : r;
}

static bool held_here(struct mms_region *region)
{
	SCOPED_LOCK(&region->lock);

	return region->held && pthread_equal(region->holder, pthread_self());
}

int mms_region_unlock(struct mms_region *region)
{
	int r;

	if (region->pid != getpid())
		return -ECHILD;
	if (!held_here(region))
		return -EPERM;
	r = region->sys->lock(region->fd, F_UNLCK, USERS_AT, USERS_LEN, false);
	if (!r)
		let_go(region);
	return r;
}

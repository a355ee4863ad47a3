/* SPDX-License-Identifier: MIT */
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commit.h"
#include "durability.h"
#include "log.h"
#include "passthrough.h"
#include "push.h"
#include "stats.h"

static struct regions {
	pthread_mutex_t lock;
	struct region *head;
	unsigned lingering;
	unsigned linger_max; /* constant after the first open */
	atomic_bool full_sync;
	_Atomic(uint64_t) handle_count;
	_Atomic(uint64_t) writers;
} regions = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned linger_max(void)
{
	unsigned n = fs.fd_limit / 8;

	return n > 256 ? 256 : n;
}

static void link_region(struct region *r)
{
	pthread_mutex_lock(&regions.lock);
	r->next = regions.head;
	if (r->next)
		r->next->prev = r;
	regions.head = r;
	pthread_mutex_unlock(&regions.lock);
}

static void unlink_region_locked(struct region *r)
{
	*(r->prev ? &r->prev->next : &regions.head) = r->next;
	if (r->next)
		r->next->prev = r->prev;
	if (r->lingering)
		regions.lingering--;
	r->lingering = false;
}

static void unlink_region(struct region *r)
{
	pthread_mutex_lock(&regions.lock);
	unlink_region_locked(r);
	pthread_mutex_unlock(&regions.lock);
}

/* False if there is no room to linger. */
static bool set_lingering(struct region *r, bool on)
{
	bool ok = true;

	pthread_mutex_lock(&regions.lock);
	if (on && regions.lingering >= linger_max())
		ok = false;
	else if (on != r->lingering) {
		regions.lingering += on ? 1u : -1u;
		r->lingering = on;
	}
	pthread_mutex_unlock(&regions.lock);
	return ok;
}

/* Closes a region that its inode no longer points to. */
static void destroy(struct region *r)
{
	struct inode *inode = r->inode;
	int rc;

	/* Only for the moment that a worker needs to return from its reply. */
	while (atomic_load(&r->users))
		sched_yield();
	rc = mms_sync_lost(r->file);
	if (rc)
		atomic_store(&inode->sync_error, rc);
	rc = mms_close(r->file);
	if (rc)
		log_error("closing inode %llu of BACKING: %s", (unsigned long long)inode->id.ino,
			  strerrordesc_np(-rc));
	inode_put(inode);
	free(r);
}

static void note_error_locked(struct inode *inode, int error)
{
	inode->wb_seq++;
	inode->wb_error = error;
	inode->wb_seen = false;
}

static void log_sync_error(const struct inode *inode, int error)
{
	log_error("background flush of inode %llu in %s: %s; the next fsync or close of the file reports it",
		  (unsigned long long)inode->id.ino, fs.backing, strerrordesc_np(-error));
}

/* The syncer is through with a file. */
static void synced(struct mms_file *file, void *cookie, int result)
{
	struct region *r = cookie;
	struct inode *inode = r->inode;
	bool last;

	if (!result)
		result = durability_pass_synced(inode);
	if (result)
		log_sync_error(inode, result);
	pthread_mutex_lock(&inode->lock);
	if (result)
		note_error_locked(inode, result);
	if (result && inode->passes) /* what is written anew is not seen */
		atomic_store(&inode->sync_error, result);
	/* Somebody who detached it meanwhile closes it too. */
	last = inode->region == r && r->opens == 0 && !mms_is_dirty(file);
	if (last) {
		inode->region = NULL;
		unlink_region(r);
	}
	pthread_mutex_unlock(&inode->lock);
	if (last)
		destroy(r);
}

/* What a write or a close owes is done by commit.c, not by the store. */
static enum mms_sync_mode journalled_sync(void)
{
	return fs.options.sync == MMS_SYNC_PERIODIC ? MMS_SYNC_PERIODIC : MMS_SYNC_NEVER;
}

static int adopt(struct inode *inode, int fd, bool writable, struct region **ret)
{
	const struct mms_file_options options = {
		.mode = writable ? MMS_RDWR : MMS_RDONLY,
		.io = fs.options.io,
		.put = fs.options.put,
		.advice = fs.options.advice,
		.preload = fs.options.preload,
		.sync = inode->commit ? journalled_sync() : fs.options.sync,
		.want = fs.options.lock ? MMS_WANT_LOCKED : 0,
		.synced = synced,
	};
	struct mms_file_options with_cookie = options;
	struct region *r = calloc(1, sizeof(*r));
	struct mms_error err;
	char name[48];
	int rc;

	if (!r)
		return -ENOMEM;
	r->inode = inode;
	r->writable = writable;
	snprintf(name, sizeof(name), "inode %llu", (unsigned long long)inode->id.ino);
	with_cookie.cookie = r;
	rc = mms_adopt(fs.pool, fd, name, &with_cookie, &r->file, &err);
	if (rc) {
		log_warning("%s: %s", err.what, err.hint);
		free(r);
		return rc;
	}
	/* Kept for what is mapped later; nothing is mapped yet that could say no. */
	if (!fs.options.dump_data)
		(void)mms_advise(r->file, 0, 0, MMS_ADVICE_DONTDUMP);
	inode_get(inode);
	link_region(r);
	*ret = r;
	return 0;
}

/* Opens BACKING's file for reading, or for both if it is to be written. */
static int open_backing(struct inode *inode, bool write)
{
	return inode_open(inode, (write ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_LARGEFILE);
}

/* Makes sure that inode has a region fit for the open. Consumes fd if >= 0. */
static int region_get_locked(struct inode *inode, bool write, int fd)
{
	struct region *r = inode->region;
	int rc = 0;

	if (r && (r->writable || !write)) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	if (fd < 0) {
		fd = open_backing(inode, write);
		if (fd < 0)
			return fd;
	}
	if (r) {
		rc = mms_upgrade(r->file, fd);
		if (!rc)
			r->writable = true;
	} else {
		rc = adopt(inode, fd, write, &inode->region);
	}
	if (rc)
		close(fd);
	return rc;
}

/* A lookup so short a time ago has just compared the file: no use in another. */
#define LOOKED_MS 100

/* Whether inode flags of the file forbid an open for writing now, as they do
 * a new open in BACKING; a region that is open already would not ask. */
static bool flags_forbid(int fd)
{
	struct statx sx;

	return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &sx) == 0 &&
	       (sx.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND));
}

/*
 * Whether what the kernel has cached is still right; takes the stamp anew.
 *
 * With the write-back cache the kernel also keeps the size, and would show a
 * file that was changed beneath cut off or with zeros at its end. If nobody
 * has it open, -ESTALE makes the kernel look the name up once more, which
 * gives it a new node number; else that is left to the lookup after its last
 * close.
 */
static int fresh_locked(struct inode *inode, int fd, bool only_user, bool *ret_fresh)
{
	struct stat st;
	bool own = atomic_exchange(&inode->wrote, false);

	*ret_fresh = false;
	if (fstat(fd, &st))
		return 0;
	*ret_fresh = own || (inode->stamp_valid && stamp_matches(&inode->stamp, &st, true));
	if (fs.writeback && !own && inode->stamp_valid &&
	    !stamp_matches(&inode->stamp, &st, false)) {
		inode->outdated = true;
		if (only_user && inode_now_ms() - inode->looked_ms > LOOKED_MS)
			return -ESTALE;
	}
	inode->stamp = (struct stamp){st.st_size, st.st_mtim, st.st_ctim};
	inode->stamp_valid = true;
	return 0;
}

/*
 * Round the cache, since the file can neither be mapped for writing nor
 * completed to whole pages: a user's own that the user may write and not
 * read; or an append-only one, which opens for nothing but appending.
 */
static int open_bare(struct inode *inode, int flags, int reason, struct handle *h)
{
	int how = flags & O_ACCMODE, fd;

	if (reason == -EPERM && (flags & O_APPEND))
		how |= O_APPEND;
	else if (reason != -EACCES || fs.privileged || how != O_WRONLY)
		return reason;
	fd = inode_open(inode, how | O_NONBLOCK | O_NOCTTY | O_LARGEFILE);
	if (fd < 0)
		return fd;
	inode_get(inode);
	h->inode = inode;
	h->bare_fd = fd;
	h->direct = true;
	h->writer = true;
	return 0;
}

/* Finds or makes the region for an open, and whether the kernel's cache is
 * right. *ret_unused: a region to destroy() when the lock is gone. */
static int region_find_locked(struct inode *inode, bool write, int fd, bool *ret_fresh,
			      struct region **ret_unused)
{
	bool had = inode->region, idle;
	int rc = region_get_locked(inode, write, fd);
	struct region *r = inode->region;

	if (rc)
		return rc;
	idle = fd < 0 && !r->opens;
	if (had && write && fd < 0 && flags_forbid(mms_fd(r->file)))
		rc = -EPERM;
	else
		rc = fresh_locked(inode, mms_fd(r->file), idle, ret_fresh);
	if (rc && idle && !r->lingering) {
		*ret_unused = r;
		inode->region = NULL;
		unlink_region(r);
	}
	return rc;
}

static void drop_handle(struct kept *kept)
{
	region_close((struct handle *)kept);
}

int region_open(struct inode *inode, int flags, int fd, struct handle **ret_handle, bool *ret_fresh)
{
	bool write = (flags & O_ACCMODE) != O_RDONLY;
	struct handle *h = calloc(1, sizeof(*h));
	struct region *unused = NULL;
	int rc;

	if (!h) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	h->bare_fd = -1;
	pthread_mutex_lock(&inode->lock);
	rc = region_find_locked(inode, write, fd, ret_fresh, &unused);
	if (!rc) {
		struct region *r = inode->region;

		h->inode = inode;
		h->region = r;
		h->writer = write;
		h->direct = fs.options.cache == CACHE_NONE;
		h->err_seen = inode->wb_seq - (inode->wb_seq && !inode->wb_seen ? 1 : 0);
		r->opens++;
		r->writers += write;
		atomic_fetch_add(&regions.writers, write);
		set_lingering(r, false);
		if (!*ret_fresh)
			stats_count(CACHE_DROPPED);
	}
	pthread_mutex_unlock(&inode->lock);
	if (!rc && !*ret_fresh)
		push_forget(inode);
	if (unused)
		destroy(unused);
	if (rc && fd < 0 && write)
		rc = open_bare(inode, flags, rc, h);
	if (rc) {
		free(h);
		return rc;
	}
	kept_add(&h->kept, drop_handle);
	atomic_fetch_add(&regions.handle_count, 1);
	*ret_handle = h;
	return 0;
}

int region_flush(struct handle *h)
{
	bool due = fs.options.sync == MMS_SYNC_IMMEDIATE || fs.options.sync == MMS_SYNC_LAZY;

	if (!h->inode->commit)
		return mms_flush(h->region->file);
	return due && mms_is_dirty(h->region->file) ? commit_handle(h, true) :
						      mms_touch(h->region->file);
}

/* What a store through a mapping left behind after the last close(2) asked:
 * lazy and immediate promise it all the same, as soon as it is known. */
static void flush_last(struct handle *h)
{
	int rc = region_flush(h);

	if (!rc)
		return;
	log_sync_error(h->inode, rc);
	pthread_mutex_lock(&h->inode->lock);
	note_error_locked(h->inode, rc);
	pthread_mutex_unlock(&h->inode->lock);
}

static void close_bare(struct handle *h)
{
	if (fs.options.sync == MMS_SYNC_PERIODIC)
		regions_need_full_sync();
	close(h->bare_fd);
	inode_put(h->inode);
}

/* Nobody can read an unlinked file after its last close: it needs no sync, and
 * its space is wanted. */
static bool is_unlinked(const struct region *r)
{
	struct stat st;

	return fstat(mms_fd(r->file), &st) == 0 && st.st_nlink == 0;
}

static void close_region(struct handle *h)
{
	struct region *r = h->region;
	struct inode *inode = h->inode;
	bool last = false, dirty;

	passthrough_dirtied(h);
	if (h->writer && mms_is_dirty(r->file))
		flush_last(h);
	if (h->writer && atomic_load(&inode->wrote)) {
		mms_touch(r->file);
		inode_mtime_settle(inode, mms_fd(r->file));
		inode_restamp(inode, mms_fd(r->file));
	}
	pthread_mutex_lock(&inode->lock);
	r->writers -= h->writer;
	atomic_fetch_sub(&regions.writers, h->writer);
	if (--r->opens == 0) {
		dirty = fs.options.sync == MMS_SYNC_PERIODIC && mms_is_dirty(r->file) &&
			!is_unlinked(r);
		last = !dirty || !set_lingering(r, true);
		if (last) {
			inode->region = NULL;
			unlink_region(r);
			if (dirty)
				regions_need_full_sync();
		}
	}
	pthread_mutex_unlock(&inode->lock);
	if (last)
		destroy(r);
}

void region_close(struct handle *h)
{
	kept_remove(&h->kept);
	atomic_fetch_sub(&regions.handle_count, 1);
	passthrough_close(h);
	if (h->region)
		close_region(h);
	else
		close_bare(h);
	free(h);
}

struct region *region_borrow(struct inode *inode)
{
	struct region *r;

	pthread_mutex_lock(&inode->lock);
	r = inode->region;
	if (r)
		region_use(r);
	pthread_mutex_unlock(&inode->lock);
	return r;
}

bool region_is_open(struct inode *inode)
{
	bool open;

	pthread_mutex_lock(&inode->lock);
	open = inode->region && inode->region->opens;
	pthread_mutex_unlock(&inode->lock);
	return open;
}

bool region_is_written(struct inode *inode)
{
	bool written;

	if (!S_ISREG(inode->type) || inode->is_virtual)
		return false;
	pthread_mutex_lock(&inode->lock);
	written = inode->region && inode->region->writers;
	pthread_mutex_unlock(&inode->lock);
	return written;
}

void region_name_removed(struct inode *inode)
{
	struct region *r;

	if (!S_ISREG(inode->type))
		return;
	pthread_mutex_lock(&inode->lock);
	r = inode->region;
	if (r && (r->opens || !is_unlinked(r)))
		r = NULL;
	if (r) {
		inode->region = NULL;
		unlink_region(r);
	}
	pthread_mutex_unlock(&inode->lock);
	if (r)
		destroy(r);
}

int region_error(struct handle *h)
{
	struct inode *inode = h->inode;
	int rc = 0;

	pthread_mutex_lock(&inode->lock);
	if (inode->wb_seq != h->err_seen) {
		rc = inode->wb_error;
		h->err_seen = inode->wb_seq;
		inode->wb_seen = true;
	}
	pthread_mutex_unlock(&inode->lock);
	return rc;
}

int handle_fd(const struct handle *h)
{
	return h->region ? mms_fd(h->region->file) : h->bare_fd;
}

/* Detaches one lingering region; NULL: none could be had. The order of locks
 * is turned round here, and the caller may hold another inode's, so it tries. */
static struct region *take_lingering(void)
{
	struct region *r;

	pthread_mutex_lock(&regions.lock);
	for (r = regions.head; r; r = r->next) {
		if (!r->lingering || pthread_mutex_trylock(&r->inode->lock))
			continue;
		if (r->opens == 0 && r->inode->region == r) {
			r->inode->region = NULL;
			pthread_mutex_unlock(&r->inode->lock);
			unlink_region_locked(r);
			break;
		}
		pthread_mutex_unlock(&r->inode->lock);
	}
	pthread_mutex_unlock(&regions.lock);
	return r;
}

bool regions_shrink(void)
{
	struct region *r;
	bool any = false;

	while ((r = take_lingering())) {
		regions_need_full_sync();
		destroy(r);
		any = true;
	}
	return any;
}

void regions_need_full_sync(void)
{
	atomic_store(&regions.full_sync, true);
}

bool regions_take_full_sync(void)
{
	return atomic_exchange(&regions.full_sync, false);
}

void regions_each_writable(void (*f)(struct inode *inode, void *arg), void *arg)
{
	struct inode **list = NULL;
	size_t n = 0, room = 0;

	pthread_mutex_lock(&regions.lock);
	for (struct region *r = regions.head; r; r = r->next)
		room++;
	list = room ? calloc(room, sizeof(*list)) : NULL;
	/* writers is read without its lock: an open that is missed began after
	 * the flush did. */
	for (struct region *r = regions.head; list && r; r = r->next)
		if (atomic_load_explicit(&r->writers, memory_order_relaxed)) {
			inode_get(r->inode);
			list[n++] = r->inode;
		}
	pthread_mutex_unlock(&regions.lock);
	for (size_t i = 0; i < n; i++) {
		f(list[i], arg);
		inode_put(list[i]);
	}
	free(list);
}

const char *regions_locked_word(char *buf, size_t size)
{
	struct mms_error why;
	int rc = 1;

	if (!fs.options.lock)
		return "off";
	pthread_mutex_lock(&regions.lock);
	for (struct region *r = regions.head; r && rc >= 0; r = r->next)
		rc = mms_granted(r->file, MMS_WANT_LOCKED, &why);
	pthread_mutex_unlock(&regions.lock);
	if (rc >= 0)
		return "what is mapped is locked into memory";
	snprintf(buf, size, "not all that is mapped is locked: %s; %s", why.what, why.hint);
	return buf;
}

bool regions_have_writers(void)
{
	return atomic_load(&regions.writers) != 0;
}

uint64_t region_open_handles(void)
{
	return atomic_load(&regions.handle_count);
}

void regions_release(void)
{
	struct region *r;

	while ((r = regions.head)) {
		unlink_region(r);
		r->inode->region = NULL;
		destroy(r);
	}
}

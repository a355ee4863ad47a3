/* SPDX-License-Identifier: MIT */
/*
 * mmapstore-region.h - memory that processes share; locks on ranges of a file
 */
#ifndef MMAPSTORE_REGION_H
#define MMAPSTORE_REGION_H

#include "mmapstore.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------- range locks */

enum mms_lock_kind { MMS_LOCK_SHARED, MMS_LOCK_EXCLUSIVE };

/*
 * Locks a range of the file against others who lock (fcntl(2), open file
 * description locks): advisory, by this opening of the file: two files opened
 * by mms_open() exclude each other, in one process or two; threads that use
 * one struct mms_file do not, nor do parent and child of a fork(2). Locking a
 * range again changes its kind. The lock ends with mms_range_unlock(), with
 * mms_close() or the process, however that ends; after a fork(2), when both
 * have ended. What was locked before mms_upgrade() stays with the earlier
 * descriptor, and is in this file's own way until it is unlocked.
 *
 * len 0: to the end, however far the file grows. An exclusive lock needs
 * MMS_RDWR (-EBADF). -EFBIG: the range reaches past 2^63-1; -EINVAL.
 *
 * timeout_ms: 0: -EAGAIN if somebody else has it; -1: waits without end,
 * -EINTR if a signal was handled that restarts no calls (SA_RESTART); else
 * waits so long, whatever signals come, by asking again every few
 * milliseconds, then -ETIMEDOUT. Deadlocks are not found.
 */
MMS_EXPORT int mms_range_lock(struct mms_file *file, uint64_t offset, uint64_t len,
			      enum mms_lock_kind kind, int timeout_ms);
MMS_EXPORT int mms_range_unlock(struct mms_file *file, uint64_t offset, uint64_t len);

/* Whether mms_range_lock() would get it now: 0, or -EAGAIN, then with the
 * lock that is in the way (length 0: to the end). The ret_ may be NULL. */
MMS_EXPORT int mms_range_test(struct mms_file *file, uint64_t offset, uint64_t len,
			      enum mms_lock_kind kind, uint64_t *ret_offset, uint64_t *ret_len);

/* ---------------------------------------------------------- shared regions */

/*
 * A region is a file, or memory with no name, that several processes map
 * whole and store into at once: a header of one page, then the data. The
 * first to open it makes it; others wait until it is made. A maker who dies
 * half-way, or fails, leaves it to the next one. Making waits for the disk,
 * where there is one, twice. The file is never removed, and one that holds
 * something else is never changed. The format is in mmapfs-format(5).
 *
 * What the processes store where, and with which atomics, is theirs to agree;
 * mms_region_lock() is a lock that ends with its holder.
 *
 * The mapping is outside the pool's budget.
 *
 * fork(2): a child has its parent's mapping and may use the data through its
 * copy of the struct mms_region. To lock, it needs an opening of its own:
 * mms_region_adopt() of mms_region_fd(); and it should mms_region_close() the
 * parent's, for as long as it has that, the lock of a parent that dies while
 * holding it does not end. A pool that has no threads (no syncer, nothing
 * preloaded) may be used by the child as well.
 */
struct mms_region;

struct mms_region_options {
	const char *magic; /* 4 bytes: whose region it is */
	uint32_t version;  /* of what is in it */
	uint64_t size;     /* of the data; 0: that of the region, which must exist then */
	mode_t perm;       /* of a new one, less the umask; 0: 0600 */
	unsigned flags;    /* MMS_REGION_* */
	/* Fills the zeroed data of a new region, before anybody else sees it, at
	 * an address that is valid for the call only. Not 0 (a negative errno):
	 * the region is not made, and opening returns this. May be NULL. */
	int (*make)(void *data, uint64_t size, void *arg);
	void *arg;
	int timeout_ms; /* waiting for another maker; 0: 10 s; -1: no limit; signals do not end it */
};

#define MMS_REGION_MUST_EXIST 1u
#define MMS_REGION_MUST_CREATE 2u
#define MMS_REGION_RDONLY 4u /* implies MUST_EXIST */

/*
 * Opens or makes a region at path (under /dev/shm it is memory only); path
 * NULL: memory with no name, for children and for who is sent the descriptor.
 * The space is allocated: a store never meets a full disk.
 * -MMS_EMAGIC, -MMS_EVERSION, -MMS_ECHECKSUM, -MMS_ETRUNCATED, -MMS_ECORRUPT:
 * what is there is not this region, or is damaged; -EEXIST: it has another
 * size, or MMS_REGION_MUST_CREATE; -ENOENT: there is none, or only what a maker
 * has left, and this call may not make it; -EFBIG: the size; -ETIMEDOUT.
 */
MMS_EXPORT int mms_region_open(struct mms_pool *pool, const char *path,
			       const struct mms_region_options *options,
			       struct mms_region **ret_region, struct mms_error *err);

/* By the descriptor of one that exists, which stays the caller's and must
 * allow what the region needs (-EBADF). The file is opened anew by way of
 * /proc/self/fd, so that its locks are this region's own; -EACCES, -ENOENT:
 * that was refused. */
MMS_EXPORT int mms_region_adopt(struct mms_pool *pool, int fd, const char *name,
				const struct mms_region_options *options,
				struct mms_region **ret_region, struct mms_error *err);

/* Unlocks, unmaps and closes. NULL is allowed. */
MMS_EXPORT void mms_region_close(struct mms_region *region);

/* Aligned to 4096 bytes, the same until mms_region_close(). Somebody who cuts the file
 * off makes it fault: see mmapstore.h. */
MMS_EXPORT void *mms_region_data(struct mms_region *region);
MMS_EXPORT uint64_t mms_region_size(const struct mms_region *region);
/* Borrowed. */
MMS_EXPORT int mms_region_fd(const struct mms_region *region);
/* Whether this call made it. */
MMS_EXPORT bool mms_region_is_new(const struct mms_region *region);

/* Excludes the other processes and the other threads of this one. timeout_ms
 * as in mms_range_lock(), but that -1 is not ended by signals. Not recursive:
 * -EDEADLK. Unlocked by the thread that locked (-EPERM). What the holder
 * stored is seen by the next one. -EBADF: MMS_REGION_RDONLY; -ECHILD: the
 * region is the parent's, see above. */
MMS_EXPORT int mms_region_lock(struct mms_region *region, int timeout_ms);
MMS_EXPORT int mms_region_unlock(struct mms_region *region);

/* What was stored before the call is in the file, durably. */
MMS_EXPORT int mms_region_sync(struct mms_region *region);

#ifdef __cplusplus
}
#endif
#endif

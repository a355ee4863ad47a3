/* SPDX-License-Identifier: MIT */
/*
 * Regions: the mapped files of inodes that are open, and the handles on them.
 *
 * One region per inode, shared by its handles. inode.lock is held while
 * BACKING's file is opened, so that two opens agree on one region: only
 * other opens of the same file wait for it, and opening waits for no
 * request. A region whose last handle is gone while its data are not yet
 * durable lingers until the syncer is through with it; a bounded number do,
 * others are closed and left to one syncfs(2) on BACKING.
 */
#ifndef MMAPFS_REGION_H
#define MMAPFS_REGION_H

#include "inode.h"
#include "kept.h"

struct region {
	struct inode *inode;       /* a counted ref */
	struct mms_file *file;     /* constant */
	bool writable;             /* inode.lock */
	unsigned opens;            /* inode.lock: handles */
	_Atomic(unsigned) writers; /* changed under inode.lock: of them, those that may write */
	_Atomic(unsigned) users;   /* replies from the mapping under way: see region_use() */
	atomic_bool shaky;         /* was cut beneath a reply: copy, do not lend */
	atomic_int close_error;    /* a flush of ours took it from the program's close() */
	bool lingering;            /* regions lock */
	struct region *prev, *next; /* regions lock: all of them */
};

struct handle {
	struct kept kept;
	struct inode *inode;   /* borrowed from region, or a counted ref if bare */
	struct region *region; /* NULL if bare */
	int bare_fd;           /* see open_bare(); else -1 */
	bool direct;           /* the kernel does not cache it */
	bool writer;
	bool passed;           /* counted in inode.passes */
	uint32_t err_seen;     /* inode.lock: wb_seq last reported */
};

/*
 * Opens inode for a handle. fd: a descriptor to use that is open already
 * (create), owned by the call from then on, or -1. *ret_fresh says whether
 * the kernel's cache of the file is still right.
 */
int region_open(struct inode *inode, int flags, int fd, struct handle **ret_handle, bool *ret_fresh);

/* Gives the handle back; what the sync mode owes is done. */
void region_close(struct handle *handle);

/* Whether a program has the regular file open on the mount. */
bool region_is_open(struct inode *inode);
/* And that one may write. */
bool region_is_written(struct inode *inode);

/* A name of inode was removed: if it was the last one, a region that lingers
 * for the syncer has nothing to keep. */
void region_name_removed(struct inode *inode);

/*
 * Around a reply that points into the mapping. The kernel may have the reply,
 * the program may close the file and RELEASE may be served by another worker
 * while this one has not yet returned from the reply and dropped its pins:
 * the region waits for it.
 */
static inline void region_use(struct region *r)
{
	atomic_fetch_add(&r->users, 1);
}

static inline void region_unuse(struct region *r)
{
	atomic_fetch_sub(&r->users, 1);
}

/* The region of a file that is open, in use until region_unuse(); or NULL. */
struct region *region_borrow(struct inode *inode);

/* A background error that this handle has not reported yet: negative errno, or 0. */
int region_error(struct handle *handle);

/* What close(2) owes under the sync mode for what the region has written. */
int region_flush(struct handle *h);

/* A descriptor to act on the file with: borrowed from the handle. */
int handle_fd(const struct handle *handle);

/* Closes lingering regions to free descriptors, from within an open. */
bool regions_shrink(void);

/* Whether data may be dirty in BACKING that no open region answers for:
 * true once for each time, and the caller flushes BACKING as a whole. */
bool regions_take_full_sync(void);
void regions_need_full_sync(void);

/* Calls f for every region with handles that may write, with the inode
 * ref'd and no lock held. */
void regions_each_writable(void (*f)(struct inode *inode, void *arg), void *arg);

/* Whether any handle may write: else the kernel has nothing to flush. */
bool regions_have_writers(void);

uint64_t region_open_handles(void);

/* For the status: what came of the option mlock, with the first reason why not
 * among the files that are open. The text is in buf, or constant. */
const char *regions_locked_word(char *buf, size_t size);

/* Closes those that linger, at the end; no request is under way and no handle
 * is left. */
void regions_release(void);

#endif

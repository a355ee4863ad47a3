/* SPDX-License-Identifier: MIT */
/* file.h - a file of a pool */
#ifndef MMS_FILE_H
#define MMS_FILE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dirty.h"
#include "list.h"
#include "mmapstore.h"
#include "pool.h"

struct mms_file {
	/* One is the owner's, who gives it back by mms_close(); one each view's. */
	_Atomic uint64_t refs;

	/* Set before start. */
	struct mms_pool *pool;
	uint64_t id; /* of this opening; never used again */
	char *name;
	bool cow;
	enum mms_io io;
	enum mms_put put;
	enum mms_sync_mode sync;
	enum dirty_class dirty_class;
	unsigned want; /* MMS_WANT_* */
	void (*synced)(struct mms_file *file, void *cookie, int result);
	void *cookie;
	int first_fd;

	_Atomic int fd;     /* first_fd, or that of mms_upgrade(), set before mode */
	_Atomic int mode;   /* enum mms_mode */
	_Atomic int advice; /* enum mms_advice, for chunks mapped from now on */
	atomic_bool advised;
	_Atomic unsigned settings; /* SETTING_*, likewise */
	/* The exponent of a chunk, and SHAPE_FULL where chunk 0 is all of the
	 * file. Changed under chunks.lock by mms_chunks_reshape(). */
	_Atomic unsigned shape;
	atomic_bool no_dax;    /* the file system has refused MAP_SYNC */
	_Atomic int map_errno; /* mmap(2) will not do; 0: it may */

	/*
	 * Stores into a mapping must not run beside a truncation: they could
	 * leave bytes past the end of the file in its last page. Counted
	 * before and after mms_resize(): who sees them differ, or change,
	 * writes by pwrite(2), which the kernel orders against ftruncate(2).
	 */
	_Atomic uint64_t resizes_begun, resizes_done;

	/*
	 * A size that the file had: typed requests below it look no further.
	 * Raised by mms_file_size_learn() only, under lock; lowered by
	 * everybody who sees less.
	 */
	_Atomic uint64_t known_size;

	/* Shared by all that may extend the file; held alone by who gives back
	 * space past its end, for which it must keep still: see resize.c. */
	pthread_rwlock_t growing;

	/* Modification time that mapped stores owe, in ns since 1970; 0: none. */
	_Atomic int64_t owed_ns;
	_Atomic uint64_t stamps; /* times the kernel has set it for us */

	struct list chunks; /* chunks.lock */
	size_t n_chunks;    /* chunks.lock */

	/* Taken before all other locks, and held while pages are read in. */
	pthread_mutex_t memlock_lock;
	struct list memlocks; /* memlock_lock: parts that are locked, in order of offset */

	pthread_mutex_t lock;
	pthread_cond_t sync_ended;
	struct mms_error map_error; /* lock: code 0: mmap(2) never refused */
	struct mms_error *refusals; /* lock: one for each bit of want; NULL: none is wanted */
	struct dirty_map dirty;     /* lock */
	bool is_dirty;              /* lock: something is, in the map or beside it */
	bool syncing;               /* lock: one sync at a time is made */
	bool syncing_meta;          /* lock: it is an fsync(2) */
	uint64_t syncs_begun;       /* lock: so also the number of the last one begun */
	uint64_t meta_begun;        /* lock: number of the last fsync(2) begun */
	uint64_t sync_failed;       /* lock: number of the last one that failed */
	int sync_error;             /* lock: and its errno */
	/* What a failed sync had, which the kernel does not write again; until it is stored to
	 * anew or cut off, no sync returns 0. partial: all of the file. */
	struct dirty_map lost; /* lock */
	int lost_error;        /* lock: why; 0: nothing is lost */

	/* Raised, under the lock, when a sync takes the dirty map and when one has failed: who marks
	 * only now and then looks here in between. By read-modify-write alone, so that stores made
	 * before a look that finds it as it was are in the next sync. */
	_Atomic uint64_t sync_epoch;

	struct list dirty_link; /* files_lock; on pool.dirty_files if listed */
	bool listed;            /* files_lock */
	uint64_t dirty_seq;     /* files_lock */
};

/* The last one gone unmaps, closes the descriptors and frees. */
void mms_file_ref(struct mms_file *file);
void mms_file_unref(struct mms_file *file);

/* Remembers why, and for good where the file cannot be mapped at all. */
void mms_file_map_failed(struct mms_file *file, int code, uint64_t offset, size_t len);

/* mms_why_unmapped() for a size that is known. */
const char *mms_file_why_unmapped(const struct mms_file *file, uint64_t size);

/* mms_size(), remembered as known_size. */
int mms_file_size_learn(struct mms_file *file, uint64_t *ret_size);

/* Forgets a known size that is larger than what was seen. */
void mms_file_size_seen(struct mms_file *file, uint64_t size);

/* Notes a range as dirty (len 0: none), and the file, and lists it. */
void mms_file_dirtied(struct mms_file *file, uint64_t offset, uint64_t len);

/* The file has this size now: what lies beyond is not lost any more. */
void mms_file_cut(struct mms_file *file, uint64_t size);

/* What the last sync that failed since the file was opened returned; 0: none has. */
int mms_file_sync_error(struct mms_file *file);

/* Makes durable what names the directory of path holds. */
int mms_parent_sync(const struct mms_sys *sys, const char *path);

/* Full transfers: over EINTR and short counts. A count, or the errno where
 * nothing was transferred. */
ssize_t mms_file_pread(struct mms_file *file, void *buf, size_t len, uint64_t offset);
ssize_t mms_file_pwrite(struct mms_file *file, const void *buf, size_t len, uint64_t offset);

static inline unsigned mms_file_shift(const struct mms_file *file)
{
	return atomic_load(&file->shape) & SHAPE_SHIFT;
}

/* Whether it is mapped whole, or will be with the next use. */
static inline bool mms_file_is_full(const struct mms_file *file)
{
	return atomic_load(&file->shape) & SHAPE_FULL;
}
/* Where the chunk of this offset begins. */
uint64_t mms_file_chunk_start(const struct mms_file *file, uint64_t offset);

/* The part of a range that lies in the chunk of its first byte. */
size_t mms_file_chunk_part(const struct mms_file *file, uint64_t offset, uint64_t len);

#define PIN_CALM 1u    /* MMS_PIN_AUTO's manners */
#define PIN_KEEP 2u    /* evict nothing */
#define PIN_MAPPED 4u  /* only what is mapped */
#define PIN_PRIVATE 8u /* only what holds private changes */
#define PIN_WRITE 16u

/* A pin by the store itself: len at least 1, offset in range. */
int mms_file_pin(struct mms_file *file, uint64_t offset, size_t len, unsigned how,
		 struct mms_pin *ret_pin);

/* options NULL: all 0. */
int mms_file_check_options(const struct mms_file_options *options, struct mms_file_options *ret,
			   const char *name, struct mms_error *err);

/* Waits until no pass is at the file, except one of this thread's callback. */
void mms_file_leave_passes(struct mms_file *file);

/* Ends what is preloaded of it. */
void mms_preload_cancel(struct mms_file *file);

#endif

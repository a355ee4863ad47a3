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

#define MMS_NS_PER_S 1000000000

struct mms_file {
	/* Set before start. */
	struct mms_pool *pool;
	uint64_t id; /* of this opening; never used again */
	char *name;
	bool cow;
	enum mms_io io;
	enum mms_put put;
	enum mms_sync_mode sync;
	enum dirty_class dirty_class;
	void (*synced)(struct mms_file *file, void *cookie, int result);
	void *cookie;
	int first_fd;

	_Atomic int fd;     /* first_fd, or that of mms_upgrade(), set before mode */
	_Atomic int mode;   /* enum mms_mode */
	_Atomic int advice; /* enum mms_advice, for chunks mapped from now on */
	atomic_bool advised;
	_Atomic int map_errno; /* mmap(2) will not do; 0: it may */

	/*
	 * Stores into a mapping must not run beside a truncation: they could
	 * leave bytes past the end of the file in its last page. Counted
	 * before and after mms_resize(): who sees them differ, or change,
	 * writes by pwrite(2), which the kernel orders against ftruncate(2).
	 */
	_Atomic uint64_t resizes_begun, resizes_done;

	/* Modification time that mapped stores owe, in ns since 1970; 0: none. */
	_Atomic int64_t owed_ns;
	_Atomic uint64_t stamps; /* times the kernel has set it for us */

	struct list chunks; /* chunks.lock */
	size_t n_chunks;    /* chunks.lock */

	pthread_mutex_t lock;
	pthread_cond_t sync_ended;
	struct mms_error map_error; /* lock: code 0: mmap(2) never refused */
	struct dirty_map dirty;     /* lock */
	bool is_dirty;              /* lock: something is, in the map or beside it */
	bool syncing;               /* lock: one sync at a time is made */
	bool syncing_meta;          /* lock: it is an fsync(2) */
	uint64_t syncs_begun;       /* lock: so also the number of the last one begun */
	uint64_t meta_begun;        /* lock: number of the last fsync(2) begun */
	uint64_t sync_failed;       /* lock: number of the last one that failed */
	int sync_error;             /* lock: and its errno */

	struct list dirty_link; /* files_lock; on pool.dirty_files if listed */
	bool listed;            /* files_lock */
	uint64_t dirty_seq;     /* files_lock */
};

/* Remembers why, and for good where the file cannot be mapped at all. */
void mms_file_map_failed(struct mms_file *file, int code, uint64_t offset, size_t len);

/* mms_why_unmapped() for a size that is known. */
const char *mms_file_why_unmapped(const struct mms_file *file, uint64_t size);

/* Notes a range as dirty (len 0: none), and the file, and lists it. */
void mms_file_dirtied(struct mms_file *file, uint64_t offset, uint64_t len);

/* Full transfers: over EINTR and short counts. A count, or the errno where
 * nothing was transferred. */
ssize_t mms_file_pread(struct mms_file *file, void *buf, size_t len, uint64_t offset);
ssize_t mms_file_pwrite(struct mms_file *file, const void *buf, size_t len, uint64_t offset);

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

/* SPDX-License-Identifier: MIT */
/* pool.h - what the files of a pool share */
#ifndef MMS_POOL_H
#define MMS_POOL_H

#include "chunk.h"
#include "stats.h"

/* Which passes sync a dirty file: see mms_pool_pass(). */
enum dirty_class {
	DIRTY_TIMED, /* IMMEDIATE and PERIODIC: every pass */
	DIRTY_ASKED, /* LAZY and NEVER: passes that somebody asked for */
	DIRTY_CLASSES,
};

struct preloader;

/*
 * Lock order: memlock_lock of a file, then its lock, then pool.files_lock.
 * chunks.lock and the preloader's lock are taken alone, but for memlock_lock.
 * That one is held while mlock(2) reads pages in; no other is held over a call
 * that can wait for the disk.
 */
struct mms_pool {
	const struct mms_sys *sys; /* set before start */
	uint64_t small_bytes;      /* set before start */
	uint64_t faults_before;    /* set before start */
	_Atomic uint64_t next_file_id;
	_Atomic uint64_t memory_bytes;
	_Atomic uint64_t dirty_bytes;

	pthread_mutex_t files_lock;
	pthread_cond_t files_changed;           /* a pass ended, or let go of a file */
	uint64_t n_files;                       /* files_lock */
	struct list dirty_files[DIRTY_CLASSES]; /* files_lock; in order of dirty_seq */
	uint64_t n_dirty_files;                 /* files_lock */
	uint64_t dirty_seq;                     /* files_lock: of the last file that became dirty */
	bool in_pass;                           /* files_lock: passes are made one at a time */
	struct list uses;                       /* files_lock: files that passes are at */

	pthread_mutex_t preload_lock;
	struct preloader *preloader; /* preload_lock: made by the first use */

	struct mms_totals totals;
	struct chunks chunks;
};

/* mms_pool_new() on a system of the test's making. */
int mms_pool_new_on(const struct mms_sys *sys, const struct mms_pool_options *options,
		    struct mms_pool **ret_pool, struct mms_error *err);

/* mms_pool_sync(), or only what every pass syncs. */
int mms_pool_pass(struct mms_pool *pool, bool all, uint64_t *ret_files);

void mms_preload_end(struct mms_pool *pool);

#endif

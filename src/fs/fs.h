/* SPDX-License-Identifier: MIT */
/*
 * The daemon's shared state, and the rules that its parts keep.
 *
 * Lock order (take left before right; none of them twice, but names, shared):
 *   names (inode.h)  ->  inode.lock  ->  marks lock (watch_mark.c)  ->  table.lock
 *     ->  descriptor lock (fdcache)  ->  dirs.lock
 * The store's locks come after all of these. No lock is held across a reply
 * to the kernel. inode.lock alone is held across system calls on BACKING,
 * and those wait for no other request: see region.h.
 *
 * Threads: libfuse's workers serve requests; the syncer flushes; the starter
 * (one shot) tunes the mount; the signal thread ends it; the watch (watch.h)
 * hears of changes in BACKING; the pusher (push.h) reads ahead. All but the workers may touch MNT or send
 * notifications: a worker that did would wait for a worker.
 */
#ifndef MMAPFS_FS_H
#define MMAPFS_FS_H

#ifdef HAVE_FUSE_LOOP_CFG
#define FUSE_USE_VERSION 312
#else
#define FUSE_USE_VERSION 35
#endif
#include <fuse_lowlevel.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mmapstore.h"
#include "options.h"

struct inode;

/* Name in BACKING's root that holds the daemon's own state, and in MNT's
 * root the name of the virtual directory. */
#define RESERVED_NAME ".mmapfs"

struct fs {
	/* Set before the first request, then constant. */
	struct options options;
	char *backing;             /* absolute */
	char *mountpoint;          /* absolute */
	int root_fd;               /* BACKING, opened O_RDONLY | O_DIRECTORY */
	dev_t root_dev;
	bool state_dir;            /* BACKING has a directory RESERVED_NAME */
	bool privileged;           /* root with its capabilities: acts as the caller */
	bool handles;              /* inodes are found by file handle */
	bool writeback;            /* the kernel granted the write-back cache */
	bool watch;                /* what others change in BACKING is heard of: watch.h */
	bool passthrough;          /* the kernel granted it: see passthrough.h */
	bool epochs;               /* the kernel can drop all entries at once */
	unsigned fd_limit;         /* RLIMIT_NOFILE in force */
	uint64_t started_ms;
	struct fuse_session *session;
	struct mms_pool *pool;
	struct mms_syncer *syncer; /* NULL unless the sync mode is periodic */
	struct inode *root;
	struct journal *journal;   /* NULL: none; see commit.h */
	bool journal_names;        /* operations on names are records of it */

	/* Set by the starter before anything reads them. */
	_Atomic(uint64_t) mount_dev;    /* st_dev of MNT; 0: not known yet */
	_Atomic(unsigned) readahead_kb; /* in force; 0: the kernel's own */
};

extern struct fs fs;

#endif

/* SPDX-License-Identifier: MIT */
/* The daemon's counters. Each thread adds to a slot of its own; readers sum. */
#ifndef MMAPFS_STATS_H
#define MMAPFS_STATS_H

#include <stdint.h>

enum counter {
	OP_LOOKUP, OP_FORGET, OP_GETATTR, OP_SETATTR, OP_READLINK, OP_MKNOD, OP_MKDIR,
	OP_UNLINK, OP_RMDIR, OP_SYMLINK, OP_RENAME, OP_LINK, OP_OPEN, OP_CREATE, OP_READ,
	OP_WRITE, OP_FLUSH, OP_RELEASE, OP_FSYNC, OP_OPENDIR, OP_READDIR, OP_READDIRPLUS,
	OP_RELEASEDIR, OP_FSYNCDIR, OP_STATFS, OP_SETXATTR, OP_GETXATTR, OP_LISTXATTR,
	OP_REMOVEXATTR, OP_ACCESS, OP_FALLOCATE, OP_LSEEK, OP_COPY_FILE_RANGE,
	OP_COUNT,
	READ_DIRECT = OP_COUNT, /* answered straight from the mapping */
	READ_DIRECT_BYTES,
	REPLY_FAULTS,
	SYNC_REQUESTED,
	SYNC_DEFERRED,
	SYNC_PASSES,
	SYNC_KERNEL_FLUSHES,
	SYNC_FULL,
	SYNC_DIRECTORIES,
	SYNC_FAILURES,          /* of directories and of syncfs; the store counts its own */
	WRITE_BARE,             /* through a descriptor that cannot be mapped */
	WRITE_BARE_BYTES,
	WRITE_APPENDED,         /* at the end that BACKING's file has */
	WATCH_OWN,              /* events that the daemon made itself */
	WATCH_FOREIGN,
	WATCH_ENTRIES,          /* notifications */
	WATCH_INODES,
	WATCH_RESYNCS,
	WATCH_OVERFLOWS,
	JOURNAL_DATA,           /* records of files' data */
	JOURNAL_DATA_BYTES,
	JOURNAL_NAMES,
	JOURNAL_COMMITTED,      /* syncs that the journal answered */
	JOURNAL_BYPASSED,       /* and those that were real */
	PASSTHROUGH_OPENS,
	PASSTHROUGH_REFUSED,    /* by the kernel, for a file */
	INTAKE_LOOKS,           /* for a request before sleeping for it */
	INTAKE_FOUND,
	PUSH_WINDOWS,
	PUSH_BYTES,             /* that the kernel asked for because of them */
	PUSH_NOT_RESIDENT,
	PUSH_DROPPED,           /* for want of room in the queue */
	CACHE_DROPPED,          /* opens that found the file changed beneath the mount */
	COUNTER_COUNT
};

/* The calling thread's slot, of STATS_SLOTS; some threads may share one. */
#define STATS_SLOTS 16u
unsigned stats_slot(void);

void stats_add(enum counter which, uint64_t n);
uint64_t stats_get(enum counter which);

static inline void stats_count(enum counter which)
{
	stats_add(which, 1);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Passthrough (Linux 6.9): read(2), write(2) and mappings of an open file go
 * from the kernel's FUSE client straight to BACKING's file, and the daemon
 * hears nothing of them. What is asked of the file otherwise still comes here.
 *
 * The kernel wants one backing file for all that have an inode open, and none
 * of them without: so an inode has its backing from the first open until the
 * last one is given back, or has none in all that time.
 *
 * The kernel does not say what was written, and a mapping outlives the last
 * close that the daemon hears of. So from the first open for writing on a pass
 * of sync=periodic is a syncfs(2) of BACKING; for sync=lazy a file that was open
 * for writing counts as dirty when it is closed.
 *
 * Formats: Documentation/filesystems/fuse/fuse-passthrough.rst, linux/fuse.h.
 */
#ifndef MMAPFS_PASSTHROUGH_H
#define MMAPFS_PASSTHROUGH_H

#include "region.h"

/* The reply to OPEN or CREATE that this thread makes next passes the handle's
 * file through, unless its file system cannot. Takes inode.lock. */
void passthrough_open(struct handle *h);

/* The handle is given back. */
void passthrough_close(struct handle *h);

/* A program closes the handle's file, and may have written to it. */
void passthrough_dirtied(struct handle *h);

/* Whether programs may write past the daemon, by descriptors or mappings. */
bool passthrough_writes(void);

/* Whether programs read and write the inode past the daemon now. */
bool passthrough_has(struct inode *inode);

#endif

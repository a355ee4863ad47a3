/* SPDX-License-Identifier: MIT */
/*
 * Pushes: what lies around a read that missed the kernel's cache follows it
 * there, before anybody asks.
 *
 * A program that reads here and there in a file pays a round trip for each
 * page, since the kernel reads nothing around it. So a thread that serves no
 * requests opens the file on the daemon's own mount, calls readahead(2) for
 * the window around the miss (misses.h says when), and closes it at once: a
 * descriptor on MNT makes umount(8) say EBUSY. The kernel asks for the pages
 * that it lacks and for no others, so what programs have written there is
 * safe, and what arrives is what any reader would get.
 *
 * Only what is in BACKING's page cache is pushed. Two windows are under way at
 * a time, and a bounded queue waits; what finds it full is left to later misses.
 */
#ifndef MMAPFS_PUSH_H
#define MMAPFS_PUSH_H

#include "inode.h"

/* Where the options and the mount allow pushes. Before the loop begins. */
void push_start(void);

/* Returns when the thread is through with what it asks of MNT. Workers serve
 * yet, or the connection is cut. May be called twice. */
void push_stop(void);

/* A worker is about to answer a READ of size bytes at off by way of the
 * kernel's cache. */
void push_saw_read(fuse_req_t req, struct inode *inode, size_t size, off_t off, uint64_t file_size);

/* Whether a request of this process id comes from a push. */
bool push_is(pid_t pid);

/* The kernel has dropped the inode's pages. */
void push_forget(struct inode *inode);

/* For the status. */
const char *push_word(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What fsync(2) and its like owe, with the journal and without.
 *
 * With the journal an inode of BACKING's own file system has a struct commit.
 * What programs write is noted there (commit_wrote), and a sync then appends
 * those bytes to the journal, which one flush makes durable for all who wait.
 * What has no record (a new mode, an ACL, holes, too many bytes, and whatever
 * may have been done to a file before this mount knew it) makes the next
 * sync of the file a real one, after which its records are void.
 *
 * Locks: commit.order is held from the look at what is pending until the
 * record is appended, or over a real sync: else a second sync of the same
 * file could return before the data that the first has taken are durable. So
 * it is held over system calls that wait for the disk, but for no request: it
 * comes after inode.lock's users (never taken with inode.lock held) and the
 * journal's names lock, and before the journal's and the store's locks.
 * commit.lock guards the fields and is held for moments.
 *
 * Without the journal the same calls are plain syncs.
 */
#ifndef MMAPFS_COMMIT_H
#define MMAPFS_COMMIT_H

#include "inode.h"

struct handle;
struct journal_node;

/* For a new object of the inode table: gives it what a sync needs to know, where there
 * is a journal for it. 0 or -ENOMEM. */
int commit_attach(struct inode *inode);
void commit_detach(struct inode *inode);

/* The inode is a file or directory that this mount has just made, with its
 * name in the journal: nothing of it is unknown. */
void commit_is_new(struct inode *inode);

/* The bytes are in BACKING's page cache. len 0: mtime alone. */
void commit_wrote(struct inode *inode, uint64_t off, uint64_t len);

/* The next sync is a real one. */
void commit_by_sync(struct inode *inode);

/* Around a change of a file's size, which is in order with its syncs. */
void commit_resize_begin(struct inode *inode);
void commit_resize_end(struct inode *inode, uint64_t size, int result);

/* What was written through the handle is durable on return, and with the
 * journal all names that were made before. Errors as fsync(2)'s. */
int commit_handle(struct handle *h, bool datasync);

/* commit_handle() for who does not wait: done is called once, from this call or
 * by another thread that commits, with its result. The handle stays open until then. */
void commit_handle_then(struct handle *h, bool datasync, void (*done)(void *arg, int result),
			void *arg);

/* The same for an inode by a descriptor of it, open or not: fsync(2) of a
 * directory, or of an inode after a change of its attributes. */
int commit_fd(struct inode *inode, int fd, bool datasync);

/* Appends what is pending of a file that is about to replace another one by
 * rename, or syncs it: with names in the journal the new name could be durable
 * before the data, and the old file's be gone. ext4 does likewise. */
void commit_before_replace(struct inode *inode);

/* A real sync of the file by the store has made durable all that was
 * written when it began. upto: commit_mark() then. */
uint64_t commit_mark(void);
int commit_synced(struct inode *inode, uint64_t upto);

/* All names made so far are durable on return. Without the journal: 0. */
int commit_names(void);

/* How the journal's records call the inode; what it borrows is kept in *keep, to
 * be given to free(3). */
void commit_node(struct inode *inode, struct journal_node *ret_node, char **keep);

#endif

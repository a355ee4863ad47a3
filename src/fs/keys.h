/* SPDX-License-Identifier: MIT */
/*
 * Inodes by key: the file handle that fanotify(7) names them by. Part of the
 * table of inodes: everything here is called with table.lock held.
 */
#ifndef MMAPFS_KEYS_H
#define MMAPFS_KEYS_H

#include "inode.h"

struct file_handle;

/* Does nothing for an inode without a key. Without memory for the first
 * buckets the inode is not found, and not heard of. */
void keys_insert(struct inode *inode);
void keys_remove(struct inode *inode);

/* NULL: none. */
struct inode *keys_find(const struct file_handle *key);

uint64_t keys_memory(void);
void keys_release(void);

#endif

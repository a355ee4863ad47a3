/* SPDX-License-Identifier: MIT */
/* The descriptors of inodes: opened on need, a bounded number kept. */
#ifndef MMAPFS_FDCACHE_H
#define MMAPFS_FDCACHE_H

#include "inode.h"

/* Decides how many are kept, from RLIMIT_NOFILE, and tries file handles. */
void fdcache_init(void);

/* Gives up what descriptors can be spared; whether the call that failed with
 * this errno is worth another try. */
bool fdcache_made_room(int error);

/* openat(2) that makes room and tries again when descriptors run out. A
 * descriptor or negative errno. */
int fdcache_open(int dirfd, const char *name, int flags);

/* The handle of an O_PATH descriptor, allocated; NULL where there is none. */
struct file_handle *fdcache_handle_of(int fd);

/* Hands an O_PATH descriptor of inode to the cache, which may close it at once. */
void fdcache_give(struct inode *inode, int fd);

/* Closes what inode has: it is being freed. */
void fdcache_drop(struct inode *inode);

void fdcache_stats(uint64_t *ret_open, uint64_t *ret_limit);

#endif

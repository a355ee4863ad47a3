/* SPDX-License-Identifier: MIT */
/*
 * Notifications that take back what the kernel has cached. They wait for the
 * kernel's locks, which programs hold while they wait for a worker: never
 * from a worker, never with a lock held.
 */
#ifndef MMAPFS_INVALIDATE_H
#define MMAPFS_INVALIDATE_H

#include "inode.h"

/* That dir's name leads somewhere, or nowhere. */
void invalidate_entry(struct inode *dir, const char *name);

void invalidate_attributes(struct inode *inode);

/* And pages, also of mappings. Those that are dirty are written first. */
void invalidate_data(struct inode *inode);

/* All entries. Linux 6.16; -EINVAL before. Waits for nothing. */
int invalidate_all_entries(void);

/* Tells the kernel that the file reaches to size, of which byte is the last
 * one: it is put into the page cache. The kernel's size never shrinks by it. */
void invalidate_end(struct inode *inode, int64_t size, char byte);

#endif

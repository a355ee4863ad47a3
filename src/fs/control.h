/* SPDX-License-Identifier: MIT */
/* The virtual directory MNT/.mmapfs: status, stats, control. */
#ifndef MMAPFS_CONTROL_H
#define MMAPFS_CONTROL_H

#include "fs.h"

struct stat;

/* Before the first request. */
void control_init(void);

/* Lookup of the directory itself (parent is the root) or in it. */
void control_lookup(fuse_req_t req, struct inode *parent, const char *name);

/* Requests on virtual inodes; the callers have seen is_virtual. */
void control_stat(struct inode *inode, struct stat *ret_st);
void control_open(fuse_req_t req, struct inode *inode, struct fuse_file_info *fi);
void control_read(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi);
void control_write(fuse_req_t req, struct inode *inode, const char *buf, size_t size,
		   struct fuse_file_info *fi);
void control_release(fuse_req_t req, struct fuse_file_info *fi);
/* The names in the directory, in order; NULL after the last. */
const char *control_name(unsigned index, struct stat *ret_st);

#endif

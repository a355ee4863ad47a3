/* SPDX-License-Identifier: MIT */
#include "read_only.h"

#include <errno.h>
#include <fcntl.h>

#include "inode.h"

/* libfuse has a type for each: their arguments say nothing here. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

static void ro_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	fuse_reply_err(req, EROFS);
}

static void ro_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	fuse_reply_err(req, EROFS);
}

static void ro_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EROFS);
}

static void ro_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EROFS);
}

static void ro_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, EROFS);
}

static void ro_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
		   const char *newname, unsigned flags)
{
	fuse_reply_err(req, EROFS);
}

static void ro_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		   struct fuse_file_info *fi)
{
	fuse_reply_err(req, EROFS);
}

static void ro_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		    struct fuse_file_info *fi)
{
	fuse_reply_err(req, EROFS);
}

static void ro_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		     int flags)
{
	fuse_reply_err(req, EROFS);
}

static void ro_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	fuse_reply_err(req, EROFS);
}

static void ro_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
		      struct fuse_file_info *fi)
{
	fuse_reply_err(req, EROFS);
}

static void ro_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
			    struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
			    struct fuse_file_info *fi_out, size_t len, int flags)
{
	fuse_reply_err(req, EROFS);
}

/* MNT/.mmapfs/control is written to all the same. */
static void ro_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if ((fi->flags & O_ACCMODE) != O_RDONLY && !inode_of(ino)->is_virtual)
		fuse_reply_err(req, EROFS);
	else
		fs_ops.open(req, ino, fi);
}

static void ro_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	if (inode_of(ino)->is_virtual)
		fs_ops.write(req, ino, buf, size, off, fi);
	else
		fuse_reply_err(req, EROFS);
}

const struct fuse_lowlevel_ops *read_only_ops(void)
{
	static struct fuse_lowlevel_ops ops;

	ops = fs_ops;
	ops.open = ro_open;
	ops.write = ro_write;
	ops.mknod = ro_mknod;
	ops.mkdir = ro_mkdir;
	ops.symlink = ro_symlink;
	ops.link = ro_link;
	ops.unlink = ro_unlink;
	ops.rename = ro_rename;
	ops.create = ro_create;
	ops.setattr = ro_setattr;
	ops.setxattr = ro_setxattr;
	ops.removexattr = ro_removexattr;
	ops.fallocate = ro_fallocate;
	ops.copy_file_range = ro_copy_file_range;
	ops.rmdir = ro_unlink;
	return &ops;
}

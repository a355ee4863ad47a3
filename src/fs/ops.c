/* SPDX-License-Identifier: MIT */
/* The table of requests, and what is agreed with the kernel. Locks are left
 * to the kernel on purpose: within the mount it is right, and forwarding
 * blocks workers. */
#include "ops.h"

#include <errno.h>
#include <fcntl.h>

#include "inode.h"
#include "latency.h"
#include "session.h"

/*
 * Each request is timed here, where no path of it can be forgotten; and with ro what
 * changes something is refused here. The kernel does so too, until root mounts anew for
 * writing: the daemon has neither a syncer nor a last flush then, and stores pages into
 * the kernel's cache where none can be dirty.
 */
#define SERVED(name, kind, changes, parameters, arguments) \
	static void timed_##name parameters \
	{ \
		if (fs.options.read_only && (changes)) { \
			reply_result(req, -EROFS); \
			return; \
		} \
		latency_begin(kind); \
		op_##name arguments; \
		latency_end(); \
	}
#define TIMED(name, kind, parameters, arguments) SERVED(name, kind, false, parameters, arguments)
#define CHANGES(name, kind, parameters, arguments) SERVED(name, kind, true, parameters, arguments)

TIMED(lookup, OP_LOOKUP, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
TIMED(forget, OP_FORGET, (fuse_req_t req, fuse_ino_t ino, uint64_t nlookup), (req, ino, nlookup))
TIMED(forget_multi, OP_FORGET, (fuse_req_t req, size_t count, struct fuse_forget_data *forgets),
      (req, count, forgets))
TIMED(readlink, OP_READLINK, (fuse_req_t req, fuse_ino_t ino), (req, ino))
CHANGES(mknod, OP_MKNOD, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
       dev_t rdev),
      (req, parent, name, mode, rdev))
CHANGES(mkdir, OP_MKDIR, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode),
      (req, parent, name, mode))
CHANGES(symlink, OP_SYMLINK, (fuse_req_t req, const char *target, fuse_ino_t parent,
       const char *name),
      (req, target, parent, name))
CHANGES(link, OP_LINK, (fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name),
      (req, ino, parent, name))
CHANGES(unlink, OP_UNLINK, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
CHANGES(rmdir, OP_RMDIR, (fuse_req_t req, fuse_ino_t parent, const char *name), (req, parent, name))
CHANGES(rename, OP_RENAME, (fuse_req_t req, fuse_ino_t parent, const char *name,
       fuse_ino_t newparent, const char *newname, unsigned flags),
      (req, parent, name, newparent, newname, flags))
/* MNT/.mmapfs/control is written to all the same. */
SERVED(open, OP_OPEN, (fi->flags & O_ACCMODE) != O_RDONLY && !inode_of(ino)->is_virtual,
       (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))
CHANGES(create, OP_CREATE, (fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
       struct fuse_file_info *fi),
      (req, parent, name, mode, fi))
TIMED(flush, OP_FLUSH, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi), (req, ino, fi))
TIMED(release, OP_RELEASE, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi),
      (req, ino, fi))
TIMED(fsync, OP_FSYNC, (fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi),
      (req, ino, datasync, fi))
TIMED(read, OP_READ, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
       struct fuse_file_info *fi),
      (req, ino, size, off, fi))
SERVED(write, OP_WRITE, !inode_of(ino)->is_virtual, (fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
       struct fuse_file_info *fi),
      (req, ino, buf, size, off, fi))
CHANGES(fallocate, OP_FALLOCATE, (fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
       off_t length, struct fuse_file_info *fi),
      (req, ino, mode, offset, length, fi))
TIMED(lseek, OP_LSEEK, (fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
       struct fuse_file_info *fi),
      (req, ino, off, whence, fi))
CHANGES(copy_file_range, OP_COPY_FILE_RANGE, (fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
       struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
       struct fuse_file_info *fi_out, size_t len, int flags),
      (req, ino_in, off_in, fi_in, ino_out, off_out, fi_out, len, flags))
TIMED(getattr, OP_GETATTR, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi),
      (req, ino, fi))
CHANGES(setattr, OP_SETATTR, (fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
       struct fuse_file_info *fi),
      (req, ino, attr, to_set, fi))
TIMED(access, OP_ACCESS, (fuse_req_t req, fuse_ino_t ino, int mask), (req, ino, mask))
TIMED(statfs, OP_STATFS, (fuse_req_t req, fuse_ino_t ino), (req, ino))
TIMED(opendir, OP_OPENDIR, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi),
      (req, ino, fi))
TIMED(readdir, OP_READDIR, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
       struct fuse_file_info *fi),
      (req, ino, size, off, fi))
TIMED(readdirplus, OP_READDIRPLUS, (fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
       struct fuse_file_info *fi),
      (req, ino, size, off, fi))
TIMED(releasedir, OP_RELEASEDIR, (fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi),
      (req, ino, fi))
TIMED(fsyncdir, OP_FSYNCDIR, (fuse_req_t req, fuse_ino_t ino, int datasync,
       struct fuse_file_info *fi),
      (req, ino, datasync, fi))
CHANGES(setxattr, OP_SETXATTR, (fuse_req_t req, fuse_ino_t ino, const char *name,
       const char *value, size_t size, int flags),
      (req, ino, name, value, size, flags))
TIMED(getxattr, OP_GETXATTR, (fuse_req_t req, fuse_ino_t ino, const char *name, size_t size),
      (req, ino, name, size))
TIMED(listxattr, OP_LISTXATTR, (fuse_req_t req, fuse_ino_t ino, size_t size), (req, ino, size))
CHANGES(removexattr, OP_REMOVEXATTR, (fuse_req_t req, fuse_ino_t ino, const char *name),
      (req, ino, name))

const struct fuse_lowlevel_ops fs_ops = {
	.init = session_init,
	.lookup = timed_lookup,
	.forget = timed_forget,
	.forget_multi = timed_forget_multi,
	.getattr = timed_getattr,
	.setattr = timed_setattr,
	.readlink = timed_readlink,
	.mknod = timed_mknod,
	.mkdir = timed_mkdir,
	.unlink = timed_unlink,
	.rmdir = timed_rmdir,
	.symlink = timed_symlink,
	.rename = timed_rename,
	.link = timed_link,
	.open = timed_open,
	.create = timed_create,
	.read = timed_read,
	.write = timed_write,
	.flush = timed_flush,
	.release = timed_release,
	.fsync = timed_fsync,
	.opendir = timed_opendir,
	.readdir = timed_readdir,
	.readdirplus = timed_readdirplus,
	.releasedir = timed_releasedir,
	.fsyncdir = timed_fsyncdir,
	.statfs = timed_statfs,
	.setxattr = timed_setxattr,
	.getxattr = timed_getxattr,
	.listxattr = timed_listxattr,
	.removexattr = timed_removexattr,
	.access = timed_access,
	.fallocate = timed_fallocate,
	.lseek = timed_lseek,
	.copy_file_range = timed_copy_file_range,
};

/* SPDX-License-Identifier: MIT */
/*
 * The requests of the kernel, one function each, by the family of the file
 * that has it. Each replies exactly once on every path. What they mean is
 * said in fuse_lowlevel.h.
 */
#ifndef MMAPFS_OPS_H
#define MMAPFS_OPS_H

#include "fs.h"

struct stat;

extern const struct fuse_lowlevel_ops fs_ops; /* ops.c */

/* names.c */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup);
void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void op_readlink(fuse_req_t req, fuse_ino_t ino);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	       const char *newname, unsigned flags);

/* files.c */
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

/* io.c */
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
	      struct fuse_file_info *fi);

/* space.c */
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in, struct fuse_file_info *fi_in,
			fuse_ino_t ino_out, off_t off_out, struct fuse_file_info *fi_out, size_t len,
			int flags);

/* attr.c */
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi);
void op_access(fuse_req_t req, fuse_ino_t ino, int mask);
void op_statfs(fuse_req_t req, fuse_ino_t ino);

/* dir.c */
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

/* xattr.c */
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		 int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* ------------------------------------------------- shared by the families */

struct inode;
struct handle;

/* Replies with a negative errno (0: success). */
static inline void reply_result(fuse_req_t req, int rc)
{
	fuse_reply_err(req, -rc);
}

/* An entry of dir for a reply, from an inode that a lookup was counted for. */
void entry_fill(struct fuse_entry_param *e, const struct inode *dir, struct inode *inode,
		const struct stat *st);

/* Whether parent's entry name is the daemon's own: BACKING/.mmapfs. */
bool name_is_reserved(const struct inode *parent, const char *name);

/* Names come as single components; any other, "." and ".." too, would leave
 * BACKING. The kernel sends none. */
bool name_is_single(const char *name);

/* 0 if parent's entry name may be made or removed, else negative errno. */
int name_check(const struct inode *parent, const char *name);

/* Attributes as a program is to see them: times that are owed are set first. */
int attr_of(struct inode *inode, struct stat *ret_st);
/* Makes that of attributes which a lookup has just taken. */
int attr_settle(struct inode *inode, struct stat *st);

/* Takes the set-id bits from a file whose data req changes, where the kernel
 * leaves that to the daemon, as it does before a write of somebody without
 * CAP_FSETID. S_ISGID without S_IXGRP stays if req's caller is in the file's
 * group (linux fs/attr.c, setattr_should_drop_sgid()). */
int kill_privileges(fuse_req_t req, struct inode *inode, int fd);

/* Takes S_ISGID after a change that keeps it only for members of the group
 * that the file had before (chown, a new ACL), if req's caller is not one. */
int drop_setgid(fuse_req_t req, int fd, const struct stat *before);

/* Takes security.capability from a file that is written to round the kernel's
 * cache, whoever writes: a store into a mapping does not do it by itself. */
void capability_clear(struct inode *inode, int fd);

/* Around a page that is written back: the kernel has taken security.capability
 * before a write(2), and a store into a mapping leaves it as it is; our own
 * pwrite(2) must not. room: CAPABILITY_ROOM. save gives the length, 0: none. */
#define CAPABILITY_ROOM 64
size_t capability_save(struct inode *inode, int fd, char *buf, size_t room);
void capability_restore(int fd, const char *buf, size_t len);

/* Whether req's caller has its target's set-id bits cleared: what the kernel
 * said, or for requests that do not say, whether the caller is root. */
bool request_kills(fuse_req_t req);

/* A range of the file was changed by other means than mms_write(): does what
 * the sync mode owes. 0 or negative errno. */
int range_changed(struct handle *h, off_t off, off_t len);

/* An entry of the directory was looked up by itself. */
void dir_looked_up(struct inode *inode);

/* The directory's listing is not to be used any more if the kernel keeps one. To
 * be called before the kernel is told to drop it. */
void dir_listing_is_old(struct inode *inode);

/* Forgets what is remembered of security.capability. */
void capability_forget(struct inode *inode);

static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

#endif

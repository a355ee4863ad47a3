/* SPDX-License-Identifier: MIT */
/* Requests on extended attributes. */
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "commit.h"
#include "durability.h"
#include "inode.h"
#include "stats.h"

/*
 * The kernel asks for security.capability before every write of every file,
 * to take it away. Nearly no file has one: that is remembered per inode
 * until something of the mount could have set one. The value is trusted
 * for CAPABILITY_TRUST requests, so that one set beneath the mount is not
 * missed for ever.
 */
#define CAPABILITY "security.capability"
#define CAPABILITY_TRUST 1024

void capability_forget(struct inode *inode)
{
	atomic_store_explicit(&inode->capability, 0, memory_order_relaxed);
}

static bool known_absent(struct inode *inode)
{
	int left = atomic_load_explicit(&inode->capability, memory_order_relaxed);

	/* Lost updates between two threads only stretch the trust. */
	if (left <= 0)
		return false;
	atomic_store_explicit(&inode->capability, left - 1, memory_order_relaxed);
	return true;
}

static void note_absent(struct inode *inode)
{
	atomic_store_explicit(&inode->capability, CAPABILITY_TRUST, memory_order_relaxed);
}

void capability_clear(struct inode *inode, int fd)
{
	if (known_absent(inode))
		return;
	if (fremovexattr(fd, CAPABILITY) == 0)
		commit_by_sync(inode);
	else if (errno != ENODATA)
		return;
	note_absent(inode);
}

size_t capability_save(struct inode *inode, int fd, char *buf, size_t room)
{
	ssize_t n;

	if (known_absent(inode))
		return 0;
	n = fgetxattr(fd, CAPABILITY, buf, room);
	if (n < 0 && errno == ENODATA)
		note_absent(inode);
	return n < 0 ? 0 : (size_t)n;
}

void capability_restore(int fd, const char *buf, size_t len)
{
	/* Not there any more as a rule, so that one set meanwhile stays. */
	if (len)
		(void)!fsetxattr(fd, CAPABILITY, buf, len, XATTR_CREATE);
}

/* The magic link leads to the inode itself, so symlinks are not followed. */
struct target {
	struct inode *inode;
	int fd;
	char path[PROC_PATH_SIZE];
};

static int target_get(struct target *t, fuse_ino_t ino)
{
	t->inode = inode_of(ino);
	if (t->inode->is_virtual)
		return -EOPNOTSUPP;
	t->fd = inode_fd_get(t->inode);
	if (t->fd < 0)
		return t->fd;
	proc_path(t->path, t->fd);
	return 0;
}

static void target_put(struct target *t)
{
	inode_fd_put(t->inode);
}

#define ACCESS_ACL "system.posix_acl_access"

/* As setxattr(2) by req's caller: a new ACL is a new mode to the kernel. */
static int set_value(fuse_req_t req, const struct target *t, const char *name, const char *value,
		     size_t size, int flags)
{
	bool is_mode = fs.privileged && !strcmp(name, ACCESS_ACL);
	struct stat before;

	if (is_mode && fstatat(t->fd, "", &before, AT_EMPTY_PATH))
		return -errno;
	if (setxattr(t->path, name, value, size, flags))
		return -errno;
	return is_mode ? drop_setgid(req, t->fd, &before) : 0;
}

/* Sets name to value, or removes it where value is NULL, and replies. */
static void change(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		   int flags)
{
	struct target t;
	enum stamp_state before;
	int rc = target_get(&t, ino);

	if (!rc) {
		before = own_change_begin(t.inode, t.fd);
		if (value)
			rc = set_value(req, &t, name, value, size, flags);
		else
			rc = removexattr(t.path, name) ? -errno : 0;
		own_change_end(t.inode, t.fd, before);
		capability_forget(t.inode);
		commit_by_sync(t.inode);
		target_put(&t);
	}
	reply_result(req, rc ? rc : names_changed(NULL, t.inode));
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		 int flags)
{
	stats_count(OP_SETXATTR);
	change(req, ino, name, value, size, flags);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	stats_count(OP_REMOVEXATTR);
	change(req, ino, name, NULL, 0, 0);
}

/* The reply to a call that gives a size first and then the bytes. */
static void reply_bytes(fuse_req_t req, ssize_t n, const char *buf, size_t size)
{
	if (n < 0)
		reply_result(req, (int)n);
	else if (!size)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

/* The value of one attribute, or with name NULL the names of all. */
static void reply_read(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct inode *inode = inode_of(ino);
	char *buf = size ? malloc(size) : NULL;
	struct target t;
	ssize_t n;
	int rc = size && !buf ? -ENOMEM : target_get(&t, ino);

	if (rc) {
		free(buf);
		reply_result(req, rc);
		return;
	}
	n = name ? getxattr(t.path, name, buf, size) : listxattr(t.path, buf, size);
	if (n < 0)
		n = -errno;
	target_put(&t);
	if (name && n == -ENODATA && !strcmp(name, CAPABILITY))
		note_absent(inode);
	reply_bytes(req, n, buf, size);
	free(buf);
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct inode *inode = inode_of(ino);

	stats_count(OP_GETXATTR);
	if (inode->is_virtual || (!strcmp(name, CAPABILITY) && known_absent(inode)))
		reply_result(req, -ENODATA);
	else
		reply_read(req, ino, name, size);
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	stats_count(OP_LISTXATTR);
	if (inode_of(ino)->is_virtual)
		reply_bytes(req, 0, "", size);
	else
		reply_read(req, ino, NULL, size);
}

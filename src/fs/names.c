/* SPDX-License-Identifier: MIT */
/* Requests on names: lookup, create, link, rename, remove. */
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "commit.h"
#include "control.h"
#include "creds.h"
#include "durability.h"
#include "lifetime.h"
#include "naming.h"
#include "region.h"
#include "stats.h"

void entry_fill(struct fuse_entry_param *e, const struct inode *dir, struct inode *inode,
		const struct stat *st)
{
	*e = (struct fuse_entry_param){
		.ino = inode_number(inode),
		.generation = inode->generation,
		.attr = *st,
		.attr_timeout = lifetime_attr(inode, st),
		.entry_timeout = lifetime_entry(dir),
	};
}

bool name_is_reserved(const struct inode *parent, const char *name)
{
	return parent == fs.root && !strcmp(name, RESERVED_NAME);
}

bool name_is_single(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

int name_check(const struct inode *parent, const char *name)
{
	if (parent->is_virtual)
		return -EPERM;
	if (!name_is_single(name))
		return -EINVAL;
	return name_is_reserved(parent, name) ? -EPERM : 0;
}

static void reply_entry(fuse_req_t req, const struct inode *dir, struct inode *inode,
			const struct stat *st)
{
	struct fuse_entry_param e;

	entry_fill(&e, dir, inode, st);
	if (fuse_reply_entry(req, &e))
		inode_forget(inode, 1); /* the kernel never learned of it */
}

/* The reply to a call that made parent's entry name, whose naming ends with it. */
static void reply_made(fuse_req_t req, struct inode *parent, const char *name,
		       struct naming *naming, struct journal_name *what)
{
	struct inode *inode;
	struct stat st;
	int rc = inode_lookup(parent, name, &inode, &st);

	if (!rc && what->op != JOURNAL_LINK && identity_equal(&inode->id, &naming->id))
		commit_is_new(inode);
	naming_end(naming, what, rc ? NULL : inode, 0);
	if (rc) {
		reply_result(req, rc);
		return;
	}
	rc = names_changed(parent, inode);
	if (rc) {
		inode_forget(inode, 1);
		reply_result(req, rc);
		return;
	}
	reply_entry(req, parent, inode, &st);
}

static void reply_negative(fuse_req_t req, const struct inode *dir)
{
	struct fuse_entry_param e = {.entry_timeout = lifetime_negative(dir)};

	if (e.entry_timeout > 0)
		fuse_reply_entry(req, &e);
	else
		reply_result(req, -ENOENT);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent_ino, const char *name)
{
	struct inode *parent = inode_of(parent_ino), *inode;
	struct stat st;
	int rc;

	stats_count(OP_LOOKUP);
	if (parent->is_virtual || name_is_reserved(parent, name)) {
		control_lookup(req, parent, name);
		return;
	}
	rc = name_is_single(name) ? inode_lookup(parent, name, &inode, &st) : -EINVAL;
	if (rc == -ENOENT)
		reply_negative(req, parent);
	else if (rc)
		reply_result(req, rc);
	else if ((rc = attr_settle(inode, &st))) {
		inode_forget(inode, 1);
		reply_result(req, rc);
	} else {
		dir_looked_up(parent);
		reply_entry(req, parent, inode, &st);
	}
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	stats_count(OP_FORGET);
	inode_forget(inode_of(ino), nlookup);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	stats_add(OP_FORGET, count);
	for (size_t i = 0; i < count; i++)
		inode_forget(inode_of(forgets[i].ino), forgets[i].nlookup);
	fuse_reply_none(req);
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct inode *inode = inode_of(ino);
	char target[PATH_MAX + 1];
	ssize_t n;
	int fd;

	stats_count(OP_READLINK);
	fd = inode_fd_get(inode);
	if (fd < 0) {
		reply_result(req, fd);
		return;
	}
	n = readlinkat(fd, "", target, sizeof(target));
	if (n < 0)
		n = -errno;
	inode_fd_put(inode);
	if (n < 0) {
		reply_result(req, (int)n);
	} else if (n == sizeof(target)) {
		reply_result(req, -ENAMETOOLONG);
	} else {
		target[n] = '\0';
		fuse_reply_readlink(req, target);
	}
}

/* Whether the caller's supplementary groups decide something: the kernel
 * strips S_ISGID from a new file of a group that its maker is not in. */
static bool groups_matter(struct inode *parent, mode_t mode)
{
	struct stat st;

	return fs.privileged && (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
	       inode_stat(parent, &st) == 0 && (st.st_mode & S_ISGID);
}

/* One of the calls that make a name, as the caller. */
struct making {
	mode_t mode;
	dev_t rdev;
	const char *target; /* symlink */
};

static int make_at(int dirfd, const char *name, const struct making *m)
{
	int rc;

	if (m->target)
		rc = symlinkat(m->target, dirfd, name);
	else if (S_ISDIR(m->mode))
		rc = mkdirat(dirfd, name, m->mode & 07777);
	else
		rc = mknodat(dirfd, name, m->mode, m->rdev);
	return rc ? -errno : 0;
}

static void make(fuse_req_t req, fuse_ino_t parent_ino, const char *name, const struct making *m)
{
	struct inode *parent = inode_of(parent_ino);
	struct journal_name what = {.name = name, .target = m->target};
	struct naming naming;
	struct creds creds;
	int rc = name_check(parent, name), dirfd;

	dirfd = rc ? rc : inode_fd_get(parent);
	if (dirfd < 0) {
		reply_result(req, dirfd);
		return;
	}
	what.op = m->target ? JOURNAL_SYMLINK : S_ISDIR(m->mode) ? JOURNAL_MKDIR : JOURNAL_MKNOD;
	naming_begin(&naming, parent, NULL);
	rc = creds_begin(&creds, req, groups_matter(parent, m->mode));
	if (!rc) {
		rc = make_at(dirfd, name, m);
		creds_end(&creds);
	}
	if (!rc)
		(void)naming_child(&naming, dirfd, name);
	inode_fd_put(parent);
	if (rc) {
		naming_end(&naming, &what, NULL, rc);
		reply_result(req, rc);
	} else {
		reply_made(req, parent, name, &naming, &what);
	}
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	const struct making m = {.mode = mode, .rdev = rdev};

	stats_count(OP_MKNOD);
	make(req, parent, name, &m);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	const struct making m = {.mode = S_IFDIR | (mode & 07777)};

	stats_count(OP_MKDIR);
	make(req, parent, name, &m);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	const struct making m = {.mode = S_IFLNK, .target = target};

	stats_count(OP_SYMLINK);
	make(req, parent, name, &m);
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent_ino, const char *name)
{
	struct inode *inode = inode_of(ino), *parent = inode_of(parent_ino);
	struct journal_name what = {.op = JOURNAL_LINK, .name = name};
	struct naming naming = {0};
	char path[PROC_PATH_SIZE];
	int rc, fd, dirfd;

	stats_count(OP_LINK);
	rc = name_check(parent, name);
	if (!rc && inode->is_virtual)
		rc = -EPERM;
	fd = rc ? rc : inode_fd_get(inode);
	if (fd < 0) {
		reply_result(req, fd);
		return;
	}
	dirfd = inode_fd_get(parent);
	if (dirfd < 0) {
		rc = dirfd;
	} else {
		enum stamp_state before = own_change_begin(inode, fd);

		naming_begin(&naming, parent, NULL);
		/* The magic link leads to the inode itself, be it a symlink. */
		rc = linkat(AT_FDCWD, proc_path(path, fd), dirfd, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
		if (!rc)
			(void)naming_child(&naming, dirfd, name);
		own_change_end(inode, fd, before);
		if (rc)
			naming_end(&naming, &what, NULL, rc);
		inode_fd_put(parent);
	}
	inode_fd_put(inode);
	if (rc)
		reply_result(req, rc);
	else
		reply_made(req, parent, name, &naming, &what);
}

/* An inode that somebody still uses must stay reachable without this name.
 * *ret_inode: a counted ref for name_gone(), or NULL. */
static int keep_reachable(struct inode *parent, const char *name, struct inode **ret_inode)
{
	struct inode *inode = inode_find(parent, name);
	int rc = inode ? inode_pin_fd(inode) : 0;

	if (rc == -ENOENT || rc == -ESTALE)
		rc = 0; /* gone already: the call itself will say so */
	if (rc && inode) {
		inode_put(inode);
		inode = NULL;
	}
	*ret_inode = inode;
	return rc;
}

static void name_gone(struct inode *inode, bool removed)
{
	if (!inode)
		return;
	if (removed)
		region_name_removed(inode);
	inode_put(inode);
}

static void remove_name(fuse_req_t req, fuse_ino_t parent_ino, const char *name, int flags)
{
	struct inode *parent = inode_of(parent_ino), *inode = NULL;
	struct journal_name what = {.op = flags ? JOURNAL_RMDIR : JOURNAL_UNLINK, .name = name};
	int rc = name_check(parent, name), dirfd;
	struct naming naming;

	if (!rc)
		rc = keep_reachable(parent, name, &inode);
	dirfd = rc ? rc : inode_fd_get(parent);
	if (dirfd < 0) {
		name_gone(inode, false);
		reply_result(req, dirfd);
		return;
	}
	naming_begin(&naming, parent, NULL);
	(void)naming_child(&naming, dirfd, name);
	rc = unlinkat(dirfd, name, flags) ? -errno : 0;
	naming_end(&naming, &what, inode, rc);
	inode_fd_put(parent);
	name_gone(inode, !rc);
	if (!rc)
		rc = names_changed(parent, NULL);
	reply_result(req, rc);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	stats_count(OP_UNLINK);
	remove_name(req, parent, name, 0);
}

/* A root directory of BACKING that holds nothing but .mmapfs cannot be the
 * one removed: it is the mount point. */
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	stats_count(OP_RMDIR);
	remove_name(req, parent, name, AT_REMOVEDIR);
}

/* Tells the inode that now stands at parent/name that it does. */
static void note_moved(struct inode *parent, const char *name)
{
	struct inode *inode;

	if (fs.handles && parent->id.dev == (uint64_t)fs.root_dev)
		return;
	inode = inode_find(parent, name);
	if (inode) {
		inode_moved(inode, parent, name);
		inode_put(inode);
	}
}

static int rename_as(fuse_req_t req, int olddir, const char *name, int newdir, const char *newname,
		     unsigned flags)
{
	struct creds creds;
	int rc;

	/* RENAME_WHITEOUT makes a device node: as the caller, like mknod. */
	if (!(flags & RENAME_WHITEOUT))
		return syscall(SYS_renameat2, olddir, name, newdir, newname, flags) ? -errno : 0;
	rc = creds_begin(&creds, req, false);
	if (rc)
		return rc;
	rc = syscall(SYS_renameat2, olddir, name, newdir, newname, flags) ? -errno : 0;
	creds_end(&creds);
	return rc;
}

/* A rename moves ctime of the file itself. */
struct renamed {
	struct inode *inode; /* a counted ref; NULL: not known, or not a file */
	int fd;
	enum stamp_state before;
};

static void renamed_begin(struct renamed *r, struct inode *parent, const char *name)
{
	*r = (struct renamed){.inode = inode_find(parent, name)};
	if (!r->inode)
		return;
	r->fd = S_ISREG(r->inode->type) ? inode_fd_get(r->inode) : -1;
	if (r->fd < 0) {
		inode_put(r->inode);
		r->inode = NULL;
		return;
	}
	r->before = own_change_begin(r->inode, r->fd);
}

static void renamed_end(struct renamed *r)
{
	if (!r->inode)
		return;
	own_change_end(r->inode, r->fd, r->before);
	inode_fd_put(r->inode);
	inode_put(r->inode);
}

static int rename_names(fuse_req_t req, struct inode *from, const char *name, struct inode *to,
			const char *newname, unsigned flags)
{
	struct journal_name what = {
		.op = JOURNAL_RENAME, .name = name, .new_name = newname, .flags = flags};
	struct renamed moved;
	struct naming naming;
	int olddir, newdir, rc;

	olddir = inode_fd_get(from);
	if (olddir < 0)
		return olddir;
	newdir = inode_fd_get(to);
	if (newdir < 0) {
		inode_fd_put(from);
		return newdir;
	}
	renamed_begin(&moved, from, name);
	if (moved.inode)
		commit_before_replace(moved.inode);
	naming_begin(&naming, from, to);
	(void)naming_child(&naming, olddir, name);
	names_lock_exclusive();
	rc = rename_as(req, olddir, name, newdir, newname, flags);
	if (!rc) {
		note_moved(to, newname);
		if (flags & RENAME_EXCHANGE)
			note_moved(from, name);
	}
	names_unlock();
	naming_end(&naming, &what, moved.inode, rc);
	renamed_end(&moved);
	inode_fd_put(to);
	inode_fd_put(from);
	return rc;
}

void op_rename(fuse_req_t req, fuse_ino_t parent_ino, const char *name, fuse_ino_t newparent_ino,
	       const char *newname, unsigned flags)
{
	struct inode *from = inode_of(parent_ino), *to = inode_of(newparent_ino);
	struct inode *replaced = NULL;
	int rc;

	stats_count(OP_RENAME);
	rc = name_check(from, name);
	if (!rc)
		rc = name_check(to, newname);
	if (!rc && !(flags & (RENAME_EXCHANGE | RENAME_NOREPLACE)))
		rc = keep_reachable(to, newname, &replaced);
	if (!rc)
		rc = rename_names(req, from, name, to, newname, flags);
	name_gone(replaced, !rc);
	if (!rc)
		rc = names_changed(to, NULL);
	if (!rc && from != to)
		rc = names_changed(from, NULL);
	reply_result(req, rc);
}

/* SPDX-License-Identifier: MIT */
/* Requests on attributes: getattr, setattr, access, statfs. */
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "commit.h"
#include "control.h"
#include "creds.h"
#include "durability.h"
#include "lifetime.h"
#include "region.h"
#include "resync.h"
#include "stats.h"
#include "wire.h"

/* Mapped stores leave times owed; nobody shall see the file without them. Whether
 * there may have been some. */
static bool set_owed_times(struct inode *inode)
{
	bool any;

	if (!S_ISREG(inode->type) || fs.writeback)
		return false;
	pthread_mutex_lock(&inode->lock);
	any = inode->region;
	if (any)
		mms_touch(inode->region->file);
	pthread_mutex_unlock(&inode->lock);
	return any;
}

int attr_of(struct inode *inode, struct stat *ret_st)
{
	(void)set_owed_times(inode);
	return inode_stat(inode, ret_st);
}

int attr_settle(struct inode *inode, struct stat *st)
{
	return set_owed_times(inode) ? inode_stat(inode, st) : 0;
}

static void reply_attr(fuse_req_t req, struct inode *inode)
{
	struct stat st;
	int rc = attr_of(inode, &st);

	if (rc)
		reply_result(req, rc);
	else
		fuse_reply_attr(req, &st, lifetime_attr(inode, &st));
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inode *inode = inode_of(ino);
	struct stat st;

	(void)fi;
	stats_count(OP_GETATTR);
	if (inode->is_virtual) {
		control_stat(inode, &st);
		fuse_reply_attr(req, &st, lifetime_attr(inode, &st));
	} else {
		reply_attr(req, inode);
	}
}

static int set_mode(int fd, mode_t mode)
{
	char path[PROC_PATH_SIZE];

	return fchmodat(AT_FDCWD, proc_path(path, fd), mode, 0) ? -errno : 0;
}

int drop_setgid(fuse_req_t req, int fd, const struct stat *before)
{
	struct stat st;

	if (!(before->st_mode & S_ISGID) || !creds_clears_setid(req) ||
	    creds_in_group(req, before->st_gid))
		return 0;
	if (fstatat(fd, "", &st, AT_EMPTY_PATH))
		return -errno;
	return st.st_mode & S_ISGID ? set_mode(fd, st.st_mode & 05777) : 0;
}

static int set_owner(fuse_req_t req, int fd, const struct stat *attr, int to_set)
{
	uid_t uid = to_set & FUSE_SET_ATTR_UID ? attr->st_uid : (uid_t)-1;
	gid_t gid = to_set & FUSE_SET_ATTR_GID ? attr->st_gid : (gid_t)-1;
	struct stat before;

	if (fstatat(fd, "", &before, AT_EMPTY_PATH) ||
	    fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -errno;
	/* Where the group may not execute, the bit is root's to keep. */
	return S_ISDIR(before.st_mode) ? 0 : drop_setgid(req, fd, &before);
}

/* An append-only file takes no times but the present, and with the write-back
 * cache the kernel says the present of mtime in figures. */
static bool means_now(const struct stat *attr, int to_set)
{
	struct timespec now;

	if (!fs.writeback || !(to_set & FUSE_SET_ATTR_ATIME_NOW) || !(to_set & FUSE_SET_ATTR_MTIME))
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec - attr->st_mtim.tv_sec <= 1 && attr->st_mtim.tv_sec <= now.tv_sec;
}

static int set_times(int fd, const struct stat *attr, int to_set)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};

	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		times[0].tv_nsec = UTIME_NOW;
	else if (to_set & FUSE_SET_ATTR_ATIME)
		times[0] = attr->st_atim;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		times[1].tv_nsec = UTIME_NOW;
	else if (to_set & FUSE_SET_ATTR_MTIME)
		times[1] = attr->st_mtim;
	if (utimensat(fd, "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (errno != EPERM || !means_now(attr, to_set))
		return -errno;
	return utimensat(fd, "", NULL, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

/* Through the region where there is one fit for it: its tables must know. */
static int set_size(struct inode *inode, off_t size)
{
	struct handle *h;
	bool fresh;
	int rc = region_open(inode, O_WRONLY, -1, &h, &fresh);

	if (rc)
		return rc;
	atomic_store(&inode->wrote, true);
	/* Lowered before and raised after, lest it pass for a cut by others. */
	if (size < atomic_load(&inode->size_seen))
		atomic_store(&inode->size_seen, size);
	commit_resize_begin(inode);
	if (h->region)
		rc = mms_resize(h->region->file, (uint64_t)size);
	else
		rc = ftruncate(h->bare_fd, size) ? -errno : 0;
	commit_resize_end(inode, (uint64_t)size, rc);
	if (!rc && h->region && fs.options.sync == MMS_SYNC_LAZY)
		rc = region_flush(h);
	if (!rc)
		inode_size_grew(inode, size);
	region_close(h);
	return rc;
}

/* Setting mtime makes the times that mapped stores owe obsolete. */
static void drop_owed_times(struct inode *inode)
{
	if (!S_ISREG(inode->type))
		return;
	pthread_mutex_lock(&inode->lock);
	if (inode->region)
		mms_untouch(inode->region->file);
	pthread_mutex_unlock(&inode->lock);
}

/*
 * A request for nothing is a chown(2) to neither owner nor group, which moves
 * ctime; or the kernel has taken security.capability before a write, and says
 * so. The two cannot be told apart, so set-id bits must stay: a write by root
 * leaves them.
 */
static int touch_ctime(int fd)
{
	struct stat st;

	if (fstatat(fd, "", &st, AT_EMPTY_PATH))
		return -errno;
	if (!S_ISDIR(st.st_mode) && (st.st_mode & (S_ISUID | S_ISGID)))
		return 0;
	return fchownat(fd, "", (uid_t)-1, (gid_t)-1, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

#define SET_ANYTHING                                                                               \
	(FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_SIZE |         \
	 FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |                     \
	 FUSE_SET_ATTR_MTIME_NOW)

/* Those that the journal has records for; the kernel sends ctime along. */
#define LOGGED_ATTRIBUTES                                                                          \
	(FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_CTIME)
#define OWNER_AND_MODE (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_MODE)
/* FATTR_KILL_SUIDGID of the protocol: nothing to do where there are no such bits. */
#define KILLS_PRIVILEGES (1 << 11)

/* Whether a change needs no sync to be durable: there is a record for it, or it is none. SQLite
 * gives each new journal the owner that it has. */
static bool is_recorded(struct inode *inode, int fd, const struct stat *attr, int to_set)
{
	struct stat st;

	if (!inode->commit)
		return true;
	if ((to_set & ~(LOGGED_ATTRIBUTES | OWNER_AND_MODE | KILLS_PRIVILEGES)) ||
	    !(to_set & SET_ANYTHING))
		return false;
	if (!(to_set & (OWNER_AND_MODE | KILLS_PRIVILEGES)))
		return true;
	if (fstatat(fd, "", &st, AT_EMPTY_PATH) || (st.st_mode & (S_ISUID | S_ISGID)))
		return false;
	return (!(to_set & FUSE_SET_ATTR_UID) || attr->st_uid == st.st_uid) &&
	       (!(to_set & FUSE_SET_ATTR_GID) || attr->st_gid == st.st_gid) &&
	       (!(to_set & FUSE_SET_ATTR_MODE) || ((attr->st_mode ^ st.st_mode) & 07777) == 0);
}

static int set_attributes(fuse_req_t req, struct inode *inode, int fd, struct stat *attr, int to_set)
{
	int rc = 0;

	/* The owner first: that clears set-id bits, which the mode may set. */
	if (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID))
		rc = set_owner(req, fd, attr, to_set);
	else if (!(to_set & SET_ANYTHING))
		rc = touch_ctime(fd);
	if (!rc && (to_set & FUSE_SET_ATTR_MODE))
		rc = set_mode(fd, attr->st_mode);
	if (!rc && (to_set & FUSE_SET_ATTR_SIZE))
		rc = set_size(inode, attr->st_size);
	if (!rc && (to_set & FUSE_SET_ATTR_SIZE) && wire_request_kills())
		rc = kill_privileges(req, inode, fd);
	if (!rc && (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |
			      FUSE_SET_ATTR_MTIME_NOW))) {
		if (to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW))
			drop_owed_times(inode);
		rc = set_times(fd, attr, to_set);
		if (!rc && (to_set & FUSE_SET_ATTR_MTIME))
			inode_mtime_told(inode, &attr->st_mtim);
	}
	return rc;
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct inode *inode = inode_of(ino);
	struct stat st;
	enum stamp_state before;
	bool recorded;
	int fd, rc;

	(void)fi;
	stats_count(OP_SETATTR);
	if (inode->is_virtual) { /* a shell's "> control" truncates first */
		control_stat(inode, &st);
		if ((to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) ||
		    ((to_set & FUSE_SET_ATTR_MODE) && (attr->st_mode ^ st.st_mode) & 07777))
			reply_result(req, -EPERM);
		else
			fuse_reply_attr(req, &st, 0);
		return;
	}
	if (resync_is(fuse_req_ctx(req)->pid)) { /* asks, and changes nothing */
		reply_attr(req, inode);
		return;
	}
	fd = inode_fd_get(inode);
	if (fd < 0) {
		reply_result(req, fd);
		return;
	}
	recorded = is_recorded(inode, fd, attr, to_set);
	before = own_change_begin(inode, fd);
	/* A change of nothing is how the kernel says that somebody is about to write who
	 * may not leave set-id bits behind (__remove_privs() with HANDLE_KILLPRIV_V2). */
	rc = to_set ? set_attributes(req, inode, fd, attr, to_set) : kill_privileges(req, inode, fd);
	own_change_end(inode, fd, before);
	inode_fd_put(inode);
	if (to_set != FUSE_SET_ATTR_MTIME && to_set != (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_CTIME))
		capability_forget(inode); /* what the kernel sends with each flush changes none */
	if (!recorded)
		commit_by_sync(inode);
	else if (to_set & FUSE_SET_ATTR_MTIME)
		commit_wrote(inode, 0, 0);
	if (!rc)
		rc = names_changed(NULL, inode);
	if (rc)
		reply_result(req, rc);
	else
		reply_attr(req, inode);
}

/* Not asked while the kernel checks permissions itself; right all the same. */
void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct inode *inode = inode_of(ino);
	char path[PROC_PATH_SIZE];
	struct creds creds;
	int fd, rc;

	stats_count(OP_ACCESS);
	if (inode->is_virtual) {
		reply_result(req, mask & W_OK ? -EACCES : 0);
		return;
	}
	fd = inode_fd_get(inode);
	if (fd < 0) {
		reply_result(req, fd);
		return;
	}
	rc = creds_begin(&creds, req, true);
	if (!rc) {
		rc = faccessat(AT_FDCWD, proc_path(path, fd), mask, AT_EACCESS) ? -errno : 0;
		creds_end(&creds);
	}
	inode_fd_put(inode);
	reply_result(req, rc);
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct inode *inode = inode_of(ino);
	struct statvfs sv;
	int fd, rc;

	stats_count(OP_STATFS);
	if (inode->is_virtual)
		inode = fs.root;
	fd = inode_fd_get(inode);
	if (fd < 0) {
		reply_result(req, fd);
		return;
	}
	rc = fstatvfs(fd, &sv) ? -errno : 0;
	inode_fd_put(inode);
	if (rc)
		reply_result(req, rc);
	else
		fuse_reply_statfs(req, &sv);
}

bool request_kills(fuse_req_t req)
{
	return wire_daemon_kills() ? wire_request_kills() : creds_clears_setid(req);
}

int kill_privileges(fuse_req_t req, struct inode *inode, int fd)
{
	struct stat st;
	mode_t mode;

	capability_forget(inode);
	if (fstatat(fd, "", &st, AT_EMPTY_PATH))
		return -errno;
	mode = st.st_mode & ~(mode_t)S_ISUID;
	if ((mode & S_ISGID) && ((mode & S_IXGRP) || !creds_in_group(req, st.st_gid)))
		mode &= ~(mode_t)S_ISGID;
	if (mode == st.st_mode)
		return 0;
	commit_by_sync(inode);
	return set_mode(fd, mode & 07777);
}

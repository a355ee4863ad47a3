/* SPDX-License-Identifier: MIT */
/* Requests on open files: open, create, flush, release, fsync. */
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commit.h"
#include "control.h"
#include "creds.h"
#include "durability.h"
#include "fdcache.h"
#include "naming.h"
#include "passthrough.h"
#include "push.h"
#include "region.h"
#include "stats.h"

static void fill_info(struct fuse_file_info *fi, struct handle *h, bool fresh)
{
	fi->fh = (uintptr_t)h;
	fi->direct_io = h->direct;
	fi->keep_cache = fresh && !h->direct;
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inode *inode = inode_of(ino);
	struct handle *h;
	bool fresh = false;
	int rc;

	stats_count(OP_OPEN);
	if (inode->is_virtual) {
		control_open(req, inode, fi);
		return;
	}
	if (!S_ISREG(inode->type)) {
		reply_result(req, -ENXIO);
		return;
	}
	rc = region_open(inode, fi->flags, -1, &h, &fresh);
	if (rc) {
		reply_result(req, rc);
		return;
	}
	fill_info(fi, h, fresh);
	passthrough_open(h);
	if (fuse_reply_open(req, fi))
		region_close(h);
}

/*
 * Creates as the caller. The file is opened for both: the write-back cache
 * completes pages of an O_WRONLY file by reading them.
 *
 * Only a file that is not there yet: the kernel has found no such name, and
 * so has checked nobody's right to a file that others put there meanwhile.
 * Unless it was to be new, -ESTALE makes the kernel look once more.
 */
static int create_file(fuse_req_t req, struct inode *parent, const char *name, mode_t mode, int flags)
{
	struct creds creds;
	bool groups = fs.privileged && (mode & S_ISGID);
	int how = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
		  O_CLOEXEC | O_LARGEFILE;
	int dirfd, fd, rc;

	dirfd = inode_fd_get(parent);
	if (dirfd < 0)
		return dirfd;
	rc = creds_begin(&creds, req, groups);
	if (rc) {
		inode_fd_put(parent);
		return rc;
	}
	fd = openat(dirfd, name, how, mode);
	if (fd < 0 && fdcache_made_room(errno))
		fd = openat(dirfd, name, how, mode);
	rc = fd < 0 ? -errno : fd;
	if (rc == -EEXIST && !(flags & O_EXCL))
		rc = -ESTALE;
	creds_end(&creds);
	inode_fd_put(parent);
	return rc;
}

/* The handle of a file that create_file() opened; consumes fd. */
static int open_created(struct inode *inode, const struct identity *created, int flags, int fd,
			struct handle **ret_handle)
{
	bool fresh;

	/* Another entry took the name between the two calls. */
	if (!identity_equal(&inode->id, created)) {
		close(fd);
		return -ESTALE;
	}
	/* For both, whatever the program asked: the descriptor is. */
	return region_open(inode, (flags & ~O_ACCMODE) | O_RDWR, fd, ret_handle, &fresh);
}

void op_create(fuse_req_t req, fuse_ino_t parent_ino, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	struct inode *parent = inode_of(parent_ino), *inode;
	struct fuse_entry_param e;
	struct journal_name what = {.op = JOURNAL_CREATE, .name = name};
	struct naming naming;
	struct identity created;
	struct handle *h;
	struct stat st;
	int fd, rc;

	stats_count(OP_CREATE);
	rc = name_check(parent, name);
	if (rc) {
		reply_result(req, rc);
		return;
	}
	naming_begin(&naming, parent, NULL);
	fd = create_file(req, parent, name, mode, fi->flags);
	if (fd < 0) {
		naming_end(&naming, &what, NULL, fd);
		reply_result(req, fd);
		return;
	}
	(void)naming_child(&naming, fd, "");
	rc = identify(fd, "", &created, &st);
	if (!rc && !S_ISREG(st.st_mode))
		rc = -EEXIST;
	if (!rc)
		rc = inode_lookup_new(parent, name, &inode, &st);
	if (!rc && identity_equal(&inode->id, &created))
		commit_is_new(inode);
	naming_end(&naming, &what, rc ? NULL : inode, 0);
	if (rc) {
		close(fd);
		reply_result(req, rc);
		return;
	}
	rc = open_created(inode, &created, fi->flags, fd, &h);
	if (!rc) {
		rc = names_changed(parent, inode);
		if (rc)
			region_close(h);
	}
	if (rc) {
		inode_forget(inode, 1);
		reply_result(req, rc);
		return;
	}
	fill_info(fi, h, true);
	entry_fill(&e, parent, inode, &st);
	passthrough_open(h);
	if (fuse_reply_create(req, &e, fi)) {
		region_close(h);
		inode_forget(inode, 1);
	}
}

/* An error that a flush of ours took out of the kernel's hands. */
static int taken_error(struct handle *h)
{
	return h->region ? -atomic_exchange(&h->region->close_error, 0) : 0;
}

/* close(2) of one descriptor: what the sync mode owes at that moment. */
static int flush_handle(struct handle *h)
{
	struct inode *inode = h->inode;
	int rc = 0, error;

	passthrough_dirtied(h);
	if (h->region && h->writer) {
		rc = mms_touch(h->region->file);
		inode_mtime_settle(inode, mms_fd(h->region->file));
		if (fs.options.sync == MMS_SYNC_LAZY)
			rc = region_flush(h);
		if (atomic_load(&inode->wrote))
			inode_restamp(inode, mms_fd(h->region->file));
	} else if (h->bare_fd >= 0 && fs.options.sync == MMS_SYNC_LAZY) {
		rc = commit_handle(h, true);
	}
	error = region_error(h);
	rc = rc ? rc : error;
	error = taken_error(h);
	return rc ? rc : error;
}

void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	stats_count(OP_FLUSH);
	if (inode_of(ino)->is_virtual || kernel_flush_is(fuse_req_ctx(req)->pid) ||
	    push_is(fuse_req_ctx(req)->pid))
		reply_result(req, 0);
	else
		reply_result(req, flush_handle(handle_of(fi)));
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	stats_count(OP_RELEASE);
	if (inode_of(ino)->is_virtual) {
		control_release(req, fi);
		return;
	}
	region_close(handle_of(fi));
	reply_result(req, 0);
}

struct syncing {
	fuse_req_t req;
	struct handle *h;
};

static void synced(void *arg, int rc)
{
	struct syncing s = *(struct syncing *)arg;
	struct handle *h = s.h;
	int error;

	free(arg);
	if (h->region && h->writer && atomic_load(&h->inode->wrote))
		inode_restamp(h->inode, mms_fd(h->region->file));
	error = region_error(h);
	reply_result(s.req, rc ? rc : error);
}

/* Replied to when it is durable, maybe by another worker: none waits for it. */
static void sync_handle(fuse_req_t req, struct handle *h, bool datasync)
{
	struct syncing *s = malloc(sizeof(*s));

	if (!s) {
		reply_result(req, -ENOMEM);
		return;
	}
	*s = (struct syncing){req, h};
	if (h->region && h->writer)
		inode_mtime_settle(h->inode, mms_fd(h->region->file));
	commit_handle_then(h, datasync, synced, s);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);

	stats_count(OP_FSYNC);
	if (inode_of(ino)->is_virtual) {
		reply_result(req, 0);
	} else if (fs.options.fsync_defer) {
		stats_count(SYNC_DEFERRED);
		reply_result(req, region_error(h));
	} else {
		stats_count(SYNC_REQUESTED);
		sync_handle(req, h, datasync != 0);
	}
}

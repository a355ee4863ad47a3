/* SPDX-License-Identifier: MIT */
/* Requests on a file's space: fallocate, lseek for data and holes, copy_file_range. */
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "commit.h"
#include "creds.h"
#include "durability.h"
#include "passthrough.h"
#include "latency.h"
#include "region.h"
#include "stats.h"
#include "task.h"

int range_changed(struct handle *h, off_t off, off_t len)
{
	struct inode *inode = h->inode;
	struct stat st;

	atomic_store(&inode->wrote, true);
	if (!fstat(handle_fd(h), &st))
		inode_size_grew(inode, st.st_size);
	capability_forget(inode);
	if (h->region) {
		mms_mark_dirty(h->region->file, (uint64_t)off, (uint64_t)len);
		mms_mark_unallocated(h->region->file, (uint64_t)off, (uint64_t)len);
	}
	return fs.options.sync == MMS_SYNC_IMMEDIATE ? commit_handle(h, false) : 0;
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
		  struct fuse_file_info *fi)
{
	struct inode *inode = inode_of(ino);
	struct handle *h = handle_of(fi);
	bool shifts = mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE);
	int rc;

	stats_count(OP_FALLOCATE);
	if (inode->is_virtual) {
		reply_result(req, -EOPNOTSUPP);
		return;
	}
	rc = creds_clears_setid(req) ? kill_privileges(req, inode, handle_fd(h)) : 0;
	if (!rc)
		rc = fallocate(handle_fd(h), mode, offset, length) ? -errno : 0;
	commit_by_sync(inode); /* space and holes have no record */
	/* Space alone is no data: what a failed sync has lost stays lost. */
	if (!rc && !(mode & ~FALLOC_FL_KEEP_SIZE))
		length = 1;
	if (!rc)
		rc = range_changed(h, shifts ? 0 : offset, shifts ? INT64_MAX : length);
	reply_result(req, rc);
}

struct seeking {
	fuse_req_t req;
	struct inode *inode; /* alive while its handle waits for the reply */
	int fd;
	off_t off;
	int whence;
	struct latency_mark mark;
};

static void reply_seek(fuse_req_t req, int fd, off_t off, int whence)
{
	off_t at = lseek(fd, off, whence);

	if (at < 0)
		reply_result(req, -errno);
	else
		fuse_reply_lseek(req, at);
}

static void seek_after_flush(void *arg)
{
	struct seeking *s = arg;

	kernel_flush_inode(s->inode);
	reply_seek(s->req, s->fd, s->off, s->whence);
	latency_finish(s->mark);
	free(s);
}

/* The kernel asks for data and holes without writing its dirty pages back
 * first; they would be taken for holes, and a program that copies only data
 * would lose them. So they are fetched, from a thread that serves nothing. */
static int seek_flushed(fuse_req_t req, struct inode *inode, int fd, off_t off, int whence)
{
	struct seeking *s = malloc(sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	*s = (struct seeking){req, inode, fd, off, whence, latency_leave()};
	rc = task_start(seek_after_flush, s);
	if (rc) {
		latency_return(s->mark);
		free(s);
	}
	return rc;
}

/* Whether the kernel may hold dirty pages of the file. */
static bool kernel_may_hold(struct inode *inode)
{
	bool may;

	if (fs.options.cache == CACHE_NONE || passthrough_has(inode))
		return false;
	pthread_mutex_lock(&inode->lock);
	may = inode->region && inode->region->writers;
	pthread_mutex_unlock(&inode->lock);
	return may;
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	struct inode *inode = inode_of(ino);
	int fd, rc;

	stats_count(OP_LSEEK);
	if (inode->is_virtual) {
		reply_result(req, -EINVAL);
		return;
	}
	fd = handle_fd(handle_of(fi));
	if (!kernel_may_hold(inode)) {
		reply_seek(req, fd, off, whence);
		return;
	}
	rc = seek_flushed(req, inode, fd, off, whence);
	if (rc)
		reply_result(req, rc);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in, struct fuse_file_info *fi_in,
			fuse_ino_t ino_out, off_t off_out, struct fuse_file_info *fi_out, size_t len,
			int flags)
{
	struct handle *in = handle_of(fi_in), *out = handle_of(fi_out);
	ssize_t n;
	int rc;

	stats_count(OP_COPY_FILE_RANGE);
	if (inode_of(ino_in)->is_virtual || inode_of(ino_out)->is_virtual) {
		reply_result(req, -EXDEV); /* the kernel copies by read and write then */
		return;
	}
	rc = creds_clears_setid(req) ? kill_privileges(req, inode_of(ino_out), handle_fd(out)) : 0;
	if (rc) {
		reply_result(req, rc);
		return;
	}
	n = copy_file_range(handle_fd(in), &off_in, handle_fd(out), &off_out, len, (unsigned)flags);
	if (n < 0) {
		reply_result(req, -errno);
		return;
	}
	commit_wrote(inode_of(ino_out), (uint64_t)(off_out - n), (uint64_t)n);
	rc = n ? range_changed(out, off_out - n, n) : 0;
	if (rc)
		reply_result(req, rc);
	else
		fuse_reply_write(req, (size_t)n);
}

/* SPDX-License-Identifier: MIT */
/* READ and WRITE. */
#include "ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "commit.h"
#include "control.h"
#include "push.h"
#include "region.h"
#include "stats.h"
#include "wire.h"

/* A read of at most 1 MiB lies in two chunks, or in three pieces where a
 * growing file's mapping ends early. */
#define PINS_MAX 4

static pthread_key_t buffer_key;
static pthread_once_t buffer_once = PTHREAD_ONCE_INIT;

/* In front of the bytes, a page of its own so that they are aligned. */
struct buffer {
	size_t size;
	_Alignas(4096) char bytes[];
};

static void buffer_key_make(void)
{
	pthread_key_create(&buffer_key, free);
}

/* This thread's buffer of at least size bytes; NULL: no memory. */
static char *thread_buffer(size_t size)
{
	struct buffer *b;

	pthread_once(&buffer_once, buffer_key_make);
	b = pthread_getspecific(buffer_key);
	if (b && b->size >= size)
		return b->bytes;
	free(b);
	size = size < (1u << 20) ? 1u << 20 : (size + 4095) & ~(size_t)4095;
	b = aligned_alloc(4096, sizeof(*b) + size);
	pthread_setspecific(buffer_key, b);
	if (!b)
		return NULL;
	b->size = size;
	return b->bytes;
}

/*
 * Whether a reply may point into the mapping. If the file is cut beneath the
 * mount between the look at its size and the copy, the kernel turns that
 * read into EIO. Behind a read-ahead it asks again, page by page, and from
 * then on a copy under the guard answers, which is exact. Where nothing
 * would ask again (round the cache; a page that a write or a mapping needs),
 * where others are expected to cut files, and where the copy costs next to
 * nothing, copy from the start.
 */
#define LEND_MIN_BYTES 16384u

static bool may_lend(const struct handle *h, size_t size)
{
	return size >= LEND_MIN_BYTES && !h->direct && fs.options.cache != CACHE_SHARED &&
	       !atomic_load_explicit(&h->region->shaky, memory_order_relaxed);
}

static void unpin_all(struct mms_pin *pins, int n)
{
	for (int i = 0; i < n; i++)
		mms_unpin(&pins[i]);
}

/* Pins [off, off+size); the number of pieces, or negative errno with none pinned. */
static int pin_range(struct mms_file *file, size_t size, off_t off, struct mms_pin *pins,
		     struct iovec *iov)
{
	int n = 0;

	while (size) {
		int rc = n == PINS_MAX ? -EBUSY :
					 mms_pin(file, (uint64_t)off, size, MMS_PIN_AUTO, &pins[n]);

		if (rc) {
			unpin_all(pins, n);
			return rc;
		}
		iov[n] = (struct iovec){pins[n].addr, pins[n].len};
		size -= pins[n].len;
		off += (off_t)pins[n].len;
		n++;
	}
	return n;
}

/* Replies straight from the mapping: one copy, by the kernel. False: not
 * possible, and no reply was made. */
static bool read_lent(fuse_req_t req, struct region *r, size_t size, off_t off)
{
	struct mms_pin pins[PINS_MAX];
	struct iovec iov[PINS_MAX];
	int n = pin_range(r->file, size, off, pins, iov);

	if (n < 0)
		return false;
	region_use(r);
	/* Counted first: whoever has the data finds the count as well. */
	stats_count(READ_DIRECT);
	stats_add(READ_DIRECT_BYTES, size);
	if (fuse_reply_iov(req, iov, n) == -EFAULT) {
		atomic_store(&r->shaky, true);
		stats_count(REPLY_FAULTS);
	}
	unpin_all(pins, n);
	region_unuse(r);
	return true;
}

static void read_copied(fuse_req_t req, struct handle *h, size_t size, off_t off)
{
	char *buf = thread_buffer(size);
	ssize_t n;

	if (!buf) {
		reply_result(req, -ENOMEM);
		return;
	}
	n = mms_read(h->region->file, buf, size, (uint64_t)off);
	if (n < 0)
		reply_result(req, (int)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

static void read_bare(fuse_req_t req, struct handle *h, size_t size, off_t off)
{
	char *buf = thread_buffer(size);
	ssize_t n = buf ? pread(h->bare_fd, buf, size, off) : -1;

	if (!buf)
		reply_result(req, -ENOMEM);
	else if (n < 0)
		reply_result(req, -errno);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	uint64_t file_size;
	int rc;

	stats_count(OP_READ);
	if (inode_of(ino)->is_virtual) {
		control_read(req, size, off, fi);
		return;
	}
	if (!h->region) {
		read_bare(req, h, size, off);
		return;
	}
	rc = mms_size(h->region->file, &file_size);
	if (rc) {
		reply_result(req, rc);
		return;
	}
	if ((uint64_t)off >= file_size) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (size > file_size - (uint64_t)off)
		size = (size_t)(file_size - (uint64_t)off);
	if (!h->direct && !(fi->flags & O_DIRECT))
		push_saw_read(req, h->inode, size, off, file_size);
	if (!may_lend(h, size) || !read_lent(req, h->region, size, off))
		read_copied(req, h, size, off);
}

/* n bytes were written: durable before the reply where sync or the mode asks. */
static ssize_t owed(struct handle *h, ssize_t n, bool sync)
{
	int rc = 0;

	if (sync || fs.options.sync == MMS_SYNC_IMMEDIATE)
		rc = commit_handle(h, true);
	return rc ? rc : n;
}

static ssize_t write_bare(struct handle *h, const char *buf, size_t size, off_t off, bool sync)
{
	ssize_t n = pwrite(h->bare_fd, buf, size, off);

	if (n < 0)
		return -errno;
	stats_count(WRITE_BARE);
	stats_add(WRITE_BARE_BYTES, (uint64_t)n);
	commit_by_sync(h->inode); /* it may not be read for a record */
	return owed(h, n, sync);
}

/*
 * A WRITE that goes round the kernel's cache is not followed by an FSYNC,
 * whatever O_SYNC says: it is durable before the reply, or a promise is
 * broken. A cached one is followed by FSYNC.
 */
static bool write_is_sync(const struct handle *h, const struct fuse_file_info *fi)
{
	return (h->direct || (fi->flags & O_DIRECT)) && !fi->writepage &&
	       (fi->flags & (O_SYNC | O_DSYNC)) && !fs.options.fsync_defer;
}

/* A short count of a page written back later would be taken for success: go
 * on until the reason shows. */
static ssize_t write_region(struct handle *h, const char *buf, size_t size, off_t off, unsigned flags,
			    bool whole)
{
	size_t done = 0;

	do {
		ssize_t n = mms_write(h->region->file, buf + done, size - done,
				      (uint64_t)off + done, flags);

		if (n < 0)
			return done && !whole ? (ssize_t)done : n;
		if (n == 0)
			return whole ? -EIO : (ssize_t)done;
		done += (size_t)n;
	} while (done < size && whole);
	return (ssize_t)done;
}

static ssize_t write_cached(struct handle *h, const char *buf, size_t size, off_t off,
			    const struct fuse_file_info *fi)
{
	struct inode *inode = h->inode;
	int fd = mms_fd(h->region->file);
	char saved[CAPABILITY_ROOM];
	size_t saved_len = fi->writepage ? capability_save(inode, fd, saved, sizeof(saved)) : 0;
	unsigned flags = 0;
	ssize_t n;

	if (write_is_sync(h, fi) && !inode->commit)
		flags |= MMS_WRITE_SYNC;
	if (fs.writeback)
		flags |= MMS_WRITE_NOTIME; /* the kernel sends the times by SETATTR */
	atomic_store(&inode->wrote, true);
	n = write_region(h, buf, size, off, flags, fi->writepage);
	if (n > 0)
		inode_size_grew(inode, off + n);
	atomic_store(&inode->wrote, true); /* also if a stamp was taken meanwhile */
	if (fs.writeback)
		atomic_store(&inode->mtime_moved, true);
	capability_restore(fd, saved, saved_len);
	if (n > 0)
		commit_wrote(inode, (uint64_t)off, (uint64_t)n);
	return n;
}

struct writing {
	fuse_req_t req;
	size_t written;
};

static void durable(void *arg, int rc)
{
	struct writing w = *(struct writing *)arg;

	free(arg);
	if (rc)
		reply_result(w.req, rc);
	else
		fuse_reply_write(w.req, w.written);
}

static void reply_durable(fuse_req_t req, struct handle *h, size_t written)
{
	struct writing *w = malloc(sizeof(*w));

	if (!w) {
		reply_result(req, -ENOMEM);
		return;
	}
	*w = (struct writing){req, written};
	commit_handle_then(h, true, durable, w);
}

/* Others append to the file beneath: its end is where it is now, not where the
 * kernel took it to be. */
static bool appends_beneath(const struct handle *h, const struct fuse_file_info *fi)
{
	return h->region && (fi->flags & O_APPEND) && !fi->writepage &&
	       (fs.options.cache == CACHE_SHARED || fs.options.cache == CACHE_NONE);
}

static ssize_t write_appended(struct handle *h, const char *buf, size_t size, off_t off, bool sync)
{
	const struct iovec iov = {(void *)(uintptr_t)buf, size};
	int fd = mms_fd(h->region->file), rc;
	ssize_t n = pwritev2(fd, &iov, 1, 0, RWF_APPEND);
	struct stat st;

	if (n < 0 || fstat(fd, &st))
		return -errno;
	stats_count(WRITE_APPENDED);
	/* What came between is marked with it, and no harm done. */
	if (off > st.st_size - n)
		off = st.st_size - n;
	commit_wrote(h->inode, (uint64_t)off, (uint64_t)(st.st_size - off));
	rc = range_changed(h, off, st.st_size - off);
	if (!rc && sync)
		rc = commit_handle(h, true);
	if (!rc && st.st_size != off + n) {
		/* What the kernel has cached at off stands elsewhere. */
		pthread_mutex_lock(&h->inode->lock);
		atomic_store(&h->inode->wrote, false);
		h->inode->stamp_valid = false;
		pthread_mutex_unlock(&h->inode->lock);
	}
	return rc ? rc : n;
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
	      struct fuse_file_info *fi)
{
	struct inode *inode = inode_of(ino);
	struct handle *h = handle_of(fi);
	bool owed_later = false; /* the store has not seen to it */
	ssize_t n;

	stats_count(OP_WRITE);
	if (inode->is_virtual) {
		control_write(req, inode, buf, size, fi);
		return;
	}
	if ((h->direct || wire_daemon_kills()) && !fi->writepage && request_kills(req)) {
		int rc = kill_privileges(req, inode, handle_fd(h));

		if (rc) {
			reply_result(req, rc);
			return;
		}
	}
	if (h->direct)
		capability_clear(inode, handle_fd(h));
	if (!h->region) {
		n = write_bare(h, buf, size, off, write_is_sync(h, fi));
	} else if (appends_beneath(h, fi)) {
		n = write_appended(h, buf, size, off, write_is_sync(h, fi));
	} else {
		n = write_cached(h, buf, size, off, fi);
		owed_later = inode->commit && (fs.options.sync == MMS_SYNC_IMMEDIATE ||
					       write_is_sync(h, fi));
	}
	if (n < 0)
		reply_result(req, (int)n);
	else if (n > 0 && owed_later)
		reply_durable(req, h, (size_t)n);
	else
		fuse_reply_write(req, (size_t)n);
}

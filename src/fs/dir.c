/* SPDX-License-Identifier: MIT */
/*
 * Requests on open directories. Positions are BACKING's own (d_off), so that
 * telldir and seekdir mean what they mean there, whatever changes meanwhile.
 *
 * The kernel keeps a listing where the watch hears of what others do to the
 * directory (what the mount does it knows itself). A listing that is being
 * read when others change the directory may be entered after it was dropped:
 * from then until all are closed that may do so, nobody uses what is kept, and
 * who opens it next drops it once more.
 *
 * With an entry's attributes a listing costs several times as much, and makes the
 * kernel know each file; without them, a program that wants them looks up one
 * after the other, which costs still more. The kernel asks for them at the start
 * of every directory, so it is found out here: names alone, unless entries of this
 * directory were looked up since it was so listed, or those of another one of late.
 * What the kernel asks for further on is wanted.
 */
#include "ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "commit.h"
#include "control.h"
#include "inode.h"
#include "kept.h"
#include "stats.h"
#include "watch.h"

#define DIR_BUFFER_BYTES 32768

/* As the kernel writes it: getdents64(2). */
struct dirent_raw {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

#define WANTED_FROM 4u /* lookups after a listing of names */
#define WANTED_FOR 64u /* listings after that; then it is tried anew */

static atomic_uint wanted; /* for so many listings yet attributes are */

struct dir {
	struct kept kept;
	struct inode *inode;  /* borrowed; NULL: virtual */
	bool keeps;           /* the kernel may keep what it reads by this */
	pthread_mutex_t lock; /* the kernel may read one handle from two threads */
	int fd;               /* lock; -1: not opened yet */
	off_t at;        /* position of the next entry in the buffer, or to read */
	size_t len, pos; /* bytes in the buffer; where the next entry starts */
	char *buffer;
};

static struct dir *dir_of(const struct fuse_file_info *fi)
{
	return (struct dir *)(uintptr_t)fi->fh;
}

static void dir_free(struct kept *kept)
{
	struct dir *d = (struct dir *)kept;

	kept_remove(kept);
	if (d->keeps) {
		pthread_mutex_lock(&d->inode->lock);
		d->inode->listings--;
		pthread_mutex_unlock(&d->inode->lock);
	}
	if (d->fd >= 0)
		close(d->fd);
	pthread_mutex_destroy(&d->lock);
	free(d->buffer);
	free(d);
}

/* Whether the kernel may keep the listing, and use the one that it has. */
static void keep_listing(struct dir *d, struct inode *inode, struct fuse_file_info *fi)
{
	if (fs.options.cache != CACHE_BACK || !watch_marked(inode))
		return;
	pthread_mutex_lock(&inode->lock);
	/* Names alone are no use to who wants attributes. */
	if (atomic_load_explicit(&wanted, memory_order_relaxed) &&
	    atomic_load_explicit(&inode->looked_up, memory_order_relaxed))
		inode->listing_old = true;
	d->keeps = !inode->listing_old || !inode->listings;
	if (d->keeps) {
		fi->cache_readdir = 1;
		fi->keep_cache = !inode->listing_old;
		inode->listing_old = false;
		inode->listings++;
	}
	pthread_mutex_unlock(&inode->lock);
}

void dir_listing_is_old(struct inode *inode)
{
	pthread_mutex_lock(&inode->lock);
	inode->listing_old = true;
	pthread_mutex_unlock(&inode->lock);
}

void dir_looked_up(struct inode *inode)
{
	if (!atomic_load_explicit(&inode->looked_up, memory_order_relaxed) ||
	    atomic_fetch_add_explicit(&inode->looked_up, 1, memory_order_relaxed) != WANTED_FROM)
		return;
	atomic_store_explicit(&wanted, WANTED_FOR, memory_order_relaxed);
	dir_listing_is_old(inode); /* the next one is to bring the others */
}

/* Whether the listing of inode that begins here comes with attributes. */
static bool attributes_wanted(struct inode *inode)
{
	unsigned left = atomic_load_explicit(&wanted, memory_order_relaxed);
	bool yes = left || atomic_load_explicit(&inode->looked_up, memory_order_relaxed) > WANTED_FROM;

	if (left)
		atomic_store_explicit(&wanted, left - 1, memory_order_relaxed);
	/* Counting begins with a listing of names, at 1. */
	atomic_store_explicit(&inode->looked_up, yes ? 0 : 1, memory_order_relaxed);
	return yes;
}

static int dir_open_locked(struct dir *d)
{
	int fd;

	if (d->fd >= 0 || !d->inode)
		return 0;
	fd = inode_open(d->inode, O_RDONLY | O_DIRECTORY | O_NOCTTY);
	if (fd < 0)
		return fd;
	d->fd = fd;
	return 0;
}

static int dir_open(struct dir *d)
{
	int rc;

	pthread_mutex_lock(&d->lock);
	rc = dir_open_locked(d);
	pthread_mutex_unlock(&d->lock);
	return rc;
}

/* As root nothing is opened before it is read: the kernel may have it all. A
 * user's daemon learns here that it may not. */
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct inode *inode = inode_of(ino);
	struct dir *d = calloc(1, sizeof(*d));
	int rc;

	stats_count(OP_OPENDIR);
	if (!d) {
		reply_result(req, -ENOMEM);
		return;
	}
	d->fd = -1;
	d->inode = inode->is_virtual ? NULL : inode;
	pthread_mutex_init(&d->lock, NULL);
	rc = fs.privileged ? 0 : dir_open(d);
	kept_add(&d->kept, dir_free);
	if (rc) {
		dir_free(&d->kept);
		reply_result(req, rc);
		return;
	}
	if (d->inode)
		keep_listing(d, inode, fi);
	fi->fh = (uintptr_t)d;
	if (fuse_reply_open(req, fi))
		dir_free(&d->kept);
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	stats_count(OP_RELEASEDIR);
	dir_free(&dir_of(fi)->kept);
	reply_result(req, 0);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct dir *d = dir_of(fi);
	int rc;

	stats_count(OP_FSYNCDIR);
	if (inode_of(ino)->is_virtual) {
		reply_result(req, 0);
	} else if (fs.options.fsync_defer) {
		stats_count(SYNC_DEFERRED);
		reply_result(req, 0);
	} else {
		rc = dir_open(d);
		if (!rc)
			rc = commit_fd(inode_of(ino), d->fd, datasync != 0);
		stats_count(SYNC_REQUESTED);
		stats_count(rc ? SYNC_FAILURES : SYNC_DIRECTORIES);
		reply_result(req, rc);
	}
}

/* Makes the entry at off the next one. */
static int dir_seek(struct dir *d, off_t off)
{
	int rc = dir_open_locked(d);

	if (rc)
		return rc;
	if (!d->buffer) {
		d->buffer = malloc(DIR_BUFFER_BYTES);
		if (!d->buffer)
			return -ENOMEM;
	}
	if (off == d->at)
		return 0;
	if (lseek(d->fd, off, SEEK_SET) < 0)
		return -errno;
	d->at = off;
	d->len = d->pos = 0;
	return 0;
}

/* The next entry, NULL at the end; an error in *ret_rc. */
static struct dirent_raw *dir_peek(struct dir *d, int *ret_rc)
{
	if (d->pos == d->len) {
		long n = syscall(SYS_getdents64, d->fd, d->buffer, DIR_BUFFER_BYTES);

		if (n < 0)
			*ret_rc = -errno;
		if (n <= 0)
			return NULL;
		d->len = (size_t)n;
		d->pos = 0;
	}
	return (struct dirent_raw *)(void *)(d->buffer + d->pos);
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

struct filling {
	fuse_req_t req;
	struct inode *inode;
	char *buf;
	size_t size, used;
	bool plus;       /* the form of the reply */
	bool attributes; /* whether it has them */
};

/* Adds an entry with its attributes, counting a lookup as the kernel will. */
static int add_plus(struct filling *f, const struct dirent_raw *raw)
{
	struct fuse_entry_param e = {.attr = {.st_ino = identity_number(f->inode->id.dev, raw->ino),
					      .st_mode = (mode_t)raw->type << 12}};
	struct inode *child = NULL;
	struct stat st;
	size_t need;
	int rc;

	/* Who walks a tree enters its directories. */
	if ((f->attributes || raw->type == DT_DIR) && !is_dots(raw->name)) {
		/* Where something is mounted, the number is of what is beneath. */
		rc = inode_is_known(f->inode->id.dev, raw->ino) ?
			     inode_lookup(f->inode, raw->name, &child, &st) :
			     inode_lookup_new(f->inode, raw->name, &child, &st);
		if (rc == -ENOENT)
			return 0; /* removed meanwhile */
		/* Out of descriptors or memory: the name alone is no less true. */
		if (rc)
			child = NULL;
		else
			entry_fill(&e, f->inode, child, &st);
		if (child && attr_settle(child, &st) == 0)
			e.attr = st;
	}
	need = fuse_add_direntry_plus(f->req, f->buf + f->used, f->size - f->used, raw->name, &e,
				      raw->off);
	if (need > f->size - f->used) {
		if (child)
			inode_forget(child, 1);
		return -ENOSPC;
	}
	f->used += need;
	return 0;
}

static int add_plain(struct filling *f, const struct dirent_raw *raw)
{
	struct stat st = {.st_ino = identity_number(f->inode->id.dev, raw->ino),
			  .st_mode = (mode_t)raw->type << 12};
	size_t need = fuse_add_direntry(f->req, f->buf + f->used, f->size - f->used, raw->name, &st,
					raw->off);

	if (need > f->size - f->used)
		return -ENOSPC;
	f->used += need;
	return 0;
}

static int fill(struct dir *d, struct filling *f, off_t off)
{
	int rc = dir_seek(d, off);

	while (!rc) {
		struct dirent_raw *raw = dir_peek(d, &rc);

		if (!raw)
			break;
		if (!name_is_reserved(f->inode, raw->name))
			rc = f->plus ? add_plus(f, raw) : add_plain(f, raw);
		if (!rc) {
			d->pos += raw->reclen;
			d->at = raw->off;
		}
	}
	return rc == -ENOSPC || f->used ? 0 : rc;
}

/* The virtual directory: positions are counts. */
static void fill_virtual(struct filling *f, off_t off)
{
	static const char *const dots[] = {".", ".."};
	const char *name;

	for (;; off++) {
		struct stat st = {.st_mode = S_IFDIR, .st_ino = f->inode->id.ino};
		struct fuse_entry_param e = {.ino = 0};
		size_t need, left = f->size - f->used;

		name = off < 2 ? dots[off] : control_name((unsigned)off - 2, &st);
		if (!name)
			return;
		e.attr = st;
		need = f->plus ? fuse_add_direntry_plus(f->req, f->buf + f->used, left, name, &e, off + 1) :
				 fuse_add_direntry(f->req, f->buf + f->used, left, name, &st, off + 1);
		if (need > left)
			return;
		f->used += need;
	}
}

static void read_directory(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			   struct fuse_file_info *fi, bool plus)
{
	struct filling f = {.req = req, .inode = inode_of(ino), .size = size, .plus = plus};
	struct dir *d = dir_of(fi);
	int rc = 0;

	f.buf = malloc(size);
	if (!f.buf) {
		reply_result(req, -ENOMEM);
		return;
	}
	if (f.inode->is_virtual) {
		fill_virtual(&f, off);
	} else {
		/* Held over reads of BACKING's directory: only readers of the same
		 * open directory wait, and they share its position. */
		pthread_mutex_lock(&d->lock);
		f.attributes = plus && (off || attributes_wanted(f.inode));
		rc = fill(d, &f, off);
		pthread_mutex_unlock(&d->lock);
	}
	if (rc)
		reply_result(req, rc);
	else
		fuse_reply_buf(req, f.buf, f.used);
	free(f.buf);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	stats_count(OP_READDIR);
	read_directory(req, ino, size, off, fi, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	stats_count(OP_READDIRPLUS);
	read_directory(req, ino, size, off, fi, true);
}

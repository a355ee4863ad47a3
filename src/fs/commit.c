/* SPDX-License-Identifier: MIT */
#include "commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durability.h"
#include "journal.h"
#include "latency.h"
#include "log.h"
#include "passthrough.h"
#include "pending.h"
#include "region.h"
#include "stats.h"
#include "task.h"

struct commit {
	pthread_mutex_t order; /* see commit.h */
	pthread_mutex_t lock;  /* guards what follows */
	struct pending pending;
	bool by_sync;          /* the next sync is a real one */
	bool mtime;            /* moved since the last record */
	uint64_t seq;          /* of the last record; 0: none */
};

int commit_attach(struct inode *inode)
{
	struct commit *c;

	if (!fs.journal || inode->id.dev != (uint64_t)fs.root_dev ||
	    (!S_ISREG(inode->type) && !S_ISDIR(inode->type)))
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->order, NULL);
	pthread_mutex_init(&c->lock, NULL);
	c->by_sync = true; /* nobody knows what was done to it before */
	inode->commit = c;
	return 0;
}

void commit_detach(struct inode *inode)
{
	struct commit *c = inode->commit;

	if (!c)
		return;
	inode->commit = NULL;
	pending_clear(&c->pending);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->order);
	free(c);
}

void commit_is_new(struct inode *inode)
{
	struct commit *c = inode->commit;

	if (!c || !fs.journal_names)
		return;
	pthread_mutex_lock(&c->lock);
	c->by_sync = false;
	pthread_mutex_unlock(&c->lock);
}

void commit_wrote(struct inode *inode, uint64_t off, uint64_t len)
{
	struct commit *c = inode->commit;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->mtime = true;
	pending_add(&c->pending, off, len, fs.options.journal_max_record);
	pthread_mutex_unlock(&c->lock);
}

void commit_by_sync(struct inode *inode)
{
	struct commit *c = inode->commit;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->by_sync = true;
	pthread_mutex_unlock(&c->lock);
}

/* ------------------------------------------------------------- identity */

void commit_node(struct inode *inode, struct journal_node *ret_node, char **keep)
{
	*keep = inode->handle ? NULL : path_beneath(inode);
	*ret_node = (struct journal_node){
		.ino = inode->id.ino,
		.btime_sec = inode->id.btime_sec,
		.btime_nsec = inode->id.btime_nsec,
		.handle = inode->handle,
		.path = *keep,
	};
}

/* ------------------------------------------------------------ the record */

/* Bytes of the ranges, one after the other, and the extents that tell them. */
struct gathered {
	struct journal_extent *extents;
	unsigned n;
	char *bytes;
};

static void gathered_free(struct gathered *g)
{
	free(g->extents);
	free(g->bytes);
}

static ssize_t read_whole(int fd, char *buf, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, buf + done, len - done, (off_t)(off + done));

		if (n < 0)
			return -errno;
		if (n == 0)
			break; /* cut meanwhile: what is not there needs no record */
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int gather(int fd, const struct pending *p, struct gathered *g)
{
	char *at;

	*g = (struct gathered){.extents = calloc(p->n + 1, sizeof(*g->extents)),
			       .bytes = malloc(p->bytes + 1)};
	at = g->bytes;
	for (unsigned i = 0; g->extents && at && i < p->n; i++) {
		ssize_t n = read_whole(fd, at, p->ranges[i].end - p->ranges[i].off,
				       p->ranges[i].off);

		if (n < 0) {
			gathered_free(g);
			return (int)n;
		}
		if (n == 0)
			continue;
		g->extents[g->n++] = (struct journal_extent){p->ranges[i].off, (uint32_t)n, at};
		at += n;
	}
	if (g->extents && at)
		return 0;
	gathered_free(g);
	return -ENOMEM;
}

static int append(struct inode *inode, int fd, const struct pending *p, uint64_t *ret_seq)
{
	struct journal_node node;
	struct journal_data data;
	struct gathered g;
	struct stat st;
	char *keep;
	int rc;

	if (fstat(fd, &st))
		return -errno;
	rc = gather(fd, p, &g);
	if (rc)
		return rc;
	data = (struct journal_data){.size = (uint64_t)st.st_size, .mtime = st.st_mtim,
				     .ctime = st.st_ctim, .extents = g.extents,
				     .n_extents = g.n};
	commit_node(inode, &node, &keep);
	/* Unless it has a handle, a file is found by its path. */
	rc = node.handle || node.path ? journal_data(fs.journal, &node, &data, ret_seq) : -ESTALE;
	if (!rc) {
		stats_count(JOURNAL_DATA);
		stats_add(JOURNAL_DATA_BYTES, p->bytes);
	}
	free(keep);
	gathered_free(&g);
	return rc;
}

/*
 * With order held: appends what is pending. 1: the record, if one was due, is
 * in the journal; 0: only a real sync will do.
 */
static int append_pending(struct inode *inode, int fd)
{
	struct commit *c = inode->commit;
	struct pending p;
	uint64_t seq = 0;
	bool due;

	pthread_mutex_lock(&c->lock);
	if (c->by_sync || c->pending.overflow) {
		pthread_mutex_unlock(&c->lock);
		return 0;
	}
	p = c->pending;
	due = p.n || c->mtime;
	c->pending = (struct pending){0};
	c->mtime = false;
	pthread_mutex_unlock(&c->lock);
	/* Any failure, a full memory as well as a broken journal, leaves the sync. */
	if (due && append(inode, fd, &p, &seq)) {
		commit_by_sync(inode);
		due = false;
	}
	pending_clear(&p);
	pthread_mutex_lock(&c->lock);
	if (due)
		c->seq = seq;
	seq = c->by_sync ? 0 : 1;
	pthread_mutex_unlock(&c->lock);
	return (int)seq;
}

/* ----------------------------------------------------------- real syncs */

uint64_t commit_mark(void)
{
	return fs.journal ? journal_position(fs.journal) : 0;
}

int commit_synced(struct inode *inode, uint64_t upto)
{
	struct journal_node node;
	char *keep;
	int rc;

	if (!inode->commit)
		return 0;
	commit_node(inode, &node, &keep);
	rc = journal_retire(fs.journal, &node, upto);
	free(keep);
	if (rc)
		log_error("inode %llu of %s is durable, but older records of it stay in the journal: %s",
			  (unsigned long long)inode->id.ino, fs.backing, strerror(-rc));
	return rc;
}

/*
 * A failed sync leaves pages clean that never reached the disk, and the
 * kernel's next one has nothing to say of them. The store remembers that for
 * as long as the file is open; here it is remembered of files that it does not
 * have, or whose writes it does not see, and past their close, until they are
 * cut to nothing and written anew.
 */
static int note_failure(struct inode *inode, const struct mms_file *file, int rc)
{
	if (rc && (!file || passthrough_has(inode)) && S_ISREG(inode->type))
		atomic_store(&inode->sync_error, rc);
	return rc;
}

static int plain_sync(int fd, struct mms_file *file, bool datasync)
{
	if (file)
		return mms_sync(file, 0, 0, MMS_SYNC_FORCE | (datasync ? 0 : MMS_SYNC_META));
	return (datasync ? fdatasync(fd) : fsync(fd)) ? -errno : 0;
}

/* With order held. All of the file's attributes too, whatever was asked: what
 * is noted is one flag. */
static int sync_noted(struct inode *inode, int fd, struct mms_file *file)
{
	struct commit *c = inode->commit;
	uint64_t upto;
	int rc;

	pthread_mutex_lock(&c->lock);
	c->by_sync = c->mtime = false; /* before: what comes meanwhile is noted again */
	pending_clear(&c->pending);
	pthread_mutex_unlock(&c->lock);
	upto = commit_mark();
	rc = plain_sync(fd, file, false);
	stats_count(JOURNAL_BYPASSED);
	if (!rc)
		rc = commit_synced(inode, upto);
	if (rc)
		commit_by_sync(inode);
	return rc;
}

/* With order held, which is given back. */
static int sync_instead(struct inode *inode, int fd, struct mms_file *file)
{
	int rc = sync_noted(inode, fd, file);

	pthread_mutex_unlock(&inode->commit->order);
	if (!rc && fs.journal_names)
		rc = commit_names();
	return note_failure(inode, file, rc);
}

/* True: what is pending is in the journal, and durable when *ret_seq is. Else
 * it is durable now, or *ret_rc says why not. */
static bool left_to_journal(struct inode *inode, int fd, struct mms_file *file, bool datasync,
			    uint64_t *ret_seq, int *ret_rc)
{
	struct commit *c = inode->commit;

	*ret_rc = atomic_load(&inode->sync_error);
	if (*ret_rc)
		return false;
	if (!c) {
		*ret_rc = note_failure(inode, file, plain_sync(fd, file, datasync));
		return false;
	}
	pthread_mutex_lock(&c->order);
	if (!append_pending(inode, fd)) {
		*ret_rc = sync_instead(inode, fd, file);
		return false;
	}
	pthread_mutex_lock(&c->lock);
	*ret_seq = fs.journal_names ? UINT64_MAX : c->seq;
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_unlock(&c->order);
	stats_count(JOURNAL_COMMITTED);
	return true;
}

/* The journal is broken, and says so; the data are in the page cache. */
static int journal_failed(struct inode *inode, int fd, struct mms_file *file)
{
	pthread_mutex_lock(&inode->commit->order);
	return sync_instead(inode, fd, file);
}

static int commit(struct inode *inode, int fd, struct mms_file *file, bool datasync)
{
	uint64_t seq;
	int rc;

	if (!left_to_journal(inode, fd, file, datasync, &seq, &rc))
		return rc;
	return journal_commit(fs.journal, seq) ? journal_failed(inode, fd, file) : 0;
}

int commit_fd(struct inode *inode, int fd, bool datasync)
{
	return commit(inode, fd, NULL, datasync);
}

int commit_handle(struct handle *h, bool datasync)
{
	struct mms_file *file = h->region ? h->region->file : NULL;
	int rc = file ? mms_touch(file) : 0, one;

	one = commit(h->inode, handle_fd(h), file, datasync);
	return one ? one : rc;
}

struct committing {
	struct handle *h;
	int touched;
	void (*done)(void *arg, int result);
	void *arg;
	struct latency_mark mark;
};

static void committing_end(struct committing *c, int rc)
{
	c->done(c->arg, rc ? rc : c->touched);
	latency_finish(c->mark);
	free(c);
}

static void commit_by_other_means(void *arg)
{
	struct committing *c = arg;
	struct mms_file *file = c->h->region ? c->h->region->file : NULL;

	committing_end(c, journal_failed(c->h->inode, handle_fd(c->h), file));
}

/* From whatever thread has flushed. It may be within a sync of the very file, and
 * have the lock that another sync needs: that has a thread of its own. */
static void committed(void *arg, int rc)
{
	if (rc && task_start(commit_by_other_means, arg) == 0)
		return;
	committing_end(arg, rc);
}

void commit_handle_then(struct handle *h, bool datasync, void (*done)(void *arg, int result),
			void *arg)
{
	struct mms_file *file = h->region ? h->region->file : NULL;
	struct committing *c = malloc(sizeof(*c));
	uint64_t seq;
	int rc;

	if (!c) {
		done(arg, commit_handle(h, datasync));
		return;
	}
	*c = (struct committing){.h = h, .touched = file ? mms_touch(file) : 0, .done = done, .arg = arg};
	if (left_to_journal(h->inode, handle_fd(h), file, datasync, &seq, &rc)) {
		c->mark = latency_leave();
		journal_commit_then(fs.journal, seq, committed, c);
		return;
	}
	rc = rc ? rc : c->touched;
	free(c);
	done(arg, rc);
}

int commit_names(void)
{
	int rc = fs.journal_names ? journal_commit(fs.journal, UINT64_MAX) : 0;

	/* With a broken journal: all that was made until now, in any directory. */
	if (rc)
		rc = syncfs(fs.root_fd) ? -errno : 0;
	return rc;
}

/* -------------------------------------------------------------- in order */

void commit_resize_begin(struct inode *inode)
{
	if (inode->commit)
		pthread_mutex_lock(&inode->commit->order);
}

void commit_resize_end(struct inode *inode, uint64_t size, int result)
{
	struct commit *c = inode->commit;
	struct journal_node node;
	bool noted = true;
	char *keep;

	if (!result && !size)
		atomic_store(&inode->sync_error, 0); /* nothing is left that was lost */
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->mtime = true;
	pending_cut(&c->pending, size);
	noted = c->by_sync || c->pending.overflow;
	pthread_mutex_unlock(&c->lock);
	if (!result && !noted) {
		commit_node(inode, &node, &keep);
		if (!(node.handle || node.path) ||
		    journal_truncate(fs.journal, &node, size, NULL))
			commit_by_sync(inode);
		free(keep);
	}
	pthread_mutex_unlock(&c->order);
}

void commit_before_replace(struct inode *inode)
{
	struct commit *c = inode->commit;
	bool any;
	int fd;

	if (!c || !fs.journal_names || !S_ISREG(inode->type))
		return;
	pthread_mutex_lock(&c->lock);
	any = pending_any(&c->pending);
	pthread_mutex_unlock(&c->lock);
	fd = any ? inode_open(inode, O_RDONLY | O_NONBLOCK | O_NOCTTY) : -1;
	if (fd < 0)
		return; /* the rename itself will say what is wrong */
	pthread_mutex_lock(&c->order);
	/* A failure is the next sync's to report: nobody has asked for one. */
	if (!append_pending(inode, fd))
		(void)sync_noted(inode, fd, NULL);
	pthread_mutex_unlock(&c->order);
	close(fd);
}

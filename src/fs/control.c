/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "durability.h"
#include "inode.h"
#include "kept.h"
#include "latency.h"
#include "ops.h"
#include "report.h"
#include "task.h"

enum { NODE_DIR, NODE_STATUS, NODE_STATS, NODE_CONTROL, NODE_COUNT };

static struct inode nodes[NODE_COUNT];

static const struct {
	const char *name;
	mode_t mode;
	char *(*text)(size_t *ret_len);
} descriptions[NODE_COUNT] = {
	[NODE_DIR] = {RESERVED_NAME, S_IFDIR | 0500, NULL},
	[NODE_STATUS] = {"status", S_IFREG | 0400, status_text},
	[NODE_STATS] = {"stats", S_IFREG | 0400, stats_text},
	[NODE_CONTROL] = {"control", S_IFREG | 0200, NULL},
};

/* A text as it was at open, so that reads in pieces fit together. */
struct text {
	struct kept kept;
	char *bytes;
	size_t len;
};

static void text_free(struct kept *kept)
{
	struct text *text = (struct text *)kept;

	kept_remove(kept);
	free(text->bytes);
	free(text);
}

static unsigned index_of(const struct inode *inode)
{
	return (unsigned)(inode - nodes);
}

void control_init(void)
{
	for (unsigned i = 0; i < NODE_COUNT; i++) {
		nodes[i].is_virtual = true;
		nodes[i].type = descriptions[i].mode & S_IFMT;
		nodes[i].id.ino = UINT64_MAX - i; /* no disk has so many */
		nodes[i].fd = -1;
		pthread_mutex_init(&nodes[i].lock, NULL);
	}
}

void control_stat(struct inode *inode, struct stat *ret_st)
{
	*ret_st = (struct stat){
		.st_ino = inode->id.ino,
		.st_mode = descriptions[index_of(inode)].mode,
		.st_nlink = S_ISDIR(inode->type) ? 2 : 1,
		.st_uid = geteuid(),
		.st_gid = getegid(),
		.st_blksize = 4096,
	};
	clock_gettime(CLOCK_REALTIME, &ret_st->st_mtim);
	ret_st->st_atim = ret_st->st_ctim = ret_st->st_mtim;
}

void control_lookup(fuse_req_t req, struct inode *parent, const char *name)
{
	struct inode *found = NULL;
	struct fuse_entry_param e;
	struct stat st;

	if (!parent->is_virtual)
		found = &nodes[NODE_DIR];
	else if (parent == &nodes[NODE_DIR])
		for (unsigned i = NODE_DIR + 1; i < NODE_COUNT; i++)
			if (!strcmp(name, descriptions[i].name))
				found = &nodes[i];
	if (!found) {
		reply_result(req, -ENOENT);
		return;
	}
	control_stat(found, &st);
	entry_fill(&e, parent, found, &st);
	fuse_reply_entry(req, &e);
}

const char *control_name(unsigned index, struct stat *ret_st)
{
	unsigned i = index + NODE_DIR + 1;

	if (i >= NODE_COUNT)
		return NULL;
	control_stat(&nodes[i], ret_st);
	return descriptions[i].name;
}

void control_open(fuse_req_t req, struct inode *inode, struct fuse_file_info *fi)
{
	struct text *text = calloc(1, sizeof(*text));
	unsigned i = index_of(inode);

	if (text && descriptions[i].text)
		text->bytes = descriptions[i].text(&text->len);
	if (!text || (descriptions[i].text && !text->bytes)) {
		free(text);
		reply_result(req, -ENOMEM);
		return;
	}
	kept_add(&text->kept, text_free);
	fi->fh = (uintptr_t)text;
	fi->direct_io = 1; /* the size is not known to the kernel */
	if (fuse_reply_open(req, fi))
		text_free(&text->kept);
}

void control_read(fuse_req_t req, size_t size, off_t off, struct fuse_file_info *fi)
{
	const struct text *text = (const struct text *)(uintptr_t)fi->fh;
	char *copy;

	if (!text->bytes || off < 0 || (size_t)off >= text->len) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (size > text->len - (size_t)off)
		size = text->len - (size_t)off;
	/* A copy: with the reply the program may close, and RELEASE may free the
	 * text before this worker is through. */
	copy = malloc(size);
	if (!copy) {
		reply_result(req, -ENOMEM);
		return;
	}
	memcpy(copy, text->bytes + off, size);
	fuse_reply_buf(req, copy, size);
	free(copy);
}

void control_release(fuse_req_t req, struct fuse_file_info *fi)
{
	text_free(&((struct text *)(uintptr_t)fi->fh)->kept);
	fuse_reply_err(req, 0);
}

struct command {
	fuse_req_t req;
	size_t size;
	struct latency_mark mark;
};

/* A thread of its own: sync flushes the kernel's cache over MNT, which sends
 * requests that a worker must be free for. */
static void run_sync(void *arg)
{
	struct command *c = arg;
	int rc = sync_everything(true, NULL);

	if (rc)
		fuse_reply_err(c->req, -rc);
	else
		fuse_reply_write(c->req, c->size);
	latency_finish(c->mark);
	free(c);
}

static int start_sync(fuse_req_t req, size_t size)
{
	struct command *c = malloc(sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	*c = (struct command){req, size, latency_leave()};
	rc = task_start(run_sync, c);
	if (rc) {
		latency_return(c->mark);
		free(c);
	}
	return rc;
}

void control_write(fuse_req_t req, struct inode *inode, const char *buf, size_t size,
		   struct fuse_file_info *fi)
{
	int rc = -EINVAL;

	(void)fi;
	if (index_of(inode) != NODE_CONTROL) {
		reply_result(req, -EBADF);
		return;
	}
	if ((size == 4 && !memcmp(buf, "sync", 4)) || (size == 5 && !memcmp(buf, "sync\n", 5)))
		rc = start_sync(req, size);
	if (rc)
		reply_result(req, rc);
}

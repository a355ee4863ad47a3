/* SPDX-License-Identifier: MIT */
#include "invalidate.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <unistd.h>

#include "push.h"
#include "stats.h"

/* FUSE_NOTIFY_INC_EPOCH, which headers before 2025 lack. */
#define NOTIFY_INC_EPOCH 8

void invalidate_entry(struct inode *dir, const char *name)
{
	stats_count(WATCH_ENTRIES);
	fuse_lowlevel_notify_inval_entry(fs.session, inode_number(dir), name, strlen(name));
}

void invalidate_attributes(struct inode *inode)
{
	stats_count(WATCH_INODES);
	fuse_lowlevel_notify_inval_inode(fs.session, inode_number(inode), -1, 0);
}

void invalidate_data(struct inode *inode)
{
	stats_count(WATCH_INODES);
	fuse_lowlevel_notify_inval_inode(fs.session, inode_number(inode), 0, 0);
	push_forget(inode);
}

int invalidate_all_entries(void)
{
	const struct fuse_out_header head = {.len = sizeof(head), .error = NOTIFY_INC_EPOCH};

	return write(fuse_session_fd(fs.session), &head, sizeof(head)) < 0 ? -errno : 0;
}

void invalidate_end(struct inode *inode, int64_t size, char byte)
{
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT(1);

	buf.buf[0].mem = &byte;
	fuse_lowlevel_notify_store(fs.session, inode_number(inode), size - 1, &buf, 0);
}

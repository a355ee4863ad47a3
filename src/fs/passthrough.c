/* SPDX-License-Identifier: MIT */
#include "passthrough.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "log.h"
#include "stats.h"
#include "wire.h"

/* What headers before Linux 6.9 lack. */
struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};
#define BACKING_OPEN _IOW(229, 1, struct backing_map)
#define BACKING_CLOSE _IOW(229, 2, uint32_t)

static atomic_bool writes; /* some file was opened for it */

#define NO_BACKING (-1) /* cannot have one while it is open */

static int backing_new(int fd)
{
	struct backing_map map = {.fd = fd};
	int id = ioctl(fuse_session_fd(fs.session), BACKING_OPEN, &map);

	return id < 0 ? -errno : id;
}

/* Decided at the first open, for as long as there are any. */
static int backing_get_locked(struct inode *inode, int fd)
{
	if (!inode->passes) {
		int id = backing_new(fd);

		if (id <= 0) {
			stats_count(PASSTHROUGH_REFUSED);
			log_debug("inode %llu of %s is not passed through: %s",
				  (unsigned long long)inode->id.ino, fs.backing, strerror(-id));
			id = NO_BACKING;
		}
		inode->backing = id;
	}
	inode->passes++;
	return inode->backing;
}

void passthrough_open(struct handle *h)
{
	int id;

	if (!fs.passthrough || !h->region)
		return;
	pthread_mutex_lock(&h->inode->lock);
	id = backing_get_locked(h->inode, handle_fd(h));
	h->passed = true;
	pthread_mutex_unlock(&h->inode->lock);
	if (id == NO_BACKING)
		return;
	stats_count(PASSTHROUGH_OPENS);
	if (h->writer)
		atomic_store(&writes, true);
	wire_pass_through(id);
}

void passthrough_close(struct handle *h)
{
	uint32_t id = 0;

	if (!h->passed)
		return;
	pthread_mutex_lock(&h->inode->lock);
	if (--h->inode->passes == 0 && h->inode->backing != NO_BACKING)
		id = (uint32_t)h->inode->backing;
	pthread_mutex_unlock(&h->inode->lock);
	/* The kernel's own uses of it are gone: it has sent RELEASE for the last. */
	if (id)
		(void)ioctl(fuse_session_fd(fs.session), BACKING_CLOSE, &id);
}

bool passthrough_has(struct inode *inode)
{
	bool has;

	if (!fs.passthrough)
		return false;
	pthread_mutex_lock(&inode->lock);
	has = inode->passes && inode->backing != NO_BACKING;
	pthread_mutex_unlock(&inode->lock);
	return has;
}

/* Which bytes is not known, and a sync is of the whole file. */
void passthrough_dirtied(struct handle *h)
{
	if (h->passed && h->writer && fs.options.sync == MMS_SYNC_LAZY)
		mms_mark_dirty(h->region->file, 0, 1);
}

bool passthrough_writes(void)
{
	return atomic_load(&writes);
}

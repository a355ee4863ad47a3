/* SPDX-License-Identifier: MIT */
#include "resync.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "durability.h"
#include "invalidate.h"
#include "stats.h"

static _Atomic(pid_t) thread; /* 0: none yet */

void resync_thread(void)
{
	atomic_store(&thread, gettid());
}

bool resync_is(pid_t pid)
{
	return pid && pid == atomic_load_explicit(&thread, memory_order_relaxed);
}

/*
 * Others have cut the file. A truncation of the daemon's own makes the kernel
 * drop what lies past the end, dirty or not, before it can be written back:
 * it would come back to life. The reply has the size in force by then.
 */
static int cut(int mount_fd, const struct stat *st)
{
	char path[PROC_PATH_SIZE];

	return truncate(proc_path(path, mount_fd), st->st_size) ? -errno : 0;
}

/*
 * Tells of a size that the kernel has not, by the last byte of the file. Only
 * then: a byte within the kernel's size may be dirty there, and newer.
 */
static void extend(struct inode *inode, int mount_fd, int64_t size)
{
	struct stat kernels;
	char byte;
	int fd;

	if (fstat(mount_fd, &kernels) || kernels.st_size >= size)
		return;
	fd = inode_open(inode, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_LARGEFILE);
	if (fd < 0)
		return;
	/* Not there: cut meanwhile, of which another event will tell. */
	if (pread(fd, &byte, 1, size - 1) == 1)
		invalidate_end(inode, size, byte);
	close(fd);
}

static int set_mtime(int mount_fd, const struct stat *st)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st->st_mtim};

	return utimensat(mount_fd, "", times, AT_EMPTY_PATH) ? -errno : 0;
}

static int drop_and_tell(struct inode *inode, int mount_fd, struct stat *ret_st)
{
	/* In this order: what the mount writes meanwhile must not pass for a cut. */
	int64_t seen = atomic_load(&inode->size_seen);
	int rc = inode_stat(inode, ret_st), one;
	bool is_cut;

	if (rc)
		return rc;
	is_cut = ret_st->st_size < seen;
	if (is_cut) {
		rc = cut(mount_fd, ret_st);
		/* Unless the mount itself has written past the end by now. */
		atomic_compare_exchange_strong(&inode->size_seen, &seen, ret_st->st_size);
	}
	/* Before the size grows: the page at the old end is full of zeros. */
	invalidate_data(inode);
	one = inode_stat(inode, ret_st);
	if (one)
		return one;
	if (!is_cut)
		extend(inode, mount_fd, ret_st->st_size);
	one = set_mtime(mount_fd, ret_st);
	return rc ? rc : one;
}

int resync(struct inode *inode)
{
	struct stat st;
	int fd, rc;

	stats_count(WATCH_RESYNCS);
	/* O_PATH: no OPEN is sent, and no right to the contents is needed. Closed
	 * at once, since it keeps MNT busy. */
	fd = open_on_mount(inode, O_PATH);
	if (fd < 0) {
		invalidate_data(inode);
		return fd;
	}
	rc = drop_and_tell(inode, fd, &st);
	close(fd);
	if (!rc)
		inode_taken_over(inode, &st);
	return rc;
}

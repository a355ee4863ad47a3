/* SPDX-License-Identifier: MIT */
/*
 * The marker
 *
 * A file system that commits its metadata in order has on the disk, after a crash, what a prefix
 * of the operations made. Setting a file's time is such an operation. Before name operation n the
 * marker's modification time becomes n; so where the disk has the mark c, operations before c are
 * there, c may be, and none after it is.
 */
#include "mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bytes.h"
#include "cleanup.h"
#include "place.h"

#define MARK_FILE "journal.mark"
#define NS_PER_S 1000000000u
#define EXT4_MAGIC 0xef53
#define XFS_MAGIC 0x58465342
#define EXT4_AT_COMPAT (1024 + 0x5c)
#define EXT4_FAST_COMMIT 0x400u

int mark_set(int fd, uint64_t number)
{
	const struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = (time_t)(number / NS_PER_S), .tv_nsec = (long)(number % NS_PER_S)},
	};

	return futimens(fd, times) ? -errno : 0;
}

int mark_get(int fd, uint64_t *ret_number)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_mtim.tv_sec < 0)
		return -EINVAL;
	*ret_number = (uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}

/* A new one says 1, and must say so when asked: some file systems round. */
static int make(int state_fd)
{
	CLEANUP_CLOSE int fd = -1;
	uint64_t back = 0;
	int r;

	(void)unlinkat(state_fd, MARK_FILE ".new", 0);
	fd = openat(state_fd, MARK_FILE ".new",
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = mark_set(fd, 1);
	if (!r)
		r = mark_get(fd, &back);
	if (!r && back != 1)
		r = -EOPNOTSUPP;
	/* Under its name it is never seen without its number. */
	if (!r && (fsync(fd) || renameat(state_fd, MARK_FILE ".new", state_fd, MARK_FILE) ||
		   fsync(state_fd)))
		r = -errno;
	if (r)
		(void)unlinkat(state_fd, MARK_FILE ".new", 0);
	return r;
}

int mark_open(int state_fd, uint64_t *ret_number)
{
	CLEANUP_CLOSE int fd = -1;
	struct stat st;
	int r;

	for (int tries = 0; tries < 2; tries++) {
		fd = openat(state_fd, MARK_FILE, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT)
			break;
		r = make(state_fd);
		if (r)
			return r;
	}
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	r = mark_get(fd, ret_number);
	return r ? r : TAKE_FD(fd);
}

/* -------------------------------------------------- whether there is an order */

/* Fast commits write single inodes past the order of the journal. The options of a mount with them
 * show fc_debug_force, whose bit is the same; the feature is in the superblock, for who may look. */
static bool ext4_fast_commits(const char *name, dev_t dev)
{
	char path[600], options[4096];
	CLEANUP_CLOSE int fd = -1;
	CLEANUP_CLOSE int disk = -1;
	unsigned char compat[4];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/fs/ext4/%s/options", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, options, sizeof(options) - 1);
	if (n < 0)
		return true;
	options[n] = '\0';
	if (strstr(options, "\nfc_") || strstr(options, "\nfast_commit"))
		return true;
	(void)snprintf(path, sizeof(path), "/dev/block/%u:%u", major(dev), minor(dev));
	disk = open(path, O_RDONLY | O_CLOEXEC);
	return disk >= 0 && pread(disk, compat, 4, EXT4_AT_COMPAT) == 4 &&
	       (le32_get(compat) & EXT4_FAST_COMMIT);
}

/* The kernel shows the journal of each ext4 that has one by the name of its device. */
static bool ext4_is_ordered(dev_t dev)
{
	char link[64], target[512], path[600];
	const char *name;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(dev), minor(dev));
	n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	/* A journal inside the file system is inode 8. One on another device is left out. */
	(void)snprintf(path, sizeof(path), "/proc/fs/jbd2/%s-8", name);
	return !access(path, F_OK) && !ext4_fast_commits(name, dev);
}

bool journal_names_ordered(int backing_fd)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(backing_fd, &fs) || fstat(backing_fd, &st))
		return false;
	if (fs.f_type == XFS_MAGIC)
		return true;
	return fs.f_type == EXT4_MAGIC && ext4_is_ordered(st.st_dev);
}

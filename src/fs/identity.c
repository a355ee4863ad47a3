/* SPDX-License-Identifier: MIT */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "fs.h"

#define NUMBER_BITS 40 /* what file systems count in; the device goes above it */

bool identity_equal(const struct identity *a, const struct identity *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->btime_sec == b->btime_sec &&
	       a->btime_nsec == b->btime_nsec;
}

/*
 * All that the mount shows has one device, so programs would take files of the
 * same number on two file systems for one: fts(3) finds a loop where the roots
 * of two ext4 lie one in the other, and cp and tar make hard links of strangers.
 * BACKING's own numbers stay; those of what is mounted beneath it are moved, by
 * the same for all of a device, so that no two of it meet.
 */
uint64_t identity_number(uint64_t dev, uint64_t ino)
{
	uint64_t mixed;

	if (dev == (uint64_t)fs.root_dev)
		return ino;
	mixed = dev * 0x9e3779b97f4a7c15u >> (NUMBER_BITS + 1);
	return ino ^ (mixed ? mixed : 1) << NUMBER_BITS;
}

static void stat_from(struct stat *st, const struct statx *sx)
{
	dev_t dev = makedev(sx->stx_dev_major, sx->stx_dev_minor);

	*st = (struct stat){
		.st_dev = dev,
		.st_ino = identity_number(dev, sx->stx_ino),
		.st_mode = sx->stx_mode,
		.st_nlink = sx->stx_nlink,
		.st_uid = sx->stx_uid,
		.st_gid = sx->stx_gid,
		.st_rdev = makedev(sx->stx_rdev_major, sx->stx_rdev_minor),
		.st_size = (off_t)sx->stx_size,
		.st_blksize = (blksize_t)sx->stx_blksize,
		.st_blocks = (blkcnt_t)sx->stx_blocks,
		.st_atim = {sx->stx_atime.tv_sec, sx->stx_atime.tv_nsec},
		.st_mtim = {sx->stx_mtime.tv_sec, sx->stx_mtime.tv_nsec},
		.st_ctim = {sx->stx_ctime.tv_sec, sx->stx_ctime.tv_nsec},
	};
}

int identify(int dirfd, const char *name, struct identity *ret_id, struct stat *ret_st)
{
	struct statx sx;
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);

	if (statx(dirfd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &sx))
		return -errno;
	stat_from(ret_st, &sx);
	*ret_id = (struct identity){.dev = ret_st->st_dev, .ino = sx.stx_ino};
	if (sx.stx_mask & STATX_BTIME) {
		ret_id->btime_sec = sx.stx_btime.tv_sec;
		ret_id->btime_nsec = sx.stx_btime.tv_nsec;
	}
	return 0;
}

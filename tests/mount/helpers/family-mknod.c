/* SPDX-License-Identifier: MIT */
/* mknod: files, sockets, devices. */
#include "family.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

static long mknod_file(const char *path, const char *beside)
{
	(void)beside;
	return mknod(path, S_IFREG | 02775, 0);
}

static long mknod_socket(const char *path, const char *beside)
{
	(void)beside;
	return mknod(path, S_IFSOCK | 0666, 0);
}

static long mknod_char(const char *path, const char *beside)
{
	(void)beside;
	return mknod(path, S_IFCHR | 0600, makedev(1, 5));
}

static long mknod_block(const char *path, const char *beside)
{
	(void)beside;
	return mknod(path, S_IFBLK | 0600, makedev(255, 65536));
}

static long mknod_dir(const char *path, const char *beside)
{
	(void)beside;
	return mknod(path, S_IFDIR | 0755, 0);
}

static const struct way mknod_ways[] = {
	{"mknod of a file", mknod_file, .beside = BESIDE_NOTHING},
	{"mknod of a socket", mknod_socket, .beside = BESIDE_NOTHING},
	{"mknod of a character device", mknod_char, .beside = BESIDE_NOTHING},
	{"mknod of a block device", mknod_block, .beside = BESIDE_NOTHING},
	{"mknod of a directory", mknod_dir, .beside = BESIDE_NOTHING},
};

FAMILY(mknod, mknod_ways);

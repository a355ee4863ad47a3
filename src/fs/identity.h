/* SPDX-License-Identifier: MIT */
/* What tells one file of BACKING from another, whatever its names. */
#ifndef MMAPFS_IDENTITY_H
#define MMAPFS_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* The birth time tells a file from a later one of the same inode number; it is
 * zero where the file system has none. */
struct identity {
	uint64_t dev;
	uint64_t ino;
	int64_t btime_sec;
	uint32_t btime_nsec;
};

bool identity_equal(const struct identity *a, const struct identity *b);

/* The inode number that the mount shows for number ino of the device dev. */
uint64_t identity_number(uint64_t dev, uint64_t ino);

/* Identity, and attributes as the mount shows them, of dirfd's entry, which is not followed if it is a
 * symlink, or of dirfd itself if name is "". 0 or negative errno. */
int identify(int dirfd, const char *name, struct identity *ret_id, struct stat *ret_st);

#endif

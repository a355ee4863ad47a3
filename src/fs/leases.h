/* SPDX-License-Identifier: MIT */
/* The files of the mount on which programs hold leases (fcntl(2), F_SETLEASE). */
#ifndef MMAPFS_LEASES_H
#define MMAPFS_LEASES_H

#include <stdbool.h>
#include <stddef.h>

#include "inode.h"

struct leases {
	uint64_t *numbers; /* st_ino */
	size_t count;
};

/* As /proc/locks has them now; none where it cannot be read. */
void leases_read(struct leases *leases);
bool leases_has(const struct leases *leases, const struct inode *inode);
void leases_free(struct leases *leases);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The operations of a mount with the option ro. The kernel refuses to write
 * there, until root mounts it anew for writing: then the daemon refuses, which
 * has neither a syncer nor a last flush there, and stores pages into the
 * kernel's cache where none can be dirty.
 */
#ifndef MMAPFS_READ_ONLY_H
#define MMAPFS_READ_ONLY_H

#include "ops.h"

/* fs_ops, with EROFS for all that would change something. */
const struct fuse_lowlevel_ops *read_only_ops(void);

#endif

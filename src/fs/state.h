/* SPDX-License-Identifier: MIT */
/*
 * BACKING/.mmapfs, where the daemon may keep what must outlive it. Who may
 * write there may make the daemon believe things: it is a directory of the
 * daemon's user, mode 0700.
 */
#ifndef MMAPFS_STATE_H
#define MMAPFS_STATE_H

#include "fs.h"

/* Looks at the directory before the mount, and takes from a mode what others
 * may do. 0, also where there is none; or negative errno and a sentence. */
int state_check(char *msg, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A privileged daemon keeps only what it uses: its capabilities are dropped
 * to a list, also from the bounding set, no_new_privs is set, and where
 * libseccomp was found system calls that no file system makes are refused.
 * A user's daemon has nothing to drop, and must still be able to run the
 * set-user-id fusermount3 at its end.
 */
#ifndef MMAPFS_CONFINE_H
#define MMAPFS_CONFINE_H

#include "fs.h"

/* Call before threads start, after the mount. 0 or negative errno. */
int confine(void);

#endif

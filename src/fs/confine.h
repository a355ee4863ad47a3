/* SPDX-License-Identifier: MIT */
/*
 * A privileged daemon keeps only what it uses: its capabilities are dropped
 * to a list, also from the bounding set, no_new_privs is set, and where
 * libseccomp was found it is killed by a system call that it never makes
 * (filter.h). A user's daemon has nothing to drop, and must still be able to
 * run the set-user-id fusermount3 at its end. Core dumps of both hold no
 * memory, unless asked for.
 */
#ifndef MMAPFS_CONFINE_H
#define MMAPFS_CONFINE_H

#include "fs.h"

/* Call before threads start, after the mount. 0 or negative errno. */
int confine(void);

/* For the status: what happens at a system call that is not expected. */
const char *confine_word(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * How long the kernel may believe what it was told, in seconds.
 *
 * What the command line says holds everywhere. Where it says nothing, a day
 * for what the watch would hear of, since the daemon takes it back, and a
 * second for the rest.
 */
#ifndef MMAPFS_LIFETIME_H
#define MMAPFS_LIFETIME_H

#include "inode.h"

/* That a name in dir leads where it leads; that one does not exist. */
double lifetime_entry(const struct inode *dir);
double lifetime_negative(const struct inode *dir);

/* Of a file that is heard of, for the status. */
double lifetime_attr_usual(void);

double lifetime_attr(struct inode *inode, const struct stat *st);

#endif

/* SPDX-License-Identifier: MIT */
/* The life of a mount: agreement with the kernel, tuning, serving, the end. */
#ifndef MMAPFS_SESSION_H
#define MMAPFS_SESSION_H

#include "fs.h"

/* INIT. */
void session_init(void *userdata, struct fuse_conn_info *conn);

/* What the process must be before its first thread, and while it still has
 * all of its capabilities. */
void session_prepare(void);

/*
 * Serves until MNT is unmounted or a signal ends it. ready(arg) is called
 * once, from another thread, when the mount answers. 0 or negative errno of
 * the loop or of the last flush.
 */
int session_run(void (*ready)(void *arg), void *arg);

#endif

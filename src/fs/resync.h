/* SPDX-License-Identifier: MIT */
/*
 * Size and mtime of a file that the kernel keeps by itself: under the
 * write-back cache it believes no getattr about them. Called by the watch's
 * thread alone. Touches MNT.
 */
#ifndef MMAPFS_RESYNC_H
#define MMAPFS_RESYNC_H

#include "inode.h"

/*
 * Makes the kernel take the file as it is in BACKING. Pages that programs
 * have written are kept, but for those past an end that others have cut. 0 or
 * negative errno: the kernel's idea of size or mtime is wrong still.
 */
int resync(struct inode *inode);

/* The calling thread is the one whose requests are not to be obeyed. */
void resync_thread(void);

/* Whether a SETATTR of this process id comes from resync(): it is answered
 * with what BACKING has, and changes nothing. */
bool resync_is(pid_t pid);

#endif

/* SPDX-License-Identifier: MIT */
/* Before the mount: what is wrong with BACKING, MNT or this machine, in one sentence. */
#ifndef MMAPFS_MOUNT_H
#define MMAPFS_MOUNT_H

#include "fs.h"

/*
 * Fills fs.backing, fs.mountpoint, fs.root_fd, detaches a stale mount from
 * MNT, and checks what would make the mount fail or loop. On failure a
 * negative errno and a sentence in msg.
 */
int mount_prepare(char *msg, size_t size);

/* Makes the session and mounts it: fs.session. On failure as above. */
int mount_attach(char *msg, size_t size);

/* Ends the session; unmounts if that was not done yet. */
void mount_end(void);

/* Takes MNT away from programs, at once, also if it is in use. */
void mount_detach(void);

#endif

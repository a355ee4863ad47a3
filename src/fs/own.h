/* SPDX-License-Identifier: MIT */
/*
 * What the daemon asks of its own mount.
 *
 * A worker that is ended while it takes a request from the kernel may lose it:
 * libfuse cancels threads in read(2). A program whose request is lost is
 * answered when the daemon is gone. But a thread of the daemon itself that
 * waits for such an answer, in the kernel and not to be killed, keeps the
 * daemon from going. So none waits when the workers are ended.
 */
#ifndef MMAPFS_OWN_H
#define MMAPFS_OWN_H

#include <stdbool.h>

/* Around calls that send requests to MNT, or wait for some. False: the workers
 * are about to end; make none, and do not call own_end(). Nests. */
bool own_begin(void);
void own_end(void);

/* Waits for all that have begun; from then on none begins. The workers serve
 * yet. */
void own_close(void);

#endif

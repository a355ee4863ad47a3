/* SPDX-License-Identifier: MIT */
/*
 * Two things that libfuse before 3.17 leaves out of the protocol:
 * FUSE_HANDLE_KILLPRIV_V2, and FUSE_PASSTHROUGH (see passthrough.h).
 *
 * Without it the kernel asks for security.capability before every write(2),
 * a round trip that makes the write-back cache of no use for small writes
 * (measured: 40 to 100 MB/s instead of over 1,000). With it the daemon
 * clears set-id bits and security.capability itself, when a request says
 * so, and the kernel asks nothing. The flags of requests that say so are
 * dropped by libfuse up to 2026 releases.
 *
 * So the session's descriptor is read and written through two functions of
 * ours (fuse_session_custom_io(), libfuse 3.13): they add the flag to the
 * INIT reply if the kernel offered it, and note what the request that this
 * thread is about to serve says. Passthrough is agreed upon there too, and
 * named in replies to OPEN and CREATE. Formats: linux/fuse.h.
 */
#ifndef MMAPFS_WIRE_H
#define MMAPFS_WIRE_H

#include "fs.h"

/* After fuse_session_mount(), before the first request. Where libfuse is too
 * old nothing changes. 0 or negative errno. */
int wire_attach(void);

/* Whether the kernel leaves clearing to the daemon: known after INIT. */
bool wire_daemon_kills(void);

/* Whether the request that this thread serves (WRITE, SETATTR of a size) is
 * to clear set-id bits. Only where wire_daemon_kills(). */
bool wire_request_kills(void);

/* Whether the kernel offers passthrough: known while INIT is served. It is taken
 * where the options ask for it. */
bool wire_pass_is_offered(void);

/* The next reply of this thread, to OPEN or CREATE, passes through to the
 * backing file of this id. */
void wire_pass_through(int id);

#endif

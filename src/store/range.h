/* SPDX-License-Identifier: MIT */
/* range.h - waiting for a lock on a range of a descriptor */
#ifndef MMS_RANGE_H
#define MMS_RANGE_H

#include <stdint.h>

struct mms_sys;

/* sys->lock() with a time limit: 0: -EAGAIN; -1: none, -EINTR; else -ETIMEDOUT. */
int mms_range_wait(const struct mms_sys *sys, int fd, int type, uint64_t offset, uint64_t len,
		   int timeout_ms);

/* What is left of timeout_ms, which is not negative, since start_ms. */
int mms_range_left(const struct mms_sys *sys, uint64_t start_ms, int timeout_ms);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * How long requests take, from when a worker has one until it is through with it, or until whoever it
 * was handed to has replied. The wait for a worker is not in it. No locks: a few nanoseconds for a
 * request, and two looks at the clock.
 */
#ifndef MMAPFS_LATENCY_H
#define MMAPFS_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "stats.h"

/* A request under way. All zeros: none. */
struct latency_mark {
	uint64_t began_ns;
	unsigned kind; /* its OP_ and 1 */
};

/* Around a request that this thread serves. */
void latency_begin(enum counter kind);
void latency_end(void);

/* The request is another thread's from now on, which says latency_finish() after its reply. Without a
 * request of this thread: no mark, which finishes nothing. */
struct latency_mark latency_leave(void);
/* It was not handed over after all. */
void latency_return(struct latency_mark mark);
void latency_finish(struct latency_mark mark);

struct latency {
	uint64_t counts[HISTOGRAM_BUCKETS];
	uint64_t max_ns;
};

/* Of a kind, all threads together. false: there was none. */
bool latency_get(enum counter kind, struct latency *ret);

#endif

/* SPDX-License-Identifier: MIT */
/* requests.h - requests by kind: how many, and how long they took */
#ifndef MMAPFSCTL_REQUESTS_H
#define MMAPFSCTL_REQUESTS_H

#include "histogram.h"
#include "mount.h"

#define KINDS_MAX 64u

struct kind {
	const char *name; /* borrowed from the readings */
	uint64_t count;
	uint64_t p50_ns, p90_ns, p99_ns;
	uint64_t max_ns; /* between two readings: the end of the highest bucket */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* The kinds of which there was one, those with the most first; between two readings, if there is an
 * earlier one. Returns how many. */
size_t requests_of(const struct readings *now, const struct readings *before, struct kind *kinds);

#endif

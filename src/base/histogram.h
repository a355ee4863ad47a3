/* SPDX-License-Identifier: MIT */
/*
 * histogram.h - how often something took how long. Buckets double eight times finer than powers of
 * two do: a value is known to an eighth.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 210u

/* The bucket of a value in nanoseconds. The first has all below 512 ns, the last all from 34 s. */
unsigned histogram_bucket(uint64_t ns);

/* The least value of a bucket. */
uint64_t histogram_low(unsigned bucket);

/* The value that PERMILLE of the counted are not above: the middle of its bucket. 0: nothing was
 * counted. */
uint64_t histogram_quantile(const uint64_t counts[HISTOGRAM_BUCKETS], unsigned permille);

#endif

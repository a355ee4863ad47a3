/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#define FIRST_BITS 9u /* 512 ns */
#define LAST_BITS 35u
#define SUB_BITS 3u
#define SUBS (1u << SUB_BITS)

_Static_assert((LAST_BITS - FIRST_BITS) * SUBS + 2 == HISTOGRAM_BUCKETS, "all fit, and one at each end");

unsigned histogram_bucket(uint64_t ns)
{
	unsigned bits;

	if (ns < 1u << FIRST_BITS)
		return 0;
	bits = 63 - (unsigned)__builtin_clzll(ns);
	if (bits >= LAST_BITS)
		return HISTOGRAM_BUCKETS - 1;
	return 1 + (bits - FIRST_BITS) * SUBS + ((unsigned)(ns >> (bits - SUB_BITS)) & (SUBS - 1));
}

uint64_t histogram_low(unsigned bucket)
{
	unsigned bits, sub;

	if (bucket == 0)
		return 0;
	if (bucket >= HISTOGRAM_BUCKETS - 1)
		return 1ull << LAST_BITS;
	bits = FIRST_BITS + (bucket - 1) / SUBS;
	sub = (bucket - 1) % SUBS;
	return (uint64_t)(SUBS + sub) << (bits - SUB_BITS);
}

static uint64_t middle(unsigned bucket)
{
	uint64_t low = histogram_low(bucket);

	return bucket == HISTOGRAM_BUCKETS - 1 ? low : low + (histogram_low(bucket + 1) - low) / 2;
}

uint64_t histogram_quantile(const uint64_t counts[HISTOGRAM_BUCKETS], unsigned permille)
{
	uint64_t total = 0, below = 0, rank;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		total += counts[i];
	if (!total)
		return 0;
	/* The least number of values that is at least that share; no product that could wrap. */
	rank = total / 1000 * permille + (total % 1000 * permille + 999) / 1000;
	if (!rank)
		rank = 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += counts[i];
		if (below >= rank)
			return middle(i);
	}
	return middle(HISTOGRAM_BUCKETS - 1);
}

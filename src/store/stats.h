/* SPDX-License-Identifier: MIT */
/*
 * stats.h - totals that are cheap to count from many threads
 *
 * Each thread counts in one of a few stripes, so that a counter does not
 * travel between processors with each read. A total is the sum.
 */
#ifndef MMS_STATS_H
#define MMS_STATS_H

#include <stdatomic.h>
#include <stdint.h>

enum mms_total {
	TOTAL_CHUNK_MAPS,
	TOTAL_CHUNK_EVICTIONS,
	TOTAL_CHUNK_BUSY,
	TOTAL_MAP_FAILURES,
	TOTAL_READS_MAPPED,
	TOTAL_READ_BYTES_MAPPED,
	TOTAL_READS_PREAD,
	TOTAL_READ_BYTES_PREAD,
	TOTAL_WRITES_MAPPED,
	TOTAL_WRITE_BYTES_MAPPED,
	TOTAL_WRITES_PWRITE,
	TOTAL_WRITE_BYTES_PWRITE,
	TOTAL_SYNCS,
	TOTAL_SYNC_FAILURES,
	TOTALS,
};

#define STAT_STRIPES 8u

struct mms_totals {
	struct {
		_Alignas(128) _Atomic uint64_t n[TOTALS];
	} stripe[STAT_STRIPES];
};

/* A small number of this thread's own, shared by few others. */
unsigned mms_thread_slot(void);

static inline void mms_total_add(struct mms_totals *t, enum mms_total which, uint64_t n)
{
	atomic_fetch_add_explicit(&t->stripe[mms_thread_slot() % STAT_STRIPES].n[which], n,
				  memory_order_relaxed);
}

static inline uint64_t mms_total_get(const struct mms_totals *t, enum mms_total which)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < STAT_STRIPES; i++)
		sum += atomic_load_explicit(&t->stripe[i].n[which], memory_order_relaxed);
	return sum;
}

#endif

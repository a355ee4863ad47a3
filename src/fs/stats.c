/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <stdatomic.h>

static struct slot {
	_Alignas(64) _Atomic(uint64_t) n[COUNTER_COUNT];
} slots[STATS_SLOTS];

static _Atomic(unsigned) next_slot;
static __thread unsigned my_slot; /* 0: none yet, else slot + 1 */

unsigned stats_slot(void)
{
	if (!my_slot)
		my_slot = atomic_fetch_add_explicit(&next_slot, 1, memory_order_relaxed) % STATS_SLOTS + 1;
	return my_slot - 1;
}

void stats_add(enum counter which, uint64_t n)
{
	atomic_fetch_add_explicit(&slots[stats_slot()].n[which], n, memory_order_relaxed);
}

uint64_t stats_get(enum counter which)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < STATS_SLOTS; i++)
		sum += atomic_load_explicit(&slots[i].n[which], memory_order_relaxed);
	return sum;
}

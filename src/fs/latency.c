/* SPDX-License-Identifier: MIT */
#include "latency.h"

#include <stdatomic.h>

#include "clock.h"

static struct slot {
	_Alignas(64) _Atomic(uint64_t) counts[OP_COUNT][HISTOGRAM_BUCKETS];
	_Atomic(uint64_t) max_ns[OP_COUNT];
} slots[STATS_SLOTS];

static __thread struct latency_mark mine;

static void raise_to(_Atomic(uint64_t) *max, uint64_t ns)
{
	uint64_t was = atomic_load_explicit(max, memory_order_relaxed);

	while (was < ns && !atomic_compare_exchange_weak_explicit(max, &was, ns, memory_order_relaxed,
								  memory_order_relaxed))
		;
}

void latency_begin(enum counter kind)
{
	mine = (struct latency_mark){clock_now_ns(), (unsigned)kind + 1};
}

void latency_end(void)
{
	latency_finish(latency_leave());
}

struct latency_mark latency_leave(void)
{
	struct latency_mark mark = mine;

	mine.kind = 0;
	return mark;
}

void latency_return(struct latency_mark mark)
{
	mine = mark;
}

void latency_finish(struct latency_mark mark)
{
	struct slot *slot = &slots[stats_slot()];
	uint64_t ns;

	if (!mark.kind)
		return;
	ns = clock_now_ns() - mark.began_ns;
	atomic_fetch_add_explicit(&slot->counts[mark.kind - 1][histogram_bucket(ns)], 1,
				  memory_order_relaxed);
	raise_to(&slot->max_ns[mark.kind - 1], ns);
}

bool latency_get(enum counter kind, struct latency *ret)
{
	bool any = false;

	*ret = (struct latency){0};
	for (unsigned s = 0; s < STATS_SLOTS; s++) {
		uint64_t max = atomic_load_explicit(&slots[s].max_ns[kind], memory_order_relaxed);

		if (max > ret->max_ns)
			ret->max_ns = max;
		for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
			ret->counts[i] += atomic_load_explicit(&slots[s].counts[kind][i],
							       memory_order_relaxed);
	}
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		any = any || ret->counts[i];
	return any;
}

/* SPDX-License-Identifier: MIT */
#include "pending.h"

#include <stdlib.h>
#include <string.h>

/* A record of so many small pieces is longer to make than a sync. */
#define RANGES_MAX 512u

void pending_overflow(struct pending *p)
{
	pending_clear(p);
	p->overflow = true;
}

void pending_clear(struct pending *p)
{
	free(p->ranges);
	*p = (struct pending){0};
}

/* The first range that ends at off or later: where one that begins there
 * belongs. Writes go forward as a rule, so the end is looked at first. */
static unsigned place_of(const struct pending *p, uint64_t off)
{
	unsigned low = 0, high = p->n;

	if (high && p->ranges[high - 1].end < off)
		return high;
	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (p->ranges[mid].end < off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool make_room(struct pending *p)
{
	unsigned room = p->room ? p->room * 2 : 8;
	struct range *bigger;

	if (p->n < p->room)
		return true;
	if (room > RANGES_MAX)
		return false;
	bigger = realloc(p->ranges, room * sizeof(*bigger));
	if (!bigger)
		return false;
	p->ranges = bigger;
	p->room = room;
	return true;
}

/* Puts range in place of count ranges from index on. */
static bool put(struct pending *p, unsigned index, unsigned count, struct range range)
{
	if (!count) {
		if (!make_room(p))
			return false;
		memmove(&p->ranges[index + 1], &p->ranges[index],
			(p->n - index) * sizeof(*p->ranges));
		p->n++;
	} else {
		memmove(&p->ranges[index + 1], &p->ranges[index + count],
			(p->n - index - count) * sizeof(*p->ranges));
		p->n -= count - 1;
	}
	p->ranges[index] = range;
	return true;
}

void pending_add(struct pending *p, uint64_t off, uint64_t len, uint64_t max_bytes)
{
	struct range range = {off, off + len};
	unsigned index, count = 0;

	if (p->overflow || !len)
		return;
	if (range.end < off || len > max_bytes) {
		pending_overflow(p);
		return;
	}
	index = place_of(p, off);
	/* All that it touches becomes one with it. */
	while (index + count < p->n && p->ranges[index + count].off <= range.end) {
		const struct range *r = &p->ranges[index + count++];

		range.off = r->off < range.off ? r->off : range.off;
		range.end = r->end > range.end ? r->end : range.end;
		p->bytes -= r->end - r->off;
	}
	p->bytes += range.end - range.off;
	if (p->bytes > max_bytes || !put(p, index, count, range))
		pending_overflow(p);
}

void pending_cut(struct pending *p, uint64_t size)
{
	while (p->n && p->ranges[p->n - 1].off >= size) {
		p->n--;
		p->bytes -= p->ranges[p->n].end - p->ranges[p->n].off;
	}
	if (p->n && p->ranges[p->n - 1].end > size) {
		p->bytes -= p->ranges[p->n - 1].end - size;
		p->ranges[p->n - 1].end = size;
	}
}

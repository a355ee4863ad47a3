/* SPDX-License-Identifier: MIT */
#include "dirty.h"

#include <stdlib.h>
#include <string.h>

#include "arith.h"
#include "mmapstore.h"

#define SPAN_BLOCKS 64u
#define SPAN_BYTES ((uint64_t)SPAN_BLOCKS * MMS_BLOCK_BYTES)
#define SLOTS_FIRST 16u
#define SLOTS_KEEP 1024u
#define SPANS_MAX 65536u /* 16 GiB in one piece; 1 to 2 MiB of memory */

static uint64_t span_of(uint64_t offset)
{
	return offset / SPAN_BYTES;
}

/* The last span of a range that is not empty. */
static uint64_t span_last(uint64_t offset, uint64_t len)
{
	return span_of(u64_add_sat(offset, len - 1));
}

/* The bits of span that the range touches. */
static uint64_t bits_of(uint64_t span, uint64_t offset, uint64_t len)
{
	uint64_t base = span * SPAN_BYTES;
	uint64_t last = u64_add_sat(offset, len - 1);
	uint64_t lo = offset > base ? (offset - base) / MMS_BLOCK_BYTES : 0;
	uint64_t hi = u64_min((last - base) / MMS_BLOCK_BYTES, SPAN_BLOCKS - 1);

	return (~0ULL << lo) & (~0ULL >> (SPAN_BLOCKS - 1 - hi));
}

/* The slot that has the span, or the free one where it belongs. */
static struct dirty_span *slot_of(const struct dirty_map *m, uint64_t span)
{
	uint64_t i = u64_mix(span) & (m->n_slots - 1);

	while (m->slots[i].key && m->slots[i].key != span + 1)
		i = (i + 1) & (m->n_slots - 1);
	return &m->slots[i];
}

static uint64_t bits_get(const struct dirty_map *m, uint64_t span)
{
	return m->n_used ? slot_of(m, span)->bits : 0;
}

static bool grow(struct dirty_map *m)
{
	struct dirty_map bigger = {.n_slots = m->n_slots ? m->n_slots * 2 : SLOTS_FIRST};

	bigger.slots = calloc((size_t)bigger.n_slots, sizeof(bigger.slots[0]));
	if (!bigger.slots)
		return false;
	for (uint64_t i = 0; i < m->n_slots; i++) {
		if (m->slots[i].bits) { /* spans without a bit are dropped on the way */
			*slot_of(&bigger, m->slots[i].key - 1) = m->slots[i];
			bigger.n_used++;
		}
	}
	free(m->slots);
	m->slots = bigger.slots;
	m->n_slots = bigger.n_slots;
	m->n_used = bigger.n_used;
	return true;
}

/* false: not remembered. */
static bool bits_add(struct dirty_map *m, uint64_t span, uint64_t bits)
{
	struct dirty_span *s;

	if (m->n_used * 4 >= m->n_slots * 3 && m->n_slots < SPANS_MAX * 2 && !grow(m))
		return false;
	s = slot_of(m, span);
	if (!s->key) {
		if (m->n_used >= SPANS_MAX)
			return false;
		s->key = span + 1;
		m->n_used++;
	}
	m->n_blocks += (uint64_t)__builtin_popcountll(bits & ~s->bits);
	s->bits |= bits;
	return true;
}

void mms_dirty_add(struct dirty_map *m, uint64_t offset, uint64_t len)
{
	uint64_t last;

	if (!len)
		return;
	last = span_last(offset, len);
	for (uint64_t span = span_of(offset); span <= last; span++) {
		if (!bits_add(m, span, bits_of(span, offset, len))) {
			m->partial = true;
			return;
		}
	}
}

void mms_dirty_merge(struct dirty_map *m, const struct dirty_map *from)
{
	m->partial |= from->partial;
	for (uint64_t i = 0; i < from->n_slots; i++)
		if (from->slots[i].bits &&
		    !bits_add(m, from->slots[i].key - 1, from->slots[i].bits))
			m->partial = true;
}

static void bits_remove(struct dirty_map *m, struct dirty_span *s, uint64_t bits)
{
	m->n_blocks -= (uint64_t)__builtin_popcountll(bits & s->bits);
	s->bits &= ~bits;
}

void mms_dirty_remove(struct dirty_map *m, uint64_t offset, uint64_t len)
{
	uint64_t first, last;

	if (!len || !m->n_used)
		return;
	first = span_of(offset);
	last = span_last(offset, len);
	if (last - first < m->n_slots) {
		for (uint64_t span = first; span <= last; span++)
			bits_remove(m, slot_of(m, span), bits_of(span, offset, len));
		return;
	}
	for (uint64_t i = 0; i < m->n_slots; i++) {
		uint64_t span = m->slots[i].key - 1;

		if (m->slots[i].key && span >= first && span <= last)
			bits_remove(m, &m->slots[i], bits_of(span, offset, len));
	}
}

bool mms_dirty_any(const struct dirty_map *m, uint64_t offset, uint64_t len)
{
	uint64_t first, last;

	if (m->partial)
		return true;
	if (!len || !m->n_blocks)
		return false;
	first = span_of(offset);
	last = span_last(offset, len);
	if (last - first < m->n_slots) {
		for (uint64_t span = first; span <= last; span++) {
			if (bits_get(m, span) & bits_of(span, offset, len))
				return true;
		}
		return false;
	}
	for (uint64_t i = 0; i < m->n_slots; i++) {
		uint64_t span = m->slots[i].key - 1;

		if (m->slots[i].key && span >= first && span <= last &&
		    (m->slots[i].bits & bits_of(span, offset, len)))
			return true;
	}
	return false;
}

size_t mms_dirty_run(const struct dirty_map *m, uint64_t offset, size_t len, bool *ret_set)
{
	uint64_t span = span_of(offset);
	unsigned bit = (unsigned)(offset % SPAN_BYTES / MMS_BLOCK_BYTES);
	bool set = bits_get(m, span) >> bit & 1;
	uint64_t end = offset + len;
	uint64_t at;

	*ret_set = set;
	for (;;) {
		uint64_t bits = bits_get(m, span);
		/* The bits that end the run, from the first one looked at. */
		uint64_t other = (set ? ~bits : bits) & (~0ULL << bit);

		at = span * SPAN_BYTES +
		     (other ? (uint64_t)__builtin_ctzll(other) * MMS_BLOCK_BYTES : SPAN_BYTES);
		if (other || at >= end)
			break;
		span++;
		bit = 0;
	}
	return (size_t)(u64_min(at, end) - offset);
}

void mms_dirty_clear(struct dirty_map *m)
{
	if (m->n_slots > SLOTS_KEEP) {
		mms_dirty_release(m);
		return;
	}
	if (m->n_used)
		memset(m->slots, 0, (size_t)m->n_slots * sizeof(m->slots[0]));
	m->n_used = 0;
	m->n_blocks = 0;
	m->partial = false;
}

void mms_dirty_release(struct dirty_map *m)
{
	free(m->slots);
	*m = (struct dirty_map){0};
}

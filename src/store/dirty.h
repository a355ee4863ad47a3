/* SPDX-License-Identifier: MIT */
/*
 * dirty.h - what was written to a file since its last sync, by blocks
 *
 * A set bit says that the block was written through this store since the last
 * sync, and so has a page of its own in memory and a place on the disk: a
 * store into a mapping costs no page fault there, and cannot hit a full disk.
 * That part is a hint: whoever stores must survive that it is wrong.
 */
#ifndef MMS_DIRTY_H
#define MMS_DIRTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 64 blocks. */
struct dirty_span {
	uint64_t key; /* number of the span plus one; 0: free */
	uint64_t bits;
};

/* The caller has a lock around all of it. */
struct dirty_map {
	struct dirty_span *slots; /* open addressing; NULL while empty */
	uint64_t n_slots;         /* power of two */
	uint64_t n_used;
	uint64_t n_blocks; /* bits set */
	bool partial;      /* there is more than the bits say */
};

/* Sets the bits that the range touches. Where the map is full or memory is
 * short they are forgotten, and partial is set. */
void mms_dirty_add(struct dirty_map *m, uint64_t offset, uint64_t len);

/* Clears the bits that the range touches. len may reach to UINT64_MAX. */
void mms_dirty_remove(struct dirty_map *m, uint64_t offset, uint64_t len);

/* Whether anything in the range may be dirty. */
bool mms_dirty_any(const struct dirty_map *m, uint64_t offset, uint64_t len);

/* The length, at most len, from offset on over which the bits are all set or
 * all clear; ret_set says which. */
size_t mms_dirty_run(const struct dirty_map *m, uint64_t offset, size_t len, bool *ret_set);

/* Adds what from has. */
void mms_dirty_merge(struct dirty_map *m, const struct dirty_map *from);

/* Empties it; large tables are freed. */
void mms_dirty_clear(struct dirty_map *m);
void mms_dirty_release(struct dirty_map *m);

static inline uint64_t mms_dirty_memory(const struct dirty_map *m)
{
	return m->n_slots * sizeof(struct dirty_span);
}

#endif

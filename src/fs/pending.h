/* SPDX-License-Identifier: MIT */
/*
 * Which bytes of a file were written since they were last logged or synced:
 * ranges in order, apart from each other. Where they become too many, or
 * too long together for a record, the ranges are forgotten: then only a sync
 * of the whole file will do.
 */
#ifndef MMAPFS_PENDING_H
#define MMAPFS_PENDING_H

#include <stdbool.h>
#include <stdint.h>

struct range {
	uint64_t off, end;
};

/* The caller has a lock around all of it. All zeros is empty. */
struct pending {
	struct range *ranges;
	unsigned n, room;
	uint64_t bytes; /* their sum */
	bool overflow;
};

/* max_bytes: more than that together is too much. */
void pending_add(struct pending *p, uint64_t off, uint64_t len, uint64_t max_bytes);

/* The file was cut: nothing is pending from size on. */
void pending_cut(struct pending *p, uint64_t size);

void pending_overflow(struct pending *p);

static inline bool pending_any(const struct pending *p)
{
	return p->overflow || p->n;
}

/* Empties it. */
void pending_clear(struct pending *p);

#endif

/* SPDX-License-Identifier: MIT */
/* halves.h - the two logs, as they are found */
#ifndef JOURNAL_HALVES_H
#define JOURNAL_HALVES_H

#include <stdbool.h>

#include "format.h"
#include "place.h"

struct half {
	unsigned number; /* of the file */
	bool exists;
	bool no_file; /* something else has its name */
	struct mms_log_recovery found; /* if it exists */
	char path[JOURNAL_PATH_MAX];
};

static inline bool half_is_live(const struct half *h)
{
	return h->exists && (h->found.records || h->found.strays);
}

/* One of them. A journal_is_unreadable() error: it is there, and is no log that can be read. */
int half_look(struct mms_pool *pool, const struct journal_place *place, unsigned number,
	      struct half *ret, struct mms_error *err);

/* Both, the older one first. */
int halves_look(struct mms_pool *pool, const struct journal_place *place,
		struct half ret[JOURNAL_HALVES], struct mms_error *err);

/* Calls each for every whole record of a half, in order, until it returns not 0; returns that. */
int half_walk(struct mms_pool *pool, const struct half *h,
	      int (*each)(void *arg, const struct mms_record *raw, const struct record *record),
	      void *arg, struct mms_error *err);

#endif

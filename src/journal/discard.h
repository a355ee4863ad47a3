/* SPDX-License-Identifier: MIT */
/* discard.h - moving aside logs that cannot be replayed */
#ifndef JOURNAL_DISCARD_H
#define JOURNAL_DISCARD_H

#include "place.h"

struct discarded {
	char kept[JOURNAL_PATH_MAX]; /* where it is now; "": it was left */
	/* What looks like records in it, which may be fewer than it had. */
	uint64_t records, first, last, first_ns, last_ns;
	bool empty; /* it had none: nothing but zeros behind a preamble that is not lost itself */
};

struct discard_report {
	struct discarded log[JOURNAL_HALVES];
	unsigned kept;
	struct journal_report replay; /* of what could be read */
};

/*
 * Moves aside, durably and without changing them, the logs that cannot be read, tells what is known
 * of what they had, and replays what can be read. 0 with kept 0: all can be read, and nothing is in
 * it.
 *
 * -ENOTEMPTY: there are records that can be read, and are not replayed after what is lost; or there
 * is nothing else. With force they are moved aside as well, and nothing is replayed. BACKING must
 * be the caller's alone.
 */
int journal_discard(struct mms_pool *pool, const struct journal_place *place, bool force,
		    struct discard_report *ret, struct mms_error *err);

#endif

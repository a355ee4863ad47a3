/* SPDX-License-Identifier: MIT */
/* strays.h - what stands in a log where it cannot be read as one */
#ifndef JOURNAL_STRAYS_H
#define JOURNAL_STRAYS_H

#include <stdbool.h>

#include "format.h"
#include "place.h"

struct stray {
	uint64_t sequence, timestamp_ns;
	uint16_t type;
	uint32_t payload_bytes;
	const void *payload; /* NULL: it is not what was written, or the log's id is lost */
};

struct strays_blank {
	bool preamble, rest; /* nothing but zeros */
};

/* Calls each for what looks like a record from the offset on. */
int strays_look(struct mms_pool *pool, const char *path, uint64_t from,
		void (*each)(void *arg, const struct stray *s), void *arg,
		struct strays_blank *ret_blank, struct mms_error *err);

/* Names the file of one that is not replayed, if it is of one; *n counts them, and only the first
 * are said. */
void stray_tell(const struct journal_place *place, const struct stray *s, unsigned *n);
void strays_told(const struct journal_place *place, unsigned n);

#endif

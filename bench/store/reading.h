/* SPDX-License-Identifier: MIT */
/* reading.h - what the ways of reading share */
#ifndef READING_H
#define READING_H

#include <stdio.h>

#include "contest.h"
#include "mmapstore.h"

struct reading {
	uint64_t bytes;
	uint64_t words; /* reads of 8 bytes in a run */
	uint64_t pages; /* reads of 4 KiB in a run */
	int fd;
	FILE *stdio;
	const unsigned char *map;
	struct mms_pool *pool;
	struct mms_file *file;
	struct mms_view view;
	unsigned char *buf;
};

/* The same places for all. */
#define SEED 0x9e3779b97f4a7c15ULL

static uint64_t place(uint64_t *state, uint64_t bytes, uint64_t unit)
{
	return next_random(state) % (bytes / unit) * unit;
}

/* With mmapstore-inline.h, in a file of its own: it redefines the calls. */
double word_inline(void *arg);

#endif

/* SPDX-License-Identifier: MIT */
/* Which of a file's bytes in BACKING can be read without the disk. */
#ifndef MMAPFS_RESIDENT_H
#define MMAPFS_RESIDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmapstore.h"

#define RESIDENT_PIECE_BYTES (64u << 10) /* smaller ones are not told apart */
#define RESIDENT_RUNS_MAX 8u             /* in a window: every other piece */

struct run {
	uint64_t from, to;
};

/*
 * The runs of pieces in [from, to), at most a MiB that begins at a piece, of
 * which every page is in BACKING's page cache: their number, at most
 * RESIDENT_RUNS_MAX. None where that cannot be known.
 */
size_t resident_runs(struct mms_file *file, uint64_t from, uint64_t to, struct run *runs);

#endif

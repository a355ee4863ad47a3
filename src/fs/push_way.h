/* SPDX-License-Identifier: MIT */
/* The two ways of a push, and what it is made of. Called by its thread alone. */
#ifndef MMAPFS_PUSH_WAY_H
#define MMAPFS_PUSH_WAY_H

#include "inode.h"
#include "misses.h"
#include "resident.h"

/* Windows of one file, and what of them is resident. */
struct push_job {
	struct inode *inode;
	struct misses *misses;
	uint64_t windows[MISSES_IN_QUEUE];
	size_t n;
	struct run runs[MISSES_IN_QUEUE * RESIDENT_RUNS_MAX];
	size_t n_runs;
};

/*
 * Pushes the runs: milliseconds that writing back took for that, or negative:
 * the file cannot be had that way.
 */

/* By the kernel's own read-ahead. Touches MNT. */
int64_t push_by_readahead(const struct push_job *job);

/*
 * Stores them into the kernel's cache, whatever it has there: only on a mount
 * where nothing is ever written (ops.c). Sends notifications.
 */
int64_t push_by_store(const struct push_job *job);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What one file's READ requests tell of how it is read, and which windows of
 * it are worth a push (push.h). It knows neither the kernel nor the file.
 *
 * Small reads that do not follow each other are misses of a reader that jumps:
 * the kernel reads nothing around them. One that goes through the file makes
 * the kernel read ahead by itself, in large requests. A window is due at its
 * second miss, once the file has had MISSES_BUSY of them within a second, and
 * then not again until it is forgotten.
 */
#ifndef MMAPFS_MISSES_H
#define MMAPFS_MISSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_SHIFT 20u
#define WINDOW_BYTES (1ull << WINDOW_SHIFT)

#define MISSES_SMALL_BYTES (64u << 10) /* larger requests are the kernel's own read-ahead */
#define MISSES_BUSY 16u
#define MISSES_IN_QUEUE 8u             /* windows of one file that are due at a time */

struct misses; /* has a lock of its own, under which no other is taken */

struct misses *misses_new(int64_t now_ms);
void misses_free(struct misses *misses);

/*
 * A READ of size bytes at off came. True: *ret_window is due, and the caller
 * says what has become of it by misses_pushed() or misses_put_back().
 */
bool misses_see(struct misses *misses, uint64_t off, size_t size, uint64_t file_size, int64_t now_ms,
		uint64_t *ret_window);

void misses_pushed(struct misses *misses, uint64_t window, int64_t now_ms);
/* It was not. The next miss makes it due again, or (not soon) two more do. */
void misses_put_back(struct misses *misses, uint64_t window, bool soon);

/* Nothing is due until then. */
void misses_pause(struct misses *misses, int64_t until_ms);

/* The kernel has dropped the file's pages: all may be pushed again. */
void misses_forget(struct misses *misses);

#endif

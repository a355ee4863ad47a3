/* SPDX-License-Identifier: MIT */
/* What a power failure leaves of a disk, or of two. */
#ifndef TESTS_CRASH_IMAGE_H
#define TESTS_CRASH_IMAGE_H

#include "disklog.h"

/* The disk as it is durable at some position of its log. */
struct image {
	const struct disklog *log;
	uint8_t *data;
	uint8_t *used; /* one a block of 4 KiB: it may be other than zeros */
	uint64_t size;
	uint64_t applied[DISKLOG_DISKS]; /* entries, of the writes to each disk */
};

void image_open(struct image *image, const char *base, const struct disklog *log);
void image_close(struct image *image);

/*
 * Writes to fd, whose file becomes as large as the disk, what is left if the
 * power fails at 'position': of each disk all before its last flush, and of
 * each write after it a choice by random, torn at multiples of 'sector'.
 * Positions may not go back from one call to the next.
 */
void image_cut(struct image *image, uint64_t position, uint64_t random, uint32_t sector, int fd);

#endif

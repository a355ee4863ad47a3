/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark's files contain, so that every figure comes with a proof that the bytes were
 * right. Contents depend on a seed and on the offset; a page that is stale, misplaced, torn or
 * zero is noticed.
 *
 * Page p is one of PATTERN_PAGES prepared pages with stamp(p) at its start and at its end: making
 * a page costs two stores, checking one stamp costs a few instructions, so both can stand inside
 * a measured loop; pattern_check_block() compares every byte, and is for afterwards.
 */
#ifndef BENCH_PATTERN_H
#define BENCH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096u
#define PATTERN_PAGES 64u

struct pattern {
	uint64_t seed;
	uint8_t *pages; /* PATTERN_PAGES pages, each with room for its stamps */
};

/* Returns false without memory. */
bool pattern_init(struct pattern *p, uint64_t seed);
void pattern_release(struct pattern *p);

/* Writes page PAGENO of the file to BUF. */
void pattern_page(const struct pattern *p, uint64_t pageno, uint8_t *buf);

/* Stamps page PAGENO where it was prepared, and returns it: one thread at a time. */
const uint8_t *pattern_stamped(struct pattern *p, uint64_t pageno);

/* Makes BUF, which has page PAGENO - n * PATTERN_PAGES, page PAGENO: changes its stamps alone. */
void pattern_restamp(const struct pattern *p, uint64_t pageno, uint8_t *buf);

/* The quick check: looks at the first eight bytes of each page. POS and LEN are whole pages. */
bool pattern_glance(const struct pattern *p, uint64_t pos, const uint8_t *buf, size_t len);

/* The full check: every byte. Returns the first wrong offset in BUF, or LEN. */
size_t pattern_check_block(const struct pattern *p, uint64_t pos, const uint8_t *buf, size_t len);

/* A pseudo-random sequence: advances *state and returns the next number. */
uint64_t pattern_random(uint64_t *state);

#endif

/* SPDX-License-Identifier: MIT */
/* Ranges that are pending: against a map of bytes, at random and at the borders. */
#include <stdlib.h>
#include <string.h>

#include "../marks.h"
#include "pending.h"

#define SPACE 4096u
#define NO_LIMIT (1u << 20)

static struct pending p;

static void clear(void)
{
	pending_clear(&p);
}

/* In order, apart, and the bytes counted. */
static void check_shape(void)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < p.n; i++) {
		ck_assert_uint_lt(p.ranges[i].off, p.ranges[i].end);
		if (i)
			ck_assert_uint_lt(p.ranges[i - 1].end, p.ranges[i].off);
		bytes += p.ranges[i].end - p.ranges[i].off;
	}
	ck_assert_uint_eq(bytes, p.bytes);
}

static void check_holds(const unsigned char *map)
{
	unsigned char mine[SPACE] = {0};

	for (unsigned i = 0; i < p.n; i++)
		memset(mine + p.ranges[i].off, 1, p.ranges[i].end - p.ranges[i].off);
	ck_assert_mem_eq(mine, map, SPACE);
}

START_TEST(test_at_random)
{
	unsigned char map[SPACE] = {0};

	srandom((unsigned)_i + 1);
	for (unsigned k = 0; k < 400; k++) {
		uint64_t off = (uint64_t)random() % SPACE, len = (uint64_t)random() % 60;

		if (off + len > SPACE)
			len = SPACE - off;
		if (k % 50 == 49) {
			pending_cut(&p, off);
			memset(map + off, 0, SPACE - off);
		} else {
			pending_add(&p, off, len, NO_LIMIT);
			memset(map + off, 1, len);
		}
		check_shape();
		check_holds(map);
	}
	ck_assert(!p.overflow);
}
END_TEST

START_TEST(test_neighbours_are_one)
{
	pending_add(&p, 10, 10, NO_LIMIT);
	pending_add(&p, 30, 10, NO_LIMIT);
	ck_assert_uint_eq(p.n, 2);
	pending_add(&p, 20, 10, NO_LIMIT);
	ck_assert_uint_eq(p.n, 1);
	ck_assert_uint_eq(p.ranges[0].off, 10);
	ck_assert_uint_eq(p.ranges[0].end, 40);
	pending_add(&p, 0, 0, NO_LIMIT);
	ck_assert_uint_eq(p.n, 1);
}
END_TEST

START_TEST(test_too_many_bytes)
{
	pending_add(&p, 0, 100, 150);
	pending_add(&p, 50, 100, 150);
	ck_assert(!p.overflow);
	pending_add(&p, 500, 1, 150);
	ck_assert(p.overflow);
	ck_assert(pending_any(&p));
	ck_assert_uint_eq(p.n, 0);
	pending_add(&p, 0, 1, 150); /* stays so until it is cleared */
	ck_assert(p.overflow);
	pending_clear(&p);
	ck_assert(!pending_any(&p));
}
END_TEST

START_TEST(test_too_many_ranges)
{
	for (uint64_t i = 0; i < 100000 && !p.overflow; i++)
		pending_add(&p, i * 10, 1, NO_LIMIT);
	ck_assert(p.overflow);
}
END_TEST

START_TEST(test_past_the_last_offset)
{
	pending_add(&p, UINT64_MAX - 5, 10, UINT64_MAX);
	ck_assert(p.overflow);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pending");
	TCase *t = tcase_create("pending");

	tcase_add_checked_fixture(t, clear, clear);
	tcase_add_loop_test(t, test_at_random, 0, 20);
	tcase_add_test(t, test_neighbours_are_one);
	tcase_add_test(t, test_too_many_bytes);
	tcase_add_test(t, test_too_many_ranges);
	tcase_add_test(t, test_past_the_last_offset);
	suite_add_tcase(s, t);
	return run_suite(s);
}

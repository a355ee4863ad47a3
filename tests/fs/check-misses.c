/* SPDX-License-Identifier: MIT */
/* When a window is due, and when not. */
#include <stdlib.h>

#include "../marks.h"
#include "misses.h"

#define PAGE 4096u
#define FILE_BYTES (1024 * WINDOW_BYTES)
#define LONG_MS 3600000

static struct misses *m;
static uint64_t due; /* the window that the last see() found */

static void set_up(void)
{
	m = misses_new(0);
	ck_assert_ptr_nonnull(m);
}

static void tear_down(void)
{
	misses_free(m);
}

static bool see(uint64_t off, size_t size, int64_t now_ms)
{
	return misses_see(m, off, size, FILE_BYTES, now_ms, &due);
}

/* Enough misses of other windows, one each, that the file counts as busy. */
static void make_busy(int64_t now_ms)
{
	for (unsigned i = 0; i < MISSES_BUSY; i++)
		ck_assert(!see((900 + i) * WINDOW_BYTES, PAGE, now_ms));
}

/* Misses window until it is due. */
static void make_due(uint64_t window, int64_t now_ms)
{
	unsigned n = 0;

	while (!see(window * WINDOW_BYTES + 2 * PAGE * n, PAGE, now_ms))
		ck_assert_uint_lt(n++, 3);
	ck_assert_uint_eq(due, window);
}

START_TEST(due_at_the_second_miss)
{
	make_busy(1);
	ck_assert(!see(5 * WINDOW_BYTES, PAGE, 1));
	ck_assert(!see(6 * WINDOW_BYTES, PAGE, 1));
	ck_assert(see(5 * WINDOW_BYTES + 100 * PAGE, PAGE, 1));
	ck_assert_uint_eq(due, 5);
}
END_TEST

START_TEST(once_until_forgotten)
{
	make_busy(1);
	make_due(5, 1);
	for (unsigned i = 0; i < 100; i++)
		ck_assert(!see(5 * WINDOW_BYTES + 2 * i * PAGE, PAGE, 2));
	misses_pushed(m, 5, 3);
	for (unsigned i = 0; i < 10; i++)
		ck_assert(!see(5 * WINDOW_BYTES + 2 * i * PAGE, PAGE, 4));
	misses_forget(m);
	make_due(5, 5);
}
END_TEST

START_TEST(put_back)
{
	make_busy(1);
	make_due(5, 1);
	misses_put_back(m, 5, true);
	ck_assert(see(5 * WINDOW_BYTES, PAGE, 1));
	misses_put_back(m, 5, false);
	ck_assert(!see(5 * WINDOW_BYTES + 9 * PAGE, PAGE, 1));
	ck_assert(see(5 * WINDOW_BYTES, PAGE, 1));
}
END_TEST

START_TEST(never_in_sequence)
{
	for (uint64_t off = PAGE; off < 64 * WINDOW_BYTES; off += PAGE)
		ck_assert(!see(off, PAGE, 1) || off == PAGE);
}
END_TEST

START_TEST(never_in_large_pieces)
{
	for (uint64_t i = 0; i < 1000; i++)
		ck_assert(!see((i * 37 % 1000) * (128 << 10), 128 << 10, 1));
}
END_TEST

START_TEST(never_when_rarely_read)
{
	for (unsigned i = 0; i < 1000; i++)
		ck_assert(!see(2 * PAGE * (i % 100), PAGE, 100 * i));
}
END_TEST

START_TEST(so_many_in_the_queue)
{
	make_busy(1);
	for (uint64_t w = 0; w < MISSES_IN_QUEUE; w++)
		make_due(w, 1);
	for (unsigned i = 0; i < 10; i++)
		ck_assert(!see(100 * WINDOW_BYTES + 2 * i * PAGE, PAGE, 1));
	misses_pushed(m, 0, 2);
	ck_assert(see(100 * WINDOW_BYTES, PAGE, 2));
}
END_TEST

START_TEST(paused)
{
	make_busy(1);
	misses_pause(m, 500);
	for (unsigned i = 0; i < 10; i++)
		ck_assert(!see(2 * i * PAGE, PAGE, 400));
	ck_assert(see(2 * PAGE, PAGE, 500));
}
END_TEST

/* Misses of what was pushed: the kernel is short of memory. Not at once. */
START_TEST(missed_again_much_later)
{
	make_busy(1);
	make_due(5, 1);
	misses_pushed(m, 5, 1);
	for (unsigned i = 0; i < 1000; i++)
		ck_assert(!see(5 * WINDOW_BYTES + 2 * (i % 128) * PAGE, PAGE, 9000));
	make_busy(LONG_MS);
	ck_assert(!see(5 * WINDOW_BYTES, PAGE, LONG_MS));
	make_due(5, LONG_MS);
}
END_TEST

START_TEST(a_file_that_grows)
{
	make_busy(1);
	make_due(5, 1);
	misses_pushed(m, 5, 1);
	/* Past what there are marks for: another window shares one, and none is lost. */
	for (uint64_t w = 0; w < 10; w++)
		for (unsigned i = 0; i < 4; i++)
			if (misses_see(m, (70000 + w) * WINDOW_BYTES + 2 * i * PAGE, PAGE,
				       100000 * WINDOW_BYTES, 1, &due))
				misses_pushed(m, due, 1);
	ck_assert(!see(5 * WINDOW_BYTES, PAGE, 1));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("misses");
	TCase *t = tcase_create("misses");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, due_at_the_second_miss);
	tcase_add_test(t, once_until_forgotten);
	tcase_add_test(t, put_back);
	tcase_add_test(t, never_in_sequence);
	tcase_add_test(t, never_in_large_pieces);
	tcase_add_test(t, never_when_rarely_read);
	tcase_add_test(t, so_many_in_the_queue);
	tcase_add_test(t, paused);
	tcase_add_test(t, missed_again_much_later);
	tcase_add_test(t, a_file_that_grows);
	suite_add_tcase(s, t);
	return run_suite(s);
}

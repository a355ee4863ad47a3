/* SPDX-License-Identifier: MIT */
/* Proves the helpers under the store: arithmetic at its borders, sizes, bytes, histograms and lists. */
#include "helper.h"

#include "arith.h"
#include "bytes.h"
#include "histogram.h"
#include "list.h"
#include "size.h"

START_TEST(arithmetic)
{
	uint64_t r = 5;

	ck_assert(!u64_add(UINT64_MAX, 1, &r));
	ck_assert(!u64_mul(1ULL << 32, 1ULL << 32, &r));
	ck_assert_uint_eq(r, 5);
	ck_assert(u64_add(UINT64_MAX - 1, 1, &r));
	ck_assert_uint_eq(r, UINT64_MAX);
	ck_assert_uint_eq(u64_add_sat(UINT64_MAX, 7), UINT64_MAX);
	ck_assert_uint_eq(u64_align_down(8191, 4096), 4096);
	ck_assert_uint_eq(u64_align_up(4097, 4096), 8192);
	ck_assert_uint_eq(u64_align_up(8192, 4096), 8192);
	ck_assert_uint_eq(u64_align_up(UINT64_MAX, 4096), UINT64_MAX - 4095);
	ck_assert_uint_eq(u64_pow2_up(0), 1);
	ck_assert_uint_eq(u64_pow2_up(1), 1);
	ck_assert_uint_eq(u64_pow2_up(3), 4);
	ck_assert_uint_eq(u64_pow2_up(4), 4);
	ck_assert_uint_eq(u64_pow2_up((1ULL << 62) + 1), 1ULL << 63);
	ck_assert(u64_is_pow2(1ULL << 63));
	ck_assert(!u64_is_pow2(0));
	ck_assert(!u64_is_pow2(6));
	ck_assert_uint_eq(size_bound(10, UINT64_MAX), 10);
	ck_assert_uint_eq(size_bound(SIZE_MAX, 3), 3);
}
END_TEST

START_TEST(sizes_as_text)
{
	char buf[SIZE_TEXT_BYTES];

	ck_assert_str_eq(size_format(0, buf, sizeof(buf)), "0 B");
	ck_assert_str_eq(size_format(1023, buf, sizeof(buf)), "1023 B");
	ck_assert_str_eq(size_format(1024, buf, sizeof(buf)), "1.0 KiB");
	ck_assert_str_eq(size_format(GIB - 1, buf, sizeof(buf)), "1023.9 MiB");
	ck_assert_str_eq(size_format(3 * GIB / 2, buf, sizeof(buf)), "1.5 GiB");
	ck_assert_str_eq(size_format(UINT64_MAX, buf, sizeof(buf)), "15.9 EiB");
}
END_TEST

START_TEST(text_as_sizes)
{
	static const struct {
		const char *text;
		int r;
		uint64_t bytes;
	} rows[] = {
		{"0", 0, 0},          {"4096", 0, 4096},    {"64K", 0, 65536},
		{"64k", 0, 65536},    {"1G", 0, GIB},       {"1GiB", 0, GIB},
		{"2GB", 0, 2 * GIB},  {"16T", 0, 16 * TIB}, {"15E", 0, 15ULL << 60},
		{"100B", 0, 100},     {"16E", -ERANGE, 0},  {"18446744073709551616", -ERANGE, 0},
		{"", -EINVAL, 0},     {"K", -EINVAL, 0},    {"-1", -EINVAL, 0},
		{"1X", -EINVAL, 0},   {"1G2", -EINVAL, 0},  {" 1", -EINVAL, 0},
		{"1.5G", -EINVAL, 0}, {"1iB", -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t bytes = 0;

		ck_assert_msg(size_parse(rows[i].text, &bytes) == rows[i].r, "%s", rows[i].text);
		ck_assert_msg(bytes == rows[i].bytes, "%s", rows[i].text);
	}
}
END_TEST

START_TEST(little_endian)
{
	unsigned char b[16] = {0};

	le64_put(b + 1, 0x0102030405060708ULL);
	ck_assert_int_eq(b[1], 8);
	ck_assert_int_eq(b[8], 1);
	ck_assert_uint_eq(le64_get(b + 1), 0x0102030405060708ULL);
	ck_assert_uint_eq(le32_get(b + 1), 0x05060708u);
	ck_assert_uint_eq(le16_get(b + 1), 0x0708u);
	le32_put(b, 0xfffefdfcu);
	ck_assert_uint_eq(le32_get(b), 0xfffefdfcu);
}
END_TEST

START_TEST(histograms)
{
	uint64_t counts[HISTOGRAM_BUCKETS] = {0};

	ck_assert_uint_eq(histogram_bucket(0), 0);
	ck_assert_uint_eq(histogram_bucket(511), 0);
	ck_assert_uint_eq(histogram_bucket(512), 1);
	ck_assert_uint_eq(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
	ck_assert_uint_eq(histogram_bucket((1ull << 35) - 1), HISTOGRAM_BUCKETS - 2);
	ck_assert_uint_eq(histogram_low(HISTOGRAM_BUCKETS), 1ull << 35);
	for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++) {
		ck_assert_uint_eq(histogram_bucket(histogram_low(i)), i);
		ck_assert_uint_eq(histogram_bucket(histogram_low(i) - 1), i - 1);
		ck_assert(i < 2 || (histogram_low(i) - histogram_low(i - 1)) * 8 <= histogram_low(i));
	}
	ck_assert_uint_eq(histogram_quantile(counts, 500), 0);
	counts[histogram_bucket(1000)] = 90;
	counts[histogram_bucket(1000000)] = 9;
	counts[histogram_bucket(1000000000)] = 1;
	ck_assert_uint_eq(histogram_bucket(histogram_quantile(counts, 0)), histogram_bucket(1000));
	ck_assert_uint_eq(histogram_bucket(histogram_quantile(counts, 900)), histogram_bucket(1000));
	ck_assert_uint_eq(histogram_bucket(histogram_quantile(counts, 901)), histogram_bucket(1000000));
	ck_assert_uint_eq(histogram_bucket(histogram_quantile(counts, 990)), histogram_bucket(1000000));
	ck_assert_uint_eq(histogram_bucket(histogram_quantile(counts, 1000)),
			  histogram_bucket(1000000000));
	counts[3] = UINT64_MAX / 2; /* no sum, and no product, wraps */
	ck_assert_uint_eq(histogram_bucket(histogram_quantile(counts, 999)), 3);
}
END_TEST

START_TEST(lists)
{
	struct item {
		int n;
		struct list link;
	} a = {.n = 1}, b = {.n = 2};
	struct list head;

	list_init(&head);
	list_init(&a.link);
	ck_assert(list_empty(&head));
	list_add_tail(&head, &a.link);
	list_add_head(&head, &b.link);
	ck_assert_int_eq(list_entry(head.next, struct item, link)->n, 2);
	list_move_tail(&head, &b.link);
	ck_assert_int_eq(list_entry(head.next, struct item, link)->n, 1);
	list_del(&a.link);
	list_del(&a.link); /* harmless */
	list_del(&b.link);
	ck_assert(list_empty(&head));
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, arithmetic);
	tcase_add_test(t, sizes_as_text);
	tcase_add_test(t, text_as_sizes);
	tcase_add_test(t, little_endian);
	tcase_add_test(t, histograms);
	tcase_add_test(t, lists);
}

int main(void)
{
	return t_run("base", add_tests);
}

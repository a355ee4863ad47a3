/* SPDX-License-Identifier: MIT */
/* Proves that the CRC is zlib's, whatever computes it, at any length and alignment. */
#include "helper.h"

#include <pthread.h>
#include <time.h>
#include <zlib.h>

#include "arith.h"
#include "crc.h"

static uint64_t seed;
static uint64_t drawn;

/* The seed is new each time, and printed; TEST_SEED=N sets it. */
static void start_random(void)
{
	const char *wanted = getenv("TEST_SEED");

	seed = wanted ? strtoull(wanted, NULL, 0) : (uint64_t)time(NULL);
	printf("TEST_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
}

static uint64_t draw(void)
{
	return u64_mix(seed + ++drawn * 0x9e3779b97f4a7c15);
}

static unsigned char bytes[200000];

static void draw_bytes(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)draw();
}

/* Bit by bit, from the definition. */
static uint32_t reference(uint32_t crc, const unsigned char *buf, size_t len)
{
	crc = ~crc;
	for (size_t i = 0; i < len; i++) {
		crc ^= buf[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

START_TEST(known_values)
{
	static const unsigned char zeros[32];
	static const unsigned char ones[4] = {0xff, 0xff, 0xff, 0xff};

	ck_assert_uint_eq(mms_crc32(0, "hello", 5), 0x3610a686u);
	ck_assert_uint_eq(mms_crc32(0, "123456789", 9), 0xcbf43926u);
	ck_assert_uint_eq(mms_crc32(0, "a", 1), 0xe8b7be43u);
	ck_assert_uint_eq(mms_crc32(0, zeros, 32), 0x190a55adu);
	ck_assert_uint_eq(mms_crc32(0, ones, 4), 0xffffffffu);
	ck_assert_uint_eq(mms_crc32(0, "", 0), 0);
	ck_assert_uint_eq(mms_crc32(0, NULL, 0), 0);
	ck_assert_uint_eq(mms_crc32(0x12345678, NULL, 0), 0x12345678);
}
END_TEST

START_TEST(the_engine)
{
#ifdef HAVE_ISAL
	/* It has passed its trial here, or the build was for nothing. */
	ck_assert_str_eq(mms_crc32_engine(), "isa-l");
	ck_assert_uint_eq(mms_crc32_by_isal(0x12345678, NULL, 0), 0x12345678);
#else
	ck_assert_str_eq(mms_crc32_engine(), "zlib");
#endif
	ck_assert_uint_eq(mms_crc32_by_zlib(0x12345678, NULL, 0), 0x12345678);
}
END_TEST

static void compare(uint32_t start, const unsigned char *buf, size_t len, uint32_t expected)
{
	ck_assert_uint_eq(mms_crc32(start, buf, len), expected);
	ck_assert_uint_eq(mms_crc32_by_zlib(start, buf, len), expected);
#ifdef HAVE_ISAL
	ck_assert_uint_eq(mms_crc32_by_isal(start, buf, len), expected);
#endif
}

START_TEST(every_short_length_and_alignment)
{
	start_random();
	draw_bytes();
	for (size_t at = 0; at < 17; at++) {
		uint32_t start = (uint32_t)draw();

		for (size_t len = 0; len <= 300; len++)
			compare(start, bytes + at, len, reference(start, bytes + at, len));
	}
}
END_TEST

START_TEST(random_lengths_and_alignments)
{
	start_random();
	draw_bytes();
	for (int i = 0; i < 2000; i++) {
		size_t at = draw() % 100;
		size_t len = draw() % (i % 10 ? 3000 : sizeof(bytes) - 100);
		uint32_t start = (uint32_t)draw();

		compare(start, bytes + at, len, (uint32_t)crc32(start, bytes + at, (unsigned)len));
	}
}
END_TEST

START_TEST(goes_on_from_a_part)
{
	start_random();
	draw_bytes();
	for (int i = 0; i < 1000; i++) {
		size_t len = draw() % 5000, cut = draw() % (len + 1);

		ck_assert_uint_eq(mms_crc32(mms_crc32(0, bytes, cut), bytes + cut, len - cut),
				  mms_crc32(0, bytes, len));
	}
}
END_TEST

/* --------------------------------------------------------------- combine */

START_TEST(combining_splits)
{
	start_random();
	draw_bytes();
	for (int i = 0; i < 1000; i++) {
		size_t len = draw() % (i % 10 ? 300 : sizeof(bytes)), cut = draw() % (len + 1);
		uint32_t a, b;

		if (i % 100 == 0)
			cut = len; /* the second part is empty */
		a = mms_crc32(0, bytes, cut);
		b = mms_crc32(0, bytes + cut, len - cut);
		ck_assert_uint_eq(mms_crc32_combine(a, b, len - cut), mms_crc32(0, bytes, len));
	}
}
END_TEST

/* a * b modulo the polynomial; bits are reversed, as in the CRC. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = b >> 1 ^ (b & 1 ? 0xedb88320u : 0);
	}
	return product;
}

/* x^(8 len): what len bytes that follow do to a CRC. */
static uint32_t power(uint64_t len)
{
	uint32_t square = 1u << 23; /* x^8 */
	uint32_t result = 1u << 31; /* 1 */

	for (; len; len >>= 1) {
		if (len & 1)
			result = multiply(result, square);
		square = multiply(square, square);
	}
	return result;
}

START_TEST(combining_huge_lengths)
{
	static const uint64_t lens[] = {0,
					1,
					INT32_MAX,
					1ULL << 31,
					UINT32_MAX - 1ULL,
					UINT32_MAX, /* the length of the cycle */
					1ULL << 32,
					UINT32_MAX + 2ULL,
					2ULL * UINT32_MAX,
					7ULL * UINT32_MAX - 1,
					1ULL << 40,
					INT64_MAX,
					1ULL << 63,
					UINT64_MAX - 1, /* a multiple of it, less 1 */
					UINT64_MAX};

	start_random();
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]) + 200; i++) {
		uint64_t len = i < sizeof(lens) / sizeof(lens[0]) ? lens[i] : draw() >> draw() % 40;
		uint32_t a = (uint32_t)draw(), b = len ? (uint32_t)draw() : 0;

		ck_assert_uint_eq(mms_crc32_combine(a, b, len), multiply(a, power(len)) ^ b);
	}
}
END_TEST

/* ---------------------------------------------------------------- except */

START_TEST(except_every_hole)
{
	unsigned char buf[40], holed[40];

	start_random();
	draw_bytes();
	memcpy(buf, bytes, sizeof(buf));
	for (size_t hole = 0; hole <= sizeof(buf) + 2; hole++) {
		for (size_t len = 0; len <= sizeof(buf) + 2; len++) {
			uint32_t start = (uint32_t)draw();

			memcpy(holed, buf, sizeof(buf));
			for (size_t i = hole; i < hole + len && i < sizeof(buf); i++)
				holed[i] = 0;
			ck_assert_uint_eq(mms_crc32_except(start, buf, sizeof(buf), hole, len),
					  reference(start, holed, sizeof(holed)));
		}
	}
}
END_TEST

START_TEST(except_far_and_large_holes)
{
	static const unsigned char zeros[10000];

	start_random();
	draw_bytes();
	ck_assert_uint_eq(mms_crc32_except(7, bytes, 100, SIZE_MAX, SIZE_MAX),
			  mms_crc32(7, bytes, 100));
	ck_assert_uint_eq(mms_crc32_except(7, bytes, 100, 50, SIZE_MAX),
			  mms_crc32(mms_crc32(7, bytes, 50), zeros, 50));
	ck_assert_uint_eq(mms_crc32_except(7, bytes, 10000, 0, 10000), mms_crc32(7, zeros, 10000));
	for (size_t len = 250; len < 520; len++)
		ck_assert_uint_eq(mms_crc32_except(7, bytes, 1000, 3, len),
				  mms_crc32(mms_crc32(mms_crc32(7, bytes, 3), zeros, len),
					    bytes + 3 + len, 1000 - 3 - len));
	ck_assert_uint_eq(mms_crc32_except(7, NULL, 0, 0, 4), 7);
}
END_TEST

/* --------------------------------------------------------------- threads */

static void *compute(void *arg)
{
	uintptr_t same = 1;

	for (int i = 0; i < 200; i++)
		same &= mms_crc32(0, bytes, 5000) == *(uint32_t *)arg;
	return (void *)same;
}

START_TEST(threads)
{
	pthread_t thread[4];
	uint32_t crc;

	start_random();
	draw_bytes();
	crc = reference(0, bytes, 5000);
	for (int i = 0; i < 4; i++)
		T_ASSERT_OK(pthread_create(&thread[i], NULL, compute, &crc));
	for (int i = 0; i < 4; i++) {
		void *same;

		pthread_join(thread[i], &same);
		ck_assert_ptr_nonnull(same);
	}
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, known_values);
	tcase_add_test(t, the_engine);
	tcase_add_test(t, every_short_length_and_alignment);
	tcase_add_test(t, random_lengths_and_alignments);
	tcase_add_test(t, goes_on_from_a_part);
	tcase_add_test(t, combining_splits);
	tcase_add_test(t, combining_huge_lengths);
	tcase_add_test(t, except_every_hole);
	tcase_add_test(t, except_far_and_large_holes);
	tcase_add_test(t, threads);
}

int main(void)
{
	return t_run("crc", add_tests);
}

/* SPDX-License-Identifier: MIT */
/* Proves that the CRC is zlib's, whatever computes it, at any length and alignment. */
#include "helper.h"

#include <zlib.h>

#include "arith.h"

START_TEST(known_values)
{
	ck_assert_uint_eq(mms_crc32(0, "hello", 5), 0x3610a686u);
	ck_assert_uint_eq(mms_crc32(0, "123456789", 9), 0xcbf43926u);
	ck_assert_uint_eq(mms_crc32(0, "", 0), 0);
	ck_assert_uint_eq(mms_crc32(0x12345678, NULL, 0), 0x12345678);
	ck_assert(!strcmp(mms_crc32_engine(), "zlib") || !strcmp(mms_crc32_engine(), "isa-l"));
}
END_TEST

START_TEST(equals_zlib)
{
	static unsigned char buf[70000];
	uint64_t random = 7;

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (unsigned char)u64_mix(i);
	for (int i = 0; i < 3000; i++) {
		size_t at, len;
		uint32_t start;

		random = u64_mix(random + (uint64_t)i);
		at = random % 100;
		len = (random >> 8) % (i % 10 ? 600 : sizeof(buf) - 100);
		start = (uint32_t)(random >> 32);
		ck_assert_uint_eq(mms_crc32(start, buf + at, len),
				  crc32(start, buf + at, (unsigned)len));
	}
}
END_TEST

START_TEST(goes_on_from_a_part)
{
	static unsigned char buf[5000];

	t_pattern(buf, sizeof(buf), 0);
	for (size_t cut = 0; cut <= sizeof(buf); cut += 61)
		ck_assert_uint_eq(mms_crc32(mms_crc32(0, buf, cut), buf + cut, sizeof(buf) - cut),
				  mms_crc32(0, buf, sizeof(buf)));
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, known_values);
	tcase_add_test(t, equals_zlib);
	tcase_add_test(t, goes_on_from_a_part);
}

int main(void)
{
	return t_run("crc", add_tests);
}

/* SPDX-License-Identifier: MIT */
/* Proves that inline readers do what the functions do. A program of its own, with the shared
 * library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../marks.h"
#include "mmapstore-inline.h"

#define SIZE 200000u
#define CHUNK (1u << 20)

static unsigned char byte_of(uint64_t offset)
{
	return (unsigned char)(offset * 167 + (offset >> 8) * 3 + 1);
}

static uint64_t number_of(uint64_t offset, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | byte_of(offset + i);
	return v;
}

static char path[] = "/tmp/mmapstore-inline-XXXXXX";
static struct mms_pool *pool;
static struct mms_view view;

static void set_up(uint64_t size, enum mms_io io)
{
	const struct mms_pool_options pool_options = {.chunk_shift = 20, .small_bytes = 1};
	const struct mms_file_options options = {.io = io};
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");
	struct mms_file *file;

	ck_assert_ptr_nonnull(f);
	for (uint64_t i = 0; i < size; i++)
		(void)fputc(byte_of(i), f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(mms_pool_new(&pool_options, &pool, NULL), 0);
	ck_assert_int_eq(mms_open(pool, path, &options, &file, NULL), 0);
	ck_assert_int_eq(mms_view_init(&view, file), 0);
	mms_close(file);
}

static void tear_down(void)
{
	mms_view_release(&view);
	mms_pool_free(pool);
	(void)unlink(path);
}

static int at(unsigned bytes, uint64_t pos, uint64_t *ret_v)
{
	uint64_t u64 = 7;
	uint32_t u32 = 7;
	uint16_t u16 = 7;
	uint8_t u8 = 7;
	int r = bytes == 1   ? mms_view_u8_at(&view, pos, &u8)
		: bytes == 2 ? mms_view_u16_at(&view, pos, &u16)
		: bytes == 4 ? mms_view_u32_at(&view, pos, &u32)
			     : mms_view_u64_at(&view, pos, &u64);

	*ret_v = bytes == 1 ? u8 : bytes == 2 ? u16 : bytes == 4 ? u32 : u64;
	return r;
}

static int on(unsigned bytes, uint64_t *ret_v)
{
	uint64_t u64 = 7;
	uint32_t u32 = 7;
	uint16_t u16 = 7;
	uint8_t u8 = 7;
	int r = bytes == 1   ? mms_view_u8(&view, &u8)
		: bytes == 2 ? mms_view_u16(&view, &u16)
		: bytes == 4 ? mms_view_u32(&view, &u32)
			     : mms_view_u64(&view, &u64);

	*ret_v = bytes == 1 ? u8 : bytes == 2 ? u16 : bytes == 4 ? u32 : u64;
	return r;
}

/* Over the border of two chunks, and where pread(2) is used. */
START_TEST(numbers)
{
	uint64_t size = CHUNK + 100;
	uint64_t v;

	set_up(size, _i ? MMS_IO_PREAD : MMS_IO_MMAP);
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
		for (uint64_t pos = CHUNK - 50; pos < size + 3; pos++) {
			bool fits = pos + bytes <= size;

			ck_assert_int_eq(at(bytes, pos, &v), fits ? 0 : -MMS_EBOUNDS);
			ck_assert_uint_eq(v, fits ? number_of(pos, bytes) : 7);
			if (mms_view_seek(&view, pos))
				continue;
			ck_assert_int_eq(on(bytes, &v), fits ? 0 : -MMS_EBOUNDS);
			ck_assert_uint_eq(v, fits ? number_of(pos, bytes) : 7);
			ck_assert_uint_eq(mms_view_position(&view), pos + (fits ? bytes : 0));
		}
		ck_assert_int_eq(at(bytes, UINT64_MAX, &v), -MMS_EBOUNDS);
		ck_assert_int_eq(at(bytes, UINT64_MAX - 3, &v), -MMS_EBOUNDS);
	}
	tear_down();
}
END_TEST

START_TEST(a_fault_is_survived)
{
	struct mms_stats before, after;
	uint64_t v;

	set_up(SIZE, MMS_IO_MMAP);
	ck_assert_int_eq(at(8, 0, &v), 0);
	ck_assert_int_eq(truncate(path, 65536), 0);
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
		mms_pool_stats(pool, &before);
		ck_assert_int_eq(at(bytes, 100000, &v), -MMS_ETRUNCATED);
		ck_assert_uint_eq(v, 7);
		mms_pool_stats(pool, &after);
#ifdef MMS_INLINE_LOADS
		/* Here, in the function, and in the copy that follows. */
		ck_assert_uint_eq(after.faults - before.faults, 3);
#endif
		ck_assert_int_eq(mms_view_seek(&view, 65536), 0);
		ck_assert_int_eq(on(bytes, &v), -MMS_ETRUNCATED);
		ck_assert_uint_eq(mms_view_position(&view), 65536);
		ck_assert_int_eq(at(bytes, 65536 - bytes, &v), 0);
		ck_assert_uint_eq(v, number_of(65536 - bytes, bytes));
	}
	tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inline");
	TCase *tcase = tcase_create("inline");

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, numbers, 0, 2);
	tcase_add_test(tcase, a_fault_is_survived);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}

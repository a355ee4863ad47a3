/* SPDX-License-Identifier: MIT */
/* Proves that typed access checks alignment and bounds exactly, and looks the size up only then. */
#include "helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arith.h"
#include "bytes.h"

#define SHIFT 20u
#define CHUNK (1u << SHIFT)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct mms_file_options mapped = {
	.mode = MMS_RDWR, .io = MMS_IO_MMAP, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options stored = {
	.mode = MMS_RDWR, .io = MMS_IO_MMAP, .put = MMS_PUT_MMAP, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options plain = {
	.mode = MMS_RDWR, .io = MMS_IO_PREAD, .put = MMS_PUT_PWRITE, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options cow = {.mode = MMS_COW, .io = MMS_IO_MMAP};
static const struct mms_file_options cow_plain = {.mode = MMS_COW, .io = MMS_IO_PREAD};
static const struct mms_file_options *const ways[] = {&mapped, &stored, &plain, &cow, &cow_plain};

static unsigned calls(void)
{
	unsigned n = 0;

	for (int i = 0; i < CALLS; i++)
		n += t_call[i].made;
	return n;
}

/* --------------------------------------------------------------- numbers */

static int get(struct mms_file *file, unsigned width, uint64_t offset, uint64_t *ret_value)
{
	uint8_t v8 = 0x5a;
	uint16_t v16 = 0x5a5a;
	uint32_t v32 = 0x5a5a5a5a;
	uint64_t v64 = 0x5a5a5a5a5a5a5a5a;
	int r;

	switch (width) {
	case 1:
		r = mms_get_u8(file, offset, &v8);
		*ret_value = v8;
		break;
	case 2:
		r = mms_get_u16(file, offset, &v16);
		*ret_value = v16;
		break;
	case 4:
		r = mms_get_u32(file, offset, &v32);
		*ret_value = v32;
		break;
	default:
		r = mms_get_u64(file, offset, &v64);
		*ret_value = v64;
	}
	/* Outputs of a failed call are as they were. */
	if (r)
		ck_assert_uint_eq(*ret_value, 0x5a5a5a5a5a5a5a5a >> (64 - 8 * width));
	return r;
}

static int put(struct mms_file *file, unsigned width, uint64_t offset, uint64_t value)
{
	switch (width) {
	case 1:
		return mms_put_u8(file, offset, (uint8_t)value);
	case 2:
		return mms_put_u16(file, offset, (uint16_t)value);
	case 4:
		return mms_put_u32(file, offset, (uint32_t)value);
	default:
		return mms_put_u64(file, offset, value);
	}
}

static uint64_t pattern_number(unsigned width, uint64_t offset)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < width; i++)
		v |= (uint64_t)t_byte(offset + i) << (8 * i);
	return v;
}

static int expected(unsigned width, uint64_t offset, uint64_t size)
{
	if (offset % width)
		return -MMS_EALIGN;
	return offset < size && size - offset >= width ? 0 : -MMS_EBOUNDS;
}

static void check_number(struct mms_file *file, unsigned width, uint64_t offset, uint64_t size)
{
	int r = expected(width, offset, size);
	uint64_t v;

	ck_assert_int_eq(get(file, width, offset, &v), r);
	if (!r)
		ck_assert_uint_eq(v, pattern_number(width, offset));
	ck_assert_int_eq(put(file, width, offset, ~pattern_number(width, offset)), r);
	if (r)
		return;
	ck_assert_int_eq(get(file, width, offset, &v), 0);
	ck_assert_uint_eq(v, ~pattern_number(width, offset) & ~0ULL >> (64 - 8 * width));
	ck_assert_int_eq(put(file, width, offset, pattern_number(width, offset)), 0);
}

START_TEST(numbers_at_borders)
{
	static const uint64_t sizes[] = {0,    1,         2,     7,         8,         9,
					 4096, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK + 8, 2 * CHUNK};
	static const uint64_t at[] = {0,
				      1,
				      2,
				      3,
				      4,
				      5,
				      8,
				      4088,
				      4095,
				      4096,
				      CHUNK - 8,
				      CHUNK - 1,
				      CHUNK,
				      CHUNK + 1,
				      CHUNK + 2,
				      2 * CHUNK - 8,
				      2 * CHUNK,
				      INT32_MAX,
				      1ULL << 31,
				      UINT32_MAX,
				      1ULL << 32,
				      INT64_MAX - 7,
				      INT64_MAX,
				      1ULL << 63,
				      (1ULL << 63) + 1,
				      UINT64_MAX - 7,
				      UINT64_MAX - 1,
				      UINT64_MAX};
	const struct mms_file_options *o = ways[_i];
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct mms_file *file = t_open(pool, t_fill("f", sizes[i]), o);
		size_t first = (size_t)u64_min(sizes[i], 4096);
		unsigned char buf[4096];

		for (size_t j = 0; j < COUNT(at); j++) {
			for (unsigned width = 1; width <= 8; width *= 2)
				check_number(file, width, at[j], sizes[i]);
		}
		/* Nothing was extended, nothing else was written. */
		ck_assert_uint_eq(t_size_of(t_path("f")), sizes[i]);
		T_ASSERT_OK(mms_get_array(file, 0, buf, first, 1, 1));
		t_check(buf, first, 0);
		T_ASSERT_OK(mms_close(file));
	}
	mms_pool_free(pool);
}
END_TEST

START_TEST(little_endian_in_the_file)
{
	static const unsigned char bytes[16] = {0x11, 0,    0x33, 0x22, 0x77, 0x66, 0x55, 0x44,
						0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88};
	const struct mms_file_options *o = ways[_i];
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file;
	unsigned char buf[16];

	ck_assert(t_sparse("f", 16));
	file = t_open(pool, t_path("f"), o);
	T_ASSERT_OK(mms_put_u8(file, 0, 0x11));
	T_ASSERT_OK(mms_put_u16(file, 2, 0x2233));
	T_ASSERT_OK(mms_put_u32(file, 4, 0x44556677));
	T_ASSERT_OK(mms_put_u64(file, 8, 0x8899aabbccddeeff));
	ck_assert_int_eq(mms_read(file, buf, 16, 0), 16);
	ck_assert_int_eq(memcmp(buf, bytes, 16), 0);
	/* In the file too, but for changes that are private. */
	ck_assert_int_eq(pread(mms_fd(file), buf, 16, 0), 16);
	ck_assert_int_eq(memcmp(buf, bytes, 16) == 0, o->mode == MMS_RDWR);
	T_ASSERT_OK(mms_close(file));
	mms_pool_free(pool);
}
END_TEST

/* Past 2^31, 2^32 and at the end of a file that cannot be mapped there. */
START_TEST(far_numbers)
{
	static const uint64_t at[] = {(1ULL << 31) - 8, 1ULL << 31,   (1ULL << 32) - 8,
				      1ULL << 32,       6 * GIB - 16, 6 * GIB - 8};
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);
	struct mms_file *file;
	struct mms_pin pin;
	uint64_t v = 1;
	uint8_t b = 1;
	int fd = memfd_create("end", MFD_CLOEXEC);

	ck_assert(t_sparse("far", 6 * GIB));
	file = t_open(pool, t_path("far"), &stored);
	for (size_t i = 0; i < COUNT(at); i++)
		T_ASSERT_OK(mms_put_u64(file, at[i], at[i] + 1));
	for (size_t i = 0; i < COUNT(at); i++) {
		T_ASSERT_OK(mms_get_u64(file, at[i], &v));
		ck_assert_uint_eq(v, at[i] + 1);
	}
	ck_assert_int_eq(mms_get_u64(file, 6 * GIB, &v), -MMS_EBOUNDS);
	T_ASSERT_OK(mms_close(file));

	ck_assert_int_eq(ftruncate(fd, INT64_MAX), 0);
	T_ASSERT_OK(mms_adopt(pool, fd, "end", &mapped, &file, NULL));
	T_ASSERT_OK(mms_get_u8(file, INT64_MAX - 1, &b));
	ck_assert_uint_eq(b, 0);
	ck_assert_int_eq(mms_get_u8(file, INT64_MAX, &b), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_get_u64(file, INT64_MAX - 7, &v), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_put_u8(file, INT64_MAX, 1), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_ref_array(file, INT64_MAX - 1, 1, 1, 1, 0, &pin), -EOVERFLOW);
	ck_assert_int_eq(mms_ref_array(file, INT64_MAX - 70000, 70000, 1, 1, 0, &pin), -EOVERFLOW);
	T_ASSERT_OK(mms_close(file));
	mms_pool_free(pool);
}
END_TEST

/* ---------------------------------------------------------------- arrays */

static const struct {
	uint64_t offset;
	size_t count, size, align;
	int r;
} cases[] = {
	{0, 1, 8, 0, -EINVAL},
	{0, 1, 8, 3, -EINVAL},
	{UINT64_MAX, SIZE_MAX, SIZE_MAX, 6, -EINVAL},
	{1, 1, 8, 2, -MMS_EALIGN},
	{4, 1, 8, 8, -MMS_EALIGN},
	{UINT64_MAX, SIZE_MAX, SIZE_MAX, 2, -MMS_EALIGN},
	{0, SIZE_MAX, 2, 1, -MMS_EBOUNDS},
	{0, SIZE_MAX / 2 + 1, 2, 1, -MMS_EBOUNDS}, /* 2^64 bytes */
	{0, SIZE_MAX, 1, 1, -MMS_EBOUNDS},
	{16, SIZE_MAX, 1, 1, -MMS_EBOUNDS}, /* the end wraps */
	{UINT64_MAX, 1, 1, 1, -MMS_EBOUNDS},
	{4096, 1, 1, 1, -MMS_EBOUNDS},
	{4095, 2, 1, 1, -MMS_EBOUNDS},
	{4092, 1, 8, 4, -MMS_EBOUNDS},
	{4097, 0, 1, 1, -MMS_EBOUNDS},
	{UINT64_MAX, 0, 0, 1, -MMS_EBOUNDS},
	{4096, 0, 8, 8, 0},
	{0, 5, 0, 1, 0},
	{0, 1, 8, SIZE_MAX / 2 + 1, 0},
};

START_TEST(array_arguments)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4096), &mapped);
	unsigned char buf[8];
	struct mms_pin pin = {.len = 99};

	memset(buf, 0x5a, sizeof(buf));
	for (size_t i = 0; i < COUNT(cases); i++) {
		const uint64_t at = cases[i].offset;
		const size_t n = cases[i].count, size = cases[i].size, align = cases[i].align;

		ck_assert_int_eq(mms_get_array(file, at, buf, n, size, align), cases[i].r);
		if (cases[i].r)
			ck_assert_uint_eq(buf[0], 0x5a);
		ck_assert_int_eq(mms_put_array(file, at, buf, n, size, align), cases[i].r);
		ck_assert_int_eq(mms_ref_array(file, at, n, size, align, 0, &pin), cases[i].r);
		if (!cases[i].r) {
			ck_assert_uint_eq(pin.len, n * size);
			mms_unpin(&pin);
			pin.len = 99;
		}
		ck_assert_uint_eq(pin.len, 99);
	}
	ck_assert_int_eq(mms_ref_array(file, 1, 1, 1, 3, 4, &pin), -EINVAL);
	ck_assert_uint_eq(t_size_of(t_path("f")), 4096);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(read_only)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4096), NULL);
	struct mms_pin pin;
	uint64_t v;

	ck_assert_int_eq(mms_put_u8(file, 0, 1), -EBADF);
	ck_assert_int_eq(mms_put_u64(file, UINT64_MAX, 1), -EBADF);
	ck_assert_int_eq(mms_put_array(file, 1, "", 1, 8, 3), -EBADF);
	ck_assert_int_eq(mms_ref_array(file, 0, 1, 8, 8, MMS_PIN_WRITE, &pin), -EBADF);
	T_ASSERT_OK(mms_get_u64(file, 0, &v));
	ck_assert_uint_eq(v, pattern_number(8, 0));
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(arrays_across_chunks)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), ways[_i]);
	static unsigned char buf[2 * CHUNK + 100];

	for (int i = 0; i < 2; i++) { /* not mapped yet, and mapped */
		T_ASSERT_OK(mms_get_array(file, CHUNK - 50, buf, 100, 1, 1));
		t_check(buf, 100, CHUNK - 50);
	}
	T_ASSERT_OK(mms_get_array(file, CHUNK - 52, buf, (2 * CHUNK + 52) / 4, 4, 4));
	t_check(buf, 2 * CHUNK + 52, CHUNK - 52);
	memset(buf, 0xee, sizeof(buf));
	T_ASSERT_OK(mms_put_array(file, CHUNK - 50, buf, 50, 2, 2));
	memset(buf, 0, sizeof(buf));
	T_ASSERT_OK(mms_get_array(file, CHUNK - 60, buf, 120, 1, 1));
	t_check(buf, 10, CHUNK - 60);
	for (int i = 10; i < 110; i++)
		ck_assert_uint_eq(buf[i], 0xee);
	t_check(buf + 110, 10, CHUNK + 50);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(references)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK + 10), &mapped);
	struct mms_pin pin = {.len = 99};
	uint64_t v = 0x123456789abcdef;

	T_ASSERT_OK(mms_ref_array(file, CHUNK - 16, 2, 8, 8, 0, &pin));
	ck_assert_uint_eq(pin.len, 16);
	ck_assert_uint_eq((uintptr_t)pin.addr % 8, 0);
	t_check(pin.addr, 16, CHUNK - 16);
	mms_unpin(&pin);
	T_ASSERT_OK(mms_ref_array(file, CHUNK, 1, CHUNK, 4096, 0, &pin));
	ck_assert_uint_eq((uintptr_t)pin.addr % 4096, 0);
	t_check(pin.addr, CHUNK, CHUNK);
	mms_unpin(&pin);
	T_ASSERT_OK(mms_ref_array(file, 2 * CHUNK, 10, 1, 1, 0, &pin));
	mms_unpin(&pin);
	ck_assert_int_eq(mms_ref_array(file, 2 * CHUNK, 11, 1, 1, 0, &pin), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_ref_array(file, CHUNK - 8, 2, 8, 8, 0, &pin), -MMS_ESPLIT);
	ck_assert_int_eq(mms_ref_array(file, 0, CHUNK + 1, 1, 1, 0, &pin), -MMS_ESPLIT);
	T_ASSERT_OK(mms_ref_array(file, 8, 1, 8, 8, MMS_PIN_WRITE, &pin));
	memcpy(pin.addr, &v, 8);
	mms_mark_dirty(file, 8, 8);
	mms_unpin(&pin);
	v = 0;
	T_ASSERT_OK(mms_get_array(file, 8, &v, 1, 8, _Alignof(uint64_t)));
	ck_assert_uint_eq(v, 0x123456789abcdef);
	mms_close(file);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}
END_TEST

/* One that is refused keeps nothing pinned: the only chunk of the budget can go. */
START_TEST(a_refused_reference_holds_nothing)
{
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK), &mapped);
	struct mms_pin pin;

	ck_assert_int_eq(mms_ref_array(file, CHUNK - 8, 2, 8, 8, 0, &pin), -MMS_ESPLIT);
	T_ASSERT_OK(mms_ref_array(file, 2 * CHUNK, 2, 8, 8, 0, &pin));
	ck_assert_int_eq(mms_ref_array(file, 0, 1, 8, 8, 0, &(struct mms_pin){0}), -EBUSY);
	mms_unpin(&pin);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* What is mapped too short for a file that has grown is -EBUSY while it is
 * pinned, and not a matter of chunks. */
START_TEST(reference_to_what_grew_under_a_pin)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 100), &mapped);
	struct mms_pin held, pin;

	T_ASSERT_OK(mms_pin(file, 0, 1, 0, &held));
	T_ASSERT_OK(mms_resize(file, CHUNK));
	ck_assert_int_eq(mms_ref_array(file, 65536 - 8, 2, 8, 8, 0, &pin), -EBUSY);
	mms_unpin(&held);
	T_ASSERT_OK(mms_ref_array(file, 65536 - 8, 2, 8, 8, 0, &pin));
	ck_assert_uint_eq(pin.len, 16);
	mms_unpin(&pin);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* --------------------------------------------------- what is looked up */

START_TEST(a_mapped_number_costs_no_call)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", CHUNK), &mapped);
	struct mms_pin pin;
	unsigned before, looks;
	uint64_t v;

	T_ASSERT_OK(mms_get_u64(file, CHUNK - 8, &v));
	before = calls();
	for (uint64_t at = 0; at < CHUNK; at += 4096) {
		T_ASSERT_OK(mms_get_u64(file, at, &v));
		ck_assert_uint_eq(v, pattern_number(8, at));
		T_ASSERT_OK(mms_ref_array(file, at, 8, 8, 8, 0, &pin));
		mms_unpin(&pin);
	}
	ck_assert_uint_eq(calls(), before);
	ck_assert_uint_eq(t_stats(pool).reads_pread, 0);
	/* Past the end it is looked up each time. */
	looks = t_call[CALL_FSTAT].made;
	ck_assert_int_eq(mms_get_u64(file, CHUNK, &v), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_get_u64(file, CHUNK, &v), -MMS_EBOUNDS);
	ck_assert_uint_eq(t_call[CALL_FSTAT].made, looks + 2);
	ck_assert_uint_eq(calls(), before + 2);
	/* Growth beneath shows at once, and is then known. */
	ck_assert_int_eq(truncate(t_path("f"), CHUNK + 4096), 0);
	T_ASSERT_OK(mms_ref_array(file, CHUNK, 8, 8, 8, 0, &pin));
	mms_unpin(&pin);
	before = calls();
	T_ASSERT_OK(mms_get_u64(file, CHUNK + 4088, &v));
	ck_assert_uint_eq(calls(), before);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(cut_off_beneath)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", CHUNK);
	struct mms_file *file = t_open(pool, path, &stored);
	unsigned char buf[64];
	uint64_t v = 7;

	T_ASSERT_OK(mms_get_u64(file, CHUNK - 8, &v));
	ck_assert_int_eq(truncate(path, 5000), 0);
	/* The rest of the last page, mapped, is zeros; the pages after it are gone. */
	T_ASSERT_OK(mms_get_u64(file, 5000, &v));
	ck_assert_uint_eq(v, 0);
	v = 7;
	ck_assert_int_eq(mms_get_u64(file, 8192, &v), -MMS_ETRUNCATED);
	ck_assert_uint_eq(v, 7);
	ck_assert_uint_eq(t_stats(pool).faults, 1);
	/* From then on it is known. */
	ck_assert_int_eq(mms_get_u64(file, 8192, &v), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_get_u64(file, 5000, &v), -MMS_EBOUNDS);
	ck_assert_uint_eq(t_stats(pool).faults, 1);
	T_ASSERT_OK(mms_get_u64(file, 4992, &v));
	ck_assert_uint_eq(v, pattern_number(8, 4992));
	/* An array that begins inside. */
	ck_assert_int_eq(truncate(path, CHUNK), 0);
	T_ASSERT_OK(mms_get_array(file, CHUNK - 64, buf, 64, 1, 1));
	ck_assert_int_eq(truncate(path, 4096), 0);
	ck_assert_int_eq(mms_get_array(file, 4064, buf, 64, 1, 1), -MMS_ETRUNCATED);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(cut_off_beneath_unmapped)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 8192);
	struct mms_file *file = t_open(pool, path, &plain);
	unsigned char buf[64];
	uint64_t v;

	T_ASSERT_OK(mms_get_u64(file, 8184, &v));
	ck_assert_int_eq(truncate(path, 5000), 0);
	ck_assert_int_eq(mms_get_array(file, 4992, buf, 64, 1, 1), -MMS_ETRUNCATED);
	ck_assert_int_eq(mms_get_u64(file, 8184, &v), -MMS_ETRUNCATED);
	T_ASSERT_OK(mms_get_u64(file, 4992, &v));
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* A put must not make a file longer that somebody has cut off. */
START_TEST(put_into_what_was_cut_off)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", CHUNK);
	struct mms_file *file = t_open(pool, path, ways[_i]);
	unsigned char buf[64] = {0};
	uint64_t v;

	T_ASSERT_OK(mms_get_u64(file, CHUNK - 8, &v));
	T_ASSERT_OK(mms_put_u64(file, CHUNK - 8, v));
	ck_assert_int_eq(truncate(path, 5000), 0);
	ck_assert_int_eq(mms_put_u64(file, 5000, 1), -MMS_EBOUNDS);
	ck_assert_int_eq(truncate(path, CHUNK), 0);
	T_ASSERT_OK(mms_get_u64(file, CHUNK - 8, &v));
	ck_assert_int_eq(truncate(path, 5000), 0);
	ck_assert_int_eq(mms_put_array(file, 4992, buf, 64, 1, 1), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_put_u64(file, CHUNK - 8, 1), -MMS_EBOUNDS);
	ck_assert_uint_eq(t_size_of(path), 5000);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(resize_is_known_at_once)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", CHUNK), &mapped);
	uint64_t v;

	T_ASSERT_OK(mms_get_u64(file, CHUNK - 8, &v));
	T_ASSERT_OK(mms_resize(file, 4096));
	ck_assert_int_eq(mms_get_u64(file, CHUNK - 8, &v), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_get_u64(file, 4096, &v), -MMS_EBOUNDS);
	T_ASSERT_OK(mms_get_u64(file, 4088, &v));
	T_ASSERT_OK(mms_resize(file, CHUNK));
	T_ASSERT_OK(mms_get_u64(file, 4096, &v));
	ck_assert_uint_eq(v, 0);
	ck_assert_uint_eq(t_stats(pool).faults, 0);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static struct mms_file *race_file;
static bool resize_in_fstat;

static int resizing_fstat(int fd, struct stat *st)
{
	int r = mms_sys_default.fstat(fd, st);

	if (resize_in_fstat) {
		resize_in_fstat = false;
		T_ASSERT_OK(mms_resize(race_file, 100));
	}
	return r;
}

/* A resize between the look at the size and its being remembered. */
START_TEST(a_look_that_a_resize_overtakes)
{
	struct mms_sys sys = mms_sys_default;
	const struct mms_pool_options options = {.chunk_shift = SHIFT, .small_bytes = 1};
	struct mms_pool *pool;
	uint64_t v;

	sys.fstat = resizing_fstat;
	T_ASSERT_OK(mms_pool_new_on(&sys, &options, &pool, NULL));
	race_file = t_open(pool, t_fill("f", 8192), &mapped);
	resize_in_fstat = true;
	T_ASSERT_OK(mms_file_size_learn(race_file, &v));
	ck_assert_uint_eq(v, 8192); /* as it was */
	ck_assert_uint_le(atomic_load(&race_file->known_size), 100);
	T_ASSERT_OK(mms_resize(race_file, 8192));
	resize_in_fstat = true;
	ck_assert_int_eq(mms_get_u64(race_file, 8000, &v), -MMS_ETRUNCATED);
	ck_assert(!resize_in_fstat);
	ck_assert_uint_le(atomic_load(&race_file->known_size), 100);
	ck_assert_int_eq(mms_get_u64(race_file, 8000, &v), -MMS_EBOUNDS);
	T_ASSERT_OK(mms_get_u64(race_file, 88, &v));
	mms_close(race_file);
	mms_pool_free(pool);
}
END_TEST

/* -------------------------------------------------------------- failures */

START_TEST(small_and_unmappable_files)
{
	const struct mms_pool_options small = {.chunk_shift = SHIFT};
	struct mms_file_options o = mapped;
	struct mms_pool *pool;
	struct mms_file *file;
	struct mms_pin pin;
	uint64_t v;

	o.io = MMS_IO_AUTO;
	T_ASSERT_OK(mms_pool_new(&small, &pool, NULL));
	file = t_open(pool, t_fill("small", 4096), &o);
	T_ASSERT_OK(mms_get_u64(file, 8, &v));
	ck_assert_uint_eq(v, pattern_number(8, 8));
	ck_assert_uint_eq(t_stats(pool).chunk_maps, 0);
	ck_assert_int_eq(mms_ref_array(file, 0, 1, 8, 8, MMS_PIN_AUTO, &pin), -EOPNOTSUPP);
	T_ASSERT_OK(mms_ref_array(file, 0, 1, 8, 8, 0, &pin));
	ck_assert_uint_eq(t_stats(pool).chunk_maps, 1);
	mms_unpin(&pin);
	mms_close(file);
	mms_pool_free(pool);

	pool = t_pool(SHIFT, 0, 0);
	file = t_open(pool, t_fill("f", CHUNK), &stored);
	t_fail(CALL_MMAP, -ENODEV, 0, -1);
	T_ASSERT_OK(mms_put_u64(file, 4096, 77));
	T_ASSERT_OK(mms_get_u64(file, 4096, &v));
	ck_assert_uint_eq(v, 77);
	ck_assert_int_eq(mms_ref_array(file, 0, 1, 8, 8, 0, &pin), -ENODEV);
	ck_assert_uint_gt(t_stats(pool).reads_pread, 0);
	t_fail(CALL_MMAP, 0, 0, 0);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(failing_calls)
{
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), &plain);
	unsigned char buf[1000] = {0};
	struct mms_pin pin = {.len = 99}, held;
	uint64_t v = 7;

	t_fail(CALL_FSTAT, -EIO, 0, -1);
	ck_assert_int_eq(mms_get_u64(file, 0, &v), -EIO);
	ck_assert_int_eq(mms_put_u64(file, 0, 1), -EIO);
	ck_assert_int_eq(mms_get_array(file, 0, buf, 1, 8, 8), -EIO);
	ck_assert_int_eq(mms_put_array(file, 0, buf, 1, 8, 8), -EIO);
	ck_assert_int_eq(mms_ref_array(file, 0, 1, 8, 8, 0, &pin), -EIO);
	t_fail(CALL_FSTAT, 0, 0, 0);
	t_fail(CALL_PREAD, -EIO, 0, 1);
	ck_assert_int_eq(mms_get_u64(file, 0, &v), -EIO);
	ck_assert_uint_eq(v, 7);
	t_fail(CALL_PREAD, -EINTR, 0, 2);
	T_ASSERT_OK(mms_get_u64(file, 0, &v));
	t_fail(CALL_PWRITE, -ENOSPC, 0, 1);
	ck_assert_int_eq(mms_put_u64(file, 0, 1), -ENOSPC);
	T_ASSERT_OK(mms_get_u64(file, 0, &v));
	ck_assert_uint_eq(v, pattern_number(8, 0));
	/* Part is written, then the disk is full: the reason, not the count. */
	t_short_io = 100;
	t_fail(CALL_PWRITE, -ENOSPC, 3, -1);
	ck_assert_int_eq(mms_put_array(file, 0, buf, 1000, 1, 1), -ENOSPC);
	t_fail(CALL_PWRITE, 0, 0, 0);
	t_fail(CALL_PREAD, -EIO, 3, -1);
	ck_assert_int_eq(mms_get_array(file, 0, buf, 1000, 1, 1), -EIO);
	t_fail(CALL_PREAD, 0, 0, 0);
	T_ASSERT_OK(mms_put_array(file, 0, buf, 1000, 1, 1));
	t_short_io = 0;
	/* All of the budget is pinned. */
	T_ASSERT_OK(mms_ref_array(file, 0, 1, 8, 8, 0, &held));
	ck_assert_int_eq(mms_ref_array(file, CHUNK, 1, 8, 8, 0, &pin), -EBUSY);
	mms_unpin(&held);
	t_fail(CALL_MMAP, -EPERM, 0, 1);
	ck_assert_int_eq(mms_ref_array(file, CHUNK, 1, 8, 8, 0, &pin), -EPERM);
	ck_assert_uint_eq(pin.len, 99);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static ssize_t zero_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	(void)fd;
	(void)buf;
	(void)len;
	(void)offset;
	return 0;
}

START_TEST(a_write_that_gets_nowhere)
{
	struct mms_sys sys = mms_sys_default;
	struct mms_pool *pool;
	struct mms_file *file;

	sys.pwrite = zero_pwrite;
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	file = t_open(pool, t_fill("f", 100), &plain);
	ck_assert_int_eq(mms_put_u64(file, 0, 1), -EIO);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(puts_obey_the_sync_mode)
{
	const struct mms_file_options immediate = {.mode = MMS_RDWR, .io = MMS_IO_MMAP};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", CHUNK), &immediate);

	T_ASSERT_OK(mms_put_u32(file, 0, 1));
	ck_assert_uint_eq(t_call[CALL_FDATASYNC].made, 1);
	t_fail(CALL_FDATASYNC, -EIO, 0, 1);
	ck_assert_int_eq(mms_put_u32(file, 0, 2), -EIO);
	mms_close(file);
	file = t_open(pool, t_path("f"), &mapped);
	ck_assert(!mms_is_dirty(file));
	T_ASSERT_OK(mms_put_u32(file, 0, 1));
	ck_assert(mms_is_dirty(file));
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* --------------------------------------------------- threads, processes */

static _Atomic uint64_t wrong;
static atomic_bool stop;

/* Two numbers that are stored in one piece: never half of each. */
#define ONE 0x1111111122222222u
#define TWO 0xaaaaaaaabbbbbbbbu

static void *flip(void *arg)
{
	uint64_t at = 64 + 8 * (uintptr_t)arg;

	for (int i = 0; i < 3000; i++) {
		uint64_t v = 0;

		if (mms_put_u64(race_file, 0, i & 1 ? ONE : TWO) ||
		    mms_put_u64(race_file, at, (uint64_t)i) || mms_get_u64(race_file, at, &v) ||
		    v != (uint64_t)i)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

static void *look(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		uint64_t v = 0;

		if (mms_get_u64(race_file, 0, &v) || (v != ONE && v != TWO))
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

START_TEST(threads)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	pthread_t flips[2], looks[2];

	race_file = t_open(pool, t_fill("f", 8192), &stored);
	T_ASSERT_OK(mms_put_u64(race_file, 0, ONE));
	for (uintptr_t i = 0; i < 2; i++) {
		T_ASSERT_OK(pthread_create(&flips[i], NULL, flip, (void *)i));
		T_ASSERT_OK(pthread_create(&looks[i], NULL, look, NULL));
	}
	for (int i = 0; i < 2; i++)
		pthread_join(flips[i], NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(looks[i], NULL);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(t_stats(pool).writes_pwrite, 0);
	mms_close(race_file);
	mms_pool_free(pool);
}
END_TEST

static void *get_beside_resizes(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		uint64_t v = 0;
		int r = mms_get_u64(race_file, 8192, &v);

		if (r ? r != -MMS_EBOUNDS && r != -MMS_ETRUNCATED : v != 0)
			atomic_fetch_add(&wrong, 1);
	}
	return NULL;
}

START_TEST(gets_beside_resizes)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	pthread_t thread[3];

	race_file = t_open(pool, t_fill("f", 100), &mapped);
	for (int i = 0; i < 3; i++)
		T_ASSERT_OK(pthread_create(&thread[i], NULL, get_beside_resizes, NULL));
	for (int i = 0; i < 1000; i++) {
		T_ASSERT_OK(mms_resize(race_file, 100));
		ck_assert_uint_le(atomic_load(&race_file->known_size), 100);
		T_ASSERT_OK(mms_resize(race_file, 16384));
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_eq(wrong, 0);
	mms_close(race_file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(processes)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 8192), &stored);
	uint64_t v;
	int status;
	pid_t pid;

	T_ASSERT_OK(mms_put_u64(file, 0, 1));
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(mms_get_u64(file, 0, &v) || v != 1 || mms_put_u64(file, 8, 2));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	T_ASSERT_OK(mms_get_u64(file, 8, &v));
	ck_assert_uint_eq(v, 2);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	const int n = (int)COUNT(ways);

	tcase_add_loop_test(t, numbers_at_borders, 0, n);
	tcase_add_loop_test(t, little_endian_in_the_file, 0, n);
	tcase_add_test(t, far_numbers);
	tcase_add_test(t, array_arguments);
	tcase_add_test(t, read_only);
	tcase_add_loop_test(t, arrays_across_chunks, 0, n);
	tcase_add_test(t, references);
	tcase_add_test(t, a_refused_reference_holds_nothing);
	tcase_add_test(t, reference_to_what_grew_under_a_pin);
	tcase_add_test(t, a_mapped_number_costs_no_call);
	tcase_add_test(t, cut_off_beneath);
	tcase_add_test(t, cut_off_beneath_unmapped);
	tcase_add_loop_test(t, put_into_what_was_cut_off, 0, n);
	tcase_add_test(t, resize_is_known_at_once);
	tcase_add_test(t, a_look_that_a_resize_overtakes);
	tcase_add_test(t, small_and_unmappable_files);
	tcase_add_test(t, failing_calls);
	tcase_add_test(t, a_write_that_gets_nowhere);
	tcase_add_test(t, puts_obey_the_sync_mode);
	tcase_add_test(t, threads);
	tcase_add_test(t, gets_beside_resizes);
	tcase_add_test(t, processes);
}

int main(void)
{
	return t_run("typed", add_tests);
}

/* SPDX-License-Identifier: MIT */
/* Proves how the window of a view moves: over chunk borders, in small budgets, where none can be.
 */
#include "helper.h"

#include <sys/mman.h>
#include <unistd.h>

#define SHIFT 20u
#define CHUNK (1u << SHIFT)
#define PAGE 4096u

static const struct mms_file_options mapped = {.io = MMS_IO_MMAP};
static const struct mms_file_options unmapped = {.io = MMS_IO_PREAD};

static uint64_t pattern_number(uint64_t offset, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | t_byte(offset + i);
	return v;
}

static void check_u64(struct mms_view *view, uint64_t pos)
{
	uint64_t v;

	T_ASSERT_OK(mms_view_u64_at(view, pos, &v));
	ck_assert_uint_eq(v, pattern_number(view->base + pos, 8));
}

static unsigned all_calls(void)
{
	unsigned n = 0;

	for (int i = 0; i < CALLS; i++)
		n += t_call[i].made;
	return n;
}

/* A file of two chunks with this content around their border. */
static const char *border_file(const void *content, size_t len, uint64_t offset)
{
	const char *path = t_fill("border", 2 * CHUNK);
	FILE *f = fopen(path, "r+");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, (long)offset, SEEK_SET), 0);
	ck_assert_uint_eq(fwrite(content, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
	return path;
}

/* ------------------------------------------------------------------ borders */

START_TEST(numbers_at_every_split)
{
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 1); /* one chunk at a time */
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), _i ? &mapped : &unmapped);
	struct mms_view view;

	T_ASSERT_OK(mms_view_init(&view, file));
	for (unsigned split = 0; split <= 8; split++) {
		uint64_t pos = CHUNK - split;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
		uint8_t u8;

		for (int from = 0; from < 2; from++) {
			/* With the window before and behind the border. */
			T_ASSERT_OK(mms_view_u8_at(&view, from ? 2 * CHUNK - 1 : 0, &u8));
			T_ASSERT_OK(mms_view_u64_at(&view, pos, &u64));
			ck_assert_uint_eq(u64, pattern_number(pos, 8));
			T_ASSERT_OK(mms_view_u8_at(&view, from ? 2 * CHUNK - 1 : 0, &u8));
			T_ASSERT_OK(mms_view_u32_at(&view, pos, &u32));
			ck_assert_uint_eq(u32, pattern_number(pos, 4));
			T_ASSERT_OK(mms_view_u8_at(&view, from ? 2 * CHUNK - 1 : 0, &u8));
			T_ASSERT_OK(mms_view_u16_at(&view, pos, &u16));
			ck_assert_uint_eq(u16, pattern_number(pos, 2));
			T_ASSERT_OK(mms_view_u8_at(&view, pos, &u8));
			ck_assert_uint_eq(u8, t_byte(pos));
		}
		T_ASSERT_OK(mms_view_seek(&view, pos));
		T_ASSERT_OK(mms_view_u64(&view, &u64));
		ck_assert_uint_eq(u64, pattern_number(pos, 8));
		T_ASSERT_OK(mms_view_u32(&view, &u32));
		ck_assert_uint_eq(u32, pattern_number(pos + 8, 4));
		T_ASSERT_OK(mms_view_u16(&view, &u16));
		ck_assert_uint_eq(u16, pattern_number(pos + 12, 2));
		T_ASSERT_OK(mms_view_u8(&view, &u8));
		ck_assert_uint_eq(u8, t_byte(pos + 14));
		ck_assert_uint_eq(mms_view_position(&view), pos + 15);
	}
	ck_assert_uint_eq(t_maps_peak, _i ? 1 : 0);
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(varints_at_every_split)
{
	static const unsigned char longest[] = {0xff, 0xff, 0xff, 0xff, 0xff,
						0xff, 0xff, 0xff, 0xff, 0x01};
	static const unsigned char five[] = {0xff, 0xff, 0xff, 0xff, 0x0f};
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 1);

	for (unsigned split = 0; split <= sizeof(longest); split++) {
		struct mms_file *file =
			t_open(pool, border_file(longest, sizeof(longest), CHUNK - split), &mapped);
		struct mms_view view;
		uint64_t v;

		T_ASSERT_OK(mms_view_init(&view, file));
		T_ASSERT_OK(mms_view_seek(&view, CHUNK - split));
		T_ASSERT_OK(mms_view_varint64(&view, &v));
		ck_assert_uint_eq(v, UINT64_MAX);
		ck_assert_uint_eq(mms_view_position(&view), CHUNK - split + 10);
		mms_view_release(&view);
		mms_close(file);
	}
	for (unsigned split = 0; split <= sizeof(five); split++) {
		struct mms_file *file =
			t_open(pool, border_file(five, sizeof(five), CHUNK - split), &mapped);
		struct mms_view view;
		uint32_t v;

		T_ASSERT_OK(mms_view_init(&view, file));
		T_ASSERT_OK(mms_view_seek(&view, CHUNK - split));
		T_ASSERT_OK(mms_view_varint32(&view, &v));
		ck_assert_uint_eq(v, UINT32_MAX);
		ck_assert_uint_eq(mms_view_position(&view), CHUNK - split + 5);
		mms_view_release(&view);
		mms_close(file);
	}
	mms_pool_free(pool);
}
END_TEST

START_TEST(strings_and_sums_at_every_split)
{
	static const char content[] = "\x0ehello, chunks!";
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 1);

	for (unsigned split = 0; split <= 15; split++) {
		struct mms_file *file =
			t_open(pool, border_file(content, 15, CHUNK - split), &mapped);
		struct mms_view view;
		unsigned char buf[15];
		uint32_t crc = 0;
		char *text;

		T_ASSERT_OK(mms_view_init(&view, file));
		T_ASSERT_OK(mms_view_seek(&view, CHUNK - split));
		T_ASSERT_OK(mms_view_string(&view, &text, NULL));
		ck_assert_str_eq(text, "hello, chunks!");
		free(text);
		ck_assert_uint_eq(mms_view_position(&view), CHUNK - split + 15);
		T_ASSERT_OK(mms_view_seek(&view, CHUNK - split));
		T_ASSERT_OK(mms_view_crc32(&view, 15, &crc));
		ck_assert_uint_eq(crc, mms_crc32(0, content, 15));
		T_ASSERT_OK(mms_view_bytes_at(&view, CHUNK - split, buf, 15));
		ck_assert_mem_eq(buf, content, 15);
		mms_view_release(&view);
		mms_close(file);
	}
	mms_pool_free(pool);
}
END_TEST

/* Empty to one over: the window is the file. */
START_TEST(sizes_around_a_chunk)
{
	static const uint64_t sizes[] = {1, 7, 8, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	unsigned char *buf = malloc(2 * CHUNK);

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t size = sizes[i];
		struct mms_file *file = t_open(pool, t_fill("f", size), _i ? &mapped : &unmapped);
		struct mms_view view;
		uint8_t v;

		T_ASSERT_OK(mms_view_init(&view, file));
		T_ASSERT_OK(mms_view_bytes(&view, buf, size));
		t_check(buf, size, 0);
		T_ASSERT_OK(mms_view_u8_at(&view, size - 1, &v));
		ck_assert_uint_eq(v, t_byte(size - 1));
		ck_assert_int_eq(mms_view_u8_at(&view, size, &v), -MMS_EBOUNDS);
		if (size >= 8)
			check_u64(&view, size - 8);
		mms_view_release(&view);
		mms_close(file);
	}
	free(buf);
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------------ budgets */

START_TEST(a_hit_touches_nothing)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", CHUNK), &mapped);
	struct mms_stats before, after;
	unsigned char buf[100];
	struct mms_view view;
	uint64_t tick, v;
	unsigned calls;

	T_ASSERT_OK(mms_view_init(&view, file));
	check_u64(&view, 0);
	calls = all_calls();
	tick = atomic_load(&pool->chunks.tick);
	before = t_stats(pool);
	/* Were it taken, the test would hang. */
	pthread_mutex_lock(&pool->chunks.lock);
	pthread_mutex_lock(&file->lock);
	for (uint64_t pos = 0; pos + 100 < CHUNK; pos += 97) {
		T_ASSERT_OK(mms_view_u64_at(&view, pos, &v));
		T_ASSERT_OK(mms_view_bytes_at(&view, pos, buf, sizeof(buf)));
		T_ASSERT_OK(mms_view_seek(&view, pos));
		T_ASSERT_OK(mms_view_u64(&view, &v));
	}
	pthread_mutex_unlock(&file->lock);
	pthread_mutex_unlock(&pool->chunks.lock);
	after = t_stats(pool);
	ck_assert_mem_eq(&before, &after, sizeof(before));
	ck_assert_uint_eq(all_calls(), calls);
	ck_assert_uint_eq(atomic_load(&pool->chunks.tick), tick);
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(slides_over_a_budget_of_one)
{
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 1);
	struct mms_file *file = t_open(pool, t_fill("f", 8 * CHUNK + 5000), &mapped);
	unsigned char *buf = malloc(8 * CHUNK + 5000);
	struct mms_view view;
	uint8_t v;

	T_ASSERT_OK(mms_view_init(&view, file));
	T_ASSERT_OK(mms_view_bytes(&view, buf, 8 * CHUNK + 5000));
	t_check(buf, 8 * CHUNK + 5000, 0);
	ck_assert_uint_eq(t_stats(pool).chunk_maps, 9);
	ck_assert_uint_eq(t_stats(pool).chunk_evictions, 8);
	ck_assert_uint_eq(t_maps_peak, 1);
	ck_assert_uint_le(t_mapped_peak, CHUNK);
	T_ASSERT_OK(mms_view_seek(&view, CHUNK - 100));
	for (uint64_t pos = CHUNK - 100; pos < CHUNK + 100; pos++) {
		T_ASSERT_OK(mms_view_u8(&view, &v));
		ck_assert_uint_eq(v, t_byte(pos));
	}
	ck_assert_uint_eq(t_stats(pool).chunk_maps, 11);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 0);
	free(buf);
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(budget_all_pinned_by_views)
{
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 2);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), &mapped);
	struct mms_view view[3];
	struct mms_error err;
	struct mms_pin pin;
	unsigned preads;

	for (int i = 0; i < 3; i++)
		T_ASSERT_OK(mms_view_init(&view[i], file));
	check_u64(&view[0], 5);
	check_u64(&view[1], CHUNK + 5);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 0);
	/* The third one reads all the same, through its buffer. */
	check_u64(&view[2], 2 * CHUNK + 5);
	check_u64(&view[2], 2 * CHUNK + 100);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 1);
	check_u64(&view[2], 3 * CHUNK - 4);
	ck_assert_uint_gt(t_stats(pool).chunk_busy, 0);
	ck_assert_uint_eq(t_stats(pool).chunk_evictions, 0);
	ck_assert_int_eq(mms_pin(file, 2 * CHUNK, 1, 0, &pin), -EBUSY);
	(void)mms_view_error(&view[2], -EBUSY, &err);
	ck_assert_ptr_nonnull(strstr(err.hint, "2.0 MiB of at most 2.0 MiB, in 2 of at most 2 "));
	/* Where another one is, it shares the mapping. */
	preads = t_call[CALL_PREAD].made;
	check_u64(&view[2], CHUNK + 5000);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, preads);
	/* With one gone, it maps when it moves on. */
	mms_view_release(&view[0]);
	check_u64(&view[2], 2 * CHUNK + 5);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, preads);
	ck_assert_uint_eq(t_stats(pool).chunk_evictions, 1);
	mms_view_release(&view[1]);
	mms_view_release(&view[2]);
	ck_assert_uint_eq(t_maps_peak, 2);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* MMS_IO_AUTO does not evict what is young. */
START_TEST(calm_where_it_may)
{
	const struct mms_file_options automatic = {.io = MMS_IO_AUTO};
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 1);
	struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK), &automatic);
	struct mms_view view;

	T_ASSERT_OK(mms_view_init(&view, file));
	check_u64(&view, 0);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 0);
	check_u64(&view, CHUNK);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 1);
	check_u64(&view, 100);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 1);
	atomic_store(&t_clock_ms, 2000);
	check_u64(&view, CHUNK);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 1);
	ck_assert_uint_eq(t_stats(pool).chunk_evictions, 1);
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* ----------------------------------------------------------------- fallback */

START_TEST(maps_again_when_moving_on)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), &mapped);
	struct mms_view view;

	T_ASSERT_OK(mms_view_init(&view, file));
	t_fail(CALL_MMAP, -ENOMEM, 0, 2); /* it is tried twice */
	check_u64(&view, 0);
	check_u64(&view, 16000);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 1);
	ck_assert_uint_eq(t_stats(pool).map_failures, 1);
	/* In the same chunk, behind the buffer. */
	check_u64(&view, 20000);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 1);
	ck_assert_uint_eq(t_stats(pool).chunk_maps, 1);
	check_u64(&view, 0);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 1);
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* The size is asked for on the way to a mapping. */
START_TEST(size_unknown_when_mapping)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), &mapped);
	struct mms_view view;

	T_ASSERT_OK(mms_view_init(&view, file));
	t_fail(CALL_FSTAT, -EIO, 0, -1);
	check_u64(&view, 0);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 1);
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(large_reads_take_no_buffer)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK), &unmapped);
	unsigned char *buf = malloc(3 * CHUNK);
	struct mms_view view;

	T_ASSERT_OK(mms_view_init(&view, file));
	T_ASSERT_OK(mms_view_bytes(&view, buf, CHUNK));
	t_check(buf, CHUNK, 0);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 1);
	ck_assert_ptr_null(view.buf);
	T_ASSERT_OK(mms_view_bytes_at(&view, 100, buf, 3 * CHUNK - 100));
	t_check(buf, 3 * CHUNK - 100, 100);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 4);
	ck_assert_ptr_null(view.buf);
	ck_assert_uint_eq(t_stats(pool).read_bytes_pread, 4 * CHUNK - 100);
	free(buf);
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* A small file is not mapped, but what is mapped is used. */
START_TEST(small_but_mapped)
{
	const struct mms_file_options automatic = {.io = MMS_IO_AUTO};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_view view;
	struct mms_file *file;
	struct mms_pin pin;

	pool->small_bytes = CHUNK;
	file = t_open(pool, t_fill("f", 50000), &automatic);
	T_ASSERT_OK(mms_view_init(&view, file));
	check_u64(&view, 0);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 1);
	T_ASSERT_OK(mms_pin(file, 0, 50000, 0, &pin));
	check_u64(&view, 40000);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 1);
	mms_unpin(&pin);
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* What others have pinned stays as long as it was mapped. */
START_TEST(a_file_that_has_grown)
{
	const struct mms_file_options options = {.mode = MMS_RDWR, .io = MMS_IO_MMAP};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 65536), &options);
	struct mms_view before, after;
	unsigned char *rest = malloc(CHUNK);
	uint8_t v;

	T_ASSERT_OK(mms_view_init(&before, file));
	check_u64(&before, 0);
	t_pattern(rest, CHUNK - 65536, 65536);
	ck_assert_int_eq(mms_write(file, rest, CHUNK - 65536, 65536, 0), CHUNK - 65536);
	ck_assert_uint_eq(mms_view_length(&before), 65536);
	ck_assert_int_eq(mms_view_u8_at(&before, 65536, &v), -MMS_EBOUNDS);
	T_ASSERT_OK(mms_view_init(&after, file));
	ck_assert_uint_eq(mms_view_length(&after), CHUNK);
	check_u64(&after, 0);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 0);
	check_u64(&after, 65530);
	check_u64(&after, 500000);
	ck_assert_uint_gt(t_call[CALL_PREAD].made, 0);
	mms_view_release(&before);
	/* In its own window it has not moved yet. */
	atomic_store(&t_call[CALL_PREAD].made, 0);
	check_u64(&after, 500000);
	check_u64(&after, CHUNK - 8);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 0);
	mms_view_release(&after);
	free(rest);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* ---------------------------------------------------------- private changes */

static ssize_t pread_as_if_whole(int fd, void *buf, size_t len, uint64_t offset)
{
	(void)fd;
	t_pattern(buf, len, offset);
	return (ssize_t)len;
}

static ssize_t pread_fails(int fd, void *buf, size_t len, uint64_t offset)
{
	(void)fd;
	(void)buf;
	(void)len;
	(void)offset;
	return -EIO;
}

/* One page faults, and can be read; those with private changes around it are
 * nowhere but in the mapping. */
START_TEST(a_fault_among_private_changes)
{
	const struct mms_file_options options = {.mode = MMS_COW, .io = MMS_IO_MMAP};
	struct mms_sys sys = mms_sys_default;
	struct mms_pool_options pool_options = {.chunk_shift = SHIFT};
	const char *path = t_fill("f", 3 * PAGE);
	unsigned char buf[3 * PAGE];
	struct mms_pool *pool;
	struct mms_file *file;
	struct mms_view view;
	uint32_t crc = 0;

	T_ASSERT_OK(mms_pool_new_on(&sys, &pool_options, &pool, NULL));
	T_ASSERT_OK(mms_open(pool, path, &options, &file, NULL));
	T_ASSERT_OK(mms_view_init(&view, file));
	ck_assert_int_eq(mms_write(file, "private", 7, PAGE + 10, 0), 7);
	ck_assert_int_eq(truncate(path, 2 * PAGE), 0);
	sys.pread = pread_as_if_whole;
	T_ASSERT_OK(mms_view_bytes_at(&view, 1, buf, 3 * PAGE - 1));
	ck_assert_uint_gt(t_stats(pool).faults, 0);
	t_check(buf, PAGE + 9, 1);
	ck_assert_mem_eq(buf + PAGE + 9, "private", 7);
	t_check(buf + PAGE + 16, 2 * PAGE - 17, PAGE + 17);
	T_ASSERT_OK(mms_view_crc32(&view, 3 * PAGE, &crc));
	memmove(buf + 1, buf, 3 * PAGE - 1);
	buf[0] = t_byte(0);
	ck_assert_uint_eq(crc, mms_crc32(0, buf, 3 * PAGE));
	sys.pread = pread_fails;
	ck_assert_int_eq(mms_view_bytes_at(&view, 1, buf, 3 * PAGE - 1), -EIO);
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------- far positions */

static void far(uint64_t size)
{
	const uint64_t spots[] = {0,          1ULL << 31,       1ULL << 32,   (1ULL << 32) + CHUNK,
				  1ULL << 40, size - 4 * CHUNK, size - CHUNK, size - 4};
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 1);
	const struct mms_file_options options = {.mode = MMS_RDWR, .io = MMS_IO_MMAP};
	struct mms_file *file = t_open(pool, t_path("sparse"), &options);
	struct mms_view view, slice;
	uint32_t v;

	T_ASSERT_OK(mms_view_init(&view, file));
	ck_assert_uint_eq(mms_view_length(&view), size);
	for (unsigned i = 0; i < sizeof(spots) / sizeof(spots[0]); i++) {
		uint64_t at = spots[i];

		if (at + 4 > size)
			continue;
		if (at)
			at -= 2;
		ck_assert_int_eq(mms_write(file, "\1\2\3\4", 4, at, 0), 4);
		T_ASSERT_OK(mms_view_u32_at(&view, at, &v));
		ck_assert_uint_eq(v, 0x04030201);
		T_ASSERT_OK(mms_view_seek(&view, at));
		T_ASSERT_OK(mms_view_u32(&view, &v));
		ck_assert_uint_eq(v, 0x04030201);
		T_ASSERT_OK(mms_view_slice(&view, "far", at, size - at, &slice));
		T_ASSERT_OK(mms_view_u32(&slice, &v));
		ck_assert_uint_eq(v, 0x04030201);
		ck_assert_int_eq(mms_view_u32_at(&slice, size - at - 3, &v), -MMS_EBOUNDS);
		mms_view_release(&slice);
	}
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}

START_TEST(far_positions)
{
	static const uint64_t sizes[] = {(1ULL << 31) + 100, (1ULL << 32) + 100, (1ULL << 41) + 100,
					 INT64_MAX - 100, INT64_MAX};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (t_sparse("sparse", sizes[i]))
			far(sizes[i]);
		(void)unlink(t_path("sparse"));
	}
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_loop_test(t, numbers_at_every_split, 0, 2);
	tcase_add_test(t, varints_at_every_split);
	tcase_add_test(t, strings_and_sums_at_every_split);
	tcase_add_loop_test(t, sizes_around_a_chunk, 0, 2);
	tcase_add_test(t, a_hit_touches_nothing);
	tcase_add_test(t, slides_over_a_budget_of_one);
	tcase_add_test(t, budget_all_pinned_by_views);
	tcase_add_test(t, calm_where_it_may);
	tcase_add_test(t, maps_again_when_moving_on);
	tcase_add_test(t, size_unknown_when_mapping);
	tcase_add_test(t, large_reads_take_no_buffer);
	tcase_add_test(t, small_but_mapped);
	tcase_add_test(t, a_file_that_has_grown);
	tcase_add_test(t, a_fault_among_private_changes);
	tcase_add_test(t, far_positions);
}

int main(void)
{
	return t_run("view_window", add_tests);
}

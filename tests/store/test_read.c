/* SPDX-License-Identifier: MIT */
/* Proves that reads return the file's bytes at every border, and from where they claim. */
#include "helper.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arith.h"

#define SHIFT 20u
#define CHUNK (1u << SHIFT)

static const struct mms_file_options mapped = {.io = MMS_IO_MMAP};
static const struct mms_file_options preads = {.io = MMS_IO_PREAD};

/* Reads around an offset and compares with the pattern and the size. */
static void read_at(struct mms_file *file, uint64_t size, size_t len, uint64_t offset)
{
	unsigned char *buf = malloc(len + 1);
	uint64_t left = offset < size ? size - offset : 0;
	size_t expected = left < len ? (size_t)left : len;

	buf[expected] = 0xa5;
	ck_assert_int_eq(mms_read(file, buf, len, offset), (ssize_t)expected);
	ck_assert_uint_eq(buf[expected], 0xa5);
	t_check(buf, expected, offset);
	free(buf);
}

static void read_borders(const struct mms_file_options *options)
{
	static const uint64_t sizes[] = {0,         1,     4095,      4096,
					 CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7};
	static const size_t lens[] = {1, 2, 4096, CHUNK, 2 * CHUNK + 9};
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct mms_file *file = t_open(pool, t_fill("f", sizes[i]), options);

		for (size_t j = 0; j < sizeof(lens) / sizeof(lens[0]); j++) {
			read_at(file, sizes[i], lens[j], 0);
			read_at(file, sizes[i], lens[j], sizes[i] - (sizes[i] > 0));
			read_at(file, sizes[i], lens[j], sizes[i]);
			read_at(file, sizes[i], lens[j], sizes[i] + CHUNK);
			read_at(file, sizes[i], lens[j], CHUNK - 1);
			read_at(file, sizes[i], lens[j], CHUNK);
		}
		ck_assert_int_eq(mms_read(file, NULL, 0, 0), 0);
		ck_assert_int_eq(mms_read(file, NULL, 100, UINT64_MAX), 0);
		ck_assert_int_eq(mms_read(file, NULL, SIZE_MAX, INT64_MAX), 0);
		mms_close(file);
	}
	mms_pool_free(pool);
}

START_TEST(borders_mapped)
{
	read_borders(&mapped);
}
END_TEST

START_TEST(borders_pread)
{
	read_borders(&preads);
}
END_TEST

START_TEST(borders_auto)
{
	read_borders(NULL);
}
END_TEST

START_TEST(stats_say_which_way)
{
	const struct mms_pool_options pool_options = {.chunk_shift = SHIFT, .small_bytes = 8192};
	struct mms_pool *pool;
	struct mms_file *file;
	char buf[100];

	T_ASSERT_OK(mms_pool_new(&pool_options, &pool, NULL));
	file = t_open(pool, t_fill("small", 8191), NULL);
	ck_assert_int_eq(mms_read(file, buf, 100, 5), 100);
	ck_assert_uint_eq(t_stats(pool).reads_pread, 1);
	ck_assert_uint_eq(t_stats(pool).read_bytes_pread, 100);
	ck_assert_uint_eq(t_stats(pool).chunk_maps, 0);
	mms_close(file);
	file = t_open(pool, t_fill("large", 8192), NULL);
	ck_assert_int_eq(mms_read(file, buf, 100, 8100), 92);
	ck_assert_uint_eq(t_stats(pool).reads_mapped, 1);
	ck_assert_uint_eq(t_stats(pool).read_bytes_mapped, 92);
	ck_assert_uint_eq(t_stats(pool).reads_pread, 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Past 2^32 and, where the file system can, past 8 TiB. */
START_TEST(far_offsets)
{
	static const uint64_t sizes[] = {15 * TIB, 9 * TIB, 6 * GIB};
	static const uint64_t at[] = {4 * GIB - 3, 4 * GIB,      5 * GIB + 12345,
				      8 * TIB - 5, 8 * TIB + 77, 15 * TIB - 10};
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);
	struct mms_file *file;
	unsigned char buf[10];
	uint64_t size = 0;
	int fd;

	for (size_t i = 0; !size && i < 3; i++) {
		if (t_sparse("far", sizes[i]))
			size = sizes[i];
	}
	ck_assert_uint_gt(size, 0);
	fd = open(t_path("far"), O_RDWR | O_CLOEXEC);
	file = t_open(pool, t_path("far"), &mapped);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]) && at[i] < size; i++) {
		t_pattern(buf, sizeof(buf), at[i]);
		ck_assert_int_eq(pwrite(fd, buf, sizeof(buf), (off_t)at[i]), sizeof(buf));
		memset(buf, 0, sizeof(buf));
		ck_assert_int_eq(mms_read(file, buf, sizeof(buf), at[i]), sizeof(buf));
		t_check(buf, sizeof(buf), at[i]);
	}
	ck_assert_uint_eq(t_stats(pool).reads_pread, 0);
	close(fd);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* The last page of a file of 2^63 - 1 bytes cannot be mapped, and the chunk
 * that it ends must be mapped without it. */
START_TEST(end_of_the_number_line)
{
	const uint64_t size = INT64_MAX;
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file;
	struct mms_pin pin;
	char buf[8];
	int fd = memfd_create("end", MFD_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	T_ASSERT_OK(mms_adopt(pool, fd, "end", &mapped, &file, NULL));
	ck_assert_int_eq(mms_read(file, buf, sizeof(buf), size - 200000), 8);
	ck_assert_uint_eq(t_stats(pool).reads_mapped, 1);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, t_mapped);
	ck_assert_int_eq(mms_read(file, buf, sizeof(buf), size - 4), 4);
	ck_assert_int_eq(mms_read(file, buf, sizeof(buf), size), 0);
	ck_assert_uint_eq(t_stats(pool).reads_pread, 1);
	ck_assert_int_eq(mms_pin(file, size - 1, 1, 0, &pin), -EOVERFLOW);
	mms_close(file);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 0);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}
END_TEST

/* A budget that is all pinned does not fail reads. */
START_TEST(budget_never_fails_a_read)
{
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK), &mapped);
	struct mms_pin pin;

	T_ASSERT_OK(mms_pin(file, 0, 1, 0, &pin));
	read_at(file, 3 * CHUNK, 2 * CHUNK, CHUNK / 2);
	/* The part in the pinned chunk came from it. */
	ck_assert_uint_eq(t_stats(pool).read_bytes_mapped, CHUNK / 2);
	ck_assert_uint_eq(t_stats(pool).read_bytes_pread, 2 * CHUNK - CHUNK / 2);
	mms_unpin(&pin);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(auto_reads_without_a_mapping_rather_than_thrash)
{
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK), NULL);

	read_at(file, 3 * CHUNK, 10, 0);
	for (int i = 0; i < 10; i++)
		read_at(file, 3 * CHUNK, 10, CHUNK);
	ck_assert_uint_eq(t_stats(pool).reads_pread, 10);
	ck_assert_uint_eq(t_stats(pool).chunk_evictions, 0);
	t_clock_ms = 2000;
	read_at(file, 3 * CHUNK, 10, CHUNK);
	ck_assert_uint_eq(t_stats(pool).reads_mapped, 2);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Growth beneath the store shows at once, in the same chunk and in new ones. */
START_TEST(growth_beneath)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 10), &mapped);

	for (uint64_t size = 10; size < 3 * CHUNK; size = size * 3 + 1) {
		t_fill("f", size);
		read_at(file, size, 3 * CHUNK, 0);
		read_at(file, size, 100, size - 5);
	}
	ck_assert_uint_eq(t_stats(pool).reads_pread, 0);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(short_and_interrupted_preads)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 10000), &preads);

	t_short_io = 77;
	t_fail(CALL_PREAD, -EINTR, 3, 2);
	read_at(file, 10000, 9000, 500);
	/* An error after some bytes: those count, the next call has the error. */
	t_fail(CALL_PREAD, -EIO, 2, 2);
	ck_assert_int_eq(mms_read(file, (char[500]){0}, 500, 0), 154);
	ck_assert_int_eq(mms_read(file, (char[500]){0}, 500, 154), -EIO);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, borders_mapped);
	tcase_add_test(t, borders_pread);
	tcase_add_test(t, borders_auto);
	tcase_add_test(t, stats_say_which_way);
	tcase_add_test(t, far_offsets);
	tcase_add_test(t, end_of_the_number_line);
	tcase_add_test(t, budget_never_fails_a_read);
	tcase_add_test(t, auto_reads_without_a_mapping_rather_than_thrash);
	tcase_add_test(t, growth_beneath);
	tcase_add_test(t, short_and_interrupted_preads);
}

int main(void)
{
	return t_run("read", add_tests);
}

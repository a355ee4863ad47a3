/* SPDX-License-Identifier: MIT */
/* Proves that each system call may fail: data stay right, the budget adds up, nothing leaks. */
#include "helper.h"

#include <dirent.h>

#define SHIFT 20u
#define CHUNK (1u << SHIFT)

static const struct mms_file_options mapped = {
	.mode = MMS_RDWR, .io = MMS_IO_MMAP, .put = MMS_PUT_MMAP, .sync = MMS_SYNC_NEVER};

static void reads_well(struct mms_file *file, uint64_t offset)
{
	unsigned char buf[100];

	ck_assert_int_eq(mms_read(file, buf, sizeof(buf), offset), sizeof(buf));
	t_check(buf, sizeof(buf), offset);
}

/* A file system that cannot map: everything works without, and it is not asked again. */
START_TEST(mmap_not_possible)
{
	static const int codes[] = {-ENODEV, -EACCES, -EPERM};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);

	for (size_t i = 0; i < 3; i++) {
		struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK), &mapped);
		struct mms_error err;
		struct mms_pin pin;
		unsigned made = t_call[CALL_MMAP].made;

		ck_assert_int_eq(mms_map_error(file, &err), 0);
		t_fail(CALL_MMAP, codes[i], 0, -1);
		reads_well(file, CHUNK - 50);
		ck_assert_int_eq(mms_pin(file, 0, 1, 0, &pin), codes[i]);
		ck_assert_int_eq(mms_pin(file, 0, 1, MMS_PIN_AUTO, &pin), -EOPNOTSUPP);
		ck_assert_int_eq(mms_write(file, "hello", 5, 0, 0), 5);
		T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_POPULATE));
		ck_assert_uint_eq(t_call[CALL_MMAP].made, made + 1);
		ck_assert_int_eq(strncmp(mms_why_unmapped(file), "not mappable: ", 14), 0);
		ck_assert_int_eq(mms_map_error(file, &err), codes[i]);
		ck_assert_ptr_ne(strstr(err.what, "mapping 1.0 MiB of "), NULL);
		ck_assert_uint_eq(t_stats(pool).map_failures, i + 1);
		ck_assert_uint_eq(t_stats(pool).mapped_bytes, 0);
		t_fail(CALL_MMAP, 0, 0, 0);
		mms_close(file);
	}
	mms_pool_free(pool);
}
END_TEST

/* No room for a mapping right now: half of the unpinned go, one retry, then
 * pread for this time only. */
START_TEST(mmap_out_of_memory)
{
	static const int codes[] = {-ENOMEM, -EAGAIN};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 16 * CHUNK), &mapped);

	for (int i = 0; i < 2; i++) {
		struct mms_stats s;
		struct mms_error err;
		struct mms_pin pin;
		uint64_t failures = t_stats(pool).map_failures;

		for (uint64_t j = 0; j < 8; j++)
			reads_well(file, j * CHUNK);
		s = t_stats(pool);
		ck_assert_uint_eq(s.chunks, 8);
		t_fail(CALL_MMAP, codes[i], 0, 1);
		reads_well(file, 9 * CHUNK);
		ck_assert_uint_eq(t_stats(pool).chunks, 5);
		ck_assert_uint_eq(t_stats(pool).map_failures, failures);
		t_fail(CALL_MMAP, codes[i], 0, 2);
		reads_well(file, 10 * CHUNK);
		ck_assert_uint_eq(t_stats(pool).map_failures, failures + 1);
		ck_assert_ptr_eq(mms_why_unmapped(file), NULL);
		ck_assert_int_eq(mms_map_error(file, &err), codes[i]);
		if (codes[i] == -ENOMEM)
			ck_assert_ptr_ne(strstr(err.hint, "vm.max_map_count is "), NULL);
		reads_well(file, 10 * CHUNK);
		ck_assert_uint_gt(t_stats(pool).reads_mapped, s.reads_mapped);
		ck_assert_uint_eq(t_stats(pool).mapped_bytes, t_mapped);
		mms_close(file);
		ck_assert_uint_eq(t_mapped, 0);
		file = t_open(pool, t_path("f"), &mapped);
		/* Not asked without end, either. */
		t_fail(CALL_MMAP, codes[i], 0, -1);
		reads_well(file, 3 * CHUNK);
		ck_assert_int_eq(mms_pin(file, 0, 1, 0, &pin), -ENOMEM);
		t_fail(CALL_MMAP, 0, 0, 0);
	}
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* What cannot be unmapped stays charged: the budget is not exceeded. */
START_TEST(munmap_fails)
{
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 8 * CHUNK), &mapped);

	reads_well(file, 0);
	reads_well(file, CHUNK);
	t_fail(CALL_MUNMAP, -ENOMEM, 0, 1);
	for (uint64_t i = 0; i < 8; i++)
		reads_well(file, i * CHUNK);
	ck_assert_uint_le(t_mapped_peak, 2 * CHUNK);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, t_mapped);
	mms_close(file);
	ck_assert_uint_eq(t_mapped, CHUNK);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, CHUNK);
	mms_pool_free(pool);
}
END_TEST

START_TEST(fstat_fails)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", CHUNK), &mapped);
	struct mms_pin pin;
	uint64_t size = 77;

	t_fail(CALL_FSTAT, -EIO, 0, -1);
	ck_assert_int_eq(mms_size(file, &size), -EIO);
	ck_assert_uint_eq(size, 77);
	ck_assert_int_eq(mms_read(file, &pin, 1, 0), -EIO);
	ck_assert_int_eq(mms_write(file, "x", 1, 0, 0), -EIO);
	ck_assert_int_eq(mms_pin(file, 0, 1, 0, &pin), -EIO);
	ck_assert_int_eq(mms_preload(file, 0, 0, MMS_PRELOAD_ASYNC), -EIO);
	t_fail(CALL_FSTAT, 0, 0, 0);
	reads_well(file, 0);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(the_rest_fails)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file;

	/* Hints do not keep a file from being opened. */
	const struct mms_file_options hints = {.advice = MMS_ADVICE_RANDOM,
					       .preload = MMS_PRELOAD_ASYNC};

	t_fail(CALL_FADVISE, -ENOSYS, 0, 1);
	t_fail(CALL_THREAD_START, -EAGAIN, 0, 1);
	t_fail(CALL_MADVISE, -ENOMEM, 0, -1);
	file = t_open(pool, t_fill("f", CHUNK), &hints);
	reads_well(file, 0);
	ck_assert_int_eq(mms_advise(file, 0, 0, MMS_ADVICE_SEQUENTIAL), -ENOMEM);
	/* The descriptor is gone whatever close says. */
	t_fail(CALL_CLOSE, -EIO, 0, 1);
	T_ASSERT_OK(mms_close(file));
	file = t_open(pool, t_path("f"), &mapped);
	t_fail(CALL_FTRUNCATE, -EIO, 0, 1);
	ck_assert_int_eq(mms_resize(file, 5), -EIO);
	t_fail(CALL_FTRUNCATE, -EINTR, 0, 2);
	T_ASSERT_OK(mms_resize(file, 5));
	t_fail(CALL_FSYNC, -EIO, 0, 1);
	ck_assert_int_eq(mms_sync(file, 0, 0, MMS_SYNC_META), -EIO);
	T_ASSERT_OK(mms_close(file));
	mms_pool_free(pool);
}
END_TEST

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* A working day, with call after call failing at every point of it. Whatever
 * comes of it: no crash, no leak, and at the end the file works. */
START_TEST(each_call_at_each_point)
{
	static const int codes[] = {-EIO, -ENOMEM, -ENODEV, -EINTR};
	unsigned char buf[5000];
	int fds = open_fds();

	for (int call = 0; call < CALLS; call++) {
		for (int skip = 0; skip < 12; skip++) {
			struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);
			struct mms_file_options o = mapped;
			struct mms_file *file = NULL;

			o.put = skip % 2 ? MMS_PUT_AUTO : MMS_PUT_MMAP;
			o.sync = skip % 3 ? MMS_SYNC_LAZY : MMS_SYNC_IMMEDIATE;
			o.advice = MMS_ADVICE_RANDOM;
			t_fill("f", 4 * CHUNK);
			t_fail((enum call)call, codes[(call + skip) % 4], skip, 1 + skip % 2);
			if (mms_open(pool, t_path("f"), &o, &file, NULL) == 0) {
				for (uint64_t i = 0; i < 4; i++) {
					ssize_t n = mms_read(file, buf, sizeof(buf), i * CHUNK);

					if (n > 0)
						t_check(buf, (size_t)n, i * CHUNK);
					t_pattern(buf, sizeof(buf), i * CHUNK);
					mms_write(file, buf, sizeof(buf), i * CHUNK, 0);
					mms_write(file, buf, sizeof(buf), i * CHUNK, 0);
				}
				mms_sync(file, 0, 0, 0);
				mms_preload(file, 0, 0, MMS_PRELOAD_POPULATE);
				mms_preload(file, 0, 0, MMS_PRELOAD_ASYNC);
				mms_resize(file, 4 * CHUNK);
				t_fail((enum call)call, 0, 0, 0);
				for (uint64_t i = 0; i < 4; i++)
					reads_well(file, i * CHUNK);
				mms_close(file);
			}
			t_fail((enum call)call, 0, 0, 0);
			ck_assert_uint_eq(t_stats(pool).files, 0);
			ck_assert_uint_eq(t_stats(pool).dirty_files, 0);
			ck_assert_uint_eq(t_stats(pool).dirty_bytes, 0);
			ck_assert_uint_eq(t_stats(pool).mapped_bytes, t_mapped);
			ck_assert_uint_le(t_mapped_peak, 2 * CHUNK);
			mms_pool_free(pool);
			atomic_store(&t_mapped, 0); /* of a munmap that failed */
			atomic_store(&t_mapped_peak, 0);
			ck_assert_int_eq(open_fds(), fds);
		}
	}
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, mmap_not_possible);
	tcase_add_test(t, mmap_out_of_memory);
	tcase_add_test(t, munmap_fails);
	tcase_add_test(t, fstat_fails);
	tcase_add_test(t, the_rest_fails);
	tcase_add_test(t, each_call_at_each_point);
}

int main(void)
{
	return t_run("sysfail", add_tests);
}

/* SPDX-License-Identifier: MIT */
/* Proves that writes reach the file at every border, and that each takes the way it should. */
#include "helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arith.h"

#define SHIFT 20u
#define CHUNK (1u << SHIFT)

static const struct mms_file_options by_auto = {.mode = MMS_RDWR, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options by_mmap = {
	.mode = MMS_RDWR, .put = MMS_PUT_MMAP, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options by_pwrite = {
	.mode = MMS_RDWR, .put = MMS_PUT_PWRITE, .sync = MMS_SYNC_NEVER};

/* Writes the pattern and reads it back without the store. */
static void write_at(struct mms_file *file, const char *path, size_t len, uint64_t offset)
{
	unsigned char *buf = malloc(len);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	t_pattern(buf, len, offset);
	ck_assert_int_eq(mms_write(file, buf, len, offset, 0), (ssize_t)len);
	memset(buf, 0, len);
	ck_assert_int_eq(pread(fd, buf, len, (off_t)offset), (ssize_t)len);
	t_check(buf, len, offset);
	close(fd);
	free(buf);
}

static void write_borders(const struct mms_file_options *options)
{
	static const uint64_t sizes[] = {0, 1, 4096, CHUNK - 1, CHUNK, CHUNK + 1};
	static const size_t lens[] = {1, 4095, 4097, CHUNK, CHUNK + 2};
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t j = 0; j < sizeof(lens) / sizeof(lens[0]); j++) {
			const char *path = t_fill("f", sizes[i]);
			struct mms_file *file = t_open(pool, path, options);

			/* Twice: the second time the blocks are dirty. */
			for (int twice = 0; twice < 2; twice++) {
				write_at(file, path, lens[j], 0);
				write_at(file, path, lens[j], sizes[i] - (sizes[i] > 0));
				write_at(file, path, lens[j], CHUNK - 1);
				write_at(file, path, lens[j], CHUNK);
			}
			mms_close(file);
		}
	}
	mms_pool_free(pool);
}

START_TEST(borders_auto)
{
	write_borders(&by_auto);
}
END_TEST

START_TEST(borders_mmap)
{
	write_borders(&by_mmap);
}
END_TEST

START_TEST(borders_pwrite)
{
	write_borders(&by_pwrite);
}
END_TEST

START_TEST(refusals)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 100), NULL);

	ck_assert_int_eq(mms_write(file, "x", 1, 0, 0), -EBADF);
	ck_assert_int_eq(mms_resize(file, 0), -EINVAL);
	mms_close(file);
	file = t_open(pool, t_path("f"), &by_auto);
	ck_assert_int_eq(mms_write(file, "x", 1, 0, 64), -EINVAL);
	ck_assert_int_eq(mms_write(file, "x", 1, INT64_MAX, 0), -EFBIG);
	ck_assert_int_eq(mms_write(file, "x", 1, UINT64_MAX, 0), -EFBIG);
	ck_assert_int_eq(mms_write(file, "x", 0, 0, 0), 0);
	ck_assert_int_eq(mms_resize(file, 1ULL << 63), -EFBIG);
	ck_assert_uint_eq(t_size_of(t_path("f")), 100);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* mapped and pwritten bytes since the last call. */
static void since(struct mms_pool *pool, uint64_t mapped, uint64_t pwritten)
{
	static struct mms_stats old;
	struct mms_stats s = t_stats(pool);

	ck_assert_uint_eq(s.write_bytes_mapped - old.write_bytes_mapped, mapped);
	ck_assert_uint_eq(s.write_bytes_pwrite - old.write_bytes_pwrite, pwritten);
	old = s;
}

START_TEST(auto_stores_what_is_dirty)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 256 * KIB);
	struct mms_file *file = t_open(pool, path, &by_auto);

	write_at(file, path, 100, 0);
	since(pool, 0, 100); /* a first touch */
	write_at(file, path, 200, 50);
	since(pool, 200, 0); /* a dirty block */
	write_at(file, path, 8192, 0);
	since(pool, 4096, 4096); /* one of each */
	write_at(file, path, 8192, 252 * KIB);
	since(pool, 0, 8192); /* a first touch and an extension, in one call */
	write_at(file, path, 8192, 252 * KIB);
	since(pool, 8192, 0);
	T_ASSERT_OK(mms_sync(file, 0, 0, 0));
	write_at(file, path, 8192, 0);
	since(pool, 0, 8192); /* clean again */
	mms_mark_dirty(file, 64 * KIB, 4096);
	write_at(file, path, 12288, 60 * KIB);
	since(pool, 4096, 8192);
	mms_mark_unallocated(file, 64 * KIB, 1);
	write_at(file, path, 12288, 60 * KIB);
	since(pool, 8192, 4096);
	T_ASSERT_OK(mms_resize(file, 62 * KIB));
	T_ASSERT_OK(mms_resize(file, 256 * KIB));
	write_at(file, path, 12288, 60 * KIB);
	since(pool, 4096, 8192); /* what was cut off is a hole now */
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(forced_ways)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 64 * KIB);
	struct mms_file *file = t_open(pool, path, &by_mmap);

	since(pool, 0, 0);
	write_at(file, path, 8192, 60 * KIB);
	since(pool, 4096, 4096); /* inside, and past the end */
	mms_close(file);
	file = t_open(pool, path, &by_pwrite);
	write_at(file, path, 8192, 0);
	write_at(file, path, 8192, 0);
	since(pool, 0, 16384);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* pwrite must go on over short counts; what was written before an error counts. */
START_TEST(short_and_failing_pwrites)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 0);
	struct mms_file *file = t_open(pool, path, &by_auto);
	char buf[5000] = {0};

	t_short_io = 1000;
	t_fail(CALL_PWRITE, -EINTR, 1, 3);
	write_at(file, path, 5000, 0);
	t_fail(CALL_PWRITE, -ENOSPC, 2, -1);
	ck_assert_int_eq(mms_write(file, buf, 5000, 5000, 0), 2000);
	ck_assert_int_eq(mms_write(file, buf, 3000, 7000, 0), 0 - ENOSPC);
	ck_assert_uint_eq(t_size_of(path), 7000);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(budget_never_fails_a_write)
{
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 0);
	const char *path = t_fill("f", 3 * CHUNK);
	struct mms_file *file = t_open(pool, path, &by_mmap);
	struct mms_pin pin;

	T_ASSERT_OK(mms_pin(file, 0, 1, 0, &pin));
	since(pool, 0, 0);
	write_at(file, path, 2 * CHUNK, CHUNK / 2);
	since(pool, CHUNK / 2, 2 * CHUNK - CHUNK / 2);
	mms_unpin(&pin);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static struct timespec mtime_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_mtim;
}

/* The clock is 1000 s ahead for the store: the time that it sets is known. */
START_TEST(mapped_stores_owe_times)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 64 * KIB);
	struct mms_file *file = t_open(pool, path, &by_mmap);
	time_t start = mtime_of(path).tv_sec;
	unsigned made;

	t_clock_ms = 1000 * 1000;
	ck_assert_int_eq(mms_write(file, "abc", 3, 0, 0), 3);
	ck_assert_int_lt(mtime_of(path).tv_sec, start + 900);
	T_ASSERT_OK(mms_touch(file));
	ck_assert_int_ge(mtime_of(path).tv_sec, start + 1000);
	made = t_call[CALL_FUTIMENS].made;
	T_ASSERT_OK(mms_touch(file)); /* owes nothing any more */
	ck_assert_int_eq(mms_write(file, "abc", 3, 0, MMS_WRITE_NOTIME), 3);
	T_ASSERT_OK(mms_touch(file));
	ck_assert_int_eq(mms_write(file, "abc", 3, 0, 0), 3);
	mms_untouch(file);
	T_ASSERT_OK(mms_touch(file));
	ck_assert_uint_eq(t_call[CALL_FUTIMENS].made, made);
	/* A later pwrite has set a later time: the owed one must not follow. */
	ck_assert_int_eq(mms_write(file, "abc", 3, 0, 0), 3);
	ck_assert_int_eq(mms_write(file, "abc", 3, 64 * KIB, 0), 3);
	T_ASSERT_OK(mms_touch(file));
	ck_assert_uint_eq(t_call[CALL_FUTIMENS].made, made);
	/* sync, flush and close pay too. */
	ck_assert_int_eq(mms_write(file, "abc", 3, 0, 0), 3);
	T_ASSERT_OK(mms_sync(file, 0, 0, 0));
	ck_assert_uint_eq(t_call[CALL_FUTIMENS].made, made + 1);
	ck_assert_int_eq(mms_write(file, "abc", 3, 0, 0), 3);
	T_ASSERT_OK(mms_flush(file));
	ck_assert_uint_eq(t_call[CALL_FUTIMENS].made, made + 2);
	ck_assert_int_eq(mms_write(file, "abc", 3, 0, 0), 3);
	T_ASSERT_OK(mms_close(file));
	ck_assert_uint_eq(t_call[CALL_FUTIMENS].made, made + 3);
	mms_pool_free(pool);
}
END_TEST

/* Somebody who may write but does not own the file may not choose the time. */
START_TEST(times_of_files_of_others)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 100), &by_mmap);

	ck_assert_int_eq(mms_write(file, "abc", 3, 0, 0), 3);
	t_fail(CALL_FUTIMENS, -EPERM, 0, 1);
	T_ASSERT_OK(mms_touch(file));
	ck_assert_uint_eq(t_call[CALL_FUTIMENS].made, 2);
	/* What failed is still owed. */
	ck_assert_int_eq(mms_write(file, "abc", 3, 0, 0), 3);
	t_fail(CALL_FUTIMENS, -EROFS, 0, 1);
	ck_assert_int_eq(mms_touch(file), -EROFS);
	T_ASSERT_OK(mms_touch(file));
	ck_assert_uint_eq(t_call[CALL_FUTIMENS].made, 4);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(resize_keeps_data)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), &by_auto);
	unsigned char buf[4096];
	uint64_t size;

	T_ASSERT_OK(mms_resize(file, CHUNK + 1));
	T_ASSERT_OK(mms_resize(file, 3 * CHUNK));
	T_ASSERT_OK(mms_size(file, &size));
	ck_assert_uint_eq(size, 3 * CHUNK);
	ck_assert_int_eq(mms_read(file, buf, 4096, CHUNK), 4096);
	t_check(buf, 1, CHUNK);
	for (int i = 1; i < 4096; i++)
		ck_assert_uint_eq(buf[i], 0);
	ck_assert(mms_is_dirty(file));
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static struct mms_file *torn_file;
static atomic_bool torn_stop;

static void *resizer(void *arg)
{
	(void)arg;
	while (!atomic_load(&torn_stop)) {
		if (mms_resize(torn_file, 100) || mms_resize(torn_file, 8192))
			return (void *)1;
	}
	return NULL;
}

/*
 * Stores beside truncations. A store that slips into the last page past the
 * end of the file would be lost although the write had said it was done; so
 * after each write the file either has its bytes, or was cut after it and has
 * zeros there, and the size it then has says which.
 */
START_TEST(stores_beside_resizes)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	pthread_t thread;
	char buf[64];
	void *failed;

	torn_file = t_open(pool, t_fill("f", 8192), &by_mmap);
	T_ASSERT_OK(pthread_create(&thread, NULL, resizer, NULL));
	memset(buf, 'x', sizeof(buf));
	for (int i = 0; i < 3000; i++)
		ck_assert_int_eq(mms_write(torn_file, buf, sizeof(buf), 1000, 0), sizeof(buf));
	atomic_store(&torn_stop, true);
	T_ASSERT_OK(pthread_join(thread, &failed));
	ck_assert_ptr_eq(failed, NULL);
	/* Nothing was left behind past an end: cut once more, extend, look. */
	T_ASSERT_OK(mms_resize(torn_file, 100));
	T_ASSERT_OK(mms_resize(torn_file, 8192));
	ck_assert_int_eq(mms_read(torn_file, buf, sizeof(buf), 1000), sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++)
		ck_assert_int_eq(buf[i], 0);
	mms_close(torn_file);
	mms_pool_free(pool);
}
END_TEST

/* The same, at the worst moment: the file is cut between the look at its size
 * and the store, which then goes past the end of the file, in a page that is
 * there. The bytes must be in the file when the write returns. */
static bool resize_in_fstat;
static atomic_uint writes_in_ftruncate;

static int resizing_fstat(int fd, struct stat *st)
{
	int r = mms_sys_default.fstat(fd, st);

	if (resize_in_fstat) {
		resize_in_fstat = false;
		T_ASSERT_OK(mms_resize(torn_file, 100));
	}
	return r;
}

static int writing_ftruncate(int fd, uint64_t size)
{
	if (atomic_exchange(&writes_in_ftruncate, 0))
		ck_assert_int_eq(mms_write(torn_file, "inside", 6, 50, 0), 6);
	return mms_sys_default.ftruncate(fd, size);
}

START_TEST(a_store_that_a_resize_overtakes)
{
	const struct mms_pool_options options = {.chunk_shift = SHIFT};
	struct mms_sys sys = mms_sys_default;
	struct mms_pool *pool;
	struct mms_pin pin;
	char buf[6];

	sys.fstat = resizing_fstat;
	sys.ftruncate = writing_ftruncate;
	T_ASSERT_OK(mms_pool_new_on(&sys, &options, &pool, NULL));
	torn_file = t_open(pool, t_fill("f", 4096), &by_mmap);
	T_ASSERT_OK(mms_pin(torn_file, 0, 1, MMS_PIN_WRITE, &pin));
	mms_unpin(&pin);
	resize_in_fstat = true;
	ck_assert_int_eq(mms_write(torn_file, "store!", 6, 1000, 0), 6);
	ck_assert_uint_eq(t_size_of(t_path("f")), 1006);
	ck_assert_int_eq(mms_read(torn_file, buf, 6, 1000), 6);
	ck_assert_int_eq(memcmp(buf, "store!", 6), 0);
	ck_assert_uint_eq(t_stats(pool).write_bytes_pwrite, 6);
	ck_assert_uint_eq(t_stats(pool).write_bytes_mapped, 0);
	/* While a resize is under way nothing is stored into the mapping. */
	atomic_store(&writes_in_ftruncate, 1);
	T_ASSERT_OK(mms_resize(torn_file, 500));
	ck_assert_uint_eq(t_stats(pool).write_bytes_pwrite, 12);
	mms_close(torn_file);
	mms_pool_free(pool);
}
END_TEST

/* A hole on a full disk: the store faults, and pwrite says why. Played by a
 * file that is cut beneath the store between its look at the size and the store. */
static int cut_fd = -1;

static int cutting_fstat(int fd, struct stat *st)
{
	int r = mms_sys_default.fstat(fd, st);

	if (cut_fd >= 0 && ftruncate(cut_fd, 0) < 0)
		return -errno;
	return r;
}

START_TEST(fault_in_a_store_becomes_pwrite)
{
	struct mms_sys sys = mms_sys_default;
	struct mms_pool_options options = {.chunk_shift = SHIFT};
	struct mms_pool *pool;
	struct mms_file *file;
	const char *path = t_fill("f", 64 * KIB);
	struct mms_pin pin;
	struct mms_stats s;

	sys.fstat = cutting_fstat;
	T_ASSERT_OK(mms_pool_new_on(&sys, &options, &pool, NULL));
	T_ASSERT_OK(mms_open(pool, path, &by_mmap, &file, NULL));
	T_ASSERT_OK(mms_pin(file, 0, 1, MMS_PIN_WRITE, &pin)); /* mapped from now on */
	mms_unpin(&pin);
	cut_fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(mms_write(file, "hello", 5, 8192, 0), 5);
	close(cut_fd);
	cut_fd = -1;
	s = t_stats(pool);
	ck_assert_uint_eq(s.faults, 1);
	ck_assert_uint_eq(s.write_bytes_pwrite, 5);
	ck_assert_uint_eq(t_size_of(path), 8197);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, borders_auto);
	tcase_add_test(t, borders_mmap);
	tcase_add_test(t, borders_pwrite);
	tcase_add_test(t, refusals);
	tcase_add_test(t, auto_stores_what_is_dirty);
	tcase_add_test(t, forced_ways);
	tcase_add_test(t, short_and_failing_pwrites);
	tcase_add_test(t, budget_never_fails_a_write);
	tcase_add_test(t, mapped_stores_owe_times);
	tcase_add_test(t, times_of_files_of_others);
	tcase_add_test(t, resize_keeps_data);
	tcase_add_test(t, stores_beside_resizes);
	tcase_add_test(t, a_store_that_a_resize_overtakes);
	tcase_add_test(t, fault_in_a_store_becomes_pwrite);
}

int main(void)
{
	return t_run("write", add_tests);
}

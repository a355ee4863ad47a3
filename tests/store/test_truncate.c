/* SPDX-License-Identifier: MIT */
/* Proves that truncation under a mapping makes reads short: no crash, no stale bytes. */
#include "helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define SHIFT 20u
#define CHUNK (1u << SHIFT)

static const struct mms_file_options mapped = {.io = MMS_IO_MMAP};

START_TEST(reads_after_a_truncation_are_short)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", CHUNK);
	struct mms_file *file = t_open(pool, path, &mapped);
	unsigned char *buf = malloc(CHUNK);

	ck_assert_int_eq(mms_read(file, buf, CHUNK, 0), CHUNK);
	ck_assert_int_eq(truncate(path, 5000), 0);
	ck_assert_int_eq(mms_read(file, buf, CHUNK, 0), 5000);
	t_check(buf, 5000, 0);
	ck_assert_int_eq(mms_read(file, buf, CHUNK, 5000), 0);
	ck_assert_int_eq(mms_read(file, buf, CHUNK, 100 * KIB), 0);
	ck_assert_int_eq(truncate(path, 0), 0);
	ck_assert_int_eq(mms_read(file, buf, CHUNK, 0), 0);
	ck_assert_int_eq(truncate(path, 100), 0);
	ck_assert_int_eq(mms_read(file, buf, CHUNK, 0), 100);
	for (int i = 0; i < 100; i++)
		ck_assert_uint_eq(buf[i], 0);
	free(buf);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* The truncation falls between the look at the size and the copy: the copy
 * faults, and pread finds the end. */
static int cut_to = -1;
static char cut_path[4096];

static int cutting_fstat(int fd, struct stat *st)
{
	int r = mms_sys_default.fstat(fd, st);

	if (cut_to >= 0 && truncate(cut_path, cut_to) < 0)
		return -errno;
	cut_to = -1;
	return r;
}

START_TEST(truncation_inside_a_read)
{
	struct mms_sys sys = mms_sys_default;
	struct mms_pool_options options = {.chunk_shift = SHIFT};
	struct mms_pool *pool;
	struct mms_file *file;
	unsigned char *buf = malloc(CHUNK);

	snprintf(cut_path, sizeof(cut_path), "%s", t_fill("f", CHUNK));
	sys.fstat = cutting_fstat;
	T_ASSERT_OK(mms_pool_new_on(&sys, &options, &pool, NULL));
	T_ASSERT_OK(mms_open(pool, cut_path, &mapped, &file, NULL));
	ck_assert_int_eq(mms_read(file, buf, CHUNK, 0), CHUNK);
	cut_to = 9000;
	ck_assert_int_eq(mms_read(file, buf, CHUNK, 0), 9000);
	t_check(buf, 9000, 0);
	ck_assert_uint_eq(t_stats(pool).faults, 1);
	free(buf);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static struct mms_file *shared_file;
static atomic_bool stop;
static _Atomic uint64_t wrong;

static void *reader(void *arg)
{
	unsigned char *buf = malloc(CHUNK);

	while (!atomic_load(&stop)) {
		ssize_t n = mms_read(shared_file, buf, CHUNK / 2 + 77, (uintptr_t)arg * 5000);

		/* Bytes are those of the file, or zeros where a truncation and
		 * an extension, or a page that is being cut, came between. */
		if (n < 0)
			atomic_fetch_add(&wrong, 1);
		for (ssize_t i = 0; i < n; i += 1111) {
			if (buf[i] && buf[i] != t_byte((uintptr_t)arg * 5000 + (uint64_t)i))
				atomic_fetch_add(&wrong, 1);
		}
	}
	free(buf);
	return NULL;
}

START_TEST(truncations_beside_readers)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", CHUNK);
	unsigned char *data = malloc(CHUNK);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	pthread_t threads[4];

	t_pattern(data, CHUNK, 0);
	shared_file = t_open(pool, path, &mapped);
	for (uintptr_t i = 0; i < 4; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, reader, (void *)i));
	for (int i = 0; i < 2000 && (i < 200 || t_stats(pool).faults < 10); i++) {
		ck_assert_int_eq(ftruncate(fd, i % 7 * 4096), 0);
		ck_assert_int_eq(pwrite(fd, data, CHUNK, 0), CHUNK);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 4; i++)
		T_ASSERT_OK(pthread_join(threads[i], NULL));
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_gt(t_stats(pool).reads_mapped, 0);
	close(fd);
	free(data);
	mms_close(shared_file);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, reads_after_a_truncation_are_short);
	tcase_add_test(t, truncation_inside_a_read);
	tcase_add_test(t, truncations_beside_readers);
}

int main(void)
{
	return t_run("truncate", add_tests);
}

/* SPDX-License-Identifier: MIT */
/* Proves that advice reaches the kernel only where given, and that preloading reads the data in. */
#include "helper.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHIFT 20u
#define CHUNK (1u << SHIFT)

static unsigned madvises(void)
{
	return atomic_exchange(&t_call[CALL_MADVISE].made, 0);
}

static unsigned fadvises(void)
{
	return atomic_exchange(&t_call[CALL_FADVISE].made, 0);
}

static void visit(struct mms_file *file, uint64_t offset)
{
	struct mms_pin pin;

	T_ASSERT_OK(mms_pin(file, offset, 1, 0, &pin));
	mms_unpin(&pin);
}

START_TEST(normal_makes_no_call)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), NULL);

	visit(file, 0);
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_NORMAL));
	ck_assert_uint_eq(madvises() + fadvises(), 0);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(advice_is_kept_for_later_chunks)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), NULL);

	visit(file, 0);
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_RANDOM));
	ck_assert_uint_eq(madvises(), 1);
	ck_assert_uint_eq(fadvises(), 1);
	visit(file, CHUNK);
	ck_assert_uint_eq(madvises(), 1);
	/* Of a range: mapped chunks in it, now and only now. */
	T_ASSERT_OK(mms_advise(file, CHUNK + 5, 10, MMS_ADVICE_SEQUENTIAL));
	ck_assert_uint_eq(madvises(), 1);
	T_ASSERT_OK(mms_advise(file, 2 * CHUNK, CHUNK, MMS_ADVICE_SEQUENTIAL));
	ck_assert_uint_eq(madvises(), 0);
	ck_assert_uint_eq(fadvises(), 0);
	/* Back: now it does make calls, and later chunks need none. */
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_NORMAL));
	ck_assert_uint_eq(madvises(), 2);
	visit(file, 3 * CHUNK);
	ck_assert_uint_eq(madvises(), 0);
	ck_assert_int_eq(mms_advise(file, 0, 0, (enum mms_advice)9), -EINVAL);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(advice_from_the_options)
{
	const struct mms_file_options options = {.advice = MMS_ADVICE_SEQUENTIAL};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", CHUNK), &options);

	visit(file, 0);
	ck_assert_uint_eq(madvises(), 1);
	ck_assert_uint_eq(fadvises(), 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Pages of the file that are in memory. */
static size_t resident(const char *path, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	size_t pages = (size + 4095) / 4096, n = 0;
	unsigned char *vec = malloc(pages);

	ck_assert_int_eq(mincore(map, size, vec), 0);
	for (size_t i = 0; i < pages; i++)
		n += vec[i] & 1;
	free(vec);
	munmap(map, size);
	close(fd);
	return n;
}

static void drop(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	fdatasync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static bool can_drop(const char *path, size_t size)
{
	drop(path);
	return resident(path, size) == 0;
}

START_TEST(populate)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 3 * CHUNK + 5000);
	struct mms_file *file = t_open(pool, path, NULL);
	bool cold = can_drop(path, 3 * CHUNK + 5000); /* not on tmpfs */

	T_ASSERT_OK(mms_preload(file, CHUNK + 100, CHUNK, MMS_PRELOAD_POPULATE));
	if (cold)
		ck_assert_uint_ge(resident(path, 3 * CHUNK + 5000), 256);
	T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_POPULATE));
	ck_assert_uint_eq(resident(path, 3 * CHUNK + 5000), 3 * 256 + 2);
	ck_assert_uint_eq(t_stats(pool).chunks, 4);
	T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_NONE));
	T_ASSERT_OK(mms_preload(file, TIB, 0, MMS_PRELOAD_POPULATE));
	ck_assert_int_eq(mms_preload(file, 0, 0, (enum mms_preload)9), -EINVAL);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* It maps what there is room for, evicts nobody, and reads in all the same. */
START_TEST(populate_within_the_budget)
{
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);
	const char *path = t_fill("f", 4 * CHUNK);
	struct mms_file *file = t_open(pool, path, NULL);

	drop(path);
	T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_POPULATE));
	ck_assert_uint_eq(resident(path, 4 * CHUNK), 4 * 256);
	ck_assert_uint_eq(t_stats(pool).chunk_evictions, 0);
	ck_assert_uint_eq(t_stats(pool).chunks, 2);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Kernels before 5.14 know no MADV_POPULATE_READ. */
START_TEST(populate_on_old_kernels)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", CHUNK + 5000);
	struct mms_file *file = t_open(pool, path, NULL);

	drop(path);
	t_fail(CALL_MADVISE, -EINVAL, 0, -1);
	T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_POPULATE));
	ck_assert_uint_eq(resident(path, CHUNK + 5000), 256 + 2);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(asynchronous)
{
	const struct mms_file_options options = {.preload = MMS_PRELOAD_ASYNC};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 4 * CHUNK);
	struct mms_file *file;

	drop(path);
	file = t_open(pool, path, &options);
	while (resident(path, 4 * CHUNK) != 4 * 256)
		usleep(1000);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* A close in the middle, with more queued: nothing touches a closed file. */
START_TEST(closing_while_it_reads)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *files[8];
	char name[16];

	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ck_assert(t_sparse(name, 16 * GIB)); /* it would take seconds */
		files[i] = t_open(pool, t_path(name), NULL);
		T_ASSERT_OK(mms_preload(files[i], 0, 0, MMS_PRELOAD_ASYNC));
	}
	usleep(1000);
	for (int i = 0; i < 8; i++)
		mms_close(files[i]);
	mms_pool_free(pool);
}
END_TEST

START_TEST(no_thread)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 100), NULL);

	t_fail(CALL_THREAD_START, -EAGAIN, 0, 1);
	ck_assert_int_eq(mms_preload(file, 0, 0, MMS_PRELOAD_ASYNC), -EAGAIN);
	T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_ASYNC));
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, normal_makes_no_call);
	tcase_add_test(t, advice_is_kept_for_later_chunks);
	tcase_add_test(t, advice_from_the_options);
	tcase_add_test(t, populate);
	tcase_add_test(t, populate_within_the_budget);
	tcase_add_test(t, populate_on_old_kernels);
	tcase_add_test(t, asynchronous);
	tcase_add_test(t, closing_while_it_reads);
	tcase_add_test(t, no_thread);
}

int main(void)
{
	return t_run("hints", add_tests);
}

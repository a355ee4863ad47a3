/* SPDX-License-Identifier: MIT */
/* Proves that clones run in many threads, whatever the budget and whoever closes or cuts the file.
 */
#include "helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define SHIFT 20u
#define CHUNK (1u << SHIFT)
#define CHUNKS 10u
#define THREADS 6u

static struct mms_view shared;
static _Atomic uint64_t wrong, reads, refused;
static atomic_bool stop;
static pthread_barrier_t all_there;

static uint64_t pattern_u32(uint64_t offset)
{
	uint64_t v = 0;

	for (unsigned i = 4; i-- > 0;)
		v = v << 8 | t_byte(offset + i);
	return v;
}

/* Reads here and there, much of it over borders. */
static void read_around(struct mms_view *view, uint64_t seed, int rounds)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15 + 1;
	unsigned char buf[64];
	uint32_t v;

	for (int i = 0; i < rounds; i++) {
		uint64_t pos;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pos = x % (CHUNKS * CHUNK - 64);
		if (i % 4 == 0)
			pos = pos / CHUNK * CHUNK + CHUNK - 2;
		if (pos > CHUNKS * CHUNK - 64)
			pos -= 64;
		if (mms_view_u32_at(view, pos, &v) || v != pattern_u32(pos))
			atomic_fetch_add(&wrong, 1);
		if (mms_view_seek(view, pos) || mms_view_bytes(view, buf, sizeof(buf)))
			atomic_fetch_add(&wrong, 1);
		for (unsigned k = 0; k < sizeof(buf); k++) {
			if (buf[k] != t_byte(pos + k))
				atomic_fetch_add(&wrong, 1);
		}
		atomic_fetch_add_explicit(&reads, 1, memory_order_relaxed);
	}
}

static void *own_clone(void *arg)
{
	struct mms_view clone;
	uint32_t v;

	if (mms_view_clone(&shared, &clone))
		atomic_fetch_add(&wrong, 1);
	/* All are in a chunk of their own before they begin. */
	if (mms_view_u32_at(&clone, (uintptr_t)arg * CHUNK, &v))
		atomic_fetch_add(&wrong, 1);
	pthread_barrier_wait(&all_there);
	read_around(&clone, (uintptr_t)arg + 1, 2000);
	mms_view_release(&clone);
	return NULL;
}

static void run(void *(*f)(void *), pthread_t *threads)
{
	T_ASSERT_OK(pthread_barrier_init(&all_there, NULL, THREADS));
	for (uintptr_t i = 0; i < THREADS; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, f, (void *)i));
}

static void join(const pthread_t *threads)
{
	for (unsigned i = 0; i < THREADS; i++)
		T_ASSERT_OK(pthread_join(threads[i], NULL));
}

/* As many chunks as threads: all is mapped. Fewer: the rest is read. */
START_TEST(clones_over_a_small_budget)
{
	static const struct {
		unsigned chunks;
		enum mms_io io;
		enum mms_mode mode;
	} cases[] = {
		{THREADS, MMS_IO_MMAP, MMS_RDONLY}, {2, MMS_IO_MMAP, MMS_RDONLY},
		{1, MMS_IO_MMAP, MMS_RDWR},         {3, MMS_IO_AUTO, MMS_RDONLY},
		{2, MMS_IO_AUTO, MMS_COW},          {1, MMS_IO_PREAD, MMS_RDONLY},
	};
	const struct mms_file_options options = {.io = cases[_i].io, .mode = cases[_i].mode};
	unsigned chunks = cases[_i].chunks;
	struct mms_pool *pool = t_pool(SHIFT, (uint64_t)chunks * CHUNK, chunks);
	struct mms_file *file = t_open(pool, t_fill("f", CHUNKS * CHUNK), &options);
	pthread_t threads[THREADS];

	T_ASSERT_OK(mms_view_init(&shared, file));
	run(own_clone, threads);
	join(threads);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(reads, THREADS * 2000);
	ck_assert_uint_le(t_maps_peak, chunks);
	if (cases[_i].io == MMS_IO_MMAP)
		ck_assert_uint_gt(t_stats(pool).chunk_evictions, 0);
	if (cases[_i].chunks == THREADS)
		ck_assert_uint_eq(t_call[CALL_PREAD].made, 0);
	else
		ck_assert_uint_gt(t_call[CALL_PREAD].made, 0);
	mms_view_release(&shared);
	mms_close(file);
	ck_assert_uint_eq(t_maps_now, 0);
	mms_pool_free(pool);
}
END_TEST

static void *many_clones(void *arg)
{
	struct mms_view clone, slice;
	uint32_t v;

	for (uint64_t i = 0; i < 2000; i++) {
		uint64_t at = (i * 4099 + (uintptr_t)arg * 77777) % (CHUNKS * CHUNK - 100);

		if (mms_view_clone(&shared, &clone) ||
		    mms_view_slice(&clone, i % 3 ? "part" : NULL, at, 100, &slice))
			atomic_fetch_add(&wrong, 1);
		mms_view_release(&clone);
		if (mms_view_u32(&slice, &v) || v != pattern_u32(at))
			atomic_fetch_add(&wrong, 1);
		mms_view_release(&slice);
	}
	return NULL;
}

START_TEST(clones_come_and_go)
{
	const struct mms_file_options options = {.io = MMS_IO_MMAP};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", CHUNKS * CHUNK), &options);
	pthread_t threads[THREADS];
	struct mms_view whole;

	T_ASSERT_OK(mms_view_init(&whole, file));
	T_ASSERT_OK(mms_view_slice(&whole, "all", 0, CHUNKS * CHUNK, &shared));
	run(many_clones, threads);
	join(threads);
	ck_assert_uint_eq(wrong, 0);
	mms_view_release(&whole);
	mms_view_release(&shared);
	ck_assert_uint_eq(t_call[CALL_CLOSE].made, 0);
	mms_close(file);
	ck_assert_uint_eq(t_call[CALL_CLOSE].made, 1);
	mms_pool_free(pool);
}
END_TEST

/* Who comes last unmaps and closes; whoever that is. */
START_TEST(closed_beside_readers)
{
	const struct mms_file_options options = {.io = MMS_IO_MMAP, .mode = MMS_RDWR};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);

	for (int round = 0; round < 5; round++) {
		struct mms_file *file = t_open(pool, t_fill("f", CHUNKS * CHUNK), &options);
		struct mms_view views[THREADS];
		pthread_t threads[THREADS];

		atomic_store(&reads, 0);
		T_ASSERT_OK(mms_view_init(&shared, file));
		run(own_clone, threads);
		/* Each has its clone once it has read. */
		for (unsigned i = 0; i < THREADS; i++)
			T_ASSERT_OK(mms_view_clone(&shared, &views[i]));
		while (atomic_load(&reads) < 100)
			usleep(100);
		T_ASSERT_OK(mms_close(file));
		for (unsigned i = 0; i < THREADS; i++)
			mms_view_release(&views[i]);
		join(threads);
		ck_assert_uint_eq(t_stats(pool).files, 1);
		mms_view_release(&shared);
		ck_assert_uint_eq(t_stats(pool).files, 0);
		ck_assert_uint_eq(t_maps_now, 0);
		ck_assert_int_eq(t_call[CALL_CLOSE].made, round + 1);
	}
	ck_assert_uint_eq(wrong, 0);
	mms_pool_free(pool);
}
END_TEST

static void *last_one(void *arg)
{
	struct mms_view *view = arg;

	read_around(view, 5, 200);
	mms_view_release(view);
	return NULL;
}

START_TEST(the_last_view_goes_in_a_thread)
{
	const struct mms_file_options options = {.io = MMS_IO_MMAP};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", CHUNKS * CHUNK), &options);
	struct mms_view views[THREADS];
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		T_ASSERT_OK(mms_view_init(&views[i], file));
		T_ASSERT_OK(mms_view_preload(&views[i], MMS_PRELOAD_ASYNC));
	}
	for (unsigned i = 0; i < THREADS; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, last_one, &views[i]));
	T_ASSERT_OK(mms_close(file));
	join(threads);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(t_stats(pool).files, 0);
	ck_assert_uint_eq(t_call[CALL_CLOSE].made, 1);
	mms_pool_free(pool);
}
END_TEST

static _Atomic uint64_t slow_preads;

static ssize_t slow_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	usleep(500);
	atomic_fetch_add(&slow_preads, 1);
	return mms_sys_default.pread(fd, buf, len, offset);
}

/* What a view had begun to read in ends with the last view. */
START_TEST(preloads_end_with_the_last_view)
{
	struct mms_sys sys = mms_sys_default;
	struct mms_pool *pool;
	struct mms_file *file;
	struct mms_view view;
	uint64_t n;

	sys.pread = slow_pread;
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	T_ASSERT_OK(mms_open(pool, t_fill("f", CHUNKS * CHUNK), NULL, &file, NULL));
	T_ASSERT_OK(mms_view_init(&view, file));
	T_ASSERT_OK(mms_close(file));
	for (int i = 0; i < 5; i++)
		T_ASSERT_OK(mms_view_preload(&view, MMS_PRELOAD_ASYNC));
	while (!atomic_load(&slow_preads))
		usleep(100);
	mms_view_release(&view);
	n = atomic_load(&slow_preads);
	usleep(20000);
	ck_assert_uint_eq(atomic_load(&slow_preads), n);
	ck_assert_uint_lt(n, 5 * CHUNKS * CHUNK / (128 * KIB));
	mms_pool_free(pool);
}
END_TEST

/* Numbers are those of the file, or zeros where it was cut and grew, or refused. */
static void *beside_cuts(void *arg)
{
	struct mms_view clone;
	uint64_t i = (uintptr_t)arg;
	unsigned char buf[600];

	T_ASSERT_OK(mms_view_clone(&shared, &clone));
	while (!atomic_load(&stop)) {
		uint64_t pos = i * 4099 % (CHUNK - 600);
		uint8_t v = 0;
		int r = mms_view_u8_at(&clone, pos, &v);

		if (r == -MMS_ETRUNCATED)
			atomic_fetch_add(&refused, 1);
		else if (r || (v && v != t_byte(pos)))
			atomic_fetch_add(&wrong, 1);
		r = mms_view_bytes_at(&clone, pos, buf, sizeof(buf));
		if (r && r != -MMS_ETRUNCATED)
			atomic_fetch_add(&wrong, 1);
		for (unsigned k = 0; !r && k < sizeof(buf); k += 7) {
			if (buf[k] && buf[k] != t_byte(pos + k))
				atomic_fetch_add(&wrong, 1);
		}
		i += THREADS;
	}
	mms_view_release(&clone);
	return NULL;
}

START_TEST(truncations_beside_readers)
{
	const struct mms_file_options options = {.io = MMS_IO_MMAP};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", CHUNK);
	struct mms_file *file = t_open(pool, path, &options);
	unsigned char *data = malloc(CHUNK);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	pthread_t threads[THREADS];

	t_pattern(data, CHUNK, 0);
	T_ASSERT_OK(mms_view_init(&shared, file));
	run(beside_cuts, threads);
	for (int i = 0; i < 3000 && (i < 200 || atomic_load(&refused) < 10); i++) {
		ck_assert_int_eq(ftruncate(fd, i % 7 * 4096), 0);
		ck_assert_int_eq(pwrite(fd, data, CHUNK, 0), CHUNK);
	}
	atomic_store(&stop, true);
	join(threads);
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_gt(t_stats(pool).faults, 0);
	close(fd);
	free(data);
	mms_view_release(&shared);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_loop_test(t, clones_over_a_small_budget, 0, 6);
	tcase_add_test(t, clones_come_and_go);
	tcase_add_test(t, closed_beside_readers);
	tcase_add_test(t, the_last_view_goes_in_a_thread);
	tcase_add_test(t, preloads_end_with_the_last_view);
	tcase_add_test(t, truncations_beside_readers);
}

int main(void)
{
	return t_run("view_thread", add_tests);
}

/* SPDX-License-Identifier: MIT */
/* Proves that passes find every dirty file, at their time, and that files may go away meanwhile. */
#include "helper.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

static _Atomic unsigned callbacks, failures, befores, afters;
static _Atomic int last_after;
static _Atomic uint64_t after_files;
static atomic_bool close_in_callback;

static void synced(struct mms_file *file, void *cookie, int result)
{
	ck_assert_ptr_eq(cookie, &callbacks);
	atomic_fetch_add(&callbacks, 1);
	if (result)
		atomic_fetch_add(&failures, 1);
	if (atomic_load(&close_in_callback))
		mms_close(file);
}

static void before(void *arg)
{
	ck_assert_ptr_eq(arg, &befores);
	atomic_fetch_add(&befores, 1);
}

static void after(void *arg, uint64_t files, int result)
{
	(void)arg;
	atomic_store(&last_after, result);
	atomic_fetch_add(&after_files, files);
	atomic_fetch_add(&afters, 1);
}

static struct mms_file *open_one(struct mms_pool *pool, const char *name, enum mms_sync_mode mode)
{
	const struct mms_file_options o = {
		.mode = MMS_RDWR, .sync = mode, .synced = synced, .cookie = &callbacks};

	return t_open(pool, t_fill(name, 100), &o);
}

static void put(struct mms_file *file)
{
	ck_assert_int_eq(mms_write(file, "data", 4, 0, 0), 4);
}

static struct mms_syncer *start(struct mms_pool *pool, unsigned interval_ms)
{
	const struct mms_syncer_options o = {
		.interval_ms = interval_ms, .before = before, .after = after, .arg = &befores};
	struct mms_syncer *syncer;

	T_ASSERT_OK(mms_syncer_start(pool, &o, &syncer, NULL));
	return syncer;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

START_TEST(pool_sync_finds_all)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_file *files[40];
	uint64_t n;

	for (int i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		files[i] = open_one(pool, name, i % 2 ? MMS_SYNC_NEVER : MMS_SYNC_PERIODIC);
		if (i % 4)
			put(files[i]);
	}
	ck_assert_uint_eq(t_stats(pool).dirty_files, 30);
	t_fail(CALL_FDATASYNC, -EIO, 5, 2);
	ck_assert_int_eq(mms_pool_sync(pool, &n), -EIO);
	ck_assert_uint_eq(n, 30);
	ck_assert_uint_eq(callbacks, 30);
	ck_assert_uint_eq(failures, 2);
	ck_assert_uint_eq(t_stats(pool).dirty_files, 0);
	/* Reported once. */
	T_ASSERT_OK(mms_pool_sync(pool, &n));
	ck_assert_uint_eq(n, 0);
	T_ASSERT_OK(mms_pool_sync(pool, NULL));
	for (int i = 0; i < 40; i++)
		mms_close(files[i]);
	mms_pool_free(pool);
}
END_TEST

START_TEST(passes_come_by_the_clock)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_file *file = open_one(pool, "f", MMS_SYNC_PERIODIC);
	struct mms_file *lazy = open_one(pool, "lazy", MMS_SYNC_LAZY);
	double begun = now();
	struct mms_syncer *syncer = start(pool, 30);

	put(file);
	put(lazy);
	while (mms_is_dirty(file))
		usleep(1000);
	while (afters < 5)
		usleep(1000);
	/* A fixed rate: 5 passes are 150 ms, however slow the machine is. */
	ck_assert_double_gt(now() - begun, 0.1);
	ck_assert_uint_eq(callbacks, 1);
	ck_assert_uint_eq(after_files, 1);
	ck_assert(mms_is_dirty(lazy)); /* at its close, not by the clock */
	T_ASSERT_OK(mms_syncer_kick(syncer, true));
	ck_assert(!mms_is_dirty(lazy)); /* but when asked */
	mms_syncer_stop(syncer);
	ck_assert_uint_ge(befores, afters);
	/* No last pass. */
	put(file);
	ck_assert(mms_is_dirty(file));
	mms_close(file);
	mms_close(lazy);
	mms_pool_free(pool);
}
END_TEST

START_TEST(kicks)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_file *file = open_one(pool, "f", MMS_SYNC_PERIODIC);
	struct mms_syncer *syncer = start(pool, 3600 * 1000);

	for (int i = 0; i < 20; i++) {
		put(file);
		T_ASSERT_OK(mms_syncer_kick(syncer, true));
		ck_assert(!mms_is_dirty(file));
	}
	put(file);
	t_fail(CALL_FDATASYNC, -EIO, 0, 1);
	ck_assert_int_eq(mms_syncer_kick(syncer, true), -EIO);
	ck_assert_int_eq(last_after, -EIO);
	T_ASSERT_OK(mms_syncer_kick(syncer, true));
	put(file);
	T_ASSERT_OK(mms_syncer_kick(syncer, false));
	while (mms_is_dirty(file))
		usleep(1000);
	mms_syncer_stop(syncer);
	mms_syncer_stop(NULL);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(files_may_be_closed_by_their_callback)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	uint64_t n;

	atomic_store(&close_in_callback, true);
	for (int i = 0; i < 10; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		put(open_one(pool, name, MMS_SYNC_PERIODIC));
	}
	T_ASSERT_OK(mms_pool_sync(pool, &n));
	ck_assert_uint_eq(n, 10);
	ck_assert_uint_eq(t_stats(pool).files, 0);
	mms_pool_free(pool);
}
END_TEST

static struct mms_pool *churn_pool;

static void *open_write_close(void *arg)
{
	char name[16];

	snprintf(name, sizeof(name), "f%d", (int)(intptr_t)arg);
	for (int i = 0; i < 200; i++) {
		struct mms_file *file = NULL;
		const struct mms_file_options o = {.mode = MMS_RDWR,
						   .sync = MMS_SYNC_PERIODIC,
						   .synced = synced,
						   .cookie = &callbacks};

		if (mms_open(churn_pool, t_path(name), &o, &file, NULL) ||
		    mms_write(file, "data", 4, 0, 0) != 4)
			return (void *)1;
		if (i % 3 == 0)
			usleep(100);
		mms_close(file);
	}
	return NULL;
}

/* mms_close() waits for a pass that is at the file: else the pass, or the
 * callback, would use what is freed. */
START_TEST(files_may_be_closed_by_other_threads)
{
	pthread_t threads[4];
	struct mms_syncer *syncer;

	churn_pool = t_pool(20, 0, 0);
	syncer = start(churn_pool, 1);
	for (int i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		t_fill(name, 100);
	}
	for (int i = 0; i < 4; i++)
		T_ASSERT_OK(
			pthread_create(&threads[i], NULL, open_write_close, (void *)(intptr_t)i));
	for (int i = 0; i < 50; i++)
		T_ASSERT_OK(mms_pool_sync(churn_pool, NULL));
	for (int i = 0; i < 4; i++) {
		void *failed;

		T_ASSERT_OK(pthread_join(threads[i], &failed));
		ck_assert_ptr_eq(failed, NULL);
	}
	mms_syncer_stop(syncer);
	ck_assert_uint_eq(t_stats(churn_pool).files, 0);
	ck_assert_uint_eq(t_stats(churn_pool).dirty_files, 0);
	mms_pool_free(churn_pool);
}
END_TEST

static atomic_bool stop_writing;

static void *keep_writing(void *arg)
{
	while (!atomic_load(&stop_writing))
		(void)mms_write(arg, "data", 4, 0, 0);
	return NULL;
}

/* A file that is dirty again at once must not keep a pass from ending. */
START_TEST(passes_end_while_writes_go_on)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_file *file = open_one(pool, "f", MMS_SYNC_PERIODIC);
	pthread_t thread;
	uint64_t n;

	T_ASSERT_OK(pthread_create(&thread, NULL, keep_writing, file));
	for (uint64_t synced_files = 0; synced_files < 20; synced_files += n) {
		T_ASSERT_OK(mms_pool_sync(pool, &n));
		ck_assert_uint_le(n, 1);
	}
	atomic_store(&stop_writing, true);
	pthread_join(thread, NULL);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(refusals)
{
	const struct mms_syncer_options zero = {.interval_ms = 0};
	const struct mms_syncer_options good = {.interval_ms = 10};
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_syncer *syncer = NULL;
	struct mms_error err;

	ck_assert_int_eq(mms_syncer_start(pool, &zero, &syncer, &err), -EINVAL);
	ck_assert_str_eq(err.hint, "the interval must be at least 1 ms");
	t_fail(CALL_THREAD_START, -EAGAIN, 0, 1);
	ck_assert_int_eq(mms_syncer_start(pool, &good, &syncer, &err), -EAGAIN);
	ck_assert_ptr_eq(syncer, NULL);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, pool_sync_finds_all);
	tcase_add_test(t, passes_come_by_the_clock);
	tcase_add_test(t, kicks);
	tcase_add_test(t, files_may_be_closed_by_their_callback);
	tcase_add_test(t, files_may_be_closed_by_other_threads);
	tcase_add_test(t, passes_end_while_writes_go_on);
	tcase_add_test(t, refusals);
}

int main(void)
{
	return t_run("syncer", add_tests);
}

/* SPDX-License-Identifier: MIT */
/* Proves what is durable when, that a sync of what is clean is saved, that errors come once. */
#include "helper.h"

#include <pthread.h>
#include <unistd.h>

static const struct mms_file_options never = {.mode = MMS_RDWR, .sync = MMS_SYNC_NEVER};

static unsigned fdatasyncs(void)
{
	return atomic_exchange(&t_call[CALL_FDATASYNC].made, 0);
}

static unsigned fsyncs(void)
{
	return atomic_exchange(&t_call[CALL_FSYNC].made, 0);
}

static void put(struct mms_file *file, uint64_t offset)
{
	ck_assert_int_eq(mms_write(file, "data", 4, offset, 0), 4);
}

/* All of the block that put() has written in part. */
static void put_block(struct mms_file *file, uint64_t offset)
{
	unsigned char block[MMS_BLOCK_BYTES] = {0};

	ck_assert_int_eq(mms_write(file, block, sizeof(block), offset, 0), sizeof(block));
}

START_TEST(only_what_is_dirty)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", MIB), &never);

	T_ASSERT_OK(mms_sync(file, 0, 0, 0));
	T_ASSERT_OK(mms_sync(file, 0, 0, MMS_SYNC_META));
	ck_assert_uint_eq(fdatasyncs() + fsyncs(), 0);
	T_ASSERT_OK(mms_sync(file, 0, 0, MMS_SYNC_FORCE));
	ck_assert_uint_eq(fdatasyncs(), 1);
	T_ASSERT_OK(mms_sync(file, 0, 0, MMS_SYNC_FORCE | MMS_SYNC_META));
	ck_assert_uint_eq(fsyncs(), 1);
	put(file, 8192);
	T_ASSERT_OK(mms_sync(file, 0, 8192, 0));  /* just before */
	T_ASSERT_OK(mms_sync(file, 12288, 0, 0)); /* just after */
	ck_assert_uint_eq(fdatasyncs(), 0);
	ck_assert(mms_is_dirty(file));
	T_ASSERT_OK(mms_sync(file, 8195, 1, 0));
	ck_assert_uint_eq(fdatasyncs(), 1);
	ck_assert(!mms_is_dirty(file));
	put(file, 0);
	T_ASSERT_OK(mms_sync(file, 0, 0, MMS_SYNC_META));
	ck_assert_uint_eq(fsyncs(), 1);
	ck_assert_int_eq(mms_sync(file, 0, 0, 64), -EINVAL);
	ck_assert_uint_eq(t_stats(pool).syncs, 4);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(modes)
{
	static const struct {
		enum mms_sync_mode mode;
		unsigned at_write, at_flush, at_close;
	} rows[] = {
		{MMS_SYNC_IMMEDIATE, 1, 0, 0},
		{MMS_SYNC_PERIODIC, 0, 0, 0},
		{MMS_SYNC_LAZY, 0, 1, 1},
		{MMS_SYNC_NEVER, 0, 0, 0},
	};
	struct mms_pool *pool = t_pool(20, 0, 0);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct mms_file_options o = {.mode = MMS_RDWR, .sync = rows[i].mode};
		struct mms_file *file = t_open(pool, t_fill("f", MIB), &o);

		put(file, 0);
		ck_assert_uint_eq(fdatasyncs(), rows[i].at_write);
		T_ASSERT_OK(mms_flush(file));
		ck_assert_uint_eq(fdatasyncs(), rows[i].at_flush);
		ck_assert_int_eq(mms_write(file, "data", 4, 0, MMS_WRITE_SYNC), 4);
		ck_assert_uint_eq(fdatasyncs(), 1);
		put(file, 0);
		ck_assert_uint_eq(fdatasyncs(), rows[i].at_write);
		T_ASSERT_OK(mms_close(file));
		ck_assert_uint_eq(fdatasyncs(), rows[i].at_close);
	}
	mms_pool_free(pool);
}
END_TEST

/* The kernel does not write such pages again: nothing stays dirty, and there is
 * no success before they were written anew. */
START_TEST(errors_stay)
{
	const struct mms_file_options lazy = {.mode = MMS_RDWR, .sync = MMS_SYNC_LAZY};
	const struct mms_file_options immediate = {.mode = MMS_RDWR};
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", MIB), &lazy);

	t_fail(CALL_FDATASYNC, -EIO, 0, 1);
	put(file, 0);
	ck_assert_int_eq(mms_sync(file, 0, 0, 0), -EIO);
	ck_assert(!mms_is_dirty(file));
	fdatasyncs();
	ck_assert_int_eq(mms_sync(file, 0, 0, 0), -EIO);
	ck_assert_uint_eq(fdatasyncs(), 0);
	ck_assert_int_eq(mms_sync(file, 0, 0, MMS_SYNC_FORCE), -EIO);
	ck_assert_int_eq(mms_sync_lost(file), -EIO);
	put_block(file, 0);
	ck_assert_int_eq(mms_sync_lost(file), 0);
	T_ASSERT_OK(mms_sync(file, 0, 0, 0));
	ck_assert_uint_eq(t_stats(pool).sync_failures, 1);
	put(file, 0);
	t_fail(CALL_FDATASYNC, -ENOSPC, 0, 1);
	ck_assert_int_eq(mms_close(file), -ENOSPC);
	file = t_open(pool, t_path("f"), &immediate);
	t_fail(CALL_FDATASYNC, -EDQUOT, 0, 1);
	ck_assert_int_eq(mms_write(file, "x", 1, 0, 0), -EDQUOT);
	ck_assert_int_eq(mms_close(file), -EDQUOT);
	file = t_open(pool, t_path("f"), &lazy);
	put(file, 0);
	t_fail(CALL_FDATASYNC, -EINTR, 0, 3);
	T_ASSERT_OK(mms_sync(file, 0, 0, 0));
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* What was in a sync that failed is made good by whole blocks, or by cutting it off. */
START_TEST(lost_until_written_anew)
{
	const struct mms_file_options lazy = {.mode = MMS_RDWR, .sync = MMS_SYNC_LAZY};
	struct mms_pool *pool = t_pool(20, 0, 0);
	uint64_t memory = t_stats(pool).memory_bytes;
	struct mms_file *file = t_open(pool, t_fill("f", 10 * MMS_BLOCK_BYTES + 100), &lazy);
	unsigned char block[MMS_BLOCK_BYTES] = {1};

	for (uint64_t i = 2; i < 5; i++)
		ck_assert_int_eq(mms_write(file, block, sizeof(block), i * sizeof(block), 0),
				 sizeof(block));
	ck_assert_int_eq(mms_write(file, block, 100, 10 * sizeof(block), 0), 100);
	t_fail(CALL_FDATASYNC, -EIO, 0, 1);
	ck_assert_int_eq(mms_sync(file, 0, 0, 0), -EIO);
	/* A part of a block may bring back the rest of it as the disk has it. */
	ck_assert_int_eq(mms_write(file, block, 100, 2 * sizeof(block), 0), 100);
	ck_assert_int_eq(mms_sync(file, 0, 0, 0), -EIO);
	for (uint64_t i = 2; i < 5; i++) {
		ck_assert_int_eq(mms_sync_lost(file), -EIO);
		ck_assert_int_eq(mms_write(file, block, sizeof(block), i * sizeof(block), 0),
				 sizeof(block));
	}
	ck_assert_int_eq(mms_sync(file, 0, 0, 0), -EIO);
	/* The last block is whole where the file ends. */
	ck_assert_int_eq(mms_write(file, block, 100, 10 * sizeof(block), 0), 100);
	T_ASSERT_OK(mms_sync(file, 0, 0, 0));

	ck_assert_int_eq(mms_write(file, block, 100, 9 * sizeof(block), 0), 100);
	t_fail(CALL_FDATASYNC, -EIO, 0, 1);
	ck_assert_int_eq(mms_sync(file, 0, 0, 0), -EIO);
	T_ASSERT_OK(mms_resize(file, 9 * sizeof(block)));
	T_ASSERT_OK(mms_sync(file, 0, 0, 0));

	/* Which blocks a change of size has touched is not known. */
	T_ASSERT_OK(mms_resize(file, 20 * sizeof(block)));
	t_fail(CALL_FDATASYNC, -EIO, 0, 1);
	ck_assert_int_eq(mms_sync(file, 0, 0, 0), -EIO);
	for (uint64_t i = 0; i < 20; i++)
		ck_assert_int_eq(mms_write(file, block, sizeof(block), i * sizeof(block), 0),
				 sizeof(block));
	ck_assert_int_eq(mms_sync(file, 0, 0, 0), -EIO);
	T_ASSERT_OK(mms_resize(file, 0));
	T_ASSERT_OK(mms_sync(file, 0, 0, 0));
	T_ASSERT_OK(mms_close(file));
	ck_assert_uint_eq(t_stats(pool).memory_bytes, memory);
	mms_pool_free(pool);
}
END_TEST

/* -------------------------------------------- a sync that takes its time */

static pthread_mutex_t slow_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t slow_changed = PTHREAD_COND_INITIALIZER;
static unsigned slow_entered, slow_released; /* slow_lock */
static int slow_result;

static int slow_fdatasync(int fd)
{
	unsigned me;
	int r;

	(void)fd;
	pthread_mutex_lock(&slow_lock);
	me = ++slow_entered;
	pthread_cond_broadcast(&slow_changed);
	while (slow_released < me)
		pthread_cond_wait(&slow_changed, &slow_lock);
	r = slow_result;
	pthread_mutex_unlock(&slow_lock);
	return r;
}

static void wait_entered(unsigned n)
{
	pthread_mutex_lock(&slow_lock);
	while (slow_entered < n)
		pthread_cond_wait(&slow_changed, &slow_lock);
	pthread_mutex_unlock(&slow_lock);
}

static void release(unsigned n)
{
	pthread_mutex_lock(&slow_lock);
	slow_released = n;
	pthread_cond_broadcast(&slow_changed);
	pthread_mutex_unlock(&slow_lock);
}

static struct mms_file *slow_file;

static void *sync_it(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)mms_sync(slow_file, 0, 0, 0);
}

static void *sync_meta(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)mms_sync(slow_file, 0, 0, MMS_SYNC_META);
}

static struct mms_pool *slow_pool(void)
{
	static struct mms_sys sys;
	struct mms_pool *pool;

	sys = mms_sys_default;
	sys.fdatasync = slow_fdatasync;
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	slow_file = t_open(pool, t_fill("f", MIB), &never);
	return pool;
}

static int joined(pthread_t thread)
{
	void *result;

	T_ASSERT_OK(pthread_join(thread, &result));
	return (int)(intptr_t)result;
}

/* What is written during a sync is dirty after it. If the map were taken away
 * after the call, it would be lost. */
START_TEST(writes_during_a_sync_stay_dirty)
{
	struct mms_pool *pool = slow_pool();
	pthread_t thread;

	put(slow_file, 0);
	T_ASSERT_OK(pthread_create(&thread, NULL, sync_it, NULL));
	wait_entered(1);
	put(slow_file, 8192);
	ck_assert_uint_eq(t_stats(pool).dirty_bytes, 4096);
	release(1);
	ck_assert_int_eq(joined(thread), 0);
	ck_assert(mms_is_dirty(slow_file));
	ck_assert_uint_eq(t_stats(pool).dirty_files, 1);
	release(2);
	T_ASSERT_OK(mms_sync(slow_file, 8192, 1, 0));
	ck_assert_uint_eq(slow_entered, 2);
	mms_close(slow_file);
	mms_pool_free(pool);
}
END_TEST

/* A second sync must not return while the first has its data under way; and
 * if that fails, it fails for both. */
START_TEST(a_sync_waits_for_the_one_under_way)
{
	struct mms_pool *pool = slow_pool();
	pthread_t one, two;

	put(slow_file, 0);
	T_ASSERT_OK(pthread_create(&one, NULL, sync_it, NULL));
	wait_entered(1);
	ck_assert(mms_is_dirty(slow_file));
	ck_assert_uint_eq(t_stats(pool).dirty_files, 1);
	T_ASSERT_OK(pthread_create(&two, NULL, sync_it, NULL));
	usleep(20000);
	ck_assert_int_eq(pthread_tryjoin_np(two, NULL), EBUSY);
	slow_result = -EIO;
	release(100);
	ck_assert_int_eq(joined(one), -EIO);
	ck_assert_int_eq(joined(two), -EIO);
	ck_assert_uint_eq(slow_entered, 1);
	/* The third has its data from anew. */
	slow_result = 0;
	put_block(slow_file, 0);
	T_ASSERT_OK(mms_sync(slow_file, 0, 0, 0));
	mms_close(slow_file);
	mms_pool_free(pool);
}
END_TEST

/* Those who wait during one sync share the next. */
START_TEST(group_commit)
{
	struct mms_pool *pool = slow_pool();
	pthread_t threads[6];

	put(slow_file, 0);
	T_ASSERT_OK(pthread_create(&threads[0], NULL, sync_it, NULL));
	wait_entered(1);
	for (int i = 1; i < 6; i++) {
		put(slow_file, (uint64_t)i * 4096);
		T_ASSERT_OK(pthread_create(&threads[i], NULL, sync_it, NULL));
	}
	usleep(50000);
	release(100);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(joined(threads[i]), 0);
	ck_assert_uint_le(slow_entered, 3);
	mms_close(slow_file);
	mms_pool_free(pool);
}
END_TEST

/* An fdatasync under way does not do for an fsync. */
START_TEST(meta_is_not_served_by_data)
{
	struct mms_pool *pool = slow_pool();
	pthread_t one, two;

	put(slow_file, 0);
	T_ASSERT_OK(pthread_create(&one, NULL, sync_it, NULL));
	wait_entered(1);
	T_ASSERT_OK(pthread_create(&two, NULL, sync_meta, NULL));
	usleep(20000);
	release(100);
	ck_assert_int_eq(joined(one), 0);
	ck_assert_int_eq(joined(two), 0);
	ck_assert_uint_eq(t_stats(pool).syncs, 2);
	ck_assert_uint_eq(slow_entered, 1);
	mms_close(slow_file);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, only_what_is_dirty);
	tcase_add_test(t, modes);
	tcase_add_test(t, errors_stay);
	tcase_add_test(t, lost_until_written_anew);
	tcase_add_test(t, writes_during_a_sync_stay_dirty);
	tcase_add_test(t, a_sync_waits_for_the_one_under_way);
	tcase_add_test(t, group_commit);
	tcase_add_test(t, meta_is_not_served_by_data);
}

int main(void)
{
	return t_run("sync", add_tests);
}

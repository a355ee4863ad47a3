/* SPDX-License-Identifier: MIT */
/* Proves that the dirty map equals a plain array of bits, and stays bounded. */
#include "helper.h"

#include "arith.h"
#include "dirty.h"

#define BLOCK MMS_BLOCK_BYTES
#define BLOCKS 1000u

static bool model[BLOCKS];

static void model_set(uint64_t offset, uint64_t len, bool to)
{
	for (uint64_t b = offset / BLOCK; len && b <= (offset + len - 1) / BLOCK; b++)
		model[b] = to;
}

static void compare(const struct dirty_map *m, uint64_t offset, size_t len)
{
	uint64_t first = offset / BLOCK, last = (offset + len - 1) / BLOCK;
	uint64_t blocks = 0, b = first;
	bool any = false, set;
	size_t run;

	for (uint64_t i = 0; i < BLOCKS; i++)
		blocks += model[i];
	for (uint64_t i = first; i <= last; i++)
		any |= model[i];
	ck_assert_uint_eq(m->n_blocks, blocks);
	ck_assert_int_eq(mms_dirty_any(m, offset, len), any);
	while (b <= last && model[b] == model[first])
		b++;
	run = mms_dirty_run(m, offset, len, &set);
	ck_assert_int_eq(set, model[first]);
	ck_assert_uint_eq(run, u64_min(len, b * BLOCK - offset));
}

START_TEST(equals_a_model)
{
	struct dirty_map m = {0};
	uint64_t random = 42;

	for (int i = 0; i < 20000; i++) {
		uint64_t offset, len;

		random = u64_mix(random + (uint64_t)i);
		offset = random % (BLOCKS * BLOCK);
		len = (random >> 32) % (random % 3 ? 20000 : 900000);
		len = u64_min(BLOCKS * BLOCK - offset, len);
		if (i % 2)
			mms_dirty_add(&m, offset, len);
		else
			mms_dirty_remove(&m, offset, len);
		model_set(offset, len, i % 2);
		random = u64_mix(random);
		offset = random % (BLOCKS * BLOCK);
		len = u64_min(BLOCKS * BLOCK - offset, 1 + (random >> 40) % 900000);
		compare(&m, offset, (size_t)len);
		if (i % 5000 == 4999) {
			mms_dirty_clear(&m);
			memset(model, 0, sizeof(model));
		}
	}
	mms_dirty_release(&m);
}
END_TEST

START_TEST(ends_of_the_number_line)
{
	struct dirty_map m = {0};
	bool set;

	mms_dirty_add(&m, OFFSET_MAX - 1, 1);
	ck_assert(mms_dirty_any(&m, 0, UINT64_MAX));
	ck_assert(mms_dirty_any(&m, OFFSET_MAX - 1, UINT64_MAX));
	ck_assert(!mms_dirty_any(&m, 0, OFFSET_MAX - BLOCK));
	ck_assert_uint_eq(mms_dirty_run(&m, 0, 1 << 20, &set), 1 << 20);
	ck_assert(!set);
	mms_dirty_remove(&m, BLOCK, UINT64_MAX);
	ck_assert_uint_eq(m.n_blocks, 0);
	mms_dirty_add(&m, 0, 0);
	ck_assert_uint_eq(m.n_blocks, 0);
	mms_dirty_release(&m);
}
END_TEST

/* 1 TiB of scattered writes: memory is bounded, and nothing is taken for clean. */
START_TEST(bounded)
{
	struct dirty_map m = {0};

	for (uint64_t i = 0; i < 200000; i++)
		mms_dirty_add(&m, i * (MIB + 4096), 100);
	ck_assert(m.partial);
	ck_assert_uint_le(mms_dirty_memory(&m), 2 * MIB);
	ck_assert(mms_dirty_any(&m, 123, 1));
	mms_dirty_clear(&m);
	ck_assert(!mms_dirty_any(&m, 0, UINT64_MAX));
	ck_assert_uint_eq(mms_dirty_memory(&m), 0);
	mms_dirty_release(&m);
}
END_TEST

START_TEST(a_huge_range_is_bounded_too)
{
	struct dirty_map m = {0};

	mms_dirty_add(&m, 5, 8 * TIB);
	ck_assert(m.partial);
	ck_assert_uint_eq(m.n_blocks * BLOCK, 16 * GIB);
	mms_dirty_release(&m);
}
END_TEST

static const struct mms_file_options options = {.mode = MMS_RDWR, .sync = MMS_SYNC_NEVER};

START_TEST(stats_follow)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_file *one = t_open(pool, t_fill("one", MIB), &options);
	struct mms_file *two = t_open(pool, t_fill("two", MIB), &options);
	uint64_t memory = t_stats(pool).memory_bytes;

	ck_assert_int_eq(mms_write(one, "x", 1, 0, 0), 1);
	ck_assert_int_eq(mms_write(two, "xx", 2, 4095, 0), 2);
	ck_assert_uint_eq(t_stats(pool).dirty_files, 2);
	ck_assert_uint_eq(t_stats(pool).dirty_bytes, 3 * 4096);
	ck_assert(mms_is_dirty(one));
	T_ASSERT_OK(mms_sync(one, 0, 0, 0));
	ck_assert(!mms_is_dirty(one));
	ck_assert_uint_eq(t_stats(pool).dirty_files, 1);
	ck_assert_uint_eq(t_stats(pool).dirty_bytes, 2 * 4096);
	T_ASSERT_OK(mms_close(two)); /* dirty still: the kernel's from now on */
	ck_assert_uint_eq(t_stats(pool).dirty_files, 0);
	ck_assert_uint_eq(t_stats(pool).dirty_bytes, 0);
	ck_assert_uint_le(t_stats(pool).memory_bytes, memory + 4096);
	mms_close(one);
	mms_pool_free(pool);
}
END_TEST

START_TEST(forgotten_blocks_stay_dirty)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", MIB), &options);
	unsigned made;

	mms_mark_unallocated(file, 0, MIB);
	ck_assert(!mms_is_dirty(file));
	mms_mark_dirty(file, 0, 8192);
	mms_mark_unallocated(file, 0, MIB);
	ck_assert(mms_is_dirty(file));
	ck_assert_uint_eq(t_stats(pool).dirty_bytes, 0);
	made = t_call[CALL_FDATASYNC].made;
	T_ASSERT_OK(mms_sync(file, 0, 4096, 0));
	ck_assert_uint_eq(t_call[CALL_FDATASYNC].made, made + 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, equals_a_model);
	tcase_add_test(t, ends_of_the_number_line);
	tcase_add_test(t, bounded);
	tcase_add_test(t, a_huge_range_is_bounded_too);
	tcase_add_test(t, stats_follow);
	tcase_add_test(t, forgotten_blocks_stay_dirty);
}

int main(void)
{
	return t_run("dirty", add_tests);
}

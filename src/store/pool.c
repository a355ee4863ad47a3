/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>

#include "arith.h"
#include "errors.h"
#include "guard.h"
#include "size.h"
#include "sys.h"

#define MAP_LIMIT_DEFAULT (sizeof(void *) >= 8 ? 1ULL << 44 : 1ULL << 30)
#define MAP_COUNT_MOST 32768u
#define SMALL_DEFAULT 65536u
/* A chunk must be an object of the language. */
#define SHIFT_MOST (sizeof(void *) >= 8 ? MMS_CHUNK_SHIFT_MAX : 30u)

unsigned mms_thread_slot(void)
{
	static atomic_uint next;
	static __thread unsigned slot __attribute__((tls_model("initial-exec"))); /* plus one */

	if (!slot)
		slot = 1 + atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) % 1024;
	return slot - 1;
}

static int check_options(const struct mms_pool_options *in, struct mms_pool_options *o,
			 const struct mms_sys *sys, struct mms_error *err)
{
	char have[SIZE_TEXT_BYTES], need[SIZE_TEXT_BYTES];
	int r;

	*o = in ? *in : (struct mms_pool_options){0};
	if (!o->chunk_shift)
		o->chunk_shift = MMS_CHUNK_SHIFT_DEFAULT;
	if (!o->map_limit_bytes)
		o->map_limit_bytes = MAP_LIMIT_DEFAULT;
	if (!o->map_count)
		o->map_count = u64_max(1, u64_min(MAP_COUNT_MOST, sys->max_map_count() / 2));
	if (!o->small_bytes)
		o->small_bytes = SMALL_DEFAULT;
	if (o->chunk_shift < MMS_CHUNK_SHIFT_MIN || o->chunk_shift > SHIFT_MOST) {
		r = mms_error_set(err, -EINVAL, "making a pool with chunks of 2^%u bytes",
				  o->chunk_shift);
		mms_error_hint(err, "the exponent must be %u to %u", MMS_CHUNK_SHIFT_MIN,
			       (unsigned)SHIFT_MOST);
		return r;
	}
	if (o->map_limit_bytes < 1ULL << o->chunk_shift) {
		size_format(o->map_limit_bytes, have, sizeof(have));
		size_format(1ULL << o->chunk_shift, need, sizeof(need));
		r = mms_error_set(err, -EINVAL, "making a pool that may map %s", have);
		mms_error_hint(err, "one chunk is %s: raise the limit, or make chunks smaller",
			       need);
		return r;
	}
	return 0;
}

static int init_locks(struct mms_pool *pool)
{
	int r = pthread_mutex_init(&pool->files_lock, NULL);

	if (r)
		return -r;
	r = pthread_cond_init(&pool->files_changed, NULL);
	if (r)
		goto out_files;
	r = pthread_mutex_init(&pool->preload_lock, NULL);
	if (r)
		goto out_changed;
	return 0;
out_changed:
	pthread_cond_destroy(&pool->files_changed);
out_files:
	pthread_mutex_destroy(&pool->files_lock);
	return -r;
}

static void release_locks(struct mms_pool *pool)
{
	pthread_mutex_destroy(&pool->preload_lock);
	pthread_cond_destroy(&pool->files_changed);
	pthread_mutex_destroy(&pool->files_lock);
}

static int pool_init(struct mms_pool *pool, const struct mms_pool_options *o)
{
	int r = init_locks(pool);

	if (r)
		return r;
	r = mms_chunks_init(&pool->chunks, pool->sys, o->chunk_shift, o->map_limit_bytes,
			    o->map_count, &pool->totals, &pool->memory_bytes);
	if (r)
		goto out_locks;
	r = mms_guard_install();
	if (r)
		goto out_chunks;
	return 0;
out_chunks:
	mms_chunks_release(&pool->chunks);
out_locks:
	release_locks(pool);
	return r;
}

int mms_pool_new_on(const struct mms_sys *sys, const struct mms_pool_options *options,
		    struct mms_pool **ret_pool, struct mms_error *err)
{
	struct mms_pool_options o;
	struct mms_pool *pool;
	int r = check_options(options, &o, sys, err);

	if (r)
		return r;
	pool = aligned_alloc(_Alignof(struct mms_pool), sizeof(*pool));
	if (!pool)
		return mms_error_set(err, -ENOMEM, "making a pool");
	*pool = (struct mms_pool){
		.sys = sys,
		.small_bytes = o.small_bytes,
		.faults_before = mms_guard_faults(),
		.next_file_id = 1,
		.memory_bytes = sizeof(*pool),
	};
	for (int i = 0; i < DIRTY_CLASSES; i++)
		list_init(&pool->dirty_files[i]);
	list_init(&pool->uses);
	r = pool_init(pool, &o);
	if (r) {
		free(pool);
		return mms_error_set(err, r, "making a pool");
	}
	*ret_pool = pool;
	return 0;
}

int mms_pool_new(const struct mms_pool_options *options, struct mms_pool **ret_pool,
		 struct mms_error *err)
{
	return mms_pool_new_on(&mms_sys_default, options, ret_pool, err);
}

void mms_pool_free(struct mms_pool *pool)
{
	if (!pool)
		return;
	mms_preload_end(pool);
	mms_guard_remove();
	mms_chunks_release(&pool->chunks);
	release_locks(pool);
	free(pool);
}

void mms_pool_stats(const struct mms_pool *const_pool, struct mms_stats *ret_stats)
{
	/* Locks are changed by looking; nothing else is. */
	struct mms_pool *pool = (struct mms_pool *)(uintptr_t)const_pool;
	const struct mms_totals *t = &pool->totals;
	struct mms_stats s = {
		.chunk_shift = pool->chunks.shift,
		.map_limit_bytes = pool->chunks.limit_bytes,
		.map_count_limit = pool->chunks.limit_count,
		.chunk_maps = mms_total_get(t, TOTAL_CHUNK_MAPS),
		.chunk_evictions = mms_total_get(t, TOTAL_CHUNK_EVICTIONS),
		.chunk_busy = mms_total_get(t, TOTAL_CHUNK_BUSY),
		.map_failures = mms_total_get(t, TOTAL_MAP_FAILURES),
		.reads_mapped = mms_total_get(t, TOTAL_READS_MAPPED),
		.read_bytes_mapped = mms_total_get(t, TOTAL_READ_BYTES_MAPPED),
		.reads_pread = mms_total_get(t, TOTAL_READS_PREAD),
		.read_bytes_pread = mms_total_get(t, TOTAL_READ_BYTES_PREAD),
		.writes_mapped = mms_total_get(t, TOTAL_WRITES_MAPPED),
		.write_bytes_mapped = mms_total_get(t, TOTAL_WRITE_BYTES_MAPPED),
		.writes_pwrite = mms_total_get(t, TOTAL_WRITES_PWRITE),
		.write_bytes_pwrite = mms_total_get(t, TOTAL_WRITE_BYTES_PWRITE),
		.faults = mms_guard_faults() - pool->faults_before,
		.dirty_bytes = atomic_load(&pool->dirty_bytes),
		.syncs = mms_total_get(t, TOTAL_SYNCS),
		.sync_failures = mms_total_get(t, TOTAL_SYNC_FAILURES),
		.memory_bytes = atomic_load(&pool->memory_bytes),
	};

	pthread_mutex_lock(&pool->chunks.lock);
	s.chunks = pool->chunks.used_count;
	s.mapped_bytes = pool->chunks.used_bytes;
	s.mapped_bytes_peak = pool->chunks.peak_bytes;
	pthread_mutex_unlock(&pool->chunks.lock);
	pthread_mutex_lock(&pool->files_lock);
	s.files = pool->n_files;
	s.dirty_files = pool->n_dirty_files;
	pthread_mutex_unlock(&pool->files_lock);
	*ret_stats = s;
}

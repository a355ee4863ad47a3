/* SPDX-License-Identifier: MIT */
/*
 * What is dirty, and making it durable
 *
 * One sync of a file is made at a time. Whoever wants one meanwhile waits for
 * it: what it dirtied before may be under way with that one, and if it came
 * later the next sync serves all who wait (group commit). A sync takes the
 * dirty map away before it begins, so that what is written during it stays
 * dirty afterwards. A failure is returned to everybody whose data may have
 * been in it.
 */
#include <errno.h>
#include <time.h>

#include "arith.h"
#include "file.h"
#include "sys.h"

/* ----------------------------------------------------------------- marks */

/* The pool's totals follow a file's map: call with what they were before. */
static void account_locked(struct mms_file *file, uint64_t blocks, uint64_t memory)
{
	struct mms_pool *pool = file->pool;
	uint64_t new_memory = mms_dirty_memory(&file->dirty);

	if (file->dirty.n_blocks != blocks)
		atomic_fetch_add(&pool->dirty_bytes,
				 (file->dirty.n_blocks - blocks) * MMS_BLOCK_BYTES);
	if (new_memory != memory)
		atomic_fetch_add(&pool->memory_bytes, new_memory - memory);
}

static void list_dirty_locked(struct mms_file *file)
{
	struct mms_pool *pool = file->pool;

	file->is_dirty = true;
	pthread_mutex_lock(&pool->files_lock);
	if (!file->listed) {
		list_add_tail(&pool->dirty_files[file->dirty_class], &file->dirty_link);
		file->dirty_seq = ++pool->dirty_seq;
		file->listed = true;
		pool->n_dirty_files++;
	}
	pthread_mutex_unlock(&pool->files_lock);
}

/* After a sync: out of the list, or at its end for what came meanwhile. */
static void relist_locked(struct mms_file *file)
{
	struct mms_pool *pool = file->pool;

	pthread_mutex_lock(&pool->files_lock);
	if (file->listed) {
		list_del(&file->dirty_link);
		if (file->is_dirty) {
			list_add_tail(&pool->dirty_files[file->dirty_class], &file->dirty_link);
			file->dirty_seq = ++pool->dirty_seq;
		} else {
			file->listed = false;
			pool->n_dirty_files--;
		}
	}
	pthread_mutex_unlock(&pool->files_lock);
}

/* ------------------------------------------------------------- what is lost */

static void lose_locked(struct mms_file *file, const struct dirty_map *taken, int why)
{
	mms_dirty_merge(&file->lost, taken);
	if (file->lost.n_blocks || file->lost.partial)
		file->lost_error = why;
}

static void found_locked(struct mms_file *file, uint64_t offset, uint64_t len)
{
	mms_dirty_remove(&file->lost, offset, len);
	if (file->lost.n_blocks || file->lost.partial)
		return;
	mms_dirty_release(&file->lost);
	file->lost_error = 0;
}

/* Stored to anew, and so to be written by the next sync: whole blocks, or what
 * there is of the last one. */
static void regain_locked(struct mms_file *file, uint64_t offset, uint64_t len)
{
	uint64_t first = u64_align_up(offset, MMS_BLOCK_BYTES);
	uint64_t end = u64_add_sat(offset, len);
	uint64_t size;

	if (mms_size(file, &size) || end < size)
		end = u64_align_down(end, MMS_BLOCK_BYTES);
	if (first < end)
		found_locked(file, first, end - first);
}

void mms_file_cut(struct mms_file *file, uint64_t size)
{
	uint64_t cut = u64_align_up(size, MMS_BLOCK_BYTES);

	pthread_mutex_lock(&file->lock);
	if (file->lost_error && !size)
		file->lost.partial = false;
	if (file->lost_error)
		found_locked(file, cut, UINT64_MAX - cut);
	pthread_mutex_unlock(&file->lock);
}

/* ------------------------------------------------------------------ written */

void mms_file_dirtied(struct mms_file *file, uint64_t offset, uint64_t len)
{
	uint64_t blocks, memory;

	pthread_mutex_lock(&file->lock);
	blocks = file->dirty.n_blocks;
	memory = mms_dirty_memory(&file->dirty);
	if (len)
		mms_dirty_add(&file->dirty, offset, len);
	else
		file->dirty.partial = true;
	account_locked(file, blocks, memory);
	if (file->lost_error && len)
		regain_locked(file, offset, len);
	if (!file->is_dirty)
		list_dirty_locked(file);
	pthread_mutex_unlock(&file->lock);
}

void mms_mark_dirty(struct mms_file *file, uint64_t offset, uint64_t len)
{
	/* The changes of a private mapping have nowhere to go. */
	if (!file->cow && len)
		mms_file_dirtied(file, offset, len);
}

void mms_mark_unallocated(struct mms_file *file, uint64_t offset, uint64_t len)
{
	uint64_t blocks;

	pthread_mutex_lock(&file->lock);
	blocks = file->dirty.n_blocks;
	mms_dirty_remove(&file->dirty, offset, len);
	if (file->is_dirty)
		file->dirty.partial = true;
	account_locked(file, blocks, mms_dirty_memory(&file->dirty));
	pthread_mutex_unlock(&file->lock);
}

bool mms_is_dirty(const struct mms_file *const_file)
{
	struct mms_file *file = (struct mms_file *)(uintptr_t)const_file;
	bool dirty;

	pthread_mutex_lock(&file->lock);
	dirty = file->is_dirty || file->syncing;
	pthread_mutex_unlock(&file->lock);
	return dirty;
}

/* ----------------------------------------------------------------- times */

int mms_touch(struct mms_file *file)
{
	const struct mms_sys *sys = file->pool->sys;
	int fd = atomic_load(&file->fd);
	uint64_t stamps = atomic_load(&file->stamps);
	int64_t owed = atomic_exchange(&file->owed_ns, 0);
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	int64_t none = 0;
	int r;

	if (!owed)
		return 0;
	times[1].tv_sec = (time_t)(owed / MMS_NS_PER_S);
	times[1].tv_nsec = (long)(owed % MMS_NS_PER_S);
	r = sys->futimens(fd, times);
	if (!r && atomic_load(&file->stamps) != stamps) {
		/* A pwrite(2) meanwhile has stamped it later: not back. */
		sys->realtime(&times[1]);
		r = sys->futimens(fd, times);
	}
	if (r == -EPERM) {
		/* Who may write but does not own the file may only set all its
		 * times, to now: late and with the access time, but not lost. */
		times[0] = times[1] = (struct timespec){.tv_nsec = UTIME_NOW};
		r = sys->futimens(fd, times);
	}
	if (r)
		(void)atomic_compare_exchange_strong(&file->owed_ns, &none, owed);
	return r;
}

void mms_untouch(struct mms_file *file)
{
	if (atomic_load_explicit(&file->owed_ns, memory_order_relaxed))
		atomic_store(&file->owed_ns, 0);
}

/* ------------------------------------------------------------------ sync */

/* ret_synced: what the sync itself returned. */
static int sync_call(struct mms_file *file, bool meta, int *ret_synced)
{
	const struct mms_sys *sys = file->pool->sys;
	struct mms_totals *totals = &file->pool->totals;
	int fd = atomic_load(&file->fd);
	int touched = mms_touch(file);
	int r;

	do {
		r = meta ? sys->fsync(fd) : sys->fdatasync(fd);
	} while (r == -EINTR);
	mms_total_add(totals, r ? TOTAL_SYNC_FAILURES : TOTAL_SYNCS, 1);
	*ret_synced = r;
	return r ? r : touched;
}

/* The table is used again, where no other one was made meanwhile. */
static void give_back_locked(struct mms_file *file, struct dirty_map *taken)
{
	mms_dirty_clear(taken);
	if (file->dirty.slots || file->dirty.partial) {
		mms_dirty_release(taken);
		return;
	}
	file->dirty = *taken;
	account_locked(file, 0, 0);
}

/* Makes a sync of all that is dirty now. The lock is let go meanwhile. */
static void sync_locked(struct mms_file *file, bool meta)
{
	uint64_t blocks = file->dirty.n_blocks;
	uint64_t memory = mms_dirty_memory(&file->dirty);
	uint64_t number = ++file->syncs_begun;
	struct dirty_map taken = file->dirty;
	int r, synced;

	file->dirty = (struct dirty_map){0};
	account_locked(file, blocks, memory);
	file->is_dirty = false;
	atomic_fetch_add(&file->sync_epoch, 1);
	file->syncing = true;
	file->syncing_meta = meta;
	if (meta)
		file->meta_begun = number;
	pthread_mutex_unlock(&file->lock);
	r = sync_call(file, meta, &synced);
	pthread_mutex_lock(&file->lock);
	file->syncing = false;
	if (synced)
		lose_locked(file, &taken, synced);
	give_back_locked(file, &taken);
	if (r) {
		file->sync_failed = number;
		file->sync_error = r;
		atomic_fetch_add(&file->sync_epoch, 1);
	}
	relist_locked(file);
	pthread_cond_broadcast(&file->sync_ended);
}

int mms_sync(struct mms_file *file, uint64_t offset, uint64_t len, unsigned flags)
{
	bool meta = flags & MMS_SYNC_META;
	bool force = flags & MMS_SYNC_FORCE;
	uint64_t first, ours;
	int r;

	if (flags & ~(MMS_SYNC_META | MMS_SYNC_FORCE))
		return -EINVAL;
	if (!len)
		len = UINT64_MAX - offset;
	pthread_mutex_lock(&file->lock);
	/* The first sync whose failure concerns this call: the one under way
	 * may have its data, and then an fsync(2) must follow an fdatasync(2). */
	ours = file->syncs_begun + 1;
	first = file->syncing ? file->syncs_begun : ours;
	if (file->syncing && meta && !file->syncing_meta)
		force = true;
	for (;;) {
		uint64_t begun = meta ? file->meta_begun : file->syncs_begun;
		bool under_way = file->syncing && begun == file->syncs_begun;

		/* All that was dirty at the call is in one that began since, and has ended. Who is
		 * served does not wait for the next one, or those who commit together would come
		 * apart. Which fsync(2) came before the one under way is not remembered. */
		if (under_way ? !meta && begun > ours : begun >= ours)
			break;
		if (file->syncing)
			pthread_cond_wait(&file->sync_ended, &file->lock);
		else if (force || (file->is_dirty && mms_dirty_any(&file->dirty, offset, len)))
			sync_locked(file, meta);
		else
			break;
	}
	r = file->sync_failed >= first ? file->sync_error : file->lost_error;
	pthread_mutex_unlock(&file->lock);
	return r;
}

int mms_sync_lost(struct mms_file *file)
{
	int r;

	pthread_mutex_lock(&file->lock);
	r = file->lost_error;
	pthread_mutex_unlock(&file->lock);
	return r;
}

int mms_file_sync_error(struct mms_file *file)
{
	int r;

	pthread_mutex_lock(&file->lock);
	r = file->sync_failed ? file->sync_error : 0;
	pthread_mutex_unlock(&file->lock);
	return r;
}

int mms_flush(struct mms_file *file)
{
	if (file->sync == MMS_SYNC_IMMEDIATE || file->sync == MMS_SYNC_LAZY)
		return mms_sync(file, 0, 0, 0);
	return mms_touch(file);
}

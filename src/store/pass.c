/* SPDX-License-Identifier: MIT */
/*
 * Passes over the dirty files of a pool
 *
 * A pass syncs the files that were dirty when it began, one after the other,
 * with no lock held. What keeps a file alive meanwhile is a note on a list of
 * the pool that this thread is at it: mms_close() waits until the note of
 * another thread is gone. In a callback the thread that closes is the one
 * that has the note; it then takes it away itself, and the pass does not
 * touch the file again.
 */
#include <errno.h>

#include "file.h"

struct use {
	struct list link;      /* files_lock: of pool.uses */
	struct mms_file *file; /* files_lock: NULL once it was closed by the callback */
	pthread_t thread;
};

void mms_file_leave_passes(struct mms_file *file)
{
	struct mms_pool *pool = file->pool;
	struct list *l;

	pthread_mutex_lock(&pool->files_lock);
again:
	for (l = pool->uses.next; l != &pool->uses; l = l->next) {
		struct use *use = list_entry(l, struct use, link);

		if (use->file != file)
			continue;
		if (pthread_equal(use->thread, pthread_self())) {
			use->file = NULL;
		} else {
			pthread_cond_wait(&pool->files_changed, &pool->files_lock);
			goto again;
		}
	}
	/* Nor does a pass find it from here on. Its own sync in mms_close()
	 * still sees that it is dirty. */
	if (file->listed) {
		list_del(&file->dirty_link);
		file->listed = false;
		pool->n_dirty_files--;
	}
	pthread_mutex_unlock(&pool->files_lock);
}

/* The next file that was dirty before the pass began. */
static struct mms_file *next_locked(struct mms_pool *pool, bool all, uint64_t last_seq)
{
	for (int i = 0; i < (all ? DIRTY_CLASSES : DIRTY_ASKED); i++) {
		struct list *head = &pool->dirty_files[i];
		struct mms_file *file;

		if (list_empty(head))
			continue;
		file = list_entry(head->next, struct mms_file, dirty_link);
		if (file->dirty_seq <= last_seq)
			return file;
	}
	return NULL;
}

static int sync_one_locked(struct mms_pool *pool, struct mms_file *file)
{
	struct use use = {.file = file, .thread = pthread_self()};
	int r;

	list_add_tail(&pool->uses, &use.link);
	pthread_mutex_unlock(&pool->files_lock);
	r = mms_sync(file, 0, 0, 0);
	if (file->synced)
		file->synced(file, file->cookie, r);
	pthread_mutex_lock(&pool->files_lock);
	list_del(&use.link);
	pthread_cond_broadcast(&pool->files_changed);
	return r;
}

int mms_pool_pass(struct mms_pool *pool, bool all, uint64_t *ret_files)
{
	struct mms_file *file;
	uint64_t files = 0;
	uint64_t last_seq;
	int result = 0;

	pthread_mutex_lock(&pool->files_lock);
	/* One pass at a time: the files that another one is at would be
	 * missed, and are dirty still. */
	while (pool->in_pass)
		pthread_cond_wait(&pool->files_changed, &pool->files_lock);
	pool->in_pass = true;
	last_seq = pool->dirty_seq;
	while ((file = next_locked(pool, all, last_seq))) {
		int r = sync_one_locked(pool, file);

		files++;
		result = result ? result : r;
	}
	pool->in_pass = false;
	pthread_cond_broadcast(&pool->files_changed);
	pthread_mutex_unlock(&pool->files_lock);
	if (ret_files)
		*ret_files = files;
	return result;
}

int mms_pool_sync(struct mms_pool *pool, uint64_t *ret_files)
{
	return mms_pool_pass(pool, true, ret_files);
}

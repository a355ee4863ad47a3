/* SPDX-License-Identifier: MIT */
/*
 * The size of a file: what is known of it, setting it, and space for it
 *
 * Space is got in two steps. The first allocates and leaves the size alone,
 * so that where the disk is full on the way there is no size to set back: a
 * size that grew meanwhile could be the work of a writer, and cutting it
 * would take away what he wrote. The second extends the file by its last
 * byte, which is allocated by then: it is done or not done, and never
 * shortens a file that is longer already.
 */
#include <errno.h>
#include <stdbool.h>

#include "arith.h"
#include "file.h"
#include "modes.h"
#include "sys.h"

void mms_file_size_seen(struct mms_file *file, uint64_t size)
{
	uint64_t known = atomic_load_explicit(&file->known_size, memory_order_relaxed);

	while (size < known && !atomic_compare_exchange_weak(&file->known_size, &known, size))
		;
}

/*
 * A size that was looked up before a resize, and is stored after it, would be
 * too large. A resize begins by counting itself, and then lowers what is
 * known, under the lock: either the count shows here, or the lowering comes
 * after.
 */
int mms_file_size_learn(struct mms_file *file, uint64_t *ret_size)
{
	uint64_t done = atomic_load(&file->resizes_done);
	uint64_t begun = atomic_load(&file->resizes_begun);
	uint64_t size;
	int r = mms_size(file, &size);

	if (r)
		return r;
	pthread_mutex_lock(&file->lock);
	if (begun == done && atomic_load(&file->resizes_begun) == begun)
		atomic_store(&file->known_size, size);
	pthread_mutex_unlock(&file->lock);
	*ret_size = size;
	return 0;
}

static int check_request(const struct mms_file *file, uint64_t size)
{
	if (atomic_load(&file->mode) != MMS_RDWR)
		return -EINVAL;
	return size > OFFSET_MAX ? -EFBIG : 0;
}

/* The size, or the space under it, has changed. */
static int resized(struct mms_file *file)
{
	/* The kernel has stamped the file later than any store before. */
	atomic_fetch_add(&file->stamps, 1);
	mms_untouch(file);
	mms_file_dirtied(file, 0, 0);
	mms_full_follow(file);
	return file->sync == MMS_SYNC_IMMEDIATE ? mms_sync(file, 0, 0, 0) : 0;
}

static int truncate_to(struct mms_file *file, uint64_t size)
{
	int r;

	do {
		r = file->pool->sys->ftruncate(atomic_load(&file->fd), size);
	} while (r == -EINTR);
	return r;
}

int mms_resize(struct mms_file *file, uint64_t size)
{
	uint64_t cut = u64_align_up(size, MMS_BLOCK_BYTES);
	int r = check_request(file, size);

	if (r)
		return r;
	atomic_fetch_add(&file->resizes_begun, 1);
	pthread_mutex_lock(&file->lock);
	mms_file_size_seen(file, size);
	pthread_mutex_unlock(&file->lock);
	pthread_rwlock_rdlock(&file->growing);
	r = truncate_to(file, size);
	pthread_rwlock_unlock(&file->growing);
	/* What is cut off, or never was, has no blocks on the disk. */
	if (!r) {
		mms_mark_unallocated(file, cut, UINT64_MAX - cut);
		mms_file_cut(file, size);
	}
	atomic_fetch_add(&file->resizes_done, 1);
	return r ? r : resized(file);
}

typedef int allocate_function(int fd, uint64_t offset, uint64_t len);

/* Goes on where a signal came between: what was allocated stays so. */
static int allocate(struct mms_file *file, allocate_function *call, uint64_t offset, uint64_t len)
{
	int r;

	do {
		r = call(atomic_load(&file->fd), offset, len);
	} while (r == -EINTR);
	return r;
}

/* File systems leave what they have allocated when the disk is full. A
 * truncation to the size that the file has frees what lies past it. */
static void give_back_tail(struct mms_file *file)
{
	uint64_t size;

	pthread_rwlock_wrlock(&file->growing);
	if (!mms_size(file, &size))
		(void)truncate_to(file, size);
	pthread_rwlock_unlock(&file->growing);
}

int mms_allocate(struct mms_file *file, uint64_t size)
{
	const struct mms_sys *sys = file->pool->sys;
	uint64_t before;
	int r = check_request(file, size);

	if (r || !size)
		return r;
	r = mms_size(file, &before);
	if (r)
		return r;
	/* Over both steps: between them, what was got lies past the end. */
	pthread_rwlock_rdlock(&file->growing);
	r = allocate(file, sys->reserve, 0, size);
	if (!r && before < size)
		r = allocate(file, sys->allocate, size - 1, 1);
	pthread_rwlock_unlock(&file->growing);
	if (!r)
		return resized(file);
	if (before < size)
		give_back_tail(file);
	return r;
}

/* SPDX-License-Identifier: MIT */
/* What of MMS_WANT_* was granted, and why not */
#include "modes.h"

#include <errno.h>
#include <stdlib.h>

#include "errors.h"
#include "file.h"

#define WANTS 4u

static struct mms_error *refusal_of(struct mms_file *file, unsigned want)
{
	return &file->refusals[__builtin_ctz(want)];
}

int mms_modes_init(struct mms_file *file, unsigned want)
{
	if (!want)
		return 0;
	file->refusals = calloc(WANTS, sizeof(*file->refusals));
	if (!file->refusals)
		return -ENOMEM;
	file->want = want;
	atomic_fetch_add(&file->pool->memory_bytes, WANTS * sizeof(*file->refusals));
	return 0;
}

void mms_modes_release(struct mms_file *file)
{
	if (!file->refusals)
		return;
	atomic_fetch_sub(&file->pool->memory_bytes, WANTS * sizeof(*file->refusals));
	free(file->refusals);
}

void mms_mode_note(struct mms_file *file, unsigned want, const struct mms_error *why)
{
	if (!(file->want & want))
		return;
	pthread_mutex_lock(&file->lock);
	*refusal_of(file, want) = why ? *why : (struct mms_error){0};
	pthread_mutex_unlock(&file->lock);
}

void mms_dax_refused(struct mms_file *file, int code)
{
	struct mms_error why;

	(void)mms_error_set(&why, code, "mapping %s with MAP_SYNC", file->name);
	if (file->cow)
		mms_error_hint(&why, "changes under MMS_COW reach no storage");
	else
		mms_error_hint(&why, "that takes persistent memory, and a file system on it that "
				     "is mounted with dax=always or dax=inode");
	mms_mode_note(file, MMS_WANT_DAX, &why);
}

void mms_modes_open(struct mms_file *file)
{
	if (file->want & MMS_WANT_HUGE)
		atomic_store(&file->settings, SETTING_HUGEPAGE);
	if ((file->want & MMS_WANT_DAX) && file->cow)
		mms_dax_refused(file, -EINVAL);
	if (file->want & MMS_WANT_FULL) {
		(void)mms_chunks_reshape(&file->pool->chunks, file, FULL_SHIFT | SHAPE_FULL, 0);
		mms_full_follow(file);
	}
}

void mms_modes_mapped(struct mms_file *file, struct mms_chunk *chunk, uint64_t base,
		      uint64_t file_size)
{
	if ((file->want & MMS_WANT_FULL) && mms_file_is_full(file))
		mms_mode_note(file, MMS_WANT_FULL, NULL);
	if (file->want & MMS_WANT_LOCKED)
		mms_memlock_chunk(file, chunk, base, file_size);
}

int mms_granted(const struct mms_file *const_file, unsigned want, struct mms_error *ret_why)
{
	struct mms_file *file = (struct mms_file *)(uintptr_t)const_file;
	struct mms_error why;

	if (!want || (want & (want - 1)) || (want & ~WANT_ALL)) {
		(void)mms_error_set(ret_why, -EINVAL, "asking how %s is mapped", file->name);
		mms_error_hint(ret_why, "exactly one of MMS_WANT_* can be asked for");
		return -EINVAL;
	}
	if (!(file->want & want))
		return 0;
	pthread_mutex_lock(&file->lock);
	why = *refusal_of(file, want);
	pthread_mutex_unlock(&file->lock);
	if (!why.code)
		return 1;
	if (ret_why)
		*ret_why = why;
	return why.code;
}

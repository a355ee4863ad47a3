/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>

#include "arith.h"
#include "cleanup.h"
#include "file.h"
#include "sys.h"

/* The words of mmapstore.h and sys.h are the same, in the same order. */
_Static_assert((int)MMS_ADVICE_NORMAL == (int)MMS_SYS_NORMAL &&
		       (int)MMS_ADVICE_SEQUENTIAL == (int)MMS_SYS_SEQUENTIAL &&
		       (int)MMS_ADVICE_RANDOM == (int)MMS_SYS_RANDOM,
	       "advice is passed on as a number");

#define ADVICE_ALIGN 65536u /* a multiple of every page size */

/* Advises the part of one chunk that lies in [from, to), if it is mapped. */
static int advise_chunk(struct mms_file *file, uint64_t index, uint64_t from, uint64_t to,
			enum mms_sys_advice advice)
{
	unsigned shift = file->pool->chunks.shift;
	uint64_t start = u64_max(from, index << shift);
	uint64_t end = u64_min(to, (index + 1) << shift);
	struct mms_pin pin;
	int r;

	if (start >= end)
		return 0;
	start = u64_align_down(start, ADVICE_ALIGN);
	if (mms_file_pin(file, start, (size_t)(end - start), PIN_MAPPED, &pin))
		return 0;
	r = file->pool->sys->madvise(pin.addr, pin.len, advice);
	mms_unpin(&pin);
	return r;
}

int mms_advise(struct mms_file *file, uint64_t offset, uint64_t len, enum mms_advice advice)
{
	CLEANUP_FREE uint64_t *index = NULL;
	uint64_t to = len ? u64_add_sat(offset, len) : UINT64_MAX;
	enum mms_sys_advice word = (enum mms_sys_advice)advice;
	bool whole = offset == 0 && len == 0;
	size_t n;
	int r;

	if ((unsigned)advice > MMS_ADVICE_RANDOM)
		return -EINVAL;
	if (advice == MMS_ADVICE_NORMAL && !atomic_load(&file->advised))
		return 0;
	atomic_store(&file->advised, true);
	if (whole) {
		atomic_store(&file->advice, (int)advice);
		/* For pread(2). Linux has one such word a descriptor, so that
		 * of a range is for mappings only. */
		r = file->pool->sys->fadvise(atomic_load(&file->fd), word);
		if (r)
			return r;
	}
	r = mms_chunks_of_file(&file->pool->chunks, file, &index, &n);
	for (size_t i = 0; !r && i < n; i++)
		r = advise_chunk(file, index[i], offset, to, word);
	return r;
}

/* SPDX-License-Identifier: MIT */
/*
 * MMS_WANT_FULL: a file that is one chunk
 *
 * The shape of such a file says that chunk 0 is all of it. That chunk is kept:
 * evictions do not see it, and it is replaced only by a longer or shorter one
 * of the same file. Where it cannot be had the shape becomes that of windows,
 * until the size is changed through this file, which tries anew.
 */
#include <errno.h>

#include "errors.h"
#include "file.h"
#include "modes.h"
#include "size.h"

static void explain(struct mms_file *file, struct mms_error *why, int code)
{
	char limit[SIZE_TEXT_BYTES], most[SIZE_TEXT_BYTES];
	struct mms_error map;

	size_format(file->pool->chunks.limit_bytes, limit, sizeof(limit));
	if (code == -EFBIG)
		mms_error_hint(why, "at most %s are mapped in one piece",
			       size_format(1ULL << FULL_SHIFT, most, sizeof(most)));
	else if (code == -ENOBUFS)
		mms_error_hint(why,
			       "map_limit_bytes is %s, which must hold all that is mapped whole, "
			       "locked or changed in memory: raise it",
			       limit);
	else if (code == -EBUSY)
		mms_error_hint(why, "map_limit_bytes is %s, and too much of it is pinned: raise it",
			       limit);
	else if (mms_map_error(file, &map))
		mms_error_hint(why, "%s", map.hint);
}

bool mms_full_refused(struct mms_file *file, int code, uint64_t size)
{
	struct mms_error why;
	char text[SIZE_TEXT_BYTES];

	(void)mms_error_set(&why, code, "mapping all of %s, %s", file->name,
			    size_format(size, text, sizeof(text)));
	explain(file, &why, code);
	mms_mode_note(file, MMS_WANT_FULL, &why);
	return mms_chunks_reshape(&file->pool->chunks, file, file->pool->chunks.shift, 0);
}

void mms_full_follow(struct mms_file *file)
{
	struct chunks *c = &file->pool->chunks;
	struct mms_pin pin;
	uint64_t size;

	if (!(file->want & MMS_WANT_FULL) || mms_size(file, &size))
		return;
	/* Frees what is too long now, and tries again what did not fit. Files
	 * under MMS_COW come here from the open only. */
	if (!file->cow) {
		uint64_t longest = size && mms_file_is_full(file) ? mms_full_length(c, size) : 0;

		(void)mms_chunks_reshape(c, file, FULL_SHIFT | SHAPE_FULL, longest);
	}
	if (size == 0)
		mms_mode_note(file, MMS_WANT_FULL, NULL); /* nothing to map is no refusal */
	else if (!mms_file_pin(file, size - 1, 1, 0, &pin))
		mms_unpin(&pin);
}

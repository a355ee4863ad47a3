/* SPDX-License-Identifier: MIT */
/* The mapped piece of a log that its writer or a reader is at */
#include "file.h"
#include "log.h"

void mms_log_window_drop(struct log_window *w)
{
	if (w->len)
		mms_unpin(&w->pin);
	w->len = 0;
}

unsigned char *mms_log_window_at(struct log_window *w, uint64_t offset, size_t len, size_t *ret_len)
{
	uint64_t from = offset - w->at; /* huge where it lies before the window */

	if (from >= w->len) {
		/* First, since a chunk that is mapped too short for the file as it is now cannot be
		 * mapped anew while somebody, and be it us, has it pinned. */
		mms_log_window_drop(w);
		if (mms_file_pin(w->file, offset, mms_file_chunk_part(w->file, offset, UINT64_MAX),
				 w->write ? PIN_WRITE : 0, &w->pin))
			return NULL;
		w->at = offset;
		w->len = w->pin.len;
		from = 0;
	}
	*ret_len = size_bound(len, w->len - from);
	return (unsigned char *)w->pin.addr + from;
}

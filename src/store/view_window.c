/* SPDX-License-Identifier: MIT */
/* The window of a view: moving it, and reading where there is none */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "arith.h"
#include "file.h"
#include "sys.h"
#include "view.h"

#define ADVICE_ALIGN 65536u /* a multiple of every page size */

static void drop_window(struct mms_view *view)
{
	if (view->flags & VIEW_PINNED)
		mms_unpin(&view->pin);
	view->flags &= ~VIEW_PINNED;
	view->window_len = 0;
	view->window_u64s = 0;
	view->window_front = 0;
}

static void set_window(struct mms_view *view, const void *addr, uint64_t start, uint64_t len)
{
	view->window = (uintptr_t)addr - (uintptr_t)start;
	view->window_start = start;
	view->window_len = len;
	view->window_u64s = len < 8 ? 0 : len - 7;
	view->window_front = start ? 0 : view->window_u64s;
}

/* ----------------------------------------------------------------- mapping */

/* The mapping is new: it shall have the view's advice, not that of the file. */
static void advise_pin(const struct mms_view *view, const struct mms_pin *pin, uint64_t offset)
{
	struct mms_file *file = view->file;
	size_t before = (size_t)(offset % ADVICE_ALIGN);

	atomic_store(&file->advised, true);
	(void)file->pool->sys->madvise((char *)pin->addr - before, pin->len + before,
				       (enum mms_advice)view->advice);
}

static int pin_chunk(const struct mms_view *view, uint64_t offset, size_t len,
		     struct mms_pin *ret_pin)
{
	struct mms_file *file = view->file;
	unsigned how = file->io == MMS_IO_AUTO ? PIN_CALM : 0;
	bool small = view->flags & VIEW_SMALL;
	bool own_advice = view->advice != VIEW_UNADVISED && view->advice != file->advice;
	int r;

	/* What is mapped costs nothing to use, whatever the size of the file;
	 * what was changed in memory is nowhere else. */
	if (file->io == MMS_IO_PREAD)
		return file->cow ? mms_file_pin(file, offset, len, PIN_PRIVATE, ret_pin)
				 : -EOPNOTSUPP;
	if (mms_file_why_unmapped(file, small ? 0 : UINT64_MAX))
		return mms_file_pin(file, offset, len, PIN_MAPPED, ret_pin);
	if (own_advice && !mms_file_pin(file, offset, len, PIN_MAPPED, ret_pin))
		return 0;
	r = mms_file_pin(file, offset, len, how, ret_pin);
	if (!r && own_advice)
		advise_pin(view, ret_pin, offset);
	return r;
}

static bool map_window(struct mms_view *view, uint64_t pos)
{
	const struct mms_file *file = view->file;
	uint64_t offset = view->base + pos;
	uint64_t start = u64_max(view->base, mms_file_chunk_start(file, offset));
	uint64_t len = view->base + view->len - start;
	struct mms_pin pin;

	if (pin_chunk(view, start, mms_file_chunk_part(file, start, len), &pin))
		return false;
	/* A chunk that others have pinned may be mapped too short. */
	if (offset - start >= pin.len) {
		mms_unpin(&pin);
		return false;
	}
	view->pin = pin;
	view->flags |= VIEW_PINNED;
	set_window(view, pin.addr, start - view->base, pin.len);
	return true;
}

/* ------------------------------------------------------------------ buffer */

static void count_pread(const struct mms_view *view, size_t len)
{
	struct mms_totals *t = &view->file->pool->totals;

	mms_total_add(t, TOTAL_READS_PREAD, 1);
	mms_total_add(t, TOTAL_READ_BYTES_PREAD, len);
}

/* Exactly len bytes. */
static int pread_all(const struct mms_view *view, uint64_t pos, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		/* A short count tells nothing: the next one says why. */
		ssize_t n = mms_file_pread(view->file, (char *)buf + done, len - done,
					   view->base + pos + done);

		if (n <= 0)
			return n < 0 ? (int)n : -MMS_ETRUNCATED;
		done += (size_t)n;
	}
	count_pread(view, len);
	return 0;
}

static bool have_buf(struct mms_view *view)
{
	if (!view->buf)
		view->buf = malloc(VIEW_BUF_BYTES);
	return view->buf;
}

static bool buffer_lasts(const struct mms_view *view)
{
	return atomic_load(&view->file->mode) == MMS_RDONLY;
}

/* Fills the buffer around pos. What cannot be read may lie before or behind
 * what is wanted, so a failure means nothing yet. */
static bool fill_window(struct mms_view *view, uint64_t pos)
{
	uint64_t offset = view->base + pos;
	uint64_t from = u64_max(view->base, u64_align_down(offset, VIEW_BUF_BYTES));
	uint64_t to = u64_min(view->base + view->len,
			      u64_align_down(offset, VIEW_BUF_BYTES) + VIEW_BUF_BYTES);
	ssize_t n;

	if (!have_buf(view))
		return false;
	n = mms_file_pread(view->file, view->buf, (size_t)(to - from), from);
	if (n < 0 || (uint64_t)n <= offset - from)
		return false;
	count_pread(view, (size_t)n);
	set_window(view, view->buf, from - view->base, (uint64_t)n);
	return true;
}

int mms_view_move(struct mms_view *view, uint64_t pos, bool buffer)
{
	/* First: a thread needs one chunk at a time. */
	drop_window(view);
	if (map_window(view, pos) || (buffer && buffer_lasts(view) && fill_window(view, pos)))
		return 0;
	return -ENODATA;
}

int mms_view_fetch(struct mms_view *view, uint64_t pos, const void **ret_addr, size_t *ret_len)
{
	uint64_t len = u64_min(VIEW_BUF_BYTES, view->len - pos);
	ssize_t n;

	if (!have_buf(view))
		return mms_view_fail(view, pos, -ENOMEM);
	/* Private changes to another chunk are not to be had by pread(2). */
	n = mms_file_pread(view->file, view->buf,
			   mms_file_chunk_part(view->file, view->base + pos, len),
			   view->base + pos);
	if (n <= 0)
		return mms_view_fail(view, pos, n < 0 ? (int)n : -MMS_ETRUNCATED);
	count_pread(view, (size_t)n);
	*ret_addr = view->buf;
	*ret_len = (size_t)n;
	return 0;
}

/* ----------------------------------------------------------------- reading */

/*
 * What faulted in the mapping. pread(2) knows why: the end of a file that was
 * cut off, or an error. Pages with private changes do not fault, and are
 * nowhere but in the mapping.
 */
static int read_faulted(const struct mms_view *view, uint64_t pos, const unsigned char *from,
			char *buf, size_t len)
{
	size_t done = 0;

	if (!view->file->cow)
		return pread_all(view, pos, buf, len);
	while (done < len) {
		uint64_t offset = view->base + pos + done;
		size_t piece = size_bound(len - done,
					  MMS_BLOCK_BYTES - (size_t)(offset % MMS_BLOCK_BYTES));
		int r = 0;

		if (mms_copy(buf + done, from + done, piece))
			r = pread_all(view, pos + done, buf + done, piece);
		if (r)
			return r;
		done += piece;
	}
	return 0;
}

/* The part in the window, or, with no window to have, in one chunk. */
static int read_part(struct mms_view *view, uint64_t pos, char *buf, size_t len, size_t *ret_n)
{
	const unsigned char *from;
	int r = 0;

	if (!view_reach(view, pos, len < VIEW_BUF_BYTES, &from)) {
		*ret_n = mms_file_chunk_part(view->file, view->base + pos, len);
		return pread_all(view, pos, buf, *ret_n);
	}
	*ret_n = size_bound(len, view->window_len - (pos - view->window_start));
	if (mms_copy(buf, from, *ret_n))
		r = read_faulted(view, pos, from, buf, *ret_n);
	return r;
}

int mms_view_read(struct mms_view *view, uint64_t pos, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t n;
		int r = read_part(view, pos + done, (char *)buf + done, len - done, &n);

		if (r)
			return mms_view_fail(view, pos + done, r);
		done += n;
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * view.h - the window of a view
 *
 * A view sees its file through one window: a part of a pinned chunk, or a
 * buffer filled by pread(2). It is cut where the view ends, so who finds a
 * position inside the window need not look at the view's length.
 *
 * A buffer may grow old, so only a file that is open for reading has one that
 * lasts. Where this process may change the file, what cannot be mapped is
 * read anew each time.
 */
#ifndef MMS_VIEW_H
#define MMS_VIEW_H

#include <stdbool.h>

#include "mmapstore.h"

#define VIEW_PINNED 1u /* the window is that of view.pin */
#define VIEW_SMALL 2u  /* the file was too small to map when the view was made */

#define VIEW_UNADVISED (-1)
#define VIEW_BUF_BYTES 16384u

/* Where byte pos of the view is, if it and all of the len bytes from it on
 * are in the window. */
static inline bool view_hit(const struct mms_view *view, uint64_t pos, uint64_t len,
			    const unsigned char **ret_addr)
{
	uint64_t at = pos - view->window_start;
	bool hit;

	/* One comparison for what is read most. */
	if (__builtin_constant_p(len) && len == 1)
		hit = at < view->window_len;
	else if (__builtin_constant_p(len) && len == 8)
		hit = at < view->window_u64s;
	else
		hit = at < view->window_len && view->window_len - at >= len;
	*ret_addr = (const unsigned char *)(view->window + (uintptr_t)pos);
	return __builtin_expect(hit, 1);
}

/* Remembers for mms_view_error() where it failed, and returns code. */
int mms_view_fail(struct mms_view *view, uint64_t pos, int code);

/* 0 if the range lies in the view; else fails there. */
int mms_view_check(struct mms_view *view, uint64_t pos, uint64_t len);

/* Moves the window to where pos is, which is inside the view. buffer: one
 * that pread(2) fills will do too. -ENODATA: there is no window to have; what
 * is wanted must be read as it is. */
int mms_view_move(struct mms_view *view, uint64_t pos, bool buffer);

/* view_hit() of one byte, moving there first if need be; false: as
 * mms_view_move() fails. */
static inline bool view_reach(struct mms_view *view, uint64_t pos, bool buffer,
			      const unsigned char **ret_addr)
{
	return view_hit(view, pos, 1, ret_addr) ||
	       (!mms_view_move(view, pos, buffer) && view_hit(view, pos, 1, ret_addr));
}

/* Reads what lies inside the view, wherever it has to come from. */
int mms_view_read(struct mms_view *view, uint64_t pos, void *buf, size_t len);

/* Where mms_view_move() failed: some bytes from pos on, at least one, by
 * pread(2) in the view's buffer, which is not made the window. */
int mms_view_fetch(struct mms_view *view, uint64_t pos, const void **ret_addr, size_t *ret_len);

#endif

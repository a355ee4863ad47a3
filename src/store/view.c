/* SPDX-License-Identifier: MIT */
/* Views: making them, their names, and where they are */
#include "view.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

/* Shared by a slice and what is made from it. */
struct mms_view_name {
	_Atomic uint64_t refs;
	char text[];
};

static void name_unref(struct mms_view_name *name)
{
	if (name && atomic_fetch_sub_explicit(&name->refs, 1, memory_order_acq_rel) == 1)
		free(name);
}

/* "PARENT [NAME]" */
static struct mms_view_name *name_new(const char *parent, const char *name)
{
	size_t bytes = strlen(parent) + strlen(name) + sizeof(" []");
	struct mms_view_name *n = malloc(sizeof(*n) + bytes);

	if (!n)
		return NULL;
	atomic_init(&n->refs, 1);
	(void)snprintf(n->text, bytes, "%s [%s]", parent, name);
	return n;
}

int mms_view_init(struct mms_view *view, struct mms_file *file)
{
	uint64_t size;
	int r = mms_size(file, &size);

	if (r)
		return r;
	mms_file_ref(file);
	*view = (struct mms_view){
		.len = size,
		.file = file,
		.advice = VIEW_UNADVISED,
		.flags = size < file->pool->small_bytes ? VIEW_SMALL : 0,
	};
	return 0;
}

/* Takes over the reference to name. The window comes with the first read. */
static void derive(const struct mms_view *view, struct mms_view_name *name, uint64_t offset,
		   uint64_t len, struct mms_view *ret_view)
{
	mms_file_ref(view->file);
	*ret_view = (struct mms_view){
		.len = len,
		.base = view->base + offset,
		.file = view->file,
		.name = name,
		.advice = view->advice,
		.flags = view->flags & VIEW_SMALL,
	};
}

static struct mms_view_name *name_ref(struct mms_view_name *name)
{
	if (name)
		atomic_fetch_add_explicit(&name->refs, 1, memory_order_relaxed);
	return name;
}

int mms_view_clone(const struct mms_view *view, struct mms_view *ret_view)
{
	derive(view, name_ref(view->name), 0, view->len, ret_view);
	ret_view->pos = view->pos;
	return 0;
}

int mms_view_slice(const struct mms_view *view, const char *name, uint64_t offset, uint64_t len,
		   struct mms_view *ret_view)
{
	struct mms_view_name *n;

	if (offset > view->len || len > view->len - offset)
		return -MMS_EBOUNDS;
	n = name ? name_new(mms_view_name(view), name) : name_ref(view->name);
	if (name && !n)
		return -ENOMEM;
	derive(view, n, offset, len, ret_view);
	return 0;
}

void mms_view_release(struct mms_view *view)
{
	if (view->flags & VIEW_PINNED)
		mms_unpin(&view->pin);
	free(view->buf);
	name_unref(view->name);
	if (view->file)
		mms_file_unref(view->file);
	*view = (struct mms_view){0};
}

/* ------------------------------------------------------------- where it is */

uint64_t mms_view_length(const struct mms_view *view)
{
	return view->len;
}

uint64_t mms_view_position(const struct mms_view *view)
{
	return view->pos;
}

const char *mms_view_name(const struct mms_view *view)
{
	if (view->name)
		return view->name->text;
	return view->file ? view->file->name : "";
}

int mms_view_fail(struct mms_view *view, uint64_t pos, int code)
{
	view->failed = code;
	view->failed_pos = pos;
	return code;
}

int mms_view_check(struct mms_view *view, uint64_t pos, uint64_t len)
{
	if (pos > view->len || len > view->len - pos)
		return mms_view_fail(view, pos, -MMS_EBOUNDS);
	return 0;
}

int mms_view_seek(struct mms_view *view, uint64_t pos)
{
	int r = mms_view_check(view, pos, 0);

	if (!r)
		view->pos = pos;
	return r;
}

int mms_view_skip(struct mms_view *view, uint64_t len)
{
	int r = mms_view_check(view, view->pos, len);

	if (!r)
		view->pos += len;
	return r;
}

/* ------------------------------------------------------------------- hints */

int mms_view_intend(struct mms_view *view, enum mms_intent intent)
{
	enum mms_advice advice = mms_intent_advice(intent);

	if ((unsigned)intent > MMS_INTENT_READ_ONCE)
		return -EINVAL;
	view->advice = (int)advice;
	/* Length 0 would mean: to the end of the file. */
	return view->len ? mms_advise(view->file, view->base, view->len, advice) : 0;
}

int mms_view_preload(struct mms_view *view, enum mms_preload how)
{
	if ((unsigned)how > MMS_PRELOAD_POPULATE)
		return -EINVAL;
	return view->len ? mms_preload(view->file, view->base, view->len, how) : 0;
}

/* SPDX-License-Identifier: MIT */
/* What the administrator is told about a view that failed */
#include <errno.h>

#include "errors.h"
#include "file.h"
#include "size.h"
#include "sys.h"
#include "view.h"

typedef unsigned long long ull;

static void hint_truncated(const struct mms_view *view, struct mms_error *err)
{
	uint64_t size;

	if (mms_size(view->file, &size))
		mms_error_hint(err, "its size cannot be asked for now");
	else
		mms_error_hint(err,
			       "the view needs bytes %llu to %llu of the file, which has %llu now: "
			       "it was cut off while it was open",
			       (ull)view->base, (ull)(view->base + view->len), (ull)size);
}

static void hint_budget(const struct mms_pool *pool, struct mms_error *err)
{
	char used[SIZE_TEXT_BYTES], limit[SIZE_TEXT_BYTES];
	struct mms_stats s;

	mms_pool_stats(pool, &s);
	mms_error_hint(err,
		       "the pool maps %s of at most %s, in %llu of at most %llu mappings, and all "
		       "are in use: raise the limit, or keep fewer views",
		       size_format(s.mapped_bytes, used, sizeof(used)),
		       size_format(s.map_limit_bytes, limit, sizeof(limit)), (ull)s.chunks,
		       (ull)s.map_count_limit);
}

/* Memory or mappings: which of them, the code does not tell. */
static void hint_memory(const struct mms_view *view, struct mms_error *err)
{
	const struct mms_pool *pool = view->file->pool;
	struct mms_error map_error;
	struct mms_stats s;

	if (mms_map_error(view->file, &map_error) && map_error.hint[0]) {
		mms_error_hint(err, "%s", map_error.hint);
		return;
	}
	mms_pool_stats(pool, &s);
	mms_error_hint(err,
		       "the pool has %llu mappings and may have %llu, and vm.max_map_count is "
		       "%llu; if that is not it, the process is short of memory (ulimit -v)",
		       (ull)s.chunks, (ull)s.map_count_limit, (ull)pool->sys->max_map_count());
}

static void set_hint(const struct mms_view *view, int code, uint64_t pos, struct mms_error *err)
{
	switch (code) {
	case -MMS_EBOUNDS:
		mms_error_hint(err, "the view has %llu bytes, from byte %llu of the file on",
			       (ull)view->len, (ull)view->base);
		break;
	case -MMS_ETRUNCATED:
		hint_truncated(view, err);
		break;
	case -MMS_ECORRUPT:
		mms_error_hint(err,
			       "no number or string is written as at byte %llu of the file: "
			       "compare it with a copy, and look at what wrote it",
			       (ull)(view->base + pos));
		break;
	case -EIO:
		mms_error_hint(err,
			       "byte %llu of the file, or one soon after it, cannot be read: the "
			       "kernel's log (dmesg) tells what the disk or file system said",
			       (ull)(view->base + pos));
		break;
	case -EBUSY:
	case -ENOBUFS:
		hint_budget(view->file->pool, err);
		break;
	case -ENOMEM:
	case -ENODEV:
	case -EAGAIN:
		hint_memory(view, err);
		break;
	default:
		break;
	}
}

int mms_view_error(const struct mms_view *view, int code, struct mms_error *err)
{
	uint64_t pos = view->failed == code ? view->failed_pos : view->pos;

	if (!code || !err)
		return code;
	(void)mms_error_set(err, code, "reading %s at %llu of %llu", mms_view_name(view), (ull)pos,
			    (ull)view->len);
	if (view->file)
		set_hint(view, code, pos, err);
	return code;
}

/* SPDX-License-Identifier: MIT */
/*
 * Opening a log for appending, and what has to be put right first
 *
 * What recovery leaves is durable before the log is handed out, also where nothing had to be cut.
 * Otherwise the records of a process that died could be read, acted upon, and be gone after a power
 * failure; and one that died between cutting and syncing would leave a cut that the next one takes
 * for the end of the log, while the disk still holds what was cut off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "bytes.h"
#include "errors.h"
#include "file.h"
#include "log.h"
#include "sys.h"

#define OPEN_TRIES 16

/* ---------------------------------------------------------------- checking */

static int scan(struct mms_file *file, const struct log_preamble *p, struct mms_log_recovery *ret,
		uint64_t *ret_used, struct mms_error *err)
{
	struct log_scan s;
	int r = mms_log_scan_init(&s, file, p->id);

	if (!r)
		r = mms_log_scan(&s, p, ret);
	*ret_used = s.used;
	mms_log_scan_release(&s);
	return r ? mms_error_set(err, r, "reading the log %s", file->name) : 0;
}

int mms_log_check(struct mms_pool *pool, const char *path, struct mms_log_recovery *ret_recovery,
		  struct mms_error *err)
{
	struct log_preamble p;
	struct mms_file *file;
	uint64_t used;
	int r = mms_open(pool, path, NULL, &file, err);

	if (r)
		return r;
	r = mms_log_preamble_read(file, &p, err);
	if (!r)
		r = scan(file, &p, ret_recovery, &used, err);
	(void)mms_close(file);
	return r;
}

/* ---------------------------------------------------------------- recovery */

static int refuse(const struct mms_file *file, const struct mms_log_recovery *found,
		  struct mms_error *err)
{
	(void)mms_error_set(err, found->damage, "record %llu of the log %s at offset %llu",
			    (unsigned long long)found->next_sequence, file->name,
			    (unsigned long long)found->end);
	mms_error_hint(err,
		       "behind it stand %llu valid records of sequence %llu to %llu, which opening "
		       "with MMS_LOG_CUT_STRAYS would cut off",
		       (unsigned long long)found->strays, (unsigned long long)found->stray_first,
		       (unsigned long long)found->stray_last);
	return found->damage;
}

/* Cuts off what is no record, and makes durable what is left. */
static int settle(struct mms_file *file, const struct mms_log_recovery *found, uint64_t used,
		  struct mms_error *err)
{
	uint64_t size;
	int r = mms_size(file, &size);

	/* Somebody cuts the file who does not ask for the lock. */
	if (!r && size < used)
		r = -MMS_ETRUNCATED;
	while (!r && found->torn_bytes) {
		r = file->pool->sys->ftruncate(mms_fd(file), found->end);
		if (r != -EINTR)
			break;
		r = 0;
	}
	if (!r)
		r = mms_sync(file, 0, 0, MMS_SYNC_FORCE);
	return r ? mms_error_set(err, r, "recovering the log %s", file->name) : 0;
}

static int recover(struct mms_file *file, const char *path, unsigned flags, struct log_preamble *p,
		   struct mms_log_recovery *found, struct mms_error *err)
{
	uint64_t used;
	int r = mms_log_preamble_read(file, p, err);

	if (!r)
		r = scan(file, p, found, &used, err);
	if (r)
		return r;
	if (found->strays && !(flags & MMS_LOG_CUT_STRAYS))
		return refuse(file, found, err);
	r = settle(file, found, used, err);
	/* Who made it may have died before its name was durable, but not with a record in it. */
	if (!r && !found->records) {
		r = mms_parent_sync(file->pool->sys, path);
		/* A directory that may not be opened, or has no such thing as being synced. */
		if (r == -EACCES || r == -EINVAL)
			r = 0;
		if (r)
			(void)mms_error_set(err, r, "syncing the directory of %s", path);
	}
	return r;
}

/* ----------------------------------------------------------------- opening */

static const char *check_options(const struct mms_log_options *o)
{
	if ((unsigned)o->sync > MMS_SYNC_NEVER)
		return "there is no such sync mode";
	if (o->flags &
	    ~(MMS_LOG_MUST_EXIST | MMS_LOG_MUST_CREATE | MMS_LOG_CUT_STRAYS | MMS_LOG_PREALLOCATE |
	      MMS_LOG_ZERO))
		return "a flag is set that does not exist";
	if ((o->flags & MMS_LOG_MUST_EXIST) && (o->flags & MMS_LOG_MUST_CREATE))
		return "a log cannot be there and not be there";
	if ((o->flags & MMS_LOG_PREALLOCATE) && !o->max_bytes)
		return "MMS_LOG_PREALLOCATE needs max_bytes";
	if ((o->flags & MMS_LOG_ZERO) && !o->max_bytes)
		return "MMS_LOG_ZERO needs max_bytes";
	if (o->max_bytes && (o->max_bytes < LOG_PREAMBLE_BYTES || o->max_bytes > OFFSET_MAX))
		return "max_bytes must be 64 to 2^63-1";
	if (o->first_sequence > LOG_SEQUENCE_LAST)
		return "first_sequence is at most 2^64-2";
	return NULL;
}

/* Differs from all that any process made before, for all that can be known. */
uint64_t mms_log_new_id(const struct mms_sys *sys)
{
	static _Atomic uint64_t count;
	const unsigned char *random = (const unsigned char *)getauxval(AT_RANDOM);
	uint64_t id = random ? le64_get(random) : 0;
	struct timespec now;

	sys->realtime(&now);
	id = u64_mix(id ^ (uint64_t)now.tv_sec);
	id = u64_mix(id ^ (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 32);
	return u64_mix(id ^ atomic_fetch_add(&count, 1));
}

static int create(struct mms_pool *pool, const char *path, const struct mms_log_options *o,
		  const struct mms_file_options *fo, struct mms_file **ret_file,
		  struct mms_error *err)
{
	unsigned char preamble[LOG_PREAMBLE_BYTES];
	const struct mms_create_options c = {
		.size = sizeof(preamble),
		.perm = o->perm,
		.content = preamble,
		.content_bytes = sizeof(preamble),
		.flags = MMS_CREATE_DURABLE,
	};
	struct log_preamble p = {
		.first_sequence = o->first_sequence ? o->first_sequence : 1,
		.created_ns = mms_now_ns(pool->sys),
		.id = mms_log_new_id(pool->sys),
	};

	mms_log_preamble_encode(&p, preamble);
	return mms_create(pool, path, &c, fo, ret_file, err);
}

/* The file, made if it is not there. Others may make it and remove it meanwhile. */
static int open_file(struct mms_pool *pool, const char *path, const struct mms_log_options *o,
		     struct mms_file **ret_file, struct mms_error *err)
{
	/* LAZY and IMMEDIATE are seen to by the log itself; the class of passes is the same. */
	const struct mms_file_options fo = {.mode = MMS_RDWR, .sync = o->sync};
	int r = -ENOENT;

	for (int i = 0; i < OPEN_TRIES; i++) {
		r = -ENOENT;
		if (!(o->flags & MMS_LOG_MUST_CREATE))
			r = mms_open(pool, path, &fo, ret_file, err);
		if (r != -ENOENT || (o->flags & MMS_LOG_MUST_EXIST))
			return r;
		r = create(pool, path, o, &fo, ret_file, err);
		if (r != -EEXIST || (o->flags & MMS_LOG_MUST_CREATE))
			return r;
	}
	return r;
}

/* On the bytes of the preamble, which only writers lock. */
static int lock(const struct mms_file *file, struct mms_error *err)
{
	int r = file->pool->sys->lock(mms_fd(file), F_WRLCK, 0, LOG_PREAMBLE_BYTES, false);

	if (r == -EAGAIN) {
		(void)mms_error_set(err, -EBUSY, "opening the log %s", file->name);
		mms_error_hint(err, "another writer has it");
		return -EBUSY;
	}
	return r ? mms_error_set(err, r, "locking the log %s", file->name) : 0;
}

int mms_log_open(struct mms_pool *pool, const char *path, const struct mms_log_options *options,
		 struct mms_log **ret_log, struct mms_log_recovery *ret_recovery,
		 struct mms_error *err)
{
	const struct mms_log_options o = options ? *options : (struct mms_log_options){0};
	struct mms_log_recovery found = {0};
	const char *why = check_options(&o);
	struct log_preamble p;
	struct mms_file *file;
	int r;

	if (why) {
		(void)mms_error_set(err, -EINVAL, "opening the log %s", path);
		mms_error_hint(err, "%s", why);
		return -EINVAL;
	}
	r = open_file(pool, path, &o, &file, err);
	if (r)
		return r;
	r = lock(file, err);
	if (!r)
		r = recover(file, path, o.flags, &p, &found, err);
	if (found.end && ret_recovery)
		*ret_recovery = found;
	if (!r) {
		r = mms_log_new(file, &p, &o, &found, ret_log);
		if (r)
			(void)mms_error_set(err, r, "opening the log %s", path);
	}
	if (r)
		(void)mms_close(file);
	return r;
}

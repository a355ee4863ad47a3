/* SPDX-License-Identifier: MIT */
/*
 * The writer of a log
 *
 * A record is stored with its valid flag clear, over zeros, and the flag is stored last: whoever
 * sees it sees the record. Until then nothing of it counts, also after a crash.
 *
 * Marking a range dirty takes the lock of the file and a look into a table, so it is done once a
 * block. A sync takes the marks away, and what is then appended to the same block needs one again:
 * file.sync_epoch tells. It is looked at after the store, by a read-modify-write. If it has not
 * moved since the mark was set, the mark is still there, and the next sync has the record in it;
 * if a sync begins right after the look, its own read-modify-write follows this one, and with it
 * the store.
 */
#include <errno.h>
#include <stdlib.h>

#include "file.h"
#include "guard.h"
#include "log.h"
#include "sys.h"

#define GROW_DEFAULT (64ULL << 20)
#define STAGE_BYTES 1024u /* records up to this size are put together before they are stored */
#define LOG_PACK_BYTES (64u << 10) /* so are those up to this, where pwrite(2) stores them */

/* ------------------------------------------------------------------- bytes */

/*
 * Whether records are stored into the mapping. Not where every few of them are
 * synced: the kernel keeps a zeroed file in large pages, and notes a store by
 * the page, so that each sync would write up to 1 MiB (ext4, Linux 6.18);
 * a pwrite(2) it notes by the block.
 */
static bool stores(const struct mms_log *log)
{
	return !log->unmapped && !(log->flags & MMS_LOG_ZERO);
}

static int put_pwrite(struct mms_log *log, uint64_t offset, const unsigned char *buf, size_t len)
{
	while (len) {
		ssize_t n = mms_file_pwrite(log->file, buf, len, offset);

		if (n <= 0)
			return n ? (int)n : -EIO;
		buf += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* A store faulted. If somebody has cut the file, writing on would hide it behind zeros. */
static int after_fault_locked(struct mms_log *log)
{
	uint64_t size;
	int r = mms_size(log->file, &size);

	if (r)
		return r;
	return size < log->space_end ? -MMS_ETRUNCATED : 0;
}

static int put_locked(struct mms_log *log, uint64_t offset, const unsigned char *buf, size_t len)
{
	while (len) {
		size_t n = 0;
		unsigned char *to = NULL;
		int r;

		if (stores(log))
			to = mms_log_window_at(&log->window, offset, len, &n);
		if (!to) /* for this time */
			return put_pwrite(log, offset, buf, len);
		if (mms_copy(to, buf, n)) {
			/* pwrite(2) does it, or knows the reason. */
			r = after_fault_locked(log);
			if (!r)
				r = put_pwrite(log, offset, buf, n);
			if (r)
				return r;
		}
		offset += n;
		buf += n;
		len -= n;
	}
	return 0;
}

static int publish_locked(struct mms_log *log, uint64_t offset)
{
	static const unsigned char valid = MMS_RECORD_VALID;
	unsigned char *to = NULL;
	size_t n;

	offset += LOG_AT_FLAGS;
	if (stores(log))
		to = mms_log_window_at(&log->window, offset, 1, &n);
	if (to && !mms_guard_store_release(to, valid))
		return 0;
	if (to) {
		int r = after_fault_locked(log);

		if (r)
			return r;
	}
	return put_pwrite(log, offset, &valid, 1);
}

/* ------------------------------------------------------------------- space */

/* Nothing was written for lack of space: the log can go on when there is some. */
static bool is_full(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EFBIG;
}

static int extend_locked(struct mms_log *log, uint64_t to)
{
	int fd = mms_fd(log->file);
	int r = 0;

	log->spare = true;
	do {
		if (!log->unmapped)
			r = log->sys->allocate(fd, log->space_end, to - log->space_end);
		if (r == -EOPNOTSUPP)
			log->unmapped = true; /* a store in a hole could meet a full disk */
		if (log->unmapped)
			r = to > log->size ? log->sys->ftruncate(fd, to) : 0;
	} while (r == -EINTR);
	if (r)
		return r;
	log->space_end = to;
	log->size = u64_max(log->size, to);
	return 0;
}

static int reserve_locked(struct mms_log *log, uint64_t bytes)
{
	uint64_t need = u64_add_sat(log->end, bytes);
	uint64_t pieces, to;
	int r;

	if (need <= log->space_end)
		return 0;
	if (need > log->max_bytes)
		return log->max_bytes == OFFSET_MAX ? -EFBIG : -ENOSPC;
	pieces = (need - 1) / log->grow_bytes + 1;
	if (!u64_mul(pieces, log->grow_bytes, &to))
		to = UINT64_MAX;
	to = u64_min(to, log->max_bytes);
	r = extend_locked(log, to);
	/* The last of the space, where there is no such piece any more. */
	if (is_full(r))
		r = extend_locked(log, u64_min(u64_align_up(need, MMS_BLOCK_BYTES), to));
	return r;
}

/* ------------------------------------------------------------------ append */

struct job {
	struct mms_record_header header;
	uint16_t type;
	uint64_t timestamp_ns;
	uint32_t seed; /* that the checksum was begun with */
	const struct iovec *iov;
	size_t n_iov;
	uint64_t bytes; /* of the whole record */
	bool staged;
	unsigned char stage[STAGE_BYTES]; /* header, and where staged the payload, padded */
};

static int check_iov(const struct iovec *iov, size_t n_iov, uint64_t *ret_len)
{
	uint64_t len = 0;

	if (n_iov && !iov)
		return -EINVAL;
	for (size_t i = 0; i < n_iov; i++) {
		if (iov[i].iov_len && !iov[i].iov_base)
			return -EINVAL;
		len = u64_add_sat(len, iov[i].iov_len);
	}
	if (len > MMS_RECORD_PAYLOAD_MAX)
		return -EFBIG;
	*ret_len = len;
	return 0;
}

/* All that can be done before the log is locked. */
static int prepare(const struct mms_log *log, struct job *job)
{
	unsigned char *at = job->stage + MMS_RECORD_HEADER_BYTES;
	uint32_t crc = atomic_load_explicit(&log->seed, memory_order_relaxed);
	uint64_t len;
	int r = check_iov(job->iov, job->n_iov, &len);

	job->seed = crc;
	if (r)
		return r;
	job->bytes = log_record_bytes(len);
	job->staged = job->bytes <= STAGE_BYTES;
	for (size_t i = 0; i < job->n_iov; i++) {
		const void *bytes = job->iov[i].iov_base;

		if (!job->iov[i].iov_len)
			continue;
		if (job->staged) {
			bytes = memcpy(at, bytes, job->iov[i].iov_len);
			at += job->iov[i].iov_len;
		}
		crc = mms_crc32(crc, bytes, job->iov[i].iov_len);
	}
	if (job->staged)
		memset(at, 0, (size_t)(job->stage + job->bytes - at));
	job->header = (struct mms_record_header){
		.payload_bytes = (uint32_t)len,
		.payload_crc = crc,
		.timestamp_ns = job->timestamp_ns,
		.type = job->type,
	};
	return 0;
}

/* For one pwrite(2) instead of one a piece: each costs as much as copying several pages. */
static int pack_locked(struct mms_log *log, const struct job *job)
{
	unsigned char *at = mempcpy(log->pack, job->stage, MMS_RECORD_HEADER_BYTES);

	for (size_t i = 0; i < job->n_iov; i++) {
		if (job->iov[i].iov_len)
			at = mempcpy(at, job->iov[i].iov_base, job->iov[i].iov_len);
	}
	return put_pwrite(log, log->end, log->pack, (size_t)(at - log->pack));
}

/* All but the flag. What pads a payload is zero already. */
static int store_locked(struct mms_log *log, const struct job *job)
{
	uint64_t offset = log->end + MMS_RECORD_HEADER_BYTES;

	if (job->staged)
		return put_locked(log, log->end, job->stage, (size_t)job->bytes);
	if (log->pack && job->bytes <= LOG_PACK_BYTES)
		return pack_locked(log, job);
	for (size_t i = 0; i < job->n_iov; i++) {
		int r = put_locked(log, offset, job->iov[i].iov_base, job->iov[i].iov_len);

		if (r)
			return r;
		offset += job->iov[i].iov_len;
	}
	return put_locked(log, log->end, job->stage, MMS_RECORD_HEADER_BYTES);
}

static int latch_locked(struct mms_log *log, int r)
{
	if (!log->error)
		log->error = r;
	return r;
}

void mms_log_latch_locked(struct mms_log *log, int r)
{
	(void)latch_locked(log, r);
}

/* A record was stored in part. Behind a later and shorter one, its bytes would stand where the
 * next header is looked for: they are cut off, if that is all that has to be done. */
static int undo_locked(struct mms_log *log, int why)
{
	int r;

	if (!is_full(why))
		return latch_locked(log, why);
	do {
		r = log->sys->ftruncate(mms_fd(log->file), log->end);
	} while (r == -EINTR);
	if (r)
		return latch_locked(log, why);
	log->size = log->space_end = log->end;
	return why;
}

/* A background sync may have failed: see sync_epoch. */
static int check_syncs_locked(struct mms_log *log)
{
	int r;

	if (atomic_load(&log->file->sync_epoch) == log->epoch)
		return 0;
	r = mms_file_sync_error(log->file);
	return r ? latch_locked(log, r) : 0;
}

static void mark_locked(struct mms_log *log, uint64_t offset, uint64_t len)
{
	/* Not a load: see above. */
	uint64_t epoch = atomic_fetch_add(&log->file->sync_epoch, 0);

	if (epoch == log->epoch && offset + len <= log->marked)
		return;
	mms_mark_dirty(log->file, offset, len);
	if (epoch != log->epoch) {
		int r = mms_file_sync_error(log->file);

		if (r)
			(void)latch_locked(log, r);
	}
	log->epoch = epoch;
	log->marked = u64_align_up(offset + len, MMS_BLOCK_BYTES);
}

static int append_locked(struct mms_log *log, struct job *job)
{
	uint64_t sequence = atomic_load_explicit(&log->next, memory_order_relaxed);
	int r = log->error ? log->error : check_syncs_locked(log);

	/* It may have been emptied since. */
	if (!r && job->seed != atomic_load_explicit(&log->seed, memory_order_relaxed))
		r = prepare(log, job);
	if (r)
		return r;
	if (sequence > LOG_SEQUENCE_LAST)
		return -EOVERFLOW;
	r = reserve_locked(log, job->bytes);
	if (r)
		return is_full(r) ? r : latch_locked(log, r);
	job->header.sequence = sequence;
	if (!job->header.timestamp_ns)
		job->header.timestamp_ns = mms_now_ns(log->sys);
	mms_record_encode(&job->header, job->stage);
	r = store_locked(log, job);
	if (!r)
		r = publish_locked(log, log->end);
	if (r)
		return undo_locked(log, r);
	mark_locked(log, log->end, job->bytes);
	log->end += job->bytes;
	atomic_store_explicit(&log->next, sequence + 1, memory_order_release);
	return 0;
}

int mms_log_appendv(struct mms_log *log, uint16_t type, uint64_t timestamp_ns,
		    const struct iovec *iov, size_t n_iov, uint64_t *ret_sequence)
{
	struct job job;
	int r;

	job.iov = iov;
	job.n_iov = n_iov;
	job.type = type;
	job.timestamp_ns = timestamp_ns;
	r = prepare(log, &job);
	if (r)
		return r;
	pthread_mutex_lock(&log->lock);
	r = append_locked(log, &job);
	pthread_mutex_unlock(&log->lock);
	if (!r && log->sync == MMS_SYNC_IMMEDIATE)
		r = mms_log_sync(log, job.header.sequence);
	if (!r && ret_sequence)
		*ret_sequence = job.header.sequence;
	return r;
}

int mms_log_append(struct mms_log *log, uint16_t type, const void *payload, size_t len,
		   uint64_t *ret_sequence)
{
	const struct iovec iov = {.iov_base = (void *)(uintptr_t)payload, .iov_len = len};

	return mms_log_appendv(log, type, 0, &iov, 1, ret_sequence);
}

/* -------------------------------------------------------------- durability */

int mms_log_sync(struct mms_log *log, uint64_t sequence)
{
	uint64_t appended;
	int r;

	pthread_mutex_lock(&log->lock);
	appended = atomic_load_explicit(&log->next, memory_order_relaxed);
	/* What is durable stays so, whatever came later. */
	r = sequence < log->durable || appended == log->durable ? 1 : log->error;
	pthread_mutex_unlock(&log->lock);
	if (r)
		return r > 0 ? 0 : r;
	r = mms_sync(log->file, 0, 0, 0);
	/* One that failed in the background has taken the marks with it, and the kernel reports a
	 * failure once: a success after that is not for those records. */
	if (!r)
		r = mms_file_sync_error(log->file);
	pthread_mutex_lock(&log->lock);
	if (!r)
		log->durable = u64_max(log->durable, appended);
	else
		(void)latch_locked(log, r);
	pthread_mutex_unlock(&log->lock);
	return r;
}

uint64_t mms_log_next_sequence(struct mms_log *log)
{
	return atomic_load_explicit(&log->next, memory_order_acquire);
}

/* -------------------------------------------------------------- begin, end */

int mms_log_new(struct mms_file *file, const struct log_preamble *p,
		const struct mms_log_options *options, const struct mms_log_recovery *found,
		struct mms_log **ret_log)
{
	struct mms_log *log = calloc(1, sizeof(*log));
	int r = -ENOMEM;

	if (!log)
		return r;
	*log = (struct mms_log){
		.file = file,
		.sys = file->pool->sys,
		.seed = mms_log_seed(p->id),
		.sync = options->sync,
		.flags = options->flags,
		.grow_bytes = options->grow_bytes ? options->grow_bytes : GROW_DEFAULT,
		.max_bytes = options->max_bytes ? options->max_bytes : OFFSET_MAX,
		.next = found->next_sequence,
		.durable = found->next_sequence,
		.end = found->end,
		/* What follows in the file are zeros, but maybe no space. */
		.space_end = found->end,
		.window = {.file = file, .write = true},
		.epoch = atomic_load(&file->sync_epoch),
	};
	r = mms_size(file, &log->size);
	log->spare = log->size != log->end;
	if (!r && (options->flags & MMS_LOG_PREALLOCATE) && log->max_bytes > log->end) {
		r = extend_locked(log, log->max_bytes);
		if (!r && log->unmapped)
			r = -EOPNOTSUPP;
	}
	if (!r && (options->flags & MMS_LOG_ZERO))
		r = mms_log_fill(log, options);
	if (!stores(log))
		log->pack = malloc(LOG_PACK_BYTES); /* without it, in pieces */
	if (!r)
		r = -pthread_mutex_init(&log->lock, NULL);
	if (r) {
		free(log->pack);
		free(log);
		return r;
	}
	*ret_log = log;
	return 0;
}

int mms_log_close(struct mms_log *log)
{
	int r, closed;

	if (!log)
		return 0;
	r = log->error ? log->error : mms_file_sync_error(log->file);
	if (log->sync == MMS_SYNC_IMMEDIATE || log->sync == MMS_SYNC_LAZY)
		r = mms_log_sync(log, UINT64_MAX);
	mms_log_window_drop(&log->window);
	/* After a failure the next recovery decides what the file holds. */
	if (!log->error && log->spare && !(log->flags & (MMS_LOG_PREALLOCATE | MMS_LOG_ZERO)))
		(void)log->sys->ftruncate(mms_fd(log->file), log->end);
	closed = mms_close(log->file);
	pthread_mutex_destroy(&log->lock);
	free(log->pack);
	free(log);
	return r ? r : closed;
}

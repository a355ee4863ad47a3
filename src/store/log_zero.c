/* SPDX-License-Identifier: MIT */
/*
 * Zeros in a log: the space that is written in advance, and a log that is begun anew
 *
 * A block that is allocated and was never written becomes a written one by a change of metadata,
 * which a flush must commit, and which costs more than the flush. So zeros are written once, and
 * written again, never given back, where records have stood.
 */
#include <errno.h>
#include <stdlib.h>

#include "file.h"
#include "log.h"
#include "sys.h"

#define PIECE_BYTES (1u << 20)

struct progress {
	void (*tell)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

static int write_zeros(struct mms_log *log, uint64_t from, uint64_t to, const struct progress *p)
{
	uint64_t total = to - from;
	unsigned char *zeros = calloc(1, PIECE_BYTES);
	int r = zeros ? 0 : -ENOMEM;

	while (!r && from < to) {
		ssize_t n = mms_file_pwrite(log->file, zeros, size_bound(PIECE_BYTES, to - from),
					    from);

		if (n <= 0) {
			r = n ? (int)n : -EIO;
			break;
		}
		from += (uint64_t)n;
		if (p && p->tell)
			p->tell(p->arg, total - (to - from), total);
	}
	free(zeros);
	return r;
}

/* Whether all of the file is written. The page cache can make it look so; that costs time only. */
static bool is_written(const struct mms_log *log)
{
	uint64_t hole;

	return log->size == log->max_bytes &&
	       !log->sys->seek_hole(mms_fd(log->file), 0, &hole) && hole >= log->size;
}

int mms_log_fill(struct mms_log *log, const struct mms_log_options *options)
{
	const struct progress p = {options->progress, options->arg};
	int r;

	if (log->max_bytes > log->end && !is_written(log)) {
		r = write_zeros(log, log->end, log->max_bytes, &p);
		if (!r)
			r = mms_sync(log->file, 0, 0, MMS_SYNC_FORCE);
		if (r) {
			(void)log->sys->ftruncate(mms_fd(log->file), log->end);
			return r;
		}
		log->size = u64_max(log->size, log->max_bytes);
	}
	log->space_end = u64_max(log->end, log->max_bytes);
	log->spare = log->size != log->end;
	return 0;
}

/* ------------------------------------------------------------- begun anew */

static int sync_range(struct mms_log *log, uint64_t len)
{
	int r;

	mms_mark_dirty(log->file, 0, len);
	r = mms_sync(log->file, 0, 0, 0);
	return r ? r : mms_file_sync_error(log->file);
}

/*
 * The preamble first, by itself: from the moment that it is on the disk, in one piece since it lies
 * in one sector, nothing behind it is a record of this log any more. Zeroing before that could
 * leave a log that looks damaged, if power is lost.
 */
static int reset_locked(struct mms_log *log, uint64_t first)
{
	const struct log_preamble p = {
		.first_sequence = first,
		.created_ns = mms_now_ns(log->sys),
		.id = mms_log_new_id(log->sys),
	};
	unsigned char buf[LOG_PREAMBLE_BYTES];
	ssize_t n;
	int r = 0;

	mms_log_preamble_encode(&p, buf);
	n = mms_file_pwrite(log->file, buf, sizeof(buf), 0);
	if (n != (ssize_t)sizeof(buf))
		return n < 0 ? (int)n : -EIO;
	r = sync_range(log, sizeof(buf));
	if (!r && log->end > LOG_PREAMBLE_BYTES) {
		r = write_zeros(log, LOG_PREAMBLE_BYTES, log->end, NULL);
		if (!r)
			r = sync_range(log, log->end);
	}
	if (r)
		return r;
	atomic_store_explicit(&log->seed, mms_log_seed(p.id), memory_order_relaxed);
	atomic_store_explicit(&log->next, first, memory_order_release);
	log->durable = first;
	log->spare = log->spare || log->end != LOG_PREAMBLE_BYTES;
	log->end = LOG_PREAMBLE_BYTES;
	log->marked = 0;
	return 0;
}

int mms_log_reset(struct mms_log *log, uint64_t first_sequence)
{
	uint64_t next;
	int r;

	pthread_mutex_lock(&log->lock);
	next = atomic_load_explicit(&log->next, memory_order_relaxed);
	if (!first_sequence)
		first_sequence = next;
	if (first_sequence < next || first_sequence > LOG_SEQUENCE_LAST) {
		pthread_mutex_unlock(&log->lock);
		return -EINVAL;
	}
	r = log->error;
	if (!r) {
		r = reset_locked(log, first_sequence);
		if (r)
			mms_log_latch_locked(log, r);
	}
	pthread_mutex_unlock(&log->lock);
	return r;
}

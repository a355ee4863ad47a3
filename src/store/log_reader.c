/* SPDX-License-Identifier: MIT */
/*
 * Readers of a log, beside a writer in any process or none
 *
 * A reader knows where the next record must stand and which sequence it has. It loads the flags
 * there with acquire order; once the valid flag is seen, header and payload are what the writer
 * stored before it. Without a mapping pread(2) takes the place of the load, and since the order in
 * which that copies is not defined, the header is read once more after the flag was seen.
 */
#include <errno.h>
#include <stdlib.h>

#include "errors.h"
#include "file.h"
#include "guard.h"
#include "log.h"
#include "sys.h"

#define INDEX_STEP 1024u
#define INDEX_MOST 1024u
#define WAIT_SHORT_TRIES 32u

struct place {
	uint64_t sequence;
	uint64_t offset;
};

struct mms_log_reader {
	struct mms_file *file;
	const struct mms_sys *sys;
	uint32_t seed;
	uint64_t first;
	struct place at; /* of the next record */
	uint64_t size;   /* of the file, when it was last asked for */
	struct log_window window;
	unsigned char *buf;
	size_t buf_size;
	struct place *index; /* places passed, in order of both */
	size_t n_index, index_size;
	uint64_t index_step; /* records between them, at least */
};

static const struct place *start_of(const struct mms_log_reader *reader, struct place *ret)
{
	*ret = (struct place){reader->first, LOG_PREAMBLE_BYTES};
	return ret;
}

/* ------------------------------------------------------------------ bytes */

/* Whether the file reaches to end: asked anew only where it did not when last asked. */
static int reaches(struct mms_log_reader *reader, uint64_t end)
{
	int r;

	if (end <= reader->size)
		return 1;
	r = mms_size(reader->file, &reader->size);
	return r ? r : end <= reader->size;
}

/* 1, 0 where the file ends first, or an error. */
static int copy_out(struct mms_log_reader *reader, unsigned char *buf, size_t len, uint64_t offset)
{
	while (len) {
		size_t n;
		const unsigned char *from = mms_log_window_at(&reader->window, offset, len, &n);

		/* pread(2) knows why a copy faults: an error, or the end of a file that was cut. */
		if (!from || mms_copy(buf, from, n)) {
			ssize_t got = mms_file_pread(reader->file, buf, len, offset);

			if (got >= 0 && (size_t)got < len)
				reader->size = 0; /* not what it was taken for */
			return got < 0 ? (int)got : (size_t)got == len;
		}
		buf += n;
		offset += n;
		len -= n;
	}
	return 1;
}

static int flags_at(struct mms_log_reader *reader, uint64_t offset, unsigned char *ret_flags)
{
	size_t n;
	const unsigned char *from = mms_log_window_at(&reader->window, offset, 1, &n);

	if (from && !mms_guard_load_acquire(from, ret_flags))
		return 1;
	return copy_out(reader, ret_flags, 1, offset);
}

/* ----------------------------------------------------------------- records */

/* The file ends before a header at this place: there is none yet, unless the file was cut to before
 * the place, where there is nothing to wait for. */
static int at_end(struct mms_log_reader *reader, const struct place *at)
{
	int r = reader->size ? 0 : mms_size(reader->file, &reader->size);

	if (r)
		return r;
	return at->offset <= u64_align_up(reader->size, MMS_RECORD_HEADER_BYTES) ? 0
										 : -MMS_ETRUNCATED;
}

/* 1: a valid header of that sequence, with room for its payload in the file. 0: none yet. */
static int look(struct mms_log_reader *reader, const struct place *at,
		struct mms_record_header *ret_header)
{
	unsigned char buf[MMS_RECORD_HEADER_BYTES];
	struct mms_record_header h;
	unsigned char flags;
	int r = reaches(reader, at->offset + MMS_RECORD_HEADER_BYTES);

	if (r == 1)
		r = flags_at(reader, at->offset + LOG_AT_FLAGS, &flags);
	if (r == 1 && !(flags & MMS_RECORD_VALID))
		return 0;
	if (r == 1)
		r = copy_out(reader, buf, sizeof(buf), at->offset);
	if (r == 0)
		return at_end(reader, at);
	if (r < 0)
		return r;
	r = mms_record_decode(buf, &h);
	if (r <= 0)
		return r;
	if (h.sequence != at->sequence || h.sequence > LOG_SEQUENCE_LAST)
		return -MMS_ECORRUPT;
	r = reaches(reader, at->offset + MMS_RECORD_HEADER_BYTES + h.payload_bytes);
	if (r <= 0)
		return r ? r : -MMS_ETRUNCATED;
	*ret_header = h;
	return 1;
}

static int reserve(struct mms_log_reader *reader, size_t len)
{
	size_t size = (size_t)u64_pow2_up(u64_max(len, MMS_BLOCK_BYTES));
	unsigned char *buf;

	if (reader->buf && len <= reader->buf_size)
		return 0;
	buf = malloc(size); /* nothing has to be kept */
	if (!buf)
		return -ENOMEM;
	free(reader->buf);
	reader->buf = buf;
	reader->buf_size = size;
	return 0;
}

static int read_record(struct mms_log_reader *reader, struct mms_record_header *ret_header)
{
	struct mms_record_header h;
	int r = look(reader, &reader->at, &h);

	if (r <= 0)
		return r;
	r = reserve(reader, h.payload_bytes);
	if (r)
		return r;
	r = copy_out(reader, reader->buf, h.payload_bytes,
		     reader->at.offset + MMS_RECORD_HEADER_BYTES);
	if (r <= 0)
		return r ? r : -MMS_ETRUNCATED;
	if (mms_crc32(reader->seed, reader->buf, h.payload_bytes) != h.payload_crc)
		return -MMS_ECHECKSUM;
	*ret_header = h;
	return 1;
}

/* Keeps a place for seeks. The index stays small: where it is full, every second place goes. */
static void keep_place(struct mms_log_reader *reader, const struct place *at)
{
	size_t n = reader->n_index;

	if (at->sequence - (n ? reader->index[n - 1].sequence : reader->first) < reader->index_step)
		return;
	if (n && at->sequence <= reader->index[n - 1].sequence)
		return;
	if (n == INDEX_MOST) {
		for (size_t i = 1; i < n / 2; i++)
			reader->index[i] = reader->index[2 * i];
		reader->n_index = n / 2;
		reader->index_step *= 2;
		return;
	}
	if (n == reader->index_size) {
		size_t size = n ? n * 2 : 16;
		struct place *index = realloc(reader->index, size * sizeof(*index));

		if (!index)
			return;
		reader->index = index;
		reader->index_size = size;
	}
	reader->index[reader->n_index++] = *at;
}

static void step(struct place *at, const struct mms_record_header *header)
{
	at->offset += log_record_bytes(header->payload_bytes);
	at->sequence++;
}

int mms_log_next(struct mms_log_reader *reader, struct mms_record *ret_record)
{
	struct mms_record_header h;
	int r = read_record(reader, &h);

	/* A recovery may have cut off, and a writer replaced, what was being read: what is damaged
	 * is so a second time. */
	if (log_is_damage(r)) {
		reader->size = 0;
		r = read_record(reader, &h);
	}
	if (r <= 0)
		return r;
	*ret_record = (struct mms_record){
		.sequence = h.sequence,
		.timestamp_ns = h.timestamp_ns,
		.offset = reader->at.offset,
		.type = h.type,
		.payload_bytes = h.payload_bytes,
		.payload = reader->buf,
	};
	keep_place(reader, &reader->at);
	step(&reader->at, &h);
	return 1;
}

/* ----------------------------------------------------------------- seeking */

static int look_twice(struct mms_log_reader *reader, const struct place *at,
		      struct mms_record_header *ret_header)
{
	int r = look(reader, at, ret_header);

	if (!log_is_damage(r))
		return r;
	reader->size = 0;
	return look(reader, at, ret_header);
}

/* From at on to that sequence; the reader ends there, or at the end, or before what is damaged. */
static int hop(struct mms_log_reader *reader, struct place at, uint64_t sequence)
{
	struct mms_record_header h;
	int r;

	while ((r = look_twice(reader, &at, &h)) == 1 && at.sequence < sequence) {
		keep_place(reader, &at);
		step(&at, &h);
	}
	reader->at = at;
	return r;
}

/* The last place in the index that is not after the sequence, if a record of the log still stands
 * there: one that was cut off may have given way to others. */
static bool indexed_place(struct mms_log_reader *reader, uint64_t sequence, struct place *ret)
{
	struct mms_record_header h;
	size_t lo = 0, hi = reader->n_index;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (reader->index[mid].sequence <= sequence)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo > 0) {
		if (look_twice(reader, &reader->index[lo - 1], &h) == 1) {
			*ret = reader->index[lo - 1];
			return true;
		}
		reader->n_index = --lo;
	}
	return false;
}

int mms_log_seek(struct mms_log_reader *reader, uint64_t sequence)
{
	struct mms_record_header h;
	struct place from;

	if (!indexed_place(reader, sequence, &from))
		(void)start_of(reader, &from);
	if (reader->at.sequence <= sequence && reader->at.sequence > from.sequence &&
	    look_twice(reader, &reader->at, &h) >= 0)
		from = reader->at;
	return hop(reader, from, sequence);
}

/* ----------------------------------------------------------------- waiting */

int mms_log_wait(struct mms_log_reader *reader, int timeout_ms)
{
	uint64_t began = reader->sys->monotonic_ms();

	for (unsigned tries = 0;; tries++) {
		struct mms_record_header h;
		uint64_t now = reader->sys->monotonic_ms();
		int r = look_twice(reader, &reader->at, &h);

		if (r)
			return r;
		if (timeout_ms >= 0 && now - began >= (unsigned)timeout_ms)
			return 0;
		/* At first no longer than the system's shortest: a writer that is at work will
		 * not be long. */
		reader->sys->sleep_ms(tries < WAIT_SHORT_TRIES ? 0 : 1);
	}
}

/* -------------------------------------------------------------- begin, end */

int mms_log_reader_open(struct mms_pool *pool, const char *path, struct mms_log_reader **ret_reader,
			struct mms_error *err)
{
	struct mms_log_reader *reader;
	struct log_preamble p;
	struct mms_file *file;
	int r = mms_open(pool, path, NULL, &file, err);

	if (r)
		return r;
	r = mms_log_preamble_read(file, &p, err);
	if (r)
		goto out;
	reader = calloc(1, sizeof(*reader));
	if (!reader) {
		r = mms_error_set(err, -ENOMEM, "opening the log %s", path);
		goto out;
	}
	reader->file = file;
	reader->sys = pool->sys;
	reader->seed = mms_log_seed(p.id);
	reader->first = p.first_sequence;
	reader->window.file = file;
	reader->index_step = INDEX_STEP;
	(void)start_of(reader, &reader->at);
	*ret_reader = reader;
	return 0;
out:
	(void)mms_close(file);
	return r;
}

void mms_log_reader_close(struct mms_log_reader *reader)
{
	if (!reader)
		return;
	mms_log_window_drop(&reader->window);
	(void)mms_close(reader->file);
	free(reader->index);
	free(reader->buf);
	free(reader);
}

/* SPDX-License-Identifier: MIT */
/*
 * Records in a file, from one after the other to where the log ends, and what follows
 *
 * Nothing that the file says is believed before it was checked: a length reaches no further than
 * the file, and every step forward is at least a header. The file is read by pread(2), which tells
 * a failing disk from the end of a file that is being cut.
 */
#include <errno.h>
#include <stdlib.h>

#include "bytes.h"
#include "errors.h"
#include "file.h"
#include "log.h"
#include "sys.h"

#define AT_FIRST_SEQUENCE 16u
#define AT_CREATED 24u
#define AT_ID 32u
#define AT_ZEROS 40u
_Static_assert(AT_FIRST_SEQUENCE == MMS_HEADER_BYTES, "the header comes first");

#define BUFFER_BYTES (256u << 10)

/* Payloads that a hostile file may make the search for strays read in vain, in sizes of the file.
 * What is found after that counts as a stray unread: that errs on the side that keeps it. */
#define FRUITLESS_FILES 4u

static const char magic[] = "MMSL";

/* ---------------------------------------------------------------- preamble */

void mms_log_preamble_encode(const struct log_preamble *p, unsigned char buf[LOG_PREAMBLE_BYTES])
{
	memset(buf, 0, LOG_PREAMBLE_BYTES);
	le64_put(buf + AT_FIRST_SEQUENCE, p->first_sequence);
	le64_put(buf + AT_CREATED, p->created_ns);
	le64_put(buf + AT_ID, p->id);
	mms_header_seal(buf, LOG_PREAMBLE_BYTES, magic, 1);
}

static bool is_zero(const unsigned char *buf, size_t len)
{
	return !len || (!buf[0] && memcmp(buf, buf + 1, len - 1) == 0);
}

static int preamble_decode(const unsigned char *buf, size_t len, const char *name,
			   struct log_preamble *ret, struct mms_error *err)
{
	static const struct mms_format format = {magic, 1, 1,
						 LOG_PREAMBLE_BYTES - MMS_HEADER_BYTES};
	struct log_preamble p;
	int r = mms_header_check(buf, len, &format, name, NULL, err);

	if (r)
		return r;
	p.first_sequence = le64_get(buf + AT_FIRST_SEQUENCE);
	p.created_ns = le64_get(buf + AT_CREATED);
	p.id = le64_get(buf + AT_ID);
	if (!p.first_sequence || p.first_sequence > LOG_SEQUENCE_LAST ||
	    !is_zero(buf + AT_ZEROS, LOG_PREAMBLE_BYTES - AT_ZEROS)) {
		(void)mms_error_set(err, -MMS_ECORRUPT, "the preamble of the log %s", name);
		mms_error_hint(err, "its first sequence is %llu, or bytes are set that should be 0",
			       (unsigned long long)p.first_sequence);
		return -MMS_ECORRUPT;
	}
	*ret = p;
	return 0;
}

int mms_log_preamble_read(struct mms_file *file, struct log_preamble *ret, struct mms_error *err)
{
	unsigned char buf[LOG_PREAMBLE_BYTES];
	ssize_t n = mms_file_pread(file, buf, sizeof(buf), 0);

	if (n < 0)
		return mms_error_set(err, (int)n, "reading the preamble of %s", file->name);
	return preamble_decode(buf, (size_t)n, file->name, ret, err);
}

uint32_t mms_log_seed(uint64_t id)
{
	unsigned char buf[8];

	le64_put(buf, id);
	return mms_crc32(0, buf, sizeof(buf));
}

/* ----------------------------------------------------------------- reading */

int mms_log_scan_init(struct log_scan *s, struct mms_file *file, uint64_t id)
{
	*s = (struct log_scan){.file = file, .seed = mms_log_seed(id)};
	s->near.mem = malloc(BUFFER_BYTES);
	s->aside.mem = malloc(BUFFER_BYTES);
	if (s->near.mem && s->aside.mem)
		return mms_size(file, &s->size);
	return -ENOMEM;
}

void mms_log_scan_release(struct log_scan *s)
{
	free(s->near.mem);
	free(s->aside.mem);
}

/* The bytes at offset, at most len and BUFFER_BYTES of them; fewer only where the file ends. ahead:
 * how much to read in at once. */
static int bytes_at(struct log_scan *s, struct log_buffer *b, uint64_t offset, size_t len,
		    size_t ahead, const unsigned char **ret, size_t *ret_len)
{
	*ret = b->mem;
	*ret_len = 0;
	if (offset >= s->size)
		return 0;
	len = size_bound(len, s->size - offset);
	if (offset < b->at || offset - b->at > b->len || b->len - (offset - b->at) < len) {
		ssize_t n = mms_file_pread(s->file, b->mem, size_bound(ahead, s->size - offset),
					   offset);

		if (n < 0)
			return (int)n;
		b->at = offset;
		b->len = (size_t)n;
		if (b->len < len) {
			len = b->len;
			s->size = offset + len;
		}
	}
	*ret = b->mem + (offset - b->at);
	*ret_len = len;
	return 0;
}

/* Carries a payload's CRC on over the file; *ret_crc is of no use where the file ends in it. */
static int payload_crc(struct log_scan *s, struct log_buffer *b, uint64_t offset, uint64_t len,
		       uint32_t *ret_crc)
{
	uint32_t crc = s->seed;

	while (len) {
		const unsigned char *bytes;
		size_t n, piece = size_bound(BUFFER_BYTES, len);
		/* Aside, no more is read than was asked for: small payloads may be many. */
		int r = bytes_at(s, b, offset, piece, b == &s->near ? BUFFER_BYTES : piece, &bytes,
				 &n);

		if (r)
			return r;
		if (!n)
			break;
		crc = mms_crc32(crc, bytes, n);
		offset += n;
		len -= n;
	}
	*ret_crc = crc;
	return 0;
}

/* ---------------------------------------------------------------- one record */

/* 1: *ret_header is a header at offset whose payload the file is long enough for. 0: zeros. */
static int header_at(struct log_scan *s, uint64_t offset, struct mms_record_header *ret_header)
{
	const unsigned char *bytes;
	size_t n;
	int r = bytes_at(s, &s->near, offset, MMS_RECORD_HEADER_BYTES, BUFFER_BYTES, &bytes, &n);

	if (r)
		return r;
	if (is_zero(bytes, n))
		return 0;
	if (n < MMS_RECORD_HEADER_BYTES)
		return -MMS_ETRUNCATED;
	r = mms_record_decode(bytes, ret_header);
	if (r <= 0)
		return r ? r : -MMS_ETRUNCATED;
	if (ret_header->payload_bytes > s->size - offset - MMS_RECORD_HEADER_BYTES)
		return -MMS_ETRUNCATED;
	return 1;
}

/* 1: a whole record of this sequence. 0: zeros. */
static int record_at(struct log_scan *s, uint64_t offset, uint64_t sequence,
		     struct mms_record_header *ret_header)
{
	struct mms_record_header h;
	uint32_t crc;
	int r = header_at(s, offset, &h);

	if (r <= 0)
		return r;
	if (h.sequence != sequence || sequence > LOG_SEQUENCE_LAST)
		return -MMS_ECORRUPT;
	r = payload_crc(s, &s->near, offset + MMS_RECORD_HEADER_BYTES, h.payload_bytes, &crc);
	if (r)
		return r;
	if (crc != h.payload_crc)
		return -MMS_ECHECKSUM;
	*ret_header = h;
	return 1;
}

/* ------------------------------------------------------ what follows the end */

/* Moves on to where there are data, in steps of a header. false: there are no more. */
static bool find_data(struct log_scan *s, uint64_t *offset)
{
	uint64_t at;
	int r;

	if (*offset >= s->size)
		return false;
	r = s->file->pool->sys->seek_data(mms_fd(s->file), *offset, &at);
	if (r == -ENXIO)
		return false;
	/* Where holes are not told, all are data. */
	if (!r && at > *offset)
		*offset = u64_align_down(at, MMS_RECORD_HEADER_BYTES);
	return *offset < s->size;
}

/* Where the last byte lies that is not zero, plus one; from, if there is none. */
static int find_last(struct log_scan *s, uint64_t from, uint64_t *ret_last)
{
	uint64_t last = from;

	for (uint64_t at = from; find_data(s, &at);) {
		const unsigned char *bytes;
		size_t n;
		int r = bytes_at(s, &s->near, at, BUFFER_BYTES, BUFFER_BYTES, &bytes, &n);

		if (r)
			return r;
		if (!is_zero(bytes, n)) {
			size_t used = n;

			while (!bytes[used - 1])
				used--;
			last = at + used;
		}
		at += BUFFER_BYTES;
	}
	*ret_last = last;
	return 0;
}

/* 1: a stray record stands at offset. 0: none does. */
static int stray_at(struct log_scan *s, uint64_t offset, uint64_t after,
		    struct mms_record_header *ret_header)
{
	struct mms_record_header h;
	uint32_t crc;
	int r = header_at(s, offset, &h);

	if (r <= 0)
		return log_is_damage(r) ? 0 : r;
	if (h.sequence <= after || h.sequence > LOG_SEQUENCE_LAST)
		return 0;
	*ret_header = h;
	if (s->fruitless / FRUITLESS_FILES > s->size)
		return 1;
	r = payload_crc(s, &s->aside, offset + MMS_RECORD_HEADER_BYTES, h.payload_bytes, &crc);
	if (r)
		return r;
	if (crc == h.payload_crc)
		return 1;
	s->fruitless += h.payload_bytes;
	return 0;
}

static void count_stray(struct mms_log_recovery *found, uint64_t sequence)
{
	if (!found->strays || sequence < found->stray_first)
		found->stray_first = sequence;
	if (!found->strays || sequence > found->stray_last)
		found->stray_last = sequence;
	found->strays++;
}

static int find_strays(struct log_scan *s, uint64_t from, uint64_t to,
		       struct mms_log_recovery *found)
{
	uint64_t at = from;
	uint64_t look = from; /* where to ask for data again */

	while (at < to && at < s->size) {
		struct mms_record_header h = {0};
		int r;

		if (at >= look) {
			if (!find_data(s, &at))
				break;
			look = at + BUFFER_BYTES;
		}
		r = stray_at(s, at, found->next_sequence, &h);
		if (r < 0)
			return r;
		if (r)
			count_stray(found, h.sequence);
		at += r ? log_record_bytes(h.payload_bytes) : MMS_RECORD_HEADER_BYTES;
	}
	return 0;
}

static int look_behind(struct log_scan *s, struct mms_log_recovery *found)
{
	uint64_t last;
	int r = find_last(s, found->end, &last);

	if (r)
		return r;
	found->torn_bytes = last - found->end;
	if (!found->torn_bytes)
		return 0;
	/* Zeros, and then something: what stood here never came to be written, or was lost. */
	if (!found->damage)
		found->damage = -MMS_ECHECKSUM;
	return find_strays(s, found->end, last, found);
}

/* --------------------------------------------------------------------- all */

int mms_log_scan(struct log_scan *s, const struct log_preamble *p, struct mms_log_recovery *ret)
{
	struct mms_log_recovery found = {
		.first_sequence = p->first_sequence,
		.next_sequence = p->first_sequence,
		.end = LOG_PREAMBLE_BYTES,
	};
	struct mms_record_header h = {0};
	int r;

	s->used = LOG_PREAMBLE_BYTES;
	while ((r = record_at(s, found.end, found.next_sequence, &h)) == 1) {
		s->used = found.end + MMS_RECORD_HEADER_BYTES + h.payload_bytes;
		found.end += log_record_bytes(h.payload_bytes);
		found.next_sequence++;
		found.records++;
	}
	if (r < 0 && !log_is_damage(r))
		return r;
	found.damage = r;
	r = look_behind(s, &found);
	if (r)
		return r;
	*ret = found;
	return 0;
}

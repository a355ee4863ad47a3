/* SPDX-License-Identifier: MIT */
/*
 * What stands behind the end of a log
 *
 * A torn tail is what a loss of power leaves of records that nobody was told are durable. But each
 * record says up to where the log was durable when it was appended: one that names what cannot be
 * read any more, and so does any record in the younger half, proves that something was lost.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "arith.h"
#include "bytes.h"
#include "cleanup.h"
#include "replay.h"

#define AT_ID 32u
#define COPY_BYTES (256u << 10)
#define FILES_NAMED 20u

struct behind {
	struct replay *r;
	struct mms_file *file;
	uint64_t size;
	uint32_t seed;
	uint64_t lost;    /* the first sequence that is not whole */
	uint64_t durable; /* the highest that a record behind it says */
	bool tell;        /* name the files, rather than look whether anything is lost */
	unsigned named;
};

/* ------------------------------------------------------------------- telling */

static void tell_file(struct behind *b, uint64_t sequence, const struct record *record)
{
	const struct journal_node *node = &record->node.node;
	const char *name = node->path;

	if (record->type == RECORD_NAME) {
		node = &record->name.child.node;
		name = record->name.name;
	} else if (record->type != RECORD_DATA && record->type != RECORD_TRUNCATE) {
		return;
	}
	if (b->named++ >= FILES_NAMED)
		return;
	place_say(b->r->place, JOURNAL_ERROR, "not replayed: record %llu, of file %llu (%s)",
		  (unsigned long long)sequence, (unsigned long long)node->ino,
		  name ? name : "path not known");
}

static void note(struct behind *b, uint64_t sequence, uint16_t type, const void *payload,
		 size_t len)
{
	struct record *record = malloc(sizeof(*record));

	if (record && !format_decode(type, payload, len, record)) {
		b->durable = u64_max(b->durable, record->durable);
		if (b->tell)
			tell_file(b, sequence, record);
	}
	free(record);
}

/* ------------------------------------------------------------------- scanning */

static int read_at(struct behind *b, void *buf, size_t len, uint64_t offset)
{
	ssize_t n = mms_read(b->file, buf, len, offset);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -MMS_ETRUNCATED;
}

/* 1: a whole record of a sequence from lost on stands there; its size in the file. */
static int record_at(struct behind *b, uint64_t at, uint64_t *ret_bytes)
{
	unsigned char head[MMS_RECORD_HEADER_BYTES];
	struct mms_record_header h;
	CLEANUP_FREE unsigned char *payload = NULL;
	int n = read_at(b, head, sizeof(head), at);

	if (n || mms_record_decode(head, &h) != 1 || h.sequence < b->lost ||
	    h.payload_bytes > b->size - at - sizeof(head))
		return n;
	payload = malloc((size_t)h.payload_bytes + 1);
	if (!payload)
		return -ENOMEM;
	n = read_at(b, payload, h.payload_bytes, at + sizeof(head));
	if (n || mms_crc32(b->seed, payload, h.payload_bytes) != h.payload_crc)
		return n;
	note(b, h.sequence, h.type, payload, h.payload_bytes);
	*ret_bytes = sizeof(head) + u64_align_up(h.payload_bytes, MMS_RECORD_HEADER_BYTES);
	return 1;
}

static int scan(struct behind *b, uint64_t from)
{
	for (uint64_t at = from; at + MMS_RECORD_HEADER_BYTES <= b->size;) {
		uint64_t bytes = 0;
		int n = record_at(b, at, &bytes);

		if (n < 0 && n != -MMS_ETRUNCATED)
			return n;
		at += n == 1 ? bytes : MMS_RECORD_HEADER_BYTES;
	}
	return 0;
}

static int look_behind(struct replay *r, const struct half *h, struct behind *b)
{
	unsigned char id[8];
	int n = mms_open(r->pool, h->path, NULL, &b->file, r->err);

	if (n)
		return n;
	n = mms_size(b->file, &b->size);
	if (!n)
		n = read_at(b, id, sizeof(id), AT_ID);
	if (!n) {
		b->seed = mms_crc32(0, id, sizeof(id));
		n = scan(b, h->found.end);
	}
	(void)mms_close(b->file);
	return n ? error_set(r->err, n, "reading %s behind its damage", h->path) : 0;
}

/* ------------------------------------------------------------------- keeping */

static int copy_bytes(struct mms_file *from, int to)
{
	CLEANUP_FREE unsigned char *buf = malloc(COPY_BYTES);
	uint64_t at = 0;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = mms_read(from, buf, COPY_BYTES, at);

		if (n <= 0)
			return (int)n;
		for (ssize_t done = 0; done < n;) {
			ssize_t put = write(to, buf + done, (size_t)(n - done));

			if (put < 0)
				return -errno;
			done += put;
		}
		at += (uint64_t)n;
	}
}

static int keep_copy(struct replay *r, const struct half *h)
{
	CLEANUP_CLOSE int to = -1;
	char name[64], path[JOURNAL_PATH_MAX];
	struct mms_file *from;
	struct timespec now;
	int n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(name, sizeof(name), "damaged-%lld.%09ld-%u.log", (long long)now.tv_sec,
		       now.tv_nsec, h->number);
	n = place_path(r->place, name, path);
	if (n)
		return error_set(r->err, n, "keeping the damaged log %s", h->path);
	to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return error_set(r->err, -errno, "making %s", path);
	n = mms_open(r->pool, h->path, NULL, &from, r->err);
	if (n)
		return n;
	n = copy_bytes(from, to);
	(void)mms_close(from);
	if (!n && fsync(to))
		n = -errno;
	if (!n)
		n = place_sync_dir(r->place);
	if (n) {
		(void)unlink(path);
		return error_set(r->err, n, "keeping the damaged log %s as %s", h->path, path);
	}
	place_say(r->place, JOURNAL_ERROR, "the damaged log %s is kept as %s", h->path, path);
	return 0;
}

/* Nothing of it is applied: it must not be found by a replay that comes after this one. */
static int drop(struct replay *r, const struct half *h)
{
	const struct mms_log_options o = {
		.sync = MMS_SYNC_NEVER, .flags = MMS_LOG_MUST_EXIST | MMS_LOG_CUT_STRAYS};
	struct mms_log *log;
	int n = mms_log_open(r->pool, h->path, &o, &log, NULL, r->err);

	if (n)
		return n;
	n = mms_log_reset(log, 0);
	(void)mms_log_close(log);
	return n ? error_set(r->err, n, "emptying %s", h->path) : 0;
}

static int report(struct replay *r, unsigned first, uint64_t lost)
{
	int n = 0;

	r->report->damaged = true;
	place_say(r->place, JOURNAL_ERROR,
		  "the journal %s is damaged: record %llu, which was acknowledged, cannot be read; "
		  "what comes before it is replayed, and what comes after it is not",
		  r->place->dir, (unsigned long long)lost);
	for (unsigned i = first; i < r->n_live && !n; i++) {
		struct behind b = {.r = r, .lost = lost, .tell = true};
		struct half whole = r->half[i];

		if (i > first)
			whole.found.end = MMS_RECORD_HEADER_BYTES; /* all of it: from the first record */
		n = look_behind(r, &whole, &b);
		if (!n && b.named > FILES_NAMED)
			place_say(r->place, JOURNAL_ERROR, "not replayed: %u records more",
				  b.named - FILES_NAMED);
		if (!n)
			n = keep_copy(r, &r->half[i]);
	}
	/* The youngest first: an older one that is damaged leads here again. */
	for (unsigned i = r->n_live; i-- > first + 1 && !n;)
		n = drop(r, &r->half[i]);
	r->n_live = first + 1;
	return n;
}

int damage_check(struct replay *r)
{
	for (unsigned i = 0; i < r->n_live; i++) {
		const struct half *h = &r->half[i];
		struct behind b = {.r = r, .lost = h->found.next_sequence};
		int n = h->found.strays ? look_behind(r, h, &b) : 0;

		if (n)
			return n;
		if (b.durable >= b.lost && h->found.strays)
			return report(r, i, b.lost);
		/* It was durable before the other one was begun. */
		if (i + 1 < r->n_live && r->half[i + 1].found.first_sequence != b.lost)
			return report(r, i, b.lost);
	}
	return 0;
}

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
#include <unistd.h>

#include "arith.h"
#include "cleanup.h"
#include "replay.h"
#include "strays.h"

#define COPY_BYTES (256u << 10)

struct behind {
	struct replay *r;
	uint64_t lost;    /* the first sequence that is not whole */
	uint64_t durable; /* the highest that a record behind it says */
	bool tell;        /* name the files, rather than look whether anything is lost */
	unsigned named;
};

/* ------------------------------------------------------------------- scanning */

static void note(void *arg, const struct stray *s)
{
	struct behind *b = arg;
	struct record *record;

	if (!s->payload || s->sequence < b->lost)
		return;
	record = malloc(sizeof(*record));
	if (record && !format_decode(s->type, s->payload, s->payload_bytes, record)) {
		b->durable = u64_max(b->durable, record->durable);
		if (b->tell)
			stray_tell(b->r->place, s, &b->named);
	}
	free(record);
}

static int look_behind(struct replay *r, const struct half *h, struct behind *b)
{
	struct strays_blank blank;

	return strays_look(r->pool, h->path, h->found.end, note, b, &blank, r->err);
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
	char path[JOURNAL_PATH_MAX];
	struct mms_file *from;
	int n = place_damaged_path(r->place, h->number, path);

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
		if (!n)
			strays_told(r->place, b.named);
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

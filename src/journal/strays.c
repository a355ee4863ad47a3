/* SPDX-License-Identifier: MIT */
#include "strays.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arith.h"
#include "cleanup.h"

#define AT_ID 32u
#define AT_ID_BYTES 8u
#define FILES_NAMED 20u

struct look {
	struct mms_file *file;
	uint64_t size;
	uint32_t seed;
	void (*each)(void *arg, const struct stray *s);
	void *arg;
	struct strays_blank blank;
};

static int read_at(const struct look *l, void *buf, size_t len, uint64_t offset)
{
	ssize_t n = mms_read(l->file, buf, len, offset);

	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -MMS_ETRUNCATED;
}

static bool is_zero(const unsigned char *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

/* 1: a whole record stands there; its size in the file. */
static int record_at(struct look *l, uint64_t at, uint64_t *ret_bytes)
{
	unsigned char head[MMS_RECORD_HEADER_BYTES];
	CLEANUP_FREE unsigned char *payload = NULL;
	struct mms_record_header h;
	struct stray s;
	int n = read_at(l, head, sizeof(head), at);

	if (n)
		return n;
	l->blank.rest = l->blank.rest && is_zero(head, sizeof(head));
	if (mms_record_decode(head, &h) != 1 || h.payload_bytes > l->size - at - sizeof(head))
		return 0;
	payload = malloc((size_t)h.payload_bytes + 1);
	if (!payload)
		return -ENOMEM;
	n = read_at(l, payload, h.payload_bytes, at + sizeof(head));
	if (n)
		return n;
	s = (struct stray){h.sequence, h.timestamp_ns, h.type, h.payload_bytes, payload};
	if (mms_crc32(l->seed, payload, h.payload_bytes) != h.payload_crc)
		s.payload = NULL;
	l->each(l->arg, &s);
	*ret_bytes = sizeof(head) + u64_align_up(h.payload_bytes, MMS_RECORD_HEADER_BYTES);
	return s.payload != NULL;
}

static int scan(struct look *l, uint64_t from)
{
	unsigned char preamble[MMS_RECORD_HEADER_BYTES];
	int n = mms_size(l->file, &l->size);

	if (n || l->size < MMS_RECORD_HEADER_BYTES)
		return n;
	n = read_at(l, preamble, sizeof(preamble), 0);
	l->blank.preamble = !n && is_zero(preamble, sizeof(preamble));
	l->seed = n ? 0 : mms_crc32(0, preamble + AT_ID, AT_ID_BYTES);
	for (uint64_t at = from; !n && at + MMS_RECORD_HEADER_BYTES <= l->size;) {
		uint64_t bytes = 0;

		n = record_at(l, at, &bytes);
		at += n == 1 ? bytes : MMS_RECORD_HEADER_BYTES;
		/* It was cut meanwhile. */
		if (n == 1 || n == -MMS_ETRUNCATED)
			n = 0;
	}
	return n;
}

int strays_look(struct mms_pool *pool, const char *path, uint64_t from,
		void (*each)(void *arg, const struct stray *s), void *arg,
		struct strays_blank *ret_blank, struct mms_error *err)
{
	struct look l = {.each = each, .arg = arg, .blank = {true, true}};
	int n = mms_open(pool, path, NULL, &l.file, err);

	if (n)
		return n;
	n = scan(&l, from);
	(void)mms_close(l.file);
	*ret_blank = l.blank;
	return n ? error_set(err, n, "looking what stands in %s", path) : 0;
}

/* ------------------------------------------------------------------- telling */

static void tell(const struct journal_place *place, uint64_t sequence, const struct record *record,
		 unsigned *n)
{
	const struct journal_node *node = &record->node.node;
	const char *name = node->path;

	if (record->type == RECORD_NAME) {
		node = &record->name.child.node;
		name = record->name.name;
	} else if (record->type != RECORD_DATA && record->type != RECORD_TRUNCATE) {
		return;
	}
	if ((*n)++ < FILES_NAMED)
		place_say(place, JOURNAL_ERROR, "not replayed: record %llu, of file %llu (%s)",
			  (unsigned long long)sequence, (unsigned long long)node->ino,
			  name ? name : "path not known");
}

void stray_tell(const struct journal_place *place, const struct stray *s, unsigned *n)
{
	struct record *record = s->payload ? malloc(sizeof(*record)) : NULL;

	if (record && !format_decode(s->type, s->payload, s->payload_bytes, record))
		tell(place, s->sequence, record, n);
	free(record);
}

void strays_told(const struct journal_place *place, unsigned n)
{
	if (n > FILES_NAMED)
		place_say(place, JOURNAL_ERROR, "not replayed: %u records more", n - FILES_NAMED);
}

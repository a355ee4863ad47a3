/* SPDX-License-Identifier: MIT */
#include "halves.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool journal_is_unreadable(int error)
{
	return -error >= MMS_EMAGIC && -error <= MMS_ECORRUPT;
}

/* Opening a FIFO would wait, and a device do something. */
static int check_type(struct half *h, struct mms_error *err)
{
	struct stat st;

	if (lstat(h->path, &st))
		return -errno;
	h->no_file = !S_ISREG(st.st_mode);
	if (!h->no_file)
		return 0;
	(void)error_set(err, -MMS_EMAGIC, "reading the log %s", h->path);
	if (err)
		(void)snprintf(err->hint, sizeof(err->hint), "it is no file");
	return -MMS_EMAGIC;
}

int half_look(struct mms_pool *pool, const struct journal_place *place, unsigned number,
	      struct half *ret, struct mms_error *err)
{
	int r = place_log_path(place, number, ret->path);

	ret->number = number;
	ret->exists = ret->no_file = false;
	memset(&ret->found, 0, sizeof(ret->found));
	if (r)
		return error_set(err, r, "looking for the journal %s", place->dir);
	r = check_type(ret, err);
	if (r == -ENOENT)
		return 0;
	/* Is it there? Nobody knows. */
	if (r && !ret->no_file)
		return error_set(err, r, "looking for the log %s", ret->path);
	ret->exists = true;
	return r ? r : mms_log_check(pool, ret->path, &ret->found, err);
}

/* An empty log is younger than any other: nothing in it can be overtaken. */
static bool is_older(const struct half *a, const struct half *b)
{
	if (half_is_live(a) != half_is_live(b))
		return half_is_live(a);
	return a->found.first_sequence < b->found.first_sequence;
}

int halves_look(struct mms_pool *pool, const struct journal_place *place,
		struct half ret[JOURNAL_HALVES], struct mms_error *err)
{
	struct half swap;

	for (unsigned i = 0; i < JOURNAL_HALVES; i++) {
		int r = half_look(pool, place, i, &ret[i], err);

		if (r)
			return r;
	}
	if (is_older(&ret[1], &ret[0])) {
		swap = ret[0];
		ret[0] = ret[1];
		ret[1] = swap;
	}
	return 0;
}

int half_walk(struct mms_pool *pool, const struct half *h,
	      int (*each)(void *arg, const struct mms_record *raw, const struct record *record),
	      void *arg, struct mms_error *err)
{
	struct mms_log_reader *reader;
	struct mms_record raw;
	struct record *record = malloc(sizeof(*record));
	int r;

	if (!record)
		return error_set(err, -ENOMEM, "reading %s", h->path);
	r = mms_log_reader_open(pool, h->path, &reader, err);
	if (r) {
		free(record);
		return r;
	}
	for (uint64_t i = 0; i < h->found.records && !r; i++) {
		r = mms_log_next(reader, &raw);
		if (r != 1) {
			r = error_set(err, r ? r : -MMS_ETRUNCATED, "reading record %llu of %s",
				      (unsigned long long)(h->found.first_sequence + i), h->path);
			break;
		}
		r = format_decode(raw.type, raw.payload, raw.payload_bytes, record);
		if (r)
			r = error_set(err, r, "record %llu of %s, of type %u",
				      (unsigned long long)raw.sequence, h->path, raw.type);
		else
			r = each(arg, &raw, record);
	}
	mms_log_reader_close(reader);
	free(record);
	return r;
}

/* ---------------------------------------------------------------- live or not */

int journal_is_live(struct mms_pool *pool, const struct journal_place *place,
		    struct mms_error *err)
{
	struct half *halves = calloc(JOURNAL_HALVES, sizeof(*halves));
	int r;

	if (!halves)
		return error_set(err, -ENOMEM, "looking for the journal %s", place->dir);
	r = halves_look(pool, place, halves, err);
	if (!r)
		r = half_is_live(&halves[0]) || half_is_live(&halves[1]);
	free(halves);
	return r;
}

/* SPDX-License-Identifier: MIT */
/*
 * Logs that cannot be read
 *
 * A log whose first block is damaged has lost its id, without which no record in it can be proved.
 * What looks like records still says from when they are, and so whether those of the other log came
 * before: these are replayed. What comes after something that is lost is not, as everywhere.
 */
#include "discard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "halves.h"
#include "strays.h"

enum remains_kind { REMAINS_NONE, REMAINS_READABLE, REMAINS_UNREADABLE };

struct remains {
	enum remains_kind kind;
	int why; /* it cannot be read */
	struct half half;
	unsigned named;
	const struct journal_place *place;
	struct discarded *told;
};

struct discard {
	struct mms_pool *pool;
	const struct journal_place *place;
	struct discard_report *report;
	struct mms_error *err;
	struct remains log[JOURNAL_HALVES];
};

/* ------------------------------------------------------------------- looking */

static void note(void *arg, const struct stray *s)
{
	struct remains *m = arg;
	struct discarded *d = m->told;

	if (!d->records || s->sequence < d->first) {
		d->first = s->sequence;
		d->first_ns = s->timestamp_ns;
	}
	if (!d->records || s->sequence > d->last) {
		d->last = s->sequence;
		d->last_ns = s->timestamp_ns;
	}
	d->records++;
}

static void name_files(void *arg, const struct stray *s)
{
	struct remains *m = arg;

	stray_tell(m->place, s, &m->named);
}

static int look(struct discard *d, unsigned i)
{
	struct remains *m = &d->log[i];
	struct strays_blank blank;
	int r = half_look(d->pool, d->place, i, &m->half, d->err);

	m->place = d->place;
	m->told = &d->report->log[i];
	if (r && !journal_is_unreadable(r))
		return r;
	m->why = r;
	m->kind = !m->half.exists ? REMAINS_NONE : r ? REMAINS_UNREADABLE : REMAINS_READABLE;
	if (m->kind == REMAINS_NONE || m->half.no_file)
		return 0;
	r = strays_look(d->pool, m->half.path, MMS_RECORD_HEADER_BYTES, note, m, &blank, d->err);
	/* What has made zeros of the preamble may have made them of records too. */
	m->told->empty = !r && blank.rest && !blank.preamble;
	return r;
}

static bool is_live(const struct remains *m)
{
	return m->kind == REMAINS_READABLE && half_is_live(&m->half);
}

/* Whether what cannot be read may have come before what can. */
static bool may_precede(const struct remains *lost, const struct remains *live)
{
	if (lost->told->empty)
		return false;
	return !lost->told->records || lost->told->first < live->half.found.first_sequence;
}

/* ------------------------------------------------------------------- deciding */

static int refuse(struct discard *d, const struct remains *live, const char *why)
{
	const struct mms_log_recovery *found = &live->half.found;

	(void)error_set(d->err, -ENOTEMPTY, "%s has %llu records that can be read, %llu to %llu",
			live->half.path, (unsigned long long)found->records,
			(unsigned long long)found->first_sequence,
			(unsigned long long)found->next_sequence - 1);
	if (d->err)
		(void)snprintf(d->err->hint, sizeof(d->err->hint), "%s", why);
	return -ENOTEMPTY;
}

static int decide(struct discard *d)
{
	const struct remains *lost = NULL, *live = NULL;

	for (unsigned i = 0; i < JOURNAL_HALVES; i++) {
		if (d->log[i].kind == REMAINS_UNREADABLE)
			lost = &d->log[i];
		else if (is_live(&d->log[i]))
			live = &d->log[i];
	}
	if (lost && lost->why == -MMS_EVERSION) {
		(void)error_set(d->err, -ENOTEMPTY, "%s is of another version", lost->half.path);
		if (d->err)
			(void)snprintf(
				d->err->hint, sizeof(d->err->hint),
				"the mmapfs that wrote it can replay it; --force moves it aside");
		return -ENOTEMPTY;
	}
	if (live && !lost)
		return refuse(d, live,
			      "mmapfsctl journal replay brings them into their files; --force "
			      "moves them aside instead");
	if (live && may_precede(lost, live))
		return refuse(d, live,
			      "they may come after what is lost, and are not replayed then; "
			      "--force moves them aside as well");
	return 0;
}

/* -------------------------------------------------------------------- moving */

static void tell(struct remains *m)
{
	const struct discarded *d = m->told;

	place_say(m->place, JOURNAL_WARNING, "%s is kept as %s", m->half.path, d->kept);
	if (m->half.no_file)
		return;
	if (d->empty)
		place_say(m->place, JOURNAL_INFO,
			  "it had no records: nothing but its preamble is damaged");
	else if (!d->records)
		place_say(
			m->place, JOURNAL_ERROR,
			"it has no record that can be recognized: what it had, if anything, is not "
			"known");
	else
		place_say(m->place, JOURNAL_ERROR,
			  "it has %llu records, %llu to %llu: what of them was not in its files, "
			  "durably, is lost; whether there were others is not known",
			  (unsigned long long)d->records, (unsigned long long)d->first,
			  (unsigned long long)d->last);
}

static int move(struct discard *d, unsigned i)
{
	struct remains *m = &d->log[i];
	struct discarded *told = m->told;
	struct strays_blank blank;
	int r = place_damaged_path(d->place, i, told->kept);

	if (!r && renameat2(AT_FDCWD, m->half.path, AT_FDCWD, told->kept, RENAME_NOREPLACE))
		r = -errno;
	if (r) {
		told->kept[0] = '\0';
		return error_set(d->err, r, "moving %s aside", m->half.path);
	}
	d->report->kept++;
	tell(m);
	if (!told->records)
		return 0;
	r = strays_look(d->pool, told->kept, MMS_RECORD_HEADER_BYTES, name_files, m, &blank,
			d->err);
	strays_told(m->place, m->named);
	return r;
}

static int move_all(struct discard *d, bool force)
{
	int r = 0;

	for (unsigned i = 0; i < JOURNAL_HALVES && !r; i++)
		if (d->log[i].kind == REMAINS_UNREADABLE || (force && is_live(&d->log[i])))
			r = move(d, i);
	if (!r && d->report->kept) {
		r = place_sync_dir(d->place);
		if (r)
			return error_set(d->err, r, "syncing %s", d->place->dir);
	}
	return r;
}

static int run(struct discard *d, bool force)
{
	int lock = place_lock(d->place, d->err), r = 0;

	if (lock == -ENOENT)
		return 0;
	if (lock < 0)
		return lock;
	for (unsigned i = 0; i < JOURNAL_HALVES && !r; i++)
		r = look(d, i);
	if (!r && !force)
		r = decide(d);
	if (!r)
		r = move_all(d, force);
	(void)close(lock);
	if (!r && !force && d->report->kept)
		r = journal_replay(d->pool, d->place, &d->report->replay, d->err);
	return r;
}

int journal_discard(struct mms_pool *pool, const struct journal_place *place, bool force,
		    struct discard_report *ret, struct mms_error *err)
{
	struct discard *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return error_set(err, -ENOMEM, "looking at the journal %s", place->dir);
	*ret = (struct discard_report){0};
	d->pool = pool;
	d->place = place;
	d->report = ret;
	d->err = err;
	r = run(d, force);
	free(d);
	return r;
}

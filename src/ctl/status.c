/* SPDX-License-Identifier: MIT */
/* mmapfsctl journal status */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>

#include "ctl.h"
#include "halves.h"

struct status {
	const char *state; /* none, empty, live, damaged */
	bool in_use;
	uint64_t records, bytes, first, last, strays;
	uint64_t size; /* of both logs */
	unsigned unreadable; /* logs */
};

static bool is_locked(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB))
		return errno == EWOULDBLOCK;
	(void)flock(fd, LOCK_UN);
	return false;
}

static void add(struct status *s, const struct half *h)
{
	struct stat st;

	if (!h->exists)
		return;
	if (!stat(h->path, &st))
		s->size += (uint64_t)st.st_size;
	s->strays += h->found.strays;
	if (!h->found.records)
		return;
	s->bytes += h->found.end - MMS_RECORD_HEADER_BYTES;
	if (!s->records)
		s->first = h->found.first_sequence;
	s->last = h->found.next_sequence - 1;
	s->records += h->found.records;
}

/* Each by itself, where they cannot be put in order. */
static int look_at_each(struct where *w, struct status *s, struct half *halves)
{
	struct mms_error err;

	for (unsigned i = 0; i < JOURNAL_HALVES; i++) {
		int r = half_look(w->pool, &w->place, i, &halves[i], &err);

		if (r && !journal_is_unreadable(r))
			return complain_error(&err);
		if (r)
			(void)complain_journal(w, &err);
		else
			add(s, &halves[i]);
		s->unreadable += r != 0;
	}
	return EXIT_DONE;
}

static const char *state_of(const struct status *s, const struct half *halves)
{
	if (!halves[0].exists && !halves[1].exists)
		return "none";
	if (s->strays || s->unreadable)
		return "damaged";
	return s->records ? "live" : "empty";
}

static int look(struct where *w, struct status *s)
{
	struct half *halves = calloc(JOURNAL_HALVES, sizeof(*halves));
	struct mms_error err;
	int r;

	if (!halves) {
		complain("no memory");
		return EXIT_FAILED;
	}
	s->in_use = is_locked(w->place.backing_fd);
	r = w->has_state ? halves_look(w->pool, &w->place, halves, &err) : 0;
	for (unsigned i = 0; !r && i < JOURNAL_HALVES; i++)
		add(s, &halves[i]);
	if (journal_is_unreadable(r))
		r = look_at_each(w, s, halves);
	else if (r)
		r = complain_error(&err);
	s->state = state_of(s, halves);
	free(halves);
	return r;
}

static void print_json(const struct where *w, const struct status *s)
{
	printf("{\"journal\": ");
	print_json_string(w->dir);
	printf(", \"state\": \"%s\", \"in_use\": %s, \"size\": %llu, \"records\": %llu, "
	       "\"bytes\": %llu, \"first\": %llu, \"last\": %llu, \"strays\": %llu, "
	       "\"unreadable\": %u}\n",
	       s->state, s->in_use ? "true" : "false", (unsigned long long)s->size,
	       (unsigned long long)s->records, (unsigned long long)s->bytes,
	       (unsigned long long)s->first, (unsigned long long)s->last,
	       (unsigned long long)s->strays, s->unreadable);
}

int command_status(struct where *w, bool json)
{
	struct status s = {0};
	int r = look(w, &s);

	if (r)
		return r;
	if (json) {
		print_json(w, &s);
	} else {
		printf("journal ");
		print_quoted(w->dir);
		printf("\nstate %s\nin_use %s\nsize %llu\nrecords %llu\nbytes %llu\nfirst %llu\n"
		       "last %llu\nstrays %llu\nunreadable %u\n",
		       s.state, s.in_use ? "yes" : "no", (unsigned long long)s.size,
		       (unsigned long long)s.records, (unsigned long long)s.bytes,
		       (unsigned long long)s.first, (unsigned long long)s.last,
		       (unsigned long long)s.strays, s.unreadable);
	}
	/* While a daemon writes, what it is about to finish looks like damage. */
	return s.unreadable || (s.strays && !s.in_use) ? EXIT_DAMAGED : EXIT_DONE;
}

/* SPDX-License-Identifier: MIT */
/* mmapfsctl journal discard */
#include <stdio.h>
#include <stdlib.h>

#include "ctl.h"
#include "discard.h"

static void print_log(unsigned number, const struct discarded *d)
{
	printf("log %u\nkept ", number);
	print_quoted(d->kept);
	printf("\nrecords %llu\nfirst %llu\nlast %llu\nfirst_ns %llu\nlast_ns %llu\n",
	       (unsigned long long)d->records, (unsigned long long)d->first,
	       (unsigned long long)d->last, (unsigned long long)d->first_ns,
	       (unsigned long long)d->last_ns);
}

static int print(const struct discard_report *d)
{
	if (!d->kept) {
		printf("nothing to discard\n");
		return EXIT_DONE;
	}
	for (unsigned i = 0; i < JOURNAL_HALVES; i++)
		if (d->log[i].kept[0])
			print_log(i, &d->log[i]);
	printf("replayed %llu\n", (unsigned long long)d->replay.records);
	return d->replay.damaged ? EXIT_DAMAGED : EXIT_DONE;
}

int command_discard(struct where *w, bool force)
{
	struct discard_report *report = calloc(1, sizeof(*report));
	struct mms_error err;
	int r = report ? where_lock(w) : EXIT_FAILED;

	if (!report)
		complain("no memory");
	if (!r && w->has_state && journal_discard(w->pool, &w->place, force, report, &err))
		r = complain_error(&err);
	if (!r)
		r = print(report);
	free(report);
	return r;
}

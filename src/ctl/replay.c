/* SPDX-License-Identifier: MIT */
/* mmapfsctl journal replay */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "ctl.h"

int where_lock(const struct where *w)
{
	if (!flock(w->place.backing_fd, LOCK_EX | LOCK_NB))
		return EXIT_DONE;
	if (errno == EWOULDBLOCK)
		complain("%s is in use by a daemon, which replays its journal by itself at each "
			 "mount; unmount it first",
			 w->backing);
	else
		complain("cannot lock %s: %s", w->backing, strerror(errno));
	return EXIT_FAILED;
}

int command_replay(struct where *w)
{
	struct journal_report report = {0};
	struct mms_error err;
	int r = where_lock(w);

	if (r)
		return r;
	if (w->has_state && journal_replay(w->pool, &w->place, &report, &err))
		return complain_journal(w, &err);
	if (!report.records && !report.damaged) {
		printf("nothing to replay\n");
		return EXIT_DONE;
	}
	if (report.same_mount) {
		printf("nothing was lost: %llu records dropped\n",
		       (unsigned long long)report.records);
		return EXIT_DONE;
	}
	printf("records %llu\napplied %llu\napplied_bytes %llu\nredone_names %llu\n"
	       "skipped_gone %llu\nretired %llu\nquarantined_files %llu\n",
	       (unsigned long long)report.records, (unsigned long long)report.applied_data,
	       (unsigned long long)report.applied_bytes,
	       (unsigned long long)report.redone_names, (unsigned long long)report.skipped_gone,
	       (unsigned long long)report.retired, (unsigned long long)report.quarantined_files);
	return report.damaged ? EXIT_DAMAGED : EXIT_DONE;
}

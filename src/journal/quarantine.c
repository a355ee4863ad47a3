/* SPDX-License-Identifier: MIT */
/*
 * Records of files that somebody has changed since
 *
 * A file whose status was changed later than the last record, and later than the daemon can have
 * changed it, was changed after the crash. What the log has for it is older, and is kept aside.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "replay.h"

#define GRACE_MS 2000u
#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u

int quarantine_judge(struct replay *r, struct seen_node *seen, int fd, const struct stat *st)
{
	uint64_t ctime = (uint64_t)st->st_ctim.tv_sec * NS_PER_S + (uint64_t)st->st_ctim.tv_nsec;
	uint64_t latest = r->last_ns + ((uint64_t)r->start.interval_ms + GRACE_MS) * NS_PER_MS;

	(void)fd;
	if (seen->judged == NOT_JUDGED) {
		/* What this replay has made it has also changed. */
		bool changed = !seen->made && st->st_ctim.tv_sec >= 0 && ctime > latest;

		seen->judged = changed ? QUARANTINED : FINE;
	}
	return seen->judged == QUARANTINED;
}

static int begin(struct replay *r, struct seen_node *seen, const struct mms_record *raw)
{
	const struct mms_log_options o = {
		.sync = MMS_SYNC_NEVER,
		.first_sequence = raw->sequence,
		.grow_bytes = MMS_BLOCK_BYTES,
		.perm = 0600,
		.flags = MMS_LOG_MUST_CREATE,
	};
	char name[96], path[JOURNAL_PATH_MAX];
	struct timespec now;
	int n;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(name, sizeof(name), "quarantine-%lld.%09ld-%llu", (long long)now.tv_sec,
		       now.tv_nsec, (unsigned long long)seen->link.key.ino);
	n = place_path(r->place, name, path);
	if (n)
		return error_set(r->err, n, "putting records aside in %s", r->place->dir);
	n = mms_log_open(r->pool, path, &o, &seen->quarantine, NULL, r->err);
	if (n)
		return n;
	r->report->quarantined_files++;
	place_say(r->place, JOURNAL_WARNING,
		  "file %llu was changed after the journal was written: its records are not "
		  "replayed, but kept in %s",
		  (unsigned long long)seen->link.key.ino, path);
	return 0;
}

int quarantine_keep(struct replay *r, struct seen_node *seen, const struct mms_record *raw)
{
	const struct iovec iov = {(void *)(uintptr_t)raw->payload, raw->payload_bytes};
	int n = seen->quarantine ? 0 : begin(r, seen, raw);

	if (n)
		return n;
	n = mms_log_appendv(seen->quarantine, raw->type, raw->timestamp_ns, &iov, 1, NULL);
	return n ? error_set(r->err, n, "putting a record aside in %s", r->place->dir) : 0;
}

struct ending {
	struct replay *r;
	int result;
};

static bool end_one(void *entry, void *arg)
{
	struct seen_node *seen = entry;
	struct ending *e = arg;

	if (seen->quarantine) {
		int n = mms_log_sync(seen->quarantine, UINT64_MAX);

		if (n && !e->result)
			e->result = n;
	}
	return false;
}

int quarantine_end(struct replay *r)
{
	struct ending e = {r, 0};

	node_table_sweep(&r->nodes, end_one, &e);
	return e.result ? error_set(r->err, e.result, "putting records aside in %s", r->place->dir)
			: 0;
}

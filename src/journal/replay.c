/* SPDX-License-Identifier: MIT */
/*
 * Bringing back what the journal has acknowledged
 *
 * All of it may be cut by a loss of power at any point, and is done again from the beginning then:
 * each step leads from what it finds to the same end. The logs are emptied last, the older half
 * first, since the younger one's records are true by themselves of files that have them all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arith.h"
#include "cleanup.h"
#include "clock.h"
#include "mark.h"
#include "replay.h"

#define GROW_BYTES (64u << 10)
#define BEAT_LEAST_MS 500u

struct seen_node *replay_node(struct replay *r, const struct node_key *key)
{
	struct seen_node *seen = node_table_get(&r->nodes, key);

	if (!seen)
		(void)error_set(r->err, -ENOMEM, "replaying the journal %s", r->place->dir);
	return seen;
}

int replay_open(struct replay *r, const struct journal_node *node, struct seen_node *seen)
{
	const struct file_handle *handle = node->handle;

	if (node->path && !node->path[0]) {
		int fd = openat(r->place->backing_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

		return fd < 0 ? -errno : fd;
	}
	if (!seen->is_mapped)
		return finder_open(&r->finder, &seen->link.key, handle, node->path);
	handle = seen->made ? seen->made->node.handle : NULL;
	return finder_open(&r->finder, &seen->to, handle, node->path);
}

/* --------------------------------------------------------------- the log itself */

int replay_note(struct replay *r, enum record_type type, struct format_buf *b)
{
	int n = b->error;

	format_durable(b, mms_log_next_sequence(r->log) - 1);
	if (!n)
		n = mms_log_append(r->log, (uint16_t)type, b->mem, b->len, NULL);
	if (!n)
		n = r->sys->log_sync(r->log, UINT64_MAX);
	if (n)
		return error_set(r->err, n, "writing to the journal %s", r->place->dir);
	r->beat_ms = clock_now_ms();
	return 0;
}

/* So that what the replay changes is not later than the log, if it has to be done once more. */
static int beat(struct replay *r)
{
	struct format_buf b;
	int n;

	format_heartbeat(&b);
	n = replay_note(r, RECORD_HEARTBEAT, &b);
	free(b.mem);
	return n;
}

static int open_log(struct replay *r, const struct half *h, struct mms_log **ret_log)
{
	const struct mms_log_options o = {
		.sync = MMS_SYNC_NEVER,
		.grow_bytes = GROW_BYTES,
		.flags = MMS_LOG_MUST_EXIST | MMS_LOG_CUT_STRAYS,
	};

	return mms_log_open(r->pool, h->path, &o, ret_log, NULL, r->err);
}

static int empty_half(struct replay *r, const struct half *h, uint64_t next)
{
	struct mms_log *log;
	int n = r->sys->step();

	if (!n)
		n = open_log(r, h, &log);
	if (n)
		return n;
	n = mms_log_reset(log, u64_max(next, mms_log_next_sequence(log)));
	(void)mms_log_close(log);
	return n ? error_set(r->err, n, "emptying %s", h->path) : 0;
}

static int end(struct replay *r)
{
	uint64_t next = 0;
	int n = quarantine_end(r);

	if (!n)
		n = r->sys->step();
	if (!n)
		n = r->sys->syncfs(r->place->backing_fd);
	if (n)
		return error_set(r->err, n, "making durable what was replayed from %s",
				 r->place->dir);
	if (r->log) {
		next = mms_log_next_sequence(r->log);
		(void)mms_log_close(r->log);
		r->log = NULL;
	}
	for (unsigned i = 0; i < r->n_live && !n; i++)
		n = empty_half(r, &r->half[i], next);
	return n;
}

/* ---------------------------------------------------------------- first pass */

/* One walk then looks for all of them. */
static int want_nodes(struct replay *r, const struct record *record)
{
	int n = 0;

	switch (record->type) {
	case RECORD_DATA:
	case RECORD_TRUNCATE:
		n = finder_want(&r->finder, record->node.node.ino);
		break;
	case RECORD_MAP:
		n = finder_want(&r->finder, record->to.ino);
		break;
	case RECORD_NAME:
		n = finder_want(&r->finder, record->name.parent.node.ino);
		if (!n)
			n = finder_want(&r->finder, record->name.new_parent.node.ino);
		if (!n)
			n = finder_want(&r->finder, record->name.child.node.ino);
		break;
	default:
		break;
	}
	return n ? error_set(r->err, n, "replaying the journal %s", r->place->dir) : 0;
}

static int survey_record(void *arg, const struct mms_record *raw, const struct record *record)
{
	struct replay *r = arg;
	struct seen_node *seen;
	int n = want_nodes(r, record);

	if (n)
		return n;
	r->last_ns = u64_max(r->last_ns, raw->timestamp_ns);
	r->report->records++;
	if (record->type == RECORD_START)
		r->start = record->start;
	if (record->type != RECORD_RETIRE && record->type != RECORD_MAP)
		return 0;
	seen = replay_node(r, &record->key);
	if (!seen)
		return -ENOMEM;
	if (record->type == RECORD_RETIRE) {
		seen->void_until = u64_max(seen->void_until, record->until);
	} else {
		seen->is_mapped = true;
		seen->to = record->to;
	}
	return 0;
}

static int survey(struct replay *r)
{
	int n = 0;

	for (unsigned i = 0; i < r->n_live && !n; i++)
		n = half_walk(r->pool, &r->half[i], survey_record, r, r->err);
	return n;
}

static bool is_same_mount(const struct replay *r)
{
	return r->start.version && r->now.mount_id && r->start.mount_id == r->now.mount_id &&
	       !memcmp(r->start.boot_id, r->now.boot_id, sizeof(r->now.boot_id));
}

/* --------------------------------------------------------------- second pass */

static int replay_record(void *arg, const struct mms_record *raw, const struct record *record)
{
	struct replay *r = arg;
	int n = r->sys->step();

	if (n)
		return error_set(r->err, n, "replaying the journal %s", r->place->dir);
	if (clock_now_ms() - r->beat_ms > u64_max(r->start.interval_ms / 2, BEAT_LEAST_MS)) {
		n = beat(r);
		if (n)
			return n;
	}
	switch (record->type) {
	case RECORD_DATA:
	case RECORD_TRUNCATE:
		return apply_data(r, raw, record);
	case RECORD_NAME:
		return redo_name(r, record);
	default:
		return 0;
	}
}

static int open_mark(struct replay *r)
{
	if (!(r->start.flags & FORMAT_START_NAMES))
		return 0;
	r->mark_fd = mark_open(r->place->state_fd, &r->mark);
	if (r->mark_fd < 0)
		return error_set(r->err, r->mark_fd, "opening journal.mark in BACKING");
	return 0;
}

static int replay_all(struct replay *r)
{
	int n = open_mark(r);

	if (!n)
		n = open_log(r, &r->half[r->n_live - 1], &r->log);
	if (!n)
		n = beat(r);
	for (unsigned i = 0; i < r->n_live && !n; i++)
		n = half_walk(r->pool, &r->half[i], replay_record, r, r->err);
	return n;
}

/* ------------------------------------------------------------------------ all */

static bool release_node(void *entry, void *arg)
{
	struct seen_node *seen = entry;

	(void)arg;
	free(seen->made);
	(void)mms_log_close(seen->quarantine);
	return true;
}

static void release(struct replay *r)
{
	node_table_sweep(&r->nodes, release_node, NULL);
	node_table_release(&r->nodes);
	finder_release(&r->finder);
	(void)mms_log_close(r->log);
	if (r->mark_fd >= 0)
		(void)close(r->mark_fd);
	free(r);
}

static int run(struct replay *r)
{
	int n = halves_look(r->pool, r->place, r->half, r->err);

	if (n)
		return n;
	while (r->n_live < JOURNAL_HALVES && half_is_live(&r->half[r->n_live]))
		r->n_live++;
	if (!r->n_live)
		return 0;
	n = survey(r);
	if (n)
		return n;
	if (is_same_mount(r)) {
		r->report->same_mount = true;
		place_say(r->place, JOURNAL_INFO,
			  "the journal %s has live records, but BACKING has been mounted all the "
			  "time: nothing was lost",
			  r->place->dir);
		return end(r);
	}
	n = damage_check(r);
	if (!n && r->n_live)
		n = replay_all(r);
	return n ? n : end(r);
}

int journal_replay(struct mms_pool *pool, const struct journal_place *place,
		   struct journal_report *ret_report, struct mms_error *err)
{
	struct journal_report report = {0};
	CLEANUP_CLOSE int lock = place_lock(place, err);
	struct replay *r;
	int n;

	if (lock < 0 && lock != -ENOENT)
		return lock;
	r = calloc(1, sizeof(*r));
	if (!r)
		return error_set(err, -ENOMEM, "replaying the journal %s", place->dir);
	r->pool = pool;
	r->place = place;
	r->sys = place_sys(place);
	r->report = &report;
	r->err = err;
	r->mark_fd = -1;
	node_table_init(&r->nodes, sizeof(struct seen_node));
	n = r->sys->mount(place->backing_fd, &r->now);
	finder_init(&r->finder, place, r->now.dev);
	n = n ? error_set(err, n, "looking at BACKING") : run(r);
	release(r);
	if (!n)
		*ret_report = report;
	return n;
}

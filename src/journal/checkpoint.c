/* SPDX-License-Identifier: MIT */
/*
 * Emptying the journal
 *
 * One thread makes the checkpoints: it leaves the active half, makes all of BACKING durable, then
 * empties the half that was left, durably, and only then forgets its records. If power is lost
 * between any two of these, they are replayed.
 *
 * A syncfs(2) that fails is not tried again: the kernel has let go of what it could not write, and
 * a second call would return 0. The half keeps its records, for the next mount to replay.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "arith.h"
#include "clock.h"
#include "state.h"

static void wait_ms_locked(struct journal *j, unsigned ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	time_add_ms(&until, ms);
	(void)pthread_cond_timedwait(&j->changed, &j->lock, &until);
}

static bool is_old(void *entry, void *arg)
{
	const struct live_node *live = entry;
	const uint64_t *until = arg;

	return live->last <= *until;
}

static void emptied_locked(struct journal *j, unsigned which)
{
	struct journal_half *h = &j->half[which];
	uint64_t until = h->last;

	h->used = 0;
	h->records = 0;
	node_table_sweep(&j->live, is_old, &until);
	j->emptied = u64_max(j->emptied, until);
	j->draining = false;
	j->stats.checkpoints++;
	pthread_cond_broadcast(&j->changed);
}

static void fail_locked(struct journal *j, int why)
{
	char text[128];

	j->failed = why;
	j->stats.broken = j->stats.broken ? j->stats.broken : why;
	pthread_cond_broadcast(&j->changed);
	place_say(&j->place, JOURNAL_ERROR,
		  "the journal %s takes nothing new: making BACKING durable has failed (%s); its "
		  "records stay, and the next mount replays them",
		  j->dir, mms_strerror(why, text, sizeof(text)));
}

/* The half that was left. The lock is let go meanwhile. */
static void drain_locked(struct journal *j)
{
	unsigned which = 1 - j->active;
	struct mms_log *log = j->half[which].log;
	uint64_t next = j->appended + 1;
	int r;

	pthread_mutex_unlock(&j->lock);
	r = j->sys->syncfs(j->sync_fd);
	if (!r)
		r = mms_log_reset(log, next);
	pthread_mutex_lock(&j->lock);
	if (r)
		fail_locked(j, r);
	else
		emptied_locked(j, which);
}

/*
 * The logs take no more records, and still hold some that a real sync may overtake now. With all
 * of BACKING durable, no record is of any use, and they go by name.
 */
static void abandon_locked(struct journal *j)
{
	char path[JOURNAL_PATH_MAX], text[128];
	int why = j->broken;
	int r;

	pthread_mutex_unlock(&j->lock);
	r = j->failed ? j->failed : j->sys->syncfs(j->sync_fd);
	for (unsigned i = 0; i < JOURNAL_HALVES && !r; i++) {
		r = place_log_path(&j->place, i, path);
		if (!r && unlink(path) && errno != ENOENT)
			r = -errno;
	}
	if (!r)
		r = place_sync_dir(&j->place);
	pthread_mutex_lock(&j->lock);
	j->abandoned = !r;
	j->abandon_failed = r;
	if (!r) {
		j->emptied = UINT64_MAX;
		node_table_release(&j->live);
	}
	pthread_cond_broadcast(&j->changed);
	place_say(&j->place, JOURNAL_ERROR, "the journal %s is broken (%s): %s", j->dir,
		  mms_strerror(why, text, sizeof(text)),
		  r ? "its records stay, and files that have some cannot be synced"
		    : "all files were made durable, and its logs removed");
}

static bool is_due_locked(const struct journal *j, uint64_t began_ms)
{
	if (!j->half[j->active].records)
		return false;
	return j->wanted > j->emptied || clock_now_ms() - began_ms >= j->options.interval_ms;
}

void *checkpointer_run(void *journal)
{
	struct journal *j = journal;
	uint64_t began = clock_now_ms();

	pthread_mutex_lock(&j->lock);
	while (!j->stop) {
		if (j->broken) {
			if (!j->abandoned && !j->abandon_failed)
				abandon_locked(j);
			else
				pthread_cond_wait(&j->changed, &j->lock);
		} else if (j->failed) {
			pthread_cond_wait(&j->changed, &j->lock);
		} else if (j->draining) {
			began = clock_now_ms();
			drain_locked(j);
		} else if (is_due_locked(j, began)) {
			(void)switch_locked(j);
		} else {
			/* The interval begins with the first record. */
			if (!j->half[j->active].records)
				began = clock_now_ms();
			wait_ms_locked(j, j->options.interval_ms < MS_PER_S ? j->options.interval_ms : MS_PER_S);
		}
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

/*
 * Replay takes a file for changed by others if its times are much later than the last record. So
 * while records are live, the last one is never old.
 */
void *beater_run(void *journal)
{
	struct journal *j = journal;
	struct format_buf b;

	pthread_mutex_lock(&j->lock);
	while (!j->stop) {
		bool live = j->half[0].records || j->half[1].records;

		wait_ms_locked(j, j->options.interval_ms / 4 + 1);
		if (j->stop || !live || j->broken ||
		    clock_now_ms() - j->last_ms < j->options.interval_ms / 2)
			continue;
		format_heartbeat(&b);
		if (!append_locked(j, APPEND_BEAT, RECORD_HEARTBEAT, &b, NULL, NULL, NULL))
			(void)commit_locked(j, UINT64_MAX);
		free(b.mem);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

int journal_checkpoint(struct journal *j)
{
	uint64_t seq;
	int r;

	pthread_mutex_lock(&j->lock);
	seq = j->appended;
	j->wanted = u64_max(j->wanted, seq);
	pthread_cond_broadcast(&j->changed);
	while (j->emptied < seq && !j->failed && !j->stop && !j->abandon_failed)
		pthread_cond_wait(&j->changed, &j->lock);
	r = j->emptied >= seq ? 0 : j->failed ? j->failed : j->broken;
	pthread_mutex_unlock(&j->lock);
	return r;
}

/* SPDX-License-Identifier: MIT */
/*
 * Making records durable
 *
 * Only the active half can have any that are not: the other one was flushed when it was left. One
 * flush is made at a time; it takes with it all that was appended before, and those who wait
 * meanwhile are served by it or by the next.
 */
#include <errno.h>
#include <stdlib.h>

#include "arith.h"
#include "state.h"

static void flush_locked(struct journal *j)
{
	struct mms_log *log = j->half[j->active].log;
	uint64_t until = j->appended;
	int r;

	j->flushing = true;
	j->stats.flushes++;
	pthread_mutex_unlock(&j->lock);
	/* The half may be left, and even emptied, meanwhile: then all of it is durable already. */
	r = j->sys->log_sync(log, until);
	pthread_mutex_lock(&j->lock);
	j->flushing = false;
	if (r)
		break_locked(j, r);
	else
		j->durable = u64_max(j->durable, until);
	pthread_cond_broadcast(&j->flushed);
}

int commit_locked(struct journal *j, uint64_t seq)
{
	seq = u64_min(seq, j->appended);
	j->stats.commits++;
	/* What is durable stays so, whatever came later. */
	while (seq > j->durable && !j->broken) {
		if (j->flushing)
			pthread_cond_wait(&j->flushed, &j->lock);
		else
			flush_locked(j);
	}
	return seq > j->durable ? j->broken : 0;
}

int journal_commit(struct journal *j, uint64_t seq)
{
	int r;

	pthread_mutex_lock(&j->lock);
	r = commit_locked(j, seq);
	pthread_mutex_unlock(&j->lock);
	return r;
}

/* ------------------------------------------------------------------- retire */

/* The logs are broken, and have records of a file that has newer data now. */
static int wait_abandoned_locked(struct journal *j)
{
	while (!j->abandoned && !j->abandon_failed && !j->stop)
		pthread_cond_wait(&j->changed, &j->lock);
	return j->abandoned ? 0 : j->broken;
}

static int retire_locked(struct journal *j, const struct node_key *key, uint64_t until)
{
	struct live_node *live = node_table_find(&j->live, key);
	struct format_buf b;
	uint64_t seq;
	int r;

	if (!live)
		return 0;
	until = u64_min(until, live->last);
	format_retire(&b, key, until);
	r = append_locked(j, APPEND_RETIRE, RECORD_RETIRE, &b, NULL, NULL, &seq);
	if (!r)
		r = commit_locked(j, seq);
	free(b.mem);
	if (r)
		return j->broken ? wait_abandoned_locked(j) : r;
	j->stats.retired++;
	live = node_table_find(&j->live, key); /* the lock was not held all the time */
	if (live && live->last <= until)
		node_table_remove(&j->live, key);
	return 0;
}

int journal_retire(struct journal *j, const struct journal_node *node, uint64_t until)
{
	const struct node_key key = node_key(node);
	int r;

	pthread_mutex_lock(&j->lock);
	r = retire_locked(j, &key, until);
	pthread_mutex_unlock(&j->lock);
	return r;
}

uint64_t journal_position(struct journal *j)
{
	uint64_t seq;

	pthread_mutex_lock(&j->lock);
	seq = j->appended;
	pthread_mutex_unlock(&j->lock);
	return seq;
}

bool journal_has(struct journal *j, const struct journal_node *node)
{
	const struct node_key key = node_key(node);
	bool has;

	pthread_mutex_lock(&j->lock);
	has = node_table_find(&j->live, &key);
	pthread_mutex_unlock(&j->lock);
	return has;
}

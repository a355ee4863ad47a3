/* SPDX-License-Identifier: MIT */
/*
 * Making records durable
 *
 * Only the active half can have any that are not: the other one was flushed when it was left. One
 * flush is made at a time; it takes with it all that was appended before, and those who wait
 * meanwhile are served by it or by the next. Who has left a commit here (journal_commit_then())
 * is served by the thread that flushes, which goes on as long as there are such: nobody has to
 * be woken.
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

static int result_locked(const struct journal *j, uint64_t seq)
{
	return seq > j->durable ? j->broken : 0;
}

/* Takes those from the list who need not wait any longer. */
static struct waiter *served_locked(struct journal *j, int *ret_broken, uint64_t *ret_durable)
{
	struct waiter *served = NULL, **at = &j->waiting;

	*ret_broken = j->broken;
	*ret_durable = j->durable;
	while (*at) {
		struct waiter *w = *at;

		if (w->seq > j->durable && !j->broken) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = served;
		served = w;
	}
	return served;
}

/* Flushes, and answers those who have left theirs. The lock is let go meanwhile. */
static void lead_locked(struct journal *j)
{
	do {
		struct waiter *served;
		uint64_t durable;
		int broken;

		flush_locked(j);
		served = served_locked(j, &broken, &durable);
		if (!served)
			continue;
		j->serving++;
		pthread_mutex_unlock(&j->lock);
		while (served) {
			struct waiter *w = served;

			served = w->next;
			w->done(w->arg, w->seq > durable ? broken : 0);
			free(w);
		}
		pthread_mutex_lock(&j->lock);
		j->serving--;
		pthread_cond_broadcast(&j->flushed);
	} while (j->waiting && !j->flushing);
}

void journal_settle(struct journal *j)
{
	pthread_mutex_lock(&j->lock);
	while (j->waiting || j->serving)
		pthread_cond_wait(&j->flushed, &j->lock);
	pthread_mutex_unlock(&j->lock);
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
			lead_locked(j);
	}
	return result_locked(j, seq);
}

void journal_commit_then(struct journal *j, uint64_t seq, void (*done)(void *arg, int result),
			 void *arg)
{
	struct waiter *w = malloc(sizeof(*w));
	int r;

	pthread_mutex_lock(&j->lock);
	seq = u64_min(seq, j->appended);
	if (!w || seq <= j->durable || j->broken) {
		r = commit_locked(j, seq);
		pthread_mutex_unlock(&j->lock);
		free(w);
		done(arg, r);
		return;
	}
	j->stats.commits++;
	*w = (struct waiter){j->waiting, seq, done, arg};
	j->waiting = w;
	if (!j->flushing)
		lead_locked(j);
	pthread_mutex_unlock(&j->lock);
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

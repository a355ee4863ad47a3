/* SPDX-License-Identifier: MIT */
/*
 * The thread that makes passes at a fixed rate
 *
 * Passes by the clock leave files of MMS_SYNC_LAZY and MMS_SYNC_NEVER alone;
 * a pass that was asked for syncs them too.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "errors.h"
#include "pool.h"
#include "sys.h"

struct mms_syncer {
	struct mms_pool *pool;             /* set before start */
	struct mms_syncer_options options; /* set before start */
	pthread_t thread;                  /* set before start */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* on CLOCK_MONOTONIC */
	bool stop;              /* lock */
	bool asked;             /* lock: a pass is wanted now */
	uint64_t begun, ended;  /* lock: passes */
	uint64_t failed;        /* lock: number of the last pass that failed */
	int error;              /* lock: and its errno */
};

static bool time_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static void pass_locked(struct mms_syncer *s, bool all)
{
	const struct mms_syncer_options *o = &s->options;
	uint64_t number = ++s->begun;
	uint64_t files;
	int r;

	pthread_mutex_unlock(&s->lock);
	if (o->before)
		o->before(o->arg);
	r = mms_pool_pass(s->pool, all, &files);
	if (o->after)
		o->after(o->arg, files, r);
	pthread_mutex_lock(&s->lock);
	s->ended = number;
	if (r) {
		s->failed = number;
		s->error = r;
	}
	pthread_cond_broadcast(&s->changed);
}

static void *run(void *arg)
{
	struct mms_syncer *s = arg;
	struct timespec next, now;

	(void)clock_gettime(CLOCK_MONOTONIC, &next);
	time_add_ms(&next, s->options.interval_ms);
	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		bool asked = s->asked;

		if (!asked && pthread_cond_timedwait(&s->changed, &s->lock, &next) != ETIMEDOUT)
			continue;
		s->asked = false;
		pass_locked(s, asked);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
		if (!asked || time_before(&next, &now))
			time_add_ms(&next, s->options.interval_ms);
		/* Passes that took longer than the interval are not made up for. */
		if (time_before(&next, &now)) {
			next = now;
			time_add_ms(&next, s->options.interval_ms);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void syncer_free(struct mms_syncer *s)
{
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s);
}

int mms_syncer_start(struct mms_pool *pool, const struct mms_syncer_options *options,
		     struct mms_syncer **ret_syncer, struct mms_error *err)
{
	struct mms_syncer *s;
	int r;

	if (!options->interval_ms) {
		r = mms_error_set(err, -EINVAL, "starting the syncer");
		mms_error_hint(err, "the interval must be at least 1 ms");
		return r;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return mms_error_set(err, -ENOMEM, "starting the syncer");
	s->pool = pool;
	s->options = *options;
	r = clock_pair_init(&s->lock, &s->changed);
	if (r) {
		free(s);
		return mms_error_set(err, r, "starting the syncer");
	}
	r = pool->sys->thread_start(&s->thread, run, s);
	if (r) {
		syncer_free(s);
		return mms_error_set(err, r, "starting the syncer's thread");
	}
	*ret_syncer = s;
	return 0;
}

int mms_syncer_kick(struct mms_syncer *s, bool wait)
{
	uint64_t ours;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	ours = s->begun + 1;
	s->asked = true;
	pthread_cond_broadcast(&s->changed);
	while (wait && s->ended < ours && !s->stop)
		pthread_cond_wait(&s->changed, &s->lock);
	if (wait)
		r = s->ended < ours ? -ECANCELED : s->failed >= ours ? s->error : 0;
	pthread_mutex_unlock(&s->lock);
	return r;
}

void mms_syncer_stop(struct mms_syncer *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	(void)pthread_join(s->thread, NULL);
	syncer_free(s);
}

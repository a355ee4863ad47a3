/* SPDX-License-Identifier: MIT */
/* Opening and closing a journal */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "arith.h"
#include "cleanup.h"
#include "clock.h"
#include "mark.h"
#include "state.h"

#define SIZE_DEFAULT (64ULL << 20)
#define SIZE_LEAST (1ULL << 20)
#define INTERVAL_DEFAULT 5000u

/* ------------------------------------------------------------------- halves */

struct zeroing {
	const struct journal_place *place;
	uint64_t before, total;
};

static void tell_zeroing(void *arg, uint64_t done, uint64_t total)
{
	const struct zeroing *z = arg;

	(void)total;
	if (z->place->progress)
		z->place->progress(z->place->arg, z->before + done, z->total);
}

/* Removes a log of another size. There is nothing in it. 1: a log has to be made. */
static int fit(const char *path, uint64_t bytes)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 1 : -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size <= bytes)
		return 0;
	return unlink(path) ? -errno : 1;
}

static void hint_room(const struct journal *j, struct mms_error *err)
{
	uint64_t need = JOURNAL_HALVES * j->half_bytes >> 10;
	struct statvfs st;

	if (statvfs(j->dir, &st))
		return;
	(void)snprintf(err->hint, sizeof(err->hint),
		       "the journal takes %llu KiB, and %llu KiB are free there: make room, or "
		       "give it a smaller size (journal_size)",
		       (unsigned long long)need,
		       (unsigned long long)(st.f_bavail * (st.f_frsize >> 9) >> 1));
}

static int open_half(struct journal *j, struct mms_pool *pool, unsigned i, struct mms_error *err)
{
	struct zeroing z = {&j->place, i * j->half_bytes, JOURNAL_HALVES * j->half_bytes};
	const struct mms_log_options o = {
		.sync = MMS_SYNC_NEVER,
		.max_bytes = j->half_bytes,
		.perm = 0600,
		.flags = MMS_LOG_ZERO,
		.progress = tell_zeroing,
		.arg = &z,
	};
	char path[JOURNAL_PATH_MAX];
	int r = place_log_path(&j->place, i, path);

	if (!r)
		r = fit(path, j->half_bytes);
	j->made[i] = r == 1;
	if (r < 0)
		return error_set(err, r, "opening log.%u of the journal %s", i, j->dir);
	r = mms_log_open(pool, path, &o, &j->half[i].log, NULL, err);
	if ((r == -ENOSPC || r == -EDQUOT) && err)
		hint_room(j, err);
	return r;
}

static int open_halves(struct journal *j, struct mms_pool *pool, struct mms_error *err)
{
	uint64_t next = 1;
	int r;

	for (unsigned i = 0; i < JOURNAL_HALVES; i++) {
		r = open_half(j, pool, i, err);
		if (r)
			return r;
		next = u64_max(next, mms_log_next_sequence(j->half[i].log));
	}
	/* One series over both. */
	r = mms_log_reset(j->half[0].log, next);
	if (r)
		return error_set(err, r, "preparing the journal %s", j->dir);
	j->appended = j->durable = j->emptied = next - 1;
	return 0;
}

/* --------------------------------------------------------------- begin, end */

static void release(struct journal *j)
{
	for (unsigned i = 0; i < JOURNAL_HALVES; i++)
		(void)mms_log_close(j->half[i].log);
	node_table_release(&j->live);
	if (j->mark_fd >= 0)
		(void)close(j->mark_fd);
	if (j->sync_fd >= 0)
		(void)close(j->sync_fd);
	if (j->lock_fd >= 0)
		(void)close(j->lock_fd);
	free(j->dir);
	free(j);
}

/* What this opening has made, and is of no use to the next one: on a full disk least of all. */
static void unmake(const struct journal *j)
{
	char path[JOURNAL_PATH_MAX];

	for (unsigned i = 0; i < JOURNAL_HALVES; i++)
		if (j->made[i] && !place_log_path(&j->place, i, path))
			(void)unlink(path);
	if (j->made_dir)
		(void)rmdir(j->dir);
}

static int set_options(struct journal *j, const struct journal_options *o, struct mms_error *err)
{
	j->options = *o;
	if (!j->options.size)
		j->options.size = SIZE_DEFAULT;
	if (!j->options.interval_ms)
		j->options.interval_ms = INTERVAL_DEFAULT;
	if (j->options.size < SIZE_LEAST || j->options.size > OFFSET_MAX) {
		(void)error_set(err, -EINVAL, "opening a journal of %llu bytes in %s",
				(unsigned long long)o->size, j->dir);
		if (err)
			(void)snprintf(err->hint, sizeof(err->hint), "1 MiB is the least");
		return -EINVAL;
	}
	j->half_bytes = u64_align_down(j->options.size / JOURNAL_HALVES, MMS_BLOCK_BYTES);
	return 0;
}

/* Its name is durable on return: the journal must not go with the power. */
static int make_dir(struct journal *j)
{
	CLEANUP_FREE char *copy = strdup(j->dir);
	CLEANUP_CLOSE int parent = -1;
	char *slash = copy ? strrchr(copy, '/') : NULL;

	if (!copy)
		return -ENOMEM;
	j->made_dir = !mkdir(j->dir, 0700);
	if (!j->made_dir && errno != EEXIST)
		return -errno;
	if (slash)
		*slash = '\0';
	/* Also of one that is there: nobody knows how long. */
	parent = open(slash && slash > copy ? copy : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0 && !j->made_dir && errno == EACCES)
		return 0;
	if (parent < 0 || fsync(parent) || fsync(j->place.backing_fd))
		return -errno;
	return 0;
}

/* For this journal alone, and with nothing in it. */
static int take_dir(struct journal *j, struct mms_pool *pool, struct mms_error *err)
{
	int r = make_dir(j);

	if (r)
		return error_set(err, r, "making the directory of the journal, %s", j->dir);
	j->lock_fd = place_lock(&j->place, err);
	if (j->lock_fd < 0)
		return j->lock_fd;
	r = journal_is_live(pool, &j->place, err);
	if (r <= 0)
		return r;
	(void)error_set(err, -EBUSY, "opening the journal %s, which has live records", j->dir);
	if (err)
		(void)snprintf(err->hint, sizeof(err->hint),
			       "they are of another BACKING: mount that, or choose another "
			       "directory");
	return -EBUSY;
}

static int prepare(struct journal *j, struct mms_pool *pool, struct mms_error *err)
{
	int r = take_dir(j, pool, err);

	if (r)
		return r;
	j->sync_fd = openat(j->place.backing_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->sync_fd < 0)
		return error_set(err, -errno, "opening BACKING for the journal %s", j->dir);
	r = j->sys->mount(j->place.backing_fd, &j->mount);
	if (!r)
		r = open_halves(j, pool, err);
	if (r || !j->options.names)
		return r;
	j->mark_fd = mark_open(j->place.state_fd, &j->number);
	if (j->mark_fd < 0)
		return error_set(err, j->mark_fd, "opening journal.mark, where BACKING keeps the "
						  "number of the last name operation");
	return 0;
}

static int start(struct journal *j, struct mms_error *err)
{
	int r = clock_pair_init(&j->lock, &j->changed);

	if (r)
		return error_set(err, r, "starting the journal %s", j->dir);
	(void)pthread_mutex_init(&j->names_lock, NULL);
	(void)pthread_cond_init(&j->flushed, NULL);
	r = -pthread_create(&j->checkpointer, NULL, checkpointer_run, j);
	if (!r) {
		r = -pthread_create(&j->beater, NULL, beater_run, j);
		if (!r)
			return 0;
		pthread_mutex_lock(&j->lock);
		j->stop = true;
		pthread_cond_broadcast(&j->changed);
		pthread_mutex_unlock(&j->lock);
		(void)pthread_join(j->checkpointer, NULL);
	}
	pthread_cond_destroy(&j->changed);
	pthread_cond_destroy(&j->flushed);
	pthread_mutex_destroy(&j->lock);
	pthread_mutex_destroy(&j->names_lock);
	return error_set(err, r, "starting the threads of the journal %s", j->dir);
}

int journal_open(struct mms_pool *pool, const struct journal_place *place,
		 const struct journal_options *options, struct journal **ret, struct mms_error *err)
{
	struct journal *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return error_set(err, -ENOMEM, "opening the journal %s", place->dir);
	j->place = *place;
	j->sys = place_sys(place);
	j->mark_fd = -1;
	j->sync_fd = -1;
	j->lock_fd = -1;
	node_table_init(&j->live, sizeof(struct live_node));
	j->dir = strdup(place->dir);
	j->place.dir = j->dir;
	r = j->dir ? set_options(j, options, err) : error_set(err, -ENOMEM, "opening a journal");
	if (!r)
		r = prepare(j, pool, err);
	if (!r)
		r = start(j, err);
	if (r) {
		if (j->dir)
			unmake(j);
		release(j);
		return r;
	}
	*ret = j;
	return 0;
}

int journal_close(struct journal *j)
{
	int r;

	if (!j)
		return 0;
	r = journal_checkpoint(j);
	pthread_mutex_lock(&j->lock);
	j->stop = true;
	pthread_cond_broadcast(&j->changed);
	pthread_mutex_unlock(&j->lock);
	(void)pthread_join(j->checkpointer, NULL);
	(void)pthread_join(j->beater, NULL);
	/* What others do from now on is not numbered: see journal_name_begin(). */
	if (r && j->mark_fd >= 0)
		(void)mark_set(j->mark_fd, j->number + 1);
	pthread_cond_destroy(&j->changed);
	pthread_cond_destroy(&j->flushed);
	pthread_mutex_destroy(&j->lock);
	pthread_mutex_destroy(&j->names_lock);
	release(j);
	return r;
}

void journal_stats(struct journal *j, struct journal_stats *ret)
{
	pthread_mutex_lock(&j->lock);
	*ret = j->stats;
	ret->live_records = j->half[0].records + j->half[1].records;
	ret->live_bytes = j->half[0].used + j->half[1].used;
	ret->size_bytes = JOURNAL_HALVES * j->half_bytes;
	pthread_mutex_unlock(&j->lock);
}

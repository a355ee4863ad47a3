/* SPDX-License-Identifier: MIT */
/*
 * Reading files in before they are asked for
 *
 * The asynchronous way reads into a buffer that nobody looks at: the data
 * stay in the page cache, which the mappings show. readahead(2) would be the
 * obvious call, but reads one read-ahead window at most, whatever it is
 * asked for.
 */
#include <errno.h>
#include <stdlib.h>

#include "arith.h"
#include "cleanup.h"
#include "file.h"
#include "sys.h"

#define READ_STEP (128u << 10)
#define POPULATE_STEP (64u << 20)
#define PAGE_LEAST 4096u
#define PAGE_ALIGN 65536u /* a multiple of every page size */

struct request {
	struct list link;
	struct mms_file *file;
	uint64_t offset, end;
};

/* One a pool. Everything in it is protected by pool.preload_lock. */
struct preloader {
	struct mms_pool *pool; /* set before start */
	pthread_t thread;
	pthread_cond_t changed;
	struct list requests;
	struct mms_file *busy_with;
	atomic_bool cancel; /* read without the lock too */
	bool stop;
};

/* Reads [offset, end) in, at most to the end of the file. */
static int read_in(struct mms_file *file, uint64_t offset, uint64_t end, const atomic_bool *cancel)
{
	CLEANUP_FREE char *buf = NULL;

	if (offset >= end)
		return 0;
	buf = malloc(READ_STEP);
	if (!buf)
		return -ENOMEM;
	while (offset < end && !(cancel && atomic_load(cancel))) {
		ssize_t n = mms_file_pread(file, buf, size_bound(READ_STEP, end - offset), offset);

		if (n <= 0)
			return (int)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* ---------------------------------------------------------------- thread */

static void *run(void *arg)
{
	struct preloader *p = arg;
	pthread_mutex_t *lock = &p->pool->preload_lock;

	pthread_mutex_lock(lock);
	while (!p->stop) {
		struct request *q;

		if (list_empty(&p->requests)) {
			pthread_cond_wait(&p->changed, lock);
			continue;
		}
		q = list_entry(p->requests.next, struct request, link);
		list_del(&q->link);
		p->busy_with = q->file;
		atomic_store(&p->cancel, false);
		pthread_mutex_unlock(lock);
		/* A hint: who reads the data is told what is wrong with them. */
		(void)read_in(q->file, q->offset, q->end, &p->cancel);
		free(q);
		pthread_mutex_lock(lock);
		p->busy_with = NULL;
		pthread_cond_broadcast(&p->changed);
	}
	pthread_mutex_unlock(lock);
	return NULL;
}

static int start_locked(struct mms_pool *pool)
{
	struct preloader *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->pool = pool;
	list_init(&p->requests);
	r = -pthread_cond_init(&p->changed, NULL);
	if (r)
		goto out;
	r = pool->sys->thread_start(&p->thread, run, p);
	if (r)
		goto out_cond;
	pool->preloader = p;
	return 0;
out_cond:
	pthread_cond_destroy(&p->changed);
out:
	free(p);
	return r;
}

static int queue(struct mms_file *file, uint64_t offset, uint64_t end)
{
	struct mms_pool *pool = file->pool;
	struct request *q = malloc(sizeof(*q));
	int r = 0;

	if (!q)
		return -ENOMEM;
	*q = (struct request){.file = file, .offset = offset, .end = end};
	pthread_mutex_lock(&pool->preload_lock);
	if (!pool->preloader)
		r = start_locked(pool);
	if (!r) {
		list_add_tail(&pool->preloader->requests, &q->link);
		pthread_cond_broadcast(&pool->preloader->changed);
	}
	pthread_mutex_unlock(&pool->preload_lock);
	if (r)
		free(q);
	return r;
}

/* file NULL: all. */
static void drop_requests_locked(struct preloader *p, const struct mms_file *file)
{
	for (struct list *l = p->requests.next; l != &p->requests;) {
		struct request *q = list_entry(l, struct request, link);

		l = l->next;
		if (!file || q->file == file) {
			list_del(&q->link);
			free(q);
		}
	}
}

void mms_preload_cancel(struct mms_file *file)
{
	struct mms_pool *pool = file->pool;
	struct preloader *p;

	pthread_mutex_lock(&pool->preload_lock);
	p = pool->preloader;
	if (p) {
		drop_requests_locked(p, file);
		while (p->busy_with == file) {
			atomic_store(&p->cancel, true);
			pthread_cond_wait(&p->changed, &pool->preload_lock);
		}
	}
	pthread_mutex_unlock(&pool->preload_lock);
}

void mms_preload_end(struct mms_pool *pool)
{
	struct preloader *p = pool->preloader;

	if (!p)
		return;
	pthread_mutex_lock(&pool->preload_lock);
	p->stop = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&pool->preload_lock);
	(void)pthread_join(p->thread, NULL);
	drop_requests_locked(p, NULL);
	pthread_cond_destroy(&p->changed);
	free(p);
	pool->preloader = NULL;
}

/* -------------------------------------------------------------- populate */

/* For kernels that cannot: the data are in memory, now touch each page. */
static void touch_pages(const struct mms_pin *pin)
{
	char byte;

	for (size_t at = 0; at < pin->len; at += PAGE_LEAST) {
		if (mms_copy(&byte, (const char *)pin->addr + at, 1))
			return;
	}
}

/* One step inside a chunk. It is mapped only if nothing has to go for it. */
static int populate_step(struct mms_file *file, uint64_t offset, size_t len, bool map)
{
	const struct mms_sys *sys = file->pool->sys;
	struct mms_pin pin;
	uint64_t reached = offset;
	int r;

	if (map && !mms_file_pin(file, offset, len, PIN_KEEP, &pin)) {
		r = sys->madvise(pin.addr, pin.len, MMS_ADVICE_POPULATE_READ);
		if (r) {
			r = read_in(file, offset, offset + pin.len, NULL);
			if (!r)
				touch_pages(&pin);
		}
		reached += pin.len;
		mms_unpin(&pin);
		if (r)
			return r;
	}
	return read_in(file, reached, offset + len, NULL);
}

static int populate(struct mms_file *file, uint64_t offset, uint64_t end)
{
	bool map = !mms_why_unmapped(file);

	/* madvise(2) wants whole pages. */
	offset = u64_align_down(offset, PAGE_ALIGN);
	while (offset < end) {
		uint64_t most = u64_min(end - offset, POPULATE_STEP);
		size_t step = mms_file_chunk_part(file, offset, most);
		int r = populate_step(file, offset, step, map);

		if (r)
			return r;
		offset += step;
	}
	return 0;
}

int mms_preload(struct mms_file *file, uint64_t offset, uint64_t len, enum mms_preload how)
{
	uint64_t end = len ? u64_add_sat(offset, len) : UINT64_MAX;
	uint64_t size;
	int r;

	if ((unsigned)how > MMS_PRELOAD_POPULATE)
		return -EINVAL;
	if (how == MMS_PRELOAD_NONE)
		return 0;
	r = mms_size(file, &size);
	if (r)
		return r;
	end = u64_min(end, size);
	if (offset >= end)
		return 0;
	return how == MMS_PRELOAD_ASYNC ? queue(file, offset, end) : populate(file, offset, end);
}

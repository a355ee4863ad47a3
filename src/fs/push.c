/* SPDX-License-Identifier: MIT */
#include "push.h"

#include <string.h>
#include <unistd.h>

#include "log.h"
#include "own.h"
#include "push_way.h"
#include "region.h"
#include "stats.h"

/* A smaller file costs at most some hundred round trips. */
#define FILE_MIN_BYTES WINDOW_BYTES

#define QUEUE_MAX 16u /* windows, of all files */

/* A file of which so much had to be written back for a push has them for a part
 * of the time only. */
#define SLOW_MS 4
#define SLOW_PART 20

#define FAILED_PAUSE_MS 1000

struct wanted {
	struct inode *inode; /* a counted ref */
	uint64_t window;
};

struct batch {
	struct wanted list[QUEUE_MAX];
	size_t n;
};

static struct push {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct batch queue; /* lock */
	bool stopping;      /* lock */
	bool running;       /* constant while requests are served */
	pthread_t thread;
	_Atomic(pid_t) tid;
	const char *word;
} push = {.lock = PTHREAD_MUTEX_INITIALIZER,
	  .wake = PTHREAD_COND_INITIALIZER,
	  .word = "off: not started"};

bool push_is(pid_t pid)
{
	return pid && pid == atomic_load_explicit(&push.tid, memory_order_relaxed);
}

const char *push_word(void)
{
	return push.word;
}

/* ------------------------------------------------------ what workers see */

static struct misses *misses_of(struct inode *inode, int64_t now_ms)
{
	struct misses *have = atomic_load_explicit(&inode->misses, memory_order_acquire), *fresh;

	if (have)
		return have;
	fresh = misses_new(now_ms);
	if (!fresh || atomic_compare_exchange_strong(&inode->misses, &have, fresh))
		return fresh;
	misses_free(fresh);
	return have;
}

/* False: there is no room. */
static bool enqueue(struct inode *inode, uint64_t window)
{
	bool room;

	inode_get(inode);
	pthread_mutex_lock(&push.lock);
	room = push.queue.n < QUEUE_MAX && !push.stopping;
	if (room) {
		push.queue.list[push.queue.n++] = (struct wanted){inode, window};
		pthread_cond_signal(&push.wake);
	}
	pthread_mutex_unlock(&push.lock);
	if (!room)
		inode_put(inode);
	return room;
}

void push_saw_read(fuse_req_t req, struct inode *inode, size_t size, off_t off, uint64_t file_size)
{
	struct misses *misses;
	uint64_t window;
	int64_t now_ms;

	if (!push.running)
		return;
	if (push_is(fuse_req_ctx(req)->pid)) {
		stats_add(PUSH_BYTES, size);
		return;
	}
	if (size > MISSES_SMALL_BYTES || file_size < FILE_MIN_BYTES)
		return;
	now_ms = inode_now_ms();
	misses = misses_of(inode, now_ms);
	if (!misses || !misses_see(misses, (uint64_t)off, size, file_size, now_ms, &window))
		return;
	if (!enqueue(inode, window)) {
		stats_count(PUSH_DROPPED);
		misses_put_back(misses, window, true);
	}
}

void push_forget(struct inode *inode)
{
	struct misses *misses = atomic_load_explicit(&inode->misses, memory_order_acquire);

	if (misses)
		misses_forget(misses);
}

/* ---------------------------------------------------------- the thread's */

/* Fills runs; windows without any are put back. */
static void find_resident(struct push_job *job)
{
	struct region *r = region_borrow(job->inode);
	uint64_t size = 0;
	size_t kept = 0;

	if (r && mms_size(r->file, &size))
		size = 0;
	for (size_t i = 0; i < job->n; i++) {
		uint64_t from = job->windows[i] << WINDOW_SHIFT, to = from + WINDOW_BYTES;
		size_t found = 0;

		if (to > size)
			to = size;
		if (r && from < to)
			found = resident_runs(r->file, from, to, job->runs + job->n_runs);
		job->n_runs += found;
		if (found) {
			job->windows[kept++] = job->windows[i];
			continue;
		}
		if (r)
			stats_count(PUSH_NOT_RESIDENT);
		misses_put_back(job->misses, job->windows[i], false);
	}
	job->n = kept;
	if (r)
		region_unuse(r);
}

static void finish(struct push_job *job, bool done)
{
	int64_t now_ms = inode_now_ms();

	for (size_t i = 0; i < job->n; i++) {
		if (done)
			misses_pushed(job->misses, job->windows[i], now_ms);
		else
			misses_put_back(job->misses, job->windows[i], false);
	}
	if (done)
		stats_add(PUSH_WINDOWS, job->n);
}

static void do_job(struct push_job *job)
{
	int64_t ms;

	find_resident(job);
	if (!job->n)
		return;
	ms = fs.options.push == PUSH_STORE ? push_by_store(job) : push_by_readahead(job);
	if (ms < 0)
		misses_pause(job->misses, inode_now_ms() + FAILED_PAUSE_MS);
	else if (ms > SLOW_MS)
		misses_pause(job->misses, inode_now_ms() + SLOW_PART * ms);
	finish(job, ms >= 0);
}

/* The jobs of a batch, one after the other: one open serves a file's windows. */
static void do_batch(const struct batch *batch)
{
	bool done[QUEUE_MAX] = {false};

	for (size_t i = 0; i < batch->n; i++) {
		struct inode *inode = batch->list[i].inode;
		struct push_job job = {.inode = inode, .misses = atomic_load(&inode->misses)};

		for (size_t k = i; k < batch->n && job.n < MISSES_IN_QUEUE; k++) {
			if (done[k] || batch->list[k].inode != inode)
				continue;
			done[k] = true;
			job.windows[job.n++] = batch->list[k].window;
		}
		if (job.n)
			do_job(&job);
	}
}

static void drop_batch(struct batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		inode_put(batch->list[i].inode);
	batch->n = 0;
}

/* Waits for something to do. False: there is no more. */
static bool take(struct batch *batch)
{
	bool more;

	pthread_mutex_lock(&push.lock);
	while (!push.queue.n && !push.stopping)
		pthread_cond_wait(&push.wake, &push.lock);
	more = !push.stopping;
	*batch = push.queue;
	push.queue.n = 0;
	pthread_mutex_unlock(&push.lock);
	return more;
}

static void *run(void *arg)
{
	struct batch batch;

	(void)arg;
	atomic_store(&push.tid, gettid());
	while (take(&batch)) {
		if (own_begin()) {
			do_batch(&batch);
			own_end();
		}
		drop_batch(&batch);
	}
	drop_batch(&batch);
	return NULL;
}

/* ---------------------------------------------------------- start and end */

/* Why there are none; NULL: there are. */
static const char *reason_not(void)
{
	if (fs.options.cache == CACHE_NONE)
		return "off: with cache=none the kernel keeps nothing";
	if (fs.options.passthrough)
		return "off: with passthrough the kernel reads BACKING's own cache";
	if (fs.options.push != PUSH_OFF)
		return NULL;
	return "off, as push=off or a readahead= under 64K says";
}

void push_start(void)
{
	const char *why = reason_not();
	int rc;

	push.word = why;
	if (why)
		return;
	rc = pthread_create(&push.thread, NULL, run, NULL);
	if (rc) {
		push.word = "off: its thread could not be started";
		log_warning("no pushes: %s", strerror(rc));
		return;
	}
	push.running = true;
	push.word = fs.options.push == PUSH_STORE ? "around random reads, stored" :
						    "around random reads, by read-ahead from within";
}

void push_stop(void)
{
	static atomic_bool stopped;

	if (!push.running || atomic_exchange(&stopped, true))
		return;
	pthread_mutex_lock(&push.lock);
	push.stopping = true;
	pthread_cond_signal(&push.wake);
	pthread_mutex_unlock(&push.lock);
	pthread_join(push.thread, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "misses.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A window's mark counts its misses up to the one that makes it due. */
#define DUE_AT 2u
#define MARK_QUEUED 0xfeu
#define MARK_PUSHED 0xffu

/* Larger files share marks: what lies so many windows apart is pushed once. */
#define MARKS_MAX (1u << 16)
#define MARKS_FIRST 64u

#define BUSY_MS 1000
#define AGE_MS 10000 /* after so long without a miss they are counted anew */

/*
 * Misses in windows that were pushed: the kernel has dropped pages for want of
 * memory. Then it may all be pushed again, but not so often that a file which
 * does not fit into memory is read over and over. For a moment after a push
 * they only tell that its pages are under way.
 */
#define LATE_MIN 64u
#define LATE_AFTER_MS 100
#define FORGET_EVERY_MS 10000

struct misses {
	pthread_mutex_t lock;
	uint64_t end;        /* where the last READ ended */
	int64_t since_ms;
	int64_t busy_until_ms;
	int64_t paused_until_ms;
	int64_t pushed_ms;   /* the last time */
	int64_t forgotten_ms;
	unsigned count;      /* misses since since_ms */
	unsigned queued;     /* windows */
	unsigned pushed;     /* windows */
	unsigned late;
	size_t n_marks;      /* a power of two */
	uint8_t *marks;
};

struct misses *misses_new(int64_t now_ms)
{
	struct misses *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->marks = calloc(MARKS_FIRST, 1);
	if (!m->marks) {
		free(m);
		return NULL;
	}
	m->n_marks = MARKS_FIRST;
	m->end = UINT64_MAX;
	m->since_ms = m->forgotten_ms = now_ms;
	pthread_mutex_init(&m->lock, NULL);
	return m;
}

void misses_free(struct misses *m)
{
	if (!m)
		return;
	pthread_mutex_destroy(&m->lock);
	free(m->marks);
	free(m);
}

static bool grow_locked(struct misses *m, uint64_t file_size)
{
	uint64_t needed = ((file_size - 1) >> WINDOW_SHIFT) + 1;
	size_t n = m->n_marks;
	uint8_t *marks;

	while (n < needed && n < MARKS_MAX)
		n *= 2;
	if (n == m->n_marks)
		return true;
	marks = realloc(m->marks, n);
	if (!marks)
		return false;
	memset(marks + m->n_marks, 0, n - m->n_marks);
	m->marks = marks;
	m->n_marks = n;
	return true;
}

static uint8_t *mark_locked(struct misses *m, uint64_t window)
{
	return &m->marks[window & (m->n_marks - 1)];
}

static void forget_locked(struct misses *m)
{
	for (size_t i = 0; i < m->n_marks; i++)
		if (m->marks[i] != MARK_QUEUED)
			m->marks[i] = 0;
	m->pushed = m->late = 0;
}

static void age_locked(struct misses *m)
{
	for (size_t i = 0; i < m->n_marks; i++)
		if (m->marks[i] <= DUE_AT)
			m->marks[i] = 0;
}

static void late_locked(struct misses *m, int64_t now_ms)
{
	if (now_ms - m->pushed_ms < LATE_AFTER_MS)
		return;
	m->late++;
	if (m->late < LATE_MIN || m->late < m->pushed / 8 ||
	    now_ms - m->forgotten_ms < FORGET_EVERY_MS)
		return;
	forget_locked(m);
	m->forgotten_ms = now_ms;
}

static bool busy_locked(struct misses *m, int64_t now_ms)
{
	if (now_ms - m->since_ms > AGE_MS)
		age_locked(m);
	if (now_ms - m->since_ms > BUSY_MS) {
		m->since_ms = now_ms;
		m->count = 0;
	}
	if (++m->count >= MISSES_BUSY)
		m->busy_until_ms = now_ms + BUSY_MS;
	return now_ms < m->busy_until_ms && now_ms >= m->paused_until_ms;
}

static bool due_locked(struct misses *m, uint64_t window, int64_t now_ms)
{
	bool busy = busy_locked(m, now_ms);
	uint8_t *mark = mark_locked(m, window);

	if (*mark == MARK_PUSHED)
		late_locked(m, now_ms);
	if (*mark >= MARK_QUEUED)
		return false;
	if (*mark < DUE_AT)
		++*mark;
	if (*mark < DUE_AT || !busy || m->queued == MISSES_IN_QUEUE)
		return false;
	*mark = MARK_QUEUED;
	m->queued++;
	return true;
}

bool misses_see(struct misses *m, uint64_t off, size_t size, uint64_t file_size, int64_t now_ms,
		uint64_t *ret_window)
{
	bool due = false;

	pthread_mutex_lock(&m->lock);
	if (off != m->end && size <= MISSES_SMALL_BYTES && grow_locked(m, file_size)) {
		*ret_window = off >> WINDOW_SHIFT;
		due = due_locked(m, *ret_window, now_ms);
	}
	m->end = off + size;
	pthread_mutex_unlock(&m->lock);
	return due;
}

void misses_pushed(struct misses *m, uint64_t window, int64_t now_ms)
{
	pthread_mutex_lock(&m->lock);
	*mark_locked(m, window) = MARK_PUSHED;
	m->queued--;
	m->pushed++;
	m->pushed_ms = now_ms;
	pthread_mutex_unlock(&m->lock);
}

void misses_put_back(struct misses *m, uint64_t window, bool soon)
{
	pthread_mutex_lock(&m->lock);
	*mark_locked(m, window) = soon ? DUE_AT - 1 : 0;
	m->queued--;
	pthread_mutex_unlock(&m->lock);
}

void misses_pause(struct misses *m, int64_t until_ms)
{
	pthread_mutex_lock(&m->lock);
	m->paused_until_ms = until_ms;
	pthread_mutex_unlock(&m->lock);
}

void misses_forget(struct misses *m)
{
	pthread_mutex_lock(&m->lock);
	forget_locked(m);
	pthread_mutex_unlock(&m->lock);
}

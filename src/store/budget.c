/* SPDX-License-Identifier: MIT */
/*
 * The budget of mappings, and whom to unmap for the sake of whom
 *
 * Victims are chosen by second chance on a queue in mapping order: a chunk
 * that was hit since it was put there goes to the end once more. Hits are
 * known by a tick that advances with misses only, so a hit seldom writes.
 */
#include <errno.h>
#include <sched.h>

#include "arith.h"
#include "chunk.h"
#include "stats.h"
#include "sys.h"

/* For a caller who would rather read without a mapping, finding a victim must
 * cost less than that. */
#define CALM_SCAN 32u
#define CALM_MS 1000u

/*
 * How often a failed search is repeated where all chunks looked pinned. If
 * the budget is one chunk a thread, another thread blocks at most one chunk
 * at a time, be it by a pin or for the moment in which a hit fails its second
 * look; a search fails only if threads move on from chunk to chunk while it
 * passes. Each repetition lets them run first.
 */
#define SEARCHES 256u

void mms_share_init(struct budget_share *s, uint64_t bytes)
{
	s->bytes = bytes;
	s->victim_bytes = 0;
	s->victim_count = 0;
	list_init(&s->victims);
}

static struct mms_chunk *of_queue(struct list *l)
{
	return list_entry(l, struct mms_chunk, queue);
}

/* What a share needs on top of what its victims leave to it. */
static uint64_t more(uint64_t wanted, uint64_t left)
{
	return wanted > left ? wanted - left : 0;
}

static bool fits(const struct chunks *c, const struct budget_share *s)
{
	return c->used_bytes + more(s->bytes, s->victim_bytes) <= c->limit_bytes &&
	       c->used_count + more(1, s->victim_count) <= c->limit_count;
}

static void add_victim(struct budget_share *s, const struct mms_chunk *n)
{
	s->victim_bytes += n->len;
	s->victim_count++;
}

/* Returns whether a pin stood in the way. */
static bool search_locked(struct chunks *c, const struct chunk_want *want, struct budget_share *s)
{
	uint64_t now = want->calm ? c->sys->monotonic_ms() : 0;
	uint64_t bound = want->calm ? u64_min(CALM_SCAN, c->queue_len) : 2 * c->queue_len;
	struct list *l = c->queue.next;
	bool pinned = false;

	for (; bound && l != &c->queue && !fits(c, s); bound--) {
		struct mms_chunk *n = of_queue(l);
		uint64_t used = atomic_load_explicit(&n->used_tick, memory_order_relaxed);

		l = l->next;
		if (want->calm && now - n->mapped_ms < CALM_MS)
			continue;
		if (used > n->queued_tick) {
			n->queued_tick = used;
			list_move_tail(&c->queue, &n->queue);
		} else if (mms_chunk_kill_locked(c, n, &s->victims)) {
			add_victim(s, n);
		} else {
			pinned = true;
			list_move_tail(&c->queue, &n->queue);
		}
		if (l == &c->queue) /* the element was the last, and may be so again */
			l = c->queue.next;
	}
	return pinned;
}

/* Why there is no room: -ENOBUFS will not pass by itself. */
static int refusal(const struct chunks *c, const struct budget_share *s)
{
	if (c->kept_bytes + s->bytes > c->limit_bytes || c->kept_count + 1 > c->limit_count)
		return -ENOBUFS;
	return -EBUSY;
}

static void accept_locked(struct chunks *c, struct budget_share *s, uint64_t replaces)
{
	for (struct list *l = s->victims.next; l != &s->victims; l = l->next)
		mms_chunk_remove_locked(c, of_queue(l));
	c->used_bytes += more(s->bytes, s->victim_bytes);
	c->used_count += more(1, s->victim_count);
	c->peak_bytes = u64_max(c->peak_bytes, c->used_bytes);
	mms_total_add(c->totals, TOTAL_CHUNK_EVICTIONS, s->victim_count - replaces);
}

int mms_budget_take_locked(struct chunks *c, const struct chunk_want *want, unsigned *tries,
			   struct budget_share *s)
{
	bool pinned = false;
	uint64_t replaces;
	int r;

	for (struct list *l = s->victims.next; l != &s->victims; l = l->next)
		add_victim(s, of_queue(l));
	replaces = s->victim_count;
	if (!fits(c, s) && !want->keep)
		pinned = search_locked(c, want, s);
	if (fits(c, s)) {
		accept_locked(c, s, replaces);
		return 0;
	}
	r = refusal(c, s);
	/* Backwards, so that the queue is as it was. */
	while (!list_empty(&s->victims))
		mms_chunk_revive_locked(c, of_queue(s->victims.prev));
	if (r == -EBUSY && !want->keep && !want->calm) {
		if (c->moving) {
			/* Shares are on their way: back, or to a chunk with an owner. */
			pthread_cond_wait(&c->changed, &c->lock);
			return -EAGAIN;
		}
		if (pinned && (*tries)++ < SEARCHES) {
			pthread_mutex_unlock(&c->lock);
			(void)sched_yield();
			pthread_mutex_lock(&c->lock);
			return -EAGAIN;
		}
	}
	if (r == -EBUSY)
		mms_total_add(c->totals, TOTAL_CHUNK_BUSY, 1);
	return r;
}

void mms_budget_give_locked(struct chunks *c, uint64_t bytes, uint64_t count)
{
	c->used_bytes -= bytes;
	c->used_count -= count;
}

/* What cannot be unmapped stays charged, for as long as the pool lives: it
 * does use address space. Returns how much that is. */
static void unmap_list(struct chunks *c, struct list *victims, uint64_t *ret_stuck_bytes,
		       uint64_t *ret_stuck_count)
{
	*ret_stuck_bytes = 0;
	*ret_stuck_count = 0;
	for (struct list *l = victims->next; l != victims; l = l->next) {
		struct mms_chunk *n = of_queue(l);

		if (c->sys->munmap(n->addr, n->len)) {
			*ret_stuck_bytes += n->len;
			*ret_stuck_count += 1;
		}
	}
}

static void free_list_locked(struct chunks *c, struct list *victims)
{
	while (!list_empty(victims)) {
		struct mms_chunk *n = of_queue(victims->next);

		list_del(&n->queue);
		mms_chunk_free_locked(c, n);
	}
}

int mms_budget_settle(struct chunks *c, struct budget_share *s)
{
	uint64_t charged_bytes = u64_max(s->bytes, s->victim_bytes);
	uint64_t charged_count = u64_max(1, s->victim_count);
	uint64_t stuck_bytes, stuck_count, bytes, count;
	int r = 0;

	if (list_empty(&s->victims))
		return 0;
	unmap_list(c, &s->victims, &stuck_bytes, &stuck_count);
	pthread_mutex_lock(&c->lock);
	free_list_locked(c, &s->victims);
	bytes = c->used_bytes - charged_bytes + stuck_bytes;
	count = c->used_count - charged_count + stuck_count;
	if (bytes + s->bytes <= c->limit_bytes && count + 1 <= c->limit_count) {
		bytes += s->bytes;
		count++;
	} else {
		r = -ENOMEM;
	}
	c->used_bytes = bytes;
	c->used_count = count;
	pthread_mutex_unlock(&c->lock);
	return r;
}

void mms_budget_unmap(struct chunks *c, struct list *victims)
{
	uint64_t bytes = 0, count = 0;
	uint64_t stuck_bytes, stuck_count;

	for (struct list *l = victims->next; l != victims; l = l->next) {
		bytes += of_queue(l)->len;
		count++;
	}
	unmap_list(c, victims, &stuck_bytes, &stuck_count);
	pthread_mutex_lock(&c->lock);
	free_list_locked(c, victims);
	mms_budget_give_locked(c, bytes - stuck_bytes, count - stuck_count);
	c->moving--;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void mms_budget_halve(struct chunks *c)
{
	struct list victims;
	struct list *l;
	uint64_t n, killed = 0;

	list_init(&victims);
	pthread_mutex_lock(&c->lock);
	l = c->queue.next;
	for (n = (c->queue_len + 1) / 2; n && l != &c->queue; n--) {
		struct mms_chunk *node = of_queue(l);

		l = l->next;
		if (mms_chunk_kill_locked(c, node, &victims)) {
			mms_chunk_remove_locked(c, node);
			killed++;
		}
	}
	mms_total_add(c->totals, TOTAL_CHUNK_EVICTIONS, killed);
	c->moving++;
	pthread_mutex_unlock(&c->lock);
	mms_budget_unmap(c, &victims);
}

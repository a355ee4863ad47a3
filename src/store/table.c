/* SPDX-License-Identifier: MIT */
/* The hash table of chunks and its nodes: see chunk.c for what may be done without the lock. */
#include <errno.h>
#include <stdlib.h>

#include "arith.h"
#include "chunk.h"
#include "file.h"

#define SLAB_NODES 64u
#define BUCKETS_MAX (1u << 20)

struct chunk_slab {
	struct chunk_slab *next;
	struct mms_chunk *nodes;
};

int mms_chunks_init(struct chunks *c, const struct mms_sys *sys, unsigned shift,
		    uint64_t limit_bytes, uint64_t limit_count, struct mms_totals *totals,
		    _Atomic uint64_t *memory_bytes)
{
	uint64_t n = u64_pow2_up(u64_min(limit_count, BUCKETS_MAX));
	int r;

	c->buckets = calloc((size_t)n, sizeof(c->buckets[0]));
	if (!c->buckets)
		return -ENOMEM;
	r = pthread_mutex_init(&c->lock, NULL);
	if (r)
		goto out_buckets;
	r = pthread_cond_init(&c->changed, NULL);
	if (r)
		goto out_lock;
	c->bucket_mask = n - 1;
	c->sys = sys;
	c->shift = shift;
	c->limit_bytes = limit_bytes;
	c->limit_count = limit_count;
	c->totals = totals;
	c->memory_bytes = memory_bytes;
	list_init(&c->queue);
	atomic_fetch_add_explicit(memory_bytes, n * sizeof(c->buckets[0]), memory_order_relaxed);
	return 0;
out_lock:
	pthread_mutex_destroy(&c->lock);
out_buckets:
	free((void *)c->buckets);
	return -r;
}

void mms_chunks_release(struct chunks *c)
{
	struct chunk_slab *slab, *next;

	for (slab = c->slabs; slab; slab = next) {
		next = slab->next;
		free(slab->nodes);
		free(slab);
	}
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free((void *)c->buckets);
}

static int slab_add_locked(struct chunks *c)
{
	struct chunk_slab *slab = malloc(sizeof(*slab));
	size_t bytes = SLAB_NODES * sizeof(struct mms_chunk);

	if (!slab)
		return -ENOMEM;
	slab->nodes = aligned_alloc(_Alignof(struct mms_chunk), bytes);
	if (!slab->nodes) {
		free(slab);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < SLAB_NODES; i++) {
		slab->nodes[i] = (struct mms_chunk){.state = CHUNK_FREE};
		mms_chunk_free_locked(c, &slab->nodes[i]);
	}
	slab->next = c->slabs;
	c->slabs = slab;
	atomic_fetch_add_explicit(c->memory_bytes, bytes + sizeof(*slab), memory_order_relaxed);
	return 0;
}

struct mms_chunk *mms_chunk_new_locked(struct chunks *c)
{
	struct mms_chunk *n;

	if (!c->free_nodes && slab_add_locked(c))
		return NULL;
	n = c->free_nodes;
	c->free_nodes = atomic_load_explicit(&n->next, memory_order_relaxed);
	return n;
}

void mms_chunk_free_locked(struct chunks *c, struct mms_chunk *n)
{
	atomic_store_explicit(&n->state, CHUNK_FREE, memory_order_release);
	list_init(&n->queue);
	list_init(&n->by_file);
	atomic_store_explicit(&n->next, c->free_nodes, memory_order_release);
	c->free_nodes = n;
}

static _Atomic(struct mms_chunk *) *bucket_of(struct chunks *c, uint64_t file_id, uint64_t index)
{
	return &c->buckets[u64_mix(file_id * 0x9e3779b97f4a7c15ULL + index) & c->bucket_mask];
}

struct mms_chunk *mms_chunk_find(struct chunks *c, uint64_t file_id, uint64_t index, unsigned bound)
{
	struct mms_chunk *n;

	n = atomic_load_explicit(bucket_of(c, file_id, index), memory_order_acquire);
	for (; n && bound; bound--) {
		if (mms_chunk_is(n, file_id, index))
			return n;
		n = atomic_load_explicit(&n->next, memory_order_acquire);
	}
	return NULL;
}

void mms_chunk_insert_locked(struct chunks *c, struct mms_chunk *n, const struct chunk_want *want)
{
	_Atomic(struct mms_chunk *) *bucket = bucket_of(c, want->file->id, want->index);

	atomic_store_explicit(&n->file_id, want->file->id, memory_order_relaxed);
	atomic_store_explicit(&n->index, want->index, memory_order_relaxed);
	atomic_store_explicit(&n->flags, 0, memory_order_relaxed);
	n->holds = 0;
	atomic_store_explicit(&n->state, CHUNK_MAPPING, memory_order_relaxed);
	atomic_store_explicit(&n->next, atomic_load_explicit(bucket, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(bucket, n, memory_order_release);
	list_add_tail(&want->file->chunks, &n->by_file);
	want->file->n_chunks++;
	n->file = want->file;
}

static void unchain_locked(struct chunks *c, struct mms_chunk *n)
{
	_Atomic(struct mms_chunk *) *at;
	struct mms_chunk *next;

	at = bucket_of(c, atomic_load_explicit(&n->file_id, memory_order_relaxed),
		       atomic_load_explicit(&n->index, memory_order_relaxed));
	while ((next = atomic_load_explicit(at, memory_order_relaxed)) != n)
		at = &next->next;
	atomic_store_explicit(at, atomic_load_explicit(&n->next, memory_order_relaxed),
			      memory_order_release);
}

void mms_chunk_remove_locked(struct chunks *c, struct mms_chunk *n)
{
	uint32_t flags = mms_chunk_flags(n);

	if (!(flags & CHUNK_RETIRED))
		unchain_locked(c, n);
	if (flags & CHUNK_LOCKED) {
		c->locked_bytes -= n->len;
		c->locked_count--;
	}
	list_del(&n->by_file);
	n->file->n_chunks--;
	n->file = NULL;
}

/* ------------------------------------------------- whom evictions may see */

void mms_chunk_enter_locked(struct chunks *c, struct mms_chunk *n, bool first)
{
	if (mms_chunk_kept(n)) {
		c->kept_bytes += n->len;
		c->kept_count++;
		return;
	}
	if (first)
		list_add_head(&c->queue, &n->queue);
	else
		list_add_tail(&c->queue, &n->queue);
	c->queue_len++;
}

void mms_chunk_leave_locked(struct chunks *c, struct mms_chunk *n)
{
	if (mms_chunk_kept(n)) {
		c->kept_bytes -= n->len;
		c->kept_count--;
		return;
	}
	list_del(&n->queue);
	c->queue_len--;
}

void mms_chunk_flag_locked(struct chunks *c, struct mms_chunk *n, uint32_t set, uint32_t clear)
{
	uint32_t old = mms_chunk_flags(n);
	uint32_t new = (old & ~clear) | set;

	mms_chunk_leave_locked(c, n);
	atomic_store_explicit(&n->flags, new, memory_order_relaxed);
	if (~old & new &CHUNK_LOCKED) {
		c->locked_bytes += n->len;
		c->locked_count++;
	} else if (old & ~new &CHUNK_LOCKED) {
		c->locked_bytes -= n->len;
		c->locked_count--;
	}
	mms_chunk_enter_locked(c, n, false);
}

void mms_chunk_retire_locked(struct chunks *c, struct mms_chunk *n)
{
	unchain_locked(c, n);
	mms_chunk_flag_locked(c, n, CHUNK_RETIRED, CHUNK_FULL | CHUNK_LOCKED);
}

void mms_chunk_hold(struct chunks *c, const struct mms_pin *pin)
{
	struct mms_chunk *n = pin->chunk;

	pthread_mutex_lock(&c->lock);
	mms_chunk_leave_locked(c, n);
	n->holds++;
	mms_chunk_enter_locked(c, n, false);
	pthread_mutex_unlock(&c->lock);
}

void mms_chunk_unhold(struct chunks *c, const struct mms_pin *pin)
{
	struct mms_chunk *n = pin->chunk;

	pthread_mutex_lock(&c->lock);
	mms_chunk_leave_locked(c, n);
	n->holds--;
	mms_chunk_enter_locked(c, n, false);
	pthread_mutex_unlock(&c->lock);
}

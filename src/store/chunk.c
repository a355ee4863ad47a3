/* SPDX-License-Identifier: MIT */
/*
 * Pins, and making the mappings that they want
 *
 * Why a pin without a lock is safe
 *
 *   A hit does:      (1) pins[own stripe] += 1        (seq_cst)
 *                    (2) load state                   (seq_cst)
 *                    (3) LIVE and the key is right: use it. Else pins -= 1.
 *   An eviction does, under the lock:
 *                    (a) state = DYING                (seq_cst)
 *                    (b) load all of pins             (seq_cst)
 *                    (c) all zero: out of the table, munmap. Else state = LIVE.
 *
 *   These four are in one total order. If (1) comes before (b), the eviction
 *   sees the pin and backs off. Else (b), and so (a), comes before (1) and
 *   so before (2): the hit sees DYING, or what the node became later. If
 *   that is LIVE again with the same key, it is a later life of the node,
 *   whose end has an (a) of its own after (2): its (b) comes after (1) and
 *   sees the pin. So whoever passes (3) keeps the mapping until it unpins.
 *   The sum need not be read at one instant: a pin that counts is in its
 *   stripe from before (a) until it is unpinned, from the same stripe.
 *
 *   addr and len are written before state = LIVE and read after (2) saw
 *   LIVE: the pair of state orders them. The next writer comes after a (b)
 *   that saw the unpin (release), so it comes after the last reader too.
 *
 *   A reader may hold a node that is being given to another chunk, or walk
 *   along a node's next into another chain. Nodes are never freed before
 *   the pool, the key is compared again after the pin, and the walk is
 *   bounded: the worst is a false miss, which goes to the lock. The pin of
 *   a reader that fails at (3) is visible for a moment: an eviction may find
 *   a chunk busy that is not, see mms_budget_take_locked().
 */
#include "chunk.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "arith.h"
#include "file.h"
#include "stats.h"
#include "sys.h"

#define CHAIN_BOUND 64u
#define MAP_MIN_BYTES 65536u
#define PAGE_MULTIPLE 65536u /* of every page size */

/* ------------------------------------------------------------------ pins */

static unsigned pin_slot(void)
{
	return mms_thread_slot() % PIN_STRIPES;
}

static void pin_fill(struct mms_chunk *n, unsigned slot, const struct chunk_want *want,
		     struct mms_pin *ret_pin)
{
	ret_pin->addr = n->addr + want->start;
	ret_pin->len = size_min(want->len, n->len - (size_t)want->start);
	ret_pin->chunk = n;
	ret_pin->slot = slot;
}

static void touch_tick(struct chunks *c, struct mms_chunk *n)
{
	uint64_t now = atomic_load_explicit(&c->tick, memory_order_relaxed);

	if (atomic_load_explicit(&n->used_tick, memory_order_relaxed) != now)
		atomic_store_explicit(&n->used_tick, now, memory_order_relaxed);
}

bool mms_chunk_pin_hit(struct chunks *c, const struct chunk_want *want, struct mms_pin *ret_pin)
{
	struct mms_chunk *n = mms_chunk_find(c, want->file->id, want->index, CHAIN_BOUND);
	unsigned slot = pin_slot();
	uint32_t flags;

	if (!n)
		return false;
	atomic_fetch_add_explicit(&n->pins[slot].n, 1, memory_order_seq_cst);
	if (atomic_load_explicit(&n->state, memory_order_seq_cst) != CHUNK_LIVE ||
	    !mms_chunk_is(n, want->file->id, want->index))
		goto miss;
	flags = atomic_load_explicit(&n->flags, memory_order_relaxed);
	if (want->start + want->len > n->len)
		goto miss;
	if (want->write && !(flags & CHUNK_WRITABLE))
		goto miss;
	if (want->only_private && !(flags & CHUNK_PRIVATE))
		goto miss;
	if (want->write && want->file->cow && !(flags & CHUNK_PRIVATE))
		goto miss;
	touch_tick(c, n);
	pin_fill(n, slot, want, ret_pin);
	return true;
miss:
	atomic_fetch_sub_explicit(&n->pins[slot].n, 1, memory_order_release);
	return false;
}

void mms_unpin(struct mms_pin *pin)
{
	atomic_fetch_sub_explicit(&pin->chunk->pins[pin->slot].n, 1, memory_order_release);
	pin->chunk = NULL;
}

static void pin_locked(struct chunks *c, struct mms_chunk *n, const struct chunk_want *want,
		       struct mms_pin *ret_pin)
{
	unsigned slot = pin_slot();

	atomic_fetch_add_explicit(&n->pins[slot].n, 1, memory_order_seq_cst);
	/* From here on it holds what exists nowhere else. */
	if (want->write && want->file->cow &&
	    !(atomic_load_explicit(&n->flags, memory_order_relaxed) & CHUNK_PRIVATE)) {
		atomic_fetch_or_explicit(&n->flags, CHUNK_PRIVATE, memory_order_relaxed);
		list_del(&n->queue);
		c->queue_len--;
		c->private_bytes += n->len;
		c->private_count++;
	}
	touch_tick(c, n);
	pin_fill(n, slot, want, ret_pin);
}

bool mms_chunk_kill_locked(struct chunks *c, struct mms_chunk *n, struct list *victims)
{
	uint32_t pins = 0;

	if (atomic_load_explicit(&n->flags, memory_order_relaxed) & CHUNK_PRIVATE)
		return false;
	atomic_store_explicit(&n->state, CHUNK_DYING, memory_order_seq_cst);
	for (unsigned i = 0; i < PIN_STRIPES; i++)
		pins |= atomic_load_explicit(&n->pins[i].n, memory_order_seq_cst);
	if (pins) {
		atomic_store_explicit(&n->state, CHUNK_LIVE, memory_order_release);
		return false;
	}
	list_move_tail(victims, &n->queue);
	c->queue_len--;
	return true;
}

void mms_chunk_revive_locked(struct chunks *c, struct mms_chunk *n)
{
	list_del(&n->queue);
	list_add_head(&c->queue, &n->queue);
	c->queue_len++;
	atomic_store_explicit(&n->state, CHUNK_LIVE, memory_order_release);
}

/* --------------------------------------------------------------- mapping */

/* How much of the chunk to map: a small file must not charge the budget with
 * a whole chunk, and one that grows is mapped again at each doubling only. */
static uint64_t map_length(const struct chunks *c, const struct chunk_want *want,
			   uint64_t file_size)
{
	uint64_t chunk_bytes = 1ULL << c->shift;
	uint64_t base = want->index << c->shift;
	uint64_t need = want->start + 1;

	if (file_size > base)
		need = u64_max(need, u64_min(file_size - base, chunk_bytes));
	return u64_min(chunk_bytes, u64_max(MAP_MIN_BYTES, u64_pow2_up(need)));
}

struct mapping {
	unsigned char *addr;
	size_t len;
	bool writable;
};

static int map_once(struct chunks *c, const struct chunk_want *want, uint64_t file_size,
		    struct mapping *m)
{
	uint64_t base = want->index << c->shift;
	int mode = atomic_load(&want->file->mode);
	int fd = atomic_load(&want->file->fd);
	int prot = mode == MMS_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE;
	int flags = mode == MMS_COW ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
	void *addr;
	int r;

	r = c->sys->mmap(m->len, prot, flags, fd, base, &addr);
	if (r == -EOVERFLOW && file_size > base) {
		/* The kernel maps nothing up to byte 2^63 - 1: leave out the
		 * end of a file that reaches there. */
		m->len = (size_t)u64_align_down(u64_min(m->len, file_size - base), PAGE_MULTIPLE);
		if (m->len > want->start)
			r = c->sys->mmap(m->len, prot, flags, fd, base, &addr);
	}
	if (r)
		return r;
	m->addr = addr;
	m->writable = mode != MMS_RDONLY;
	return 0;
}

static int map(struct chunks *c, const struct chunk_want *want, uint64_t file_size,
	       struct mapping *m)
{
	int advice = atomic_load(&want->file->advice);
	int r = map_once(c, want, file_size, m);

	if (r == -ENOMEM || r == -EAGAIN) {
		/* Address space or mappings run out elsewhere than in this pool. */
		mms_budget_halve(c);
		r = map_once(c, want, file_size, m);
	}
	if (r) {
		mms_total_add(c->totals, TOTAL_MAP_FAILURES, 1);
		mms_file_map_failed(want->file, r, want->index << c->shift, m->len);
		return r;
	}
	mms_total_add(c->totals, TOTAL_CHUNK_MAPS, 1);
	if (advice != MMS_ADVICE_NORMAL)
		(void)c->sys->madvise(m->addr, m->len, (enum mms_sys_advice)advice);
	return 0;
}

static void publish_locked(struct chunks *c, struct mms_chunk *n, const struct mapping *m,
			   const struct chunk_want *want, struct mms_pin *ret_pin)
{
	uint64_t tick = atomic_fetch_add_explicit(&c->tick, 1, memory_order_relaxed) + 1;

	n->addr = m->addr;
	n->len = m->len;
	n->mapped_ms = c->sys->monotonic_ms();
	n->queued_tick = tick;
	atomic_store_explicit(&n->used_tick, tick, memory_order_relaxed);
	atomic_store_explicit(&n->flags, m->writable ? CHUNK_WRITABLE : 0, memory_order_relaxed);
	list_add_tail(&c->queue, &n->queue);
	c->queue_len++;
	pin_locked(c, n, want, ret_pin);
	atomic_store_explicit(&n->state, CHUNK_LIVE, memory_order_release);
}

/* Maps the chunk in place of what s has as victims. Lets go of the lock. */
static int map_locked(struct chunks *c, struct mms_chunk *n, const struct chunk_want *want,
		      uint64_t file_size, struct budget_share *s, struct mms_pin *ret_pin)
{
	struct mapping m = {.len = (size_t)s->bytes};
	bool share = true;
	int r;

	mms_chunk_insert_locked(c, n, want);
	c->moving++;
	pthread_mutex_unlock(&c->lock);
	r = mms_budget_settle(c, s);
	if (r)
		share = false;
	else
		r = map(c, want, file_size, &m);
	pthread_mutex_lock(&c->lock);
	c->moving--;
	if (r) {
		mms_chunk_remove_locked(c, n);
		mms_chunk_free_locked(c, n);
		if (share)
			mms_budget_give_locked(c, s->bytes, 1);
	} else {
		mms_budget_give_locked(c, s->bytes - m.len, 0);
		publish_locked(c, n, &m, want, ret_pin);
	}
	pthread_cond_broadcast(&c->changed);
	return r;
}

/* old: what is mapped there and does not serve, or NULL. -EAGAIN: look again. */
static int remap_locked(struct chunks *c, struct mms_chunk *old, const struct chunk_want *want,
			uint64_t file_size, unsigned *tries, struct mms_pin *ret_pin)
{
	struct budget_share s;
	struct mms_chunk *n = mms_chunk_new_locked(c);
	int r;

	if (!n)
		return -ENOMEM;
	mms_share_init(&s, map_length(c, want, file_size));
	if (old && !mms_chunk_kill_locked(c, old, &s.victims)) {
		mms_chunk_free_locked(c, n);
		return -EBUSY;
	}
	r = mms_budget_take_locked(c, want, tries, &s);
	if (r) {
		mms_chunk_free_locked(c, n);
		return r;
	}
	return map_locked(c, n, want, file_size, &s, ret_pin);
}

static int pin_or_map_locked(struct chunks *c, const struct chunk_want *want, uint64_t file_size,
			     bool sized, unsigned *tries, struct mms_pin *ret_pin)
{
	struct mms_chunk *n = mms_chunk_find(c, want->file->id, want->index, UINT32_MAX);
	uint32_t flags = n ? atomic_load_explicit(&n->flags, memory_order_relaxed) : 0;
	bool usable, enough;
	int r;

	if (n && atomic_load_explicit(&n->state, memory_order_relaxed) == CHUNK_MAPPING) {
		pthread_cond_wait(&c->changed, &c->lock);
		return -EAGAIN;
	}
	usable = n && want->start < n->len && (!want->write || (flags & CHUNK_WRITABLE)) &&
		 (!want->only_private || (flags & CHUNK_PRIVATE));
	enough = usable &&
		 (want->start + want->len <= n->len || want->only_hit || want->only_private ||
		  (sized && map_length(c, want, file_size) <= n->len));
	if (enough) {
		pin_locked(c, n, want, ret_pin);
		return 0;
	}
	if (want->only_hit || want->only_private)
		return -ENOENT;
	if (!sized)
		return -ENODATA; /* of the size: see mms_chunk_pin() */
	r = remap_locked(c, n, want, file_size, tries, ret_pin);
	/* What is pinned, or has no room to grow, still serves as far as it goes. */
	if (usable && r && r != -EAGAIN) {
		n = mms_chunk_find(c, want->file->id, want->index, UINT32_MAX);
		if (n && atomic_load_explicit(&n->state, memory_order_relaxed) == CHUNK_LIVE &&
		    want->start < n->len) {
			pin_locked(c, n, want, ret_pin);
			return 0;
		}
	}
	return r;
}

int mms_chunk_pin(struct chunks *c, const struct chunk_want *want, struct mms_pin *ret_pin)
{
	uint64_t file_size = 0;
	bool sized = false;
	unsigned tries = 0;
	int r;

	if (mms_chunk_pin_hit(c, want, ret_pin))
		return 0;
	r = atomic_load(&want->file->map_errno);
	if (r && !want->only_hit && !want->only_private)
		return r;
	pthread_mutex_lock(&c->lock);
	for (;;) {
		r = pin_or_map_locked(c, want, file_size, sized, &tries, ret_pin);
		if (r == -ENODATA && !sized) {
			pthread_mutex_unlock(&c->lock);
			r = mms_size(want->file, &file_size);
			pthread_mutex_lock(&c->lock);
			if (r)
				break;
			sized = true;
		} else if (r != -EAGAIN) {
			break;
		}
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* ----------------------------------------------------------------- files */

void mms_chunks_drop_file(struct chunks *c, struct mms_file *file)
{
	struct list victims;

	list_init(&victims);
	pthread_mutex_lock(&c->lock);
	while (!list_empty(&file->chunks)) {
		struct mms_chunk *n = list_entry(file->chunks.next, struct mms_chunk, by_file);

		atomic_store_explicit(&n->state, CHUNK_DYING, memory_order_seq_cst);
		if (atomic_load_explicit(&n->flags, memory_order_relaxed) & CHUNK_PRIVATE) {
			c->private_bytes -= n->len;
			c->private_count--;
			list_add_tail(&victims, &n->queue);
		} else {
			list_move_tail(&victims, &n->queue);
			c->queue_len--;
		}
		mms_chunk_remove_locked(c, n);
	}
	c->moving++;
	pthread_mutex_unlock(&c->lock);
	mms_budget_unmap(c, &victims);
}

int mms_chunks_of_file(struct chunks *c, struct mms_file *file, uint64_t **ret_index, size_t *ret_n)
{
	uint64_t *index;
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	index = malloc((file->n_chunks + 1) * sizeof(*index));
	if (index) {
		for (struct list *l = file->chunks.next; l != &file->chunks; l = l->next)
			index[n++] = atomic_load(&list_entry(l, struct mms_chunk, by_file)->index);
	}
	pthread_mutex_unlock(&c->lock);
	if (!index)
		return -ENOMEM;
	*ret_index = index;
	*ret_n = n;
	return 0;
}

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

#include "arith.h"
#include "file.h"
#include "mapping.h"
#include "modes.h"
#include "stats.h"
#include "sys.h"

#define CHAIN_BOUND 64u
#define MAP_MIN_BYTES 65536u

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

struct mms_pin mms_pin_again(const struct mms_pin *pin)
{
	atomic_fetch_add_explicit(&pin->chunk->pins[pin->slot].n, 1, memory_order_seq_cst);
	return *pin;
}

static void pin_locked(struct chunks *c, struct mms_chunk *n, const struct chunk_want *want,
		       struct mms_pin *ret_pin)
{
	unsigned slot = pin_slot();

	atomic_fetch_add_explicit(&n->pins[slot].n, 1, memory_order_seq_cst);
	/* From here on it holds what exists nowhere else. */
	if (want->write && want->file->cow && !(mms_chunk_flags(n) & CHUNK_PRIVATE))
		mms_chunk_flag_locked(c, n, CHUNK_PRIVATE, 0);
	touch_tick(c, n);
	pin_fill(n, slot, want, ret_pin);
}

bool mms_chunk_kill_locked(struct chunks *c, struct mms_chunk *n, struct list *victims)
{
	uint32_t pins = 0;

	if (mms_chunk_flags(n) & CHUNK_PRIVATE)
		return false;
	atomic_store_explicit(&n->state, CHUNK_DYING, memory_order_seq_cst);
	for (unsigned i = 0; i < PIN_STRIPES; i++)
		pins |= atomic_load_explicit(&n->pins[i].n, memory_order_seq_cst);
	if (pins) {
		atomic_store_explicit(&n->state, CHUNK_LIVE, memory_order_release);
		return false;
	}
	mms_chunk_leave_locked(c, n);
	list_add_tail(victims, &n->queue);
	return true;
}

void mms_chunk_revive_locked(struct chunks *c, struct mms_chunk *n)
{
	list_del(&n->queue);
	mms_chunk_enter_locked(c, n, true);
	atomic_store_explicit(&n->state, CHUNK_LIVE, memory_order_release);
}

/* --------------------------------------------------------------- mapping */

/* What is known and was done while a chunk is looked for. */
struct attempt {
	uint64_t file_size;
	bool sized;    /* file_size is known */
	bool mapped;   /* the pin is of a mapping that was made for it */
	bool as_it_is; /* make no mapping */
	bool tight;    /* FULL: there is no room to grow in */
	int refused;   /* FULL: why the file cannot be mapped whole */
	unsigned tries;
	struct mms_pin retired; /* FULL: of what the new mapping replaces, or chunk is NULL */
	bool retired_locked;
};

static bool is_full(const struct chunk_want *want)
{
	return want->shape & SHAPE_FULL;
}

static uint64_t base_of(const struct chunk_want *want)
{
	return want->index << (want->shape & SHAPE_SHIFT);
}

/* How much of the chunk to map: a small file must not charge the budget with
 * a whole chunk, and one that grows is mapped again at each doubling only. */
static uint64_t map_length(const struct chunk_want *want, uint64_t file_size)
{
	uint64_t chunk_bytes = 1ULL << (want->shape & SHAPE_SHIFT);
	uint64_t base = base_of(want);
	uint64_t need = want->start + 1;

	if (file_size > base)
		need = u64_max(need, u64_min(file_size - base, chunk_bytes));
	return u64_min(chunk_bytes, u64_max(MAP_MIN_BYTES, u64_pow2_up(need)));
}

/* The least that a file of this size needs to be mapped whole. */
static uint64_t full_least(uint64_t file_size)
{
	return u64_max(MAP_MIN_BYTES, u64_align_up(file_size, MAP_MIN_BYTES));
}

uint64_t mms_full_length(const struct chunks *c, uint64_t file_size)
{
	uint64_t most = u64_min(c->limit_bytes, 1ULL << FULL_SHIFT);
	uint64_t roomy = u64_max(MAP_MIN_BYTES, u64_pow2_up(u64_min(file_size, OFFSET_MAX)));

	return roomy <= most ? roomy : full_least(file_size);
}

static void publish_locked(struct chunks *c, struct mms_chunk *n, const struct mapping *m,
			   const struct chunk_want *want, struct mms_pin *ret_pin)
{
	uint64_t tick = atomic_fetch_add_explicit(&c->tick, 1, memory_order_relaxed) + 1;
	/* Where the shape has changed meanwhile it is a long window. */
	bool full = is_full(want) && atomic_load(&want->file->shape) == want->shape;

	n->addr = m->addr;
	n->len = m->len;
	n->mapped_ms = c->sys->monotonic_ms();
	n->queued_tick = tick;
	atomic_store_explicit(&n->used_tick, tick, memory_order_relaxed);
	atomic_store_explicit(&n->flags,
			      (m->writable ? CHUNK_WRITABLE : 0) | (full ? CHUNK_FULL : 0),
			      memory_order_relaxed);
	mms_chunk_enter_locked(c, n, false);
	pin_locked(c, n, want, ret_pin);
	atomic_store_explicit(&n->state, CHUNK_LIVE, memory_order_release);
}

/* Maps the chunk in place of what s has as victims. Lets go of the lock. */
static int map_locked(struct chunks *c, struct mms_chunk *n, const struct chunk_want *want,
		      struct attempt *a, struct budget_share *s, struct mms_pin *ret_pin)
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
		r = mms_mapping_make(c, want->file, base_of(want), want->start, a->file_size, &m);
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
		a->mapped = true;
	}
	pthread_cond_broadcast(&c->changed);
	return r;
}

/* What was replaced while it was pinned, and is not any more. */
static void kill_retired_locked(struct chunks *c, struct mms_file *file, struct list *victims)
{
	for (struct list *l = file->chunks.next; l != &file->chunks; l = l->next) {
		struct mms_chunk *n = list_entry(l, struct mms_chunk, by_file);

		if (mms_chunk_flags(n) & CHUNK_RETIRED)
			(void)mms_chunk_kill_locked(c, n, victims);
	}
}

/*
 * Whether what is mapped, and pinned, may be replaced all the same: it is left
 * to those who have it pinned, and goes after they have let go of it, at the
 * next growth or when the budget needs it. That is for mappings that are
 * pinned for long. Under MMS_COW there cannot be two of one part of a file,
 * since they would not show the same changes.
 */
static bool may_retire(const struct mms_chunk *n, const struct chunk_want *want)
{
	return !want->file->cow && (is_full(want) || n->holds);
}

static void retire_locked(struct chunks *c, struct mms_chunk *n, struct attempt *a)
{
	unsigned slot = pin_slot();

	/* Until its pages are unlocked: see mms_memlock_retired(). */
	atomic_fetch_add_explicit(&n->pins[slot].n, 1, memory_order_seq_cst);
	a->retired = (struct mms_pin){.chunk = n, .slot = slot};
	a->retired_locked = (mms_chunk_flags(n) & CHUNK_LOCKED) && !n->holds;
	mms_chunk_retire_locked(c, n);
}

/* old: what is mapped there and does not serve, or NULL. -EAGAIN: look again. */
static int remap_locked(struct chunks *c, struct mms_chunk *old, const struct chunk_want *want,
			struct attempt *a, uint64_t bytes, struct mms_pin *ret_pin)
{
	struct budget_share s;
	struct mms_chunk *n = mms_chunk_new_locked(c);
	bool pinned;
	int r;

	if (!n)
		return -ENOMEM;
	mms_share_init(&s, bytes);
	pinned = old && !mms_chunk_kill_locked(c, old, &s.victims);
	if (pinned && !may_retire(old, want)) {
		mms_chunk_free_locked(c, n);
		return -EBUSY;
	}
	if (old)
		kill_retired_locked(c, want->file, &s.victims);
	r = mms_budget_take_locked(c, want, &a->tries, &s);
	if (r) {
		mms_chunk_free_locked(c, n);
		return r;
	}
	if (pinned)
		retire_locked(c, old, a);
	return map_locked(c, n, want, a, &s, ret_pin);
}

static int full_remap_locked(struct chunks *c, struct mms_chunk *old, const struct chunk_want *want,
			     struct attempt *a, struct mms_pin *ret_pin)
{
	uint64_t least = full_least(a->file_size);
	uint64_t bytes = a->tight ? least : mms_full_length(c, a->file_size);
	bool was_mapped = old;
	int r;

	if (a->file_size > 1ULL << FULL_SHIFT)
		return a->refused = -EFBIG;
	if (base_of(want) + want->start >= a->file_size)
		return -MMS_EBOUNDS;
	if (least > c->limit_bytes)
		return a->refused = -ENOBUFS;
	r = remap_locked(c, old, want, a, bytes, ret_pin);
	if ((r == -EBUSY || r == -ENOBUFS || r == -ENOMEM) && bytes > least) {
		a->tight = true;
		return -EAGAIN;
	}
	/* Pins of the old mapping pass; all else speaks against this file. */
	if (r && r != -EAGAIN && !(r == -EBUSY && was_mapped))
		a->refused = r;
	return r;
}

/* ------------------------------------------------------------------- pin */

/* Whether the chunk serves as it is, though not as far as is wanted. */
static bool enough(const struct mms_chunk *n, const struct chunk_want *want,
		   const struct attempt *a)
{
	uint64_t least;

	if (want->start + want->len <= n->len || want->only_hit || want->only_private ||
	    a->as_it_is)
		return true;
	if (!a->sized)
		return false;
	least = is_full(want) ? full_least(a->file_size) : map_length(want, a->file_size);
	return least <= n->len;
}

static int pin_or_map_locked(struct chunks *c, const struct chunk_want *want, struct attempt *a,
			     struct mms_pin *ret_pin)
{
	struct mms_chunk *n = mms_chunk_find(c, want->file->id, want->index, UINT32_MAX);
	uint32_t flags = n ? mms_chunk_flags(n) : 0;
	bool usable;
	int r;

	if (atomic_load(&want->file->shape) != want->shape)
		return -ESTALE;
	if (n && atomic_load_explicit(&n->state, memory_order_relaxed) == CHUNK_MAPPING) {
		pthread_cond_wait(&c->changed, &c->lock);
		return -EAGAIN;
	}
	usable = n && want->start < n->len && (!want->write || (flags & CHUNK_WRITABLE)) &&
		 (!want->only_private || (flags & CHUNK_PRIVATE));
	if (usable && enough(n, want, a)) {
		pin_locked(c, n, want, ret_pin);
		return 0;
	}
	if (want->only_hit || want->only_private)
		return -ENOENT;
	if (a->as_it_is)
		return a->refused;
	if (!a->sized)
		return -ENODATA; /* of the size: see mms_chunk_pin() */
	if (is_full(want))
		r = full_remap_locked(c, n, want, a, ret_pin);
	else
		r = remap_locked(c, n, want, a, map_length(want, a->file_size), ret_pin);
	/* What is pinned, or has no room to grow, still serves as far as it goes. */
	if (usable && r && r != -EAGAIN && !a->refused) {
		n = mms_chunk_find(c, want->file->id, want->index, UINT32_MAX);
		if (n && atomic_load_explicit(&n->state, memory_order_relaxed) == CHUNK_LIVE &&
		    want->start < n->len) {
			pin_locked(c, n, want, ret_pin);
			return 0;
		}
	}
	return r;
}

static int pin_loop(struct chunks *c, const struct chunk_want *want, struct attempt *a,
		    struct mms_pin *ret_pin)
{
	int r;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		r = pin_or_map_locked(c, want, a, ret_pin);
		if (r == -ENODATA && !a->sized) {
			pthread_mutex_unlock(&c->lock);
			r = mms_size(want->file, &a->file_size);
			pthread_mutex_lock(&c->lock);
			if (r)
				break;
			a->sized = true;
		} else if (r && r == a->refused && !a->as_it_is) {
			bool windows;

			pthread_mutex_unlock(&c->lock);
			windows = mms_full_refused(want->file, r, a->file_size);
			pthread_mutex_lock(&c->lock);
			r = -ESTALE;
			if (windows)
				break;
			a->as_it_is = true;
		} else if (r != -EAGAIN) {
			break;
		}
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

int mms_chunk_pin(struct chunks *c, const struct chunk_want *want, struct mms_pin *ret_pin)
{
	struct chunk_want whole;
	struct attempt a = {0};
	int r;

	if (mms_chunk_pin_hit(c, want, ret_pin))
		return 0;
	r = atomic_load(&want->file->map_errno);
	if (r && !want->only_hit && !want->only_private)
		return r;
	if (is_full(want)) {
		/* It was asked for, whatever has to go for it. */
		whole = *want;
		whole.calm = whole.keep = false;
		want = &whole;
	}
	r = pin_loop(c, want, &a, ret_pin);
	if (a.retired.chunk)
		mms_memlock_retired(want->file, &a.retired, a.retired_locked);
	if (!r && a.mapped)
		mms_modes_mapped(want->file, ret_pin->chunk, base_of(want), a.file_size);
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
		mms_chunk_leave_locked(c, n);
		list_add_tail(&victims, &n->queue);
		mms_chunk_remove_locked(c, n);
	}
	c->moving++;
	pthread_mutex_unlock(&c->lock);
	mms_budget_unmap(c, &victims);
}

static void retire_file_locked(struct chunks *c, struct mms_file *file)
{
	for (struct list *l = file->chunks.next; l != &file->chunks; l = l->next) {
		struct mms_chunk *n = list_entry(l, struct mms_chunk, by_file);

		if (atomic_load_explicit(&n->state, memory_order_relaxed) == CHUNK_LIVE &&
		    !(mms_chunk_flags(n) & CHUNK_RETIRED))
			mms_chunk_retire_locked(c, n);
	}
}

bool mms_chunks_reshape(struct chunks *c, struct mms_file *file, unsigned shape, uint64_t longest)
{
	struct list victims;
	bool done;

	list_init(&victims);
	pthread_mutex_lock(&c->lock);
	for (struct list *l = file->chunks.next; l != &file->chunks;) {
		struct mms_chunk *n = list_entry(l, struct mms_chunk, by_file);

		l = l->next;
		if (atomic_load_explicit(&n->state, memory_order_relaxed) == CHUNK_LIVE &&
		    n->len > longest && mms_chunk_kill_locked(c, n, &victims))
			mms_chunk_remove_locked(c, n);
	}
	done = !file->cow || list_empty(&file->chunks);
	if (done) {
		if (atomic_load(&file->shape) != shape)
			retire_file_locked(c, file);
		atomic_store(&file->shape, shape);
	}
	c->moving++;
	pthread_mutex_unlock(&c->lock);
	mms_budget_unmap(c, &victims);
	return done;
}

int mms_chunks_of_file(struct chunks *c, struct mms_file *file, uint64_t **ret_index, size_t *ret_n)
{
	uint64_t *index;
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	index = malloc((file->n_chunks + 1) * sizeof(*index));
	if (index) {
		for (struct list *l = file->chunks.next; l != &file->chunks; l = l->next) {
			struct mms_chunk *chunk = list_entry(l, struct mms_chunk, by_file);

			if (!(mms_chunk_flags(chunk) & CHUNK_RETIRED))
				index[n++] = atomic_load(&chunk->index);
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (!index)
		return -ENOMEM;
	*ret_index = index;
	*ret_n = n;
	return 0;
}

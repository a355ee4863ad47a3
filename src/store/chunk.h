/* SPDX-License-Identifier: MIT */
/*
 * chunk.h - the table of mapped chunks of a pool, their pins, and the budget
 *
 * One hash table a pool, keyed by (file, chunk number): memory goes with the
 * chunks that are mapped, whatever the size of the files. Nodes live in slabs
 * that are freed with the pool only, so that a thread may look at a node
 * without a lock while it is taken away and used for another chunk; chunk.c
 * argues why that is safe.
 */
#ifndef MMS_CHUNK_H
#define MMS_CHUNK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "list.h"
#include "mmapstore.h"

struct mms_sys;

#define PIN_STRIPES 4u

enum chunk_state {
	CHUNK_FREE,
	CHUNK_MAPPING, /* in the table, budgeted; one thread makes the mapping, others wait */
	CHUNK_LIVE,
	CHUNK_DYING, /* being checked for pins, or out of the table and being unmapped */
};

#define CHUNK_WRITABLE 1u
#define CHUNK_PRIVATE 2u  /* MMS_COW, and was pinned for writing: must live until mms_close() */
#define CHUNK_FULL 4u     /* the whole of a MMS_WANT_FULL file */
#define CHUNK_LOCKED 8u   /* of a MMS_WANT_LOCKED file, and in memory to stay */
#define CHUNK_RETIRED 16u /* out of the table: others have it pinned, a longer one replaces it */

/* Which chunks a file has: see struct mms_file. */
#define SHAPE_SHIFT 63u
#define SHAPE_FULL 64u
/* The most that is mapped in one piece. */
#define FULL_SHIFT (sizeof(void *) >= 8 ? 40u : 30u)

struct mms_chunk {
	/* Read without a lock, changed under chunks.lock. */
	_Atomic(struct mms_chunk *) next; /* of its chain, or of the free nodes */
	_Atomic uint64_t file_id;
	_Atomic uint64_t index;
	_Atomic uint32_t state;
	_Atomic uint32_t flags;
	_Atomic uint64_t used_tick; /* of the last hit; changed by hits too */

	/* Set before the state becomes LIVE; constant while LIVE. */
	unsigned char *addr;
	size_t len;

	/* chunks.lock */
	uint64_t queued_tick; /* when it was put at the end of the queue */
	uint64_t mapped_ms;
	uint32_t holds;      /* parts of it that mms_lock_memory() has locked */
	struct list queue;   /* of chunks.queue unless kept, or of a list of victims */
	struct list by_file; /* of mms_file.chunks */
	struct mms_file *file;

	/* Pins by threads: one's own pin is taken from the stripe it was put in. */
	struct {
		_Alignas(64) _Atomic uint32_t n;
	} pins[PIN_STRIPES];
};

struct chunk_slab;

struct chunks {
	/* Set before start. */
	const struct mms_sys *sys;
	struct mms_totals *totals;
	_Atomic uint64_t *memory_bytes;
	unsigned shift;
	uint64_t limit_bytes, limit_count;
	_Atomic(struct mms_chunk *) *buckets;
	uint64_t bucket_mask;

	/* Of hits; advanced by misses, so that hits in a row write nothing. */
	_Alignas(64) _Atomic uint64_t tick;

	_Alignas(64) pthread_mutex_t lock; /* held for no system call */
	pthread_cond_t changed;            /* a mapping was made or unmapped */
	struct list queue;                 /* LIVE, not kept: next victim first */
	uint64_t queue_len;
	struct mms_chunk *free_nodes;
	struct chunk_slab *slabs;
	/*
	 * The budget. Taken before mmap(2) and given back after munmap(2), so
	 * that it is never exceeded. What replaces victims takes over their
	 * share: used is raised by the difference at once if it is larger,
	 * and lowered after the munmap(2) if it is smaller.
	 */
	uint64_t used_bytes, used_count, peak_bytes;
	uint64_t kept_bytes, kept_count;     /* LIVE, and not to be evicted */
	uint64_t locked_bytes, locked_count; /* of these, CHUNK_LOCKED */
	unsigned moving; /* threads between mmap(2) or munmap(2) and telling so */
};

/* What chunk_pin() needs to know. */
struct chunk_want {
	struct mms_file *file;
	unsigned shape; /* of the file, as it was when index and start were computed */
	uint64_t index;
	uint64_t start;    /* offset in the chunk */
	size_t len;        /* bytes to reach, at least 1, inside the chunk */
	bool write;        /* will be stored to */
	bool calm;         /* evict nothing that was mapped less than a second ago */
	bool keep;         /* evict nothing at all */
	bool only_hit;     /* do not map */
	bool only_private; /* hit only what holds private changes */
};

int mms_chunks_init(struct chunks *c, const struct mms_sys *sys, unsigned shift,
		    uint64_t limit_bytes, uint64_t limit_count, struct mms_totals *totals,
		    _Atomic uint64_t *memory_bytes);
void mms_chunks_release(struct chunks *c);

/* Pins without a lock, if the chunk is mapped as wanted. */
bool mms_chunk_pin_hit(struct chunks *c, const struct chunk_want *want, struct mms_pin *ret_pin);

/* Pins, mapping first what is missing. The errors are those of mms_pin(),
 * -ENOBUFS where kept chunks fill the budget, -ENOENT under only_*, -ESTALE
 * where the shape of the file has changed: compute anew. */
int mms_chunk_pin(struct chunks *c, const struct chunk_want *want, struct mms_pin *ret_pin);

/*
 * Gives the file another shape. Unmaps what can be unmapped of it and is
 * longer than longest. false: it is MMS_COW and something is mapped still,
 * in which there may be private changes; the shape is as before.
 */
bool mms_chunks_reshape(struct chunks *c, struct mms_file *file, unsigned shape, uint64_t longest);

/* How much of a file that is mapped whole to map: at least its size, and
 * where the budget allows room to grow in. */
uint64_t mms_full_length(const struct chunks *c, uint64_t file_size);

/* A pin of mms_lock_memory(), which keeps the chunk from eviction; pin is of
 * that chunk. */
void mms_chunk_hold(struct chunks *c, const struct mms_pin *pin);
void mms_chunk_unhold(struct chunks *c, const struct mms_pin *pin);
/* One more pin of a chunk that the caller has pinned. */
struct mms_pin mms_pin_again(const struct mms_pin *pin);

/* Unmaps all of a file that nobody uses any more. */
void mms_chunks_drop_file(struct chunks *c, struct mms_file *file);

/* The numbers of the mapped chunks of a file, allocated. */
int mms_chunks_of_file(struct chunks *c, struct mms_file *file, uint64_t **ret_index,
		       size_t *ret_n);

/* ---------------------------------- between table.c, chunk.c and budget.c */

static inline bool mms_chunk_is(const struct mms_chunk *n, uint64_t file_id, uint64_t index)
{
	return atomic_load_explicit(&n->file_id, memory_order_relaxed) == file_id &&
	       atomic_load_explicit(&n->index, memory_order_relaxed) == index;
}

/* bound: how far to walk; a walk without the lock needs one. */
struct mms_chunk *mms_chunk_find(struct chunks *c, uint64_t file_id, uint64_t index,
				 unsigned bound);
struct mms_chunk *mms_chunk_new_locked(struct chunks *c);
/* Into the table and to its file, in state MAPPING. */
void mms_chunk_insert_locked(struct chunks *c, struct mms_chunk *n, const struct chunk_want *want);

static inline uint32_t mms_chunk_flags(const struct mms_chunk *n)
{
	return atomic_load_explicit(&n->flags, memory_order_relaxed);
}

/* Whether it is not evicted. But for PRIVATE it may be replaced by another
 * mapping of the same part of the file. */
static inline bool mms_chunk_kept(const struct mms_chunk *n)
{
	return (mms_chunk_flags(n) & (CHUNK_PRIVATE | CHUNK_FULL | CHUNK_LOCKED)) || n->holds;
}

/* Changes the flags of a LIVE chunk and what follows from them. */
void mms_chunk_flag_locked(struct chunks *c, struct mms_chunk *n, uint32_t set, uint32_t clear);
/* Puts a LIVE chunk where evictions look for it, or not; and takes it from there. */
void mms_chunk_enter_locked(struct chunks *c, struct mms_chunk *n, bool first);
void mms_chunk_leave_locked(struct chunks *c, struct mms_chunk *n);
/* Out of the table, mapped as before. */
void mms_chunk_retire_locked(struct chunks *c, struct mms_chunk *n);

/* Closes a LIVE chunk to new pins and moves it from the queue to victims;
 * false if it is pinned. It stays in the table while the lock is held. */
bool mms_chunk_kill_locked(struct chunks *c, struct mms_chunk *n, struct list *victims);
/* Undoes that. */
void mms_chunk_revive_locked(struct chunks *c, struct mms_chunk *n);
/* Takes it out of the table and from its file. */
void mms_chunk_remove_locked(struct chunks *c, struct mms_chunk *n);
/* Keeps the node, which is on no list and not mapped, for another chunk. */
void mms_chunk_free_locked(struct chunks *c, struct mms_chunk *n);

/* A share of the budget, and what has to be unmapped before it may be used. */
struct budget_share {
	uint64_t bytes;
	uint64_t victim_bytes, victim_count;
	struct list victims;
};

void mms_share_init(struct budget_share *s, uint64_t bytes);

/*
 * Takes s->bytes and one mapping from the budget, choosing victims, which are
 * then out of the table. Some may be on s->victims before; on failure all are
 * revived. -EAGAIN: the lock was let go for a moment because a retry is worth
 * it; the caller looks at the table again.
 */
int mms_budget_take_locked(struct chunks *c, const struct chunk_want *want, unsigned *tries,
			   struct budget_share *s);

/* Unmaps the victims of s; called without the lock. Afterwards the share is
 * free for use, or, on -ENOMEM, gone. */
int mms_budget_settle(struct chunks *c, struct budget_share *s);

/* Gives back what is not mapped (any more). */
void mms_budget_give_locked(struct chunks *c, uint64_t bytes, uint64_t count);

/* Unmaps chunks that are out of the table and gives back their share. Called
 * without the lock, with chunks.moving raised for it, which it lowers. */
void mms_budget_unmap(struct chunks *c, struct list *victims);

/* Unmaps half of what nobody has pinned. */
void mms_budget_halve(struct chunks *c);

#endif

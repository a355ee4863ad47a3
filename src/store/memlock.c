/* SPDX-License-Identifier: MIT */
/*
 * Pages locked into memory: MMS_WANT_LOCKED, and mms_lock_memory()
 *
 * The second keeps a list of the parts that it has locked, each in one chunk,
 * which it has pinned and holds (see chunk.h). Parts do not overlap, so what
 * is locked twice is in the list once, as mlock(2) has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "arith.h"
#include "cleanup.h"
#include "errors.h"
#include "file.h"
#include "modes.h"
#include "size.h"
#include "sys.h"

struct memlock {
	struct list link;
	uint64_t offset, end; /* in the file; whole pages */
	struct mms_pin pin;   /* addr is that of offset */
	bool fresh;           /* by the call that is under way */
};

/* Not a call of the system: the kernel has told it at exec(2). */
static uint64_t page_bytes(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static void explain(struct mms_file *file, struct mms_error *why)
{
	char limit_text[SIZE_TEXT_BYTES], locked_text[SIZE_TEXT_BYTES];
	uint64_t limit, locked;

	if (!why || file->pool->sys->memlock(&limit, &locked)) {
		mms_error_hint(why, "see RLIMIT_MEMLOCK (ulimit -l)");
		return;
	}
	mms_error_hint(why,
		       "RLIMIT_MEMLOCK is %s and %s are locked: raise the limit (ulimit -l), or "
		       "lock less",
		       limit == UINT64_MAX ? "unlimited"
					   : size_format(limit, limit_text, sizeof(limit_text)),
		       size_format(locked, locked_text, sizeof(locked_text)));
}

static void set_what(struct mms_file *file, struct mms_error *err, int code, uint64_t offset,
		     uint64_t len)
{
	char how_much[SIZE_TEXT_BYTES], where[SIZE_TEXT_BYTES];

	(void)mms_error_set(err, code, "locking %s of %s at %s",
			    size_format(len, how_much, sizeof(how_much)), file->name,
			    size_format(offset, where, sizeof(where)));
}

/* -------------------------------------------------------- MMS_WANT_LOCKED */

/* Windows leave half of the budget to others, and to those of the file that
 * are not locked: it could not slide any more. */
static bool has_room(const struct chunks *c, const struct mms_chunk *n)
{
	return (mms_chunk_flags(n) & CHUNK_FULL) ||
	       (c->locked_bytes + n->len <= c->limit_bytes / 2 &&
		c->locked_count + 1 <= c->limit_count / 2);
}

/* All that is there, or nothing. What the file grows by inside the mapping is
 * locked as it is touched, if the limit has room for that. */
static int lock_mapping(struct mms_file *file, const struct mms_chunk *n, uint64_t base,
			uint64_t file_size)
{
	const struct mms_sys *sys = file->pool->sys;
	uint64_t there = file_size > base ? u64_align_up(file_size - base, page_bytes()) : 0;
	size_t len = size_bound(n->len, there);
	int r = len ? sys->mlock(n->addr, len) : 0;

	if (r)
		(void)sys->munlock(n->addr, len);
	else if (len < n->len)
		(void)sys->mlock(n->addr + len, n->len - len);
	return r;
}

static void chunk_refused(struct mms_file *file, const struct mms_chunk *n, uint64_t base, int code)
{
	char limit[SIZE_TEXT_BYTES];
	struct mms_error why;

	set_what(file, &why, code, base, n->len);
	if (code == -ENOBUFS)
		mms_error_hint(&why,
			       "windows may lock half of the budget, and map_limit_bytes is %s: "
			       "raise it, or map the file whole",
			       size_format(file->pool->chunks.limit_bytes, limit, sizeof(limit)));
	else
		explain(file, &why);
	mms_mode_note(file, MMS_WANT_LOCKED, &why);
}

void mms_memlock_chunk(struct mms_file *file, struct mms_chunk *n, uint64_t base,
		       uint64_t file_size)
{
	struct chunks *c = &file->pool->chunks;
	bool room, full, retired;
	int r;

	pthread_mutex_lock(&c->lock);
	full = mms_chunk_flags(n) & CHUNK_FULL;
	room = has_room(c, n);
	if (room)
		mms_chunk_flag_locked(c, n, CHUNK_LOCKED, 0);
	pthread_mutex_unlock(&c->lock);
	if (!room) {
		chunk_refused(file, n, base, -ENOBUFS);
		return;
	}
	r = lock_mapping(file, n, base, file_size);
	pthread_mutex_lock(&c->lock);
	retired = (mms_chunk_flags(n) & CHUNK_RETIRED) && !n->holds;
	if (r)
		mms_chunk_flag_locked(c, n, 0, CHUNK_LOCKED);
	pthread_mutex_unlock(&c->lock);
	if (r)
		chunk_refused(file, n, base, r);
	else if (retired)
		(void)file->pool->sys->munlock(n->addr, n->len);
	else if (full)
		mms_mode_note(file, MMS_WANT_LOCKED, NULL);
}

void mms_memlock_retired(struct mms_file *file, struct mms_pin *pin, bool locked)
{
	if (locked)
		(void)file->pool->sys->munlock(pin->chunk->addr, pin->chunk->len);
	mms_unpin(pin);
}

/* -------------------------------------------------------- mms_lock_memory */

static struct memlock *of_link(struct list *l)
{
	return list_entry(l, struct memlock, link);
}

static struct memlock *part_new(struct mms_file *file, uint64_t offset, uint64_t end,
				const struct mms_pin *pin)
{
	struct memlock *m = malloc(sizeof(*m));

	if (!m)
		return NULL;
	*m = (struct memlock){.offset = offset, .end = end, .pin = *pin};
	atomic_fetch_add(&file->pool->memory_bytes, sizeof(*m));
	return m;
}

static void part_free(struct mms_file *file, struct memlock *m)
{
	list_del(&m->link);
	mms_chunk_unhold(&file->pool->chunks, &m->pin);
	mms_unpin(&m->pin);
	atomic_fetch_sub(&file->pool->memory_bytes, sizeof(*m));
	free(m);
}

/* Pages stay locked where the file wants them so. */
static int part_munlock(struct mms_file *file, const struct memlock *m, uint64_t from, uint64_t to)
{
	if (mms_chunk_flags(m->pin.chunk) & CHUNK_LOCKED)
		return 0;
	return file->pool->sys->munlock((char *)m->pin.addr + (from - m->offset),
					(size_t)(to - from));
}

/* Locks from offset on as far as one chunk reaches, at most to end, and lists
 * that before next. */
static int part_lock(struct mms_file *file, uint64_t offset, uint64_t end, struct list *next,
		     uint64_t *ret_end)
{
	size_t len = mms_file_chunk_part(file, offset, end - offset);
	struct memlock *m;
	struct mms_pin pin;
	int r = mms_file_pin(file, offset, len, 0, &pin);

	if (r)
		return r == -ENOBUFS ? -EBUSY : r;
	len = size_min(len, pin.len);
	m = part_new(file, offset, offset + len, &pin);
	if (!m) {
		mms_unpin(&pin);
		return -ENOMEM;
	}
	m->fresh = true;
	mms_chunk_hold(&file->pool->chunks, &pin);
	list_add_tail(next, &m->link);
	r = file->pool->sys->mlock(pin.addr, len);
	*ret_end = m->end;
	return r;
}

/* Ends what the call has begun: takes it back, or makes it stay. */
static void settle(struct mms_file *file, bool back)
{
	for (struct list *l = file->memlocks.next; l != &file->memlocks;) {
		struct memlock *m = of_link(l);

		l = l->next;
		if (m->fresh && back) {
			(void)part_munlock(file, m, m->offset, m->end);
			part_free(file, m);
		} else {
			m->fresh = false;
		}
	}
}

static int lock_range(struct mms_file *file, uint64_t offset, uint64_t end)
{
	struct list *next = file->memlocks.next;
	int r = 0;

	while (!r && offset < end) {
		while (next != &file->memlocks && of_link(next)->end <= offset)
			next = next->next;
		if (next != &file->memlocks && of_link(next)->offset <= offset) {
			offset = of_link(next)->end;
			continue;
		}
		r = part_lock(file, offset,
			      next != &file->memlocks ? u64_min(end, of_link(next)->offset) : end,
			      next, &offset);
	}
	return r;
}

static int lock_failed(struct mms_file *file, int code, uint64_t offset, uint64_t len,
		       struct mms_error *err)
{
	char limit[SIZE_TEXT_BYTES];
	struct mms_error map;

	set_what(file, err, code, offset, len);
	if (code == -EBUSY)
		mms_error_hint(err,
			       "map_limit_bytes is %s, and must hold all that is locked or pinned "
			       "at once: raise it",
			       size_format(file->pool->chunks.limit_bytes, limit, sizeof(limit)));
	else if (code == atomic_load(&file->map_errno) && mms_map_error(file, &map))
		mms_error_hint(err, "%s", map.hint);
	else
		explain(file, err);
	return code;
}

int mms_lock_memory(struct mms_file *file, uint64_t offset, uint64_t len, struct mms_error *err)
{
	uint64_t end = len ? u64_add_sat(offset, len) : UINT64_MAX;
	uint64_t size;
	int r = mms_size(file, &size);

	if (r)
		return lock_failed(file, r, offset, len, err);
	end = u64_min(u64_align_up(end, page_bytes()), u64_align_up(size, page_bytes()));
	offset = u64_align_down(offset, page_bytes());
	if (offset >= end)
		return 0;
	if (end - offset > file->pool->chunks.limit_bytes)
		return lock_failed(file, -EBUSY, offset, end - offset, err);
	SCOPED_LOCK(&file->memlock_lock);
	r = lock_range(file, offset, end);
	settle(file, r != 0);
	return r ? lock_failed(file, r, offset, end - offset, err) : 0;
}

/* Takes [from, to) out of a part; what is left on both sides stays. */
static int part_cut(struct mms_file *file, struct memlock *m, uint64_t from, uint64_t to)
{
	struct memlock *tail = NULL;
	int r;

	if (from > m->offset && to < m->end) {
		struct mms_pin pin = mms_pin_again(&m->pin);

		pin.addr = (char *)pin.addr + (to - m->offset);
		tail = part_new(file, to, m->end, &pin);
		if (!tail) {
			mms_unpin(&pin);
			return -ENOMEM;
		}
		mms_chunk_hold(&file->pool->chunks, &pin);
		list_init(&tail->link);
	}
	r = part_munlock(file, m, from, to);
	if (r) {
		if (tail)
			part_free(file, tail);
		return r;
	}
	if (tail)
		list_add_head(&m->link, &tail->link);
	if (from > m->offset) {
		m->end = from;
	} else if (to < m->end) {
		m->pin.addr = (char *)m->pin.addr + (to - m->offset);
		m->offset = to;
	} else {
		part_free(file, m);
	}
	return 0;
}

int mms_unlock_memory(struct mms_file *file, uint64_t offset, uint64_t len)
{
	uint64_t end = len ? u64_add_sat(offset, len) : UINT64_MAX;
	int result = 0;

	offset = u64_align_down(offset, page_bytes());
	end = u64_align_up(end, page_bytes());
	SCOPED_LOCK(&file->memlock_lock);
	for (struct list *l = file->memlocks.next; l != &file->memlocks;) {
		struct memlock *m = of_link(l);
		uint64_t from = u64_max(offset, m->offset);
		uint64_t to = u64_min(end, m->end);
		int r = 0;

		l = l->next;
		if (from < to)
			r = part_cut(file, m, from, to);
		result = result ? result : r;
	}
	return result;
}

void mms_memlock_release(struct mms_file *file)
{
	while (!list_empty(&file->memlocks))
		part_free(file, of_link(file->memlocks.next));
}

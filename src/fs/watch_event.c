/* SPDX-License-Identifier: MIT */
/* What the events of fanotify(7) say, equal ones of a batch merged. */
#include "watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "invalidate.h"
#include "stats.h"

#ifndef FAN_EVENT_INFO_TYPE_FID
#define FAN_EVENT_INFO_TYPE_FID 1
#endif
#ifndef FAN_EVENT_INFO_TYPE_DFID_NAME
#define FAN_EVENT_INFO_TYPE_DFID_NAME 2
#endif
#ifndef FAN_EVENT_INFO_TYPE_DFID
#define FAN_EVENT_INFO_TYPE_DFID 3
#endif

#define NAME_EVENTS (FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO)

/* Slots of the two sets, and how full they get: then a batch is applied. */
#define SLOTS 4096u
#define SLOTS_USED 2048u

struct entry {
	struct inode *dir; /* a counted ref; NULL: free */
	const char *name;  /* in the events' buffer */
};

struct watch_batch {
	struct entry entries[SLOTS];
	struct watch_change changes[SLOTS]; /* inode NULL: free */
	unsigned entry_count, change_count;
	bool overflow;
};

struct watch_batch *watch_batch_new(void)
{
	return calloc(1, sizeof(struct watch_batch));
}

void watch_batch_free(struct watch_batch *batch)
{
	free(batch);
}

static size_t mix(uint64_t h)
{
	h *= 0x9e3779b97f4a7c15ull;
	return (size_t)(h >> 40);
}

static size_t hash_entry(const struct inode *dir, const char *name)
{
	uint64_t h = (uintptr_t)dir;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3ull;
	return mix(h);
}

static void add_entry(struct watch_batch *b, struct inode *dir, const char *name)
{
	size_t at = hash_entry(dir, name) % SLOTS;
	struct entry *e;

	while ((e = &b->entries[at])->dir) {
		if (e->dir == dir && !strcmp(e->name, name))
			return;
		at = (at + 1) % SLOTS;
	}
	inode_get(dir);
	*e = (struct entry){dir, name};
	b->entry_count++;
}

static void add_change(struct watch_batch *b, struct inode *inode, unsigned what, struct inode *dir,
		       const char *name)
{
	size_t at = mix((uintptr_t)inode) % SLOTS;
	struct watch_change *c;

	while ((c = &b->changes[at])->inode && c->inode != inode)
		at = (at + 1) % SLOTS;
	if (!c->inode) {
		inode_get(inode);
		c->inode = inode;
		b->change_count++;
	}
	c->what |= what;
	/* The last name is the one most likely to lead there still. */
	if (dir) {
		inode_get(dir);
		if (c->dir)
			inode_put(c->dir);
		c->dir = dir;
		c->name = name;
	}
}

/* Entries first: a lookup that follows finds what the rest is about. */
static void apply(struct watch_batch *b)
{
	for (size_t i = 0; b->entry_count && i < SLOTS; i++) {
		struct entry *e = &b->entries[i];

		if (!e->dir)
			continue;
		invalidate_entry(e->dir, e->name);
		inode_put(e->dir);
		*e = (struct entry){0};
		b->entry_count--;
	}
	for (size_t i = 0; b->change_count && i < SLOTS; i++) {
		struct watch_change *c = &b->changes[i];

		if (!c->inode)
			continue;
		watch_apply_change(c);
		if (c->dir)
			inode_put(c->dir);
		inode_put(c->inode);
		*c = (struct watch_change){0};
		b->change_count--;
	}
	if (b->overflow)
		watch_apply_overflow();
	b->overflow = false;
}

/* -------------------------------------------------------------- one event */

struct event {
	uint64_t mask;
	struct inode *dir; /* a counted ref; NULL: not known, or the event is of inode itself */
	const char *name;
	struct inode *inode; /* a counted ref; NULL: not known */
};

static void take_record(struct event *e, const struct fanotify_event_info_fid *info)
{
	const struct file_handle *key = (const void *)info->handle;
	bool named = info->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME;
	const char *name = named ? (const char *)key->f_handle + key->handle_bytes : ".";
	struct inode *found;

	if (!named && info->hdr.info_type != FAN_EVENT_INFO_TYPE_FID &&
	    info->hdr.info_type != FAN_EVENT_INFO_TYPE_DFID)
		return;
	found = inode_find_key(key);
	if (!found)
		return;
	if (named && strcmp(name, ".") && !e->dir) {
		e->dir = found;
		e->name = name;
	} else if (!e->inode) {
		e->inode = found;
	} else {
		inode_put(found);
	}
}

/* From at to end: what an event says of directories and files. */
static void take_records(struct event *e, const char *at, const char *end)
{
	while (at + sizeof(struct fanotify_event_info_header) <= end) {
		const struct fanotify_event_info_fid *info = (const void *)at;

		if (!info->hdr.len || at + info->hdr.len > end)
			return;
		take_record(e, info);
		at += info->hdr.len;
	}
}

/* Where the kernel does not say which file a name is of (before 5.17), the
 * name does, if it is there still. */
static void complete(struct event *e)
{
	if (!e->inode && e->dir && (e->mask & (FAN_CREATE | FAN_MOVED_TO)))
		e->inode = inode_find(e->dir, e->name);
}

static void note_move(const struct event *e)
{
	if (!e->inode)
		return;
	/* Both in one: merged by the kernel, and their order is lost. */
	if (e->mask & FAN_MOVED_FROM)
		atomic_store(&e->inode->heard, watch_marked(e->inode));
	else if ((e->mask & FAN_MOVED_TO) && watch_marked(e->dir))
		atomic_store(&e->inode->heard, true);
	if (e->mask & FAN_MOVED_TO)
		inode_moved(e->inode, e->dir, e->name);
}

/* A directory that was just made, and is known: a lookup came between, and
 * dropping the entry now would only pull it away beneath who is in there. */
static bool entry_is_right(const struct event *e)
{
	return (e->mask & NAME_EVENTS) == FAN_CREATE && e->inode && S_ISDIR(e->inode->type);
}

static void take_names(struct watch_batch *b, const struct event *e)
{
	if (!e->dir)
		return;
	note_move(e);
	if (!entry_is_right(e))
		add_entry(b, e->dir, e->name);
	add_change(b, e->dir, WATCH_ATTR, NULL, NULL);
}

/* event: as the kernel wrote it; m: its metadata. */
static void take_foreign(struct watch_batch *b, const char *event,
			 const struct fanotify_event_metadata *m)
{
	struct event e = {.mask = m->mask};
	bool here;

	take_records(&e, event + m->metadata_len, event + m->event_len);
	complete(&e);
	if (e.mask & NAME_EVENTS)
		take_names(b, &e);
	/* Else the file no longer has the name. */
	here = e.dir && !(e.mask & (FAN_DELETE | FAN_MOVED_FROM));
	if (e.inode)
		add_change(b, e.inode, WATCH_ATTR | (e.mask & FAN_MODIFY ? WATCH_DATA : 0),
			   here ? e.dir : NULL, e.name);
	if (e.dir)
		inode_put(e.dir);
	if (e.inode)
		inode_put(e.inode);
}

/* The metadata of the event at at, if a whole one is there: a copy, since the
 * kernel pads events to 4 bytes, and mask has 8. */
static bool next_event(const char *at, const char *end, struct fanotify_event_metadata *ret)
{
	if ((size_t)(end - at) < sizeof(*ret))
		return false;
	memcpy(ret, at, sizeof(*ret));
	return ret->event_len >= sizeof(*ret) && ret->event_len <= (size_t)(end - at);
}

bool watch_batch_read(struct watch_batch *b, const void *events, size_t len)
{
	const char *at = events, *end = at + len;
	struct fanotify_event_metadata m;
	uint64_t own = 0, foreign = 0;
	const pid_t self = getpid();

	for (; next_event(at, end, &m); at += m.event_len) {
		if (m.mask & FAN_Q_OVERFLOW) {
			b->overflow = true;
		} else if (m.pid == self) {
			own++;
		} else {
			foreign++;
			take_foreign(b, at, &m);
		}
		if (b->entry_count >= SLOTS_USED || b->change_count >= SLOTS_USED)
			apply(b);
	}
	stats_add(WATCH_OWN, own);
	stats_add(WATCH_FOREIGN, foreign);
	foreign += b->overflow;
	apply(b);
	return foreign != 0;
}

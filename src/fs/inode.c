/* SPDX-License-Identifier: MIT */
/* The table of inodes: identity, counts, names. Descriptors are in fdcache.c. */
#include "inode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commit.h"
#include "fdcache.h"
#include "keys.h"
#include "misses.h"
#include "region.h"
#include "stats.h"
#include "watch.h"

static struct table {
	pthread_mutex_t lock;
	struct inode **buckets;
	size_t mask;         /* buckets - 1 */
	uint64_t count;
	uint64_t generation;
	uint64_t memory;     /* bytes of inodes, names and handles */
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_rwlock_t names = PTHREAD_RWLOCK_INITIALIZER; /* prefers readers: they nest */

void names_lock_shared(void)
{
	if (!fs.handles)
		pthread_rwlock_rdlock(&names);
}

void names_lock_exclusive(void)
{
	if (!fs.handles)
		pthread_rwlock_wrlock(&names);
}

bool names_trylock_shared(void)
{
	return fs.handles || pthread_rwlock_tryrdlock(&names) == 0;
}

void names_unlock(void)
{
	if (!fs.handles)
		pthread_rwlock_unlock(&names);
}

static size_t bucket_of(const struct identity *id)
{
	/* Not the birth time: see inode_is_known(). */
	uint64_t h = (id->ino ^ (id->dev << 32)) * 0x9e3779b97f4a7c15ull;

	return (size_t)(h >> 20) & table.mask;
}

static struct inode *find_locked(const struct identity *id)
{
	for (struct inode *i = table.buckets[bucket_of(id)]; i; i = i->hash_next)
		if (identity_equal(&i->id, id))
			return i;
	return NULL;
}

static void grow_locked(void)
{
	size_t old_size = table.mask + 1;
	struct inode **old = table.buckets, **bigger;

	bigger = calloc(old_size * 2, sizeof(*bigger));
	if (!bigger)
		return; /* longer chains, nothing worse */
	table.buckets = bigger;
	table.mask = old_size * 2 - 1;
	for (size_t b = 0; b < old_size; b++)
		for (struct inode *i = old[b], *next; i; i = next) {
			size_t to = bucket_of(&i->id);

			next = i->hash_next;
			i->hash_next = bigger[to];
			bigger[to] = i;
		}
	free(old);
}

static void insert_locked(struct inode *inode)
{
	size_t b;

	if (table.count > table.mask)
		grow_locked();
	b = bucket_of(&inode->id);
	inode->hash_next = table.buckets[b];
	table.buckets[b] = inode;
	inode->hashed = true;
	inode->generation = ++table.generation;
	keys_insert(inode);
}

static void unhash_locked(struct inode *inode)
{
	struct inode **link = &table.buckets[bucket_of(&inode->id)];

	if (!inode->hashed)
		return;
	while (*link != inode)
		link = &(*link)->hash_next;
	*link = inode->hash_next;
	inode->hashed = false;
	keys_remove(inode);
}

static uint64_t bytes_of(const struct inode *inode)
{
	const struct file_handle *key = inode->key ? inode->key : inode->handle;

	return sizeof(*inode) + (inode->name ? strlen(inode->name) + 1 : 0) +
	       (key ? sizeof(*key) + key->handle_bytes : 0);
}

static void inode_discard(struct inode *inode)
{
	commit_detach(inode);
	misses_free(atomic_load(&inode->misses));
	pthread_mutex_destroy(&inode->lock);
	if (inode->key != inode->handle)
		free(inode->key);
	free(inode->handle);
	free(inode->name);
	free(inode);
}

/* Frees inodes from this one up: a child's going may take its parent along. */
static void free_chain(struct inode *inode)
{
	while (inode) {
		struct inode *parent = inode->parent;

		watch_unmark(inode);
		fdcache_drop(inode);
		inode_discard(inode);
		inode = NULL;
		if (parent) {
			pthread_mutex_lock(&table.lock);
			if (--parent->refs == 0 && parent->nlookup == 0) {
				unhash_locked(parent);
				table.count--;
				table.memory -= bytes_of(parent);
				inode = parent;
			}
			pthread_mutex_unlock(&table.lock);
		}
	}
}

static bool gone_locked(struct inode *inode)
{
	if (inode->refs || inode->nlookup)
		return false;
	unhash_locked(inode);
	table.count--;
	table.memory -= bytes_of(inode);
	return true;
}

void inode_get(struct inode *inode)
{
	pthread_mutex_lock(&table.lock);
	inode->refs++;
	pthread_mutex_unlock(&table.lock);
}

void inode_put(struct inode *inode)
{
	bool gone;

	pthread_mutex_lock(&table.lock);
	inode->refs--;
	gone = gone_locked(inode);
	pthread_mutex_unlock(&table.lock);
	if (gone)
		free_chain(inode);
}

void inode_forget(struct inode *inode, uint64_t n)
{
	bool gone;

	if (inode == fs.root || inode->is_virtual)
		return;
	pthread_mutex_lock(&table.lock);
	inode->nlookup -= n < inode->nlookup ? n : inode->nlookup;
	gone = gone_locked(inode);
	pthread_mutex_unlock(&table.lock);
	if (gone)
		free_chain(inode);
}

static void stamp_from(struct stamp *stamp, const struct stat *st)
{
	stamp->size = st->st_size;
	stamp->mtime = st->st_mtim;
	stamp->ctime = st->st_ctim;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool stamp_matches(const struct stamp *stamp, const struct stat *st, bool with_ctime)
{
	return stamp->size == st->st_size && same_time(&stamp->mtime, &st->st_mtim) &&
	       (!with_ctime || same_time(&stamp->ctime, &st->st_ctim));
}

void inode_restamp(struct inode *inode, int fd)
{
	struct stat st;

	if (!S_ISREG(inode->type))
		return;
	pthread_mutex_lock(&inode->lock);
	atomic_store(&inode->wrote, false);
	if (fstatat(fd, "", &st, AT_EMPTY_PATH) == 0) {
		stamp_from(&inode->stamp, &st);
		inode->stamp_valid = true;
	}
	pthread_mutex_unlock(&inode->lock);
}

void inode_mtime_told(struct inode *inode, const struct timespec *mtime)
{
	if (!fs.writeback || !S_ISREG(inode->type))
		return;
	pthread_mutex_lock(&inode->lock);
	inode->kernel_mtime = *mtime;
	atomic_store(&inode->mtime_moved, false);
	pthread_mutex_unlock(&inode->lock);
}

enum stamp_state own_change_begin(struct inode *inode, int fd)
{
	enum stamp_state state = STAMP_WRONG;
	struct stat st;

	if (!S_ISREG(inode->type))
		return STAMP_WRONG;
	if (atomic_load(&inode->wrote))
		return STAMP_DUE;
	if (fstatat(fd, "", &st, AT_EMPTY_PATH))
		return STAMP_WRONG;
	pthread_mutex_lock(&inode->lock);
	if (inode->stamp_valid && stamp_matches(&inode->stamp, &st, false))
		state = stamp_matches(&inode->stamp, &st, true) ? STAMP_RIGHT : STAMP_BUT_CTIME;
	pthread_mutex_unlock(&inode->lock);
	return state;
}

/* A ctime that was not right stays so: the next open drops what is cached. A
 * stamp that was due may have been taken in the middle of the change: a SETATTR
 * of size and mtime closes a region before it sets mtime. */
void own_change_end(struct inode *inode, int fd, enum stamp_state before)
{
	struct timespec ctime;

	if (before == STAMP_WRONG || (before == STAMP_DUE && atomic_load(&inode->wrote)))
		return;
	pthread_mutex_lock(&inode->lock);
	ctime = inode->stamp.ctime;
	pthread_mutex_unlock(&inode->lock);
	inode_restamp(inode, fd);
	if (before != STAMP_BUT_CTIME)
		return;
	pthread_mutex_lock(&inode->lock);
	inode->stamp.ctime = ctime;
	pthread_mutex_unlock(&inode->lock);
}

/* Also for a stamp that was taken since the data were written back: another open
 * does that, and would take the file for one that others have changed. */
void inode_mtime_settle(struct inode *inode, int fd)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	enum stamp_state before;

	if (!fs.writeback || !atomic_load(&inode->mtime_moved))
		return;
	before = own_change_begin(inode, fd);
	pthread_mutex_lock(&inode->lock);
	times[1] = inode->kernel_mtime;
	if (atomic_exchange(&inode->mtime_moved, false))
		futimens(fd, times);
	pthread_mutex_unlock(&inode->lock);
	own_change_end(inode, fd, before);
}

static struct inode *inode_new(const struct identity *id, const struct stat *st)
{
	struct inode *inode = calloc(1, sizeof(*inode));

	if (!inode)
		return NULL;
	inode->id = *id;
	inode->type = st->st_mode & S_IFMT;
	inode->fd = -1;
	pthread_mutex_init(&inode->lock, NULL);
	stamp_from(&inode->stamp, st);
	inode->stamp_valid = true;
	inode->kernel_mtime = st->st_mtim;
	inode->size_seen = st->st_size;
	inode->looked_ms = inode_now_ms();
	if (commit_attach(inode)) {
		inode_discard(inode);
		return NULL;
	}
	return inode;
}

int64_t inode_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Where the kernel keeps its own size (write-back cache) and the file was
 * changed beneath the mount while nobody had it open, only a new node number
 * makes it look again. Returns whether inode is to be replaced. */
static bool superseded(struct inode *inode, const struct stat *st)
{
	bool stale;

	if (!fs.writeback || !S_ISREG(inode->type))
		return false;
	pthread_mutex_lock(&inode->lock);
	stale = (!inode->region || !inode->region->opens) &&
		(inode->outdated || (!atomic_load(&inode->wrote) && inode->stamp_valid &&
				     !stamp_matches(&inode->stamp, st, false)));
	inode->looked_ms = inode_now_ms();
	pthread_mutex_unlock(&inode->lock);
	return stale;
}

bool inode_differs(struct inode *inode, const struct stat *st)
{
	bool differs;

	pthread_mutex_lock(&inode->lock);
	differs = atomic_load(&inode->wrote) || !inode->stamp_valid ||
		  !stamp_matches(&inode->stamp, st, false);
	pthread_mutex_unlock(&inode->lock);
	return differs;
}

void inode_set_outdated(struct inode *inode)
{
	pthread_mutex_lock(&inode->lock);
	inode->outdated = true;
	pthread_mutex_unlock(&inode->lock);
}

void inode_size_grew(struct inode *inode, int64_t end)
{
	int64_t seen = atomic_load(&inode->size_seen);

	while (end > seen && !atomic_compare_exchange_weak(&inode->size_seen, &seen, end))
		;
}

void inode_taken_over(struct inode *inode, const struct stat *st)
{
	inode_size_grew(inode, st->st_size);
	pthread_mutex_lock(&inode->lock);
	stamp_from(&inode->stamp, st);
	inode->stamp_valid = true;
	inode->outdated = false;
	/* What was settled before is not the kernel's mtime any more. */
	inode->kernel_mtime = st->st_mtim;
	atomic_store(&inode->mtime_moved, false);
	pthread_mutex_unlock(&inode->lock);
}

/* Takes inode's remembered name away, for the caller to free; *ret_parent is
 * a counted ref, or NULL. */
static char *unname_locked(struct inode *inode, struct inode **ret_parent)
{
	char *name = inode->name;

	*ret_parent = inode->parent;
	table.memory -= name ? strlen(name) + 1 : 0;
	inode->parent = NULL;
	inode->name = NULL;
	return name;
}

/*
 * What others move beneath the mount is remembered as it was until it is
 * looked up again. So a directory that has just been found may be remembered
 * as an ancestor of the one that it was found in, and the way up from there
 * would never end. Some name on it is out of date: the one nearest to the
 * directory goes, to be learned anew. Returns the inode that has it, or NULL.
 */
static struct inode *circle_locked(const struct inode *inode, struct inode *parent)
{
	for (struct inode *at = parent; at; at = at->parent)
		if (at->parent == inode)
			return at;
	return NULL;
}

static void name_locked(struct inode *inode, struct inode *parent, char *name)
{
	table.memory += strlen(name) + 1;
	parent->refs++;
	inode->parent = parent;
	inode->name = name;
}

void inode_moved(struct inode *inode, struct inode *parent, const char *name)
{
	char *copy, *old_name, *cut_name = NULL;
	struct inode *old, *cut, *cut_parent = NULL;

	if (inode->handle || inode == fs.root)
		return;
	copy = strdup(name);
	if (!copy)
		return; /* found again by its next lookup */
	pthread_mutex_lock(&table.lock);
	/* The remembered name follows the latest lookup: it is known to be there. */
	old_name = unname_locked(inode, &old);
	cut = circle_locked(inode, parent);
	if (cut)
		cut_name = unname_locked(cut, &cut_parent);
	name_locked(inode, parent, copy);
	pthread_mutex_unlock(&table.lock);
	free(old_name);
	free(cut_name);
	if (old)
		inode_put(old);
	if (cut_parent)
		inode_put(cut_parent);
}

static bool name_is_current(struct inode *inode, struct inode *parent, const char *name)
{
	bool same;

	if (inode->handle || inode == fs.root)
		return true;
	pthread_mutex_lock(&table.lock);
	same = inode->parent == parent && inode->name && !strcmp(inode->name, name);
	pthread_mutex_unlock(&table.lock);
	return same;
}

/* Counts a lookup of the inode with this identity; NULL: not in the table. */
static struct inode *lookup_known(const struct identity *id)
{
	struct inode *inode;

	pthread_mutex_lock(&table.lock);
	inode = find_locked(id);
	if (inode)
		inode->nlookup++;
	pthread_mutex_unlock(&table.lock);
	return inode;
}

/* Makes the inode of an entry that the table does not have. The entry may be
 * replaced meanwhile, so identity and attributes are taken from what opened. */
static int lookup_new(struct inode *parent, int dirfd, const char *name, struct inode **ret_inode,
		      struct stat *ret_st)
{
	struct identity id;
	struct inode *inode, *other;
	struct stat st;
	int fd, rc;

	fd = fdcache_open(dirfd, name, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return fd;
	rc = identify(fd, "", &id, &st);
	inode = rc ? NULL : inode_new(&id, &st);
	if (!inode) {
		close(fd);
		return rc ? rc : -ENOMEM;
	}
	inode->handle = fs.handles && st.st_dev == fs.root_dev ? fdcache_handle_of(fd) : NULL;
	inode->key = inode->handle;
	if (fs.watch && !inode->key && st.st_dev == fs.root_dev)
		inode->key = fdcache_handle_of(fd);
	if (!inode->handle) {
		inode->name = strdup(name);
		if (!inode->name) {
			inode_discard(inode);
			close(fd);
			return -ENOMEM;
		}
	}
	inode->nlookup = 1;
	pthread_mutex_lock(&table.lock);
	other = find_locked(&id);
	if (other) {
		other->nlookup++;
	} else {
		if (!inode->handle) {
			inode->parent = parent;
			parent->refs++;
		}
		insert_locked(inode);
		table.count++;
		table.memory += bytes_of(inode);
	}
	pthread_mutex_unlock(&table.lock);
	if (other) {
		inode_discard(inode);
		close(fd);
		inode = other;
	} else {
		fdcache_give(inode, fd);
	}
	*ret_inode = inode;
	*ret_st = st;
	return 0;
}

static int lookup(struct inode *parent, const char *name, bool is_new, struct inode **ret_inode,
		  struct stat *ret_st)
{
	struct identity id;
	struct inode *inode;
	struct stat st;
	int dirfd, rc;

	names_lock_shared();
	dirfd = inode_fd_get(parent);
	if (dirfd < 0) {
		names_unlock();
		return dirfd;
	}
	rc = is_new ? 0 : identify(dirfd, name, &id, &st);
	if (rc)
		goto out;
	inode = is_new ? NULL : lookup_known(&id);
	if (inode && superseded(inode, &st)) {
		pthread_mutex_lock(&table.lock);
		unhash_locked(inode);
		pthread_mutex_unlock(&table.lock);
		inode_forget(inode, 1);
		stats_count(CACHE_DROPPED);
		inode = NULL;
	}
	if (!inode) {
		rc = lookup_new(parent, dirfd, name, ret_inode, ret_st);
		goto out;
	}
	if (!name_is_current(inode, parent, name))
		inode_moved(inode, parent, name);
	*ret_inode = inode;
	*ret_st = st;
out:
	inode_fd_put(parent);
	names_unlock();
	if (!rc && watch_found(parent, *ret_inode, ret_st)) {
		rc = inode_stat(*ret_inode, ret_st);
		if (rc)
			inode_forget(*ret_inode, 1);
	}
	return rc;
}

int inode_lookup(struct inode *parent, const char *name, struct inode **ret_inode, struct stat *ret_st)
{
	return lookup(parent, name, false, ret_inode, ret_st);
}

int inode_lookup_new(struct inode *parent, const char *name, struct inode **ret_inode,
		     struct stat *ret_st)
{
	return lookup(parent, name, true, ret_inode, ret_st);
}

bool inode_is_known(uint64_t dev, uint64_t ino)
{
	const struct identity id = {.dev = dev, .ino = ino};
	bool known = false;

	pthread_mutex_lock(&table.lock);
	for (struct inode *i = table.buckets[bucket_of(&id)]; i && !known; i = i->hash_next)
		known = i->id.ino == ino && i->id.dev == dev;
	pthread_mutex_unlock(&table.lock);
	return known;
}

struct inode *inode_find_key(const struct file_handle *key)
{
	struct inode *inode;

	pthread_mutex_lock(&table.lock);
	inode = keys_find(key);
	if (inode)
		inode->refs++;
	pthread_mutex_unlock(&table.lock);
	return inode;
}

bool inode_other_marked(struct inode *inode)
{
	struct inode *other;
	bool marked;

	pthread_mutex_lock(&table.lock);
	other = find_locked(&inode->id);
	marked = other && other != inode && watch_marked(other);
	pthread_mutex_unlock(&table.lock);
	return marked;
}

void inodes_each(void (*f)(struct inode *inode, void *arg), void *arg)
{
	struct inode **list;
	size_t n = 0;

	pthread_mutex_lock(&table.lock);
	list = calloc(table.count + 1, sizeof(*list));
	for (size_t b = 0; list && b <= table.mask; b++)
		for (struct inode *i = table.buckets[b]; i; i = i->hash_next) {
			i->refs++;
			list[n++] = i;
		}
	pthread_mutex_unlock(&table.lock);
	for (size_t k = 0; k < n; k++) {
		f(list[k], arg);
		inode_put(list[k]);
	}
	free(list);
}

void inode_root_key(void)
{
	fs.root->key = fdcache_handle_of(fs.root_fd);
	pthread_mutex_lock(&table.lock);
	keys_insert(fs.root);
	pthread_mutex_unlock(&table.lock);
}

struct inode *inode_find(struct inode *parent, const char *name)
{
	struct identity id;
	struct inode *inode = NULL;
	struct stat st;
	int dirfd = inode_fd_get(parent);

	if (dirfd < 0)
		return NULL;
	if (identify(dirfd, name, &id, &st) == 0) {
		pthread_mutex_lock(&table.lock);
		inode = find_locked(&id);
		if (inode)
			inode->refs++;
		pthread_mutex_unlock(&table.lock);
	}
	inode_fd_put(parent);
	return inode;
}

/* A file whose name others took away is found no more by path, but if a
 * program has it open its descriptor is there. */
static int stat_open(struct inode *inode, struct stat *ret_st)
{
	struct identity id;
	int rc = -ESTALE;

	pthread_mutex_lock(&inode->lock);
	if (inode->region)
		rc = identify(mms_fd(inode->region->file), "", &id, ret_st);
	pthread_mutex_unlock(&inode->lock);
	return rc;
}

int inode_stat(struct inode *inode, struct stat *ret_st)
{
	struct identity id;
	int fd = inode_fd_get(inode), rc;

	if (fd < 0)
		return stat_open(inode, ret_st) ? fd : 0;
	rc = identify(fd, "", &id, ret_st);
	inode_fd_put(inode);
	/* A link of a directory that is not seen; there are none where this is 1. */
	if (!rc && inode == fs.root && fs.state_dir && ret_st->st_nlink > 2)
		ret_st->st_nlink--;
	return rc;
}

char *inode_name_get(struct inode *inode, struct inode **ret_parent)
{
	char *copy = NULL;

	pthread_mutex_lock(&table.lock);
	if (inode->parent && inode->name)
		copy = strdup(inode->name);
	if (copy) {
		*ret_parent = inode->parent;
		inode->parent->refs++;
	}
	pthread_mutex_unlock(&table.lock);
	return copy;
}

void inode_stats(struct inode_stats *ret)
{
	pthread_mutex_lock(&table.lock);
	ret->count = table.count;
	ret->memory_bytes = table.memory + (table.mask + 1) * sizeof(*table.buckets) + keys_memory();
	pthread_mutex_unlock(&table.lock);
	fdcache_stats(&ret->fds, &ret->fd_limit);
}

int inode_table_init(void)
{
	struct identity id;
	struct stat st;
	int rc;

	table.buckets = calloc(256, sizeof(*table.buckets));
	if (!table.buckets)
		return -ENOMEM;
	table.mask = 255;
	rc = identify(fs.root_fd, "", &id, &st);
	if (rc)
		return rc;
	fs.root = inode_new(&id, &st);
	if (!fs.root)
		return -ENOMEM;
	fs.root_dev = st.st_dev;
	fs.root->refs = 1;
	fs.root->fd = fs.root_fd;
	fs.root->fd_pinned = true;
	table.count = 1;
	table.memory = bytes_of(fs.root);
	insert_locked(fs.root);
	return 0;
}

void inode_table_release(void)
{
	for (size_t b = 0; b <= table.mask; b++)
		for (struct inode *i = table.buckets[b], *next; i; i = next) {
			next = i->hash_next;
			fdcache_drop(i);
			inode_discard(i);
		}
	free(table.buckets);
	table.buckets = NULL;
	keys_release();
}

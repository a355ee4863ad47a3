/* SPDX-License-Identifier: MIT */
#include "fdcache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "region.h"

static struct fdcache {
	pthread_mutex_t lock;
	struct inode *oldest, *newest; /* idle descriptors */
	unsigned open;                 /* all of the inodes', idle or not */
	unsigned limit;                /* set before threads: idle ones above it are closed */
	unsigned idle;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

const char *proc_path(char *buf, int fd)
{
	snprintf(buf, PROC_PATH_SIZE, "/proc/self/fd/%d", fd);
	return buf;
}

/* A handle may be had and yet not opened: without CAP_DAC_READ_SEARCH, or on
 * a file system that makes handles only to compare them. Try the root's. */
static bool handles_work(void)
{
	struct file_handle *h = fdcache_handle_of(fs.root_fd);
	int fd = h ? open_by_handle_at(fs.root_fd, h, O_PATH | O_CLOEXEC) : -1;

	free(h);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

void fdcache_init(void)
{
	/* A quarter for idle descriptors; the rest is for open files and
	 * directories, and for what is dirty after its last close. */
	cache.limit = fs.fd_limit / 4;
	if (cache.limit > 2048)
		cache.limit = 2048;
	if (cache.limit < 8)
		cache.limit = 8;
	fs.handles = fs.privileged && handles_work();
}

void fdcache_stats(uint64_t *ret_open, uint64_t *ret_limit)
{
	pthread_mutex_lock(&cache.lock);
	*ret_open = cache.open;
	*ret_limit = cache.limit;
	pthread_mutex_unlock(&cache.lock);
}

static void unlink_locked(struct inode *inode)
{
	*(inode->lru_prev ? &inode->lru_prev->lru_next : &cache.oldest) = inode->lru_next;
	*(inode->lru_next ? &inode->lru_next->lru_prev : &cache.newest) = inode->lru_prev;
	inode->lru_prev = inode->lru_next = NULL;
	cache.idle--;
}

static void append_locked(struct inode *inode)
{
	inode->lru_prev = cache.newest;
	inode->lru_next = NULL;
	*(cache.newest ? &cache.newest->lru_next : &cache.oldest) = inode;
	cache.newest = inode;
	cache.idle++;
}

/* Takes an idle descriptor out, for the caller to close. */
static int take_locked(struct inode *inode)
{
	int fd = inode->fd;

	unlink_locked(inode);
	inode->fd = -1;
	cache.open--;
	return fd;
}

/* The oldest one if there are more than keep; -1: none. */
static int take_oldest_locked(unsigned keep)
{
	return cache.idle > keep && cache.oldest ? take_locked(cache.oldest) : -1;
}

static bool shrink_to(unsigned keep)
{
	bool any = false;

	for (;;) {
		int fd;

		pthread_mutex_lock(&cache.lock);
		fd = take_oldest_locked(keep);
		pthread_mutex_unlock(&cache.lock);
		if (fd < 0)
			return any;
		close(fd);
		any = true;
	}
}

bool inode_fds_shrink(void)
{
	return shrink_to(0);
}

bool fdcache_made_room(int error)
{
	bool any;

	if (error != EMFILE && error != ENFILE)
		return false;
	any = inode_fds_shrink();
	return regions_shrink() || any;
}

int fdcache_open(int dirfd, const char *name, int flags)
{
	int fd = openat(dirfd, name, flags | O_CLOEXEC);

	if (fd < 0 && fdcache_made_room(errno))
		fd = openat(dirfd, name, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Of the size that it has: what is cut off from a larger block is of no use between
 * the inodes, and was a quarter of their memory. */
struct file_handle *fdcache_handle_of(int fd)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = {.h = {.handle_bytes = MAX_HANDLE_SZ}};
	struct file_handle *handle;
	size_t size;
	int mount_id;

	if (name_to_handle_at(fd, "", &u.h, &mount_id, AT_EMPTY_PATH))
		return NULL;
	size = sizeof(u.h) + u.h.handle_bytes;
	handle = malloc(size);
	return handle ? memcpy(handle, &u, size) : NULL;
}

static int open_handle(struct inode *inode, int flags)
{
	int fd = open_by_handle_at(fs.root_fd, inode->handle, flags | O_CLOEXEC);

	if (fd < 0 && fdcache_made_room(errno))
		fd = open_by_handle_at(fs.root_fd, inode->handle, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Opens parent's entry and makes sure that it is inode still. */
static int step(int dirfd, const char *name, const struct inode *inode)
{
	struct identity id;
	struct stat st;
	int fd = fdcache_open(dirfd, name, O_PATH | O_NOFOLLOW), rc;

	if (fd < 0)
		return fd == -ENOENT ? -ESTALE : fd;
	rc = identify(fd, "", &id, &st);
	if (!rc && !identity_equal(&id, &inode->id))
		rc = -ESTALE; /* moved or replaced beneath the mount */
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}

/* Opens inode in its parent, whose descriptor is open as a rule. */
static int open_in_parent(struct inode *inode)
{
	struct inode *parent;
	char *name = inode_name_get(inode, &parent);
	int dirfd, fd;

	if (!name)
		return -ESTALE;
	dirfd = inode_fd_get(parent);
	fd = dirfd < 0 ? dirfd : step(dirfd, name, inode);
	if (dirfd >= 0)
		inode_fd_put(parent);
	inode_put(parent);
	free(name);
	return fd;
}

static bool is_open(struct inode *inode)
{
	bool open;

	pthread_mutex_lock(&cache.lock);
	open = inode->fd >= 0;
	pthread_mutex_unlock(&cache.lock);
	return open;
}

static void done_with(struct inode *inode)
{
	if (!inode)
		return;
	inode_fd_put(inode);
	inode_put(inode);
}

/*
 * Opens the ancestors that are closed, from the top down, so that
 * open_in_parent() does not recurse: a tree may be deeper than a stack. Each is
 * in use until the next one is open. *ret_parent: inode's parent, in use and
 * ref'd, or NULL if it was open.
 */
static int open_ancestors(struct inode *inode, struct inode **ret_parent)
{
	struct inode **chain = NULL, *at = inode, *above = NULL;
	size_t n = 0, room = 0;
	int rc = 0;

	for (;;) {
		struct inode *parent;
		char *name = inode_name_get(at, &parent);

		free(name);
		if (!name)
			break;
		if (is_open(parent)) {
			inode_put(parent);
			break;
		}
		if (n == room) {
			struct inode **more = realloc(chain, (room + 64) * sizeof(*chain));

			if (!more) {
				inode_put(parent);
				rc = -ENOMEM;
				break;
			}
			chain = more;
			room += 64;
		}
		chain[n++] = at = parent;
	}
	for (size_t k = n; k-- > 0;) {
		int fd = rc ? rc : inode_fd_get(chain[k]);

		done_with(above);
		above = NULL;
		if (fd < 0) {
			rc = fd;
			inode_put(chain[k]);
		} else {
			above = chain[k];
		}
	}
	free(chain);
	*ret_parent = above;
	return rc;
}

static int open_path(struct inode *inode)
{
	struct inode *parent;
	int rc;

	names_lock_shared();
	rc = open_ancestors(inode, &parent);
	if (!rc)
		rc = open_in_parent(inode);
	done_with(parent);
	names_unlock();
	return rc;
}

/* The descriptor if it is open, counted as used; else -1. */
static int use_open(struct inode *inode)
{
	int fd;

	pthread_mutex_lock(&cache.lock);
	fd = inode->fd;
	if (fd >= 0 && inode->fd_users++ == 0 && !inode->fd_pinned)
		unlink_locked(inode);
	pthread_mutex_unlock(&cache.lock);
	return fd;
}

/* Installs fd unless another thread was first; either way one use is counted. */
static int install(struct inode *inode, int fd)
{
	int other;

	pthread_mutex_lock(&cache.lock);
	other = inode->fd;
	if (other >= 0) {
		if (inode->fd_users++ == 0 && !inode->fd_pinned)
			unlink_locked(inode);
	} else {
		inode->fd = fd;
		inode->fd_users = 1;
		cache.open++;
	}
	pthread_mutex_unlock(&cache.lock);
	if (other >= 0)
		close(fd);
	return other >= 0 ? other : fd;
}

int inode_fd_get(struct inode *inode)
{
	int fd = use_open(inode);

	if (fd >= 0)
		return fd;
	fd = inode->handle ? open_handle(inode, O_PATH | O_NOFOLLOW) : open_path(inode);
	return fd < 0 ? fd : install(inode, fd);
}

/* An idle descriptor on a file system that is mounted beneath BACKING would
 * keep it from being unmounted. */
static bool worth_keeping(const struct inode *inode)
{
	return inode->id.dev == (uint64_t)fs.root_dev;
}

void inode_fd_put(struct inode *inode)
{
	int excess = -1;

	pthread_mutex_lock(&cache.lock);
	if (--inode->fd_users == 0 && !inode->fd_pinned) {
		append_locked(inode);
		if (worth_keeping(inode))
			excess = take_oldest_locked(cache.limit);
		else
			excess = take_locked(inode);
	}
	pthread_mutex_unlock(&cache.lock);
	if (excess >= 0)
		close(excess);
}

void fdcache_give(struct inode *inode, int fd)
{
	install(inode, fd);
	inode_fd_put(inode);
}

int inode_pin_fd(struct inode *inode)
{
	int fd = inode_fd_get(inode);

	if (fd < 0)
		return fd;
	pthread_mutex_lock(&cache.lock);
	inode->fd_pinned = true;
	inode->fd_users--;
	pthread_mutex_unlock(&cache.lock);
	return 0;
}

void fdcache_drop(struct inode *inode)
{
	int fd;

	pthread_mutex_lock(&cache.lock);
	fd = inode->fd;
	if (fd >= 0) {
		if (!inode->fd_pinned)
			unlink_locked(inode);
		inode->fd = -1;
		if (inode != fs.root)
			cache.open--;
	}
	pthread_mutex_unlock(&cache.lock);
	if (fd >= 0 && inode != fs.root)
		close(fd);
}

int inode_open(struct inode *inode, int flags)
{
	char path[PROC_PATH_SIZE];
	int fd;

	if (inode->handle)
		return open_handle(inode, flags);
	fd = inode_fd_get(inode);
	if (fd < 0)
		return fd;
	/* The magic link leads to the inode itself, so O_NOFOLLOW must be off. */
	fd = fdcache_open(AT_FDCWD, proc_path(path, fd), flags & ~O_NOFOLLOW);
	inode_fd_put(inode);
	return fd;
}

/* SPDX-License-Identifier: MIT */
/* The watch's marks: which inodes events are asked for. */
#include "watch.h"

#include <errno.h>
#include <string.h>
#include <sys/fanotify.h>

#include "log.h"

#define DIRECTORY_MASK                                                                       \
	(FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | FAN_MODIFY | FAN_ATTRIB | \
	 FAN_ONDIR | FAN_EVENT_ON_CHILD | FAN_DELETE_SELF | FAN_MOVE_SELF)
#define FILE_MASK (FAN_MODIFY | FAN_ATTRIB | FAN_DELETE_SELF | FAN_MOVE_SELF)

/*
 * The lock keeps the removal of a forgotten inode's mark from taking the one
 * that a new inode object of the same file has just set: the kernel has one
 * mark for both. Held across the call, which waits for no request; table.lock
 * is taken inside.
 */
static struct marks {
	pthread_mutex_t lock;
	int fd;            /* constant */
	uint64_t count;    /* inode objects that are marked */
	uint64_t unmarked; /* directories that could not be */
	bool told;         /* that the limit is reached */
} marks = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

void watch_marks_use(int fanotify_fd)
{
	marks.fd = fanotify_fd;
}

static uint64_t mask_of(const struct inode *inode)
{
	return S_ISDIR(inode->type) ? DIRECTORY_MASK : FILE_MASK;
}

/* Events name files of other file systems by handles that may be the same as
 * one of BACKING's. */
static bool may_mark(const struct inode *inode)
{
	return inode->key && inode->id.dev == (uint64_t)fs.root_dev;
}

static void tell_refused_locked(int error)
{
	if (marks.told || error != ENOSPC)
		return;
	marks.told = true;
	log_warning("fs.fanotify.max_user_marks is reached: changes that others make in further "
		    "directories of %s show after up to a second",
		    fs.backing);
}

static void mark_locked(struct inode *inode, int fd)
{
	char path[PROC_PATH_SIZE];

	if (may_mark(inode) && fanotify_mark(marks.fd, FAN_MARK_ADD, mask_of(inode), AT_FDCWD,
					     proc_path(path, fd)) == 0) {
		atomic_store(&inode->watched, WATCH_MARKED);
		marks.count++;
		return;
	}
	if (may_mark(inode))
		tell_refused_locked(errno);
	atomic_store(&inode->watched, WATCH_CANNOT);
	marks.unmarked += S_ISDIR(inode->type);
}

bool watch_mark(struct inode *inode)
{
	bool newly = false;
	int fd;

	if (!fs.watch || inode->is_virtual || atomic_load(&inode->watched) != WATCH_NOT_YET)
		return false;
	fd = inode_fd_get(inode);
	if (fd < 0)
		return false; /* tried again when it is found again */
	pthread_mutex_lock(&marks.lock);
	if (atomic_load(&inode->watched) == WATCH_NOT_YET) {
		mark_locked(inode, fd);
		newly = watch_marked(inode);
	}
	pthread_mutex_unlock(&marks.lock);
	inode_fd_put(inode);
	return newly;
}

bool watch_found(struct inode *dir, struct inode *inode, const struct stat *st)
{
	bool newly = false;

	if (!fs.watch)
		return false;
	if (S_ISDIR(inode->type) || st->st_nlink > 1)
		newly = watch_mark(inode);
	if (!S_ISDIR(inode->type))
		atomic_store(&inode->heard,
			     watch_marked(inode) || (st->st_nlink == 1 && watch_marked(dir)));
	return newly;
}

/* Whether the kernel's mark of inode is gone: taken off, or with the file. */
static bool take_off_locked(struct inode *inode, int fd)
{
	char path[PROC_PATH_SIZE];

	if (inode_other_marked(inode))
		return true; /* it is the other one's now */
	if (fd < 0)
		return fd == -ESTALE && inode->handle;
	return fanotify_mark(marks.fd, FAN_MARK_REMOVE, mask_of(inode), AT_FDCWD,
			     proc_path(path, fd)) == 0 ||
	       errno == ENOENT;
}

void watch_unmark(struct inode *inode)
{
	int fd;

	if (!fs.watch || atomic_load(&inode->watched) == WATCH_NOT_YET)
		return;
	if (!watch_marked(inode)) {
		pthread_mutex_lock(&marks.lock);
		marks.unmarked -= S_ISDIR(inode->type);
		pthread_mutex_unlock(&marks.lock);
		return;
	}
	/* Where files are found by path, the walk needs the names lock, which the
	 * caller may hold: only try. A mark that stays is counted on. */
	if (!names_trylock_shared())
		return;
	fd = inode_fd_get(inode);
	pthread_mutex_lock(&marks.lock);
	marks.count -= take_off_locked(inode, fd);
	pthread_mutex_unlock(&marks.lock);
	if (fd >= 0)
		inode_fd_put(inode);
	names_unlock();
}

void watch_stats(struct watch_stats *ret)
{
	pthread_mutex_lock(&marks.lock);
	ret->marks = marks.count;
	ret->unmarked_directories = marks.unmarked;
	pthread_mutex_unlock(&marks.lock);
}

/* SPDX-License-Identifier: MIT */
/*
 * The watch: hears of what others change in BACKING, and takes it back from
 * the kernel's cache.
 *
 * Every directory that the kernel knows bears an inode mark of fanotify(7),
 * and so does a file of several links, which may be changed through a
 * directory that is not known. One thread reads the events, drops those that
 * the daemon itself made, and sends notifications for the rest: only it does,
 * and it holds no lock meanwhile, for the kernel takes locks of directories
 * for them that programs hold while they wait for a worker.
 *
 * Parts: watch.c the life of it, watch_mark.c the marks, watch_event.c what an
 * event says, watch_apply.c what follows from it, watch_mounts.c what is mounted
 * beneath BACKING, invalidate.c the notifications, resync.c size and mtime under
 * the write-back cache.
 */
#ifndef MMAPFS_WATCH_H
#define MMAPFS_WATCH_H

#include "inode.h"

enum watched { WATCH_NOT_YET, WATCH_MARKED, WATCH_CANNOT };

struct watch_stats {
	uint64_t marks, unmarked_directories;
};

/* Decides whether there is a watch: fs.watch, fs.epochs. The session is
 * mounted, nothing was served yet, no capability dropped. */
void watch_open(void);

/* Starts and ends the thread. It must end while requests are still answered,
 * or when the connection is cut; called again it does nothing. */
int watch_start(void);
void watch_stop(void);
void watch_release(void);

/* Why there is no watch, or that there is one: for the status. */
const char *watch_word(void);

/* ------------------------------------------------- watch_mark.c */

/* The descriptor of fanotify(7) to mark on. Before the first mark. */
void watch_marks_use(int fanotify_fd);

/* inode was found in dir: marks what must be marked. Returns whether st may be
 * older than the mark, so that it must be taken anew. */
bool watch_found(struct inode *dir, struct inode *inode, const struct stat *st);

/* Marks inode unless that was done. Whether it was now. */
bool watch_mark(struct inode *inode);

/* inode is about to be freed, its descriptor not yet closed. */
void watch_unmark(struct inode *inode);

static inline bool watch_marked(const struct inode *inode)
{
	return atomic_load_explicit(&inode->watched, memory_order_relaxed) == WATCH_MARKED;
}

void watch_stats(struct watch_stats *ret);

/* ------------------------------------------------- watch_mounts.c */

/* A descriptor for which poll(2) reports POLLPRI when watch_mounts_look() is
 * due; -1: none. Before the first lookup is answered. */
int watch_mounts_open(void);

/* Drops all entries if something was mounted beneath BACKING, or unmounted. */
void watch_mounts_look(void);
void watch_mounts_release(void);

/* ------------------------------------------------- watch_event.c */

/* What a batch of events comes to. */
struct watch_batch;

struct watch_batch *watch_batch_new(void);
void watch_batch_free(struct watch_batch *batch);

/* Takes in what read(2) gave. The bytes must stay until watch_apply(). Whether
 * any of it was foreign. */
bool watch_batch_read(struct watch_batch *batch, const void *events, size_t len);

/* ------------------------------------------------- watch_apply.c */

#define WATCH_ATTR 1u /* attributes may have changed */
#define WATCH_DATA 2u /* contents may have */

/* One inode of a batch, and the name by which it was changed if that is known. */
struct watch_change {
	struct inode *inode; /* a counted ref */
	unsigned what;
	struct inode *dir;   /* a counted ref, or NULL */
	const char *name;
};

void watch_apply_change(const struct watch_change *change);

/* Events were lost: drops everything that the kernel has cached. */
void watch_apply_overflow(void);

#endif

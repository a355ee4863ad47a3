/* SPDX-License-Identifier: MIT */
/*
 * Inodes that the kernel knows, and how to get at their files again.
 *
 * An inode is identified by device, inode number and birth time. Two counts
 * are kept apart: lookups, which the kernel gives back by FORGET, and refs,
 * which the daemon itself holds (handles, regions, children). The object is
 * freed when both are gone. A node number given to the kernel is the
 * object's address; it is not reused for another file while the kernel
 * knows it, and each object has a generation of its own.
 *
 * Descriptors: an inode has an O_PATH descriptor only while somebody uses it
 * or while it is among the most recently used (a bounded number). It is
 * opened again by file handle where the daemon is privileged and the file
 * system has them, else by walking from BACKING's root along remembered
 * names, one component at a time, never through a symlink, and compared
 * with the identity. An inode that is about to lose its last name is pinned
 * open first.
 */
#ifndef MMAPFS_INODE_H
#define MMAPFS_INODE_H

#include <pthread.h>
#include <sys/stat.h>

#include "fs.h"
#include "identity.h"

struct region;
struct commit;
struct file_handle;
struct misses;

/* What a regular file looked like when the kernel's cache was last known to
 * be right about it. */
struct stamp {
	int64_t size;
	struct timespec mtime, ctime;
};

struct inode {
	struct identity id;        /* constant */
	uint64_t generation;       /* constant */
	mode_t type;               /* S_IFMT bits; constant */
	bool is_virtual;           /* constant: not in BACKING; see control.h */
	struct file_handle *handle; /* constant; NULL: by path */
	struct file_handle *key;   /* constant: what events call it; handle, or owned; NULL: none */

	struct inode *hash_next;   /* table.lock */
	bool hashed;               /* table.lock */
	struct inode *key_next;    /* table.lock; see keys.h */
	bool keyed;                /* table.lock */
	uint64_t nlookup;          /* table.lock */
	uint64_t refs;             /* table.lock */
	struct inode *parent;      /* table.lock; a counted ref; only without handle */
	char *name;                /* table.lock; owned; likewise */

	int fd;                    /* descriptor lock; -1: not open */
	unsigned fd_users;         /* descriptor lock */
	bool fd_pinned;            /* descriptor lock: never closed before the inode */
	struct inode *lru_prev, *lru_next; /* descriptor lock; idle descriptors only */

	pthread_mutex_t lock;      /* guards what follows */
	struct region *region;     /* regular files that are open, or dirty */
	struct stamp stamp;
	bool stamp_valid;
	bool outdated;             /* the kernel keeps a size that is not the file's */
	struct timespec kernel_mtime; /* write-back cache: the mtime that the kernel goes by */
	int64_t looked_ms;         /* when a lookup last compared it */
	uint32_t wb_seq;           /* background sync errors so far */
	int wb_error;              /* the last of them */
	bool wb_seen;              /* some handle has reported it */
	bool listing_old;          /* directory: a listing that is kept is not to be used */
	unsigned passes;           /* handles counted by passthrough.c */
	int backing;               /* of them: the kernel's id, or that there is none */
	unsigned listings;         /* directory: open to read what the kernel may keep */

	atomic_bool wrote;         /* the mount changed the file since the stamp was taken */
	atomic_bool mtime_moved;   /* by data written back since kernel_mtime was set */
	atomic_int capability;     /* security.capability: see xattr.c */
	atomic_bool dir_dirty;     /* directory: on the list of dirs.h */
	atomic_uint looked_up;     /* directory: see dir.c; 0: not since it was listed with attributes */
	atomic_int watched;        /* enum watched (watch.h); changed under the marks lock */
	atomic_bool heard;         /* not a directory: what others do to it makes events */
	struct commit *commit;     /* constant: see commit.h; NULL: no journal for it */
	atomic_int sync_error;     /* a sync of the file has failed for good; negative errno */
	_Atomic(struct misses *) misses; /* see push.h; NULL: none yet */
	_Atomic(int64_t) size_seen; /* regular file: BACKING's size when it was last looked at, or
				     * what the mount has made it since */
};

struct inode_stats {
	uint64_t count, fds, fd_limit, memory_bytes;
};

/* The table, with BACKING's root in it as fs.root. 0 or negative errno. */
int inode_table_init(void);
/* Frees every inode. No request is under way. */
void inode_table_release(void);
void inode_stats(struct inode_stats *ret);

/* The inode of a node number: borrowed; valid as long as the request. */
static inline struct inode *inode_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? fs.root : (struct inode *)(uintptr_t)ino;
}

static inline fuse_ino_t inode_number(struct inode *i)
{
	return i == fs.root ? FUSE_ROOT_ID : (fuse_ino_t)(uintptr_t)i;
}

/*
 * Finds or makes the inode of parent's entry name, counts a lookup, and
 * fills attributes. 0 or negative errno. The caller gives the lookup back
 * by inode_forget() if the kernel does not learn of it.
 */
int inode_lookup(struct inode *parent, const char *name, struct inode **ret_inode, struct stat *ret_st);

/* The same for an entry that is not likely to be known: a call less if it is not,
 * and no harm done if it is. */
int inode_lookup_new(struct inode *parent, const char *name, struct inode **ret_inode,
		     struct stat *ret_st);

/* Whether the table has an inode of that number, of whatever birth. */
bool inode_is_known(uint64_t dev, uint64_t ino);

/* The inode of parent's entry name if it is in the table: a counted ref for
 * inode_put(), or NULL. No lookup is counted. */
struct inode *inode_find(struct inode *parent, const char *name);

/* The inode that events call key: a counted ref, or NULL. */
struct inode *inode_find_key(const struct file_handle *key);

/* Whether another object than inode stands for its file in the table, and has
 * the watch's mark. */
bool inode_other_marked(struct inode *inode);

/* Calls f for each inode of BACKING, ref'd and no lock held. */
void inodes_each(void (*f)(struct inode *inode, void *arg), void *arg);

/* Gives the root its key, for the watch. */
void inode_root_key(void);

/* Kernel's FORGET. */
void inode_forget(struct inode *inode, uint64_t n);

void inode_get(struct inode *inode);
void inode_put(struct inode *inode);

/* An O_PATH descriptor, to be given back by inode_fd_put(); or negative errno. */
int inode_fd_get(struct inode *inode);
void inode_fd_put(struct inode *inode);

/* Opens the file itself: a descriptor that the caller owns, or negative errno. */
int inode_open(struct inode *inode, int flags);

/* Keeps the inode reachable though its name goes away. 0 or negative errno. */
int inode_pin_fd(struct inode *inode);

/* Tells that the inode's name is now this (rename). Only without handles. */
void inode_moved(struct inode *inode, struct inode *parent, const char *name);

/* Closes idle descriptors: used when the process has run out. Returns whether any was closed. */
bool inode_fds_shrink(void);

/* Attributes of the file itself. 0 or negative errno. */
int inode_stat(struct inode *inode, struct stat *ret_st);

/* A clock for looked_ms. */
int64_t inode_now_ms(void);

/* Stamp and st agree on size, mtime and (with_ctime) ctime. */
bool stamp_matches(const struct stamp *stamp, const struct stat *st, bool with_ctime);
/* Takes the stamp anew from the descriptor: what the file is now is what
 * the mount made of it. Takes inode.lock. */
void inode_restamp(struct inode *inode, int fd);

/*
 * With the write-back cache mtime is the kernel's: it says so by SETATTR, but
 * not if it took a write for no later than the mtime it knew, and background
 * flushes may send the time before the data. Writing data back moves BACKING's
 * mtime in either case; settle puts it right, where a program may count on it
 * (fsync, close). Both do nothing without the write-back cache.
 */
void inode_mtime_told(struct inode *inode, const struct timespec *mtime);
void inode_mtime_settle(struct inode *inode, int fd);
/* Size or mtime are not what the kernel was last right about. */
bool inode_differs(struct inode *inode, const struct stat *st);

/* The kernel keeps a size or mtime that is not the file's: a new node at the
 * next lookup after its last close. */
void inode_set_outdated(struct inode *inode);

/* The kernel was made to take size and mtime from BACKING: st. */
void inode_taken_over(struct inode *inode, const struct stat *st);

/* The mount wrote up to end. */
void inode_size_grew(struct inode *inode, int64_t end);

/* How much of the stamp is right. Where ctime alone is not, a name was removed
 * or others changed attributes: the kernel's size and mtime are right still.
 * STAMP_DUE: the mount wrote, and it will be taken anew. */
enum stamp_state { STAMP_WRONG, STAMP_DUE, STAMP_BUT_CTIME, STAMP_RIGHT };

/* Around a change by the mount that moves ctime: begin says what of the stamp
 * was right before, and end then takes that anew. A change that others made
 * before is so not mistaken for the mount's own. fd: any of the inode. */
enum stamp_state own_change_begin(struct inode *inode, int fd);
void own_change_end(struct inode *inode, int fd, enum stamp_state before);

/* Without handles, a rename must not fall between a walk along names and
 * their change: renames hold the lock exclusively, walks share it (and may
 * take it again inside). Outermost of all locks. Nothing with handles. */
void names_lock_shared(void);
void names_lock_exclusive(void);
bool names_trylock_shared(void);
void names_unlock(void);

/* The remembered name, allocated, and the parent with a ref; NULL: none. */
char *inode_name_get(struct inode *inode, struct inode **ret_parent);

/* "/proc/self/fd/N" for calls that have no descriptor form. */
#define PROC_PATH_SIZE 32
const char *proc_path(char *buf, int fd);

#endif

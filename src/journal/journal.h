/* SPDX-License-Identifier: MIT */
/*
 * journal.h - small pending writes and name operations, durable before they are in their files
 *
 * The journal is two record logs ("halves") in a directory, and a marker in
 * BACKING; man/mmapfs-format.5 has every byte. Records go to one half. When it is
 * full, or the interval has gone by, the other one is taken, and a thread makes all of
 * BACKING durable and then empties the first. What a commit has returned for is
 * brought back by journal_replay() after power was lost at any instant.
 *
 * Errors are negative errnos or negated mms_errnos. Nothing is printed: place.say is told.
 *
 * Contract: what a record tells has been done to BACKING before it is appended; the page cache is
 * enough, for a checkpoint is syncfs(2). Times that mapped stores owe must be settled too.
 *
 * Threads: all calls may run concurrently, but for journal_close(). Calls wait for the disk where
 * they say so, and journal_data(), journal_truncate() and journal_name_end() while both halves
 * are full. Never from a thread that a syncfs(2) of BACKING waits for.
 *
 * Locks, left before right: names lock (from journal_name_begin() to journal_name_end()) ->
 * journal.lock -> those of the store. journal.lock is held over an append to the active half, and
 * over the one flush by which a half is left; never over syncfs(2).
 */
#ifndef MMAPFS_JOURNAL_H
#define MMAPFS_JOURNAL_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "mmapstore.h"

struct journal;
struct journal_sys;

/* Which file: what is known of it. */
struct journal_node {
	uint64_t ino;
	int64_t btime_sec; /* of its birth; 0 where the file system has none */
	uint32_t btime_nsec;
	const struct file_handle *handle; /* borrowed; NULL: none */
	const char *path;                 /* beneath BACKING, borrowed; "": BACKING; NULL: not known */
};

enum journal_level { JOURNAL_ERROR, JOURNAL_WARNING, JOURNAL_INFO };

/* Where things are, for all calls. */
struct journal_place {
	int backing_fd;  /* BACKING, O_RDONLY | O_DIRECTORY; borrowed */
	int state_fd;    /* BACKING/.mmapfs, borrowed */
	const char *dir; /* absolute path of the journal's directory */
	bool handles;    /* open_by_handle_at(2) may be used */
	void (*say)(void *arg, enum journal_level level, const char *text); /* one sentence */
	void (*progress)(void *arg, uint64_t done, uint64_t total); /* zeroing; may be NULL */
	void *arg;
	const struct journal_sys *sys; /* NULL: the system; another one is for tests */
};

/* BACKING/.mmapfs/journal.path, which names a journal's directory elsewhere. 1: in buf; 0: there is
 * none, and the directory is BACKING/.mmapfs/journal. */
int journal_path_read(int state_fd, char buf[4096]);
/* Durable on return. NULL: removes it. */
int journal_path_write(int state_fd, const char *dir);

/* Whether dir has logs with live records: 1, 0, or negative errno. */
int journal_is_live(struct mms_pool *pool, const struct journal_place *place,
		    struct mms_error *err);

struct journal_report {
	uint64_t records, applied_data, applied_bytes, redone_names, skipped_gone, retired;
	uint64_t quarantined_files;
	bool same_mount; /* nothing was lost, nothing replayed */
	bool damaged;    /* acknowledged records are damaged */
};

/* Replays what is live and empties the logs. 0 also if there is nothing. After a failure the
 * journal is as live as before, and the call may be repeated. */
int journal_replay(struct mms_pool *pool, const struct journal_place *place,
		   struct journal_report *ret_report, struct mms_error *err);

/* Whether an error says that a log, or a record in it, is not what it should be. */
bool journal_is_unreadable(int error);

struct journal_options {
	uint64_t size;        /* both halves; 0: 64 MiB; at least 1 MiB */
	unsigned interval_ms; /* background checkpoint when anything is live; 0: 5000 */
	bool names;           /* name operations are records */
};

/* Replay must have been done: -EBUSY if records are live, or the directory is another journal's.
 * Makes the logs where there are none, or of another size; what it has made is gone again where it
 * fails. Starts the threads. */
int journal_open(struct mms_pool *pool, const struct journal_place *place,
		 const struct journal_options *options, struct journal **ret,
		 struct mms_error *err);

/* Makes a checkpoint and returns what that returned: a clean journal is empty. NULL is allowed. */
int journal_close(struct journal *j);

/* Bytes of a DATA record; size/8, if that is less. */
#define JOURNAL_DATA_MAX (4u << 20)

struct journal_extent {
	uint64_t offset;
	uint32_t len;
	const void *bytes;
};

struct journal_data {
	uint64_t size;
	struct timespec mtime, ctime;
	const struct journal_extent *extents;
	unsigned n_extents;
};

/*
 * Append; not durable yet. ret_seq may be NULL. -EMSGSIZE: too long for a record: use a real sync.
 * -EIO: a checkpoint has failed, and nothing new is taken: likewise. After a failed flush: its error.
 */
int journal_data(struct journal *j, const struct journal_node *node,
		 const struct journal_data *data, uint64_t *ret_seq);
int journal_truncate(struct journal *j, const struct journal_node *node, uint64_t size,
		     uint64_t *ret_seq);

/* All records up to seq are durable on return (UINT64_MAX: all appended before the call). Those who
 * wait at once share one flush. */
int journal_commit(struct journal *j, uint64_t seq);

/*
 * The same for who does not wait: done is called once with what journal_commit() would have
 * returned, with no lock of the journal held, from this call or from another thread's that
 * commits or retires, which may hold locks of its own: done may take none that come before
 * the journal's. This call may flush, and answer others who have left theirs, for as long as some
 * do; or return at once.
 */
void journal_commit_then(struct journal *j, uint64_t seq, void (*done)(void *arg, int result),
			 void *arg);

/* Waits until all that were left there have been answered. */
void journal_settle(struct journal *j);

/* Sequence of the last record appended. */
uint64_t journal_position(struct journal *j);

/*
 * The file's own data were made durable by a real sync: its records up to until are void, durably
 * on return. until is the position from before the sync began, for records that came later may
 * tell of data that it did not have; UINT64_MAX: all appended before the call. Cheap if the file
 * has none live. Where this fails the records may be replayed over newer data: the sync that it
 * follows must fail too.
 */
int journal_retire(struct journal *j, const struct journal_node *node, uint64_t until);

/* Whether the file may have live records. */
bool journal_has(struct journal *j, const struct journal_node *node);

enum journal_op {
	JOURNAL_CREATE,
	JOURNAL_MKDIR,
	JOURNAL_MKNOD,
	JOURNAL_SYMLINK,
	JOURNAL_LINK,
	JOURNAL_UNLINK,
	JOURNAL_RMDIR,
	JOURNAL_RENAME,
};

struct journal_name {
	enum journal_op op;
	struct journal_node parent, new_parent /* rename */, child;
	const char *name, *new_name /* rename */, *target /* symlink */;
	unsigned flags; /* rename */
	mode_t mode;    /* of the child as it came out, as are the next */
	uid_t uid;
	gid_t gid;
	dev_t rdev;
};

/*
 * Around an operation on BACKING: takes the names lock and sets the marker. On failure the lock is
 * not held. While the journal is open every name operation goes through these, also when it takes
 * no records any more: where the marker stands still, the last operation before it would be taken
 * for one that may not have been done.
 */
int journal_name_begin(struct journal *j);
/* Appends the record (NULL: the operation failed) and gives the lock back. Not durable yet. */
int journal_name_end(struct journal *j, const struct journal_name *name, uint64_t *ret_seq);

/* A checkpoint now; returns when all that was appended before is in its files, durably. */
int journal_checkpoint(struct journal *j);

struct journal_stats {
	uint64_t records, bytes; /* appended */
	uint64_t commits;        /* asked for */
	uint64_t flushes;        /* made for them */
	uint64_t checkpoints;
	uint64_t waits_full; /* appends that waited for a checkpoint */
	uint64_t live_records, live_bytes, size_bytes;
	uint64_t retired; /* RETIRE records */
	int broken;       /* negative errno, or 0 */
};

void journal_stats(struct journal *j, struct journal_stats *ret);

/* Whether the file system commits name operations in the order in which they were made: ext4 with
 * its journal and without fast commits, and xfs. */
bool journal_names_ordered(int backing_fd);

#endif

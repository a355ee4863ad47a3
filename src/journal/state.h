/* SPDX-License-Identifier: MIT */
/* state.h - an open journal */
#ifndef JOURNAL_STATE_H
#define JOURNAL_STATE_H

#include <pthread.h>

#include "format.h"
#include "halves.h"
#include "place.h"

/* A file with live records. */
struct live_node {
	struct node_link link;
	uint64_t last; /* sequence of the last one */
};

/* Who has left a commit to whoever flushes. */
struct waiter {
	struct waiter *next;
	uint64_t seq;
	void (*done)(void *arg, int result);
	void *arg;
};

struct journal_half {
	struct mms_log *log;
	uint64_t used;    /* bytes of records; 0: empty */
	uint64_t records; /* live in it */
	uint64_t last;    /* sequence of the last one */
};

struct journal {
	/* Set before start. */
	struct journal_place place;
	char *dir;
	const struct journal_sys *sys;
	struct journal_options options;
	struct place_mount mount;
	uint64_t half_bytes;
	/* BACKING, opened anew: an error of writing back is told once to each open file by
	 * syncfs(2), and nobody else may take this one. */
	int sync_fd;
	int mark_fd; /* -1: names are not journalled */
	int lock_fd; /* the directory, for this journal alone */
	bool made_dir, made[JOURNAL_HALVES]; /* by this opening, and removed again if it fails */
	pthread_t checkpointer, beater;

	pthread_mutex_t names_lock;
	uint64_t number; /* names lock: of the last operation begun */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* lock: a checkpoint has ended, or is wanted */
	pthread_cond_t flushed; /* lock: a flush has ended */
	struct journal_half half[JOURNAL_HALVES]; /* lock; used, and what follows */
	unsigned active;       /* lock: index */
	bool draining;         /* lock: the other half waits for the checkpoint or is in it */
	bool flushing;         /* lock: one flush at a time is made for commits */
	unsigned serving;      /* lock: threads that answer waiters just now */
	struct waiter *waiting; /* lock: only while somebody flushes, or is about to look here */
	uint64_t appended;     /* lock: last sequence */
	uint64_t durable;      /* lock: all up to this one are */
	uint64_t emptied;      /* lock: all up to this one are in their files */
	uint64_t wanted;       /* lock: a checkpoint of all up to this one is asked for */
	uint64_t last_ms;      /* lock: when a record was appended last */
	bool stop;             /* lock */
	int failed;            /* lock: why there are no more checkpoints; 0: there are */
	int broken;            /* lock: why the logs take no more records; 0: they do */
	bool abandoned;        /* lock: broken, but nothing in the logs can be replayed any more */
	bool abandon_failed;   /* lock */
	struct node_table live; /* lock */
	struct journal_stats stats; /* lock */
};

/* -------------------------------------------------------------- append.c */

/* What a record is appended for. */
enum append_kind {
	APPEND_NEW,    /* not after a failed checkpoint */
	APPEND_RETIRE, /* uses the room that is kept back for it */
	APPEND_BEAT,   /* likewise; and where there is none, need not be */
};

/* Appends a payload made by format_*(), with the bytes of the extents behind it. node: the file
 * that has a live record by it; NULL: none. */
int append_locked(struct journal *j, enum append_kind kind, enum record_type type,
		  struct format_buf *b, const struct journal_data *data,
		  const struct node_key *node, uint64_t *ret_seq);

/* Goes on in the other half, which is empty. What was appended so far is durable then. */
int switch_locked(struct journal *j);

void break_locked(struct journal *j, int why);

/* -------------------------------------------------------------- commit.c */

int commit_locked(struct journal *j, uint64_t seq);

/* ---------------------------------------------------------- checkpoint.c */

void *checkpointer_run(void *journal);
void *beater_run(void *journal);

#endif

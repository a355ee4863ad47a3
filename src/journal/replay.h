/* SPDX-License-Identifier: MIT */
/* replay.h - a replay under way */
#ifndef JOURNAL_REPLAY_H
#define JOURNAL_REPLAY_H

#include "halves.h"
#include "locate.h"

enum judgement { NOT_JUDGED, FINE, QUARANTINED };

/* What is known of a file of the log, by the identity that the log gives it. */
struct seen_node {
	struct node_link link;
	uint64_t void_until; /* records up to this sequence are not applied */
	bool is_mapped;      /* it had to be made again, and is now ... */
	struct node_key to;  /* ... this one ... */
	struct record_node *made; /* ... with this handle, if known. Owned */
	enum judgement judged;
	struct mms_log *quarantine; /* owned; NULL: not begun */
};

struct replay {
	struct mms_pool *pool;
	const struct journal_place *place;
	const struct journal_sys *sys;
	struct journal_report *report;
	struct mms_error *err;
	struct half half[JOURNAL_HALVES]; /* live ones first, in order */
	unsigned n_live;
	struct place_mount now;
	struct record_start start; /* of the log; version 0: none was found */
	uint64_t last_ns;          /* time of the last record */
	struct node_table nodes;
	struct finder finder;
	struct mms_log *log; /* the youngest half, for MAP and HEARTBEAT */
	uint64_t beat_ms;    /* when the last one was written */
	int mark_fd;         /* -1: names are not in the log */
	uint64_t mark;       /* as it was found */
};

/* Entries of nodes; -ENOMEM fills err. */
struct seen_node *replay_node(struct replay *r, const struct node_key *key);

/* Appends to the log, durably. */
int replay_note(struct replay *r, enum record_type type, struct format_buf *b);

/* An O_PATH descriptor of a node of the log, or -ENOENT. */
int replay_open(struct replay *r, const struct journal_node *node, struct seen_node *seen);

/* ------------------------------------------------------------ damage.c */

/* Looks behind where the log ends. Where acknowledged records are lost, says so, keeps copies of
 * the logs, and leaves in r what is to be replayed. */
int damage_check(struct replay *r);

/* --------------------------------------------------- apply.c, redo.c, quarantine.c */

int apply_data(struct replay *r, const struct mms_record *raw, const struct record *record);
int redo_name(struct replay *r, const struct record *record);

/* 1: this record is put aside instead; 0: it is not. */
int quarantine_judge(struct replay *r, struct seen_node *seen, int fd, const struct stat *st);
int quarantine_keep(struct replay *r, struct seen_node *seen, const struct mms_record *raw);
/* Makes durable what was kept. */
int quarantine_end(struct replay *r);

#endif

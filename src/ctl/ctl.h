/* SPDX-License-Identifier: MIT */
/* ctl.h - what the commands of mmapfsctl share */
#ifndef MMAPFSCTL_H
#define MMAPFSCTL_H

#include <stdbool.h>

#include "journal.h"
#include "place.h"

/* Exit statuses. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_DAMAGED = 3 };

/* A BACKING and its journal, opened. */
struct where {
	const char *backing;
	char dir[JOURNAL_PATH_MAX];
	struct journal_place place;
	struct mms_pool *pool;
	bool has_state; /* there is a .mmapfs, and so maybe a journal */
};

/* Prints what is wrong, and returns an exit status; EXIT_DONE: opened. */
int where_open(struct where *w, const char *backing);
void where_close(struct where *w);

/* "mmapfsctl: TEXT", to standard error. */
__attribute__((format(printf, 1, 2))) void complain(const char *text, ...);
int complain_error(const struct mms_error *err);

/* A name as part of a line: what is no printable ASCII becomes \xNN, and so do \ and ". */
void print_quoted(const char *text);

/* A string of JSON. A path is bytes, and JSON is text: what is no ASCII is written as the code point of
 * its byte. */
void print_json_string(const char *text);

int command_status(struct where *w, bool json);
int command_dump(struct where *w);
int command_replay(struct where *w);
int command_discard(struct where *w, bool force);

/* Daemons hold this lock while they serve. Complains where it is not to be had. */
int where_lock(const struct where *w);
/* Of a journal: damage has an exit status, and a command. */
int complain_journal(const struct where *w, const struct mms_error *err);

#endif

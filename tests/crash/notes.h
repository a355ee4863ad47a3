/* SPDX-License-Identifier: MIT */
/*
 * What a workload notes, outside the mount: before each call that may change
 * something what it is about to do, and after each call that promises
 * something what is promised now, both with the position of the disk's log.
 *
 * A file (not a name) has a history of operations, numbered from 1; a promise
 * says how many of them are durable. A name has a history of states, numbered
 * from 1, each of which is a file that it leads to or 0, none; a promise says
 * which state is durable. A database has transactions. Each is changed by one
 * thread at a time.
 */
#ifndef TESTS_CRASH_NOTES_H
#define TESTS_CRASH_NOTES_H

#include <stdatomic.h>
#include <stdint.h>

#define NOTES_MAGIC 0x7365746f6e687363u
#define NOTES_MAX (1u << 18)
#define NAME_DIRECTORY UINT64_MAX /* the state of a name that leads to a directory */

enum note_kind {
	NOTE_WRITE = 1, /* operations on file id: number n */
	NOTE_TRUNCATE,
	NOTE_PUNCH,
	NOTE_FILE_DONE, /* the call of operation n has returned */
	NOTE_FILE_ACK,
	NOTE_NAME, /* state n of name id: file in seed, name is d<offset>/f<len> */
	NOTE_NAME_DONE,
	NOTE_NAME_ACK,
	NOTE_TXN, /* transaction n of the database */
	NOTE_TXN_ACK,
	NOTE_BEGIN, /* the power may fail from here on */
	NOTE_END,   /* until here */
};

struct note {
	uint64_t position, time_ns;
	uint32_t kind, id, n, reserved;
	uint64_t offset, len, seed;
};

struct notes_head {
	uint64_t magic;
	/* With sync=periodic: what has returned is promised so much later. 0: not at all */
	uint64_t window_ns;
	_Atomic(uint64_t) n;
	struct note notes[];
};

/* At most NOTES_MAX notes, for the log that is being written at log_path. */
void notes_create(const char *path, const char *log_path, uint64_t window_ns);
void notes_add(uint32_t kind, uint32_t id, uint32_t n, uint64_t offset, uint64_t len,
	       uint64_t seed);

/* Ends the program if they are none. */
const struct notes_head *notes_load(const char *path);

#endif

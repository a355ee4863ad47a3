/* SPDX-License-Identifier: MIT */
/* log.h - what the writer, the recovery and the readers of a log share */
#ifndef MMS_LOG_H
#define MMS_LOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arith.h"
#include "mmapstore.h"

struct mms_sys;

/* -------------------------------------------------------------- the format */

#define LOG_PREAMBLE_BYTES 64u
#define LOG_AT_FLAGS 26u /* in the header of a record */

/* No record has a higher one: the next sequence never wraps, and UINT64_MAX means "all". */
#define LOG_SEQUENCE_LAST (UINT64_MAX - 1)

struct log_preamble {
	uint64_t first_sequence;
	uint64_t created_ns;
	uint64_t id;
};

void mms_log_preamble_encode(const struct log_preamble *p, unsigned char buf[LOG_PREAMBLE_BYTES]);
uint64_t mms_log_new_id(const struct mms_sys *sys);
int mms_log_preamble_read(struct mms_file *file, struct log_preamble *ret, struct mms_error *err);

/* What the CRCs of payloads go on from: that of the log's id. */
uint32_t mms_log_seed(uint64_t id);

/* What a record takes in the file. */
static inline uint64_t log_record_bytes(uint64_t payload_bytes)
{
	return MMS_RECORD_HEADER_BYTES + u64_align_up(payload_bytes, MMS_RECORD_HEADER_BYTES);
}

/* Whether a negative result speaks of the data, and not of the system. */
static inline bool log_is_damage(int r)
{
	return r <= -MMS_EMAGIC;
}

/* -------------------------------------------- the mapped piece in use (log_window.c) */

/* One pin that is kept from call to call and follows the place of work. */
struct log_window {
	struct mms_file *file; /* set before use; the rest is 0 */
	bool write;
	struct mms_pin pin;
	uint64_t at;
	size_t len; /* mapped bytes from at on; 0: nothing is pinned */
};

/* Where the byte at offset is mapped, and how many of the len bytes (1 and more) from there on
 * are: the caller bounds them by the size of the file. NULL: not mapped; use the descriptor. */
unsigned char *mms_log_window_at(struct log_window *w, uint64_t offset, size_t len,
				 size_t *ret_len);
void mms_log_window_drop(struct log_window *w);

/* ------------------------------------------------ records in a file (log_scan.c) */

struct log_buffer {
	unsigned char *mem;
	uint64_t at;
	size_t len;
};

struct log_scan {
	struct mms_file *file;
	uint32_t seed;
	uint64_t size;           /* lower from where the file turns out to have been cut on */
	uint64_t used;           /* what whole records need of it, without the last one's padding */
	uint64_t fruitless;      /* payload bytes read that made no stray */
	struct log_buffer near;  /* where the scan is */
	struct log_buffer aside; /* payloads of possible strays */
};

int mms_log_scan_init(struct log_scan *s, struct mms_file *file, uint64_t id);
void mms_log_scan_release(struct log_scan *s);

/* Finds the end of the log and what follows it. Fails where the file cannot be read. */
int mms_log_scan(struct log_scan *s, const struct log_preamble *p, struct mms_log_recovery *ret);

/* ---------------------------------------------------------- the writer (log.c) */

struct mms_log {
	/* Set before start. */
	struct mms_file *file;
	const struct mms_sys *sys;
	enum mms_sync_mode sync;
	unsigned flags;
	uint64_t grow_bytes;
	uint64_t max_bytes; /* OFFSET_MAX: no limit */

	/* Held while a record is stored, and while the file grows for it; never over a sync. */
	pthread_mutex_t lock;
	_Atomic uint32_t seed; /* changed under the lock */
	_Atomic uint64_t next; /* changed under the lock */
	uint64_t durable;      /* lock: all before this sequence are */
	uint64_t end;          /* lock: where the next record goes */
	uint64_t space_end;    /* lock: allocated up to here, and zeros from end on */
	uint64_t size;         /* lock: of the file */
	bool spare;            /* lock: the file may be longer than end */
	unsigned char *pack;   /* lock: where records are put together, or NULL */
	bool unmapped; /* lock: all goes through pwrite(2), since no space can be allocated */
	int error;     /* lock: why the log takes no more records; 0: it does */
	struct log_window window; /* lock */
	uint64_t marked;          /* lock: blocks before this offset are marked dirty ... */
	uint64_t epoch;           /* lock: ... unless file.sync_epoch has moved on from this */
};

/* A log at the end that recovery found. Owns the file, on success only. */
int mms_log_new(struct mms_file *file, const struct log_preamble *p,
		const struct mms_log_options *options, const struct mms_log_recovery *found,
		struct mms_log **ret_log);

void mms_log_latch_locked(struct mms_log *log, int r);

/* ------------------------------------------------ zeros in a file (log_zero.c) */

/* The space up to max_bytes is written, durably. */
int mms_log_fill(struct mms_log *log, const struct mms_log_options *options);

#endif

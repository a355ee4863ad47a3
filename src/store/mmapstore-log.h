/* SPDX-License-Identifier: MIT */
/*
 * mmapstore-log.h - an append-only log of records in a mapped file
 *
 * One writer appends; readers in any thread and process follow it live. The
 * format is in mmapfs-format(5): a preamble of 64 bytes, then records, each a
 * header of 64 bytes and a payload, padded with zeros to a multiple of 64.
 * The valid flag of a record is stored last, with release order, so that a
 * reader sees a record whole or not at all; the checksums are for what
 * happens to it on the disk.
 *
 * Sequence numbers count up by one from record to record.
 *
 * The preamble is a header (see mmapstore-header.h) of magic "MMSL" and
 * version 1 that covers all of it, then the first sequence u64, the time the
 * log was made u64 (ns since 1970, UTC), the log's id u64, zeros to 64. The
 * id is another one in each log, and is what the CRC of each payload begins
 * with, so that no record of another log is ever taken for one of this:
 * neither what a reused block still holds, nor a log inside a payload.
 *
 * Threads: the calls on a log may run concurrently, but for mms_log_close().
 * Appends are made one after the other: those that come while one makes the
 * file grow wait for it, and it may wait for the disk.
 * A reader is used by one thread at a time. A log is held by one writer,
 * who locks it (an open-file-description lock): -EBUSY for a second one.
 */
#ifndef MMAPSTORE_LOG_H
#define MMAPSTORE_LOG_H

#include <sys/uio.h>

#include "mmapstore.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mms_log;
struct mms_log_reader;

/* ------------------------------------------------------------- the record */

#define MMS_RECORD_HEADER_BYTES 64u
#define MMS_RECORD_PAYLOAD_MAX (1u << 30)

#define MMS_RECORD_VALID 1u /* in flags */

/* The header of a record, in the order of its bytes:
 * length u32, payload crc u32, sequence u64, timestamp u64, type u16,
 * flags u8, reserved u8 (0), header crc u32, zeros to 64. The header crc is
 * over all 64 bytes, its own as zeros, and with the valid flag set. The
 * payload crc is over the 8 bytes of the log's id, then the payload. */
struct mms_record_header {
	uint32_t payload_bytes;
	uint32_t payload_crc;
	uint64_t sequence;
	uint64_t timestamp_ns; /* since 1970, UTC */
	uint16_t type;         /* the caller's */
	uint8_t flags;
};

MMS_EXPORT void mms_record_encode(const struct mms_record_header *header,
				  unsigned char buf[MMS_RECORD_HEADER_BYTES]);

/* 1: a valid header. 0: none is there (yet): the valid flag is not set.
 * -MMS_ECHECKSUM; -MMS_ECORRUPT: a payload that is too long, an unknown flag,
 * bytes that should be zero. */
MMS_EXPORT int mms_record_decode(const unsigned char buf[MMS_RECORD_HEADER_BYTES],
				 struct mms_record_header *ret_header);

/* A record as read. payload is valid until the next call on the reader. */
struct mms_record {
	uint64_t sequence;
	uint64_t timestamp_ns;
	uint64_t offset; /* of its header in the file */
	uint16_t type;
	uint32_t payload_bytes;
	const void *payload;
};

/* ------------------------------------------------------------- the writer */

struct mms_log_options {
	/*
	 * When a record is durable: see enum mms_sync_mode. IMMEDIATE: when
	 * mms_log_append() returns, threads that append at once sharing one
	 * flush. PERIODIC needs a syncer on the pool. LAZY: when
	 * mms_log_close() returns.
	 */
	enum mms_sync_mode sync;
	uint64_t first_sequence; /* of a new log; 0: 1 */
	uint64_t grow_bytes;     /* space is allocated in such pieces; 0: 64 MiB */
	uint64_t max_bytes;      /* the file grows no longer, appends fail with -ENOSPC;
				  * 0: no limit */
	mode_t perm;             /* of a new log; 0: 0666, less the umask */
	unsigned flags;          /* MMS_LOG_* */
	/* Called while MMS_LOG_ZERO writes, with bytes done and in all. May be NULL. */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

#define MMS_LOG_MUST_EXIST 1u /* -ENOENT rather than a new log */
#define MMS_LOG_MUST_CREATE 2u /* -EEXIST rather than an old one */
/* Valid records behind a damaged one are cut off with it: see mms_log_open(). */
#define MMS_LOG_CUT_STRAYS 4u
/* Allocates all of max_bytes at once, and leaves the space at close. -EOPNOTSUPP
 * where the file system cannot. */
#define MMS_LOG_PREALLOCATE 8u
/* Writes zeros to all of max_bytes that no record has, durably, and leaves them at close. What is
 * appended there changes nothing but bytes that are on the disk already, so that a flush has no
 * metadata to commit; by pwrite(2), so that it writes no more than those. A log that is found like that is left as it is. */
#define MMS_LOG_ZERO 16u

/* What opening found. */
struct mms_log_recovery {
	uint64_t first_sequence; /* of the log */
	uint64_t next_sequence;  /* that the next record gets */
	uint64_t records;        /* that are whole, from the first on */
	uint64_t end;            /* offset where the next record goes */
	uint64_t torn_bytes;     /* from there to the last byte that is not zero */
	uint64_t strays;         /* valid records of higher sequence after the damage */
	uint64_t stray_first, stray_last; /* their sequences, if any */
	/* Why the log ends. 0: nothing follows. -MMS_ETRUNCATED: a record that was not
	 * finished, or that the file ends in. -MMS_ECHECKSUM: one whose bytes have changed,
	 * or zeros with something behind them. -MMS_ECORRUPT: see mms_record_decode(); or
	 * another sequence than the next. */
	int damage;
};

/*
 * Opens for appending, making the log if it is not there. options NULL: all 0.
 *
 * Recovery: records are checked from the first on, and the log ends before
 * the first that is not whole. What stands there is the end of an append that
 * was cut short, and is cut off, durably, before the log takes a record, so
 * that it can never be taken for one later. But if valid records of this log
 * follow it, data may have been damaged that were durable once: then nothing
 * is changed and the call fails with recovery->damage, telling in err how
 * many would be lost; MMS_LOG_CUT_STRAYS accepts that. (A power failure can
 * leave such records too, if they were never synced.)
 *
 * All records found are durable on return, whatever the sync mode, and so is
 * the name of a log that has none yet (where its directory can be synced).
 *
 * -MMS_EMAGIC, -MMS_EVERSION, -MMS_ECHECKSUM, -MMS_ETRUNCATED, -MMS_ECORRUPT:
 * of the preamble; -EBUSY: another writer has it. ret_recovery may be NULL, and
 * is filled also where the call fails for what recovery found, or later.
 */
MMS_EXPORT int mms_log_open(struct mms_pool *pool, const char *path,
			    const struct mms_log_options *options, struct mms_log **ret_log,
			    struct mms_log_recovery *ret_recovery, struct mms_error *err);

/*
 * Appends one record, timestamped now. ret_sequence may be NULL. The log is as
 * before where there is no space (-ENOSPC, -EDQUOT), the payload is longer than
 * MMS_RECORD_PAYLOAD_MAX or the file would be longer than may be (-EFBIG), or
 * all sequences below UINT64_MAX are used up (-EOVERFLOW). After any other
 * failure, and after a failed sync, also one in the background, the log takes
 * no more records and returns that error: what is on the disk is not known.
 * The payload must not change meanwhile: its checksum would not fit.
 */
MMS_EXPORT int mms_log_append(struct mms_log *log, uint16_t type, const void *payload, size_t len,
			      uint64_t *ret_sequence);

/* The payload in pieces; timestamp_ns 0: now. */
MMS_EXPORT int mms_log_appendv(struct mms_log *log, uint16_t type, uint64_t timestamp_ns,
			       const struct iovec *iov, size_t n_iov, uint64_t *ret_sequence);

/* All records up to this sequence are durable on return; UINT64_MAX: all
 * appended before the call. Threads that wait at once share one flush, and
 * nothing is flushed for what is durable already. */
MMS_EXPORT int mms_log_sync(struct mms_log *log, uint64_t sequence);

/*
 * Empties the log in place: on return it has no record, durably, another id,
 * and first_sequence, which is at least that of the next record; 0: that. The
 * space is kept, and is zeros. If power is lost meanwhile, the log is what it
 * was, or empty. Waits for the disk, and appends wait for it.
 *
 * -EINVAL: first_sequence is too low, or 2^64-1. After any other failure the log takes
 * no more records, and holds what it held, or none. Readers that are open must be
 * opened anew: they find damage, or the old end.
 */
MMS_EXPORT int mms_log_reset(struct mms_log *log, uint64_t first_sequence);

/* Of the next record. All before it are appended. */
MMS_EXPORT uint64_t mms_log_next_sequence(struct mms_log *log);

/* Syncs under IMMEDIATE and LAZY and returns what that returned, or else the
 * error after which the log took no more records; gives back space that was
 * allocated in advance, and ends. NULL is allowed. */
MMS_EXPORT int mms_log_close(struct mms_log *log);

/* ------------------------------------------------------------ the readers */

/* At the first record. The log may have a writer, anywhere, or none. */
MMS_EXPORT int mms_log_reader_open(struct mms_pool *pool, const char *path,
				   struct mms_log_reader **ret_reader, struct mms_error *err);

/*
 * 1: *ret_record is the next record, and the reader stands behind it. 0:
 * there is none yet. -MMS_ECHECKSUM, -MMS_ECORRUPT, -MMS_ETRUNCATED: what stands
 * there is damaged, or the file ends in it, or was cut to before it; the reader
 * stays before it, and may be asked again: recovery by a writer may have cut it
 * off and appended. The output is untouched but for 1.
 */
MMS_EXPORT int mms_log_next(struct mms_log_reader *reader, struct mms_record *ret_record);

/* To before the record of this sequence, or the first one after it: 1 if it
 * is there, 0 if the log ends before it (the reader then stands at the end),
 * or an error of mms_log_next(). Below the first: to the first, and 1 if there
 * is one. Costs a hop a record, from the nearest of the places passed before.
 * A hop looks at the header alone: what was passed over is not checked. */
MMS_EXPORT int mms_log_seek(struct mms_log_reader *reader, uint64_t sequence);

/* Waits for a record: 1: there is one; 0: timeout_ms went by (-1: no limit);
 * or an error of mms_log_next(). Looks again every millisecond at most: a
 * writer in another process makes no call that would wake it. */
MMS_EXPORT int mms_log_wait(struct mms_log_reader *reader, int timeout_ms);

MMS_EXPORT void mms_log_reader_close(struct mms_log_reader *reader);

/* What mms_log_open() would find, changing nothing. Fails only where the log
 * cannot be read, or is none; damage is in *ret_recovery. */
MMS_EXPORT int mms_log_check(struct mms_pool *pool, const char *path,
			     struct mms_log_recovery *ret_recovery, struct mms_error *err);

#ifdef __cplusplus
}
#endif
#endif

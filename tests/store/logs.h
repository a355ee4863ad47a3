/* SPDX-License-Identifier: MIT */
/* logs.h - logs of known records, for the tests of the log */
#ifndef LOGS_H
#define LOGS_H

#include "helper.h"
#include "log.h"

/* Records whose size, type and bytes follow from their sequence. */
uint32_t t_payload_bytes(uint64_t sequence);
void t_payload(unsigned char *buf, uint64_t sequence);
#define T_PAYLOAD_MOST 256u

/* Opens for appending; the test fails where that does. NULL: 0 but for MMS_SYNC_NEVER. */
struct mms_log *t_log_open(struct mms_pool *pool, const char *path,
			   const struct mms_log_options *options);
/* Appends the n next records. */
void t_log_append(struct mms_log *log, uint64_t n);
/* Makes a log of n records, from 1 on. Returns its path. */
const char *t_log_make(struct mms_pool *pool, const char *name, uint64_t n);

struct mms_log_reader *t_log_reader(struct mms_pool *pool, const char *path);
/* The next record must be this one. */
void t_log_expect(struct mms_log_reader *reader, uint64_t sequence);
void t_log_check_record(const struct mms_record *record, uint64_t sequence);
/* The log must hold the records first to last, and end there with 0. */
void t_log_verify(struct mms_pool *pool, const char *path, uint64_t first, uint64_t last);

struct mms_log_recovery t_log_check(struct mms_pool *pool, const char *path);

/* A whole file in memory. */
struct t_bytes {
	unsigned char *mem;
	size_t len;
};

struct t_bytes t_slurp(const char *path);
void t_dump(const char *path, const unsigned char *mem, size_t len);
/* Where record n begins in such a log; n one past the last: the end. */
size_t t_log_offset(uint64_t n);

#endif

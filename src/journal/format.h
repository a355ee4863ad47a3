/* SPDX-License-Identifier: MIT */
/* format.h - the payloads of the records, byte by byte: see man/mmapfs-format.5 */
#ifndef JOURNAL_FORMAT_H
#define JOURNAL_FORMAT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "journal.h"
#include "nodes.h"

#define FORMAT_VERSION 1u

enum record_type {
	RECORD_START = 1,
	RECORD_DATA = 2,
	RECORD_TRUNCATE = 3,
	RECORD_RETIRE = 4,
	RECORD_NAME = 5,
	RECORD_MAP = 6,
	RECORD_HEARTBEAT = 7,
};

#define FORMAT_HANDLE_MAX 128u
#define FORMAT_PATH_MAX 4095u
#define FORMAT_NAME_MAX 255u

/* Payloads of a fixed length. */
#define FORMAT_KEY_BYTES 20u
#define FORMAT_HEARTBEAT_BYTES 8u
#define FORMAT_RETIRE_BYTES (8u + FORMAT_KEY_BYTES + 8u)
#define FORMAT_MAP_BYTES (8u + 2u * FORMAT_KEY_BYTES)
#define FORMAT_START_BYTES (8u + 4u + 16u + 8u + 8u + 4u + 4u)

#define FORMAT_START_NAMES 1u

struct record_start {
	uint32_t version;
	unsigned char boot_id[16];
	uint64_t mount_id, dev;
	uint32_t flags, interval_ms;
};

/* A node as decoded: its handle lives here, its path in the payload. */
struct record_node {
	struct journal_node node;
	union {
		struct file_handle head;
		unsigned char space[sizeof(struct file_handle) + FORMAT_HANDLE_MAX];
	} handle;
};

struct record_data {
	uint64_t size;
	struct timespec mtime, ctime;
	uint32_t n_extents;
	const unsigned char *extents; /* read by format_extent() */
	const unsigned char *bytes;
};

struct record_name {
	uint64_t number;
	enum journal_op op;
	struct record_node parent, new_parent, child;
	const char *name, *new_name, *target;
	uint32_t flags, mode, uid, gid;
	dev_t rdev;
};

/* Any record. Strings and bytes are in the payload. Not copied: a node points into it. */
struct record {
	uint64_t durable;
	enum record_type type;
	struct record_node node;           /* DATA, TRUNCATE */
	struct record_start start;
	struct record_data data;
	struct record_name name;
	uint64_t size;                     /* TRUNCATE */
	struct node_key key, to;           /* RETIRE: key; MAP: key is now to */
	uint64_t until;                    /* RETIRE: sequence */
};

/* 0, -MMS_ECORRUPT for a payload that is not as it must be, -MMS_EVERSION for a type that is not
 * known. ret is of no use then. */
int format_decode(uint16_t type, const void *payload, size_t len, struct record *ret);

void format_extent(const struct record_data *data, uint32_t i, uint64_t *ret_offset,
		   uint32_t *ret_len);

/* A payload being made, in memory that grows. */
struct format_buf {
	unsigned char *mem;
	size_t len, size;
	int error; /* -ENOMEM, -EINVAL; then the rest is of no use */
};

/* The caller frees mem, whatever came of it. The durable field is filled by format_durable(). */
void format_start(struct format_buf *b, const struct record_start *start);
/* All but the bytes, which follow as they are. */
void format_data(struct format_buf *b, const struct journal_node *node,
		 const struct journal_data *data);
void format_truncate(struct format_buf *b, const struct journal_node *node, uint64_t size);
void format_retire(struct format_buf *b, const struct node_key *key, uint64_t until);
void format_name(struct format_buf *b, const struct journal_name *name, uint64_t number);
void format_map(struct format_buf *b, const struct node_key *from, const struct node_key *to);
void format_heartbeat(struct format_buf *b);
void format_durable(struct format_buf *b, uint64_t durable);

const char *format_op_name(enum journal_op op);

#endif

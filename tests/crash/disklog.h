/* SPDX-License-Identifier: MIT */
/*
 * The log of a disk: each write and flush, in the order in which the disk saw
 * them. logdisk writes it, and whoever maps the head reads the log's position
 * for the price of a load. The position is the number of entries: what has
 * happened before position N is entries 0 to N-1.
 *
 * There may be a second disk, which begins where the first one ends: one log,
 * and so one order of all that happens. A flush is of one disk only.
 */
#ifndef TESTS_CRASH_DISKLOG_H
#define TESTS_CRASH_DISKLOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISKLOG_MAGIC 0x676f6c6b73696431u
#define DISKLOG_HEAD 4096u /* entries begin there */
#define DISKLOG_DISKS 2u

struct disklog_head {
	uint64_t magic;
	uint64_t disk_size;
	_Atomic(uint64_t) entries; /* the position */
	_Atomic(uint32_t) ready;   /* the disk is mounted */
	uint64_t second;           /* where the second disk begins; 0: there is none */
};

enum disklog_kind {
	DISKLOG_WRITE = 1,
	DISKLOG_FLUSH,
};

/* Before the data of a write. */
struct disklog_entry {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t offset;  /* of a flush: where its disk begins */
	uint32_t len;
	uint32_t kind;
};

/* One entry of a log that was read. */
struct disklog_item {
	struct disklog_entry e;
	const uint8_t *data; /* of a write */
};

struct disklog {
	void *map;
	size_t map_len;
	uint64_t disk_size, second;
	uint64_t n;
	struct disklog_item *items;
};

/* Of the log that is being written at path; waits for it. NULL: not within ten seconds. */
const struct disklog_head *disklog_watch(const char *path);

static inline uint64_t disklog_position(const struct disklog_head *head)
{
	return atomic_load_explicit(&head->entries, memory_order_acquire);
}

/* Reads the log at path; ends the program if it is none. */
void disklog_load(struct disklog *log, const char *path);
void disklog_free(struct disklog *log);

/* 0 or 1 */
static inline unsigned disklog_disk_of(const struct disklog *log, const struct disklog_entry *e)
{
	return log->second && e->offset >= log->second;
}

/* The last flush of the disk among the first 'position' entries: its index, or 0. The disk's writes
 * before it are durable. */
uint64_t disklog_flushed(const struct disklog *log, unsigned disk, uint64_t position);

/* The first position at or after which everything was written later than time_ns. */
uint64_t disklog_at(const struct disklog *log, uint64_t time_ns);

uint64_t monotonic_ns(void);

#endif

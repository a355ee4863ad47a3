/* SPDX-License-Identifier: MIT */
/* nodes.h - a table of what is known by file */
#ifndef JOURNAL_NODES_H
#define JOURNAL_NODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal.h"

/* What tells one file from all others, whenever they live. */
struct node_key {
	uint64_t ino;
	int64_t btime_sec;
	uint32_t btime_nsec;
};

/* The first member of an entry. */
struct node_link {
	struct node_link *next;
	struct node_key key;
};

struct node_table {
	struct node_link **buckets;
	size_t n_buckets; /* a power of two, or 0 */
	size_t n;
	size_t entry_bytes;
};

static inline struct node_key node_key(const struct journal_node *node)
{
	return (struct node_key){node->ino, node->btime_sec, node->btime_nsec};
}

static inline bool node_key_equal(const struct node_key *a, const struct node_key *b)
{
	return a->ino == b->ino && a->btime_sec == b->btime_sec && a->btime_nsec == b->btime_nsec;
}

void node_table_init(struct node_table *t, size_t entry_bytes);
void node_table_release(struct node_table *t);

/* NULL: it is not there. */
void *node_table_find(const struct node_table *t, const struct node_key *key);
/* Found, or made of zeros. NULL: no memory. */
void *node_table_get(struct node_table *t, const struct node_key *key);
void node_table_remove(struct node_table *t, const struct node_key *key);
/* Removes those that drop says so of. */
void node_table_sweep(struct node_table *t, bool (*drop)(void *entry, void *arg), void *arg);

#endif

/* SPDX-License-Identifier: MIT */
/* floortree.h - the files of floorfs, all in memory */
#ifndef BENCH_FLOORTREE_H
#define BENCH_FLOORTREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Never freed while the daemon runs: the kernel may ask for what was removed. */
struct node {
	struct node *parent, *children, *next, *previous; /* children: a list, newest first */
	struct node *hash_next;
	const uint8_t *data; /* NULL: reads as zeros */
	uint64_t data_len;
	struct stat st;
	char name[];
};

/* Loads NAME of the directory BACKING, and all beneath it, into the root. Exits if it cannot. */
void tree_load(const char *backing, const char *name);

struct node *tree_root(void);

/* These lock. NULL: there is none, or no memory. */
struct node *tree_find(struct node *parent, const char *name);
struct node *tree_add(struct node *parent, const char *name, mode_t mode);
bool tree_remove(struct node *parent, const char *name);
void tree_grow(struct node *node, uint64_t size);

/* Calls SHOW for each child until it returns false. */
void tree_list(struct node *dir, bool (*show)(void *arg, struct node *child), void *arg);

#endif

/* SPDX-License-Identifier: MIT */
/* locate.h - finding a file of BACKING again */
#ifndef JOURNAL_LOCATE_H
#define JOURNAL_LOCATE_H

#include "format.h"
#include "nodes.h"
#include "place.h"

struct finder {
	const struct journal_place *place; /* set before use, and dev */
	uint64_t dev;
	struct node_table wanted; /* by inode number: what a walk looks for, and found */
	uint64_t changes;         /* names changed since the start: what a walk found may have moved */
	uint64_t walked_at;       /* changes when the last walk was made, plus 1; 0: none was */
};

void finder_init(struct finder *f, const struct journal_place *place, uint64_t dev);
void finder_release(struct finder *f);
/* Tells before the first walk. 0 or -ENOMEM. */
int finder_want(struct finder *f, uint64_t ino);

/* The identity of what a descriptor stands for, its device and its mode. */
int locate_key(int fd, struct node_key *ret, uint64_t *ret_dev, uint32_t *ret_mode);

/*
 * An O_PATH descriptor of the file that is key. handle and path, where not NULL, are places to look
 * first; else BACKING is walked. -ENOENT: there is no such file any more.
 */
int finder_open(struct finder *f, const struct node_key *key, const struct file_handle *handle,
		const char *path);

#endif

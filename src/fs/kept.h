/* SPDX-License-Identifier: MIT */
/* What the kernel was given and has to give back: open files, directories and
 * texts. It drops the RELEASE requests that it still has when it unmounts. */
#ifndef MMAPFS_KEPT_H
#define MMAPFS_KEPT_H

#include <stddef.h>

/* First member of what is kept. */
struct kept {
	struct kept *prev, *next;
	void (*drop)(struct kept *kept); /* calls kept_remove() */
};

void kept_add(struct kept *kept, void (*drop)(struct kept *kept));
void kept_remove(struct kept *kept);

/* Drops all; no request is under way. */
void kept_drop_all(void);

#endif

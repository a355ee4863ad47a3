/* SPDX-License-Identifier: MIT */
/* scene.h - a BACKING, a journal, and the loss of power, for the tests of the journal */
#ifndef SCENE_H
#define SCENE_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../marks.h"
#include "format.h"
#include "halves.h"
#include "mark.h"
#include "place.h"

#define KIB 1024ULL
#define MIB (1024ULL * KIB)

struct scene {
	char top[64];     /* removed at the end */
	char backing[80];
	char dir[128];
	struct journal_place place;
	struct mms_pool *pool;
	struct journal *j; /* NULL: none is open */
};

/* What the system does to it. */
extern _Atomic int t_syncfs_result;   /* of each syncfs */
extern _Atomic int t_sync_result;     /* of each flush of a log */
extern _Atomic unsigned t_flushes, t_syncfs_calls;
extern _Atomic int t_steps;           /* a replay ends after this many; -1: it does not */
extern _Atomic uint64_t t_mount;      /* the mount that BACKING seems to be on */
extern _Atomic unsigned t_said[3];    /* sentences, by level */
extern _Atomic bool t_hold_syncfs;    /* a syncfs waits while this is set */

void scene_set(struct scene *s);
void scene_end(struct scene *s);

/* Opens a journal; the test fails where that does. */
void scene_open(struct scene *s, uint64_t size, bool names);
/* Runs in a process that ends without a word. What it has written stays. */
void scene_crash(struct scene *s, void (*run)(struct scene *s, void *arg), void *arg);
/* Replays, as on another mount; the test fails where that does. */
struct journal_report scene_replay(struct scene *s);

/* A file of BACKING, made, and what identifies it. node->path is the argument. */
struct journal_node scene_file(struct scene *s, const char *path, const char *text);
struct journal_node scene_node(struct scene *s, const char *path);
const char *scene_path(struct scene *s, const char *path);
/* The text of a file; fails where it is another one. */
void scene_expect(struct scene *s, const char *path, const char *text);

/* Appends text at an offset, as the end of the file. */
uint64_t scene_data(struct scene *s, const struct journal_node *node, uint64_t offset,
		    const char *text);

#define T_OK(call) ck_assert_int_eq((call), 0)

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Random operations, each on a native directory first and then on the mount,
 * with the same answer: result, errno, data. Users are processes. All choices
 * come from one seed, so that a seed and a number of operations say a run.
 */
#ifndef TESTS_MOUNT_SOAK_H
#define TESTS_MOUNT_SOAK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SOAK_SLOTS 6
#define SOAK_BUFFER (256u << 10)

/* A regular file that a user keeps open, on one side. */
struct soak_slot {
	int fd; /* -1: free */
	bool direct;
	uint8_t *map; /* NULL: none; outlives fd */
	size_t map_len;
	int map_fd; /* O_PATH, to ask for the size */
};

struct soak_side {
	char root[PATH_MAX];
	struct soak_slot slots[SOAK_SLOTS];
};

/* One operation on one side. Both sides start with the same random, and draw alike. */
struct soak_turn {
	struct soak_side *side;
	uint64_t random;
	bool devices; /* made there can be opened */
	bool map;     /* shared mappings work on the mount */
	long rc;      /* the answer: what the call returned, */
	int err;      /* errno if that is -1, */
	uint64_t sum; /* and all the rest that it told */
	char text[1024];
	uint8_t *buffer; /* SOAK_BUFFER, aligned for O_DIRECT */
};

typedef void (*soak_op)(struct soak_turn *t);

struct soak_kind {
	soak_op run;
	unsigned weight;
};
/* They end with a weight of 0. */
extern const struct soak_kind soak_name_ops[], soak_attr_ops[], soak_data_ops[];

uint64_t soak_pick(struct soak_turn *t, uint64_t limit);
/* A path of the tree in full: PATH_MAX. The same on both sides. */
void soak_path(struct soak_turn *t, char *path);
/* As soak_path(), mostly one where directories are made. */
void soak_dir_path(struct soak_turn *t, char *path);
/* What the path is below the root, for texts. */
const char *soak_below(const struct soak_turn *t, const char *path);
/* Sets the answer, and prints what was done. */
__attribute__((format(printf, 3, 4))) void soak_answer(struct soak_turn *t, long rc,
						       const char *format, ...);
/* Adds bytes or a number to the answer. */
void soak_sum(struct soak_turn *t, const void *data, size_t len);
void soak_sum_number(struct soak_turn *t, uint64_t number);
/* Adds the names and types of an open directory; closes fd. */
void soak_sum_dir(struct soak_turn *t, int fd);
/* A slot with an open file; NULL if the picked one has none. */
struct soak_slot *soak_open_slot(struct soak_turn *t);

/* Differences between two trees, told on stdout; the first ones only. */
unsigned soak_compare(const char *native, const char *mount);

#endif

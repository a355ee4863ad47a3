/* SPDX-License-Identifier: MIT */
/* What the notes say of a power failure at some position, held against a directory. */
#ifndef TESTS_CRASH_MODEL_H
#define TESTS_CRASH_MODEL_H

#include <stdint.h>

#include "disklog.h"

struct model;

struct model *model_load(const char *notes_path, const struct disklog *log);

/* Where the power may fail. */
void model_range(const struct model *m, uint64_t *begin, uint64_t *end);

/* The positions at which something was promised, from begin on: the sharpest instants. */
uint64_t model_promises(const struct model *m, const uint64_t **positions);

/*
 * Checks all that was promised by 'position' against dir. Prints what is
 * broken, after prefix. Returns how many promises are broken; *checked is how
 * many were made.
 */
unsigned model_check(const struct model *m, uint64_t position, const char *dir, const char *prefix,
		     uint64_t *checked);

#endif

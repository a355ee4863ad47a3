/* SPDX-License-Identifier: MIT */
/*
 * modes.h - what a file's mappings should be: the whole file, huge, locked, DAX
 *
 * Between full.c (one mapping of the whole file), memlock.c (pages locked into
 * memory), advise.c (settings) and modes.c (what was granted, and why not).
 */
#ifndef MMS_MODES_H
#define MMS_MODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmapstore.h"

#define WANT_ALL (MMS_WANT_FULL | MMS_WANT_HUGE | MMS_WANT_LOCKED | MMS_WANT_DAX)

/* Settings that are kept for later mappings, besides file.advice. */
#define SETTING_HUGEPAGE 1u
#define SETTING_NOHUGEPAGE 2u
#define SETTING_DONTFORK 4u
#define SETTING_DONTDUMP 8u
#define SETTING_MERGEABLE 16u

/* ---------------------------------------------------------------- modes.c */

int mms_modes_init(struct mms_file *file, unsigned want);
void mms_modes_release(struct mms_file *file);
/* The file is open, but for this. */
void mms_modes_open(struct mms_file *file);
/* Notes how it went with one that is wanted; why NULL: as wanted. */
void mms_mode_note(struct mms_file *file, unsigned want, const struct mms_error *why);
void mms_dax_refused(struct mms_file *file, int code);
/* What follows from a new mapping of the file, which the caller has pinned. */
void mms_modes_mapped(struct mms_file *file, struct mms_chunk *chunk, uint64_t base,
		      uint64_t file_size);

/* ----------------------------------------------------------------- full.c */

/* The file cannot be mapped whole: goes over to windows, and returns whether
 * that could be done. */
bool mms_full_refused(struct mms_file *file, int code, uint64_t size);
/* The file has another size, or may be mapped where it could not before. */
void mms_full_follow(struct mms_file *file);

/* --------------------------------------------------------------- advise.c */

/* To a mapping that is not in use yet. */
void mms_settings_apply(struct mms_file *file, void *addr, size_t len);

/* -------------------------------------------------------------- memlock.c */

/* Locks a chunk of a MMS_WANT_LOCKED file, which the caller has pinned. */
void mms_memlock_chunk(struct mms_file *file, struct mms_chunk *chunk, uint64_t base,
		       uint64_t file_size);
/* Unlocks what a longer mapping has replaced, and unpins it. */
void mms_memlock_retired(struct mms_file *file, struct mms_pin *pin, bool locked);
/* Ends all that mms_lock_memory() has begun: the mappings are about to go. */
void mms_memlock_release(struct mms_file *file);

#endif

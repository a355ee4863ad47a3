/* SPDX-License-Identifier: MIT */
/*
 * The journal's part of start and end: who may have BACKING, what an earlier
 * daemon left in its journal, and this one's own.
 */
#ifndef MMAPFS_RECOVERY_H
#define MMAPFS_RECOVERY_H

#include "fs.h"

/*
 * Before the mount: locks BACKING against another daemon with a journal,
 * replays the records that are live, whatever the options are, and opens the
 * journal where they ask for one. On failure a negative errno and a sentence.
 */
int recovery_start(char *msg, size_t size);

/* Empties the journal and closes it. No request is under way. */
int recovery_end(void);

/* For the status: what the journal does, in a few words. Constant. */
const char *recovery_word(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The system calls that a privileged daemon may make once it serves. What is
 * not on the list ends it, so that a hole in it is no way off the file
 * system. Needs libseccomp at build.
 */
#ifndef MMAPFS_FILTER_H
#define MMAPFS_FILTER_H

#include "options.h"

/* Puts the filter in force for this thread and those it will start. 0 or
 * negative errno; 0 where there is nothing to do. Needs no_new_privs. */
int filter_load(enum filter_mode mode);

/* What filter_load() with this mode comes to in this build, for the status. */
const char *filter_says(enum filter_mode mode);

#endif

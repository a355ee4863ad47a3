/* SPDX-License-Identifier: MIT */
/* mark.h - the number of the last name operation that was begun, in BACKING itself */
#ifndef JOURNAL_MARK_H
#define JOURNAL_MARK_H

#include <stdint.h>

/* Opens BACKING/.mmapfs/journal.mark, and makes it if it is not there. A descriptor, -EOPNOTSUPP
 * where the file system does not keep nanoseconds, or another negative errno. */
int mark_open(int state_fd, uint64_t *ret_number);

/* Takes its place in the order of the file system's changes; durable when they are. */
int mark_set(int fd, uint64_t number);
int mark_get(int fd, uint64_t *ret_number);

#endif

/* SPDX-License-Identifier: MIT */
/* What the workload sqlite and its check agree on. */
#ifndef TESTS_CRASH_SQLITE_H
#define TESTS_CRASH_SQLITE_H

#include <stdint.h>

#define SQLITE_FILE "base.db"
#define SQLITE_SLOTS 16u /* rows that each transaction changes one of */

/* Length of the text of transaction n's row. */
static inline int sqlite_payload(uint32_t n)
{
	return (int)(10 + n * 2654435761u % 3000);
}

/*
 * The database in dir must be whole and hold the transactions 1 to some number
 * from 'from' to 'to', and nothing else. NULL, or what is wrong with it.
 */
const char *sqlite_check(const char *dir, uint32_t from, uint32_t to);

#endif

/* SPDX-License-Identifier: MIT */
/* guard.h - the SIGBUS handler under mms_copy() */
#ifndef MMS_GUARD_H
#define MMS_GUARD_H

#include <stdint.h>

/* Counted: the first call installs the handler, the last one gone removes it. */
int mms_guard_install(void);
void mms_guard_remove(void);

/* Faults survived by the process so far. */
uint64_t mms_guard_faults(void);

#endif

/* SPDX-License-Identifier: MIT */
/* errors.h - filling a struct mms_error */
#ifndef MMS_ERRORS_H
#define MMS_ERRORS_H

#include "mmapstore.h"

/* Fills err, where there is one, and returns code. The hint is empty, and the
 * caller may add one. */
__attribute__((format(printf, 3, 4))) int mms_error_set(struct mms_error *err, int code,
							const char *what, ...);
__attribute__((format(printf, 2, 3))) void mms_error_hint(struct mms_error *err, const char *hint,
							  ...);

#endif

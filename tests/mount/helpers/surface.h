/* SPDX-License-Identifier: MIT */
/* The cases of the program "surface": posixcmp.h says what a case is. */
#ifndef TESTS_MOUNT_SURFACE_H
#define TESTS_MOUNT_SURFACE_H

#include "posixcmp.h"

extern const struct posix_case privilege_cases[], directory_cases[], limit_cases[], coherence_cases[],
	beneath_cases[], held_cases[];

#endif

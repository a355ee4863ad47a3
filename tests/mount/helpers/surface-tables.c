/* SPDX-License-Identifier: MIT */
/* The cases of the program "surface". */
#include "surface.h"

const struct posix_case *const posix_tables[] = {
	privilege_cases, directory_cases, limit_cases, coherence_cases,
	beneath_cases,   held_cases,      NULL,
};

/* SPDX-License-Identifier: MIT */
/* The cases of the program "posixcmp". */
#include "posixcmp.h"

const struct posix_case *const posix_tables[] = {
	names_cases, data_cases, space_cases, attr_cases, lock_cases, user_cases, setid_cases, NULL,
};

/* SPDX-License-Identifier: MIT */
/* The cases of the program "family". */
#include "family.h"

const struct posix_case *const posix_tables[] = {
	access_family,    chmod_family, chown_family,   fallocate_family, ftruncate_family,
	link_family,      mkdir_family, mkfifo_family,  mknod_family,     open_family,
	rename_family,    rmdir_family, symlink_family, truncate_family,  unlink_family,
	utimensat_family, xattr_family, NULL,
};

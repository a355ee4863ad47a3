/* SPDX-License-Identifier: MIT */
/*
 * A family is one system call, and what it does to every kind of file, for
 * every kind of user: a table of ways to call it. The engine makes a fresh
 * directory for each way, user and target, calls, and prints result and what
 * then stands in the directory, with the times that moved.
 */
#ifndef TESTS_MOUNT_FAMILY_H
#define TESTS_MOUNT_FAMILY_H

#include "posixcmp.h"

/* What a way needs beside the target, in the directory free/ that all may write:
 * free/N, where N is the target's number. */
enum beside { BESIDE_NOTHING, BESIDE_FILE, BESIDE_DIR };

struct way {
	const char *name;
	/* path: the target; beside: a name in free/, absent if BESIDE_NOTHING. */
	long (*call)(const char *path, const char *beside);
	enum beside beside;
	bool times_differ, flags_unknown; /* what mmapfs(8) lists: not compared */
};

/* Every way on every target as every user that can be had. */
void family_run(const struct way *ways, size_t count);

#define FAMILY(title, ways)                                         \
	static void run_##ways(void)                                \
	{                                                           \
		family_run(ways, sizeof(ways) / sizeof((ways)[0])); \
	}                                                           \
	const struct posix_case title##_family[] = {{.name = #title, .run = run_##ways}, {0}}

extern const struct posix_case access_family[], chmod_family[], chown_family[], fallocate_family[],
	ftruncate_family[], link_family[], mkdir_family[], mkfifo_family[], mknod_family[],
	open_family[], rename_family[], rmdir_family[], symlink_family[], truncate_family[],
	unlink_family[], utimensat_family[], xattr_family[];

#endif

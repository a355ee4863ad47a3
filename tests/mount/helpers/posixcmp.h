/* SPDX-License-Identifier: MIT */
/*
 * A case runs operations in a directory of its own and prints what each one
 * answered. The output of the same cases on the mount and on the native
 * directory must not differ, so nothing that may rightly differ is printed:
 * inode numbers, devices, times that were not set.
 */
#ifndef TESTS_MOUNT_POSIXCMP_H
#define TESTS_MOUNT_POSIXCMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct posix_case {
	const char *name;
	void (*run)(void);
	bool root; /* runs as other users too: needs root and allow_other */
	bool mmap; /* needs MAP_SHARED: left out where the mount cannot */
	bool slow; /* only where slow is given */
	bool beneath; /* others change BACKING meanwhile: only where shared is given */
};

/* What the program runs: NULL at the end. */
extern const struct posix_case *const posix_tables[];

extern const struct posix_case names_cases[];
extern const struct posix_case data_cases[];
extern const struct posix_case space_cases[];
extern const struct posix_case attr_cases[];
extern const struct posix_case lock_cases[];
extern const struct posix_case user_cases[];
extern const struct posix_case setid_cases[];

/* Prints "  WHAT: 0", "  WHAT: N" or "  WHAT: ENAME" for -1. Returns result. */
long say(long result, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints type, mode, links, owner, size of path (lstat), or the error. */
void show(const char *path);

/* Prints length and a checksum of what path holds. */
void show_data(const char *path);

/* Makes path hold len bytes of the pattern of seed. */
void put_file(const char *path, size_t len, uint64_t seed);

/* Creates path and closes it: 0 or -1. */
int touch(const char *path, mode_t mode);

/* Ends the program when a call that only prepares something failed. */
void must(long result);

/* Runs fn in a child as uid, gid and one more group (-1: none), and waits. */
void as_user(uid_t uid, gid_t gid, gid_t group, void (*fn)(void));

/* Runs fn in a child and waits. */
void in_child(void (*fn)(void));

/* Whether other users can be had. */
bool is_root_run(void);

/* Where a run with all of them would take too long. */
bool few_users(void);

/* chdir(2) by a name. */
int enter(const char *path);

/* path, in the current directory, as it is called beneath the mount; natively,
 * or if no beneath= was given, that is itself. Overwritten by the next call. */
const char *beneath(const char *path);

/* Sets immutable and append-only (FS_IMMUTABLE_FL, FS_APPEND_FL) as a program
 * that works beneath the mount does: FUSE passes no such ioctl on. 0 or -1. */
int set_flags_beneath(const char *path, int flags);

#define USER_A 12345u
#define USER_B 23456u
#define GROUP_X 34567u

#endif

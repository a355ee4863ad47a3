/* SPDX-License-Identifier: MIT */
/* helper.h - what the tests of the store share */
#ifndef HELPER_H
#define HELPER_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../marks.h"
#include "file.h"
#include "mmapstore.h"
#include "pool.h"
#include "sys.h"

#define KIB 1024ULL
#define MIB (1024ULL * KIB)
#define GIB (1024ULL * MIB)
#define TIB (1024ULL * GIB)

/* ------------------------------------------------------------ the system */

/* The calls of struct mms_sys that a test may count and make fail. */
enum call {
	CALL_OPEN,
	CALL_CLOSE,
	CALL_FD_FLAGS,
	CALL_FSTAT,
	CALL_PREAD,
	CALL_PWRITE,
	CALL_FTRUNCATE,
	CALL_ALLOCATE,
	CALL_RESERVE,
	CALL_SEEK_DATA,
	CALL_SEEK_HOLE,
	CALL_FSYNC,
	CALL_FDATASYNC,
	CALL_FUTIMENS,
	CALL_FADVISE,
	CALL_LOCK,
	CALL_LOCK_TEST,
	CALL_MMAP,
	CALL_MUNMAP,
	CALL_MADVISE,
	CALL_MLOCK,
	CALL_MUNLOCK,
	CALL_MEMLOCK,
	CALL_MEMFD,
	CALL_MKDIR,
	CALL_RENAME_NEW,
	CALL_RENAME_OVER,
	CALL_UNLINK,
	CALL_THREAD_START,
	CALLS,
};

struct call_plan {
	_Atomic unsigned made;
	_Atomic int skip; /* this many succeed first */
	_Atomic int fail; /* this many fail then; -1: all */
	_Atomic int code; /* as this negative errno */
};

extern struct call_plan t_call[CALLS];

/* The next n (-1: all) calls fail, after skip good ones. */
void t_fail(enum call call, int code, int skip, int n);

/* Address space that is mapped now, and the most it ever was, as the system
 * saw it and not as the pool counts. */
extern _Atomic uint64_t t_mapped, t_mapped_peak;
extern _Atomic uint64_t t_maps_now, t_maps_peak;

/* Added to the clocks that the pool reads. */
extern _Atomic uint64_t t_clock_ms;

/* The flags of the last mmap, and whether MAP_SYNC shall seem to be granted. */
extern _Atomic int t_mmap_flags;
extern atomic_bool t_dax;

/* What fstat says that a file's size is; 0: the truth. */
extern uint64_t t_lie_size;

/* The longest piece that pread and pwrite transfer; 0: all. */
extern size_t t_short_io;

/* ------------------------------------------------------- files and pools */

/* A directory of the test's own, removed when the test ends. */
const char *t_dir(void);
/* A path in it; valid for a few calls more. */
const char *t_path(const char *name);

/* What t_fill() puts at an offset. */
unsigned char t_byte(uint64_t offset);
void t_pattern(void *buf, size_t len, uint64_t offset);
/* Fails the test at the first byte that differs from t_byte(). */
void t_check(const void *buf, size_t len, uint64_t offset);

/* Makes a file in t_dir() of this pattern. Returns its path. */
const char *t_fill(const char *name, uint64_t size);
/* Makes a file of this size without data. Returns whether the file system can. */
bool t_sparse(const char *name, uint64_t size);
uint64_t t_size_of(const char *path);

/* 0: the defaults. On the counting system; all files pay to be mapped. */
struct mms_pool *t_pool(unsigned shift, uint64_t limit, uint64_t count);

struct mms_file *t_open(struct mms_pool *pool, const char *path,
			const struct mms_file_options *options);
struct mms_stats t_stats(struct mms_pool *pool);

/* What /proc/self/smaps says of the mapping that has addr. */
struct t_vma {
	uintptr_t start, end;
	uint64_t locked_kib;
	char flags[256]; /* " rd mr hg " */
};

/* false: nothing is mapped there. */
bool t_vma_at(const void *addr, struct t_vma *ret_vma);
/* Whether the mapping that has addr has the flag: two letters of VmFlags. */
bool t_vma_has(const void *addr, const char *flag);

/* ------------------------------------------------------------------ main */

#define T_ASSERT_OK(call) ck_assert_int_eq((int)(call), 0)

/* Runs what add() adds. Returns the exit status. */
int t_run(const char *name, void (*add)(TCase *tcase));

#endif

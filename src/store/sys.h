/* SPDX-License-Identifier: MIT */
/*
 * sys.h - every system call of the store, behind one table
 *
 * A pool is made with a table and calls the system through nothing else, so
 * that a test can make each call fail, and so that the store can be built on
 * another system by writing one more sys_*.c. All return negative errno.
 */
#ifndef MMS_SYS_H
#define MMS_SYS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "mmapstore.h"

struct mms_sys {
	int (*open)(const char *path, int flags, mode_t perm);
	int (*close)(int fd);
	int (*fd_flags)(int fd); /* the flags of open(), >= 0 */
	int (*fstat)(int fd, struct stat *ret_st);
	ssize_t (*pread)(int fd, void *buf, size_t len, uint64_t offset);
	ssize_t (*pwrite)(int fd, const void *buf, size_t len, uint64_t offset);
	int (*ftruncate)(int fd, uint64_t size);
	/* Allocates what of the range is not, and extends the file to its end.
	 * -EOPNOTSUPP where the file system cannot. */
	int (*allocate)(int fd, uint64_t offset, uint64_t len);
	/* The same, but the file stays as long as it is. */
	int (*reserve)(int fd, uint64_t offset, uint64_t len);
	int (*seek_data)(int fd, uint64_t offset, uint64_t *ret_offset); /* -ENXIO: no more */
	int (*seek_hole)(int fd, uint64_t offset, uint64_t *ret_offset); /* the end is one */
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*futimens)(int fd, const struct timespec times[2]);
	/* len 0: to the end. -EINVAL where there is no such word. */
	int (*fadvise)(int fd, uint64_t offset, uint64_t len, enum mms_advice advice);
	/* Open file description locks: type is F_RDLCK, F_WRLCK or F_UNLCK;
	 * len 0: to the end. -EAGAIN: somebody else has it. */
	int (*lock)(int fd, int type, uint64_t offset, uint64_t len, bool wait);
	/* ret_type F_UNLCK: nobody is in the way; else the others say who. */
	int (*lock_test)(int fd, int type, uint64_t offset, uint64_t len, int *ret_type,
			 uint64_t *ret_offset, uint64_t *ret_len);

	int (*mmap)(size_t len, int prot, int flags, int fd, uint64_t offset, void **ret_addr);
	int (*munmap)(void *addr, size_t len);
	int (*madvise)(void *addr, size_t len, enum mms_advice advice); /* -EINVAL where unknown */
	int (*mlock)(const void *addr, size_t len);
	int (*munlock)(const void *addr, size_t len);
	/* RLIMIT_MEMLOCK as in force (UINT64_MAX: none), and what this process has locked. */
	int (*memlock)(uint64_t *ret_limit, uint64_t *ret_locked);
	int (*memfd)(const char *name); /* a file without a name, open for reading and writing */

	int (*mkdir)(const char *path, mode_t perm);
	int (*rename_new)(const char *from, const char *to); /* -EEXIST where to exists */
	int (*rename_over)(const char *from, const char *to);
	int (*unlink)(const char *path);

	int (*thread_start)(pthread_t *ret_thread, void *(*run)(void *), void *arg);
	void (*sleep_ms)(unsigned ms);
	uint64_t (*max_map_count)(void);            /* mappings a process may have */
	uint64_t (*monotonic_ms)(void);             /* cheap, coarse */
	void (*realtime)(struct timespec *ret_now); /* no earlier than file times set so far */
};

extern const struct mms_sys mms_sys_default;

#define MMS_NS_PER_S 1000000000

/* Since 1970, UTC. */
static inline uint64_t mms_now_ns(const struct mms_sys *sys)
{
	struct timespec now;

	sys->realtime(&now);
	return (uint64_t)now.tv_sec * MMS_NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif

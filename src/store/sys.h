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
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

enum mms_sys_advice {
	MMS_SYS_NORMAL,
	MMS_SYS_SEQUENTIAL,
	MMS_SYS_RANDOM,
	MMS_SYS_POPULATE, /* of a mapping: read in and map now; -EINVAL where unknown */
};

struct mms_sys {
	int (*open)(const char *path, int flags, mode_t perm);
	int (*close)(int fd);
	int (*fd_flags)(int fd); /* the flags of open(), >= 0 */
	int (*fstat)(int fd, struct stat *ret_st);
	ssize_t (*pread)(int fd, void *buf, size_t len, uint64_t offset);
	ssize_t (*pwrite)(int fd, const void *buf, size_t len, uint64_t offset);
	int (*ftruncate)(int fd, uint64_t size);
	int (*fsync)(int fd);
	int (*fdatasync)(int fd);
	int (*futimens)(int fd, const struct timespec times[2]);
	int (*fadvise)(int fd, enum mms_sys_advice advice);

	int (*mmap)(size_t len, int prot, int flags, int fd, uint64_t offset, void **ret_addr);
	int (*munmap)(void *addr, size_t len);
	int (*madvise)(void *addr, size_t len, enum mms_sys_advice advice);

	int (*mkdir)(const char *path, mode_t perm);
	int (*rename_new)(const char *from, const char *to); /* -EEXIST where to exists */
	int (*unlink)(const char *path);

	int (*thread_start)(pthread_t *ret_thread, void *(*run)(void *), void *arg);
	uint64_t (*max_map_count)(void);            /* mappings a process may have */
	uint64_t (*monotonic_ms)(void);             /* cheap, coarse */
	void (*realtime)(struct timespec *ret_now); /* no earlier than file times set so far */
};

extern const struct mms_sys mms_sys_default;

#endif

/* SPDX-License-Identifier: MIT */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers that some supported systems compile with. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1u << 0)
#endif

static int result(int r)
{
	return r < 0 ? -errno : r;
}

static int sys_open(const char *path, int flags, mode_t perm)
{
	return result(open(path, flags | O_CLOEXEC, perm));
}

/* Linux has let go of the descriptor also where close() fails. */
static int sys_close(int fd)
{
	return result(close(fd));
}

static int sys_fd_flags(int fd)
{
	return result(fcntl(fd, F_GETFL));
}

static int sys_fstat(int fd, struct stat *ret_st)
{
	return result(fstat(fd, ret_st));
}

static ssize_t sys_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	ssize_t n = pread(fd, buf, len, (off_t)offset);

	return n < 0 ? -errno : n;
}

static ssize_t sys_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	ssize_t n = pwrite(fd, buf, len, (off_t)offset);

	return n < 0 ? -errno : n;
}

static int sys_ftruncate(int fd, uint64_t size)
{
	return result(ftruncate(fd, (off_t)size));
}

static int sys_fsync(int fd)
{
	return result(fsync(fd));
}

static int sys_fdatasync(int fd)
{
	return result(fdatasync(fd));
}

static int sys_futimens(int fd, const struct timespec times[2])
{
	return result(futimens(fd, times));
}

static int sys_fadvise(int fd, enum mms_sys_advice advice)
{
	static const int words[] = {
		[MMS_SYS_NORMAL] = POSIX_FADV_NORMAL,
		[MMS_SYS_SEQUENTIAL] = POSIX_FADV_SEQUENTIAL,
		[MMS_SYS_RANDOM] = POSIX_FADV_RANDOM,
		[MMS_SYS_POPULATE] = POSIX_FADV_WILLNEED,
	};

	return -posix_fadvise(fd, 0, 0, words[advice]);
}

static int sys_mmap(size_t len, int prot, int flags, int fd, uint64_t offset, void **ret_addr)
{
	void *addr = mmap(NULL, len, prot, flags, fd, (off_t)offset);

	if (addr == MAP_FAILED)
		return -errno;
	*ret_addr = addr;
	return 0;
}

static int sys_munmap(void *addr, size_t len)
{
	return result(munmap(addr, len));
}

static int sys_madvise(void *addr, size_t len, enum mms_sys_advice advice)
{
	static const int words[] = {
		[MMS_SYS_NORMAL] = MADV_NORMAL,
		[MMS_SYS_SEQUENTIAL] = MADV_SEQUENTIAL,
		[MMS_SYS_RANDOM] = MADV_RANDOM,
		[MMS_SYS_POPULATE] = MADV_POPULATE_READ,
	};

	return result(madvise(addr, len, words[advice]));
}

static int sys_mkdir(const char *path, mode_t perm)
{
	return result(mkdir(path, perm));
}

/* renameat2() by number: the C library may be older than the kernel. File
 * systems that do not know the flag answer EINVAL; there, a second link makes
 * the name with the same promise. */
static int sys_rename_new(const char *from, const char *to)
{
	if (!syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(from, to) < 0)
		return -errno;
	(void)unlink(from);
	return 0;
}

static int sys_unlink(const char *path)
{
	return result(unlink(path));
}

/* The program's handlers run in the program's threads: ours take no signal
 * but those that a thread raises in itself, which must not be blocked. */
static int sys_thread_start(pthread_t *ret_thread, void *(*run)(void *), void *arg)
{
	static const int own[] = {SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
	sigset_t mask, old;
	int r;

	sigfillset(&mask);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&mask, own[i]);
	r = pthread_sigmask(SIG_SETMASK, &mask, &old);
	if (r)
		return -r;
	r = pthread_create(ret_thread, NULL, run, arg);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

static uint64_t sys_max_map_count(void)
{
	unsigned long long count = 0;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");

	if (f) {
		if (fscanf(f, "%llu", &count) != 1)
			count = 0;
		(void)fclose(f);
	}
	return count ? count : 65530; /* the kernel's default */
}

static uint64_t sys_monotonic_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* Not the coarse clock, which runs up to a tick behind: since Linux 6.13 file
 * times can be finer than a tick, and a store must not set them back. */
static void sys_realtime(struct timespec *ret_now)
{
	(void)clock_gettime(CLOCK_REALTIME, ret_now);
}

const struct mms_sys mms_sys_default = {
	.open = sys_open,
	.close = sys_close,
	.fd_flags = sys_fd_flags,
	.fstat = sys_fstat,
	.pread = sys_pread,
	.pwrite = sys_pwrite,
	.ftruncate = sys_ftruncate,
	.fsync = sys_fsync,
	.fdatasync = sys_fdatasync,
	.futimens = sys_futimens,
	.fadvise = sys_fadvise,
	.mmap = sys_mmap,
	.munmap = sys_munmap,
	.madvise = sys_madvise,
	.mkdir = sys_mkdir,
	.rename_new = sys_rename_new,
	.unlink = sys_unlink,
	.thread_start = sys_thread_start,
	.max_map_count = sys_max_map_count,
	.monotonic_ms = sys_monotonic_ms,
	.realtime = sys_realtime,
};

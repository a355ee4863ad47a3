/* SPDX-License-Identifier: MIT */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers that some supported systems compile with. */
#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
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

static int sys_allocate(int fd, uint64_t offset, uint64_t len)
{
	/* Not posix_fallocate(), which writes zeros where the file system
	 * cannot: the caller decides. */
	return result(fallocate(fd, 0, (off_t)offset, (off_t)len));
}

static int sys_reserve(int fd, uint64_t offset, uint64_t len)
{
	return result(fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len));
}

static int seek_to(int fd, uint64_t offset, int whence, uint64_t *ret_offset)
{
	off_t at = lseek(fd, (off_t)offset, whence);

	if (at < 0)
		return -errno;
	*ret_offset = (uint64_t)at;
	return 0;
}

static int sys_seek_data(int fd, uint64_t offset, uint64_t *ret_offset)
{
	return seek_to(fd, offset, SEEK_DATA, ret_offset);
}

static int sys_seek_hole(int fd, uint64_t offset, uint64_t *ret_offset)
{
	return seek_to(fd, offset, SEEK_HOLE, ret_offset);
}

static int sys_fadvise(int fd, uint64_t offset, uint64_t len, enum mms_advice advice)
{
	int word;

	switch (advice) {
	case MMS_ADVICE_NORMAL:
		word = POSIX_FADV_NORMAL;
		break;
	case MMS_ADVICE_SEQUENTIAL:
		word = POSIX_FADV_SEQUENTIAL;
		break;
	case MMS_ADVICE_RANDOM:
		word = POSIX_FADV_RANDOM;
		break;
	case MMS_ADVICE_WILLNEED:
		word = POSIX_FADV_WILLNEED;
		break;
	case MMS_ADVICE_DONTNEED:
		word = POSIX_FADV_DONTNEED;
		break;
	default:
		return -EINVAL;
	}
	return -posix_fadvise(fd, (off_t)offset, (off_t)len, word);
}

static int sys_lock(int fd, int type, uint64_t offset, uint64_t len, bool wait)
{
	struct flock lock = {.l_type = (short)type,
			     .l_whence = SEEK_SET,
			     .l_start = (off_t)offset,
			     .l_len = (off_t)len};
	int r = result(fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock));

	return r == -EACCES ? -EAGAIN : r;
}

static int sys_lock_test(int fd, int type, uint64_t offset, uint64_t len, int *ret_type,
			 uint64_t *ret_offset, uint64_t *ret_len)
{
	struct flock lock = {.l_type = (short)type,
			     .l_whence = SEEK_SET,
			     .l_start = (off_t)offset,
			     .l_len = (off_t)len};
	int r = result(fcntl(fd, F_OFD_GETLK, &lock));

	if (r)
		return r;
	*ret_type = lock.l_type;
	*ret_offset = (uint64_t)lock.l_start;
	*ret_len = (uint64_t)lock.l_len;
	return 0;
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

static int sys_madvise(void *addr, size_t len, enum mms_advice advice)
{
	static const int words[] = {
		[MMS_ADVICE_NORMAL] = MADV_NORMAL,
		[MMS_ADVICE_SEQUENTIAL] = MADV_SEQUENTIAL,
		[MMS_ADVICE_RANDOM] = MADV_RANDOM,
		[MMS_ADVICE_HUGEPAGE] = MADV_HUGEPAGE,
		[MMS_ADVICE_NOHUGEPAGE] = MADV_NOHUGEPAGE,
		[MMS_ADVICE_DONTFORK] = MADV_DONTFORK,
		[MMS_ADVICE_DOFORK] = MADV_DOFORK,
		[MMS_ADVICE_DONTDUMP] = MADV_DONTDUMP,
		[MMS_ADVICE_DODUMP] = MADV_DODUMP,
		[MMS_ADVICE_MERGEABLE] = MADV_MERGEABLE,
		[MMS_ADVICE_UNMERGEABLE] = MADV_UNMERGEABLE,
		[MMS_ADVICE_WILLNEED] = MADV_WILLNEED,
		[MMS_ADVICE_DONTNEED] = MADV_DONTNEED,
		[MMS_ADVICE_COLD] = MADV_COLD,
		[MMS_ADVICE_PAGEOUT] = MADV_PAGEOUT,
		[MMS_ADVICE_POPULATE_READ] = MADV_POPULATE_READ,
		[MMS_ADVICE_POPULATE_WRITE] = MADV_POPULATE_WRITE,
		[MMS_ADVICE_COLLAPSE] = MADV_COLLAPSE,
	};

	return result(madvise(addr, len, words[advice]));
}

static int sys_mlock(const void *addr, size_t len)
{
	return result(mlock(addr, len));
}

static int sys_munlock(const void *addr, size_t len)
{
	return result(munlock(addr, len));
}

static int sys_memlock(uint64_t *ret_limit, uint64_t *ret_locked)
{
	unsigned long long kib = 0;
	bool found = false;
	struct rlimit limit;
	char line[128];
	FILE *f;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return -errno;
	f = fopen("/proc/self/status", "re");
	if (!f)
		return -errno;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "VmLck: %llu", &kib) == 1;
	(void)fclose(f);
	if (!found)
		return -ENODATA;
	*ret_limit = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
	*ret_locked = kib * 1024;
	return 0;
}

static int sys_memfd(const char *name)
{
	return result(memfd_create(name, MFD_CLOEXEC));
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

static int sys_rename_over(const char *from, const char *to)
{
	return result(rename(from, to));
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

static void sys_sleep_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	(void)nanosleep(&t, NULL);
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
	.allocate = sys_allocate,
	.reserve = sys_reserve,
	.seek_data = sys_seek_data,
	.seek_hole = sys_seek_hole,
	.fsync = sys_fsync,
	.fdatasync = sys_fdatasync,
	.futimens = sys_futimens,
	.fadvise = sys_fadvise,
	.lock = sys_lock,
	.lock_test = sys_lock_test,
	.mmap = sys_mmap,
	.munmap = sys_munmap,
	.madvise = sys_madvise,
	.mlock = sys_mlock,
	.munlock = sys_munlock,
	.memlock = sys_memlock,
	.memfd = sys_memfd,
	.mkdir = sys_mkdir,
	.rename_new = sys_rename_new,
	.rename_over = sys_rename_over,
	.unlink = sys_unlink,
	.thread_start = sys_thread_start,
	.sleep_ms = sys_sleep_ms,
	.max_map_count = sys_max_map_count,
	.monotonic_ms = sys_monotonic_ms,
	.realtime = sys_realtime,
};

/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into the daemon, it makes a liar of it, so that the bench can show
 * that it catches one. CRASH_SABOTAGE says which calls return 0 and do
 * nothing:
 *
 *	all     every fsync, fdatasync, syncfs, msync and sync_file_range, and RWF_DSYNC
 *	dirs    fsync and fdatasync of directories
 *	log     fsync and fdatasync of the journal's logs
 *	syncfs  syncfs, which is what a checkpoint of the journal rests on
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static bool sabotaged(const char *what)
{
	const char *chosen = getenv("CRASH_SABOTAGE");

	return chosen && strcmp(chosen, what) == 0;
}

static bool is_log(int fd)
{
	char link[40], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return strstr(path, "/log.");
}

static bool skipped(int fd)
{
	struct stat st;

	if (sabotaged("all") || (sabotaged("log") && is_log(fd)))
		return true;
	return sabotaged("dirs") && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The call that this one stands before. POSIX has dlsym() return functions. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int fd)
{
	return skipped(fd) ? 0 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
	return skipped(fd) ? 0 : REAL(fdatasync)(fd);
}

int syncfs(int fd)
{
	return sabotaged("all") || sabotaged("syncfs") ? 0 : REAL(syncfs)(fd);
}

int msync(void *addr, size_t len, int flags)
{
	return sabotaged("all") ? 0 : REAL(msync)(addr, len, flags);
}

int sync_file_range(int fd, off_t offset, off_t len, unsigned int flags)
{
	return sabotaged("all") ? 0 : REAL(sync_file_range)(fd, offset, len, flags);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	if (sabotaged("all"))
		flags &= ~(RWF_DSYNC | RWF_SYNC);
	return REAL(pwritev2)(fd, iov, n, offset, flags);
}

/* SPDX-License-Identifier: MIT */
#include "resident.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inode.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5; the same on all machines */
#endif

#define PAGES_MAX 256u /* of a MiB, where they are smallest */

/* As in linux/mman.h, which headers before 2023 lack. */
struct cachestat_range_of {
	uint64_t off, len;
};

struct cachestat_of {
	uint64_t cache, dirty, writeback, evicted, recently_evicted;
};

static atomic_bool no_cachestat;

static uint64_t page_size(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* 1 or 0; negative errno: the kernel does not say. */
static int ask_cachestat(int fd, uint64_t from, uint64_t to)
{
	struct cachestat_range_of range = {from, to - from};
	struct cachestat_of stat;
	uint64_t page = page_size();

	if (syscall(SYS_cachestat, fd, &range, &stat, 0))
		return -errno;
	return stat.cache >= (to - from + page - 1) / page;
}

/* mincore(2) calls everything resident of a file that is neither one's own nor
 * to be written. */
static bool mincore_is_true(int fd)
{
	char path[PROC_PATH_SIZE];
	struct stat st;

	if (geteuid() == 0)
		return true;
	return fstat(fd, &st) == 0 &&
	       (st.st_uid == geteuid() ||
		faccessat(AT_FDCWD, proc_path(path, fd), W_OK, AT_EACCESS) == 0);
}

static int ask_mincore(struct mms_file *file, uint64_t from, uint64_t to)
{
	unsigned char pages[PAGES_MAX];
	struct mms_pin pin;
	size_t n = (to - from + page_size() - 1) / page_size();
	int all;

	if (n > sizeof(pages) || !mincore_is_true(mms_fd(file)) ||
	    mms_pin(file, from, to - from, MMS_PIN_AUTO, &pin))
		return -EOPNOTSUPP;
	all = pin.len == to - from && mincore(pin.addr, pin.len, pages) == 0;
	for (size_t i = 0; all && i < n; i++)
		all = pages[i] & 1;
	mms_unpin(&pin);
	return all;
}

static bool is_resident(struct mms_file *file, uint64_t from, uint64_t to)
{
	int rc = -ENOSYS;

	if (!atomic_load_explicit(&no_cachestat, memory_order_relaxed))
		rc = ask_cachestat(mms_fd(file), from, to);
	/* A container's filter says EPERM, and so does the kernel of files that
	 * mincore(2) would not tell of either. */
	if (rc == -ENOSYS)
		atomic_store_explicit(&no_cachestat, true, memory_order_relaxed);
	if (rc < 0)
		rc = ask_mincore(file, from, to);
	return rc > 0;
}

size_t resident_runs(struct mms_file *file, uint64_t from, uint64_t to, struct run *runs)
{
	size_t n = 0;
	bool joins = false;

	if (is_resident(file, from, to)) {
		runs[0] = (struct run){from, to};
		return 1;
	}
	for (uint64_t at = from; at < to; at += RESIDENT_PIECE_BYTES) {
		uint64_t end = to - at < RESIDENT_PIECE_BYTES ? to : at + RESIDENT_PIECE_BYTES;
		bool is = is_resident(file, at, end);

		if (is && joins)
			runs[n - 1].to = end;
		else if (is)
			runs[n++] = (struct run){at, end};
		joins = is;
	}
	return n;
}

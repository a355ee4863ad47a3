/* SPDX-License-Identifier: MIT */
/*
 * Locks on ranges of a file
 *
 * The kernel's open file description locks wait without end or not at all. A
 * time limit is kept by asking again after short sleeps: a timer that breaks
 * the wait off would need a signal, and signals are the program's.
 */
#include "range.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

#include "arith.h"
#include "file.h"
#include "sys.h"

#define SLEEP_MS_MAX 8u

int mms_range_left(const struct mms_sys *sys, uint64_t start_ms, int timeout_ms)
{
	uint64_t gone = sys->monotonic_ms() - start_ms;

	return gone < (uint64_t)timeout_ms ? timeout_ms - (int)gone : 0;
}

int mms_range_wait(const struct mms_sys *sys, int fd, int type, uint64_t offset, uint64_t len,
		   int timeout_ms)
{
	uint64_t start = sys->monotonic_ms();
	unsigned sleep = 1;

	if (timeout_ms < 0)
		return sys->lock(fd, type, offset, len, true);
	for (;;) {
		int r = sys->lock(fd, type, offset, len, false);
		int left;

		if (r != -EAGAIN || !timeout_ms)
			return r;
		left = mms_range_left(sys, start, timeout_ms);
		if (!left)
			return -ETIMEDOUT;
		sys->sleep_ms(sleep < (unsigned)left ? sleep : (unsigned)left);
		sleep = sleep < SLEEP_MS_MAX ? 2 * sleep : SLEEP_MS_MAX;
	}
}

/* The kernel counts in signed numbers and has no range of 2^63 bytes; the
 * same range up to the last byte is one to the end. */
static int check_range(uint64_t offset, uint64_t *len)
{
	if (offset > OFFSET_MAX || (*len && *len - 1 > OFFSET_MAX - offset))
		return -EFBIG;
	if (*len && *len - 1 == OFFSET_MAX - offset)
		*len = 0;
	return 0;
}

static int check_lock(const struct mms_file *file, uint64_t offset, uint64_t *len,
		      enum mms_lock_kind kind)
{
	if (kind != MMS_LOCK_SHARED && kind != MMS_LOCK_EXCLUSIVE)
		return -EINVAL;
	if (kind == MMS_LOCK_EXCLUSIVE && atomic_load(&file->mode) != MMS_RDWR)
		return -EBADF;
	return check_range(offset, len);
}

static int kernel_type(enum mms_lock_kind kind)
{
	return kind == MMS_LOCK_EXCLUSIVE ? F_WRLCK : F_RDLCK;
}

int mms_range_lock(struct mms_file *file, uint64_t offset, uint64_t len, enum mms_lock_kind kind,
		   int timeout_ms)
{
	int r = check_lock(file, offset, &len, kind);

	if (r)
		return r;
	if (timeout_ms < -1)
		return -EINVAL;
	return mms_range_wait(file->pool->sys, atomic_load(&file->fd), kernel_type(kind), offset,
			      len, timeout_ms);
}

int mms_range_unlock(struct mms_file *file, uint64_t offset, uint64_t len)
{
	const struct mms_sys *sys = file->pool->sys;
	int fd = atomic_load(&file->fd);
	int r = check_range(offset, &len);

	if (!r)
		r = sys->lock(fd, F_UNLCK, offset, len, false);
	/* Locks from before mms_upgrade() belong to the earlier descriptor. */
	if (!r && fd != file->first_fd)
		r = sys->lock(file->first_fd, F_UNLCK, offset, len, false);
	return r;
}

int mms_range_test(struct mms_file *file, uint64_t offset, uint64_t len, enum mms_lock_kind kind,
		   uint64_t *ret_offset, uint64_t *ret_len)
{
	uint64_t at, n;
	int type, r = check_lock(file, offset, &len, kind);

	if (!r)
		r = file->pool->sys->lock_test(atomic_load(&file->fd), kernel_type(kind), offset,
					       len, &type, &at, &n);
	if (r || type == F_UNLCK)
		return r;
	if (ret_offset)
		*ret_offset = at;
	if (ret_len)
		*ret_len = n;
	return -EAGAIN;
}

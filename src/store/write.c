/* SPDX-License-Identifier: MIT */
/*
 * Writing, by mapped stores and by pwrite(2)
 *
 * Dirty marks are set after the data are in place and before the call
 * returns. Set earlier, a sync between mark and data would take the mark
 * and not the data; so, a sync that is called after the write returned
 * finds it.
 */
#include <errno.h>
#include <stdbool.h>
#include <time.h>

#include "arith.h"
#include "file.h"
#include "modes.h"
#include "sys.h"

struct write_job {
	struct mms_file *file;
	const char *buf;
	size_t len;
	uint64_t offset;
	uint64_t size; /* of the file, when the write began; 0 where only pwrite is used */
	bool notime;
	size_t mapped, pwritten;
};

ssize_t mms_file_pwrite(struct mms_file *file, const void *buf, size_t len, uint64_t offset)
{
	const struct mms_sys *sys = file->pool->sys;
	int fd = atomic_load(&file->fd);
	size_t done = 0;

	while (done < len) {
		ssize_t n = sys->pwrite(fd, (const char *)buf + done, len - done, offset + done);

		if (n == -EINTR)
			continue;
		if (n < 0 && done == 0)
			return n;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static void owe_time(struct mms_file *file)
{
	atomic_store(&file->owed_ns, (int64_t)mms_now_ns(file->pool->sys));
}

static ssize_t put_pwrite(struct write_job *job, size_t at, size_t len)
{
	ssize_t n;

	pthread_rwlock_rdlock(&job->file->growing);
	n = mms_file_pwrite(job->file, job->buf + at, len, job->offset + at);
	pthread_rwlock_unlock(&job->file->growing);
	if (n > 0) {
		job->pwritten += (size_t)n;
		/* The kernel has stamped the file later than any store before. */
		atomic_fetch_add(&job->file->stamps, 1);
		mms_untouch(job->file);
		mms_file_dirtied(job->file, job->offset + at, (uint64_t)n);
	}
	return n;
}

/* Stores what one pin reaches. Returns the count, or the errno of the pin or
 * of the copy: then nothing counts as written. */
static ssize_t put_mapped(struct write_job *job, size_t at, size_t len)
{
	struct mms_file *file = job->file;
	uint64_t offset = job->offset + at;
	/* With a choice, thrash no mappings for the sake of a write. */
	unsigned how = file->put == MMS_PUT_AUTO && !file->cow ? PIN_WRITE | PIN_CALM : PIN_WRITE;
	struct mms_pin pin;
	size_t n;
	int r;

	r = mms_file_pin(file, offset, mms_file_chunk_part(file, offset, len), how, &pin);
	if (r)
		return r;
	n = pin.len;
	r = mms_copy(pin.addr, job->buf + at, n);
	mms_unpin(&pin);
	if (r)
		return r;
	job->mapped += n;
	return (ssize_t)n;
}

/* How far from at on, and whether, to store into the mapping. */
static size_t next_run(const struct write_job *job, size_t at, bool *ret_mapped)
{
	struct mms_file *file = job->file;
	uint64_t offset = job->offset + at;
	size_t left = job->len - at;
	size_t run;

	*ret_mapped = false;
	if (offset >= job->size)
		return left;
	run = (size_t)u64_min(left, job->size - offset);
	if (file->put == MMS_PUT_MMAP) {
		*ret_mapped = true;
		return run;
	}
	pthread_mutex_lock(&file->lock);
	run = mms_dirty_run(&file->dirty, offset, run, ret_mapped);
	pthread_mutex_unlock(&file->lock);
	return run;
}

/* The stretch from at on that goes through pwrite(2): in one call, over runs. */
static size_t next_pwrite(const struct write_job *job, size_t at)
{
	size_t len = 0;

	while (at + len < job->len) {
		bool mapped;
		size_t run = next_run(job, at + len, &mapped);

		if (mapped)
			break;
		len += run;
	}
	return len;
}

/* Returns the count written, or the errno where nothing was. */
static ssize_t put_shared(struct write_job *job)
{
	struct mms_file *file = job->file;
	size_t at = 0;

	while (at < job->len) {
		bool mapped;
		size_t run = next_run(job, at, &mapped);
		size_t stretch;
		ssize_t n = -EAGAIN;

		if (mapped)
			n = put_mapped(job, at, run);
		if (n > 0) {
			if (!job->notime)
				owe_time(file);
			mms_file_dirtied(file, job->offset + at, (uint64_t)n);
			at += (size_t)n;
			continue;
		}
		/* Not to be mapped; or a pin was refused, or a store faulted:
		 * then pwrite(2) does it, or knows the reason. */
		stretch = mapped ? mms_file_chunk_part(file, job->offset + at, run)
				 : next_pwrite(job, at);
		n = put_pwrite(job, at, stretch);
		if (n < 0 && at == 0)
			return n;
		if (n > 0)
			at += (size_t)n;
		if (n < (ssize_t)stretch)
			break;
	}
	return (ssize_t)at;
}

/*
 * Whether to store into the mapping at all. Where a resize is under way or
 * came meanwhile, all is written (again) by pwrite(2): see resizes_begun.
 */
static ssize_t put_checked(struct write_job *job)
{
	struct mms_file *file = job->file;
	uint64_t done = atomic_load(&file->resizes_done);
	uint64_t begun = atomic_load(&file->resizes_begun);
	ssize_t n;
	int r;

	if (file->put == MMS_PUT_PWRITE || begun != done || atomic_load(&file->map_errno))
		return put_pwrite(job, 0, job->len);
	r = mms_size(file, &job->size);
	if (r)
		return r;
	n = put_shared(job);
	if (n > 0 && job->mapped && atomic_load(&file->resizes_begun) != begun) {
		job->mapped = 0;
		job->pwritten = 0;
		n = put_pwrite(job, 0, (size_t)n);
	}
	return n;
}

/* A page of a private mapping could not be read in. */
static int why_fault(struct mms_file *file, uint64_t offset)
{
	char byte;
	ssize_t n = mms_file_pread(file, &byte, 1, offset);

	if (n < 0)
		return (int)n;
	return n ? -EIO : -EFBIG;
}

static ssize_t put_private(struct write_job *job)
{
	size_t at = 0;
	int r = mms_size(job->file, &job->size);

	if (r)
		return r;
	if (job->offset >= job->size)
		return -EFBIG;
	job->len = size_bound(job->len, job->size - job->offset);
	while (at < job->len) {
		ssize_t n = put_mapped(job, at, job->len - at);

		if (n == -EFAULT)
			n = why_fault(job->file, job->offset + at);
		else if (n == -MMS_EBOUNDS)
			n = -EFBIG; /* cut off meanwhile */
		if (n < 0 && at == 0)
			return n;
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return (ssize_t)at;
}

static void count_write(struct mms_file *file, const struct write_job *job)
{
	struct mms_totals *t = &file->pool->totals;

	if (job->mapped) {
		mms_total_add(t, TOTAL_WRITES_MAPPED, 1);
		mms_total_add(t, TOTAL_WRITE_BYTES_MAPPED, job->mapped);
	}
	if (job->pwritten) {
		mms_total_add(t, TOTAL_WRITES_PWRITE, 1);
		mms_total_add(t, TOTAL_WRITE_BYTES_PWRITE, job->pwritten);
	}
}

ssize_t mms_write(struct mms_file *file, const void *buf, size_t len, uint64_t offset,
		  unsigned flags)
{
	struct write_job job = {
		.file = file,
		.buf = buf,
		.offset = offset,
		.notime = flags & MMS_WRITE_NOTIME,
	};
	ssize_t n;

	if (flags & ~(MMS_WRITE_SYNC | MMS_WRITE_NOTIME))
		return -EINVAL;
	if (atomic_load(&file->mode) == MMS_RDONLY)
		return -EBADF;
	if (len == 0)
		return 0;
	if (offset >= OFFSET_MAX)
		return -EFBIG;
	job.len = (size_t)u64_min(u64_min(len, COUNT_MAX), OFFSET_MAX - offset);
	n = file->cow ? put_private(&job) : put_checked(&job);
	count_write(file, &job);
	if (n > 0 && !file->cow && ((flags & MMS_WRITE_SYNC) || file->sync == MMS_SYNC_IMMEDIATE)) {
		int r = mms_sync(file, offset, (uint64_t)n, 0);

		if (r)
			return r;
	}
	return n;
}

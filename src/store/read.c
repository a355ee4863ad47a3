/* SPDX-License-Identifier: MIT */
/* Pins, and reading through them */
#include <errno.h>
#include <stdbool.h>

#include "arith.h"
#include "file.h"
#include "sys.h"

uint64_t mms_file_chunk_start(const struct mms_file *file, uint64_t offset)
{
	return u64_align_down(offset, 1ULL << mms_file_shift(file));
}

size_t mms_file_chunk_part(const struct mms_file *file, uint64_t offset, uint64_t len)
{
	uint64_t chunk_bytes = 1ULL << mms_file_shift(file);

	return (size_t)u64_min(len, chunk_bytes - (offset & (chunk_bytes - 1)));
}

int mms_file_pin(struct mms_file *file, uint64_t offset, size_t len, unsigned how,
		 struct mms_pin *ret_pin)
{
	struct chunk_want want = {
		.file = file,
		.write = how & PIN_WRITE,
		.calm = how & PIN_CALM,
		.keep = how & PIN_KEEP,
		.only_hit = how & PIN_MAPPED,
		.only_private = how & PIN_PRIVATE,
	};
	int r;

	do {
		uint64_t chunk_bytes;

		want.shape = atomic_load(&file->shape);
		chunk_bytes = 1ULL << (want.shape & SHAPE_SHIFT);
		want.index = offset >> (want.shape & SHAPE_SHIFT);
		want.start = offset & (chunk_bytes - 1);
		want.len = (size_t)u64_min(len, chunk_bytes - want.start);
		r = mms_chunk_pin(&file->pool->chunks, &want, ret_pin);
	} while (r == -ESTALE);
	return r;
}

int mms_pin(struct mms_file *file, uint64_t offset, size_t len, unsigned flags,
	    struct mms_pin *ret_pin)
{
	unsigned how =
		(flags & MMS_PIN_WRITE ? PIN_WRITE : 0) | (flags & MMS_PIN_AUTO ? PIN_CALM : 0);
	struct mms_pin pin;
	int r;

	if (flags & ~(MMS_PIN_WRITE | MMS_PIN_AUTO))
		return -EINVAL;
	if (offset > OFFSET_MAX)
		return -EFBIG;
	if ((flags & MMS_PIN_WRITE) && atomic_load(&file->mode) == MMS_RDONLY)
		return -EBADF;
	r = -ENOENT;
	if (flags & MMS_PIN_AUTO) {
		/* What is mapped costs nothing to use, whatever the size of
		 * the file; what was changed in memory is nowhere else. */
		if (file->io != MMS_IO_PREAD)
			r = mms_file_pin(file, offset, len ? len : 1, how | PIN_MAPPED, &pin);
		else if (file->cow)
			r = mms_file_pin(file, offset, len ? len : 1, how | PIN_PRIVATE, &pin);
		if (r == -ENOENT && mms_why_unmapped(file))
			return -EOPNOTSUPP;
	}
	if (r == -ENOENT)
		r = mms_file_pin(file, offset, len ? len : 1, how, &pin);
	if (r)
		return r;
	pin.len = size_min(pin.len, len);
	*ret_pin = pin;
	return 0;
}

ssize_t mms_file_pread(struct mms_file *file, void *buf, size_t len, uint64_t offset)
{
	const struct mms_sys *sys = file->pool->sys;
	int fd = atomic_load(&file->fd);
	size_t done = 0;

	while (done < len) {
		ssize_t n = sys->pread(fd, (char *)buf + done, len - done, offset + done);

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

static size_t block_part(uint64_t offset, size_t len)
{
	return size_bound(len, MMS_BLOCK_BYTES - offset % MMS_BLOCK_BYTES);
}

/* One piece that lies in one chunk, from the mapping if there is one. Returns
 * the count that was copied, or 0: read *len bytes otherwise. */
static size_t read_piece(struct mms_file *file, void *buf, size_t *len, uint64_t offset,
			 unsigned how)
{
	struct mms_pin pin;
	size_t n;
	int r;

	if (mms_file_pin(file, offset, *len, how, &pin))
		return 0;
	n = pin.len;
	r = mms_copy(buf, pin.addr, n);
	/* Private changes are nowhere but in the mapping: what faults beside
	 * them must not take them along. */
	if (r && file->cow) {
		n = *len = block_part(offset, n);
		r = mms_copy(buf, pin.addr, n);
	}
	mms_unpin(&pin);
	/* pread(2) knows why: the end of a file that shrank, or an error. */
	return r ? 0 : n;
}

struct read_counts {
	size_t mapped, pread;
};

/* Reads len bytes that lie inside the file, piece by piece. */
static ssize_t read_pieces(struct mms_file *file, char *buf, size_t len, uint64_t offset,
			   unsigned how, struct read_counts *counts)
{
	size_t done = 0;

	while (done < len) {
		size_t piece = mms_file_chunk_part(file, offset + done, len - done);
		size_t mapped = read_piece(file, buf + done, &piece, offset + done, how);
		ssize_t n;

		if (mapped) {
			counts->mapped += mapped;
			done += mapped;
			continue;
		}
		n = mms_file_pread(file, buf + done, piece, offset + done);
		if (n < 0 && done == 0)
			return n;
		if (n <= 0)
			break;
		counts->pread += (size_t)n;
		done += (size_t)n;
		if ((size_t)n < piece)
			break;
	}
	return (ssize_t)done;
}

static void count_read(struct mms_file *file, const struct read_counts *counts)
{
	struct mms_totals *t = &file->pool->totals;

	if (counts->mapped) {
		mms_total_add(t, TOTAL_READS_MAPPED, 1);
		mms_total_add(t, TOTAL_READ_BYTES_MAPPED, counts->mapped);
	}
	if (counts->pread) {
		mms_total_add(t, TOTAL_READS_PREAD, 1);
		mms_total_add(t, TOTAL_READ_BYTES_PREAD, counts->pread);
	}
}

ssize_t mms_read(struct mms_file *file, void *buf, size_t len, uint64_t offset)
{
	struct read_counts counts = {0};
	bool pread_only = file->io == MMS_IO_PREAD && !file->cow;
	unsigned how = file->io == MMS_IO_AUTO ? PIN_CALM : 0;
	uint64_t size;
	ssize_t n;

	if (offset > OFFSET_MAX)
		return 0;
	len = (size_t)u64_min(u64_min(len, OFFSET_MAX - offset), COUNT_MAX);
	if (!pread_only) {
		int r = mms_size(file, &size);

		if (r)
			return r;
		if (offset >= size)
			return 0;
		len = (size_t)u64_min(len, size - offset);
		if (mms_file_why_unmapped(file, size)) {
			if (file->cow)
				how |= PIN_PRIVATE; /* must be seen in any case */
			else
				pread_only = true;
		}
	}
	if (pread_only) {
		n = mms_file_pread(file, buf, len, offset);
		counts.pread = n > 0 ? (size_t)n : 0;
	} else {
		n = read_pieces(file, buf, len, offset, how, &counts);
	}
	count_read(file, &counts);
	return n;
}

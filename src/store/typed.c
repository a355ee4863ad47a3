/* SPDX-License-Identifier: MIT */
/*
 * Numbers, arrays and pointers at an offset
 *
 * A number that is mapped costs a pin, a guarded load and no system call.
 * Whatever is in the way of that (the chunk is not mapped, or is not to be;
 * the load faulted) goes to mms_read(), which does what can be done, and whose
 * short count is the end of a file that was longer before.
 */
#include <errno.h>
#include <stdbool.h>

#include "arith.h"
#include "bytes.h"
#include "file.h"

/* Whether the range lies in a file of this size. */
static int check_end(uint64_t offset, uint64_t len, uint64_t size)
{
	return offset > size || len > size - offset ? -MMS_EBOUNDS : 0;
}

/* The same, by the size that is known, or else by the one that it has now. */
static int check_bounds(struct mms_file *file, uint64_t offset, uint64_t len)
{
	uint64_t size = atomic_load_explicit(&file->known_size, memory_order_relaxed);
	int r;

	if (!check_end(offset, len, size))
		return 0;
	r = mms_file_size_learn(file, &size);
	return r ? r : check_end(offset, len, size);
}

/* For stores: mms_write() would extend a file that somebody has cut off. */
static int check_bounds_now(struct mms_file *file, uint64_t offset, uint64_t len)
{
	uint64_t size;
	int r = mms_size(file, &size);

	return r ? r : check_end(offset, len, size);
}

static int check_array(uint64_t offset, size_t count, size_t size, size_t align, size_t *ret_len)
{
	uint64_t len;

	if (!u64_is_pow2(align))
		return -EINVAL;
	if (offset & (align - 1))
		return -MMS_EALIGN;
	if (!u64_mul(count, size, &len) || len > SIZE_MAX)
		return -MMS_EBOUNDS;
	*ret_len = (size_t)len;
	return 0;
}

static bool get_mapped(struct mms_file *file, uint64_t offset, void *buf, size_t len)
{
	struct mms_pin pin;
	bool done;

	if (file->io == MMS_IO_PREAD || mms_file_pin(file, offset, len, PIN_MAPPED, &pin))
		return false;
	done = pin.len == len && !mms_copy(buf, pin.addr, len);
	mms_unpin(&pin);
	return done;
}

/* Of a range that lay in the file when its size was last looked up. */
static int get_bytes(struct mms_file *file, uint64_t offset, void *buf, size_t len)
{
	size_t done = 0;

	if (!len || get_mapped(file, offset, buf, len))
		return 0;
	while (done < len) {
		ssize_t n = mms_read(file, (char *)buf + done, len - done, offset + done);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -MMS_ETRUNCATED;
		done += (size_t)n;
	}
	return 0;
}

static int get_number(struct mms_file *file, uint64_t offset, void *buf, size_t len)
{
	int r;

	if (offset & (len - 1))
		return -MMS_EALIGN;
	r = check_bounds(file, offset, len);
	return r ? r : get_bytes(file, offset, buf, len);
}

int mms_get_u8(struct mms_file *file, uint64_t offset, uint8_t *ret_value)
{
	uint8_t b;
	int r = get_number(file, offset, &b, sizeof(b));

	if (!r)
		*ret_value = b;
	return r;
}

int mms_get_u16(struct mms_file *file, uint64_t offset, uint16_t *ret_value)
{
	unsigned char b[2];
	int r = get_number(file, offset, b, sizeof(b));

	if (!r)
		*ret_value = le16_get(b);
	return r;
}

int mms_get_u32(struct mms_file *file, uint64_t offset, uint32_t *ret_value)
{
	unsigned char b[4];
	int r = get_number(file, offset, b, sizeof(b));

	if (!r)
		*ret_value = le32_get(b);
	return r;
}

int mms_get_u64(struct mms_file *file, uint64_t offset, uint64_t *ret_value)
{
	unsigned char b[8];
	int r = get_number(file, offset, b, sizeof(b));

	if (!r)
		*ret_value = le64_get(b);
	return r;
}

static int put_bytes(struct mms_file *file, uint64_t offset, const void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = mms_write(file, (const char *)buf + done, len - done, offset + done, 0);

		/* After a short count the next call says why. */
		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

static int put_number(struct mms_file *file, uint64_t offset, const void *buf, size_t len)
{
	int r;

	if (atomic_load(&file->mode) == MMS_RDONLY)
		return -EBADF;
	if (offset & (len - 1))
		return -MMS_EALIGN;
	r = check_bounds_now(file, offset, len);
	return r ? r : put_bytes(file, offset, buf, len);
}

int mms_put_u8(struct mms_file *file, uint64_t offset, uint8_t value)
{
	return put_number(file, offset, &value, sizeof(value));
}

int mms_put_u16(struct mms_file *file, uint64_t offset, uint16_t value)
{
	unsigned char b[2];

	le16_put(b, value);
	return put_number(file, offset, b, sizeof(b));
}

int mms_put_u32(struct mms_file *file, uint64_t offset, uint32_t value)
{
	unsigned char b[4];

	le32_put(b, value);
	return put_number(file, offset, b, sizeof(b));
}

int mms_put_u64(struct mms_file *file, uint64_t offset, uint64_t value)
{
	unsigned char b[8];

	le64_put(b, value);
	return put_number(file, offset, b, sizeof(b));
}

int mms_get_array(struct mms_file *file, uint64_t offset, void *buf, size_t count, size_t size,
		  size_t align)
{
	size_t len;
	int r = check_array(offset, count, size, align, &len);

	if (!r)
		r = check_bounds(file, offset, len);
	return r ? r : get_bytes(file, offset, buf, len);
}

int mms_put_array(struct mms_file *file, uint64_t offset, const void *buf, size_t count,
		  size_t size, size_t align)
{
	size_t len;
	int r;

	if (atomic_load(&file->mode) == MMS_RDONLY)
		return -EBADF;
	r = check_array(offset, count, size, align, &len);
	if (!r)
		r = check_bounds_now(file, offset, len);
	return r ? r : put_bytes(file, offset, buf, len);
}

/* What keeps the last byte of a range from being mapped with the first. */
static int why_short(struct mms_file *file, uint64_t offset, size_t len, unsigned flags)
{
	struct mms_pin pin;
	int r;

	if (mms_file_chunk_part(file, offset, len) < len)
		return -MMS_ESPLIT;
	r = mms_pin(file, offset + len - 1, 1, flags, &pin);
	if (r)
		return r;
	mms_unpin(&pin);
	return -EBUSY; /* until a moment ago */
}

int mms_ref_array(struct mms_file *file, uint64_t offset, size_t count, size_t size, size_t align,
		  unsigned flags, struct mms_pin *ret_pin)
{
	struct mms_pin pin;
	size_t len;
	int r;

	if (flags & ~(MMS_PIN_WRITE | MMS_PIN_AUTO))
		return -EINVAL;
	if ((flags & MMS_PIN_WRITE) && atomic_load(&file->mode) == MMS_RDONLY)
		return -EBADF;
	r = check_array(offset, count, size, align, &len);
	if (!r)
		r = check_bounds(file, offset, len);
	if (!r)
		r = mms_pin(file, offset, len, flags, &pin);
	if (r)
		return r;
	if (pin.len < len) {
		mms_unpin(&pin);
		return why_short(file, offset, len, flags);
	}
	*ret_pin = pin;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Readers of views
 *
 * The way of a read that stays in the window: compare, load, return. All else
 * is in functions of their own, out of the way.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "arith.h"
#include "bytes.h"
#include "file.h"
#include "guard.h"
#include "load.h"
#include "view.h"

#define COLD __attribute__((noinline, cold))
#define CRC_STEP (1u << 20)
#define CRC_COPY_BYTES 4096u

/* ----------------------------------------------------------------- numbers */

static int read_number(struct mms_view *view, uint64_t pos, size_t bytes, uint64_t *ret_value)
{
	unsigned char buf[8] = {0};
	int r = mms_view_check(view, pos, bytes);

	if (!r)
		r = mms_view_read(view, pos, buf, bytes);
	if (!r)
		*ret_value = le64_get(buf);
	return r;
}

#define DEFINE_READERS(bits)                                                                      \
	static COLD int slow_u##bits(struct mms_view *view, uint64_t pos,                         \
				     uint##bits##_t *ret_value)                                   \
	{                                                                                         \
		uint64_t value;                                                                   \
		int r = read_number(view, pos, bits / 8, &value);                                 \
                                                                                                  \
		if (!r)                                                                           \
			*ret_value = (uint##bits##_t)value;                                       \
		return r;                                                                         \
	}                                                                                         \
                                                                                                  \
	static COLD int slow_on_u##bits(struct mms_view *view, uint##bits##_t *ret_value)         \
	{                                                                                         \
		int r = slow_u##bits(view, view->pos, ret_value);                                 \
                                                                                                  \
		if (!r)                                                                           \
			view->pos += bits / 8;                                                    \
		return r;                                                                         \
	}                                                                                         \
                                                                                                  \
	int mms_view_u##bits##_at(struct mms_view *view, uint64_t pos, uint##bits##_t *ret_value) \
	{                                                                                         \
		const unsigned char *p;                                                           \
                                                                                                  \
		if (view_hit(view, pos, bits / 8, &p) && mms_load##bits(p, ret_value))            \
			return 0;                                                                 \
		return slow_u##bits(view, pos, ret_value);                                        \
	}                                                                                         \
                                                                                                  \
	int mms_view_u##bits(struct mms_view *view, uint##bits##_t *ret_value)                    \
	{                                                                                         \
		const unsigned char *p;                                                           \
                                                                                                  \
		if (view_hit(view, view->pos, bits / 8, &p) && mms_load##bits(p, ret_value)) {    \
			view->pos += bits / 8;                                                    \
			return 0;                                                                 \
		}                                                                                 \
		return slow_on_u##bits(view, ret_value);                                          \
	}

DEFINE_READERS(8)
DEFINE_READERS(16)
DEFINE_READERS(32)
DEFINE_READERS(64)

/* ------------------------------------------------- numbers of varying length */

/* Takes byte n of a number of at most bits bits into *value: 1: it goes on;
 * 0: that was the last one. */
static int varint_step(uint64_t *value, unsigned n, unsigned bits, uint8_t byte)
{
	uint64_t part = byte & 0x7f;
	unsigned shift = 7 * n;

	/* What is left of the number may be less than seven bits. */
	if (bits - shift < 7 && part >> (bits - shift))
		return -MMS_ECORRUPT;
	if ((byte & 0x80) && shift + 7 >= bits)
		return -MMS_ECORRUPT;
	*value |= part << shift;
	return byte >> 7;
}

static COLD int varint_slow(struct mms_view *view, unsigned bits, uint64_t *ret_value,
			    unsigned *ret_bytes)
{
	uint64_t value = 0;
	unsigned n = 0;
	uint8_t byte;
	int r;

	do {
		r = mms_view_u8_at(view, view->pos + n, &byte);
		if (r)
			return r;
		r = varint_step(&value, n++, bits, byte);
	} while (r > 0);
	if (r)
		return mms_view_fail(view, view->pos, r);
	*ret_value = value;
	*ret_bytes = n;
	return 0;
}

/* A number of at most bits bits at the position, which stays. */
static inline int varint(struct mms_view *view, unsigned bits, uint64_t *ret_value,
			 unsigned *ret_bytes)
{
	const unsigned char *p;
	uint64_t word, ends, value = 0;
	unsigned bytes;

	if (!view_hit(view, view->pos, 8, &p) || !mms_load64(p, &word))
		return varint_slow(view, bits, ret_value, ret_bytes);
	ends = ~word & 0x8080808080808080u;
	if (!ends)
		return varint_slow(view, bits, ret_value, ret_bytes);
	bytes = (unsigned)__builtin_ctzll(ends) / 8 + 1;
	for (unsigned i = 0; i < bytes; i++)
		value |= (word >> 8 * i & 0x7f) << 7 * i;
	if (bits == 32 && (bytes > 5 || value > UINT32_MAX))
		return mms_view_fail(view, view->pos, -MMS_ECORRUPT);
	*ret_value = value;
	*ret_bytes = bytes;
	return 0;
}

int mms_view_varint32(struct mms_view *view, uint32_t *ret_value)
{
	uint64_t value;
	unsigned bytes;
	int r = varint(view, 32, &value, &bytes);

	if (r)
		return r;
	view->pos += bytes;
	*ret_value = (uint32_t)value;
	return 0;
}

int mms_view_varint64(struct mms_view *view, uint64_t *ret_value)
{
	uint64_t value;
	unsigned bytes;
	int r = varint(view, 64, &value, &bytes);

	if (r)
		return r;
	view->pos += bytes;
	*ret_value = value;
	return 0;
}

int mms_view_zigzag64(struct mms_view *view, int64_t *ret_value)
{
	uint64_t value;
	int r = mms_view_varint64(view, &value);

	if (!r)
		*ret_value = (int64_t)(value >> 1 ^ (0 - (value & 1)));
	return r;
}

/* ------------------------------------------------------- bytes and strings */

static COLD int read_bytes(struct mms_view *view, uint64_t pos, void *buf, size_t len)
{
	int r = mms_view_check(view, pos, len);

	return r ? r : mms_view_read(view, pos, buf, len);
}

int mms_view_bytes_at(struct mms_view *view, uint64_t pos, void *buf, size_t len)
{
	const unsigned char *p;

	if (view_hit(view, pos, len, &p) && !mms_copy(buf, p, len))
		return 0;
	return read_bytes(view, pos, buf, len);
}

int mms_view_bytes(struct mms_view *view, void *buf, size_t len)
{
	int r = mms_view_bytes_at(view, view->pos, buf, len);

	if (!r)
		view->pos += len;
	return r;
}

int mms_view_string(struct mms_view *view, char **ret_string, size_t *ret_len)
{
	uint64_t len;
	unsigned bytes;
	char *s;
	int r = varint(view, 32, &len, &bytes);

	if (r)
		return r;
	if (len > view->len - view->pos - bytes)
		return mms_view_fail(view, view->pos, -MMS_ECORRUPT);
	s = len < SIZE_MAX ? malloc((size_t)len + 1) : NULL;
	if (!s)
		return mms_view_fail(view, view->pos, -ENOMEM);
	r = mms_view_bytes_at(view, view->pos + bytes, s, (size_t)len);
	if (r) {
		free(s);
		return r;
	}
	s[len] = '\0';
	view->pos += bytes + len;
	*ret_string = s;
	if (ret_len)
		*ret_len = (size_t)len;
	return 0;
}

/* ------------------------------------------------------------------ others */

int mms_view_peek(struct mms_view *view, const void **ret_addr, size_t *ret_len)
{
	const unsigned char *p;
	int r = mms_view_check(view, view->pos, 1);

	if (r)
		return r;
	if (!view_reach(view, view->pos, true, &p))
		return mms_view_fetch(view, view->pos, ret_addr, ret_len);
	*ret_addr = p;
	*ret_len = (size_t)(view->window_len - (view->pos - view->window_start));
	return 0;
}

struct crc_job {
	const unsigned char *addr;
	size_t len;
	uint32_t crc;
};

static void run_crc(void *arg)
{
	struct crc_job *job = arg;

	job->crc = mms_crc32(job->crc, job->addr, job->len);
}

/* What of len bytes lies in the window, if it can be read there. */
static size_t crc_in_window(struct mms_view *view, uint64_t pos, uint64_t len, uint32_t *crc)
{
	struct crc_job job = {.crc = *crc};

	if (!view_reach(view, pos, true, &job.addr))
		return 0;
	len = u64_min(len, view->window_len - (pos - view->window_start));
	job.len = size_bound(CRC_STEP, len);
	if (mms_guard_call(run_crc, &job, job.addr, job.len))
		return 0;
	*crc = job.crc;
	return job.len;
}

/* What cannot be summed where it is. */
static int crc_by_copy(struct mms_view *view, uint64_t pos, size_t len, uint32_t *crc)
{
	unsigned char buf[CRC_COPY_BYTES];
	int r = mms_view_read(view, pos, buf, len);

	if (!r)
		*crc = mms_crc32(*crc, buf, len);
	return r;
}

int mms_view_crc32(struct mms_view *view, uint64_t len, uint32_t *crc)
{
	uint64_t pos = view->pos;
	uint32_t value = *crc;
	int r = mms_view_check(view, pos, len);

	while (!r && len) {
		size_t n = crc_in_window(view, pos, len, &value);

		if (!n) {
			n = size_bound(CRC_COPY_BYTES, len);
			r = crc_by_copy(view, pos, n, &value);
		}
		pos += n;
		len -= n;
	}
	if (r)
		return r;
	view->pos = pos;
	*crc = value;
	return 0;
}

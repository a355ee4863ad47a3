/* SPDX-License-Identifier: MIT */
/*
 * Readers of views against an oracle in memory
 *
 * The input is five bytes on how the file is opened, some bytes of content
 * that lie across the border of two chunks of an otherwise empty file, and a
 * program of calls on a few views. Each call must give what the oracle gives:
 * the same result, the same value, the same position afterwards.
 *
 *   0  mode (2 bits), io (2 bits), whether such files are too small to map
 *   1  chunk shift (1 bit), chunks in the budget (2 bits)
 *   2  bytes of content before the border
 *   3  bytes of zeros behind the content
 *   4  bytes of content, which follow
 *
 * A call is a byte, view (3 bits) and function (5 bits), and its arguments. A
 * position is a byte of kind and one, or eight, bytes of distance.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mmapstore.h"

#define VIEWS 8u
#define CONTENT_MOST 255u
#define READ_MOST 4096u
#define CALLS_MOST 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t left;
};

/* What a view should be. */
struct model {
	bool live;
	uint64_t base, len, pos;
};

struct world {
	struct input in;
	struct mms_file *file;
	bool writable;
	uint64_t content_at, size;
	uint8_t content[2 * CONTENT_MOST];
	size_t content_len; /* with the zeros behind it */
	struct mms_view view[VIEWS];
	struct model model[VIEWS];
};

#define CHECK(ok)                                                                     \
	do {                                                                          \
		if (!(ok)) {                                                          \
			(void)fprintf(stderr, "fuzz_view.c:%d: %s\n", __LINE__, #ok); \
			abort();                                                      \
		}                                                                     \
	} while (0)

static uint8_t next_byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->data++;
}

static uint64_t next_u64(struct input *in)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)next_byte(in) << 8 * i;
	return v;
}

static uint64_t next_position(struct world *w, const struct model *m)
{
	uint8_t kind = next_byte(&w->in);

	switch (kind % 5) {
	case 0: /* of the view */
		return next_byte(&w->in);
	case 1: /* about the content */
		return w->content_at - m->base + next_byte(&w->in) - 16u;
	case 2: /* about the end */
		return m->len + next_byte(&w->in) - 128u;
	case 3: /* about where it is */
		return m->pos + next_byte(&w->in) - 128u;
	default:
		return next_u64(&w->in);
	}
}

/* ------------------------------------------------------------------ oracle */

static uint8_t byte_at(const struct world *w, uint64_t offset)
{
	uint64_t at = offset - w->content_at;

	return at < w->content_len ? w->content[at] : 0;
}

static int expect_bytes(const struct world *w, const struct model *m, uint64_t pos, uint8_t *buf,
			uint64_t len)
{
	if (pos > m->len || len > m->len - pos)
		return -MMS_EBOUNDS;
	for (uint64_t i = 0; i < len; i++)
		buf[i] = byte_at(w, m->base + pos + i);
	return 0;
}

static int expect_number(const struct world *w, const struct model *m, uint64_t pos, unsigned bytes,
			 uint64_t *ret_value)
{
	uint8_t buf[8];
	int r = expect_bytes(w, m, pos, buf, bytes);

	if (r)
		return r;
	*ret_value = 0;
	for (unsigned i = bytes; i-- > 0;)
		*ret_value = *ret_value << 8 | buf[i];
	return 0;
}

/* Bit by bit, so as not to be the same code twice. */
static int expect_varint(const struct world *w, const struct model *m, unsigned bits,
			 uint64_t *ret_value, unsigned *ret_bytes)
{
	unsigned most = bits == 32 ? 5 : 10;
	uint64_t value = 0;

	for (unsigned n = 0; n < most; n++) {
		uint64_t byte;

		if (expect_number(w, m, m->pos + n, 1, &byte))
			return -MMS_EBOUNDS;
		for (unsigned i = 0; i < 7; i++) {
			if (!(byte >> i & 1))
				continue;
			if (7 * n + i >= bits)
				return -MMS_ECORRUPT;
			value |= 1ULL << (7 * n + i);
		}
		if (!(byte & 0x80)) {
			*ret_value = value;
			*ret_bytes = n + 1;
			return 0;
		}
	}
	return -MMS_ECORRUPT;
}

/* -------------------------------------------------------------------- calls */

static void do_number(struct world *w, unsigned i, unsigned bytes, bool at)
{
	struct mms_view *v = &w->view[i];
	struct model *m = &w->model[i];
	uint64_t pos = at ? next_position(w, m) : m->pos;
	uint64_t u64 = 7, want = 7;
	uint32_t u32 = 7;
	uint16_t u16 = 7;
	uint8_t u8 = 7;
	int expected = expect_number(w, m, pos, bytes, &want);
	int r;

	switch (bytes) {
	case 1:
		r = at ? mms_view_u8_at(v, pos, &u8) : mms_view_u8(v, &u8);
		u64 = u8;
		break;
	case 2:
		r = at ? mms_view_u16_at(v, pos, &u16) : mms_view_u16(v, &u16);
		u64 = u16;
		break;
	case 4:
		r = at ? mms_view_u32_at(v, pos, &u32) : mms_view_u32(v, &u32);
		u64 = u32;
		break;
	default:
		r = at ? mms_view_u64_at(v, pos, &u64) : mms_view_u64(v, &u64);
		break;
	}
	CHECK(r == expected);
	CHECK(u64 == want);
	if (!r && !at)
		m->pos += bytes;
}

static void do_varint(struct world *w, unsigned i, unsigned kind)
{
	struct mms_view *v = &w->view[i];
	struct model *m = &w->model[i];
	uint64_t u64 = 7, want = 7;
	uint32_t u32 = 7;
	int64_t i64 = 7;
	unsigned bytes = 0;
	int expected = expect_varint(w, m, kind == 0 ? 32 : 64, &want, &bytes);
	int r;

	if (kind == 0) {
		r = mms_view_varint32(v, &u32);
		CHECK(u32 == want);
	} else if (kind == 1) {
		r = mms_view_varint64(v, &u64);
		CHECK(u64 == want);
	} else {
		r = mms_view_zigzag64(v, &i64);
		if (!r && (want & 1))
			CHECK(i64 == -1 - (int64_t)(want / 2));
		else
			CHECK(i64 == (int64_t)(r ? 7 : want / 2));
	}
	CHECK(r == expected);
	if (!r)
		m->pos += bytes;
}

static void do_bytes(struct world *w, unsigned i, bool at)
{
	struct model *m = &w->model[i];
	uint64_t pos = at ? next_position(w, m) : m->pos;
	size_t len = (size_t)next_byte(&w->in) * 16 % (READ_MOST + 1);
	uint8_t buf[READ_MOST], want[READ_MOST];
	int expected = expect_bytes(w, m, pos, want, len);
	int r = at ? mms_view_bytes_at(&w->view[i], pos, buf, len)
		   : mms_view_bytes(&w->view[i], buf, len);

	CHECK(r == expected);
	CHECK(r || memcmp(buf, want, len) == 0);
	if (!r && !at)
		m->pos += len;
}

static void do_string(struct world *w, unsigned i)
{
	struct model *m = &w->model[i];
	uint64_t len = 0;
	unsigned bytes = 0;
	int expected = expect_varint(w, m, 32, &len, &bytes);
	char *text = NULL;
	size_t got = 7;
	int r;

	if (!expected && len > m->len - m->pos - bytes)
		expected = -MMS_ECORRUPT;
	r = mms_view_string(&w->view[i], &text, &got);
	CHECK(r == expected);
	if (r) {
		CHECK(!text && got == 7);
		return;
	}
	CHECK(got == len && text[len] == '\0');
	for (uint64_t k = 0; k < len; k++)
		CHECK((uint8_t)text[k] == byte_at(w, m->base + m->pos + bytes + k));
	free(text);
	m->pos += bytes + len;
}

static void do_seek(struct world *w, unsigned i, bool skip)
{
	struct model *m = &w->model[i];
	uint64_t to = next_position(w, m);
	bool ok = skip ? to <= m->len - m->pos : to <= m->len;
	int r = skip ? mms_view_skip(&w->view[i], to) : mms_view_seek(&w->view[i], to);

	CHECK(r == (ok ? 0 : -MMS_EBOUNDS));
	if (ok)
		m->pos = skip ? m->pos + to : to;
}

static void do_peek(struct world *w, unsigned i)
{
	struct model *m = &w->model[i];
	const void *addr;
	size_t len;
	int r = mms_view_peek(&w->view[i], &addr, &len);

	CHECK(r == (m->pos < m->len ? 0 : -MMS_EBOUNDS));
	if (r)
		return;
	CHECK(len >= 1 && len <= m->len - m->pos);
	for (size_t k = 0; k < len && k < READ_MOST; k++)
		CHECK(((const uint8_t *)addr)[k] == byte_at(w, m->base + m->pos + k));
}

static void do_crc(struct world *w, unsigned i)
{
	struct model *m = &w->model[i];
	size_t len = (size_t)next_byte(&w->in) * 16 % (READ_MOST + 1);
	uint8_t want[READ_MOST];
	uint32_t crc = 7;
	int expected = expect_bytes(w, m, m->pos, want, len);
	int r = mms_view_crc32(&w->view[i], len, &crc);

	CHECK(r == expected);
	CHECK(crc == (r ? 7 : mms_crc32(7, want, len)));
	if (!r)
		m->pos += len;
}

static void release(struct world *w, unsigned i)
{
	mms_view_release(&w->view[i]);
	w->model[i].live = false;
}

static void do_clone(struct world *w, unsigned i)
{
	unsigned to = next_byte(&w->in) % VIEWS;

	if (to == i || to == 0) /* the first one stays */
		return;
	release(w, to);
	CHECK(mms_view_clone(&w->view[i], &w->view[to]) == 0);
	w->model[to] = w->model[i];
	CHECK(strcmp(mms_view_name(&w->view[i]), mms_view_name(&w->view[to])) == 0);
}

static void do_slice(struct world *w, unsigned i)
{
	struct model *m = &w->model[i];
	unsigned to = next_byte(&w->in) % VIEWS;
	uint64_t offset = next_position(w, m);
	uint64_t len = next_position(w, m);
	bool ok = offset <= m->len && len <= m->len - offset;
	/* Names grow: not for ever. */
	bool named = (to & 1) && strlen(mms_view_name(&w->view[i])) < 200;
	int r;

	if (to == i || to == 0) /* the first one stays */
		return;
	release(w, to);
	r = mms_view_slice(&w->view[i], named ? "slice" : NULL, offset, len, &w->view[to]);
	CHECK(r == (ok ? 0 : -MMS_EBOUNDS));
	if (r)
		return;
	w->model[to] = (struct model){.live = true, .base = m->base + offset, .len = len};
}

/* Into the content, so that the oracle can follow. */
static void do_write(struct world *w)
{
	size_t at = next_byte(&w->in);
	uint8_t byte = next_byte(&w->in);
	ssize_t n;

	if (at >= w->content_len)
		return;
	n = mms_write(w->file, &byte, 1, w->content_at + at, 0);
	if (!w->writable) {
		CHECK(n == -EBADF);
		return;
	}
	/* A budget that views have pinned has no room for private changes. */
	CHECK(n == 1 || n == -EBUSY || n == -ENOBUFS);
	if (n == 1)
		w->content[at] = byte;
}

static void do_error(struct world *w, unsigned i)
{
	static const int codes[] = {-MMS_EBOUNDS, -MMS_ETRUNCATED, -MMS_ECORRUPT, -EIO,
				    -EBUSY,       -ENOMEM,         -EINVAL,       0};
	int code = codes[next_byte(&w->in) % 8];
	struct mms_error err;

	CHECK(mms_view_error(&w->view[i], code, &err) == code);
	CHECK(!code || (err.code == code && strlen(err.what) < sizeof(err.what)));
}

static void do_call(struct world *w)
{
	uint8_t op = next_byte(&w->in);
	unsigned i = op >> 5;

	if (!w->model[i].live)
		i = 0;
	switch (op & 31) {
	case 0:
	case 1:
	case 2:
	case 3:
		do_number(w, i, 1u << (op & 3), false);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		do_number(w, i, 1u << (op & 3), true);
		break;
	case 8:
	case 9:
	case 10:
		do_varint(w, i, (op & 31) - 8u);
		break;
	case 11:
		do_string(w, i);
		break;
	case 12:
	case 13:
		do_bytes(w, i, op & 1);
		break;
	case 14:
	case 15:
		do_seek(w, i, op & 1);
		break;
	case 16:
		do_peek(w, i);
		break;
	case 17:
		do_crc(w, i);
		break;
	case 18:
		do_clone(w, i);
		break;
	case 19:
		do_slice(w, i);
		break;
	case 20:
		if (i)
			release(w, i);
		break;
	case 21:
		do_write(w);
		break;
	case 22:
		do_error(w, i);
		break;
	case 23:
		CHECK(mms_view_intend(&w->view[i], next_byte(&w->in) % 5) == 0);
		break;
	default:
		break;
	}
	CHECK(mms_view_position(&w->view[i]) == w->model[i].pos || !w->model[i].live);
	CHECK(mms_view_length(&w->view[i]) == w->model[i].len || !w->model[i].live);
}

/* --------------------------------------------------------------------- setup */

static int make_file(struct world *w, unsigned shift)
{
	uint64_t before = next_byte(&w->in);
	size_t behind = next_byte(&w->in);
	size_t len = next_byte(&w->in);
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	CHECK(fd >= 0);
	w->content_at = (1ULL << shift) - before;
	w->content_len = len + behind;
	w->size = w->content_at + w->content_len;
	for (size_t i = 0; i < len; i++)
		w->content[i] = next_byte(&w->in);
	CHECK(ftruncate(fd, (off_t)w->size) == 0);
	CHECK(pwrite(fd, w->content, len, (off_t)w->content_at) == (ssize_t)len);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = calloc(1, sizeof(*w));
	struct mms_pool_options pool_options = {0};
	struct mms_file_options options = {0};
	struct mms_pool *pool;
	uint8_t how, room;

	CHECK(w);
	w->in = (struct input){data, size};
	how = next_byte(&w->in);
	room = next_byte(&w->in);
	options.mode = (enum mms_mode)((how & 3) % 3);
	options.io = (enum mms_io)((how >> 2 & 3) % 3);
	pool_options.chunk_shift = 20 + (room & 1);
	pool_options.map_count = 1 + (room >> 1 & 3);
	pool_options.map_limit_bytes = pool_options.map_count << pool_options.chunk_shift;
	pool_options.small_bytes = how & 16 ? UINT64_MAX : 1;
	w->writable = options.mode != MMS_RDONLY;
	CHECK(mms_pool_new(&pool_options, &pool, NULL) == 0);
	CHECK(mms_adopt(pool, make_file(w, pool_options.chunk_shift), "fuzz", &options, &w->file,
			NULL) == 0);
	CHECK(mms_view_init(&w->view[0], w->file) == 0);
	w->model[0] = (struct model){.live = true, .len = w->size};
	for (int n = 0; w->in.left && n < CALLS_MOST; n++)
		do_call(w);
	/* Views may go before the file and after it. */
	for (unsigned i = 0; i < VIEWS; i++) {
		if (i == (how >> 5))
			CHECK(mms_close(w->file) == 0);
		mms_view_release(&w->view[i]);
	}
	mms_pool_free(pool);
	free(w);
	return 0;
}

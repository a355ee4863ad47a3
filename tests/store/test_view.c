/* SPDX-License-Identifier: MIT */
/* Proves what views read, in every way that a file can be read, and how they end. */
#include "helper.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bytes.h"

#define SHIFT 20u
#define CHUNK (1u << SHIFT)

/* All must give the same. */
static const struct way {
	struct mms_file_options options;
	bool small; /* the pool does not map such files */
	int map_failure;
	bool mapped; /* what is read comes from a mapping */
} ways[] = {
	{.options = {.io = MMS_IO_MMAP}, .mapped = true},
	{.options = {.io = MMS_IO_AUTO}, .mapped = true},
	{.options = {.io = MMS_IO_PREAD}},
	{.options = {.io = MMS_IO_AUTO}, .small = true},
	{.options = {.io = MMS_IO_MMAP}, .map_failure = -ENODEV},
	{.options = {.io = MMS_IO_AUTO}, .map_failure = -ENOMEM},
	{.options = {.io = MMS_IO_MMAP, .mode = MMS_RDWR}, .mapped = true},
	{.options = {.io = MMS_IO_PREAD, .mode = MMS_RDWR}},
	{.options = {.io = MMS_IO_MMAP, .mode = MMS_RDWR}, .map_failure = -EPERM},
	{.options = {.io = MMS_IO_MMAP, .mode = MMS_COW}, .mapped = true},
	{.options = {.io = MMS_IO_PREAD, .mode = MMS_COW}},
	{.options = {.io = MMS_IO_AUTO, .mode = MMS_COW}, .small = true},
};
#define WAYS (int)(sizeof(ways) / sizeof(ways[0]))

struct set {
	struct mms_pool *pool;
	struct mms_file *file;
	struct mms_view view;
};

static void set_up(struct set *s, int way, const char *path)
{
	const struct way *w = &ways[way];

	s->pool = t_pool(SHIFT, 0, 0);
	if (w->small)
		s->pool->small_bytes = UINT64_MAX;
	if (w->map_failure)
		t_fail(CALL_MMAP, w->map_failure, 0, -1);
	s->file = t_open(s->pool, path, &w->options);
	T_ASSERT_OK(mms_view_init(&s->view, s->file));
}

/* Also proves that nothing is left of it. */
static void tear_down(struct set *s)
{
	mms_view_release(&s->view);
	mms_close(s->file);
	ck_assert_uint_eq(t_stats(s->pool).files, 0);
	ck_assert_uint_eq(t_stats(s->pool).chunks, 0);
	ck_assert_uint_eq(t_maps_now, 0);
	ck_assert_uint_eq(t_call[CALL_OPEN].made, t_call[CALL_CLOSE].made);
	mms_pool_free(s->pool);
}

static const char *file_of(const char *name, const void *content, size_t len)
{
	const char *path = t_path(name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(content, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
	return path;
}

static uint64_t pattern_number(uint64_t offset, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | t_byte(offset + i);
	return v;
}

/* Reads at a position; *ret_v is all ones before. */
static int number_at(struct mms_view *view, unsigned bytes, uint64_t pos, uint64_t *ret_v)
{
	uint64_t u64 = UINT64_MAX;
	uint32_t u32 = UINT32_MAX;
	uint16_t u16 = UINT16_MAX;
	uint8_t u8 = UINT8_MAX;
	int r = bytes == 1   ? mms_view_u8_at(view, pos, &u8)
		: bytes == 2 ? mms_view_u16_at(view, pos, &u16)
		: bytes == 4 ? mms_view_u32_at(view, pos, &u32)
			     : mms_view_u64_at(view, pos, &u64);

	*ret_v = bytes == 1 ? u8 : bytes == 2 ? u16 : bytes == 4 ? u32 : u64;
	return r;
}

static int number(struct mms_view *view, unsigned bytes, uint64_t *ret_v)
{
	uint64_t u64 = UINT64_MAX;
	uint32_t u32 = UINT32_MAX;
	uint16_t u16 = UINT16_MAX;
	uint8_t u8 = UINT8_MAX;
	int r = bytes == 1   ? mms_view_u8(view, &u8)
		: bytes == 2 ? mms_view_u16(view, &u16)
		: bytes == 4 ? mms_view_u32(view, &u32)
			     : mms_view_u64(view, &u64);

	*ret_v = bytes == 1 ? u8 : bytes == 2 ? u16 : bytes == 4 ? u32 : u64;
	return r;
}

static uint64_t ones(unsigned bytes)
{
	return bytes == 8 ? UINT64_MAX : (1ULL << 8 * bytes) - 1;
}

/* ----------------------------------------------------------------- numbers */

START_TEST(numbers)
{
	struct set s;
	uint64_t v;

	set_up(&s, _i, t_fill("f", 40001));
	ck_assert_uint_eq(mms_view_length(&s.view), 40001);
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
		T_ASSERT_OK(mms_view_seek(&s.view, 0));
		for (uint64_t pos = 0; pos + bytes <= 40001; pos += bytes) {
			ck_assert_uint_eq(mms_view_position(&s.view), pos);
			T_ASSERT_OK(number(&s.view, bytes, &v));
			ck_assert_uint_eq(v, pattern_number(pos, bytes));
		}
		for (uint64_t pos = 40001 - bytes; pos > 300; pos -= 293) {
			T_ASSERT_OK(number_at(&s.view, bytes, pos, &v));
			ck_assert_uint_eq(v, pattern_number(pos, bytes));
		}
		/* The position stays for those. */
		ck_assert_uint_eq(mms_view_position(&s.view), 40001 / bytes * bytes);
	}
	ck_assert(!ways[_i].mapped == (t_call[CALL_PREAD].made > 0));
	ck_assert_uint_eq(t_stats(s.pool).reads_pread > 0, !ways[_i].mapped);
	tear_down(&s);
}
END_TEST

START_TEST(numbers_past_the_end)
{
	static const uint64_t far[] = {41,         1ULL << 31,     1ULL << 32,     INT64_MAX,
				       1ULL << 63, UINT64_MAX - 8, UINT64_MAX - 7, UINT64_MAX - 1,
				       UINT64_MAX};
	struct set s;
	uint64_t v;

	set_up(&s, _i, t_fill("f", 41));
	/* Without a window, then with one. */
	for (int round = 0; round < 2; round++) {
		for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
			for (unsigned in = 0; in < bytes; in++) {
				ck_assert_int_eq(number_at(&s.view, bytes, 41 - in, &v),
						 -MMS_EBOUNDS);
				ck_assert_uint_eq(v, ones(bytes));
				T_ASSERT_OK(mms_view_seek(&s.view, 41 - in));
				ck_assert_int_eq(number(&s.view, bytes, &v), -MMS_EBOUNDS);
				ck_assert_uint_eq(v, ones(bytes));
				ck_assert_uint_eq(mms_view_position(&s.view), 41 - in);
			}
			for (unsigned i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
				ck_assert_int_eq(number_at(&s.view, bytes, far[i], &v),
						 -MMS_EBOUNDS);
				ck_assert_uint_eq(v, ones(bytes));
			}
		}
		if (!round)
			ck_assert_uint_eq(t_maps_now, 0);
		T_ASSERT_OK(number_at(&s.view, 8, 33, &v));
		ck_assert_uint_eq(v, pattern_number(33, 8));
	}
	tear_down(&s);
}
END_TEST

/* ------------------------------------------------------------------ varints */

struct varint_case {
	const char *bytes;
	size_t len;
	int r32, r64;
	uint64_t value;
};

#define BYTES(text) text, sizeof(text) - 1

static const struct varint_case varint_cases[] = {
	{BYTES("\x00"), 0, 0, 0},
	{BYTES("\x01"), 0, 0, 1},
	{BYTES("\x7f"), 0, 0, 127},
	{BYTES("\x80\x01"), 0, 0, 128},
	{BYTES("\xff\x7f"), 0, 0, 16383},
	{BYTES("\x80\x80\x01"), 0, 0, 16384},
	{BYTES("\x80\x00"), 0, 0, 0}, /* longer than needed */
	{BYTES("\x80\x80\x80\x80\x00"), 0, 0, 0},
	{BYTES("\xff\xff\xff\xff\x0f"), 0, 0, UINT32_MAX},
	{BYTES("\xff\xff\xff\xff\x1f"), -MMS_ECORRUPT, 0, 0x1ffffffff},
	{BYTES("\x80\x80\x80\x80\x10"), -MMS_ECORRUPT, 0, 1ULL << 32},
	{BYTES("\x80\x80\x80\x80\x80\x00"), -MMS_ECORRUPT, 0, 0},
	{BYTES("\x80\x80\x80\x80\x80\x80\x80\x01"), -MMS_ECORRUPT, 0, 1ULL << 49},
	{BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x01"), -MMS_ECORRUPT, 0, 1ULL << 56},
	{BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), -MMS_ECORRUPT, 0, INT64_MAX},
	{BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), -MMS_ECORRUPT, 0, UINT64_MAX},
	{BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), -MMS_ECORRUPT, 0, 0},
	{BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), -MMS_ECORRUPT, -MMS_ECORRUPT, 0},
	{BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), -MMS_ECORRUPT, -MMS_ECORRUPT, 0},
	{BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), -MMS_ECORRUPT, -MMS_ECORRUPT, 0},
};
#define VARINT_CASES (int)(sizeof(varint_cases) / sizeof(varint_cases[0]))

/* At pos of the view, which ends right behind it or not. */
static void check_varint(struct mms_view *view, uint64_t pos, const struct varint_case *c)
{
	uint32_t v32 = 4711;
	uint64_t v64 = 4711;
	int64_t z64 = 4711;

	/* Without a window and with one. */
	for (int i = 0; i < 2; i++) {
		T_ASSERT_OK(mms_view_seek(view, pos));
		ck_assert_int_eq(mms_view_varint32(view, &v32), c->r32);
		ck_assert_uint_eq(v32, c->r32 ? 4711 : c->value);
		ck_assert_uint_eq(mms_view_position(view), pos + (c->r32 ? 0 : c->len));
	}
	T_ASSERT_OK(mms_view_seek(view, pos));
	ck_assert_int_eq(mms_view_varint64(view, &v64), c->r64);
	ck_assert_uint_eq(v64, c->r64 ? 4711 : c->value);
	ck_assert_uint_eq(mms_view_position(view), pos + (c->r64 ? 0 : c->len));
	T_ASSERT_OK(mms_view_seek(view, pos));
	ck_assert_int_eq(mms_view_zigzag64(view, &z64), c->r64);
	ck_assert_int_eq(z64, c->r64         ? 4711
			      : c->value & 1 ? -(int64_t)(c->value / 2) - 1
					     : (int64_t)(c->value / 2));
}

START_TEST(varints)
{
	unsigned char bytes[64];
	struct set s;

	for (int i = 0; i < VARINT_CASES; i++) {
		const struct varint_case *c = &varint_cases[i];

		memset(bytes, 0xff, sizeof(bytes));
		memcpy(bytes + 5, c->bytes, c->len);
		/* With room behind it, and at the end. */
		set_up(&s, _i, file_of("f", bytes, sizeof(bytes)));
		check_varint(&s.view, 5, c);
		tear_down(&s);
		set_up(&s, _i, file_of("f", bytes, 5 + c->len));
		check_varint(&s.view, 5, c);
		tear_down(&s);
		/* Cut off: what is corrupt within what is there stays so. */
		for (size_t len = 0; len < c->len; len++) {
			struct varint_case cut = *c;

			cut.r32 = c->r32 && len >= 5 ? c->r32 : -MMS_EBOUNDS;
			cut.r64 = c->r64 && len >= 10 ? c->r64 : -MMS_EBOUNDS;
			set_up(&s, _i, file_of("f", bytes, 5 + len));
			check_varint(&s.view, 5, &cut);
			tear_down(&s);
		}
	}
}
END_TEST

START_TEST(zigzags)
{
	static const int64_t wanted[] = {0, -1, 1, -2, 2, -64, 64, INT64_MAX, INT64_MIN};
	static const char bytes[] = "\x00\x01\x02\x03\x04\x7f\x80\x01"
				    "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"
				    "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
	struct set s;
	int64_t v;

	set_up(&s, _i, file_of("f", bytes, sizeof(bytes) - 1));
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		T_ASSERT_OK(mms_view_zigzag64(&s.view, &v));
		ck_assert_int_eq(v, wanted[i]);
	}
	ck_assert_int_eq(mms_view_zigzag64(&s.view, &v), -MMS_EBOUNDS);
	ck_assert_int_eq(v, INT64_MIN);
	tear_down(&s);
}
END_TEST

/* -------------------------------------------------------- bytes and strings */

START_TEST(byte_ranges)
{
	unsigned char *buf = malloc(3 * CHUNK);
	const uint64_t size = 2 * CHUNK + 4711;
	struct set s;

	set_up(&s, _i, t_fill("f", size));
	for (uint64_t len = 0; len <= size; len = len * 3 + 1) {
		for (uint64_t pos = 0; pos + len <= size; pos += size / 3) {
			memset(buf, 0, len + 1);
			T_ASSERT_OK(mms_view_bytes_at(&s.view, pos, buf, len));
			t_check(buf, len, pos);
			ck_assert_uint_eq(buf[len], 0);
			T_ASSERT_OK(mms_view_seek(&s.view, pos));
			memset(buf, 0, len + 1);
			T_ASSERT_OK(mms_view_bytes(&s.view, buf, len));
			t_check(buf, len, pos);
			ck_assert_uint_eq(mms_view_position(&s.view), pos + len);
		}
	}
	T_ASSERT_OK(mms_view_seek(&s.view, 0));
	T_ASSERT_OK(mms_view_bytes(&s.view, buf, size));
	t_check(buf, size, 0);
	ck_assert_int_eq(mms_view_bytes(&s.view, buf, 1), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_view_bytes_at(&s.view, 0, buf, size + 1), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_view_bytes_at(&s.view, 1, buf, SIZE_MAX), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_view_bytes_at(&s.view, UINT64_MAX, buf, 2), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_view_bytes_at(&s.view, size + 1, buf, 0), -MMS_EBOUNDS);
	T_ASSERT_OK(mms_view_bytes_at(&s.view, size, buf, 0));
	ck_assert(!ways[_i].mapped == (t_call[CALL_PREAD].made > 0));
	free(buf);
	tear_down(&s);
}
END_TEST

START_TEST(strings)
{
	static const char content[] = "\x05hello\x00\x03"
				      "a\0b"
				      "\x81\x00!"; /* length 1, written long */
	struct set s;
	char *text;
	size_t len;

	set_up(&s, _i, file_of("f", content, sizeof(content) - 1));
	T_ASSERT_OK(mms_view_string(&s.view, &text, &len));
	ck_assert_str_eq(text, "hello");
	ck_assert_uint_eq(len, 5);
	free(text);
	T_ASSERT_OK(mms_view_string(&s.view, &text, NULL));
	ck_assert_str_eq(text, "");
	free(text);
	T_ASSERT_OK(mms_view_string(&s.view, &text, &len));
	ck_assert_uint_eq(len, 3);
	ck_assert_mem_eq(text, "a\0b", 4);
	free(text);
	T_ASSERT_OK(mms_view_string(&s.view, &text, &len));
	ck_assert_str_eq(text, "!");
	free(text);
	text = (char *)"untouched";
	len = 4711;
	ck_assert_int_eq(mms_view_string(&s.view, &text, &len), -MMS_EBOUNDS);
	ck_assert_str_eq(text, "untouched");
	ck_assert_uint_eq(len, 4711);
	tear_down(&s);
}
END_TEST

START_TEST(hostile_strings)
{
	static const struct {
		const char *bytes;
		size_t len;
		int r;
	} cases[] = {
		/* Of 4 GiB, with three bytes left. */
		{BYTES("\xff\xff\xff\xff\x0f"
		       "abc"),
		 -MMS_ECORRUPT},
		{BYTES("\x04"
		       "abc"),
		 -MMS_ECORRUPT},
		{BYTES("\x01"), -MMS_ECORRUPT},
		{BYTES("\xff\xff\xff\xff\x7f"
		       "abc"),
		 -MMS_ECORRUPT},
		{BYTES("\x80\x80"), -MMS_EBOUNDS},
		{BYTES("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"), -MMS_ECORRUPT},
	};
	struct set s;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = NULL;
		size_t len = 4711;

		set_up(&s, _i, file_of("f", cases[i].bytes, cases[i].len));
		ck_assert_int_eq(mms_view_string(&s.view, &text, &len), cases[i].r);
		ck_assert_ptr_null(text);
		ck_assert_uint_eq(len, 4711);
		ck_assert_uint_eq(mms_view_position(&s.view), 0);
		tear_down(&s);
	}
}
END_TEST

START_TEST(strings_that_cannot_be_read)
{
	const char *path = t_fill("f", 200000);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char *text = NULL;
	struct set s;

	/* 100,000 bytes; what they begin with is left of the file. */
	ck_assert_int_eq(pwrite(fd, "\xa0\x8d\x06", 3, 0), 3);
	set_up(&s, _i, path);
	ck_assert_int_eq(ftruncate(fd, 65536), 0);
	ck_assert_int_eq(mms_view_string(&s.view, &text, NULL), -MMS_ETRUNCATED);
	ck_assert_ptr_null(text);
	ck_assert_uint_eq(mms_view_position(&s.view), 0);
	close(fd);
	tear_down(&s);
}
END_TEST

/* The sanitizers' malloc() has ideas of its own. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
START_TEST(strings_too_long_for_memory)
{
	const struct rlimit limit = {1ULL << 30, 1ULL << 30};
	char *text = NULL;
	struct set s;
	int fd;

	if (!t_sparse("f", 5 * GIB))
		return;
	fd = open(t_path("f"), O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(pwrite(fd, "\xff\xff\xff\xff\x0f", 5, 0), 5);
	close(fd);
	set_up(&s, 0, t_path("f"));
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(mms_view_string(&s.view, &text, NULL), -ENOMEM);
	ck_assert_ptr_null(text);
	ck_assert_uint_eq(mms_view_position(&s.view), 0);
	tear_down(&s);
}
END_TEST
#endif

/* ------------------------------------------------------------------- others */

START_TEST(seeks_and_skips)
{
	struct set s;

	set_up(&s, _i, t_fill("f", 100));
	T_ASSERT_OK(mms_view_seek(&s.view, 100));
	ck_assert_int_eq(mms_view_seek(&s.view, 101), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_view_seek(&s.view, UINT64_MAX), -MMS_EBOUNDS);
	ck_assert_uint_eq(mms_view_position(&s.view), 100);
	T_ASSERT_OK(mms_view_skip(&s.view, 0));
	ck_assert_int_eq(mms_view_skip(&s.view, 1), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_view_skip(&s.view, UINT64_MAX - 99), -MMS_EBOUNDS);
	T_ASSERT_OK(mms_view_seek(&s.view, 1));
	ck_assert_int_eq(mms_view_skip(&s.view, UINT64_MAX), -MMS_EBOUNDS);
	T_ASSERT_OK(mms_view_skip(&s.view, 99));
	ck_assert_uint_eq(mms_view_position(&s.view), 100);
	tear_down(&s);
}
END_TEST

START_TEST(peeks)
{
	const uint64_t size = CHUNK + 20000;
	const void *addr;
	uint64_t pos = 0;
	size_t len;
	struct set s;

	set_up(&s, _i, t_fill("f", size));
	while (pos < size) {
		T_ASSERT_OK(mms_view_seek(&s.view, pos));
		T_ASSERT_OK(mms_view_peek(&s.view, &addr, &len));
		ck_assert_uint_ge(len, 1);
		ck_assert_uint_le(len, size - pos);
		t_check(addr, len, pos);
		ck_assert_uint_eq(mms_view_position(&s.view), pos);
		if (ways[_i].mapped)
			ck_assert_uint_eq(pos + len, pos < CHUNK ? CHUNK : size);
		pos += len > 5 ? len - len / 3 : len;
	}
	T_ASSERT_OK(mms_view_seek(&s.view, size));
	len = 4711;
	ck_assert_int_eq(mms_view_peek(&s.view, &addr, &len), -MMS_EBOUNDS);
	ck_assert_uint_eq(len, 4711);
	tear_down(&s);
}
END_TEST

START_TEST(crcs)
{
	const uint64_t size = 3 * CHUNK + 12345;
	unsigned char *all = malloc(size);
	uint32_t crc = 0;
	struct set s;

	t_pattern(all, size, 0);
	set_up(&s, _i, t_fill("f", size));
	T_ASSERT_OK(mms_view_crc32(&s.view, size, &crc));
	ck_assert_uint_eq(crc, mms_crc32(0, all, size));
	ck_assert_uint_eq(mms_view_position(&s.view), size);
	T_ASSERT_OK(mms_view_crc32(&s.view, 0, &crc));
	ck_assert_int_eq(mms_view_crc32(&s.view, 1, &crc), -MMS_EBOUNDS);
	ck_assert_uint_eq(crc, mms_crc32(0, all, size));
	/* In parts, over a border. */
	T_ASSERT_OK(mms_view_seek(&s.view, CHUNK - 100));
	crc = 0;
	T_ASSERT_OK(mms_view_crc32(&s.view, 99, &crc));
	T_ASSERT_OK(mms_view_crc32(&s.view, 7000, &crc));
	ck_assert_uint_eq(crc, mms_crc32(0, all + CHUNK - 100, 7099));
	ck_assert_int_eq(mms_view_crc32(&s.view, UINT64_MAX, &crc), -MMS_EBOUNDS);
	ck_assert_uint_eq(mms_view_position(&s.view), CHUNK + 6999);
	free(all);
	tear_down(&s);
}
END_TEST

START_TEST(an_empty_file)
{
	const void *addr;
	struct mms_view slice;
	uint32_t crc = 7;
	char *text;
	size_t len;
	uint64_t v;
	struct set s;

	set_up(&s, _i, t_fill("f", 0));
	ck_assert_uint_eq(mms_view_length(&s.view), 0);
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2)
		ck_assert_int_eq(number(&s.view, bytes, &v), -MMS_EBOUNDS);
	T_ASSERT_OK(mms_view_bytes(&s.view, &v, 0));
	ck_assert_int_eq(mms_view_varint64(&s.view, &v), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_view_string(&s.view, &text, NULL), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_view_peek(&s.view, &addr, &len), -MMS_EBOUNDS);
	T_ASSERT_OK(mms_view_crc32(&s.view, 0, &crc));
	ck_assert_uint_eq(crc, 7);
	T_ASSERT_OK(mms_view_seek(&s.view, 0));
	T_ASSERT_OK(mms_view_intend(&s.view, MMS_INTENT_QUERY));
	T_ASSERT_OK(mms_view_preload(&s.view, MMS_PRELOAD_POPULATE));
	T_ASSERT_OK(mms_view_slice(&s.view, "none", 0, 0, &slice));
	ck_assert_int_eq(mms_view_slice(&s.view, NULL, 0, 1, &slice), -MMS_EBOUNDS);
	ck_assert_int_eq(number(&slice, 1, &v), -MMS_EBOUNDS);
	mms_view_release(&slice);
	ck_assert_uint_eq(t_call[CALL_PREAD].made, 0);
	tear_down(&s);
}
END_TEST

/* -------------------------------------------------------- clones and slices */

START_TEST(clones)
{
	struct mms_view clone;
	struct set s;
	uint64_t v;

	set_up(&s, _i, t_fill("f", 50000));
	T_ASSERT_OK(mms_view_seek(&s.view, 1000));
	T_ASSERT_OK(number(&s.view, 8, &v));
	T_ASSERT_OK(mms_view_clone(&s.view, &clone));
	ck_assert_uint_eq(mms_view_length(&clone), 50000);
	ck_assert_uint_eq(mms_view_position(&clone), 1008);
	ck_assert_str_eq(mms_view_name(&clone), mms_view_name(&s.view));
	T_ASSERT_OK(number(&clone, 8, &v));
	ck_assert_uint_eq(v, pattern_number(1008, 8));
	ck_assert_uint_eq(mms_view_position(&s.view), 1008);
	T_ASSERT_OK(number(&s.view, 4, &v));
	ck_assert_uint_eq(v, pattern_number(1008, 4));
	/* It goes on when the other one is gone. */
	mms_view_release(&s.view);
	T_ASSERT_OK(number_at(&clone, 8, 40000, &v));
	ck_assert_uint_eq(v, pattern_number(40000, 8));
	if (ways[_i].mapped)
		ck_assert_uint_eq(t_call[CALL_MMAP].made, 1);
	T_ASSERT_OK(mms_view_clone(&clone, &s.view));
	mms_view_release(&clone);
	tear_down(&s);
}
END_TEST

START_TEST(slices_of_slices_of_slices)
{
	const uint64_t size = 2 * CHUNK + 1000;
	const char *path = t_fill("f", size);
	char name[4200];
	struct mms_view a, b, c, d, e;
	struct set s;
	uint64_t v;

	set_up(&s, _i, path);
	T_ASSERT_OK(mms_view_seek(&s.view, 99));
	T_ASSERT_OK(mms_view_slice(&s.view, "segment", CHUNK - 500, CHUNK + 1000, &a));
	T_ASSERT_OK(mms_view_slice(&a, "postings", 100, 900, &b));
	T_ASSERT_OK(mms_view_slice(&b, NULL, 350, 100, &c));
	T_ASSERT_OK(mms_view_slice(&c, "", 100, 0, &d));
	T_ASSERT_OK(mms_view_clone(&c, &e));
	snprintf(name, sizeof(name), "%s", path);
	ck_assert_str_eq(mms_view_name(&s.view), name);
	snprintf(name, sizeof(name), "%s [segment]", path);
	ck_assert_str_eq(mms_view_name(&a), name);
	snprintf(name, sizeof(name), "%s [segment] [postings]", path);
	ck_assert_str_eq(mms_view_name(&b), name);
	ck_assert_ptr_eq(mms_view_name(&c), mms_view_name(&b));
	ck_assert_ptr_eq(mms_view_name(&e), mms_view_name(&b));
	snprintf(name, sizeof(name), "%s [segment] [postings] []", path);
	ck_assert_str_eq(mms_view_name(&d), name);
	ck_assert_uint_eq(mms_view_position(&a), 0);
	ck_assert_uint_eq(mms_view_length(&c), 100);
	/* The border of the chunks is at 50 of c. */
	for (uint64_t pos = 0; pos + 8 <= 100; pos++) {
		T_ASSERT_OK(number_at(&c, 8, pos, &v));
		ck_assert_uint_eq(v, pattern_number(CHUNK - 50 + pos, 8));
		T_ASSERT_OK(number_at(&e, 8, pos, &v));
		ck_assert_uint_eq(v, pattern_number(CHUNK - 50 + pos, 8));
	}
	/* They end where they end, though the file goes on. */
	ck_assert_int_eq(number_at(&c, 8, 93, &v), -MMS_EBOUNDS);
	ck_assert_int_eq(number_at(&c, 1, 100, &v), -MMS_EBOUNDS);
	T_ASSERT_OK(number_at(&c, 1, 99, &v));
	ck_assert_uint_eq(v, t_byte(CHUNK + 49));
	ck_assert_int_eq(number_at(&d, 1, 0, &v), -MMS_EBOUNDS);
	/* Nor do they reach back before where they begin. */
	ck_assert_int_eq(number_at(&c, 1, UINT64_MAX, &v), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_view_seek(&c, UINT64_MAX - 10), -MMS_EBOUNDS);
	/* Names outlive those they came from. */
	mms_view_release(&a);
	mms_view_release(&b);
	mms_view_release(&c);
	snprintf(name, sizeof(name), "%s [segment] [postings]", path);
	ck_assert_str_eq(mms_view_name(&e), name);
	mms_view_release(&d);
	mms_view_release(&e);
	tear_down(&s);
}
END_TEST

START_TEST(slices_out_of_bounds)
{
	static const uint64_t bad[][2] = {{0, 101},
					  {1, 100},
					  {100, 1},
					  {101, 0},
					  {UINT64_MAX, 1},
					  {UINT64_MAX, 2},
					  {50, UINT64_MAX},
					  {50, UINT64_MAX - 49},
					  {1ULL << 63, 1ULL << 63}};
	struct mms_view slice, of_slice;
	struct set s;

	set_up(&s, 0, t_fill("f", 200));
	T_ASSERT_OK(mms_view_slice(&s.view, NULL, 50, 100, &slice));
	memset(&of_slice, 0xaa, sizeof(of_slice));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_int_eq(mms_view_slice(&slice, "x", bad[i][0], bad[i][1], &of_slice),
				 -MMS_EBOUNDS);
		ck_assert_uint_eq(of_slice.len, 0xaaaaaaaaaaaaaaaa);
	}
	T_ASSERT_OK(mms_view_slice(&slice, NULL, 100, 0, &of_slice));
	mms_view_release(&of_slice);
	T_ASSERT_OK(mms_view_slice(&slice, NULL, 0, 100, &of_slice));
	mms_view_release(&of_slice);
	mms_view_release(&slice);
	tear_down(&s);
}
END_TEST

/* A slice shorter than what is read of it at once. */
START_TEST(tiny_slices)
{
	struct mms_view slice;
	struct set s;
	uint64_t v;

	set_up(&s, _i, t_fill("f", 100));
	for (uint64_t len = 0; len < 12; len++) {
		T_ASSERT_OK(mms_view_slice(&s.view, NULL, 30, len, &slice));
		for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
			for (uint64_t pos = 0; pos < 12; pos++) {
				int r = number_at(&slice, bytes, pos, &v);

				ck_assert_int_eq(r, pos + bytes <= len ? 0 : -MMS_EBOUNDS);
				if (!r)
					ck_assert_uint_eq(v, pattern_number(30 + pos, bytes));
			}
		}
		mms_view_release(&slice);
	}
	tear_down(&s);
}
END_TEST

/* ----------------------------------------------------------------- lifetime */

START_TEST(views_outlive_the_file)
{
	struct mms_view clone, slice;
	struct set s;
	uint64_t v;
	unsigned closes;

	set_up(&s, _i, t_fill("f", 2 * CHUNK));
	T_ASSERT_OK(number_at(&s.view, 8, 0, &v));
	closes = t_call[CALL_CLOSE].made;
	T_ASSERT_OK(mms_close(s.file));
	ck_assert_uint_eq(t_call[CALL_CLOSE].made, closes);
	ck_assert_uint_eq(t_stats(s.pool).files, 1);
	/* A chunk that was not mapped yet, by views that are made now. */
	T_ASSERT_OK(mms_view_clone(&s.view, &clone));
	T_ASSERT_OK(number_at(&clone, 8, CHUNK + 5, &v));
	ck_assert_uint_eq(v, pattern_number(CHUNK + 5, 8));
	T_ASSERT_OK(mms_view_slice(&clone, "late", 7, 100, &slice));
	T_ASSERT_OK(mms_view_intend(&slice, MMS_INTENT_QUERY));
	T_ASSERT_OK(mms_view_preload(&clone, MMS_PRELOAD_ASYNC));
	mms_view_release(&s.view);
	mms_view_release(&clone);
	ck_assert_uint_eq(t_stats(s.pool).files, 1);
	T_ASSERT_OK(number_at(&slice, 8, 0, &v));
	ck_assert_uint_eq(v, pattern_number(7, 8));
	mms_view_release(&slice);
	ck_assert_uint_eq(t_call[CALL_CLOSE].made, closes + 1);
	s.file = NULL;
	tear_down(&s);
}
END_TEST

START_TEST(without_views_the_descriptor_goes_at_once)
{
	struct set s;
	uint64_t v;

	set_up(&s, 0, t_fill("f", CHUNK));
	T_ASSERT_OK(number_at(&s.view, 8, 0, &v));
	mms_view_release(&s.view);
	ck_assert_uint_eq(t_call[CALL_CLOSE].made, 0);
	mms_close(s.file);
	ck_assert_uint_eq(t_call[CALL_CLOSE].made, 1);
	s.file = NULL;
	tear_down(&s);
}
END_TEST

/* What the owner owes is done by mms_close(), not by the last view. */
START_TEST(closing_pays_what_is_owed)
{
	const struct mms_file_options options = {.mode = MMS_RDWR, .sync = MMS_SYNC_LAZY};
	const struct mms_file_options never = {.mode = MMS_RDWR, .sync = MMS_SYNC_NEVER};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", CHUNK);
	struct mms_file *file = t_open(pool, path, &options);
	struct mms_view view;
	uint8_t v;

	T_ASSERT_OK(mms_view_init(&view, file));
	ck_assert_int_eq(mms_write(file, "x", 1, 5, 0), 1);
	t_fail(CALL_FDATASYNC, -EIO, 0, 1);
	ck_assert_int_eq(mms_close(file), -EIO);
	ck_assert_uint_eq(t_stats(pool).sync_failures, 1);
	ck_assert_uint_eq(t_stats(pool).dirty_files, 0);
	T_ASSERT_OK(mms_view_u8_at(&view, 5, &v));
	ck_assert_uint_eq(v, 'x');
	mms_view_release(&view);
	ck_assert_uint_eq(t_call[CALL_FDATASYNC].made, 1);
	/* What stays dirty is the kernel's. */
	file = t_open(pool, path, &never);
	T_ASSERT_OK(mms_view_init(&view, file));
	ck_assert_int_eq(mms_write(file, "y", 1, 5, 0), 1);
	ck_assert_uint_eq(t_stats(pool).dirty_bytes, MMS_BLOCK_BYTES);
	T_ASSERT_OK(mms_close(file));
	ck_assert_uint_eq(t_stats(pool).dirty_bytes, 0);
	ck_assert_uint_eq(t_stats(pool).dirty_files, 0);
	T_ASSERT_OK(mms_pool_sync(pool, NULL));
	ck_assert_uint_eq(t_call[CALL_FDATASYNC].made, 1);
	mms_view_release(&view);
	mms_pool_free(pool);
}
END_TEST

START_TEST(released_and_zeroed_views_are_harmless)
{
	struct mms_view view = {0};
	struct mms_error err = {0};
	struct set s;
	uint64_t v;

	mms_view_release(&view);
	mms_view_release(&view);
	set_up(&s, 0, t_fill("f", 100));
	T_ASSERT_OK(number_at(&s.view, 8, 0, &v));
	mms_view_release(&s.view);
	mms_view_release(&s.view);
	ck_assert_int_eq(number_at(&s.view, 8, 0, &v), -MMS_EBOUNDS);
	ck_assert_uint_eq(mms_view_length(&s.view), 0);
	ck_assert_str_eq(mms_view_name(&s.view), "");
	ck_assert_int_eq(mms_view_error(&s.view, -EIO, &err), -EIO);
	tear_down(&s);
}
END_TEST

START_TEST(size_unknown)
{
	struct mms_view view;
	struct set s;

	set_up(&s, 0, t_fill("f", 100));
	memset(&view, 0xaa, sizeof(view));
	t_fail(CALL_FSTAT, -EIO, 0, 1);
	ck_assert_int_eq(mms_view_init(&view, s.file), -EIO);
	ck_assert_uint_eq(view.len, 0xaaaaaaaaaaaaaaaa);
	tear_down(&s);
}
END_TEST

/* ------------------------------------------------------------------ changes */

/* Where this process can change the file, each read shows it. */
START_TEST(changes_show)
{
	bool cow = ways[_i].options.mode == MMS_COW;
	unsigned char buf[100];
	const void *addr;
	uint32_t crc = 0;
	struct mms_view other;
	size_t len;
	struct set s;
	uint64_t v;
	int r;

	if (ways[_i].options.mode == MMS_RDONLY)
		return;
	set_up(&s, _i, t_fill("f", 2 * CHUNK));
	T_ASSERT_OK(mms_view_clone(&s.view, &other));
	T_ASSERT_OK(number_at(&s.view, 8, CHUNK - 4, &v));
	T_ASSERT_OK(number_at(&s.view, 8, 100, &v));
	ck_assert_uint_eq(v, pattern_number(100, 8));
	r = (int)mms_write(s.file, "\1\2\3\4\5\6\7\10", 8, 100, 0);
	ck_assert_int_eq(r, 8);
	for (int i = 0; i < 2; i++) {
		struct mms_view *view = i ? &other : &s.view;

		T_ASSERT_OK(number_at(view, 8, 100, &v));
		ck_assert_uint_eq(v, 0x0807060504030201);
		T_ASSERT_OK(mms_view_bytes_at(view, 98, buf, 12));
		t_check(buf, 2, 98);
		ck_assert_mem_eq(buf + 2, "\1\2\3\4\5\6\7\10", 8);
		t_check(buf + 10, 2, 108);
		T_ASSERT_OK(mms_view_seek(view, 100));
		T_ASSERT_OK(mms_view_peek(view, &addr, &len));
		ck_assert_mem_eq(addr, "\1\2\3\4\5\6\7\10", 8);
		crc = 0;
		T_ASSERT_OK(mms_view_crc32(view, 8, &crc));
		ck_assert_uint_eq(crc, mms_crc32(0, "\1\2\3\4\5\6\7\10", 8));
		/* The next chunk has none. */
		T_ASSERT_OK(number_at(view, 8, CHUNK + 100, &v));
		ck_assert_uint_eq(v, pattern_number(CHUNK + 100, 8));
	}
	/* The owner gone, they are there still. */
	T_ASSERT_OK(mms_close(s.file));
	s.file = NULL;
	T_ASSERT_OK(number_at(&other, 8, 100, &v));
	ck_assert_uint_eq(v, 0x0807060504030201);
	mms_view_release(&other);
	tear_down(&s);
	if (cow) {
		set_up(&s, 0, t_path("f"));
		T_ASSERT_OK(number_at(&s.view, 8, 100, &v));
		ck_assert_uint_eq(v, pattern_number(100, 8));
		tear_down(&s);
	}
}
END_TEST

START_TEST(an_upgraded_file_is_read_afresh)
{
	const struct mms_file_options options = {.io = MMS_IO_PREAD};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 2 * CHUNK);
	struct mms_file *file = t_open(pool, path, &options);
	struct mms_view view;
	uint8_t v;

	T_ASSERT_OK(mms_view_init(&view, file));
	T_ASSERT_OK(mms_view_u8_at(&view, 7, &v));
	T_ASSERT_OK(mms_upgrade(file, open(path, O_RDWR | O_CLOEXEC)));
	/* From the next move on. */
	T_ASSERT_OK(mms_view_u8_at(&view, CHUNK, &v));
	for (int i = 1; i < 4; i++) {
		char c = (char)i;

		ck_assert_int_eq(mms_write(file, &c, 1, 7, 0), 1);
		T_ASSERT_OK(mms_view_u8_at(&view, 7, &v));
		ck_assert_int_eq(v, i);
	}
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* -------------------------------------------------------------------- hints */

START_TEST(intents)
{
	struct set s;
	struct mms_view clone, late, slice;
	uint64_t v;
	unsigned calls;

	set_up(&s, 0, t_fill("f", 4 * CHUNK));
	T_ASSERT_OK(mms_view_clone(&s.view, &clone));
	/* By default there is no call, mapped or not. */
	T_ASSERT_OK(number_at(&s.view, 8, 0, &v));
	T_ASSERT_OK(mms_view_intend(&s.view, MMS_INTENT_DEFAULT));
	T_ASSERT_OK(number_at(&s.view, 8, CHUNK, &v));
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, 0);
	/* Two chunks are mapped. */
	T_ASSERT_OK(mms_view_intend(&s.view, MMS_INTENT_QUERY));
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, 2);
	/* What is mapped later has it too, once; and what a clone of before maps, not. */
	T_ASSERT_OK(number_at(&s.view, 8, 2 * CHUNK, &v));
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, 3);
	T_ASSERT_OK(number_at(&s.view, 8, 0, &v));
	T_ASSERT_OK(number_at(&s.view, 8, 2 * CHUNK, &v));
	T_ASSERT_OK(number_at(&clone, 8, 3 * CHUNK, &v));
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, 3);
	mms_view_release(&clone);
	mms_view_release(&s.view);
	mms_close(s.file);
	/* Clones and slices made from then on; a slice that begins anywhere. */
	s.file = t_open(s.pool, t_path("f"), &ways[0].options);
	T_ASSERT_OK(mms_view_init(&s.view, s.file));
	T_ASSERT_OK(mms_view_intend(&s.view, MMS_INTENT_MERGE));
	T_ASSERT_OK(mms_view_clone(&s.view, &late));
	T_ASSERT_OK(mms_view_slice(&late, NULL, 2 * CHUNK + 100001, 5000, &slice));
	calls = t_call[CALL_MADVISE].made;
	ck_assert_uint_eq(calls, 3);
	T_ASSERT_OK(number_at(&late, 8, 0, &v));
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, calls + 1);
	T_ASSERT_OK(number_at(&slice, 8, 0, &v));
	ck_assert_uint_eq(v, pattern_number(2 * CHUNK + 100001, 8));
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, calls + 2);
	/* And back: there was other advice before. */
	T_ASSERT_OK(mms_view_intend(&s.view, MMS_INTENT_DEFAULT));
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, calls + 4);
	ck_assert_int_eq(mms_view_intend(&s.view, (enum mms_intent)5), -EINVAL);
	ck_assert_int_eq(mms_view_intend(&s.view, (enum mms_intent) - 1), -EINVAL);
	/* A refusal is told, where it is asked for. */
	t_fail(CALL_MADVISE, -EINVAL, 0, 1);
	ck_assert_int_eq(mms_view_intend(&s.view, MMS_INTENT_CHECKSUM), -EINVAL);
	mms_view_release(&slice);
	mms_view_release(&late);
	tear_down(&s);
}
END_TEST

/* Advice of a file is not that of a view with another intent. */
START_TEST(intents_against_the_files_advice)
{
	const struct mms_file_options options = {.io = MMS_IO_MMAP, .advice = MMS_ADVICE_RANDOM};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), &options);
	struct mms_view view;
	uint64_t v;

	T_ASSERT_OK(mms_view_init(&view, file));
	T_ASSERT_OK(number_at(&view, 8, 0, &v));
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, 1);
	T_ASSERT_OK(mms_view_intend(&view, MMS_INTENT_QUERY)); /* the same */
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, 2);
	T_ASSERT_OK(number_at(&view, 8, CHUNK, &v));
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, 3);
	T_ASSERT_OK(mms_view_intend(&view, MMS_INTENT_DEFAULT));
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, 5);
	T_ASSERT_OK(number_at(&view, 8, 2 * CHUNK, &v)); /* the file's, then the view's */
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, 7);
	mms_view_release(&view);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(preloads)
{
	struct mms_view slice;
	struct set s;

	set_up(&s, 0, t_fill("f", 4 * CHUNK));
	T_ASSERT_OK(mms_view_slice(&s.view, NULL, CHUNK, CHUNK, &slice));
	T_ASSERT_OK(mms_view_preload(&slice, MMS_PRELOAD_NONE));
	ck_assert_uint_eq(t_stats(s.pool).chunks, 0);
	T_ASSERT_OK(mms_view_preload(&slice, MMS_PRELOAD_POPULATE));
	ck_assert_uint_eq(t_stats(s.pool).chunks, 1);
	ck_assert_int_eq(mms_view_preload(&slice, (enum mms_preload)3), -EINVAL);
	mms_view_release(&slice);
	/* Of nothing: not of all that follows. */
	T_ASSERT_OK(mms_view_slice(&s.view, NULL, 2 * CHUNK, 0, &slice));
	T_ASSERT_OK(mms_view_preload(&slice, MMS_PRELOAD_POPULATE));
	T_ASSERT_OK(mms_view_intend(&slice, MMS_INTENT_QUERY));
	ck_assert_uint_eq(t_stats(s.pool).chunks, 1);
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, 1);
	ck_assert_int_eq(mms_view_preload(&slice, (enum mms_preload)3), -EINVAL);
	mms_view_release(&slice);
	tear_down(&s);
}
END_TEST

/* ------------------------------------------------------------------- errors */

/* Every reader where the file has been cut off. */
static void all_truncated(struct mms_view *view, uint64_t pos, int code)
{
	unsigned char *buf = malloc(40000);
	uint32_t crc = 4711;
	char *text = NULL;
	int64_t i64 = 7;
	uint32_t u32 = 7;
	uint64_t v;

	T_ASSERT_OK(mms_view_seek(view, pos));
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
		ck_assert_int_eq(number_at(view, bytes, pos, &v), code);
		ck_assert_uint_eq(v, ones(bytes));
		ck_assert_int_eq(number(view, bytes, &v), code);
		ck_assert_uint_eq(v, ones(bytes));
	}
	v = 7;
	ck_assert_int_eq(mms_view_varint32(view, &u32), code);
	ck_assert_int_eq(mms_view_varint64(view, &v), code);
	ck_assert_int_eq(mms_view_zigzag64(view, &i64), code);
	ck_assert(u32 == 7 && v == 7 && i64 == 7);
	ck_assert_int_eq(mms_view_string(view, &text, NULL), code);
	ck_assert_ptr_null(text);
	for (size_t len = 1; len < 40000; len *= 5) {
		ck_assert_int_eq(mms_view_bytes(view, buf, len), code);
		ck_assert_int_eq(mms_view_bytes_at(view, pos, buf, len), code);
	}
	ck_assert_int_eq(mms_view_crc32(view, 20000, &crc), code);
	ck_assert_uint_eq(crc, 4711);
	ck_assert_uint_eq(mms_view_position(view), pos);
	free(buf);
}

START_TEST(truncated_under_every_reader)
{
	const char *path = t_fill("f", 200000);
	struct mms_error err;
	struct set s;
	uint64_t v;

	set_up(&s, _i, path);
	T_ASSERT_OK(number_at(&s.view, 8, 0, &v));
	ck_assert_int_eq(truncate(path, 65536), 0);
	all_truncated(&s.view, 65536, -MMS_ETRUNCATED);
	ck_assert_int_eq(mms_view_error(&s.view, -MMS_ETRUNCATED, &err), -MMS_ETRUNCATED);
	ck_assert_ptr_nonnull(strstr(err.what, path));
	ck_assert_ptr_nonnull(strstr(err.what, " at 65536 of 200000"));
	ck_assert_ptr_nonnull(strstr(err.hint, "200000"));
	ck_assert_ptr_nonnull(strstr(err.hint, "has 65536 now"));
	all_truncated(&s.view, 150000, -MMS_ETRUNCATED);
	/* Over the edge; and before it all is as it was. */
	ck_assert_int_eq(number_at(&s.view, 8, 65532, &v), -MMS_ETRUNCATED);
	T_ASSERT_OK(number_at(&s.view, 8, 65528, &v));
	ck_assert_uint_eq(v, pattern_number(65528, 8));
	ck_assert_uint_eq(t_stats(s.pool).faults > 0, ways[_i].mapped);
	/* An error of the disk in place of the end. */
	t_fail(CALL_PREAD, -EIO, 0, -1);
	all_truncated(&s.view, 70000, -EIO);
	ck_assert_int_eq(mms_view_error(&s.view, -EIO, &err), -EIO);
	ck_assert_ptr_nonnull(strstr(err.hint, "dmesg"));
	t_fail(CALL_PREAD, 0, 0, 0);
	/* It grows again: so does what is read. */
	t_fill("f", 200000);
	T_ASSERT_OK(number_at(&s.view, 8, 150000, &v));
	ck_assert_uint_eq(v, pattern_number(150000, 8));
	tear_down(&s);
}
END_TEST

START_TEST(truncated_under_a_peek)
{
	const char *path = t_fill("f", 200000);
	const void *addr = NULL;
	size_t len;
	struct set s;
	int r;

	set_up(&s, _i, path);
	ck_assert_int_eq(truncate(path, 0), 0);
	r = mms_view_peek(&s.view, &addr, &len);
	if (ways[_i].mapped) {
		char c;

		T_ASSERT_OK(r);
		ck_assert_int_eq(mms_copy(&c, addr, 1), -EFAULT);
	} else {
		ck_assert_int_eq(r, -MMS_ETRUNCATED);
		ck_assert_ptr_null(addr);
		t_fail(CALL_PREAD, -EIO, 0, -1);
		ck_assert_int_eq(mms_view_peek(&s.view, &addr, &len), -EIO);
	}
	tear_down(&s);
}
END_TEST

/* Interrupted and short transfers are nobody's business. */
START_TEST(short_and_interrupted_preads)
{
	unsigned char buf[5000];
	struct set s;
	uint64_t v;

	set_up(&s, _i, t_fill("f", 100000));
	t_short_io = 3;
	for (uint64_t pos = 0; pos < 90000; pos += 10007) {
		t_fail(CALL_PREAD, -EINTR, 1, 2);
		T_ASSERT_OK(number_at(&s.view, 8, pos, &v));
		ck_assert_uint_eq(v, pattern_number(pos, 8));
		T_ASSERT_OK(mms_view_bytes_at(&s.view, pos, buf, sizeof(buf)));
		t_check(buf, sizeof(buf), pos);
	}
	tear_down(&s);
}
END_TEST

/* A sector that cannot be read is trouble for those who want it only. */
START_TEST(errors_beside_what_is_wanted)
{
	unsigned char buf[20];
	const void *addr;
	size_t len;
	struct set s;

	set_up(&s, 2, t_fill("f", 50000)); /* with a buffer */
	t_fail(CALL_PREAD, -EIO, 0, 1);    /* filling it fails, what is wanted does not */
	T_ASSERT_OK(mms_view_bytes_at(&s.view, 100, buf, sizeof(buf)));
	t_check(buf, sizeof(buf), 100);
	/* It is filled in part: to the byte before. */
	t_short_io = 100;
	t_fail(CALL_PREAD, -EIO, 1, 1);
	T_ASSERT_OK(mms_view_bytes_at(&s.view, 16384 + 100, buf, sizeof(buf)));
	t_check(buf, sizeof(buf), 16384 + 100);
	t_fail(CALL_PREAD, -EIO, 1, 3);
	ck_assert_int_eq(mms_view_bytes_at(&s.view, 16384 + 90, buf, sizeof(buf)), -EIO);
	/* A peek is content with what there is. */
	t_fail(CALL_PREAD, -EIO, 0, 1);
	T_ASSERT_OK(mms_view_seek(&s.view, 40000));
	T_ASSERT_OK(mms_view_peek(&s.view, &addr, &len));
	t_check(addr, len, 40000);
	tear_down(&s);
}
END_TEST

START_TEST(error_texts)
{
	struct mms_error err = {0};
	struct mms_view slice;
	struct set s;
	uint64_t v;

	set_up(&s, 0, t_fill("f", 1000));
	T_ASSERT_OK(mms_view_slice(&s.view, "part", 100, 50, &slice));
	T_ASSERT_OK(mms_view_seek(&slice, 7));
	ck_assert_int_eq(mms_view_error(&slice, 0, &err), 0);
	ck_assert_str_eq(err.what, "");
	ck_assert_int_eq(mms_view_error(&slice, -EIO, NULL), -EIO);
	/* Where it failed, if it did with this; else where the view is. */
	ck_assert_int_eq(number_at(&slice, 8, 44, &v), -MMS_EBOUNDS);
	(void)mms_view_error(&slice, -MMS_EBOUNDS, &err);
	ck_assert_int_eq(err.code, -MMS_EBOUNDS);
	ck_assert_ptr_nonnull(strstr(err.what, "f [part] at 44 of 50"));
	ck_assert_ptr_nonnull(strstr(err.hint, "50 bytes, from byte 100"));
	(void)mms_view_error(&slice, -MMS_ECORRUPT, &err);
	ck_assert_ptr_nonnull(strstr(err.what, "f [part] at 7 of 50"));
	ck_assert_ptr_nonnull(strstr(err.hint, "byte 107 of the file"));
	(void)mms_view_error(&slice, -EBUSY, &err);
	ck_assert_ptr_nonnull(strstr(err.hint, "in 0 of at most"));
	T_ASSERT_OK(number_at(&slice, 8, 0, &v));
	(void)mms_view_error(&slice, -ENOBUFS, &err);
	ck_assert_ptr_nonnull(strstr(err.hint, "in 1 of at most"));
	(void)mms_view_error(&slice, -ENOMEM, &err);
	ck_assert_ptr_nonnull(strstr(err.hint, "1 mappings"));
	ck_assert_ptr_nonnull(strstr(err.hint, "vm.max_map_count is"));
	(void)mms_view_error(&slice, -EPERM, &err);
	ck_assert_str_eq(err.hint, "");
	t_fail(CALL_FSTAT, -EIO, 0, 1);
	(void)mms_view_error(&slice, -MMS_ETRUNCATED, &err);
	ck_assert_ptr_nonnull(strstr(err.hint, "size"));
	mms_view_release(&slice);
	tear_down(&s);
	/* What mmap(2) said. */
	set_up(&s, 4, t_path("f"));
	T_ASSERT_OK(number_at(&s.view, 8, 0, &v));
	(void)mms_view_error(&s.view, -ENODEV, &err);
	ck_assert_ptr_nonnull(strstr(err.hint, "file system cannot map"));
	tear_down(&s);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_loop_test(t, numbers, 0, WAYS);
	tcase_add_loop_test(t, numbers_past_the_end, 0, WAYS);
	tcase_add_loop_test(t, varints, 0, WAYS);
	tcase_add_loop_test(t, zigzags, 0, WAYS);
	tcase_add_loop_test(t, byte_ranges, 0, WAYS);
	tcase_add_loop_test(t, strings, 0, WAYS);
	tcase_add_loop_test(t, hostile_strings, 0, WAYS);
	tcase_add_loop_test(t, strings_that_cannot_be_read, 0, WAYS);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	tcase_add_test(t, strings_too_long_for_memory);
#endif
	tcase_add_loop_test(t, seeks_and_skips, 0, WAYS);
	tcase_add_loop_test(t, peeks, 0, WAYS);
	tcase_add_loop_test(t, crcs, 0, WAYS);
	tcase_add_loop_test(t, an_empty_file, 0, WAYS);
	tcase_add_loop_test(t, clones, 0, WAYS);
	tcase_add_loop_test(t, slices_of_slices_of_slices, 0, WAYS);
	tcase_add_test(t, slices_out_of_bounds);
	tcase_add_loop_test(t, tiny_slices, 0, WAYS);
	tcase_add_loop_test(t, views_outlive_the_file, 0, WAYS);
	tcase_add_test(t, without_views_the_descriptor_goes_at_once);
	tcase_add_test(t, closing_pays_what_is_owed);
	tcase_add_test(t, released_and_zeroed_views_are_harmless);
	tcase_add_test(t, size_unknown);
	tcase_add_loop_test(t, changes_show, 0, WAYS);
	tcase_add_test(t, an_upgraded_file_is_read_afresh);
	tcase_add_test(t, intents);
	tcase_add_test(t, intents_against_the_files_advice);
	tcase_add_test(t, preloads);
	tcase_add_loop_test(t, truncated_under_every_reader, 0, WAYS);
	tcase_add_loop_test(t, truncated_under_a_peek, 0, WAYS);
	tcase_add_loop_test(t, short_and_interrupted_preads, 0, WAYS);
	tcase_add_test(t, errors_beside_what_is_wanted);
	tcase_add_test(t, error_texts);
}

int main(void)
{
	return t_run("view", add_tests);
}

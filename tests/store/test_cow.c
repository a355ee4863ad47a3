/* SPDX-License-Identifier: MIT */
/* Proves that copy-on-write never changes the file and never loses a private change. */
#include "helper.h"

#include <unistd.h>

#define SHIFT 20u
#define CHUNK (1u << SHIFT)

static void file_is_untouched(const char *path, uint64_t size)
{
	unsigned char *buf = malloc((size_t)size);
	FILE *f = fopen(path, "r");

	ck_assert_uint_eq(fread(buf, 1, (size_t)size, f), size);
	t_check(buf, (size_t)size, 0);
	fclose(f);
	free(buf);
}

static void sees(struct mms_file *file, uint64_t offset, const char *text)
{
	char buf[64];
	size_t len = strlen(text);

	ck_assert_int_eq(mms_read(file, buf, len, offset), (ssize_t)len);
	ck_assert_int_eq(memcmp(buf, text, len), 0);
}

/* Under each io option: changes are seen, also where reads are by pread. */
static void write_and_see(enum mms_io io)
{
	const struct mms_file_options options = {.mode = MMS_COW, .io = io};
	const struct mms_pool_options pool_options = {.chunk_shift = SHIFT,
						      .small_bytes = 16 * MIB};
	struct mms_pool *pool;
	const char *path = t_fill("f", 3 * CHUNK);
	unsigned char buf[100];
	struct mms_file *file;

	T_ASSERT_OK(mms_pool_new(&pool_options, &pool, NULL));
	file = t_open(pool, path, &options);
	ck_assert_int_eq(mms_write(file, "hello", 5, 10, 0), 5);
	ck_assert_int_eq(mms_write(file, "border", 6, 2 * CHUNK - 3, 0), 6);
	sees(file, 10, "hello");
	sees(file, 2 * CHUNK - 3, "border");
	ck_assert_int_eq(mms_read(file, buf, 100, CHUNK), 100);
	t_check(buf, 100, CHUNK);
	ck_assert(!mms_is_dirty(file));
	T_ASSERT_OK(mms_sync(file, 0, 0, 0));
	T_ASSERT_OK(mms_close(file));
	file_is_untouched(path, 3 * CHUNK);
	mms_pool_free(pool);
}

START_TEST(changes_are_seen_mapped)
{
	write_and_see(MMS_IO_MMAP);
}
END_TEST

START_TEST(changes_are_seen_auto_small)
{
	write_and_see(MMS_IO_AUTO);
}
END_TEST

START_TEST(changes_are_seen_pread)
{
	write_and_see(MMS_IO_PREAD);
}
END_TEST

START_TEST(end_of_file)
{
	const struct mms_file_options options = {.mode = MMS_COW};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 100), &options);

	ck_assert_int_eq(mms_write(file, "0123456789", 10, 95, 0), 5);
	ck_assert_int_eq(mms_write(file, "0123456789", 10, 100, 0), -EFBIG);
	ck_assert_int_eq(mms_resize(file, 200), -EINVAL);
	sees(file, 95, "01234");
	mms_close(file);
	file_is_untouched(t_path("f"), 100);
	mms_pool_free(pool);
}
END_TEST

/* Evicting a private chunk would lose what was written. */
START_TEST(private_chunks_are_not_evicted)
{
	const struct mms_file_options options = {.mode = MMS_COW, .io = MMS_IO_MMAP};
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);
	const char *path = t_fill("f", 8 * CHUNK);
	struct mms_file *file = t_open(pool, path, &options);
	unsigned char buf[10];

	/* Mapped by a read: the write that follows is a hit, and must not be one
	 * that leaves the chunk as it was. */
	ck_assert_int_eq(mms_read(file, buf, 10, 0), 10);
	ck_assert_int_eq(mms_write(file, "first", 5, 0, 0), 5);
	for (uint64_t i = 1; i < 8; i++) {
		ck_assert_int_eq(mms_read(file, buf, 10, i * CHUNK), 10);
		t_check(buf, 10, i * CHUNK);
	}
	sees(file, 0, "first");
	ck_assert_int_eq(mms_write(file, "second", 6, 5 * CHUNK, 0), 6);
	/* Full of private chunks: no room for a third, but reads go on. */
	ck_assert_int_eq(mms_write(file, "third", 5, 6 * CHUNK, 0), -ENOBUFS);
	ck_assert_int_eq(mms_read(file, buf, 10, 6 * CHUNK), 10);
	t_check(buf, 10, 6 * CHUNK);
	sees(file, 5 * CHUNK, "second");
	sees(file, 0, "first");
	/* Across a border, the write ends where the room does. */
	ck_assert_int_eq(mms_write(file, "abcdef", 6, 6 * CHUNK - 2, 0), 2);
	mms_close(file);
	ck_assert_uint_eq(t_mapped, 0);
	/* The room is there again. */
	file = t_open(pool, path, &options);
	ck_assert_int_eq(mms_write(file, "third", 5, 6 * CHUNK, 0), 5);
	mms_close(file);
	file_is_untouched(path, 8 * CHUNK);
	mms_pool_free(pool);
}
END_TEST

static void grow(const char *path, uint64_t from, uint64_t to)
{
	unsigned char *buf = malloc((size_t)(to - from));
	FILE *f = fopen(path, "a");

	t_pattern(buf, (size_t)(to - from), from);
	ck_assert_uint_eq(fwrite(buf, 1, (size_t)(to - from), f), to - from);
	ck_assert_int_eq(fclose(f), 0);
	free(buf);
}

/* A file that grows beneath a private chunk: the new part is read around it. */
START_TEST(growth_beneath_a_private_chunk)
{
	const struct mms_file_options options = {.mode = MMS_COW, .io = MMS_IO_MMAP};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 1000), &options);
	unsigned char *buf = malloc(300 * KIB);

	ck_assert_int_eq(mms_write(file, "kept", 4, 0, 0), 4);
	grow(t_path("f"), 1000, 300 * KIB);
	ck_assert_int_eq(mms_read(file, buf, 300 * KIB, 0), 300 * KIB);
	ck_assert_int_eq(memcmp(buf, "kept", 4), 0);
	t_check(buf + 64 * KIB, 236 * KIB, 64 * KIB);
	sees(file, 0, "kept");
	free(buf);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Somebody cuts the file inside its last page but one: private pages before the cut keep what was
 * put into them, also in one read that meets a page that is gone. */
START_TEST(cut_beneath_private_changes)
{
	static const struct mms_file_options cow = {.mode = MMS_COW, .io = MMS_IO_MMAP};
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 8 * 4096), &cow);
	unsigned char buf[8 * 4096];

	ck_assert_int_eq(mms_write(file, "private", 7, 4096, 0), 7);
	ck_assert_int_eq(truncate(t_path("f"), 2 * 4096), 0);
	t_lie_size = 8 * 4096; /* the read has looked it up before the cut */
	ck_assert_int_eq(mms_read(file, buf, sizeof(buf), 0), 2 * 4096);
	t_lie_size = 0;
	t_check(buf, 4096, 0);
	ck_assert_mem_eq(buf + 4096, "private", 7);
	t_check(buf + 4096 + 7, 4096 - 7, 4096 + 7);
	ck_assert_uint_ge(t_stats(pool).faults, 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(pins_for_writing_are_private)
{
	const struct mms_file_options options = {.mode = MMS_COW, .io = MMS_IO_PREAD};
	struct mms_pool *pool = t_pool(SHIFT, CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), &options);
	struct mms_pin pin;

	T_ASSERT_OK(mms_pin(file, 5, 4, MMS_PIN_WRITE, &pin));
	memcpy(pin.addr, "pins", 4);
	mms_unpin(&pin);
	ck_assert_int_eq(mms_pin(file, CHUNK, 1, 0, &pin), -ENOBUFS);
	/* What was changed is mapped, whatever io says. */
	T_ASSERT_OK(mms_pin(file, 5, 4, MMS_PIN_AUTO, &pin));
	ck_assert_int_eq(memcmp(pin.addr, "pins", 4), 0);
	mms_unpin(&pin);
	ck_assert_int_eq(mms_pin(file, CHUNK, 1, MMS_PIN_AUTO, &pin), -EOPNOTSUPP);
	sees(file, 5, "pins");
	mms_close(file);
	file_is_untouched(t_path("f"), 2 * CHUNK);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, changes_are_seen_mapped);
	tcase_add_test(t, changes_are_seen_auto_small);
	tcase_add_test(t, changes_are_seen_pread);
	tcase_add_test(t, end_of_file);
	tcase_add_test(t, private_chunks_are_not_evicted);
	tcase_add_test(t, growth_beneath_a_private_chunk);
	tcase_add_test(t, cut_beneath_private_changes);
	tcase_add_test(t, pins_for_writing_are_private);
}

int main(void)
{
	return t_run("cow", add_tests);
}

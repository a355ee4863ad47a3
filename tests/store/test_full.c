/* SPDX-License-Identifier: MIT */
/* Proves that a file wanted whole is mapped whole, follows its size, and falls back with a reason.
 */
#include "helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHIFT 20u
#define CHUNK (1ULL << SHIFT)

static const struct mms_file_options full_ro = {.want = MMS_WANT_FULL};
static const struct mms_file_options full_rw = {
	.mode = MMS_RDWR, .want = MMS_WANT_FULL, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options full_cow = {.mode = MMS_COW, .want = MMS_WANT_FULL};

static void reads_well(struct mms_file *file, uint64_t offset)
{
	unsigned char buf[100];

	ck_assert_int_eq(mms_read(file, buf, sizeof(buf), offset), sizeof(buf));
	t_check(buf, sizeof(buf), offset);
}

static void is_granted(struct mms_file *file)
{
	struct mms_error why = {.code = 77};

	ck_assert_int_eq(mms_granted(file, MMS_WANT_FULL, &why), 1);
	ck_assert_int_eq(why.code, 77);
}

static void is_refused(struct mms_file *file, unsigned want, int code, const char *hint)
{
	struct mms_error why = {0};

	ck_assert_int_eq(mms_granted(file, want, &why), code);
	ck_assert_int_eq(mms_granted(file, want, NULL), code);
	ck_assert_int_eq(why.code, code);
	ck_assert_msg(strstr(why.hint, hint) != NULL, "%s: %s", why.what, why.hint);
	ck_assert_ptr_ne(strstr(why.what, "f"), NULL);
}

/* The budget's books are those of the system. */
static void adds_up(struct mms_pool *pool)
{
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, t_mapped);
	ck_assert_uint_eq(t_stats(pool).chunks, t_maps_now);
	ck_assert_uint_le(t_mapped_peak, t_stats(pool).map_limit_bytes);
}

static void set_size(const char *path, uint64_t size)
{
	ck_assert_int_eq(truncate(path, (off_t)size), 0);
}

START_TEST(whole_from_the_open_on)
{
	static const uint64_t sizes[] = {1,         4096,  65536,     65537,
					 CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5};
	struct mms_pool *pool = t_pool(SHIFT, 16 * CHUNK, 0);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct mms_file *file = t_open(pool, t_fill("f", sizes[i]), &full_ro);
		uint64_t maps = t_stats(pool).chunk_maps;
		struct mms_pin pin;

		is_granted(file);
		ck_assert_uint_eq(t_stats(pool).chunks, 1);
		ck_assert_uint_ge(t_stats(pool).mapped_bytes, sizes[i]);
		ck_assert_uint_le(t_stats(pool).mapped_bytes, 65536 + 2 * sizes[i]);
		T_ASSERT_OK(mms_pin(file, 0, sizes[i], 0, &pin));
		ck_assert_uint_eq(pin.len, sizes[i]);
		t_check(pin.addr, pin.len, 0);
		mms_unpin(&pin);
		/* Past the end of the mapping there is nothing, and nothing comes of it. */
		ck_assert_int_eq(mms_pin(file, 8 * CHUNK, 1, 0, &pin), -MMS_EBOUNDS);
		ck_assert_int_eq(mms_pin(file, 3 * TIB, 1, 0, &pin), -MMS_EBOUNDS);
		is_granted(file);
		ck_assert_uint_eq(t_stats(pool).chunk_maps, maps);
		mms_close(file);
		ck_assert_uint_eq(t_mapped, 0);
	}
	mms_pool_free(pool);
}
END_TEST

START_TEST(what_may_be_asked)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file_options o = {.want = 16};
	struct mms_file *file = NULL;
	struct mms_error err;

	t_fill("f", 100);
	ck_assert_int_eq(mms_open(pool, t_path("f"), &o, &file, &err), -EINVAL);
	ck_assert_ptr_ne(strstr(err.hint, "option"), NULL);
	o = (struct mms_file_options){.advice = MMS_ADVICE_HUGEPAGE};
	ck_assert_int_eq(mms_open(pool, t_path("f"), &o, &file, &err), -EINVAL);
	ck_assert_ptr_null(file);
	file = t_open(pool, t_path("f"), NULL);
	for (unsigned want = 1; want <= MMS_WANT_DAX; want *= 2)
		ck_assert_int_eq(mms_granted(file, want, &err), 0);
	ck_assert_int_eq(mms_granted(file, 0, &err), -EINVAL);
	ck_assert_int_eq(mms_granted(file, MMS_WANT_FULL | MMS_WANT_HUGE, NULL), -EINVAL);
	ck_assert_int_eq(mms_granted(file, 16, &err), -EINVAL);
	ck_assert_int_eq(err.code, -EINVAL);
	ck_assert_ptr_ne(strstr(err.hint, "MMS_WANT_"), NULL);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Others may want the room, but do not get it. */
START_TEST(not_evicted)
{
	struct mms_pool *pool = t_pool(SHIFT, 6 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK + 5), &full_ro);
	struct mms_file *other = t_open(pool, t_fill("g", 16 * CHUNK), NULL);
	struct mms_pin pin, again;

	T_ASSERT_OK(mms_pin(file, 0, 1, 0, &pin));
	mms_unpin(&pin);
	for (uint64_t i = 0; i < 32; i++) {
		T_ASSERT_OK(mms_pin(other, i % 16 * CHUNK, 1, 0, &again));
		mms_unpin(&again);
	}
	t_fail(CALL_MMAP, -ENOMEM, 0, 1); /* half of the others go */
	T_ASSERT_OK(mms_pin(other, 3 * CHUNK, 1, 0, &again));
	mms_unpin(&again);
	T_ASSERT_OK(mms_pin(file, 3 * CHUNK, 1, 0, &again));
	ck_assert_ptr_eq((char *)again.addr - 3 * CHUNK, pin.addr);
	mms_unpin(&again);
	ck_assert_uint_gt(t_stats(pool).chunk_evictions, 20);
	adds_up(pool);
	mms_close(other);
	mms_close(file);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 0);
	mms_pool_free(pool);
}
END_TEST

START_TEST(empty_files)
{
	struct mms_pool *pool = t_pool(SHIFT, 4 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 0), &full_rw);
	struct mms_pin pin;

	is_granted(file);
	ck_assert_uint_eq(t_call[CALL_MMAP].made, 0);
	ck_assert_int_eq(mms_pin(file, 0, 1, 0, &pin), -MMS_EBOUNDS);
	ck_assert_int_eq(mms_read(file, &pin, 1, 0), 0);
	T_ASSERT_OK(mms_resize(file, 2 * CHUNK));
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 2 * CHUNK);
	T_ASSERT_OK(mms_resize(file, 0));
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 0);
	is_granted(file);
	/* By somebody else: with the next use. */
	set_size(t_path("f"), CHUNK + 5);
	T_ASSERT_OK(mms_pin(file, CHUNK + 4, 1, MMS_PIN_WRITE, &pin));
	mms_unpin(&pin);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 2 * CHUNK);
	ck_assert_int_eq(mms_write(file, "abc", 3, 10 * CHUNK, 0), 3);
	ck_assert_int_eq(mms_read(file, &pin, 3, 10 * CHUNK), 3);
	is_refused(file, MMS_WANT_FULL, -ENOBUFS, "map_limit_bytes is 4.0 MiB");
	/* Refused, and then without anything to refuse. */
	T_ASSERT_OK(mms_resize(file, 0));
	is_granted(file);
	adds_up(pool);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Growth by this process and by another descriptor, while somebody has the old
 * mapping pinned: they keep it, others get the new one. */
static void growth(bool by_us)
{
	struct mms_pool *pool = t_pool(SHIFT, 64 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), &full_rw);
	struct mms_pin old, new;

	T_ASSERT_OK(mms_pin(file, 0, 2 * CHUNK, 0, &old));
	for (uint64_t size = 4 * CHUNK; size <= 16 * CHUNK; size *= 2) {
		if (by_us)
			T_ASSERT_OK(mms_resize(file, size));
		else
			set_size(t_path("f"), size);
		T_ASSERT_OK(mms_pin(file, 0, size, MMS_PIN_WRITE, &new));
		ck_assert_uint_eq(new.len, size);
		ck_assert_ptr_ne(new.addr, old.addr);
		((char *)new.addr)[size - 1] = 'x';
		((char *)new.addr)[100] = (char)size;
		ck_assert_int_eq(((char *)old.addr)[100], (char)size);
		mms_unpin(&new);
		/* The first, which is pinned, and the last. */
		ck_assert_uint_eq(t_stats(pool).chunks, 2);
		ck_assert_uint_eq(t_stats(pool).mapped_bytes, 2 * CHUNK + size);
		is_granted(file);
	}
	t_check((char *)old.addr + CHUNK, CHUNK, CHUNK);
	mms_unpin(&old);
	set_size(t_path("f"), 17 * CHUNK);
	reads_well(file, 200);
	T_ASSERT_OK(mms_pin(file, 16 * CHUNK, 1, 0, &new));
	mms_unpin(&new);
	ck_assert_uint_eq(t_stats(pool).chunks, 1);
	adds_up(pool);
	mms_close(file);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}

START_TEST(growth_by_us)
{
	growth(true);
}
END_TEST

START_TEST(growth_by_others)
{
	growth(false);
}
END_TEST

START_TEST(shrinking)
{
	struct mms_pool *pool = t_pool(SHIFT, 64 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 16 * CHUNK), &full_rw);
	struct mms_pin pin;
	char buf[100];

	T_ASSERT_OK(mms_resize(file, 3 * CHUNK));
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 4 * CHUNK);
	T_ASSERT_OK(mms_pin(file, 0, 3 * CHUNK, 0, &pin));
	t_check(pin.addr, 3 * CHUNK, 0);
	/* Pinned: it stays as long as it was. */
	T_ASSERT_OK(mms_resize(file, CHUNK));
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 4 * CHUNK);
	mms_unpin(&pin);
	T_ASSERT_OK(mms_resize(file, CHUNK));
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, CHUNK);
	/* Cut by others: a read past the end is short, and nobody dies. */
	set_size(t_path("f"), 5000);
	ck_assert_int_eq(mms_read(file, buf, 100, 4950), 50);
	ck_assert_int_eq(mms_read(file, buf, 100, 8192), 0);
	T_ASSERT_OK(mms_pin(file, 8192, 100, 0, &pin));
	ck_assert_int_eq(mms_copy(buf, pin.addr, 100), -EFAULT);
	mms_unpin(&pin);
	is_granted(file);
	adds_up(pool);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(budget)
{
	struct mms_pool *pool = t_pool(SHIFT, 5 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 6 * CHUNK), &full_rw);
	struct mms_file *tight, *other;
	struct mms_pin pin;

	is_refused(file, MMS_WANT_FULL, -ENOBUFS, "map_limit_bytes is 5.0 MiB");
	for (uint64_t i = 0; i < 6; i++)
		reads_well(file, i * CHUNK + 5);
	ck_assert_uint_gt(t_stats(pool).reads_mapped, 0);
	ck_assert_ptr_null(mms_why_unmapped(file));
	/* It fits, though not with room to grow in; others must go. */
	T_ASSERT_OK(mms_resize(file, 5 * CHUNK));
	is_granted(file);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 5 * CHUNK);
	T_ASSERT_OK(mms_pin(file, 1, 5 * CHUNK, 0, &pin)); /* more than there is */
	mms_unpin(&pin);
	ck_assert_uint_eq(t_stats(pool).chunk_maps, t_call[CALL_MMAP].made);
	/* Now all is taken, for good. */
	other = t_open(pool, t_fill("f2", 3 * CHUNK), &full_ro);
	is_refused(other, MMS_WANT_FULL, -ENOBUFS, "map_limit_bytes");
	ck_assert_int_eq(mms_pin(other, 0, 1, 0, &pin), -ENOBUFS);
	reads_well(other, 2 * CHUNK);
	/* Out of the budget by growth: windows, at once. */
	T_ASSERT_OK(mms_resize(file, 20 * CHUNK));
	is_refused(file, MMS_WANT_FULL, -ENOBUFS, "map_limit_bytes");
	reads_well(file, 5 * CHUNK - 200);
	T_ASSERT_OK(mms_pin(file, 19 * CHUNK, 1, MMS_PIN_WRITE, &pin));
	mms_unpin(&pin);
	mms_close(file);
	/* Somebody has so much pinned that it fits tightly, and then not at all. */
	file = t_open(pool, t_path("f"), NULL);
	T_ASSERT_OK(mms_pin(file, 0, 1, 0, &pin));
	mms_close(other);
	tight = t_open(pool, t_path("f2"), &full_ro);
	is_granted(tight);
	mms_close(tight);
	T_ASSERT_OK(truncate(t_path("f2"), 4 * CHUNK + 1));
	tight = t_open(pool, t_path("f2"), &full_ro);
	is_refused(tight, MMS_WANT_FULL, -EBUSY, "too much of it is pinned");
	mms_unpin(&pin);
	mms_close(tight);
	adds_up(pool);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Room to grow in is not worth a refusal. */
START_TEST(tight_for_others)
{
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);
	struct mms_file *other = t_open(pool, t_fill("g", 8 * CHUNK), NULL);
	struct mms_file *file;
	struct mms_pin pins[3];

	for (uint64_t i = 0; i < 3; i++)
		T_ASSERT_OK(mms_pin(other, i * CHUNK, 1, 0, &pins[i]));
	file = t_open(pool, t_fill("f", 5 * CHUNK), &full_ro);
	is_granted(file);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 8 * CHUNK);
	/* What is pinned elsewhere does not take from it what it has. */
	set_size(t_path("f"), 6 * CHUNK);
	reads_well(file, 4 * CHUNK);
	ck_assert_int_eq(mms_pin(file, 5 * CHUNK + 5, 1, 0, &pins[1]), -EBUSY);
	is_granted(file);
	mms_unpin(&pins[0]);
	T_ASSERT_OK(mms_pin(file, 5 * CHUNK + 5, 1, 0, &pins[0]));
	mms_unpin(&pins[0]);
	mms_close(file);
	mms_unpin(&pins[2]);
	mms_close(other);
	adds_up(pool);
	mms_pool_free(pool);
}
END_TEST

/* Reads that thrash no mappings for their own sake do so for the file's. */
START_TEST(growth_by_a_calm_read)
{
	struct mms_pool *pool = t_pool(SHIFT, 6 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), &full_ro);
	struct mms_file *other = t_open(pool, t_fill("g", 4 * CHUNK), NULL);
	uint64_t mapped = t_stats(pool).reads_mapped;

	for (uint64_t i = 0; i < 4; i++)
		reads_well(other, i * CHUNK);
	t_fill("f", 4 * CHUNK);
	reads_well(file, 3 * CHUNK);
	ck_assert_uint_eq(t_stats(pool).reads_mapped, mapped + 5);
	is_granted(file);
	ck_assert_uint_eq(t_stats(pool).chunk_evictions, 2);
	adds_up(pool);
	mms_close(other);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* A mapping that was pinned when its file went over to windows is evicted
 * like any other, when it is not pinned any more. */
START_TEST(windows_with_a_pin_held)
{
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK), &full_rw);
	struct mms_pin old, pins[8];

	T_ASSERT_OK(mms_pin(file, 0, 3 * CHUNK, 0, &old));
	T_ASSERT_OK(mms_resize(file, 20 * CHUNK));
	is_refused(file, MMS_WANT_FULL, -ENOBUFS, "map_limit_bytes");
	for (uint64_t i = 0; i < 8; i++) {
		int r = mms_pin(file, i * CHUNK, 1, MMS_PIN_WRITE, &pins[i]);

		ck_assert_int_eq(r, i < 4 ? 0 : -EBUSY);
	}
	t_check(old.addr, 3 * CHUNK, 0);
	mms_unpin(&old);
	for (uint64_t i = 4; i < 8; i++)
		T_ASSERT_OK(mms_pin(file, i * CHUNK, 1, MMS_PIN_WRITE, &pins[i]));
	for (int i = 0; i < 8; i++)
		mms_unpin(&pins[i]);
	/* And the other way: windows that are pinned while the file is mapped whole. */
	T_ASSERT_OK(mms_pin(file, CHUNK, CHUNK, 0, &pins[0]));
	T_ASSERT_OK(mms_pin(file, 0, CHUNK, 0, &pins[1]));
	T_ASSERT_OK(mms_resize(file, 3 * CHUNK));
	is_granted(file);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 6 * CHUNK);
	t_check(pins[0].addr, CHUNK, CHUNK);
	mms_unpin(&pins[0]);
	mms_unpin(&pins[1]);
	T_ASSERT_OK(mms_resize(file, 8 * CHUNK));
	is_granted(file);
	adds_up(pool);
	mms_close(file);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}
END_TEST

START_TEST(mmap_refused)
{
	static const struct {
		int code;
		const char *hint;
	} cases[] = {{-ENODEV, "cannot map files"},
		     {-EACCES, ""},
		     {-EPERM, ""},
		     {-ENOMEM, "vm.max_map_count is "},
		     {-EAGAIN, ""}};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);

	for (size_t i = 0; i < 5; i++) {
		struct mms_file *file;
		bool for_good = i < 3;
		int code = for_good ? cases[i].code : -ENOMEM;

		/* Twice, and twice once more without room to grow in. */
		t_fail(CALL_MMAP, cases[i].code, 0, for_good ? 1 : 4);
		file = t_open(pool, t_fill("f", 3 * CHUNK), &full_rw);
		ck_assert_int_eq(t_call[CALL_MMAP].fail, 0);
		is_refused(file, MMS_WANT_FULL, code, cases[i].hint);
		ck_assert_int_eq(mms_map_error(file, NULL), cases[i].code);
		reads_well(file, 2 * CHUNK - 50);
		ck_assert_uint_eq(t_stats(pool).chunks, for_good ? 0 : 2);
		ck_assert_int_eq(mms_why_unmapped(file) != NULL, for_good);
		/* Asked again with a new size, but where it is hopeless. */
		T_ASSERT_OK(mms_resize(file, 4 * CHUNK));
		if (for_good)
			is_refused(file, MMS_WANT_FULL, cases[i].code, cases[i].hint);
		else
			is_granted(file);
		reads_well(file, CHUNK);
		adds_up(pool);
		mms_close(file);
	}
	mms_pool_free(pool);
}
END_TEST

/* The new mapping of a file that has grown is refused while the old is pinned. */
START_TEST(mmap_refused_to_growth)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), &full_rw);
	struct mms_pin old, pin;

	T_ASSERT_OK(mms_pin(file, 0, CHUNK, 0, &old));
	t_fail(CALL_MMAP, -ENOMEM, 0, 4);
	T_ASSERT_OK(mms_resize(file, 3 * CHUNK));
	is_refused(file, MMS_WANT_FULL, -ENOMEM, "vm.max_map_count");
	t_check(old.addr, CHUNK, 0);
	T_ASSERT_OK(mms_pin(file, 2 * CHUNK + 7, 1, MMS_PIN_WRITE, &pin));
	mms_unpin(&pin);
	reads_well(file, 5);
	mms_unpin(&old);
	T_ASSERT_OK(mms_resize(file, 4 * CHUNK));
	is_granted(file);
	ck_assert_uint_eq(t_stats(pool).chunks, 1);
	adds_up(pool);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(fstat_fails)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file;
	struct mms_pin pin;

	t_fail(CALL_FSTAT, -EIO, 1, 1); /* the first is of the open itself */
	file = t_open(pool, t_fill("f", 2 * CHUNK), &full_rw);
	is_granted(file);
	ck_assert_uint_eq(t_stats(pool).chunks, 0);
	t_fail(CALL_FSTAT, -EIO, 0, 1);
	ck_assert_int_eq(mms_pin(file, 0, 1, 0, &pin), -EIO);
	T_ASSERT_OK(mms_pin(file, 0, 1, 0, &pin));
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 2 * CHUNK);
	mms_unpin(&pin);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(large_files)
{
	static const uint64_t at[] = {(1ULL << 31) - 2, (1ULL << 32) - 2, TIB - 4};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file;
	struct mms_pin pin;
	char buf[4];

	if (!t_sparse("f", TIB)) {
		mms_pool_free(pool);
		return;
	}
	file = t_open(pool, t_path("f"), &full_rw);
	is_granted(file);
	for (size_t i = 0; i < 3; i++) {
		T_ASSERT_OK(mms_pin(file, at[i], 4, MMS_PIN_WRITE, &pin));
		ck_assert_uint_eq(pin.len, 4);
		memcpy(pin.addr, "abcd", 4);
		mms_unpin(&pin);
		ck_assert_int_eq(mms_read(file, buf, 4, at[i]), 4);
		ck_assert_int_eq(memcmp(buf, "abcd", 4), 0);
	}
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, TIB);
	T_ASSERT_OK(mms_resize(file, TIB + 1));
	is_refused(file, MMS_WANT_FULL, -EFBIG, "at most 1.0 TiB");
	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(mms_read(file, buf, 4, at[i]), 4);
		ck_assert_int_eq(memcmp(buf, "abcd", 4), 0);
	}
	T_ASSERT_OK(mms_pin(file, TIB, 1, 0, &pin));
	mms_unpin(&pin);
	adds_up(pool);
	mms_close(file);
	/* Likewise where it has that size from the start, and a use beyond is the first. */
	t_fail(CALL_FSTAT, -EIO, 1, 1);
	file = t_open(pool, t_path("f"), &full_ro);
	T_ASSERT_OK(mms_pin(file, TIB, 1, 0, &pin));
	mms_unpin(&pin);
	is_refused(file, MMS_WANT_FULL, -EFBIG, "at most");
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static void sees(struct mms_file *file, uint64_t offset, const char *text)
{
	char buf[64];
	size_t len = strlen(text);

	ck_assert_int_eq(mms_read(file, buf, len, offset), (ssize_t)len);
	ck_assert_int_eq(memcmp(buf, text, len), 0);
}

static void file_is_untouched(const char *name, uint64_t size)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_path(name), &full_ro);
	struct mms_pin pin;

	T_ASSERT_OK(mms_pin(file, 0, size, 0, &pin));
	t_check(pin.addr, size, 0);
	mms_unpin(&pin);
	mms_close(file);
	mms_pool_free(pool);
	atomic_store(&t_mapped_peak, 0);
}

START_TEST(copy_on_write)
{
	struct mms_pool *pool = t_pool(SHIFT, 4 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), &full_cow);
	struct mms_pin pin, other;

	is_granted(file);
	/* No changes yet: it follows the file, when nobody has it pinned. */
	T_ASSERT_OK(mms_pin(file, 0, 1, 0, &pin));
	set_size(t_path("f"), 3 * CHUNK);
	ck_assert_int_eq(mms_pin(file, 2 * CHUNK, 1, 0, &other), -EBUSY);
	is_granted(file);
	mms_unpin(&pin);
	T_ASSERT_OK(mms_pin(file, 2 * CHUNK, 1, 0, &other));
	mms_unpin(&other);
	ck_assert_int_eq(mms_write(file, "hello", 5, CHUNK - 2, 0), 5);
	/* Now there are, and nothing takes them away: not growth, within the
	 * budget and out of it, nor others. */
	set_size(t_path("f"), 20 * CHUNK);
	sees(file, CHUNK - 2, "hello");
	ck_assert_int_eq(mms_read(file, &pin, 1, 19 * CHUNK), 1);
	ck_assert_int_eq(mms_pin(file, 19 * CHUNK, 1, 0, &pin), -ENOBUFS);
	is_refused(file, MMS_WANT_FULL, -ENOBUFS, "map_limit_bytes");
	ck_assert_int_eq(mms_write(file, "x", 1, 19 * CHUNK, 0), -ENOBUFS);
	sees(file, CHUNK - 2, "hello");
	T_ASSERT_OK(mms_pin(file, CHUNK - 2, 5 * CHUNK, MMS_PIN_WRITE, &pin));
	ck_assert_int_eq(memcmp(pin.addr, "hello", 5), 0);
	mms_unpin(&pin);
	ck_assert_int_eq(mms_resize(file, 5), -EINVAL);
	mms_close(file);
	file_is_untouched("f", 2 * CHUNK);
	/* Out of the budget with no changes: windows. */
	set_size(t_path("f"), 2 * CHUNK);
	file = t_open(pool, t_path("f"), &full_cow);
	set_size(t_path("f"), 20 * CHUNK);
	ck_assert_int_eq(mms_write(file, "x", 1, 19 * CHUNK, 0), 1);
	is_refused(file, MMS_WANT_FULL, -ENOBUFS, "map_limit_bytes");
	sees(file, 19 * CHUNK, "x");
	reads_well(file, CHUNK);
	adds_up(pool);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Cut off between the size that the write saw and its pin. */
START_TEST(copy_on_write_cut)
{
	struct mms_pool *pool = t_pool(SHIFT, 4 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 0), &full_cow);

	ck_assert_int_eq(mms_write(file, "x", 1, 0, 0), -EFBIG);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(upgrade)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), &full_ro);
	struct mms_pin old, pin;

	T_ASSERT_OK(mms_pin(file, 0, 2 * CHUNK, 0, &old));
	ck_assert_int_eq(mms_pin(file, 0, 1, MMS_PIN_WRITE, &pin), -EBADF);
	T_ASSERT_OK(mms_upgrade(file, open(t_path("f"), O_RDWR | O_CLOEXEC)));
	T_ASSERT_OK(mms_pin(file, CHUNK - 1, 2, MMS_PIN_WRITE, &pin));
	memcpy(pin.addr, "xy", 2);
	ck_assert_int_eq(memcmp((char *)old.addr + CHUNK - 1, "xy", 2), 0);
	mms_unpin(&pin);
	mms_unpin(&old);
	T_ASSERT_OK(mms_resize(file, 4 * CHUNK));
	is_granted(file);
	ck_assert_uint_eq(t_stats(pool).chunks, 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* What could not be mapped for reading is tried again. */
START_TEST(upgrade_after_a_refusal)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file;

	t_fail(CALL_MMAP, -EACCES, 0, 1);
	file = t_open(pool, t_fill("f", 2 * CHUNK), &full_ro);
	is_refused(file, MMS_WANT_FULL, -EACCES, "");
	T_ASSERT_OK(mms_upgrade(file, open(t_path("f"), O_RDWR | O_CLOEXEC)));
	is_granted(file);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 2 * CHUNK);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* io says how mms_read() reads, and nothing else. */
START_TEST(with_each_io)
{
	const struct mms_pool_options pool_options = {.chunk_shift = SHIFT, .small_bytes = MIB};
	struct mms_pool *pool;

	T_ASSERT_OK(mms_pool_new(&pool_options, &pool, NULL));
	t_fill("f", 1000);
	for (enum mms_io io = MMS_IO_AUTO; io <= MMS_IO_PREAD; io++) {
		const struct mms_file_options o = {.io = io, .want = MMS_WANT_FULL};
		struct mms_file *file = t_open(pool, t_path("f"), &o);
		uint64_t mapped = t_stats(pool).reads_mapped;

		is_granted(file);
		ck_assert_uint_eq(t_stats(pool).chunks, 1);
		reads_well(file, 500);
		ck_assert_uint_eq(t_stats(pool).reads_mapped - mapped, io != MMS_IO_PREAD);
		if (io == MMS_IO_PREAD)
			ck_assert_str_eq(mms_why_unmapped(file), "io=pread");
		else
			ck_assert_ptr_null(mms_why_unmapped(file));
		mms_close(file);
	}
	mms_pool_free(pool);
}
END_TEST

START_TEST(preload_and_advice)
{
	const struct mms_file_options o = {.want = MMS_WANT_FULL,
					   .preload = MMS_PRELOAD_POPULATE,
					   .advice = MMS_ADVICE_RANDOM};
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK), &o);
	struct mms_pin pin;

	T_ASSERT_OK(mms_pin(file, 2 * CHUNK, 1, 0, &pin));
	ck_assert(t_vma_has(pin.addr, "rr"));
	mms_unpin(&pin);
	T_ASSERT_OK(mms_advise(file, 2 * CHUNK, CHUNK, MMS_ADVICE_SEQUENTIAL));
	T_ASSERT_OK(mms_pin(file, 2 * CHUNK, 1, 0, &pin));
	ck_assert(t_vma_has(pin.addr, "sr"));
	ck_assert(t_vma_has((char *)pin.addr - 1, "rr"));
	mms_unpin(&pin);
	ck_assert_uint_eq(t_stats(pool).chunks, 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* -------------------------------------------------------------- DAX, huge */

#define SYNC_FLAGS (MAP_SHARED_VALIDATE | MAP_SYNC)

START_TEST(dax)
{
	struct mms_file_options o = {.mode = MMS_RDWR, .want = MMS_WANT_DAX};
	static const int codes[] = {-EOPNOTSUPP, -EINVAL};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), &o);
	struct mms_pin pin;

	/* As the file system has it. */
	ck_assert_int_eq(mms_granted(file, MMS_WANT_DAX, NULL), 1);
	reads_well(file, 0);
	if (mms_granted(file, MMS_WANT_DAX, NULL) != 1)
		is_refused(file, MMS_WANT_DAX, -EOPNOTSUPP, "persistent memory");
	mms_close(file);
	/* Refused, once. */
	for (int i = 0; i < 2; i++) {
		file = t_open(pool, t_path("f"), &o);
		t_fail(CALL_MMAP, codes[i], 0, 1);
		reads_well(file, 0);
		ck_assert_int_eq(t_mmap_flags, MAP_SHARED);
		is_refused(file, MMS_WANT_DAX, codes[i], "persistent memory");
		ck_assert_int_eq(mms_map_error(file, NULL), 0);
		t_call[CALL_MMAP].made = 0;
		reads_well(file, CHUNK);
		ck_assert_uint_eq(t_call[CALL_MMAP].made, 1);
		mms_close(file);
	}
	/* Granted. */
	atomic_store(&t_dax, true);
	file = t_open(pool, t_path("f"), &o);
	reads_well(file, 0);
	ck_assert_int_eq(t_mmap_flags, SYNC_FLAGS);
	ck_assert_int_eq(mms_granted(file, MMS_WANT_DAX, NULL), 1);
	/* Other refusals are those of every mapping. */
	t_fail(CALL_MMAP, -ENODEV, 0, 1);
	ck_assert_int_eq(mms_pin(file, CHUNK, 1, 0, &pin), -ENODEV);
	ck_assert_int_eq(mms_granted(file, MMS_WANT_DAX, NULL), 1);
	mms_close(file);
	o.mode = MMS_COW;
	file = t_open(pool, t_path("f"), &o);
	reads_well(file, 0);
	ck_assert_int_eq(t_mmap_flags, MAP_PRIVATE | MAP_NORESERVE);
	is_refused(file, MMS_WANT_DAX, -EINVAL, "MMS_COW");
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(huge)
{
	struct mms_file_options o = {.mode = MMS_RDWR, .want = MMS_WANT_HUGE};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), &o);
	struct mms_pin pin;

	T_ASSERT_OK(mms_pin(file, 0, 1, 0, &pin));
	ck_assert_uint_eq(t_call[CALL_MADVISE].made, 1);
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0) {
		ck_assert_int_eq(mms_granted(file, MMS_WANT_HUGE, NULL), 1);
		ck_assert(t_vma_has(pin.addr, "hg"));
	}
	mms_unpin(&pin);
	t_fail(CALL_MADVISE, -EINVAL, 0, 1);
	reads_well(file, CHUNK);
	is_refused(file, MMS_WANT_HUGE, -EINVAL, "transparent_hugepage");
	/* In windows one that was refused is enough; one mapping is as it is now. */
	reads_well(file, 2 * CHUNK);
	is_refused(file, MMS_WANT_HUGE, -EINVAL, "transparent_hugepage");
	mms_close(file);
	o.want |= MMS_WANT_FULL;
	t_fail(CALL_MADVISE, -EINVAL, 0, 1);
	file = t_open(pool, t_path("f"), &o);
	is_refused(file, MMS_WANT_HUGE, -EINVAL, "transparent_hugepage");
	is_granted(file);
	T_ASSERT_OK(mms_resize(file, 8 * CHUNK));
	ck_assert_int_eq(t_call[CALL_MADVISE].made > 4 ? 1 : 0, 1);
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0)
		ck_assert_int_eq(mms_granted(file, MMS_WANT_HUGE, NULL), 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* ---------------------------------------------------------------- threads */

struct crowd {
	struct mms_file *file;
	atomic_bool stop;
	_Atomic uint64_t rounds;
	_Atomic uint64_t size; /* that the file has had for sure */
};

static uint64_t word_at(uint64_t offset)
{
	return offset * 0x9e3779b97f4a7c15ULL + 1;
}

static void check_words(const unsigned char *at, uint64_t offset, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i += 4096) {
		uint64_t word;

		memcpy(&word, at + i, 8);
		if (word != word_at(offset + i))
			ck_abort_msg("wrong word at %llu", (unsigned long long)(offset + i));
	}
}

/* Reads, and pins for a while, what has been written for sure. */
static void *reader(void *arg)
{
	struct crowd *c = arg;
	unsigned char buf[8192];
	uint64_t random = 1 + (uint64_t)(uintptr_t)&random;

	while (!atomic_load(&c->stop)) {
		uint64_t size = atomic_load(&c->size);
		uint64_t offset;
		struct mms_pin pin;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		offset = (random >> 20) % (size / 8192) * 8192;
		ck_assert_int_eq(mms_read(c->file, buf, sizeof(buf), offset), sizeof(buf));
		check_words(buf, offset, sizeof(buf));
		if (!mms_pin(c->file, offset, sizeof(buf), 0, &pin)) {
			check_words(pin.addr, offset, pin.len);
			mms_unpin(&pin);
		}
		atomic_fetch_add(&c->rounds, 1);
	}
	return NULL;
}

static void write_words(int fd, uint64_t from, uint64_t to)
{
	for (; from < to; from += 4096) {
		uint64_t word = word_at(from);

		ck_assert_int_eq(pwrite(fd, &word, 8, (off_t)from), 8);
	}
}

/* Grows a file under readers, by turns through the store and beneath it; out
 * of the budget and back into it. */
START_TEST(growth_under_readers)
{
	struct mms_pool *pool = t_pool(SHIFT, 12 * CHUNK, 0);
	struct crowd c = {.size = 64 * KIB};
	pthread_t threads[3];
	int fd;

	t_sparse("f", 64 * KIB);
	fd = open(t_path("f"), O_RDWR | O_CLOEXEC);
	write_words(fd, 0, 64 * KIB);
	c.file = t_open(pool, t_path("f"), &full_rw);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, reader, &c), 0);
	for (int round = 0; round < 6; round++) {
		uint64_t rounds = atomic_load(&c.rounds);

		uint64_t end = ((uint64_t)round + 2) * CHUNK;

		for (uint64_t size = atomic_load(&c.size); size <= end; size += 192 * KIB) {
			if (size / KIB / 64 % 2) {
				T_ASSERT_OK(mms_resize(c.file, size));
				write_words(fd, atomic_load(&c.size), size);
			} else {
				write_words(fd, atomic_load(&c.size), size);
				/* The last word is not the end of its page. */
				ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
			}
			atomic_store(&c.size, size);
		}
		T_ASSERT_OK(mms_resize(c.file, 20 * CHUNK));
		ck_assert_int_ne(mms_granted(c.file, MMS_WANT_FULL, NULL), 1);
		while (atomic_load(&c.rounds) < rounds + 50)
			sched_yield();
		/* Readers must not read what goes away. */
		T_ASSERT_OK(mms_resize(c.file, atomic_load(&c.size)));
	}
	atomic_store(&c.stop, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	T_ASSERT_OK(mms_resize(c.file, atomic_load(&c.size)));
	is_granted(c.file);
	adds_up(pool);
	mms_close(c.file);
	ck_assert_uint_eq(t_mapped, 0);
	close(fd);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, whole_from_the_open_on);
	tcase_add_test(t, what_may_be_asked);
	tcase_add_test(t, not_evicted);
	tcase_add_test(t, empty_files);
	tcase_add_test(t, growth_by_us);
	tcase_add_test(t, growth_by_others);
	tcase_add_test(t, shrinking);
	tcase_add_test(t, budget);
	tcase_add_test(t, tight_for_others);
	tcase_add_test(t, growth_by_a_calm_read);
	tcase_add_test(t, windows_with_a_pin_held);
	tcase_add_test(t, mmap_refused);
	tcase_add_test(t, mmap_refused_to_growth);
	tcase_add_test(t, fstat_fails);
	tcase_add_test(t, large_files);
	tcase_add_test(t, copy_on_write);
	tcase_add_test(t, copy_on_write_cut);
	tcase_add_test(t, upgrade);
	tcase_add_test(t, upgrade_after_a_refusal);
	tcase_add_test(t, with_each_io);
	tcase_add_test(t, preload_and_advice);
	tcase_add_test(t, dax);
	tcase_add_test(t, huge);
	tcase_add_test(t, growth_under_readers);
}

int main(void)
{
	return t_run("full", add_tests);
}

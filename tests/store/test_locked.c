/* SPDX-License-Identifier: MIT */
/* Proves that what shall be locked into memory is, stays mapped, and that refusals name the limit.
 */
#include "helper.h"

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHIFT 20u
#define CHUNK (1ULL << SHIFT)
#define PIECE (CHUNK / 4) /* for files that fit the usual limit of 8 MiB */
#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

static const struct mms_file_options locked_rw = {
	.mode = MMS_RDWR, .want = MMS_WANT_LOCKED, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options full_locked = {
	.mode = MMS_RDWR, .want = MMS_WANT_LOCKED | MMS_WANT_FULL, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options plain_rw = {.mode = MMS_RDWR, .sync = MMS_SYNC_NEVER};

/* The sanitizers make mlock(2) do nothing. */
static bool locks_are_real(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool real = mlock(page, PAGE) == 0 && t_vma_has(page, "lo");

	munmap(page, PAGE);
	return real;
}

static uint64_t process_locked(void)
{
	uint64_t limit, locked;

	T_ASSERT_OK(mms_sys_default.memlock(&limit, &locked));
	return locked;
}

static void reads_well(struct mms_file *file, uint64_t offset)
{
	unsigned char buf[100];

	ck_assert_int_eq(mms_read(file, buf, sizeof(buf), offset), sizeof(buf));
	t_check(buf, sizeof(buf), offset);
}

static void *where(struct mms_file *file, uint64_t offset)
{
	struct mms_pin pin;
	void *addr;

	T_ASSERT_OK(mms_pin(file, offset, 1, 0, &pin));
	addr = pin.addr;
	mms_unpin(&pin);
	return addr;
}

static unsigned take(enum call call)
{
	return atomic_exchange(&t_call[call].made, 0);
}

static void is_refused(struct mms_file *file, int code, const char *hint)
{
	struct mms_error why = {0};

	ck_assert_int_eq(mms_granted(file, MMS_WANT_LOCKED, &why), code);
	ck_assert_ptr_ne(strstr(why.what, "locking "), NULL);
	ck_assert_msg(strstr(why.hint, hint) != NULL, "%s: %s", why.what, why.hint);
}

/* --------------------------------------------------------- MMS_WANT_LOCKED */

/* Half of the budget at most: the rest slides. */
START_TEST(windows)
{
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 16 * CHUNK), &locked_rw);
	bool real = locks_are_real();
	uint64_t before = process_locked();
	void *addr[4];

	ck_assert_int_eq(mms_granted(file, MMS_WANT_LOCKED, NULL), 1);
	for (uint64_t i = 0; i < 4; i++) {
		reads_well(file, i * CHUNK);
		addr[i] = where(file, i * CHUNK);
		if (real)
			ck_assert_uint_eq(process_locked(), before + (i + 1) * CHUNK);
	}
	ck_assert_int_eq(mms_granted(file, MMS_WANT_LOCKED, NULL), 1);
	ck_assert_uint_eq(take(CALL_MLOCK), 4);
	for (uint64_t i = 0; i < 40; i++)
		(void)where(file, (4 + i % 12) * CHUNK);
	is_refused(file, -ENOBUFS, "map_limit_bytes is 8.0 MiB");
	ck_assert_uint_eq(take(CALL_MLOCK), 0);
	ck_assert_uint_gt(t_stats(pool).chunk_evictions, 20);
	for (uint64_t i = 0; i < 4; i++) {
		ck_assert_ptr_eq(where(file, i * CHUNK), addr[i]);
		if (real)
			ck_assert(t_vma_has(addr[i], "lo"));
	}
	mms_close(file);
	ck_assert_uint_eq(t_mapped, 0);
	ck_assert_uint_eq(process_locked(), before);
	file = t_open(pool, t_path("f"), &locked_rw);
	reads_well(file, 0);
	ck_assert_int_eq(mms_granted(file, MMS_WANT_LOCKED, NULL), 1);
	ck_assert_uint_eq(take(CALL_MLOCK), 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Mappings count as well as bytes do. */
START_TEST(windows_by_count)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 4);
	struct mms_file *file = t_open(pool, t_fill("f", 8 * CHUNK), &locked_rw);

	for (uint64_t i = 0; i < 16; i++)
		(void)where(file, i % 8 * CHUNK);
	ck_assert_uint_eq(take(CALL_MLOCK), 2);
	is_refused(file, -ENOBUFS, "half of the budget");
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* A window that is short, because the file was, and is mapped anew. */
START_TEST(window_grows)
{
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 100 * KIB), &locked_rw);
	bool real = locks_are_real();
	uint64_t before = process_locked();

	(void)where(file, 0);
	/* What is there; and, so that it is locked when touched, what may come. */
	ck_assert_uint_eq(take(CALL_MLOCK), 2);
	T_ASSERT_OK(mms_resize(file, CHUNK));
	(void)where(file, CHUNK - 1);
	ck_assert_uint_eq(take(CALL_MLOCK), 1);
	ck_assert_uint_eq(t_stats(pool).chunks, 1);
	if (real)
		ck_assert_uint_eq(process_locked(), before + CHUNK);
	/* A chunk past the end: nothing to read in. */
	(void)where(file, 3 * CHUNK);
	ck_assert_uint_eq(take(CALL_MLOCK), 1);
	ck_assert_int_eq(mms_granted(file, MMS_WANT_LOCKED, NULL), 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(whole_file)
{
	struct mms_pool *pool = t_pool(SHIFT, 64 * PIECE, 0);
	bool real = locks_are_real();
	uint64_t before = process_locked();
	struct mms_file *file = t_open(pool, t_fill("f", 3 * PIECE), &full_locked);
	struct mms_pin old;
	struct t_vma vma;

	ck_assert_int_eq(mms_granted(file, MMS_WANT_LOCKED, NULL), 1);
	ck_assert_int_eq(mms_granted(file, MMS_WANT_FULL, NULL), 1);
	T_ASSERT_OK(mms_pin(file, 0, 3 * PIECE, 0, &old));
	if (real) {
		ck_assert(t_vma_at(old.addr, &vma));
		ck_assert_uint_eq(vma.locked_kib, 3 * PIECE / KIB);
		ck_assert_uint_eq(process_locked(), before + 4 * PIECE);
	}
	/* Growth inside the mapping, then out of it: the old one is left to
	 * who has it pinned, and is locked no more. */
	T_ASSERT_OK(mms_resize(file, 4 * PIECE));
	if (real) {
		(void)*(volatile char *)where(file, 3 * PIECE + 5);
		ck_assert(t_vma_at(old.addr, &vma));
		ck_assert_uint_gt(vma.locked_kib, 3 * PIECE / KIB);
	}
	T_ASSERT_OK(mms_resize(file, 5 * PIECE));
	ck_assert_uint_eq(take(CALL_MUNLOCK), 1);
	if (real) {
		ck_assert(!t_vma_has(old.addr, "lo"));
		ck_assert(t_vma_has(where(file, 4 * PIECE), "lo"));
		ck_assert_uint_eq(process_locked(), before + 8 * PIECE);
	}
	t_check(old.addr, 3 * PIECE, 0);
	mms_unpin(&old);
	/* Refused to the next: the file is mapped whole all the same. */
	t_fail(CALL_MLOCK, -ENOMEM, 0, 1);
	T_ASSERT_OK(mms_resize(file, 12 * PIECE));
	is_refused(file, -ENOMEM, "RLIMIT_MEMLOCK is ");
	ck_assert_int_eq(mms_granted(file, MMS_WANT_FULL, NULL), 1);
	ck_assert_uint_eq(t_stats(pool).chunks, 1);
	T_ASSERT_OK(mms_resize(file, 17 * PIECE));
	ck_assert_int_eq(mms_granted(file, MMS_WANT_LOCKED, NULL), 1);
	/* Into windows: nothing of the old mapping stays locked. */
	T_ASSERT_OK(mms_resize(file, 65 * PIECE));
	(void)where(file, 64 * PIECE);
	ck_assert_int_eq(mms_granted(file, MMS_WANT_FULL, NULL), -ENOBUFS);
	if (real)
		ck_assert_uint_eq(process_locked(), before + PIECE);
	mms_close(file);
	ck_assert_uint_eq(process_locked(), before);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}
END_TEST

START_TEST(refused_by_each_code)
{
	static const int codes[] = {-ENOMEM, -EPERM, -EAGAIN};
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);

	t_fill("f", 4 * CHUNK);
	for (int i = 0; i < 3; i++) {
		struct mms_file *file = t_open(pool, t_path("f"), &locked_rw);
		bool silent = i == 2;

		t_fail(CALL_MLOCK, codes[i], 0, 1);
		t_fail(CALL_MEMLOCK, -ENOENT, 0, silent);
		reads_well(file, 0);
		ck_assert_uint_eq(take(CALL_MUNLOCK), 1);
		is_refused(file, codes[i], silent ? "see RLIMIT_MEMLOCK" : "are locked: raise");
		/* It is evicted like any other. */
		for (uint64_t j = 0; j < 4; j++)
			reads_well(file, j * CHUNK);
		ck_assert_uint_eq(t_stats(pool).chunks, 4);
		t_fail(CALL_MMAP, -ENOMEM, 0, 1);
		mms_close(file);
		t_fail(CALL_MMAP, 0, 0, 0);
		ck_assert_uint_eq(t_mapped, 0);
	}
	mms_pool_free(pool);
}
END_TEST

START_TEST(copy_on_write)
{
	const struct mms_file_options o = {.mode = MMS_COW, .want = MMS_WANT_LOCKED};
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), &o);
	char buf[5];

	ck_assert_int_eq(mms_write(file, "hello", 5, 10, 0), 5);
	ck_assert_int_eq(mms_granted(file, MMS_WANT_LOCKED, NULL), 1);
	ck_assert_int_eq(mms_read(file, buf, 5, 10), 5);
	ck_assert_int_eq(memcmp(buf, "hello", 5), 0);
	T_ASSERT_OK(mms_lock_memory(file, CHUNK, 0, NULL));
	mms_close(file);
	ck_assert_uint_eq(t_mapped, 0);
	file = t_open(pool, t_path("f"), NULL);
	reads_well(file, 0);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* --------------------------------------------------------- mms_lock_memory */

START_TEST(pages_of_a_range)
{
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), &plain_rw);
	uint64_t before = process_locked();
	bool real = locks_are_real();
	uint64_t memory;
	void *addr;

	(void)where(file, 0);
	memory = t_stats(pool).memory_bytes;
	/* Parts of two pages. */
	T_ASSERT_OK(mms_lock_memory(file, CHUNK + PAGE + 5, PAGE, NULL));
	ck_assert_uint_eq(take(CALL_MLOCK), 1);
	addr = where(file, CHUNK + PAGE);
	if (real) {
		ck_assert_uint_eq(process_locked(), before + 2 * PAGE);
		ck_assert(t_vma_has(addr, "lo"));
		ck_assert(!t_vma_has((char *)addr - 1, "lo"));
	}
	/* Again, and more: only what is not locked yet. */
	T_ASSERT_OK(mms_lock_memory(file, CHUNK + PAGE, 2 * PAGE, NULL));
	ck_assert_uint_eq(take(CALL_MLOCK), 0);
	T_ASSERT_OK(mms_lock_memory(file, 2 * PAGE, 2 * CHUNK, NULL));
	ck_assert_uint_eq(take(CALL_MLOCK), 4);
	if (real)
		ck_assert_uint_eq(process_locked(), before + 2 * CHUNK);
	/* The middle, which does not nest, leaves two ends. */
	T_ASSERT_OK(mms_unlock_memory(file, CHUNK + PAGE, 2 * PAGE));
	ck_assert_uint_eq(take(CALL_MUNLOCK), 1);
	T_ASSERT_OK(mms_unlock_memory(file, CHUNK + 5 * PAGE, 2 * PAGE));
	ck_assert_uint_eq(take(CALL_MUNLOCK), 1);
	if (real) {
		ck_assert_uint_eq(process_locked(), before + 2 * CHUNK - 4 * PAGE);
		ck_assert(!t_vma_has(where(file, CHUNK + 6 * PAGE), "lo"));
		ck_assert(t_vma_has(where(file, CHUNK + 7 * PAGE), "lo"));
		ck_assert(t_vma_has(where(file, CHUNK + 4 * PAGE), "lo"));
	}
	T_ASSERT_OK(mms_unlock_memory(file, CHUNK + 7 * PAGE, PAGE)); /* the front of a part */
	T_ASSERT_OK(mms_unlock_memory(file, 2 * CHUNK, PAGE));
	T_ASSERT_OK(mms_unlock_memory(file, 2 * CHUNK - PAGE, PAGE)); /* the end of one */
	T_ASSERT_OK(mms_unlock_memory(file, 3 * CHUNK, 0));
	if (real)
		ck_assert_uint_eq(process_locked(), before + 2 * CHUNK - 7 * PAGE);
	T_ASSERT_OK(mms_unlock_memory(file, 0, 0));
	ck_assert_uint_eq(process_locked(), before);
	ck_assert_uint_eq(t_stats(pool).memory_bytes, memory);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(borders)
{
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", CHUNK + 1), NULL);
	uint64_t before = process_locked();
	bool real = locks_are_real();

	T_ASSERT_OK(mms_lock_memory(file, CHUNK + PAGE, 0, NULL));
	T_ASSERT_OK(mms_lock_memory(file, UINT64_MAX, UINT64_MAX, NULL));
	T_ASSERT_OK(mms_lock_memory(file, INT64_MAX, 1, NULL));
	ck_assert_uint_eq(take(CALL_MLOCK), 0);
	T_ASSERT_OK(mms_lock_memory(file, CHUNK - 1, UINT64_MAX, NULL));
	ck_assert_uint_eq(take(CALL_MLOCK), 2);
	if (real)
		ck_assert_uint_eq(process_locked(), before + 2 * PAGE);
	T_ASSERT_OK(mms_unlock_memory(file, UINT64_MAX, 0));
	T_ASSERT_OK(mms_unlock_memory(file, CHUNK, 1));
	if (real)
		ck_assert_uint_eq(process_locked(), before + PAGE);
	mms_close(file); /* with one left */
	ck_assert_uint_eq(process_locked(), before);
	file = t_open(pool, t_fill("f", 0), NULL);
	T_ASSERT_OK(mms_lock_memory(file, 0, 0, NULL));
	mms_close(file);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}
END_TEST

/* What is locked stays mapped; what is not locked any more is evicted. */
START_TEST(not_evicted)
{
	struct mms_pool *pool = t_pool(SHIFT, 4 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 16 * CHUNK), &plain_rw);
	uint64_t maps;
	void *addr;

	T_ASSERT_OK(mms_lock_memory(file, 3 * CHUNK + 5, 1, NULL));
	addr = where(file, 3 * CHUNK);
	for (uint64_t i = 0; i < 40; i++)
		(void)where(file, i % 16 * CHUNK);
	ck_assert_ptr_eq(where(file, 3 * CHUNK), addr);
	T_ASSERT_OK(mms_unlock_memory(file, 3 * CHUNK, CHUNK));
	for (uint64_t i = 4; i < 16; i++)
		(void)where(file, i * CHUNK);
	maps = t_stats(pool).chunk_maps;
	(void)where(file, 3 * CHUNK);
	ck_assert_uint_eq(t_stats(pool).chunk_maps, maps + 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(budget)
{
	struct mms_pool *pool = t_pool(SHIFT, 4 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 16 * CHUNK), &plain_rw);
	struct mms_error err = {0};
	struct mms_pin pin;

	ck_assert_int_eq(mms_lock_memory(file, 0, 0, &err), -EBUSY);
	ck_assert_ptr_ne(strstr(err.what, "locking 16.0 MiB of "), NULL);
	ck_assert_ptr_ne(strstr(err.hint, "map_limit_bytes is 4.0 MiB"), NULL);
	ck_assert_uint_eq(take(CALL_MLOCK), 0);
	/* Borders make it five chunks. */
	ck_assert_int_eq(mms_lock_memory(file, CHUNK / 2, 4 * CHUNK, NULL), -EBUSY);
	ck_assert_uint_eq(take(CALL_MLOCK), 4);
	ck_assert_uint_eq(take(CALL_MUNLOCK), 4);
	/* One is somebody's. */
	T_ASSERT_OK(mms_pin(file, 9 * CHUNK, 1, 0, &pin));
	ck_assert_int_eq(mms_lock_memory(file, 0, 4 * CHUNK, NULL), -EBUSY);
	mms_unpin(&pin);
	T_ASSERT_OK(mms_lock_memory(file, 0, 4 * CHUNK, NULL));
	/* Locked chunks fill the budget now: reads go on, pins do not. */
	reads_well(file, 10 * CHUNK);
	ck_assert_int_eq(mms_pin(file, 10 * CHUNK, 1, 0, &pin), -ENOBUFS);
	ck_assert_int_eq(mms_lock_memory(file, 10 * CHUNK, 1, NULL), -EBUSY);
	T_ASSERT_OK(mms_unlock_memory(file, 0, CHUNK));
	T_ASSERT_OK(mms_lock_memory(file, 10 * CHUNK, 1, NULL));
	mms_close(file);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}
END_TEST

START_TEST(all_or_nothing)
{
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 8 * CHUNK), &plain_rw);
	uint64_t before = process_locked();
	uint64_t memory;
	bool real = locks_are_real();
	struct mms_error err = {0};

	T_ASSERT_OK(mms_lock_memory(file, CHUNK, CHUNK, NULL));
	memory = t_stats(pool).memory_bytes;
	for (int skip = 0; skip < 3; skip++) {
		take(CALL_MUNLOCK);
		t_fail(CALL_MLOCK, -ENOMEM, skip, 1);
		ck_assert_int_eq(mms_lock_memory(file, 0, 4 * CHUNK, &err), -ENOMEM);
		ck_assert_ptr_ne(strstr(err.hint, "RLIMIT_MEMLOCK is "), NULL);
		ck_assert_uint_eq(take(CALL_MUNLOCK), (unsigned)skip + 1);
		ck_assert_uint_eq(t_stats(pool).memory_bytes, memory);
		if (real)
			ck_assert_uint_eq(process_locked(), before + CHUNK);
	}
	t_fail(CALL_MMAP, -ENODEV, 0, 1);
	ck_assert_int_eq(mms_lock_memory(file, 4 * CHUNK, 0, &err), -ENODEV);
	ck_assert_ptr_ne(strstr(err.hint, "cannot map files"), NULL);
	mms_close(file);
	file = t_open(pool, t_path("f"), &plain_rw);
	t_fail(CALL_FSTAT, -EIO, 0, 1);
	ck_assert_int_eq(mms_lock_memory(file, 0, 0, &err), -EIO);
	ck_assert_int_eq(err.code, -EIO);
	T_ASSERT_OK(mms_lock_memory(file, 0, 0, &err));
	/* What cannot be unlocked stays locked and mapped; the rest is not. */
	t_fail(CALL_MUNLOCK, -ENOMEM, 0, 1);
	ck_assert_int_eq(mms_unlock_memory(file, 0, 2 * CHUNK), -ENOMEM);
	if (real)
		ck_assert_uint_eq(process_locked(), before + 7 * CHUNK);
	t_fail(CALL_MUNLOCK, -ENOMEM, 0, 1);
	memory = t_stats(pool).memory_bytes;
	ck_assert_int_eq(mms_unlock_memory(file, 3 * CHUNK + PAGE, PAGE), -ENOMEM);
	ck_assert_uint_eq(t_stats(pool).memory_bytes, memory);
	T_ASSERT_OK(mms_unlock_memory(file, 0, 0));
	ck_assert_uint_eq(process_locked(), before);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* A part that is locked keeps neither a window nor a whole file from growing. */
static void growth(const struct mms_file_options *o)
{
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 10 * PAGE), o);
	uint64_t before = process_locked();
	bool real = locks_are_real();

	T_ASSERT_OK(mms_lock_memory(file, 0, 0, NULL));
	T_ASSERT_OK(mms_resize(file, CHUNK / 2));
	(void)where(file, CHUNK / 2 - 1);
	reads_well(file, 10 * PAGE - 100);
	if (real)
		ck_assert_uint_eq(process_locked(), before + 10 * PAGE);
	T_ASSERT_OK(mms_lock_memory(file, 0, 0, NULL));
	if (real)
		ck_assert_uint_eq(process_locked(), before + CHUNK / 2);
	T_ASSERT_OK(mms_unlock_memory(file, 0, 0));
	ck_assert_uint_eq(process_locked(), before);
	T_ASSERT_OK(mms_resize(file, CHUNK));
	(void)where(file, CHUNK - 1);
	ck_assert_uint_eq(t_stats(pool).chunks, 1);
	mms_close(file);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}

START_TEST(growth_of_a_window)
{
	growth(&plain_rw);
}
END_TEST

START_TEST(growth_of_a_whole_file)
{
	const struct mms_file_options o = {
		.mode = MMS_RDWR, .want = MMS_WANT_FULL, .sync = MMS_SYNC_NEVER};

	growth(&o);
}
END_TEST

/* Both ways to lock: what the file wants stays. */
START_TEST(of_a_locked_file)
{
	struct mms_pool *pool = t_pool(SHIFT, 8 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), &full_locked);
	uint64_t locked = process_locked();

	T_ASSERT_OK(mms_lock_memory(file, 0, CHUNK, NULL));
	T_ASSERT_OK(mms_resize(file, 3 * CHUNK)); /* the held part is not unlocked */
	ck_assert_uint_eq(take(CALL_MUNLOCK), 0);
	T_ASSERT_OK(mms_unlock_memory(file, 0, 0));
	ck_assert_uint_eq(take(CALL_MUNLOCK), 1); /* the mapping that was replaced */
	T_ASSERT_OK(mms_lock_memory(file, 0, CHUNK, NULL));
	T_ASSERT_OK(mms_unlock_memory(file, 0, 0));
	ck_assert_uint_eq(take(CALL_MUNLOCK), 0);
	ck_assert_uint_ge(process_locked(), locked);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------- the limit */

/* A child is another user, whom the limit binds: no assertions of Check. */
#define CHILD(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			return 1;                                                       \
		}                                                                       \
	} while (0)

static int bind_limit(uint64_t bytes)
{
	const struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};

	CHILD(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	if (geteuid() == 0) {
		CHILD(setgroups(0, NULL) == 0);
		CHILD(setgid(65534) == 0);
		CHILD(setuid(65534) == 0);
		CHILD(prctl(PR_SET_DUMPABLE, 1) == 0);
	}
	return 0;
}

static int adopt(struct mms_pool *pool, int fd, unsigned want, struct mms_file **ret_file)
{
	const struct mms_file_options o = {.mode = MMS_RDWR, .want = want};

	return mms_adopt(pool, dup(fd), "f", &o, ret_file, NULL);
}

static int under_the_limit(int fd)
{
	struct mms_pool *pool = t_pool(SHIFT, 16 * CHUNK, 0);
	struct mms_file *file;
	struct mms_error err = {0};
	char byte;

	CHILD(bind_limit(2 * CHUNK) == 0);
	CHILD(adopt(pool, fd, MMS_WANT_LOCKED, &file) == 0);
	for (uint64_t i = 0; i < 3; i++) {
		CHILD(mms_granted(file, MMS_WANT_LOCKED, &err) == 1);
		CHILD(mms_read(file, &byte, 1, i * CHUNK) == 1);
	}
	CHILD(mms_granted(file, MMS_WANT_LOCKED, &err) == -ENOMEM);
	CHILD(strstr(err.hint, "RLIMIT_MEMLOCK is 2.0 MiB and 2.0 MiB are locked"));
	CHILD(t_stats(pool).chunks == 3);
	CHILD(mms_close(file) == 0);
	/* Whole: room to grow in is not locked where the limit has none. */
	CHILD(adopt(pool, fd, MMS_WANT_LOCKED | MMS_WANT_FULL, &file) == 0);
	CHILD(mms_granted(file, MMS_WANT_FULL, &err) == 1);
	CHILD(mms_granted(file, MMS_WANT_LOCKED, &err) == -ENOMEM);
	CHILD(strstr(err.hint, "RLIMIT_MEMLOCK is 2.0 MiB and 0 B are locked"));
	CHILD(mms_close(file) == 0);
	/* By range. */
	CHILD(adopt(pool, fd, 0, &file) == 0);
	CHILD(mms_lock_memory(file, 0, CHUNK, &err) == 0);
	CHILD(mms_lock_memory(file, CHUNK, 2 * CHUNK, &err) == -ENOMEM);
	CHILD(strstr(err.hint, "RLIMIT_MEMLOCK is 2.0 MiB and "));
	CHILD(process_locked() == CHUNK);
	CHILD(mms_lock_memory(file, 2 * CHUNK, CHUNK, &err) == 0);
	CHILD(mms_close(file) == 0);
	CHILD(process_locked() == 0);
	CHILD(bind_limit(0) == 0);
	CHILD(adopt(pool, fd, 0, &file) == 0);
	CHILD(mms_lock_memory(file, 0, 1, &err) == -EPERM);
	CHILD(strstr(err.hint, "RLIMIT_MEMLOCK is 0 B and 0 B are locked"));
	CHILD(mms_close(file) == 0);
	mms_pool_free(pool);
	return 0;
}

START_TEST(limit)
{
	int fd = open(t_fill("f", 3 * CHUNK), O_RDWR | O_CLOEXEC);
	int status;
	pid_t child;

	if (!locks_are_real()) {
		close(fd);
		return;
	}
	child = fork();
	if (child == 0)
		_exit(under_the_limit(fd));
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	close(fd);
}
END_TEST

/* --------------------------------------------------------------- threads */

static struct mms_file *shared;

static void *locker(void *arg)
{
	uint64_t at = (uint64_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < 200; i++) {
		uint64_t offset = (at + i) % 12 * CHUNK + i * PAGE % CHUNK;
		int r = mms_lock_memory(shared, offset, 3 * PAGE, NULL);

		ck_assert(r == 0 || r == -EBUSY);
		reads_well(shared, (at + 3 * i) % 16 * CHUNK);
		T_ASSERT_OK(mms_unlock_memory(shared, offset, i % 2 ? PAGE : 3 * PAGE));
	}
	return NULL;
}

START_TEST(many_at_once)
{
	struct mms_pool *pool = t_pool(SHIFT, 6 * CHUNK, 0);
	uint64_t before = process_locked();
	pthread_t threads[4];

	shared = t_open(pool, t_fill("f", 16 * CHUNK), &locked_rw);
	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, locker, (void *)(i * 3)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	T_ASSERT_OK(mms_unlock_memory(shared, 0, 0));
	for (uint64_t i = 0; i < 16; i++)
		(void)where(shared, i * CHUNK);
	ck_assert_uint_le(t_mapped_peak, 6 * CHUNK);
	mms_close(shared);
	ck_assert_uint_eq(t_mapped, 0);
	ck_assert_uint_eq(process_locked(), before);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, windows);
	tcase_add_test(t, windows_by_count);
	tcase_add_test(t, window_grows);
	tcase_add_test(t, whole_file);
	tcase_add_test(t, refused_by_each_code);
	tcase_add_test(t, copy_on_write);
	tcase_add_test(t, pages_of_a_range);
	tcase_add_test(t, borders);
	tcase_add_test(t, not_evicted);
	tcase_add_test(t, budget);
	tcase_add_test(t, all_or_nothing);
	tcase_add_test(t, growth_of_a_window);
	tcase_add_test(t, growth_of_a_whole_file);
	tcase_add_test(t, of_a_locked_file);
	tcase_add_test(t, limit);
	tcase_add_test(t, many_at_once);
}

int main(void)
{
	void *much = mmap(NULL, 8 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mlock(much, 8 * MIB)) {
		puts("skipped: RLIMIT_MEMLOCK is less than 8 MiB");
		return 77;
	}
	munmap(much, 8 * MIB);
	return t_run("locked", add_tests);
}

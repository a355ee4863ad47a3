/* SPDX-License-Identifier: MIT */
/* Proves that the budget is never exceeded, that the least recently used goes, that a pin holds. */
#include "helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "arith.h"

#define SHIFT 20u
#define CHUNK (1u << SHIFT)

static bool is_mapped(struct mms_file *file, uint64_t offset)
{
	struct mms_pin pin;

	if (mms_file_pin(file, offset, 1, PIN_MAPPED, &pin))
		return false;
	mms_unpin(&pin);
	return true;
}

static void visit(struct mms_file *file, uint64_t offset)
{
	struct mms_pin pin;

	T_ASSERT_OK(mms_pin(file, offset, 1, 0, &pin));
	ck_assert_uint_eq(*(unsigned char *)pin.addr, t_byte(offset));
	mms_unpin(&pin);
}

START_TEST(pins_show_the_file)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK + 100), NULL);
	struct mms_pin pin;

	T_ASSERT_OK(mms_pin(file, CHUNK - 10, 100, 0, &pin));
	ck_assert_uint_eq(pin.len, 10); /* up to the border */
	t_check(pin.addr, 10, CHUNK - 10);
	mms_unpin(&pin);
	T_ASSERT_OK(mms_pin(file, 3 * CHUNK, 100, 0, &pin));
	ck_assert_uint_eq(pin.len, 100);
	t_check(pin.addr, 100, 3 * CHUNK);
	mms_unpin(&pin);
	ck_assert_int_eq(mms_pin(file, 0, 1, MMS_PIN_WRITE, &pin), -EBADF);
	ck_assert_int_eq(mms_pin(file, 1ULL << 63, 1, 0, &pin), -EFBIG);
	ck_assert_int_eq(mms_pin(file, 0, 1, 64, &pin), -EINVAL);
	/* The last chunk is short: it charges what it needs. */
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, CHUNK + 64 * KIB);
	ck_assert_uint_eq(t_stats(pool).chunks, 2);
	T_ASSERT_OK(mms_close(file));
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 0);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}
END_TEST

/* 64 chunks in a window of 4. The peaks are those of the system's calls: a
 * victim that is unmapped after its successor is mapped would show. */
START_TEST(window_slides_within_the_budget)
{
	struct mms_pool *pool = t_pool(SHIFT, 4 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 64 * CHUNK), NULL);

	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < 64; i++)
			visit(file, i * CHUNK + i);
	}
	ck_assert_uint_eq(t_mapped_peak, 4 * CHUNK);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes_peak, 4 * CHUNK);
	ck_assert_uint_eq(t_stats(pool).chunk_evictions, 124);
	ck_assert_uint_eq(t_stats(pool).chunk_maps, 128);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(count_of_mappings_is_a_budget_too)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 3);
	struct mms_file *file = t_open(pool, t_fill("f", 16 * CHUNK), NULL);

	for (uint64_t i = 0; i < 16; i++)
		visit(file, i * CHUNK);
	ck_assert_uint_eq(t_maps_peak, 3);
	ck_assert_uint_eq(t_stats(pool).chunks, 3);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* With plain first-in-first-out, chunk 0 would go at the fourth miss. */
START_TEST(least_recently_used_goes)
{
	struct mms_pool *pool = t_pool(SHIFT, 3 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 16 * CHUNK), NULL);

	for (uint64_t i = 1; i < 16; i++) {
		visit(file, 0);
		visit(file, i * CHUNK);
		ck_assert(is_mapped(file, i * CHUNK));
		if (i > 1)
			ck_assert(is_mapped(file, 0));
	}
	ck_assert_uint_eq(t_stats(pool).chunk_maps, 16);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(pinned_chunks_stay)
{
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 8 * CHUNK), NULL);
	struct mms_pin a, b, c;

	T_ASSERT_OK(mms_pin(file, 0, 16, 0, &a));
	for (uint64_t i = 1; i < 8; i++)
		visit(file, i * CHUNK);
	t_check(a.addr, 16, 0);
	T_ASSERT_OK(mms_pin(file, 5 * CHUNK, 16, 0, &b));
	ck_assert_int_eq(mms_pin(file, 6 * CHUNK, 16, 0, &c), -EBUSY);
	ck_assert_uint_eq(t_stats(pool).chunk_busy, 1);
	/* Twice pinned is pinned until the second is gone. */
	T_ASSERT_OK(mms_pin(file, 0, 16, 0, &c));
	mms_unpin(&a);
	ck_assert_int_eq(mms_pin(file, 6 * CHUNK, 16, 0, &a), -EBUSY);
	mms_unpin(&c);
	T_ASSERT_OK(mms_pin(file, 6 * CHUNK, 16, 0, &c));
	t_check(b.addr, 16, 5 * CHUNK);
	t_check(c.addr, 16, 6 * CHUNK);
	mms_unpin(&b);
	mms_unpin(&c);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Many small files cost what they need: 64 KiB, not a chunk. */
START_TEST(small_files_charge_little)
{
	struct mms_pool *pool = t_pool(30, GIB, 0);
	struct mms_file *files[32];
	struct mms_pin pins[32];
	char name[16];

	for (int i = 0; i < 32; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		files[i] = t_open(pool, t_fill(name, 1000), NULL);
		T_ASSERT_OK(mms_pin(files[i], 0, 1000, 0, &pins[i]));
		t_check(pins[i].addr, 1000, 0);
	}
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 32 * 64 * KIB);
	for (int i = 0; i < 32; i++) {
		mms_unpin(&pins[i]);
		mms_close(files[i]);
	}
	mms_pool_free(pool);
}
END_TEST

/* The mapping follows the growth of the file, unless somebody holds it. */
START_TEST(growth)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 1000);
	struct mms_file *file = t_open(pool, path, NULL);
	struct mms_pin pin, held;

	T_ASSERT_OK(mms_pin(file, 0, 1000, 0, &held));
	t_fill("f", 300 * KIB);
	ck_assert_int_eq(mms_pin(file, 200 * KIB, 10, 0, &pin), -EBUSY);
	/* What it covers it still serves. */
	T_ASSERT_OK(mms_pin(file, 60 * KIB, 100 * KIB, 0, &pin));
	ck_assert_uint_eq(pin.len, 4 * KIB);
	mms_unpin(&pin);
	mms_unpin(&held);
	T_ASSERT_OK(mms_pin(file, 60 * KIB, 100 * KIB, 0, &pin));
	ck_assert_uint_eq(pin.len, 100 * KIB);
	t_check(pin.addr, 100 * KIB, 60 * KIB);
	mms_unpin(&pin);
	ck_assert_uint_eq(t_stats(pool).chunks, 1);
	ck_assert_uint_eq(t_stats(pool).mapped_bytes, 512 * KIB);
	ck_assert_uint_eq(t_stats(pool).chunk_evictions, 0);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* AUTO leaves young chunks alone, and old ones not. */
START_TEST(auto_does_not_thrash)
{
	const struct mms_file_options options = {.io = MMS_IO_AUTO};
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), &options);
	struct mms_pin pin;

	T_ASSERT_OK(mms_pin(file, 0, 1, MMS_PIN_AUTO, &pin));
	mms_unpin(&pin);
	T_ASSERT_OK(mms_pin(file, CHUNK, 1, MMS_PIN_AUTO, &pin));
	mms_unpin(&pin);
	ck_assert_int_eq(mms_pin(file, 2 * CHUNK, 1, MMS_PIN_AUTO, &pin), -EBUSY);
	t_clock_ms = 1500;
	T_ASSERT_OK(mms_pin(file, 2 * CHUNK, 1, MMS_PIN_AUTO, &pin));
	mms_unpin(&pin);
	/* Without AUTO the caller gets what it asks for. */
	T_ASSERT_OK(mms_pin(file, 3 * CHUNK, 1, 0, &pin));
	mms_unpin(&pin);
	T_ASSERT_OK(mms_pin(file, 0, 1, 0, &pin));
	mms_unpin(&pin);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(auto_obeys_io)
{
	const struct mms_file_options pread_only = {.io = MMS_IO_PREAD};
	const struct mms_pool_options pool_options = {.chunk_shift = SHIFT};
	struct mms_pool *pool;
	struct mms_file *file;
	struct mms_pin pin;

	T_ASSERT_OK(mms_pool_new(&pool_options, &pool, NULL));
	file = t_open(pool, t_fill("big", CHUNK), &pread_only);
	ck_assert_int_eq(mms_pin(file, 0, 1, MMS_PIN_AUTO, &pin), -EOPNOTSUPP);
	ck_assert_str_eq(mms_why_unmapped(file), "io=pread");
	mms_close(file);
	file = t_open(pool, t_fill("small", 65535), NULL);
	ck_assert_int_eq(mms_pin(file, 0, 1, MMS_PIN_AUTO, &pin), -EOPNOTSUPP);
	ck_assert_str_eq(mms_why_unmapped(file), "small file");
	mms_close(file);
	file = t_open(pool, t_fill("enough", 65536), NULL);
	T_ASSERT_OK(mms_pin(file, 0, 1, MMS_PIN_AUTO, &pin));
	mms_unpin(&pin);
	ck_assert_ptr_eq(mms_why_unmapped(file), NULL);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(bad_pools_are_refused)
{
	struct mms_pool_options options = {.chunk_shift = 19};
	struct mms_pool *pool = (struct mms_pool *)1;
	struct mms_error err;

	ck_assert_int_eq(mms_pool_new(&options, &pool, &err), -EINVAL);
	ck_assert_str_eq(err.hint, "the exponent must be 20 to 40");
	options.chunk_shift = 41;
	ck_assert_int_eq(mms_pool_new(&options, &pool, &err), -EINVAL);
	options = (struct mms_pool_options){.chunk_shift = 30, .map_limit_bytes = GIB - 1};
	ck_assert_int_eq(mms_pool_new(&options, &pool, &err), -EINVAL);
	ck_assert_ptr_ne(strstr(err.hint, "1.0 GiB"), NULL);
	ck_assert_ptr_eq(pool, (struct mms_pool *)1);
	mms_pool_free(NULL);
	T_ASSERT_OK(mms_close(NULL));
}
END_TEST

/* ---------------------------------------------------------------- stress */

#define THREADS 8u
#define SPOTS 512u

/* A file far larger than the budget, with a word in the middle of nowhere. */
static struct {
	struct mms_file *file;
	uint64_t spot[SPOTS];
	unsigned rounds;
	_Atomic unsigned busy, wrong;
} stress;

static void *stress_thread(void *arg)
{
	uint64_t random = (uint64_t)(uintptr_t)arg * 0x9e3779b97f4a7c15ULL + 1;

	for (unsigned i = 0; i < stress.rounds; i++) {
		uint64_t offset;
		struct mms_pin pin;

		random = u64_mix(random + i);
		/* Few spots are hot, so that hits and evictions meet. */
		offset = stress.spot[random % 3 ? random % 12 : random % SPOTS];
		if (mms_pin(stress.file, offset, 8, 0, &pin)) {
			atomic_fetch_add(&stress.busy, 1);
			continue;
		}
		/* Held while others run: then seven of the eight are often not
		 * to be had. */
		if (i % 2)
			sched_yield();
		if (pin.len != 8 || memcmp(pin.addr, &offset, 8))
			atomic_fetch_add(&stress.wrong, 1);
		mms_unpin(&pin);
	}
	return NULL;
}

static uint64_t make_spots(void)
{
	static const uint64_t sizes[] = {15 * TIB, 8 * TIB, 1 * TIB, 16 * GIB, 2 * GIB};
	uint64_t size = 0;
	int fd;

	for (size_t i = 0; !size && i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (t_sparse("huge", sizes[i]))
			size = sizes[i];
	}
	fd = open(t_path("huge"), O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	for (uint64_t i = 0; i < SPOTS; i++) {
		uint64_t offset = size / SPOTS * i + i % 100 * 8;

		stress.spot[i] = offset;
		ck_assert_int_eq(pwrite(fd, &offset, 8, (off_t)offset), 8);
	}
	close(fd);
	return size;
}

/* Eight threads, eight chunks, a sparse file of many TiB. */
START_TEST(one_chunk_a_thread_is_enough)
{
	struct mms_pool *pool = t_pool(SHIFT, THREADS * CHUNK, 0);
	uint64_t size = make_spots();
	pthread_t threads[THREADS];
	struct mms_stats s;

	/* At most a few seconds under a sanitizer. */
	stress.rounds = 20000;
	stress.file = t_open(pool, t_path("huge"), NULL);
	for (unsigned i = 0; i < THREADS; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, stress_thread,
					   (void *)(uintptr_t)(i + 1)));
	for (unsigned i = 0; i < THREADS; i++)
		T_ASSERT_OK(pthread_join(threads[i], NULL));
	s = t_stats(pool);
	ck_assert_uint_eq(stress.wrong, 0);
	ck_assert_uint_eq(stress.busy, 0);
	ck_assert_uint_eq(s.chunk_busy, 0);
	ck_assert_uint_le(t_mapped_peak, THREADS * CHUNK);
	ck_assert_uint_le(s.mapped_bytes, THREADS * CHUNK);
	ck_assert_uint_gt(s.chunk_evictions, 1000);
	/* Memory goes with what is mapped: a table by chunks of the file
	 * would be 16 million entries. */
	ck_assert_uint_gt(size, GIB);
	ck_assert_uint_lt(s.memory_bytes, 2 * MIB);
	mms_close(stress.file);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------ in between */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool at_gate;

static int gated_munmap(void *addr, size_t len)
{
	atomic_store(&at_gate, true);
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return mms_sys_default.munmap(addr, len);
}

static void *pin_and_unpin(void *arg)
{
	struct mms_pin pin;
	int r = mms_pin(arg, 0, 1, 0, &pin);

	if (!r)
		mms_unpin(&pin);
	return (void *)(intptr_t)r;
}

/*
 * The budget is two chunks, for two threads. One evicts a chunk and a bit to
 * map a chunk, and is held up in munmap(2): until that returns, the bit is
 * charged, and there is no room for the other's chunk. It has to wait, not
 * to be told that the budget is all pinned.
 */
START_TEST(shares_on_their_way_are_waited_for)
{
	static const uint64_t sizes[] = {64 * KIB, MIB, 512 * KIB, 256 * KIB, 128 * KIB, MIB, MIB};
	const struct mms_pool_options options = {.chunk_shift = SHIFT,
						 .map_limit_bytes = 2 * CHUNK};
	struct mms_sys sys = mms_sys_default;
	struct mms_file *files[7];
	struct mms_pool *pool;
	pthread_t one, two;
	void *r1, *r2;
	char name[16];

	sys.munmap = gated_munmap;
	T_ASSERT_OK(mms_pool_new_on(&sys, &options, &pool, NULL));
	for (int i = 0; i < 7; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		files[i] = t_open(pool, t_fill(name, sizes[i]), NULL);
		if (i < 5)
			ck_assert_ptr_eq(pin_and_unpin(files[i]), NULL);
	}
	pthread_mutex_lock(&gate);
	T_ASSERT_OK(pthread_create(&one, NULL, pin_and_unpin, files[5]));
	while (!atomic_load(&at_gate))
		sched_yield();
	T_ASSERT_OK(pthread_create(&two, NULL, pin_and_unpin, files[6]));
	usleep(20000);
	ck_assert_int_eq(pthread_tryjoin_np(two, &r2), EBUSY);
	pthread_mutex_unlock(&gate);
	T_ASSERT_OK(pthread_join(one, &r1));
	T_ASSERT_OK(pthread_join(two, &r2));
	ck_assert_int_eq((int)(intptr_t)r1, 0);
	ck_assert_int_eq((int)(intptr_t)r2, 0);
	ck_assert_uint_le(t_stats(pool).mapped_bytes_peak, 2 * CHUNK);
	for (int i = 0; i < 7; i++)
		mms_close(files[i]);
	mms_pool_free(pool);
}
END_TEST

/* Two threads that want the same chunk share one mapping. */
static int gated_mmap(size_t len, int prot, int flags, int fd, uint64_t offset, void **ret_addr)
{
	atomic_store(&at_gate, true);
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return mms_sys_default.mmap(len, prot, flags, fd, offset, ret_addr);
}

START_TEST(a_mapping_under_way_is_shared)
{
	const struct mms_pool_options options = {.chunk_shift = SHIFT};
	struct mms_sys sys = mms_sys_default;
	struct mms_file *file;
	struct mms_pool *pool;
	pthread_t threads[4];
	void *r;

	sys.mmap = gated_mmap;
	T_ASSERT_OK(mms_pool_new_on(&sys, &options, &pool, NULL));
	file = t_open(pool, t_fill("f", CHUNK), NULL);
	pthread_mutex_lock(&gate);
	for (int i = 0; i < 4; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, pin_and_unpin, file));
	while (!atomic_load(&at_gate))
		sched_yield();
	usleep(10000);
	pthread_mutex_unlock(&gate);
	for (int i = 0; i < 4; i++) {
		T_ASSERT_OK(pthread_join(threads[i], &r));
		ck_assert_ptr_eq(r, NULL);
	}
	ck_assert_uint_eq(t_stats(pool).chunk_maps, 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static void *churn_thread(void *arg)
{
	unsigned char buf[4096];
	struct mms_pool *pool = arg;
	static _Atomic unsigned next;
	unsigned me = atomic_fetch_add(&next, 1);

	for (unsigned i = 0; i < 300; i++) {
		uint64_t offset = u64_mix(i + me * 1000) % (7 * CHUNK);
		struct mms_file *file;

		if (mms_open(pool, t_path("churn"), NULL, &file, NULL))
			return (void *)1;
		if (mms_read(file, buf, sizeof(buf), offset) != sizeof(buf) ||
		    buf[9] != t_byte(offset + 9) || mms_close(file))
			return (void *)2;
	}
	return NULL;
}

/* Nodes go from file to file while others walk past them. */
START_TEST(files_come_and_go)
{
	struct mms_pool *pool = t_pool(SHIFT, 4 * CHUNK, 0);
	pthread_t threads[4];

	t_fill("churn", 8 * CHUNK);
	for (int i = 0; i < 4; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, churn_thread, pool));
	for (int i = 0; i < 4; i++) {
		void *failed;

		T_ASSERT_OK(pthread_join(threads[i], &failed));
		ck_assert_ptr_eq(failed, NULL);
	}
	ck_assert_uint_eq(t_stats(pool).chunks, 0);
	ck_assert_uint_eq(t_stats(pool).files, 0);
	ck_assert_uint_eq(t_mapped, 0);
	ck_assert_uint_le(t_mapped_peak, 4 * CHUNK);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, pins_show_the_file);
	tcase_add_test(t, window_slides_within_the_budget);
	tcase_add_test(t, count_of_mappings_is_a_budget_too);
	tcase_add_test(t, least_recently_used_goes);
	tcase_add_test(t, pinned_chunks_stay);
	tcase_add_test(t, small_files_charge_little);
	tcase_add_test(t, growth);
	tcase_add_test(t, auto_does_not_thrash);
	tcase_add_test(t, auto_obeys_io);
	tcase_add_test(t, bad_pools_are_refused);
	tcase_add_test(t, one_chunk_a_thread_is_enough);
	tcase_add_test(t, shares_on_their_way_are_waited_for);
	tcase_add_test(t, a_mapping_under_way_is_shared);
	tcase_add_test(t, files_come_and_go);
}

int main(void)
{
	return t_run("chunk", add_tests);
}

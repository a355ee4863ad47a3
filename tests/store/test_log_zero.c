/* SPDX-License-Identifier: MIT */
/* Proves that a log can be emptied in place at any moment, and that its space is written in advance. */
#include "logs.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (512 * KIB)

static const struct mms_log_options zero = {
	.sync = MMS_SYNC_NEVER, .max_bytes = SIZE, .flags = MMS_LOG_ZERO};

static unsigned made(enum call call)
{
	return atomic_exchange(&t_call[call].made, 0);
}

static void tell(void *arg, uint64_t done, uint64_t total)
{
	uint64_t *last = arg;

	ck_assert_uint_gt(done, *last);
	ck_assert_uint_le(done, total);
	*last = done;
}

START_TEST(space_is_written)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_path("f");
	uint64_t done = 0;
	struct mms_log_options o = zero;
	struct mms_log *log;
	struct stat st;

	o.progress = tell;
	o.arg = &done;
	log = t_log_open(pool, path, &o);
	ck_assert_uint_eq(done, SIZE - 64);
	T_ASSERT_OK(stat(path, &st));
	ck_assert_int_eq(st.st_size, SIZE);
	t_log_append(log, 100);
	(void)made(CALL_ALLOCATE);
	(void)made(CALL_FTRUNCATE);
	T_ASSERT_OK(mms_log_sync(log, UINT64_MAX));
	T_ASSERT_OK(mms_log_close(log));
	ck_assert_uint_eq(made(CALL_FTRUNCATE), 0);
	ck_assert_uint_eq(t_size_of(path), SIZE);
	/* Not once more. */
	(void)made(CALL_PWRITE);
	log = t_log_open(pool, path, &zero);
	ck_assert_uint_eq(made(CALL_PWRITE), 0);
	ck_assert_uint_eq(mms_log_next_sequence(log), 101);
	t_log_append(log, 5);
	T_ASSERT_OK(mms_log_close(log));
	t_log_verify(pool, path, 1, 105);
	mms_pool_free(pool);
}
END_TEST

START_TEST(no_space_for_zeros)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log;

	t_fail(CALL_PWRITE, -ENOSPC, 1, -1); /* the preamble is the first */
	ck_assert_int_eq(mms_log_open(pool, t_path("g"), &zero, &log, NULL, NULL), -ENOSPC);
	t_fail(CALL_PWRITE, 0, 0, 0);
	ck_assert_uint_eq(t_size_of(t_path("g")), 64);
	t_fail(CALL_FDATASYNC, -EIO, 1, 1); /* that of recovery comes first */
	ck_assert_int_eq(mms_log_open(pool, t_path("g"), &zero, &log, NULL, NULL), -EIO);
	t_fail(CALL_FDATASYNC, 0, 0, 0);
	log = t_log_open(pool, t_path("g"), &zero);
	ck_assert_uint_eq(t_size_of(t_path("g")), SIZE);
	T_ASSERT_OK(mms_log_close(log));
	mms_pool_free(pool);
}
END_TEST

START_TEST(begins_anew)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_path("f");
	struct mms_log *log = t_log_open(pool, path, &zero);
	struct mms_log_recovery found;
	struct t_bytes before, after;

	t_log_append(log, 50);
	before = t_slurp(path);
	ck_assert_int_eq(mms_log_reset(log, 50), -EINVAL);
	ck_assert_int_eq(mms_log_reset(log, UINT64_MAX), -EINVAL);
	(void)made(CALL_FDATASYNC);
	T_ASSERT_OK(mms_log_reset(log, 0));
	ck_assert_uint_eq(made(CALL_FDATASYNC), 2);
	ck_assert_uint_eq(mms_log_next_sequence(log), 51);
	after = t_slurp(path);
	ck_assert_uint_eq(after.len, SIZE);
	ck_assert_int_ne(memcmp(before.mem + 32, after.mem + 32, 8), 0);
	for (size_t i = 64; i < after.len; i++)
		ck_assert_uint_eq(after.mem[i], 0);
	found = t_log_check(pool, path);
	ck_assert_uint_eq(found.first_sequence, 51);
	ck_assert_uint_eq(found.records, 0);
	ck_assert_int_eq(found.damage, 0);
	/* One that is empty already costs one flush. */
	T_ASSERT_OK(mms_log_reset(log, 1000));
	ck_assert_uint_eq(made(CALL_FDATASYNC), 1);
	t_log_append(log, 20);
	T_ASSERT_OK(mms_log_sync(log, UINT64_MAX));
	T_ASSERT_OK(mms_log_close(log));
	t_log_verify(pool, path, 1000, 1019);
	free(before.mem);
	free(after.mem);
	mms_pool_free(pool);
}
END_TEST

/* Power is lost with the new preamble on the disk, and any of the old blocks: nothing is a record. */
START_TEST(cut_short)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_path("f");
	struct mms_log *log = t_log_open(pool, path, &zero);
	struct mms_log_recovery found;
	struct t_bytes before, after;

	t_log_append(log, 200);
	before = t_slurp(path);
	T_ASSERT_OK(mms_log_reset(log, 0));
	T_ASSERT_OK(mms_log_close(log));
	after = t_slurp(path);
	for (size_t block = 0; block < 8; block++) {
		memcpy(before.mem, after.mem, 64);
		if (block)
			memset(before.mem + 4096 * block, 0, 4096);
		t_dump(path, before.mem, before.len);
		found = t_log_check(pool, path);
		ck_assert_uint_eq(found.records, 0);
		ck_assert_uint_eq(found.strays, 0);
		log = t_log_open(pool, path, &zero);
		t_log_append(log, 3);
		T_ASSERT_OK(mms_log_close(log));
		t_log_verify(pool, path, 201, 203);
	}
	free(before.mem);
	free(after.mem);
	mms_pool_free(pool);
}
END_TEST

/* Of a size that is stored in one piece, in several, and those at the borders; two calls where the
 * record is put together first. */
START_TEST(of_many_pieces)
{
	static const size_t sizes[] = {960, 961, 4096, 65472, 65473, 100000};
	static unsigned char bytes[100000];
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), &zero);
	struct mms_log_reader *reader;
	struct mms_record record;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7 / 3);
	for (unsigned i = 0; i < 6; i++) {
		const struct iovec iov[] = {{bytes, 100}, {NULL, 0}, {bytes + 100, sizes[i] - 100}};

		if (i == 3)
			T_ASSERT_OK(mms_log_reset(log, 0)); /* over what was there before */
		(void)made(CALL_PWRITE);
		T_ASSERT_OK(mms_log_appendv(log, 1, 0, iov, 3, NULL));
		ck_assert_uint_eq(made(CALL_PWRITE), i < 4 ? 2 : 4);
	}
	reader = t_log_reader(pool, t_path("f"));
	for (unsigned i = 3; i < 6; i++) {
		ck_assert_int_eq(mms_log_next(reader, &record), 1);
		ck_assert_uint_eq(record.payload_bytes, sizes[i]);
		ck_assert_mem_eq(record.payload, bytes, sizes[i]);
	}
	ck_assert_int_eq(mms_log_next(reader, &record), 0);
	mms_log_reader_close(reader);
	T_ASSERT_OK(mms_log_close(log));
	mms_pool_free(pool);
}
END_TEST

START_TEST(failures_latch)
{
	static const enum call calls[] = {CALL_PWRITE, CALL_FDATASYNC};
	struct mms_pool *pool = t_pool(20, 0, 0);

	for (unsigned i = 0; i < 4; i++) {
		struct mms_log *log = t_log_open(pool, t_path("f"), &zero);

		t_log_append(log, 5);
		t_fail(calls[i % 2], -EIO, (int)(i / 2), 1);
		ck_assert_int_eq(mms_log_reset(log, 0), -EIO);
		ck_assert_int_eq(mms_log_append(log, 1, "x", 1, NULL), -EIO);
		ck_assert_int_eq(mms_log_reset(log, 0), -EIO);
		ck_assert_int_eq(mms_log_close(log), -EIO);
		t_fail(calls[i % 2], 0, 0, 0);
		(void)unlink(t_path("f"));
	}
	mms_pool_free(pool);
}
END_TEST

static struct mms_log *shared;

static void *append_some(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 2000; i++)
		T_ASSERT_OK(mms_log_append(shared, 1, &i, sizeof(i), NULL));
	return NULL;
}

/* An append that has begun finds the log emptied, and goes into the new one. */
START_TEST(beside_appends)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log_options o = zero;
	struct mms_log_recovery found;
	pthread_t threads[3];

	o.max_bytes = 4 * MIB;
	shared = t_log_open(pool, t_path("f"), &o);
	for (unsigned i = 0; i < 3; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, append_some, NULL));
	for (unsigned i = 0; i < 20; i++)
		T_ASSERT_OK(mms_log_reset(shared, 0));
	for (unsigned i = 0; i < 3; i++)
		T_ASSERT_OK(pthread_join(threads[i], NULL));
	ck_assert_uint_eq(mms_log_next_sequence(shared), 6001);
	T_ASSERT_OK(mms_log_close(shared));
	found = t_log_check(pool, t_path("f"));
	ck_assert_uint_eq(found.next_sequence, 6001);
	ck_assert_int_eq(found.damage, 0);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, space_is_written);
	tcase_add_test(t, no_space_for_zeros);
	tcase_add_test(t, begins_anew);
	tcase_add_test(t, cut_short);
	tcase_add_test(t, of_many_pieces);
	tcase_add_test(t, failures_latch);
	tcase_add_test(t, beside_appends);
}

int main(void)
{
	return t_run("log_zero", add_tests);
}

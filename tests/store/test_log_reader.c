/* SPDX-License-Identifier: MIT */
/* Proves that readers follow a writer live, in threads and processes, and see each record whole. */
#include "logs.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct mms_log_options small_pieces = {.sync = MMS_SYNC_NEVER, .grow_bytes = 4096};

static int next(struct mms_log_reader *reader)
{
	struct mms_record record;

	return mms_log_next(reader, &record);
}

START_TEST(follows)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), &small_pieces);
	struct mms_log_reader *reader = t_log_reader(pool, t_path("f"));
	struct mms_record record = {.offset = 77};

	ck_assert_int_eq(mms_log_next(reader, &record), 0);
	ck_assert_uint_eq(record.offset, 77);
	for (uint64_t i = 1; i <= 200; i++) {
		t_log_append(log, 1);
		ck_assert_int_eq(mms_log_next(reader, &record), 1);
		t_log_check_record(&record, i);
		ck_assert_uint_eq(record.offset, t_log_offset(i));
		ck_assert_int_eq(next(reader), 0);
	}
	T_ASSERT_OK(mms_log_close(log));
	ck_assert_int_eq(next(reader), 0);
	log = t_log_open(pool, t_path("f"), NULL);
	ck_assert_int_eq(next(reader), 0);
	t_log_append(log, 1);
	t_log_expect(reader, 201);
	T_ASSERT_OK(mms_log_close(log));
	mms_log_reader_close(reader);
	mms_log_reader_close(NULL);
	mms_pool_free(pool);
}
END_TEST

/* The size is asked for where the file seems to end, and not for each record. */
START_TEST(few_calls)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", 1000);
	struct mms_log_reader *reader = t_log_reader(pool, path);
	unsigned made;

	t_log_expect(reader, 1);
	made = atomic_load(&t_call[CALL_FSTAT].made) + t_call[CALL_PREAD].made;
	for (uint64_t i = 2; i <= 1000; i++)
		t_log_expect(reader, i);
	ck_assert_uint_eq(t_call[CALL_FSTAT].made + t_call[CALL_PREAD].made, made);
	mms_log_reader_close(reader);
	mms_pool_free(pool);
}
END_TEST

START_TEST(without_a_mapping)
{
	static const int codes[] = {-ENODEV, -ENOMEM};
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", 100);

	for (size_t i = 0; i < 2; i++) {
		t_fail(CALL_MMAP, codes[i], 0, -1);
		t_short_io = 7;
		t_log_verify(pool, path, 1, 100);
		t_short_io = 0;
		ck_assert_uint_gt(t_call[CALL_PREAD].made, 300);
	}
	mms_pool_free(pool);
}
END_TEST

START_TEST(read_errors)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", 10);
	struct mms_log_reader *reader = NULL;
	struct mms_error err;

	t_fail(CALL_PREAD, -EIO, 0, 1);
	ck_assert_int_eq(mms_log_reader_open(pool, path, &reader, &err), -EIO);
	ck_assert_int_eq(err.code, -EIO);
	ck_assert_int_eq(mms_log_reader_open(pool, t_path("none"), &reader, &err), -ENOENT);
	ck_assert_ptr_null(reader);
	t_fail(CALL_MMAP, -ENODEV, 0, -1);
	reader = t_log_reader(pool, path);
	for (int skip = 0; skip < 2; skip++) {
		t_fail(CALL_PREAD, -EIO, skip, 1);
		ck_assert_int_eq(next(reader), -EIO);
		t_fail(CALL_PREAD, -EIO, 1, 1);
		ck_assert_int_eq(mms_log_seek(reader, 1), -EIO);
		ck_assert_int_eq(mms_log_seek(reader, 1), 1);
	}
	t_fail(CALL_PREAD, -EIO, 0, 1);
	ck_assert_int_eq(mms_log_wait(reader, 1000), -EIO);
	t_log_expect(reader, 1);
	mms_log_reader_close(reader);
	reader = t_log_reader(pool, path);
	t_fail(CALL_FSTAT, -EIO, 0, 1);
	ck_assert_int_eq(next(reader), -EIO);
	t_log_expect(reader, 1);
	mms_log_reader_close(reader);
	mms_pool_free(pool);
}
END_TEST

/* -------------------------------------------------------------------- seek */

START_TEST(seeks)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_path("f");
	const struct mms_log_options from_500 = {.sync = MMS_SYNC_NEVER, .first_sequence = 500};
	struct mms_log *log = t_log_open(pool, path, &from_500);
	struct mms_log_reader *reader = t_log_reader(pool, path);

	ck_assert_int_eq(mms_log_seek(reader, 0), 0);
	ck_assert_int_eq(mms_log_seek(reader, 500), 0);
	ck_assert_int_eq(mms_log_seek(reader, UINT64_MAX), 0);
	t_log_append(log, 9500);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (uint64_t s = 500; s < 10000; s += 997) {
			ck_assert_int_eq(mms_log_seek(reader, s), 1);
			t_log_expect(reader, s);
			ck_assert_int_eq(mms_log_seek(reader, s), 1);
			t_log_expect(reader, s);
			t_log_expect(reader, s + 1);
		}
		ck_assert_int_eq(mms_log_seek(reader, 9999), 1);
		t_log_expect(reader, 9999);
		ck_assert_int_eq(next(reader), 0);
		ck_assert_int_eq(mms_log_seek(reader, 10000), 0);
		ck_assert_int_eq(next(reader), 0);
		ck_assert_int_eq(mms_log_seek(reader, UINT64_MAX), 0);
		ck_assert_int_eq(mms_log_seek(reader, 499), 1);
		t_log_expect(reader, 500);
		ck_assert_int_eq(mms_log_seek(reader, 0), 1);
		t_log_expect(reader, 500);
	}
	/* At the end, it goes on from there. */
	ck_assert_int_eq(mms_log_seek(reader, 10000), 0);
	t_log_append(log, 1);
	t_log_expect(reader, 10000);
	T_ASSERT_OK(mms_log_close(log));
	mms_log_reader_close(reader);
	mms_pool_free(pool);
}
END_TEST

static unsigned preads(void)
{
	return atomic_exchange(&t_call[CALL_PREAD].made, 0);
}

/* From the nearest of the places passed before: few of the headers between are looked at. */
START_TEST(seeks_by_index)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", 10000);
	struct mms_log_reader *reader;

	t_fail(CALL_MMAP, -ENODEV, 0, -1);
	reader = t_log_reader(pool, path);
	preads();
	ck_assert_int_eq(mms_log_seek(reader, 9000), 1);
	ck_assert_uint_ge(preads(), 9000);
	ck_assert_int_eq(mms_log_seek(reader, 9010), 1); /* from where it stands */
	ck_assert_uint_le(preads(), 50);
	ck_assert_int_eq(mms_log_seek(reader, 5000), 1);
	ck_assert_uint_le(preads(), 2 * 1024 + 20);
	t_log_expect(reader, 5000);
	mms_log_reader_close(reader);
	mms_pool_free(pool);
}
END_TEST

/* An index as large as it gets loses every second place and goes on. */
START_TEST(index_is_bounded)
{
	struct mms_pool *pool = t_pool(24, 0, 0);
	const char *path = t_path("f");
	struct mms_log *log =
		t_log_open(pool, path, &(struct mms_log_options){.sync = MMS_SYNC_NEVER});
	struct mms_log_reader *reader;
	const uint64_t n = 1024 * 1024 + 5000;
	struct mms_record record;

	for (uint64_t i = 0; i < n; i++)
		T_ASSERT_OK(mms_log_append(log, 0, NULL, 0, NULL));
	T_ASSERT_OK(mms_log_close(log));
	reader = t_log_reader(pool, path);
	ck_assert_int_eq(mms_log_seek(reader, n), 1);
	for (uint64_t s = n; s > 70000; s -= 65537) {
		ck_assert_int_eq(mms_log_seek(reader, s), 1);
		ck_assert_int_eq(mms_log_next(reader, &record), 1);
		ck_assert_uint_eq(record.sequence, s);
		ck_assert_uint_eq(record.offset, 64 * s);
		ck_assert_ptr_nonnull(record.payload);
	}
	mms_log_reader_close(reader);
	mms_pool_free(pool);
}
END_TEST

/* Places that were cut off and written over with others are not believed. */
START_TEST(stale_places)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", 5000);
	struct mms_log_reader *reader = t_log_reader(pool, path);
	struct mms_record record;
	struct mms_log *log;

	ck_assert_int_eq(mms_log_seek(reader, 4900), 1);
	ck_assert_int_eq(truncate(path, (off_t)t_log_offset(1500)), 0);
	ck_assert_int_eq(mms_log_next(reader, &record), -MMS_ETRUNCATED);
	ck_assert_int_eq(mms_log_wait(reader, 0), -MMS_ETRUNCATED);
	log = t_log_open(pool, path, NULL);
	while (mms_log_next_sequence(log) <= 4950)
		T_ASSERT_OK(mms_log_append(log, 9, "123456", 6, NULL));
	ck_assert_int_le(mms_log_next(reader, &record), 0);
	ck_assert_int_eq(mms_log_seek(reader, 4000), 1);
	ck_assert_int_eq(mms_log_next(reader, &record), 1);
	ck_assert_uint_eq(record.sequence, 4000);
	ck_assert_uint_eq(record.payload_bytes, 6);
	ck_assert_int_eq(mms_log_seek(reader, 1499), 1);
	t_log_expect(reader, 1499);
	T_ASSERT_OK(mms_log_close(log));
	mms_log_reader_close(reader);
	mms_pool_free(pool);
}
END_TEST

/* ---------------------------------------------------------------- damage */

/* A reader before damage stays there until a writer has put it right. */
START_TEST(waits_before_damage)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", 6);
	struct mms_log_reader *reader = t_log_reader(pool, path);
	const struct mms_log_options cutting = {.sync = MMS_SYNC_NEVER,
						.flags = MMS_LOG_CUT_STRAYS};
	struct mms_log *log;
	struct t_bytes b = t_slurp(path);
	struct mms_record record = {.offset = 77};
	int fd = open(path, O_RDWR | O_CLOEXEC);

	for (uint64_t i = 1; i <= 3; i++)
		t_log_expect(reader, i);
	ck_assert_int_eq(pwrite(fd, "!", 1, (off_t)t_log_offset(4) + 64), 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(mms_log_next(reader, &record), -MMS_ECHECKSUM);
	ck_assert_uint_eq(record.offset, 77);
	/* A hop sees headers only. */
	ck_assert_int_eq(mms_log_seek(reader, 5), 1);
	ck_assert_int_eq(pwrite(fd, "!", 1, (off_t)t_log_offset(4) + 8), 1);
	ck_assert_int_eq(mms_log_seek(reader, 3), 1);
	ck_assert_int_eq(mms_log_seek(reader, 6), -MMS_ECHECKSUM);
	ck_assert_int_eq(next(reader), -MMS_ECHECKSUM);
	ck_assert_int_eq(mms_log_wait(reader, 1000), -MMS_ECHECKSUM);
	log = t_log_open(pool, path, &cutting);
	ck_assert_int_eq(next(reader), 0);
	t_log_append(log, 3);
	for (uint64_t i = 4; i <= 6; i++)
		t_log_expect(reader, i);
	ck_assert_int_eq(next(reader), 0);
	T_ASSERT_OK(mms_log_close(log));
	free(b.mem);
	close(fd);
	mms_log_reader_close(reader);
	mms_pool_free(pool);
}
END_TEST

/* Beside a mapping of pages that are no longer in the file. */
START_TEST(cut_beneath)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", 300);
	struct t_bytes b = t_slurp(path);
	size_t cuts[3] = {t_log_offset(100), t_log_offset(100) + 30, t_log_offset(100) + 64};

	for (size_t i = 0; i < 3; i++) {
		struct mms_log_reader *reader = t_log_reader(pool, path);

		for (uint64_t s = 1; s < 100; s++)
			t_log_expect(reader, s);
		ck_assert_int_eq(truncate(path, (off_t)cuts[i]), 0);
		ck_assert_int_eq(next(reader),
				 i == 2 && t_payload_bytes(100) ? -MMS_ETRUNCATED : 0);
		ck_assert_int_eq(mms_log_seek(reader, 1), 1);
		ck_assert_int_eq(truncate(path, 0), 0);
		ck_assert_int_eq(next(reader), -MMS_ETRUNCATED);
		t_dump(path, b.mem, b.len);
		for (uint64_t s = 1; s <= 300; s++)
			t_log_expect(reader, s);
		mms_log_reader_close(reader);
	}
	free(b.mem);
	mms_pool_free(pool);
}
END_TEST

/* -------------------------------------------------------------------- wait */

START_TEST(waits_no_longer_than_asked)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", 1);
	struct mms_log_reader *reader = t_log_reader(pool, path);

	ck_assert_int_eq(mms_log_wait(reader, 0), 1);
	ck_assert_int_eq(mms_log_wait(reader, -1), 1);
	t_log_expect(reader, 1);
	ck_assert_int_eq(mms_log_wait(reader, 0), 0);
	ck_assert_int_eq(mms_log_wait(reader, 30), 0);
	mms_log_reader_close(reader);
	mms_pool_free(pool);
}
END_TEST

/* ----------------------------------------------------------------- threads */

#define LIVE_RECORDS 20000u

struct follower {
	struct mms_pool *pool;
	uint64_t seen;
	const char *wrong;
	pthread_t thread;
};

static void *follow(void *arg)
{
	struct follower *f = arg;
	struct mms_log_reader *reader;
	struct mms_record record;

	if (mms_log_reader_open(f->pool, t_path("f"), &reader, NULL))
		return f->wrong = "open", arg;
	while (f->seen < LIVE_RECORDS) {
		unsigned char buf[T_PAYLOAD_MOST];
		int r = mms_log_next(reader, &record);

		if (r == 0)
			r = mms_log_wait(reader, -1) == 1 ? 0 : -1;
		if (r < 0)
			return f->wrong = "error", arg;
		if (r == 0)
			continue;
		f->seen++;
		t_payload(buf, f->seen);
		if (record.sequence != f->seen ||
		    record.payload_bytes != t_payload_bytes(f->seen) ||
		    memcmp(record.payload, buf, record.payload_bytes) != 0)
			return f->wrong = "record", arg;
	}
	mms_log_reader_close(reader);
	return NULL;
}

START_TEST(threads_follow)
{
	struct mms_pool *pool = t_pool(20, 0, 0), *unmapped = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), &small_pieces);
	struct follower followers[4] = {
		{.pool = pool}, {.pool = unmapped}, {.pool = pool}, {.pool = unmapped}};
	struct mms_file *file;

	for (int i = 0; i < 4; i++)
		T_ASSERT_OK(pthread_create(&followers[i].thread, NULL, follow, &followers[i]));
	t_log_append(log, LIVE_RECORDS);
	for (int i = 0; i < 4; i++) {
		T_ASSERT_OK(pthread_join(followers[i].thread, NULL));
		ck_assert_msg(!followers[i].wrong, "%s", followers[i].wrong);
		ck_assert_uint_eq(followers[i].seen, LIVE_RECORDS);
	}
	T_ASSERT_OK(mms_log_close(log));
	file = t_open(pool, t_path("f"), NULL);
	ck_assert_uint_eq(t_size_of(t_path("f")), t_log_offset(LIVE_RECORDS + 1));
	mms_close(file);
	mms_pool_free(unmapped);
	mms_pool_free(pool);
}
END_TEST

/* With pread(2) alone, beside a writer that stores into a mapping. */
START_TEST(threads_follow_by_pread)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), NULL);
	struct follower followers[2] = {{.pool = pool}, {.pool = pool}};

	t_log_append(log, 1);
	t_fail(CALL_MMAP, -ENODEV, 0, -1);
	for (int i = 0; i < 2; i++)
		T_ASSERT_OK(pthread_create(&followers[i].thread, NULL, follow, &followers[i]));
	t_log_append(log, LIVE_RECORDS - 1);
	for (int i = 0; i < 2; i++) {
		T_ASSERT_OK(pthread_join(followers[i].thread, NULL));
		ck_assert_msg(!followers[i].wrong, "%s", followers[i].wrong);
	}
	ck_assert_uint_gt(t_call[CALL_PREAD].made, LIVE_RECORDS);
	T_ASSERT_OK(mms_log_close(log));
	mms_pool_free(pool);
}
END_TEST

/* --------------------------------------------------------------- processes */

static void reading_process(const char *path)
{
	struct follower f = {0};

	(void)path;
	if (mms_pool_new(NULL, &f.pool, NULL) || follow(&f) || f.seen != LIVE_RECORDS)
		_exit(1);
	_exit(0);
}

START_TEST(processes_follow)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), &small_pieces);
	pid_t pids[3];

	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			reading_process(t_path("f"));
	}
	t_log_append(log, LIVE_RECORDS);
	for (int i = 0; i < 3; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	T_ASSERT_OK(mms_log_close(log));
	mms_pool_free(pool);
}
END_TEST

/* What mms_log_append() returned for is there after the writer was killed. */
static void killed_writer(_Atomic uint64_t *returned)
{
	struct mms_pool *pool;
	struct mms_log *log;
	unsigned char buf[T_PAYLOAD_MOST];

	if (mms_pool_new(NULL, &pool, NULL) ||
	    mms_log_open(pool, t_path("f"), &small_pieces, &log, NULL, NULL))
		_exit(1);
	for (;;) {
		uint64_t sequence = mms_log_next_sequence(log);

		t_payload(buf, sequence);
		if (mms_log_append(log, (uint16_t)(sequence * 257), buf, t_payload_bytes(sequence),
				   &sequence))
			_exit(2);
		atomic_store(returned, sequence);
	}
}

START_TEST(killed_at_random)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	_Atomic uint64_t *returned =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t last = 0;
	unsigned seed = 1;

	ck_assert_ptr_ne(returned, MAP_FAILED);
	for (int i = 0; i < 20; i++) {
		uint64_t before = atomic_load(returned);
		struct mms_log_recovery found;
		pid_t pid = fork();
		int status;

		if (pid == 0)
			killed_writer(returned);
		while (atomic_load(returned) == before)
			usleep(100);
		seed = seed * 1103515245u + 12345u;
		usleep(seed / 65536 % 3000);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status));
		found = t_log_check(pool, t_path("f"));
		ck_assert_uint_ge(found.next_sequence, atomic_load(returned) + 1);
		ck_assert_uint_le(found.next_sequence, atomic_load(returned) + 2);
		ck_assert_uint_eq(found.strays, 0);
		ck_assert_uint_gt(found.records, last);
		last = found.records;
	}
	t_log_verify(pool, t_path("f"), 1, last);
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------------ chunks */

/* Payloads over one and over several chunks, in a budget of two. */
START_TEST(chunks_are_crossed)
{
	struct mms_pool *pool = t_pool(20, 2 * MIB, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), &small_pieces);
	struct mms_log_reader *reader = t_log_reader(pool, t_path("f"));
	static const size_t sizes[] = {MIB - 192, 0,       64,           MIB - 64,
				       MIB,       MIB + 1, 3 * MIB + 17, 300 * KIB};
	const size_t n = sizeof(sizes) / sizeof(sizes[0]);
	unsigned char *buf = malloc(4 * MIB);
	struct mms_record record;

	for (size_t i = 0; i < 3 * n; i++) {
		t_pattern(buf, sizes[i % n], i * 77);
		T_ASSERT_OK(mms_log_append(log, (uint16_t)i, buf, sizes[i % n], NULL));
		ck_assert_int_eq(mms_log_next(reader, &record), 1);
		ck_assert_uint_eq(record.payload_bytes, sizes[i % n]);
		t_check(record.payload, record.payload_bytes, i * 77);
	}
	ck_assert_uint_le(t_mapped_peak, 2 * MIB);
	ck_assert_uint_gt(t_stats(pool).chunk_maps, 10);
	T_ASSERT_OK(mms_log_close(log));
	ck_assert_uint_eq(t_log_check(pool, t_path("f")).records, 3 * n);
	ck_assert_int_eq(mms_log_seek(reader, 2), 1);
	ck_assert_int_eq(mms_log_next(reader, &record), 1);
	ck_assert_uint_eq(record.sequence, 2);
	mms_log_reader_close(reader);
	free(buf);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, follows);
	tcase_add_test(t, few_calls);
	tcase_add_test(t, without_a_mapping);
	tcase_add_test(t, read_errors);
	tcase_add_test(t, seeks);
	tcase_add_test(t, seeks_by_index);
	tcase_add_test(t, index_is_bounded);
	tcase_add_test(t, stale_places);
	tcase_add_test(t, waits_before_damage);
	tcase_add_test(t, cut_beneath);
	tcase_add_test(t, waits_no_longer_than_asked);
	tcase_add_test(t, threads_follow);
	tcase_add_test(t, threads_follow_by_pread);
	tcase_add_test(t, processes_follow);
	tcase_add_test(t, killed_at_random);
	tcase_add_test(t, chunks_are_crossed);
}

int main(void)
{
	return t_run("log_reader", add_tests);
}

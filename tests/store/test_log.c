/* SPDX-License-Identifier: MIT */
/* Proves what the writer of a log promises: order, durability, and what is left after a failure. */
#include "logs.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned made(enum call call)
{
	return atomic_exchange(&t_call[call].made, 0);
}

static const struct mms_log_options never = {.sync = MMS_SYNC_NEVER, .grow_bytes = 64 * KIB};

/* -------------------------------------------------------------------- open */

START_TEST(makes_a_log)
{
	const struct mms_log_options o = {
		.sync = MMS_SYNC_NEVER, .perm = 0640, .flags = MMS_LOG_MUST_CREATE};
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_path("a/b/f");
	struct mms_log *log = NULL, *other = NULL;
	struct mms_log_recovery found;
	struct mms_error err;
	struct stat st;
	struct t_bytes a, b;

	T_ASSERT_OK(mms_log_open(pool, path, &o, &log, &found, &err));
	ck_assert_uint_ge(made(CALL_FSYNC), 2); /* the file, and the directory */
	ck_assert_uint_eq(found.first_sequence, 1);
	ck_assert_uint_eq(found.next_sequence, 1);
	ck_assert_uint_eq(found.records, 0);
	ck_assert_uint_eq(found.end, 64);
	ck_assert_uint_eq(mms_log_next_sequence(log), 1);
	T_ASSERT_OK(mms_log_close(log));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_int_eq(st.st_size, 64);
	ck_assert_int_eq(mms_log_open(pool, path, &o, &other, NULL, &err), -EEXIST);
	/* Another log, made in the same moment, has another id. */
	log = t_log_open(pool, t_path("g"), NULL);
	T_ASSERT_OK(mms_log_close(log));
	a = t_slurp(path);
	b = t_slurp(t_path("g"));
	ck_assert_int_ne(memcmp(a.mem + 32, b.mem + 32, 8), 0);
	free(a.mem);
	free(b.mem);
	ck_assert_ptr_null(other);
	mms_pool_free(pool);
}
END_TEST

START_TEST(wrong_options)
{
	static const struct mms_log_options wrong[] = {
		{.sync = (enum mms_sync_mode)4},
		{.flags = 32},
		{.flags = MMS_LOG_MUST_EXIST | MMS_LOG_MUST_CREATE},
		{.flags = MMS_LOG_PREALLOCATE},
		{.flags = MMS_LOG_ZERO},
		{.max_bytes = 63},
		{.max_bytes = 1ULL << 63},
		{.first_sequence = UINT64_MAX},
	};
	const struct mms_log_options must_exist = {.flags = MMS_LOG_MUST_EXIST};
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = NULL;
	struct mms_error err;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ck_assert_int_eq(mms_log_open(pool, t_path("f"), &wrong[i], &log, NULL, &err),
				 -EINVAL);
		ck_assert_uint_gt(strlen(err.hint), 0);
	}
	ck_assert_int_eq(mms_log_open(pool, t_path("f"), &must_exist, &log, NULL, &err), -ENOENT);
	ck_assert_int_eq(access(t_path("f"), F_OK), -1);
	ck_assert_int_eq(mms_log_open(pool, t_dir(), NULL, &log, NULL, &err), -EISDIR);
	ck_assert_ptr_null(log);
	/* NULL: the defaults, which sync each record. */
	T_ASSERT_OK(mms_log_open(pool, t_path("f"), NULL, &log, NULL, &err));
	made(CALL_FDATASYNC);
	T_ASSERT_OK(mms_log_append(log, 1, "x", 1, NULL));
	ck_assert_uint_eq(made(CALL_FDATASYNC), 1);
	T_ASSERT_OK(mms_log_close(log));
	T_ASSERT_OK(mms_log_close(NULL));
	mms_pool_free(pool);
}
END_TEST

/* Each call that makes or opens a new log fails in turn. */
START_TEST(making_fails)
{
	static const enum call calls[] = {CALL_OPEN,  CALL_FD_FLAGS,  CALL_FSTAT,      CALL_PWRITE,
					  CALL_FSYNC, CALL_FTRUNCATE, CALL_RENAME_NEW, CALL_PREAD,
					  CALL_LOCK,  CALL_FDATASYNC};
	struct mms_pool *pool = t_pool(20, 0, 0);

	for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		for (int skip = 0; skip < 4; skip++) {
			struct mms_log *log = NULL;
			struct mms_error err;
			int r;

			(void)unlink(t_path("f"));
			t_fail(calls[c], -EREMOTEIO, skip, 1);
			r = mms_log_open(pool, t_path("f"), &never, &log, NULL, &err);
			t_fail(calls[c], 0, 0, 0);
			if (r) {
				ck_assert_int_eq(r, -EREMOTEIO);
				ck_assert_ptr_null(log);
				log = t_log_open(pool, t_path("f"), NULL);
			}
			t_log_append(log, 1);
			T_ASSERT_OK(mms_log_close(log));
			t_log_verify(pool, t_path("f"), 1, 1);
		}
	}
	ck_assert_uint_eq(t_stats(pool).files, 0);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}
END_TEST

/* Somebody makes the file between the look and the making. */
static int racing_open(const char *path, int flags, mode_t perm)
{
	int r = mms_sys_default.open(path, flags, perm);

	if (r == -ENOENT && strcmp(path, t_path("f")) == 0) {
		struct mms_pool *pool = t_pool(20, 0, 0);

		t_log_make(pool, "f", 3);
		mms_pool_free(pool);
	}
	return r;
}

START_TEST(made_by_two)
{
	struct mms_sys sys = mms_sys_default;
	struct mms_pool *pool;
	struct mms_log *log;

	sys.open = racing_open;
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	log = t_log_open(pool, t_path("f"), NULL);
	ck_assert_uint_eq(mms_log_next_sequence(log), 4);
	T_ASSERT_OK(mms_log_close(log));
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------------ append */

START_TEST(appends_and_reopens)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_path("f");
	uint64_t n = 0;

	for (uint64_t i = 0; i < 20; i++) {
		struct mms_log *log = t_log_open(pool, path, NULL);

		ck_assert_uint_eq(mms_log_next_sequence(log), n + 1);
		t_log_append(log, i * 7);
		n += i * 7;
		ck_assert_uint_eq(mms_log_next_sequence(log), n + 1);
		T_ASSERT_OK(mms_log_close(log));
		ck_assert_uint_eq(t_size_of(path), t_log_offset(n + 1));
	}
	t_log_verify(pool, path, 1, n);
	ck_assert_uint_eq(t_stats(pool).files, 0);
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}
END_TEST

/* In pieces as in one, staged or not. */
START_TEST(pieces)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), NULL);
	struct mms_log_reader *reader = t_log_reader(pool, t_path("f"));
	static unsigned char buf[100000];
	struct mms_record record;
	uint64_t sequence = 77;

	t_pattern(buf, sizeof(buf), 0);
	for (size_t len = 0; len < sizeof(buf); len = len * 3 / 2 + 1) {
		const struct iovec iov[] = {{buf, len / 3},
					    {NULL, 0},
					    {buf + len / 3, len / 2 - len / 3},
					    {buf + len / 2, len - len / 2}};

		T_ASSERT_OK(mms_log_appendv(log, 5, 1234567890123456789, iov, 4, &sequence));
		ck_assert_int_eq(mms_log_next(reader, &record), 1);
		ck_assert_uint_eq(record.sequence, sequence);
		ck_assert_uint_eq(record.timestamp_ns, 1234567890123456789);
		ck_assert_uint_eq(record.payload_bytes, len);
		t_check(record.payload, len, 0);
	}
	T_ASSERT_OK(mms_log_appendv(log, 5, 0, NULL, 0, NULL));
	ck_assert_int_eq(mms_log_next(reader, &record), 1);
	ck_assert_uint_eq(record.payload_bytes, 0);
	ck_assert_uint_gt(record.timestamp_ns, 1600000000ULL * 1000000000ULL);
	T_ASSERT_OK(mms_log_close(log));
	mms_log_reader_close(reader);
	mms_pool_free(pool);
}
END_TEST

START_TEST(wrong_payloads)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), NULL);
	char byte = 0;
	const struct iovec huge[] = {{&byte, SIZE_MAX}, {&byte, SIZE_MAX}};
	const struct iovec none = {NULL, 1};
	uint64_t sequence = 77;

	ck_assert_int_eq(mms_log_append(log, 1, NULL, 1, &sequence), -EINVAL);
	ck_assert_int_eq(mms_log_appendv(log, 1, 0, NULL, 1, &sequence), -EINVAL);
	ck_assert_int_eq(mms_log_appendv(log, 1, 0, &none, 1, &sequence), -EINVAL);
	ck_assert_int_eq(mms_log_append(log, 1, &byte, MMS_RECORD_PAYLOAD_MAX + 1ULL, &sequence),
			 -EFBIG);
	ck_assert_int_eq(mms_log_appendv(log, 1, 0, huge, 2, &sequence), -EFBIG);
	ck_assert_uint_eq(sequence, 77);
	t_log_append(log, 3);
	T_ASSERT_OK(mms_log_close(log));
	t_log_verify(pool, t_path("f"), 1, 3);
	mms_pool_free(pool);
}
END_TEST

/* Whatever was written of a record, nobody takes it for one until the flag comes, by itself. */
static unsigned looked_at;

static ssize_t looking_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	ssize_t n = mms_sys_default.pwrite(fd, buf, len, offset);
	unsigned char flags;

	if (offset < 64)
		return n; /* of the preamble */
	ck_assert_int_eq(mms_sys_default.pread(fd, &flags, 1, 64 + LOG_AT_FLAGS), 1);
	ck_assert_uint_eq(flags, len == 1 ? MMS_RECORD_VALID : 0);
	looked_at++;
	return n;
}

START_TEST(the_flag_comes_last)
{
	static const size_t sizes[] = {0, 64, 900, 1000, 50000};
	static unsigned char buf[50000];
	struct mms_sys sys = mms_sys_default;
	struct mms_pool *pool;

	sys.pwrite = looking_pwrite;
	sys.mmap = NULL; /* not to be called */
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	for (size_t i = 0; i < 5; i++) {
		struct mms_log *log = t_log_open(pool, t_path("f"), NULL);

		log->unmapped = true;
		looked_at = 0;
		T_ASSERT_OK(mms_log_append(log, 1, buf, sizes[i], NULL));
		ck_assert_uint_eq(looked_at, sizes[i] < 961 ? 2 : 3);
		T_ASSERT_OK(mms_log_close(log));
		ck_assert_uint_eq(t_log_check(pool, t_path("f")).records, 1);
		ck_assert_int_eq(unlink(t_path("f")), 0);
	}
	mms_pool_free(pool);
}
END_TEST

/* A record costs no system call. */
START_TEST(no_calls)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), &never);
	unsigned calls = 0;

	t_log_append(log, 1);
	for (int i = 0; i < CALLS; i++)
		made((enum call)i);
	t_log_append(log, 300);
	for (int i = 0; i < CALLS; i++)
		calls += made((enum call)i);
	ck_assert_uint_eq(calls, 0);
	T_ASSERT_OK(mms_log_close(log));
	mms_pool_free(pool);
}
END_TEST

#define APPENDERS 4u
#define EACH 3000u

static struct mms_log *shared_log;
static _Atomic unsigned wrong;

static void *append_many(void *arg)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < EACH; i++) {
		uint64_t sequence = 0;
		uint64_t word[2] = {(uintptr_t)arg, i};

		if (mms_log_append(shared_log, 1, word, sizeof(word), &sequence) ||
		    sequence <= last || mms_log_next_sequence(shared_log) <= sequence)
			atomic_fetch_add(&wrong, 1);
		last = sequence;
	}
	return NULL;
}

START_TEST(threads_append)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log_reader *reader;
	struct mms_record record;
	pthread_t threads[APPENDERS];
	uint64_t next[APPENDERS] = {0};

	shared_log = t_log_open(pool, t_path("f"), &never);
	for (uintptr_t i = 0; i < APPENDERS; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, append_many, (void *)i));
	for (int i = 0; i < 20; i++)
		T_ASSERT_OK(mms_log_sync(shared_log, UINT64_MAX));
	for (unsigned i = 0; i < APPENDERS; i++)
		T_ASSERT_OK(pthread_join(threads[i], NULL));
	ck_assert_uint_eq(wrong, 0);
	T_ASSERT_OK(mms_log_close(shared_log));
	reader = t_log_reader(pool, t_path("f"));
	while (mms_log_next(reader, &record) == 1) {
		uint64_t word[2];

		memcpy(word, record.payload, sizeof(word));
		ck_assert_uint_eq(word[1], next[word[0]]++);
	}
	for (unsigned i = 0; i < APPENDERS; i++)
		ck_assert_uint_eq(next[i], EACH);
	mms_log_reader_close(reader);
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------------- space */

START_TEST(space_ahead)
{
	const struct mms_log_options all = {
		.sync = MMS_SYNC_NEVER, .max_bytes = 300000, .flags = MMS_LOG_PREALLOCATE};
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), &never);
	struct stat st;

	t_log_append(log, 1);
	ck_assert_int_eq(stat(t_path("f"), &st), 0);
	ck_assert_int_eq(st.st_size, 64 * KIB);
	ck_assert_int_ge(st.st_blocks * 512, 64 * KIB);
	T_ASSERT_OK(mms_log_close(log));
	ck_assert_uint_eq(t_size_of(t_path("f")), t_log_offset(2));
	log = t_log_open(pool, t_path("f"), &all);
	ck_assert_int_eq(stat(t_path("f"), &st), 0);
	ck_assert_int_eq(st.st_size, 300000);
	ck_assert_int_ge(st.st_blocks * 512, 300000);
	t_log_append(log, 2);
	T_ASSERT_OK(mms_log_close(log));
	ck_assert_uint_eq(t_size_of(t_path("f")), 300000);
	t_log_verify(pool, t_path("f"), 1, 3);
	log = t_log_open(pool, t_path("f"), &all);
	T_ASSERT_OK(mms_log_close(log));
	t_fail(CALL_ALLOCATE, -ENOSPC, 0, 1);
	ck_assert_int_eq(mms_log_open(pool, t_path("f"), &all, &log, NULL, NULL), -ENOSPC);
	t_fail(CALL_ALLOCATE, -EOPNOTSUPP, 0, 1);
	ck_assert_int_eq(mms_log_open(pool, t_path("f"), &all, &log, NULL, NULL), -EOPNOTSUPP);
	t_log_verify(pool, t_path("f"), 1, 3);
	mms_pool_free(pool);
}
END_TEST

/* Full: as before, and on when there is room again. */
START_TEST(no_space)
{
	const struct mms_log_options small = {.sync = MMS_SYNC_NEVER, .max_bytes = 1000};
	static const int codes[] = {-ENOSPC, -EDQUOT, -EFBIG};
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), &small);
	uint64_t sequence = 77;

	for (unsigned i = 0; i < 7; i++)
		T_ASSERT_OK(mms_log_append(log, 1, "x", 1, NULL));
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, &sequence), -ENOSPC);
	ck_assert_uint_eq(sequence, 77);
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, &sequence), -ENOSPC);
	ck_assert_uint_le(t_size_of(t_path("f")), 1000);
	T_ASSERT_OK(mms_log_sync(log, UINT64_MAX));
	T_ASSERT_OK(mms_log_close(log));
	log = t_log_open(pool, t_path("f"), NULL);
	ck_assert_uint_eq(mms_log_next_sequence(log), 8);
	for (size_t i = 0; i < 3; i++) {
		t_fail(CALL_ALLOCATE, codes[i], 0, 2);
		ck_assert_int_eq(mms_log_append(log, 1, "x", 1, &sequence), codes[i]);
		ck_assert_uint_eq(mms_log_next_sequence(log), 8);
	}
	/* Not the piece, but what is needed. */
	t_fail(CALL_ALLOCATE, -ENOSPC, 0, 1);
	T_ASSERT_OK(mms_log_append(log, 1, "x", 1, &sequence));
	ck_assert_uint_eq(sequence, 8);
	ck_assert_uint_eq(t_size_of(t_path("f")), 4096);
	T_ASSERT_OK(mms_log_close(log));
	/* Any other failure ends it. */
	log = t_log_open(pool, t_path("f"), NULL);
	t_fail(CALL_ALLOCATE, -EINTR, 0, 2);
	T_ASSERT_OK(mms_log_append(log, 1, "x", 1, &sequence));
	T_ASSERT_OK(mms_log_close(log));
	log = t_log_open(pool, t_path("f"), NULL);
	t_fail(CALL_ALLOCATE, -EIO, 0, 1);
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, &sequence), -EIO);
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, &sequence), -EIO);
	ck_assert_int_eq(mms_log_close(log), -EIO);
	ck_assert_uint_eq(t_log_check(pool, t_path("f")).records, 9);
	mms_pool_free(pool);
}
END_TEST

/* Grown without pieces that overflow. */
START_TEST(huge_pieces)
{
	static const uint64_t sizes[] = {1, 63, 1ULL << 62, (1ULL << 63) + 1, UINT64_MAX};
	struct mms_pool *pool = t_pool(20, 0, 0);

	for (size_t i = 0; i < 5; i++) {
		const struct mms_log_options o = {.sync = MMS_SYNC_NEVER, .grow_bytes = sizes[i]};
		struct mms_log *log = t_log_open(pool, t_path("f"), &o);

		t_log_append(log, 10);
		T_ASSERT_OK(mms_log_close(log));
	}
	t_log_verify(pool, t_path("f"), 1, 50);
	mms_pool_free(pool);
}
END_TEST

/* A file system that cannot allocate: pwrite(2) says that it is full. What it
 * wrote of a record until then must not stand behind a shorter one. */
START_TEST(no_allocation)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), NULL);
	static unsigned char buf[5000];
	unsigned full = 0;

	t_fail(CALL_ALLOCATE, -EOPNOTSUPP, 0, -1);
	t_log_append(log, 10);
	ck_assert_uint_eq(made(CALL_ALLOCATE), 1);
	ck_assert_uint_ge(made(CALL_PWRITE), 20);
	ck_assert_uint_eq(t_stats(pool).chunk_maps, 0);
	memset(buf, 1, sizeof(buf));
	for (int skip = 0; skip < 12; skip++) {
		struct mms_log_recovery found;
		size_t len = skip % 2 ? 900 : sizeof(buf);
		int r;

		t_short_io = 700;
		t_fail(CALL_PWRITE, -ENOSPC, skip, -1);
		r = mms_log_append(log, 1, buf, len, NULL);
		ck_assert(r == 0 || r == -ENOSPC);
		full += r != 0;
		t_fail(CALL_PWRITE, 0, 0, 0);
		t_short_io = 0;
		found = t_log_check(pool, t_path("f"));
		ck_assert_uint_eq(found.torn_bytes, 0);
		ck_assert_uint_eq(found.next_sequence, mms_log_next_sequence(log));
		T_ASSERT_OK(mms_log_append(log, 1, "x", 1, NULL));
		ck_assert_uint_eq(t_log_check(pool, t_path("f")).torn_bytes, 0);
	}
	ck_assert_uint_eq(full, 6);
	/* Nothing is known after any other failure, or where it cannot be undone. */
	t_fail(CALL_PWRITE, -ENOSPC, 1, 1);
	t_fail(CALL_FTRUNCATE, -EIO, 0, 1);
	ck_assert_int_eq(mms_log_append(log, 1, buf, 700, NULL), -ENOSPC);
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, NULL), -ENOSPC);
	ck_assert_int_eq(mms_log_close(log), -ENOSPC);
	log = t_log_open(pool, t_path("f"), NULL);
	t_fail(CALL_PWRITE, 0, 0, 0);
	t_fail(CALL_FTRUNCATE, -EINTR, 0, 3);
	T_ASSERT_OK(mms_log_append(log, 1, "x", 1, NULL));
	t_fail(CALL_PWRITE, -EIO, 0, 1);
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, NULL), -EIO);
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, NULL), -EIO);
	ck_assert_int_eq(mms_log_close(log), -EIO);
	mms_pool_free(pool);
}
END_TEST

START_TEST(no_mapping)
{
	static const int codes[] = {-ENODEV, -ENOMEM};
	struct mms_pool *pool = t_pool(20, 0, 0);

	for (size_t i = 0; i < 2; i++) {
		struct mms_log *log = t_log_open(pool, t_path("f"), NULL);

		made(CALL_PWRITE);
		t_fail(CALL_MMAP, codes[i], 0, -1);
		t_log_append(log, 100);
		ck_assert_uint_ge(made(CALL_PWRITE), 200);
		t_fail(CALL_MMAP, 0, 0, 0);
		t_log_append(log, 100);
		if (codes[i] == -ENOMEM) /* of the moment */
			ck_assert_uint_eq(made(CALL_PWRITE), 0);
		T_ASSERT_OK(mms_log_close(log));
	}
	t_log_verify(pool, t_path("f"), 1, 400);
	mms_pool_free(pool);
}
END_TEST

/* Beneath a writer, the file was cut: to write on would leave a gap of zeros. */
START_TEST(cut_beneath)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), NULL);

	t_log_append(log, 100);
	ck_assert_int_eq(truncate(t_path("f"), 4096), 0);
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, NULL), -MMS_ETRUNCATED);
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, NULL), -MMS_ETRUNCATED);
	ck_assert_uint_eq(t_stats(pool).faults, 1);
	ck_assert_int_eq(mms_log_close(log), -MMS_ETRUNCATED);
	ck_assert_uint_eq(t_size_of(t_path("f")), 4096);
	mms_pool_free(pool);
}
END_TEST

/* A fault of another kind, as by a bad block or a full disk that copies on
 * write: pwrite(2) does it, or says why not. */
static size_t cut_for_a_moment;

static int lying_fstat(int fd, struct stat *st)
{
	int r = mms_sys_default.fstat(fd, st);

	if (!r && cut_for_a_moment) {
		r = mms_sys_default.ftruncate(fd, cut_for_a_moment);
		st->st_size = (off_t)cut_for_a_moment;
		cut_for_a_moment = 0;
	}
	return r;
}

START_TEST(faults)
{
	struct mms_sys sys = mms_sys_default;
	struct mms_pool *pool;
	struct mms_log *log;

	sys.fstat = lying_fstat;
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	log = t_log_open(pool, t_path("f"), NULL);
	t_log_append(log, 200);
	ck_assert_int_eq(truncate(t_path("f"), (off_t)t_log_offset(201)), 0);
	cut_for_a_moment = 64 * KIB; /* when it is asked after the fault, it is long again */
	while (t_stats(pool).faults == 0)
		t_log_append(log, 1);
	t_log_append(log, 50);
	ck_assert_uint_eq(t_stats(pool).faults, 1);
	T_ASSERT_OK(mms_log_close(log));
	t_log_verify(pool, t_path("f"), 1, t_log_check(pool, t_path("f")).records);
	mms_pool_free(pool);
}
END_TEST

/* -------------------------------------------------------------- durability */

START_TEST(modes)
{
	static const struct {
		enum mms_sync_mode mode;
		unsigned at_append, at_close;
	} rows[] = {
		{MMS_SYNC_IMMEDIATE, 1, 0},
		{MMS_SYNC_PERIODIC, 0, 0},
		{MMS_SYNC_LAZY, 0, 1},
		{MMS_SYNC_NEVER, 0, 0},
	};
	struct mms_pool *pool = t_pool(20, 0, 0);

	for (size_t i = 0; i < 4; i++) {
		const struct mms_log_options o = {.sync = rows[i].mode, .grow_bytes = 64 * KIB};
		struct mms_log *log = t_log_open(pool, t_path("f"), &o);
		uint64_t first = mms_log_next_sequence(log);

		made(CALL_FDATASYNC);
		t_log_append(log, 1);
		ck_assert_uint_eq(made(CALL_FDATASYNC), rows[i].at_append);
		t_log_append(log, 1);
		ck_assert_uint_eq(made(CALL_FDATASYNC), rows[i].at_append);
		T_ASSERT_OK(mms_log_sync(log, first - 1)); /* since the opening */
		ck_assert_uint_eq(made(CALL_FDATASYNC), 0);
		T_ASSERT_OK(mms_log_sync(log, first));
		ck_assert_uint_eq(made(CALL_FDATASYNC), !rows[i].at_append);
		T_ASSERT_OK(mms_log_sync(log, first + 1)); /* with the one before */
		T_ASSERT_OK(mms_log_sync(log, UINT64_MAX));
		ck_assert_uint_eq(made(CALL_FDATASYNC), 0);
		t_log_append(log, 1);
		made(CALL_FDATASYNC);
		T_ASSERT_OK(mms_log_close(log));
		ck_assert_uint_eq(made(CALL_FDATASYNC), rows[i].at_close);
	}
	t_log_verify(pool, t_path("f"), 1, 12);
	mms_pool_free(pool);
}
END_TEST

/* Records in a block that a pass has synced need the next pass. */
START_TEST(passes)
{
	const struct mms_log_options o = {.sync = MMS_SYNC_PERIODIC};
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), &o);

	made(CALL_FDATASYNC);
	for (int i = 0; i < 10; i++) {
		uint64_t files = 77;

		T_ASSERT_OK(mms_log_append(log, 1, "x", 1, NULL));
		T_ASSERT_OK(mms_log_append(log, 1, "x", 1, NULL));
		ck_assert_uint_eq(t_stats(pool).dirty_files, 1);
		ck_assert_uint_eq(t_stats(pool).dirty_bytes, 4096);
		T_ASSERT_OK(mms_pool_sync(pool, &files));
		ck_assert_uint_eq(files, 1);
		ck_assert_uint_eq(made(CALL_FDATASYNC), 1);
		T_ASSERT_OK(mms_pool_sync(pool, NULL));
		T_ASSERT_OK(mms_log_sync(log, UINT64_MAX));
		ck_assert_uint_eq(made(CALL_FDATASYNC), 0);
	}
	T_ASSERT_OK(mms_log_close(log));
	mms_pool_free(pool);
}
END_TEST

START_TEST(a_syncer_does_it)
{
	const struct mms_log_options o = {.sync = MMS_SYNC_PERIODIC};
	const struct mms_syncer_options every = {.interval_ms = 1};
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), &o);
	struct mms_syncer *syncer;

	T_ASSERT_OK(mms_syncer_start(pool, &every, &syncer, NULL));
	for (int i = 0; i < 50; i++) {
		t_log_append(log, 3);
		while (t_stats(pool).dirty_files)
			usleep(200);
	}
	T_ASSERT_OK(mms_log_close(log));
	mms_syncer_stop(syncer);
	t_log_verify(pool, t_path("f"), 1, 150);
	mms_pool_free(pool);
}
END_TEST

/* The kernel does not write those pages again: nothing that is said later may be about them. */
START_TEST(failed_syncs_latch)
{
	const struct mms_log_options immediate = {.sync = MMS_SYNC_IMMEDIATE};
	const struct mms_log_options lazy = {.sync = MMS_SYNC_LAZY};
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct mms_log *log = t_log_open(pool, t_path("f"), NULL);
	uint64_t sequence = 77;

	t_log_append(log, 2);
	T_ASSERT_OK(mms_log_sync(log, 1));
	t_log_append(log, 1);
	t_fail(CALL_FDATASYNC, -EIO, 0, 1);
	ck_assert_int_eq(mms_log_sync(log, UINT64_MAX), -EIO);
	ck_assert_int_eq(mms_log_sync(log, UINT64_MAX), -EIO);
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, &sequence), -EIO);
	T_ASSERT_OK(mms_log_sync(log, 2)); /* durable before */
	ck_assert_int_eq(mms_log_sync(log, 3), -EIO);
	ck_assert_int_eq(mms_log_close(log), -EIO);

	log = t_log_open(pool, t_path("f"), &immediate);
	t_fail(CALL_FDATASYNC, -ENOSPC, 0, 1);
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, &sequence), -ENOSPC);
	ck_assert_int_eq(mms_log_append(log, 1, "x", 1, &sequence), -ENOSPC);
	ck_assert_int_eq(mms_log_close(log), -ENOSPC);

	/* In the background, between two records of one block, and before a sync. */
	for (int how = 0; how < 3; how++) {
		log = t_log_open(pool, t_path("f"), NULL);
		T_ASSERT_OK(mms_log_append(log, 1, "x", 1, NULL));
		t_fail(CALL_FDATASYNC, -EIO, 0, 1);
		ck_assert_int_eq(mms_pool_sync(pool, NULL), -EIO);
		if (how == 0)
			ck_assert_int_eq(mms_log_append(log, 1, "x", 1, &sequence), -EIO);
		if (how == 1)
			ck_assert_int_eq(mms_log_sync(log, UINT64_MAX), -EIO);
		ck_assert_int_eq(mms_log_close(log), -EIO);
	}
	log = t_log_open(pool, t_path("f"), &lazy);
	t_log_append(log, 0);
	T_ASSERT_OK(mms_log_append(log, 1, "x", 1, NULL));
	t_fail(CALL_FDATASYNC, -EDQUOT, 0, 1);
	ck_assert_int_eq(mms_log_close(log), -EDQUOT);
	ck_assert_uint_eq(sequence, 77);
	mms_pool_free(pool);
}
END_TEST

static _Atomic unsigned slow_calls, slow_fails;

static int slow_fdatasync(int fd)
{
	(void)fd;
	usleep(5000);
	return atomic_fetch_add(&slow_calls, 1) >= 20 && slow_fails ? -EIO : 0;
}

#define COMMITTERS 8u

static void *commit_many(void *arg)
{
	uintptr_t done = 0;

	(void)arg;
	while (done < 25 && mms_log_append(shared_log, 1, &done, sizeof(done), NULL) == 0)
		done++;
	return (void *)done;
}

static uintptr_t commit(struct mms_pool *pool)
{
	const struct mms_log_options immediate = {.sync = MMS_SYNC_IMMEDIATE};
	pthread_t threads[COMMITTERS];
	uintptr_t done = 0;

	atomic_store(&slow_calls, 0);
	shared_log = t_log_open(pool, t_path("f"), &immediate);
	for (unsigned i = 0; i < COMMITTERS; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, commit_many, NULL));
	for (unsigned i = 0; i < COMMITTERS; i++) {
		void *n;

		T_ASSERT_OK(pthread_join(threads[i], &n));
		done += (uintptr_t)n;
	}
	return done;
}

/* Those who come while one flush is under way share the next. */
START_TEST(group_commit)
{
	struct mms_sys sys = mms_sys_default;
	struct mms_pool *pool;

	sys.fdatasync = slow_fdatasync;
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	ck_assert_uint_eq(commit(pool), COMMITTERS * 25);
	/* One at a time would take a call for each. */
	ck_assert_uint_le(slow_calls, COMMITTERS * 25 / 2);
	ck_assert_uint_ge(slow_calls, 25);
	T_ASSERT_OK(mms_log_close(shared_log));
	atomic_store(&slow_fails, 1);
	/* All that had a part in it hear of a failure, and nobody of a success afterwards. */
	ck_assert_uint_lt(commit(pool), COMMITTERS * 25);
	ck_assert_uint_le(slow_calls, 22);
	ck_assert_int_eq(mms_log_close(shared_log), -EIO);
	mms_pool_free(pool);
}
END_TEST

/* --------------------------------------------------------------- full disk */

/* In a mount namespace of the test's own, which is gone with it. */
static bool small_disk(const char *image, const char *where)
{
	char command[12500];

	/* Not to be had without root and loop devices. */
	if (geteuid() != 0 || unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	snprintf(command, sizeof(command),
		 "mkfs.ext4 -q -F %s >/dev/null 2>&1 && mount -o loop %s %s >/dev/null 2>&1", image,
		 image, where);
	return system(command) == 0;
}

/* A real file system of 8 MiB, filled to its end: errors, and no SIGBUS. */
static void fill(struct mms_pool *pool, const char *path, bool allocates)
{
	const struct mms_log_options o = {.sync = MMS_SYNC_NEVER, .grow_bytes = MIB};
	struct mms_log *log = t_log_open(pool, path, &o);
	static unsigned char buf[30000];
	uint64_t n = 0;
	int r;

	if (!allocates)
		t_fail(CALL_ALLOCATE, -EOPNOTSUPP, 0, -1);
	while ((r = mms_log_append(log, 1, buf, sizeof(buf) >> n % 8, NULL)) == 0)
		n++;
	ck_assert_int_eq(r, -ENOSPC);
	ck_assert_uint_gt(n, 100);
	while ((r = mms_log_append(log, 1, "x", 1, NULL)) == 0)
		n++;
	ck_assert_int_eq(r, -ENOSPC);
	r = mms_log_sync(log, UINT64_MAX);
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(t_stats(pool).faults, 0);
	T_ASSERT_OK(mms_log_close(log));
	ck_assert_uint_eq(t_log_check(pool, path).records, n);
	ck_assert_int_eq(t_log_check(pool, path).damage, 0);
	ck_assert_int_eq(unlink(path), 0);
	t_fail(CALL_ALLOCATE, 0, 0, 0);
}

START_TEST(full_disk)
{
	struct mms_pool *pool;
	char image[4096], where[4096], path[4200];

	snprintf(image, sizeof(image), "%s", t_path("image"));
	snprintf(where, sizeof(where), "%s", t_path("mnt"));
	if (mkdir(where, 0700) || !t_sparse("image", 8 * MIB) || !small_disk(image, where))
		return;
	pool = t_pool(20, 0, 0);
	snprintf(path, sizeof(path), "%s/f", where);
	fill(pool, path, true);
	fill(pool, path, false);
	mms_pool_free(pool);
	ck_assert_int_eq(umount(where), 0);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, makes_a_log);
	tcase_add_test(t, wrong_options);
	tcase_add_test(t, making_fails);
	tcase_add_test(t, made_by_two);
	tcase_add_test(t, appends_and_reopens);
	tcase_add_test(t, pieces);
	tcase_add_test(t, wrong_payloads);
	tcase_add_test(t, the_flag_comes_last);
	tcase_add_test(t, no_calls);
	tcase_add_test(t, threads_append);
	tcase_add_test(t, space_ahead);
	tcase_add_test(t, no_space);
	tcase_add_test(t, huge_pieces);
	tcase_add_test(t, no_allocation);
	tcase_add_test(t, no_mapping);
	tcase_add_test(t, cut_beneath);
	tcase_add_test(t, faults);
	tcase_add_test(t, modes);
	tcase_add_test(t, passes);
	tcase_add_test(t, a_syncer_does_it);
	tcase_add_test(t, failed_syncs_latch);
	tcase_add_test(t, group_commit);
	tcase_add_test(t, full_disk);
}

int main(void)
{
	return t_run("log", add_tests);
}

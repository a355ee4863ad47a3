/* SPDX-License-Identifier: MIT */
/* Proves that recovery keeps every whole record, brings none back, and may be interrupted. */
#include "logs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct mms_log_options never = {.sync = MMS_SYNC_NEVER, .grow_bytes = 64 * KIB};
static const struct mms_log_options cutting = {
	.sync = MMS_SYNC_NEVER, .grow_bytes = 64 * KIB, .flags = MMS_LOG_CUT_STRAYS};

#define RECORDS 6u

/* Opens what is damaged, appends up to RECORDS + 2, and looks at it all. */
static void goes_on(struct mms_pool *pool, const char *path, uint64_t whole)
{
	struct mms_log *log = t_log_open(pool, path, &cutting);

	ck_assert_uint_eq(mms_log_next_sequence(log), whole + 1);
	t_log_append(log, RECORDS + 2 - whole);
	T_ASSERT_OK(mms_log_close(log));
	t_log_verify(pool, path, 1, RECORDS + 2);
	ck_assert_int_eq(t_log_check(pool, path).damage, 0);
	ck_assert_uint_eq(t_size_of(path), t_log_offset(RECORDS + 3));
}

START_TEST(cut_at_every_byte)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", RECORDS);
	struct t_bytes b = t_slurp(path);

	ck_assert_uint_eq(b.len, t_log_offset(RECORDS + 1));
	for (size_t cut = t_log_offset(RECORDS - 2); cut <= b.len; cut++) {
		struct mms_log_recovery found;
		uint64_t whole = RECORDS - 3;

		while (whole < RECORDS &&
		       cut >= t_log_offset(whole + 1) + 64 + t_payload_bytes(whole + 1))
			whole++;
		t_dump(path, b.mem, cut);
		found = t_log_check(pool, path);
		ck_assert_uint_eq(found.records, whole);
		ck_assert_uint_eq(found.next_sequence, whole + 1);
		ck_assert_uint_eq(found.end, t_log_offset(whole + 1));
		ck_assert_uint_eq(found.strays, 0);
		/* What is left may end in zeros: a payload's padding, or its header's. */
		ck_assert_int_eq(found.damage, cut > found.end ? -MMS_ETRUNCATED : 0);
		ck_assert_uint_le(found.end + found.torn_bytes, u64_max(cut, found.end));
		goes_on(pool, path, whole);
	}
	free(b.mem);
	mms_pool_free(pool);
}
END_TEST

START_TEST(every_byte_damaged)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", RECORDS);
	struct t_bytes b = t_slurp(path);

	for (uint64_t n = RECORDS - 1; n <= RECORDS; n++) {
		size_t at = t_log_offset(n);
		size_t used = 64u + t_payload_bytes(n);

		for (size_t i = 0; i < used; i++) {
			struct mms_log_recovery found;
			struct mms_log *log = NULL;

			b.mem[at + i] ^= 0x81; /* of the flags, the valid one too */
			t_dump(path, b.mem, b.len);
			b.mem[at + i] ^= 0x81;
			found = t_log_check(pool, path);
			ck_assert_uint_eq(found.records, n - 1);
			ck_assert_int_eq(found.damage, i == 26 ? -MMS_ETRUNCATED : -MMS_ECHECKSUM);
			ck_assert_uint_eq(found.strays, RECORDS - n);
			ck_assert_uint_gt(found.torn_bytes, 0);
			if (n < RECORDS) {
				ck_assert_uint_eq(found.stray_first, RECORDS);
				ck_assert_uint_eq(found.stray_last, RECORDS);
				ck_assert_int_eq(mms_log_open(pool, path, &never, &log, NULL, NULL),
						 found.damage);
			}
			goes_on(pool, path, n - 1);
		}
		/* Padding says nothing. */
		if (log_record_bytes(t_payload_bytes(n)) > used) {
			b.mem[at + used] ^= 1;
			t_dump(path, b.mem, b.len);
			b.mem[at + used] ^= 1;
			ck_assert_uint_eq(t_log_check(pool, path).records, RECORDS);
		}
	}
	free(b.mem);
	mms_pool_free(pool);
}
END_TEST

/* A power failure loses pages in any order. */
START_TEST(pages_zeroed)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const uint64_t n = 200;
	const char *path = t_log_make(pool, "f", n);
	struct t_bytes b = t_slurp(path), z = t_slurp(path);

	for (size_t page = 4096; page < b.len; page += 4096) {
		size_t len = b.len - page < 4096 ? b.len - page : 4096;
		struct mms_log_recovery found;
		uint64_t whole = 0, after;

		while (t_log_offset(whole + 1) + 64 + t_payload_bytes(whole + 1) <= page)
			whole++;
		for (after = whole; t_log_offset(after + 1) < page + len; after++)
			;
		memset(z.mem + page, 0, len);
		t_dump(path, z.mem, z.len);
		memcpy(z.mem + page, b.mem + page, len);
		found = t_log_check(pool, path);
		ck_assert_uint_eq(found.records, whole);
		ck_assert_uint_eq(found.strays, n - after);
		ck_assert_uint_eq(found.stray_first, after < n ? after + 1 : 0);
		ck_assert_uint_eq(found.stray_last, after < n ? n : 0);
	}
	free(b.mem);
	free(z.mem);
	mms_pool_free(pool);
}
END_TEST

/* The case that must never be: of four records of one length the second is torn; it is written
 * anew; the old third and fourth would then fit on. */
static void same_length(struct mms_log *log, char what)
{
	char buf[100];

	memset(buf, what, sizeof(buf));
	T_ASSERT_OK(mms_log_append(log, 1, buf, sizeof(buf), NULL));
}

START_TEST(nothing_comes_back)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_path("f");
	const size_t record = 192;

	for (unsigned how = 0; how < 4; how++) {
		struct mms_log *log = t_log_open(pool, path, NULL);
		struct mms_log_reader *reader;
		struct mms_record got;
		struct t_bytes b;

		for (int i = 0; i < 4; i++)
			same_length(log, 'a');
		T_ASSERT_OK(mms_log_close(log));
		b = t_slurp(path);
		ck_assert_uint_eq(b.len, 64 + 4 * record);
		b.mem[64 + record + (how < 2 ? 26 : 64)] ^= 1;
		if (how % 2) /* the third is torn as well, so that the fourth alone is a stray */
			b.mem[64 + 2 * record + 64] ^= 1;
		t_dump(path, b.mem, b.len);
		free(b.mem);
		ck_assert_uint_eq(t_log_check(pool, path).strays, how % 2 ? 1 : 2);
		log = t_log_open(pool, path, &cutting);
		ck_assert_uint_eq(t_size_of(path), 64 + record);
		same_length(log, 'b');
		reader = t_log_reader(pool, path);
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(mms_log_next(reader, &got), 1);
			ck_assert_int_eq(*(const char *)got.payload, i ? 'b' : 'a');
		}
		ck_assert_int_eq(mms_log_next(reader, &got), 0);
		T_ASSERT_OK(mms_log_close(log));
		ck_assert_int_eq(mms_log_next(reader, &got), 0);
		mms_log_reader_close(reader);
		ck_assert_uint_eq(t_log_check(pool, path).records, 2);
		ck_assert_int_eq(unlink(path), 0);
	}
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------ interruption */

static int calls_left;

static void one_call(void)
{
	if (--calls_left == 0)
		_exit(9);
}

#define DYING(type, name, params, args)             \
	static type dying_##name params             \
	{                                           \
		type r = mms_sys_default.name args; \
		one_call();                         \
		return r;                           \
	}

DYING(int, open, (const char *path, int flags, mode_t perm), (path, flags, perm))
DYING(int, close, (int fd), (fd))
DYING(int, fstat, (int fd, struct stat *st), (fd, st))
DYING(ssize_t, pread, (int fd, void *buf, size_t len, uint64_t at), (fd, buf, len, at))
DYING(int, ftruncate, (int fd, uint64_t size), (fd, size))
DYING(int, allocate, (int fd, uint64_t at, uint64_t len), (fd, at, len))
DYING(int, fdatasync, (int fd), (fd))
DYING(int, fsync, (int fd), (fd))
DYING(int, lock, (int fd, int type, uint64_t at, uint64_t len, bool wait),
      (fd, type, at, len, wait))

static struct mms_pool *dying_pool(void)
{
	static struct mms_sys sys;
	struct mms_pool *pool;

	sys = mms_sys_default;
	sys.open = dying_open;
	sys.close = dying_close;
	sys.fstat = dying_fstat;
	sys.pread = dying_pread;
	sys.ftruncate = dying_ftruncate;
	sys.allocate = dying_allocate;
	sys.fdatasync = dying_fdatasync;
	sys.fsync = dying_fsync;
	sys.lock = dying_lock;
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	return pool;
}

/* Whether the recovery, and an append, came to their end before the call of that number. */
static bool recover_until(const char *path, int call)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct mms_pool *pool = dying_pool();
		struct mms_log *log;

		calls_left = call;
		if (mms_log_open(pool, path, &cutting, &log, NULL, NULL) ||
		    mms_log_append(log, 1, "x", 1, NULL) || mms_log_close(log))
			_exit(1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
	return WEXITSTATUS(status) == 0;
}

START_TEST(interrupted_after_each_call)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", RECORDS);
	struct t_bytes b = t_slurp(path);
	bool done = false;
	int call;

	b.mem[t_log_offset(3) + 3] ^= 1;
	for (call = 1; !done; call++) {
		struct mms_log_recovery found;
		struct mms_log *log;

		t_dump(path, b.mem, b.len);
		done = recover_until(path, call);
		found = t_log_check(pool, path);
		ck_assert_uint_ge(found.records, 2);
		ck_assert_uint_le(found.records, 3);
		log = t_log_open(pool, path, &cutting);
		ck_assert_uint_eq(mms_log_next_sequence(log), found.next_sequence);
		T_ASSERT_OK(mms_log_append(log, 1, "y", 1, NULL));
		T_ASSERT_OK(mms_log_close(log));
		ck_assert_uint_eq(t_log_check(pool, path).records, found.records + 1);
		ck_assert_int_eq(t_log_check(pool, path).damage, 0);
	}
	ck_assert_int_gt(call, 8);
	free(b.mem);
	mms_pool_free(pool);
}
END_TEST

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Each call failing, each time it is made: the error comes out, nothing is lost or leaks. */
START_TEST(each_call_fails)
{
	static const enum call calls[] = {CALL_OPEN,      CALL_FD_FLAGS,  CALL_FSTAT,
					  CALL_PREAD,     CALL_FTRUNCATE, CALL_SEEK_DATA,
					  CALL_FDATASYNC, CALL_FSYNC,     CALL_LOCK};
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", RECORDS);
	struct t_bytes b = t_slurp(path);
	int fds = open_fds();
	unsigned failures = 0;

	for (size_t records = 0; records < 3; records += 2) {
		for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
			for (int skip = 0; skip < 8; skip++) {
				struct mms_log_recovery found = {0};
				struct mms_error err = {0};
				struct mms_log *log = NULL;
				int r;

				b.mem[t_log_offset(records + 1) + 3] ^= 1;
				t_dump(path, b.mem, b.len);
				b.mem[t_log_offset(records + 1) + 3] ^= 1;
				t_fail(calls[c], -EREMOTEIO, skip, 1);
				r = mms_log_open(pool, path, &cutting, &log, &found, &err);
				if (r) {
					/* One that cannot seek to data reads on. */
					ck_assert_int_ne(calls[c], CALL_SEEK_DATA);
					ck_assert_int_eq(r, -EREMOTEIO);
					ck_assert_int_eq(err.code, r);
					ck_assert_ptr_null(log);
					ck_assert_uint_gt(strlen(err.what), 0);
					failures++;
				} else {
					ck_assert_uint_eq(found.records, records);
					T_ASSERT_OK(mms_log_close(log));
				}
				t_fail(calls[c], 0, 0, 0);
				ck_assert_int_eq(open_fds(), fds);
				ck_assert_uint_eq(t_log_check(pool, path).records, records);
			}
		}
	}
	ck_assert_uint_gt(failures, 20);
	free(b.mem);
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------- the system */

START_TEST(what_is_found_is_durable)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", RECORDS);
	struct mms_log *log;
	struct t_bytes b;
	unsigned made;

	atomic_store(&t_call[CALL_FDATASYNC].made, 0);
	atomic_store(&t_call[CALL_FTRUNCATE].made, 0);
	atomic_store(&t_call[CALL_FSYNC].made, 0);
	log = t_log_open(pool, path, NULL);
	ck_assert_uint_eq(t_call[CALL_FDATASYNC].made, 1);
	ck_assert_uint_eq(t_call[CALL_FTRUNCATE].made, 0);
	ck_assert_uint_eq(t_call[CALL_FSYNC].made, 0);
	T_ASSERT_OK(mms_log_sync(log, UINT64_MAX));
	T_ASSERT_OK(mms_log_sync(log, RECORDS));
	ck_assert_uint_eq(t_call[CALL_FDATASYNC].made, 1);
	T_ASSERT_OK(mms_log_close(log));
	b = t_slurp(path);
	t_dump(path, b.mem, b.len - 150);
	log = t_log_open(pool, path, NULL);
	ck_assert_uint_eq(t_call[CALL_FDATASYNC].made, 2);
	ck_assert_uint_eq(t_call[CALL_FTRUNCATE].made, 1);
	T_ASSERT_OK(mms_log_close(log));
	/* The name, too, of one that its maker may not have lived to sync. */
	t_dump(path, b.mem, 64);
	log = t_log_open(pool, path, NULL);
	ck_assert_uint_eq(t_call[CALL_FSYNC].made, 1);
	T_ASSERT_OK(mms_log_close(log));
	/* Not every file system syncs directories. */
	t_fail(CALL_FSYNC, -EINVAL, 0, 1);
	log = t_log_open(pool, path, NULL);
	T_ASSERT_OK(mms_log_close(log));
	t_dump(path, b.mem, b.len - 150);
	made = atomic_load(&t_call[CALL_FTRUNCATE].made);
	t_fail(CALL_FTRUNCATE, -EINTR, 0, 2);
	log = t_log_open(pool, path, NULL);
	ck_assert_uint_eq(t_call[CALL_FTRUNCATE].made, made + 3);
	T_ASSERT_OK(mms_log_close(log));
	free(b.mem);
	mms_pool_free(pool);
}
END_TEST

/* What follows may be far away, behind a hole that nobody should read. */
START_TEST(holes_are_skipped)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", RECORDS);
	static const uint64_t sizes[] = {1ULL << 31, (1ULL << 32) + 100};

	for (size_t i = 0; i < 2; i++) {
		struct mms_log_recovery found;
		struct mms_log *log;
		int fd = open(path, O_RDWR | O_CLOEXEC);

		ck_assert_int_eq(ftruncate(fd, (off_t)sizes[i]), 0);
		atomic_store(&t_call[CALL_PREAD].made, 0);
		found = t_log_check(pool, path);
		ck_assert_uint_eq(found.records, RECORDS);
		ck_assert_int_eq(found.damage, 0);
		ck_assert_uint_eq(found.torn_bytes, 0);
		ck_assert_int_eq(pwrite(fd, "x", 1, (off_t)sizes[i] - 1), 1);
		found = t_log_check(pool, path);
		ck_assert_int_eq(found.damage, -MMS_ECHECKSUM);
		ck_assert_uint_eq(found.torn_bytes, sizes[i] - found.end);
		ck_assert_uint_lt(t_call[CALL_PREAD].made, 20);
		close(fd);
		log = t_log_open(pool, path, NULL);
		ck_assert_uint_eq(t_size_of(path), found.end);
		T_ASSERT_OK(mms_log_close(log));
	}
	mms_pool_free(pool);
}
END_TEST

/* A file is cut while it is looked at, by somebody who does not ask. */
static uint64_t cut_to, cut_after;
static char cut_path[4096];

static ssize_t cutting_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	ssize_t n = mms_sys_default.pread(fd, buf, len, offset);

	if (cut_after && --cut_after == 0)
		ck_assert_int_eq(truncate(cut_path, (off_t)cut_to), 0);
	return n;
}

START_TEST(cut_while_scanned)
{
	struct mms_sys sys = mms_sys_default;
	struct mms_pool *pool;
	struct t_bytes b;

	sys.pread = cutting_pread;
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	snprintf(cut_path, sizeof(cut_path), "%s", t_log_make(pool, "f", 8000));
	b = t_slurp(cut_path);
	ck_assert_uint_gt(b.len, 3 * 256 * KIB);
	for (unsigned i = 1; i <= 5; i++) {
		struct mms_log *log = NULL;
		int r;

		t_dump(cut_path, b.mem, b.len);
		cut_after = i;
		cut_to = 100 * KIB;
		r = mms_log_open(pool, cut_path, &never, &log, NULL, NULL);
		/* Either it is found short, or it turns out at the end that it was cut. */
		if (r == 0) {
			T_ASSERT_OK(mms_log_close(log));
			ck_assert_uint_eq(i, 1);
		} else {
			ck_assert_int_eq(r, -MMS_ETRUNCATED);
		}
		ck_assert_uint_le(t_size_of(cut_path), 100 * KIB);
		log = t_log_open(pool, cut_path, NULL);
		T_ASSERT_OK(mms_log_close(log));
	}
	free(b.mem);
	mms_pool_free(pool);
}
END_TEST

START_TEST(one_writer)
{
	struct mms_pool *pool = t_pool(20, 0, 0), *other = t_pool(20, 0, 0);
	const char *path = t_log_make(pool, "f", 3);
	struct mms_log *log = t_log_open(pool, path, NULL), *second = NULL;
	struct mms_log_recovery found = {.records = 77};
	struct mms_error err;
	pid_t pid;
	int status;

	ck_assert_int_eq(mms_log_open(other, path, &cutting, &second, &found, &err), -EBUSY);
	ck_assert_ptr_nonnull(strstr(err.hint, "another writer"));
	ck_assert_int_eq(mms_log_open(pool, path, &cutting, &second, &found, NULL), -EBUSY);
	ck_assert_uint_eq(found.records, 77);
	t_log_append(log, 2);
	t_log_verify(other, path, 1, 5);
	pid = fork();
	if (pid == 0)
		_exit(mms_log_open(other, path, NULL, &second, NULL, NULL) == -EBUSY ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	T_ASSERT_OK(mms_log_close(log));
	second = t_log_open(other, path, NULL);
	T_ASSERT_OK(mms_log_close(second));
	t_fail(CALL_LOCK, -ENOLCK, 0, 1);
	ck_assert_int_eq(mms_log_open(pool, path, NULL, &second, NULL, &err), -ENOLCK);
	mms_pool_free(other);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, cut_at_every_byte);
	tcase_add_test(t, every_byte_damaged);
	tcase_add_test(t, pages_zeroed);
	tcase_add_test(t, nothing_comes_back);
	tcase_add_test(t, interrupted_after_each_call);
	tcase_add_test(t, each_call_fails);
	tcase_add_test(t, what_is_found_is_durable);
	tcase_add_test(t, holes_are_skipped);
	tcase_add_test(t, cut_while_scanned);
	tcase_add_test(t, one_writer);
}

int main(void)
{
	return t_run("log_recover", add_tests);
}

/* SPDX-License-Identifier: MIT */
/* Proves that a created file shows under its name complete, or not at all. */
#include "helper.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHIFT 20u
#define CHUNK (1u << SHIFT)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SIZED(size_, perm_) (&(struct mms_create_options){.size = (size_), .perm = (perm_)})

static const struct mms_file_options rdwr = {.mode = MMS_RDWR, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options immediate = {.mode = MMS_RDWR};

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int entries(const char *path)
{
	DIR *d = opendir(path);
	int n = -2;

	ck_assert_ptr_ne(d, NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* What the file of this name holds; fails the test if it differs. */
static void check_content(const char *path, const void *content, size_t len, uint64_t size)
{
	unsigned char buf[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(t_size_of(path), size);
	ck_assert_int_eq(pread(fd, buf, sizeof(buf), 0), (ssize_t)(size < 4096 ? size : 4096));
	ck_assert_int_eq(memcmp(buf, content, len), 0);
	for (size_t i = len; i < size && i < sizeof(buf); i++)
		ck_assert_uint_eq(buf[i], 0);
	close(fd);
}

START_TEST(creating)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_path("a/b/c/new");
	struct mms_file *file = NULL;
	struct stat st;

	umask(027);
	T_ASSERT_OK(mms_create(pool, path, SIZED(5 * GIB, 0646), &rdwr, &file, NULL));
	ck_assert_int_eq(mms_write(file, "x", 1, 5 * GIB - 1, 0), 1);
	mms_close(file);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, 5 * GIB);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	ck_assert_int_lt(st.st_blocks, 1000); /* not allocated */
	ck_assert_int_eq(stat(t_path("a/b"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0750);
	/* No temporary name is left. */
	ck_assert_int_eq(entries(t_path("a/b/c")), 1);
	/* Nor by a refusal. */
	ck_assert_int_eq(mms_create(pool, path, SIZED(1, 0600), &rdwr, &file, NULL), -EEXIST);
	ck_assert_uint_eq(t_size_of(path), 5 * GIB);
	ck_assert_int_eq(symlink("nowhere", t_path("a/b/c/dangling")), 0);
	ck_assert_int_eq(
		mms_create(pool, t_path("a/b/c/dangling"), SIZED(1, 0600), &rdwr, &file, NULL),
		-EEXIST);
	ck_assert_int_eq(entries(t_path("a/b/c")), 2);
	ck_assert_int_eq(
		mms_create(pool, t_path("a/b/c/new/under"), SIZED(1, 0600), &rdwr, &file, NULL),
		-ENOTDIR);
	ck_assert_int_eq(mms_create(pool, t_path("r"), SIZED(1, 0600), NULL, &file, NULL), -EINVAL);
	ck_assert_int_eq(mms_create(pool, t_path("r"), SIZED(1ULL << 63, 0600), &rdwr, &file, NULL),
			 -EFBIG);
	mms_pool_free(pool);
}
END_TEST

START_TEST(creating_without_rights)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = NULL;

	/* The first descriptor writes, whatever the mode says later. */
	T_ASSERT_OK(mms_create(pool, t_path("sealed"), SIZED(10, 0001), &rdwr, &file, NULL));
	ck_assert_int_eq(mms_write(file, "0123456789", 10, 0, 0), 10);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static atomic_bool done_creating;
static _Atomic unsigned half_made;

static void *watch(void *arg)
{
	const char *path = arg;
	struct stat st;

	while (!atomic_load(&done_creating)) {
		if (stat(path, &st) == 0 && st.st_size != 123456)
			atomic_fetch_add(&half_made, 1);
	}
	return NULL;
}

START_TEST(the_name_never_shows_a_half_made_file)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	char path[4096];
	pthread_t thread;

	snprintf(path, sizeof(path), "%s", t_path("f"));
	T_ASSERT_OK(pthread_create(&thread, NULL, watch, path));
	for (int i = 0; i < 300; i++) {
		struct mms_file *file;

		T_ASSERT_OK(mms_create(pool, path, SIZED(123456, 0600), &rdwr, &file, NULL));
		mms_close(file);
		ck_assert_int_eq(unlink(path), 0);
	}
	atomic_store(&done_creating, true);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(half_made, 0);
	mms_pool_free(pool);
}
END_TEST

static void *create_one(void *arg)
{
	struct mms_file *file = NULL;
	int r = mms_create(arg, t_path("race/f"), SIZED(10, 0600), &rdwr, &file, NULL);

	mms_close(file);
	return (void *)(intptr_t)r;
}

START_TEST(one_of_many_creates_it)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	pthread_t threads[6];
	int made = 0;

	for (int i = 0; i < 6; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, create_one, pool));
	for (int i = 0; i < 6; i++) {
		void *r;

		pthread_join(threads[i], &r);
		ck_assert((intptr_t)r == 0 || (intptr_t)r == -EEXIST);
		made += !r;
	}
	ck_assert_int_eq(made, 1);
	ck_assert_int_eq(entries(t_path("race")), 1);
	mms_pool_free(pool);
}
END_TEST

START_TEST(a_relative_name)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file;

	ck_assert_int_eq(chdir(t_dir()), 0);
	T_ASSERT_OK(mms_create(pool, "plain", SIZED(10, 0600), &immediate, &file, NULL));
	mms_close(file);
	ck_assert_uint_eq(t_size_of(t_path("plain")), 10);
	mms_pool_free(pool);
}
END_TEST

START_TEST(defaults)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = NULL;
	struct stat st;

	umask(022);
	T_ASSERT_OK(mms_create(pool, t_path("f"), NULL, &rdwr, &file, NULL));
	mms_close(file);
	ck_assert_int_eq(stat(t_path("f"), &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	ck_assert_uint_eq(t_call[CALL_FSYNC].made, 0);
	ck_assert_uint_eq(t_call[CALL_ALLOCATE].made, 0);
	mms_pool_free(pool);
}
END_TEST

START_TEST(wrong_options)
{
	static const struct {
		struct mms_create_options c;
		int r;
		const char *hint;
	} bad[] = {
		{{.flags = 8}, -EINVAL, "flag"},
		{{.size = 3, .content = "1234", .content_bytes = 4}, -EINVAL, "content"},
		{{.size = 3, .content_bytes = 3}, -EINVAL, "content"},
		{{.size = 1ULL << 63}, -EFBIG, "2^63"},
		{{.size = UINT64_MAX}, -EFBIG, "2^63"},
	};
	const struct mms_file_options odd = {.mode = (enum mms_mode)9};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = (struct mms_file *)1;
	struct mms_error err;

	for (size_t i = 0; i < COUNT(bad); i++) {
		ck_assert_int_eq(mms_create(pool, t_path("d/f"), &bad[i].c, &rdwr, &file, &err),
				 bad[i].r);
		ck_assert_int_eq(err.code, bad[i].r);
		ck_assert_ptr_ne(strstr(err.what, "creating "), NULL);
		ck_assert_ptr_ne(strstr(err.hint, bad[i].hint), NULL);
		ck_assert_int_eq(mms_create(pool, t_path("d/f"), &bad[i].c, &rdwr, &file, NULL),
				 bad[i].r);
	}
	ck_assert_int_eq(mms_create(pool, t_path("d/f"), NULL, NULL, &file, &err), -EINVAL);
	ck_assert_ptr_ne(strstr(err.hint, "MMS_RDWR"), NULL);
	ck_assert_int_eq(mms_create(pool, t_path("d/f"), NULL, &odd, &file, &err), -EINVAL);
	ck_assert_int_eq(mms_create(pool, "", NULL, &rdwr, &file, &err), -ENOENT);
	ck_assert_ptr_eq(file, (struct mms_file *)1);
	ck_assert_int_eq(entries(t_dir()), 0);
	mms_pool_free(pool);
}
END_TEST

START_TEST(private_mode)
{
	const struct mms_file_options cow = {.mode = MMS_COW};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = NULL;

	T_ASSERT_OK(mms_create(pool, t_path("f"), SIZED(100, 0600), &cow, &file, NULL));
	ck_assert_int_eq(mms_write(file, "x", 1, 0, 0), 1);
	mms_close(file);
	check_content(t_path("f"), "", 1, 100);
	mms_pool_free(pool);
}
END_TEST

START_TEST(content)
{
	static unsigned char bytes[3000];
	const struct mms_create_options c = {
		.size = 10000, .content = bytes, .content_bytes = sizeof(bytes)};
	const struct mms_create_options all = {
		.size = sizeof(bytes), .content = bytes, .content_bytes = sizeof(bytes)};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = NULL;

	t_pattern(bytes, sizeof(bytes), 0);
	T_ASSERT_OK(mms_create(pool, t_path("f"), &c, &rdwr, &file, NULL));
	ck_assert(!mms_is_dirty(file));
	mms_close(file);
	check_content(t_path("f"), bytes, sizeof(bytes), 10000);
	/* In pieces, and past signals. */
	t_short_io = 7;
	t_fail(CALL_PWRITE, -EINTR, 3, 2);
	T_ASSERT_OK(mms_create(pool, t_path("g"), &all, &rdwr, &file, NULL));
	mms_close(file);
	check_content(t_path("g"), bytes, sizeof(bytes), sizeof(bytes));
	/* The disk is full in the middle. */
	t_fail(CALL_PWRITE, -ENOSPC, 3, 1);
	ck_assert_int_eq(mms_create(pool, t_path("h"), &all, &rdwr, &file, NULL), -ENOSPC);
	ck_assert_int_eq(entries(t_dir()), 2);
	mms_pool_free(pool);
}
END_TEST

START_TEST(allocated)
{
	const struct mms_create_options c = {.size = 3 * CHUNK, .flags = MMS_CREATE_ALLOCATE};
	const struct mms_create_options none = {.flags = MMS_CREATE_ALLOCATE};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = NULL;
	struct stat st;

	t_fail(CALL_ALLOCATE, -EINTR, 0, 2);
	T_ASSERT_OK(mms_create(pool, t_path("f"), &c, &rdwr, &file, NULL));
	mms_close(file);
	ck_assert_int_eq(stat(t_path("f"), &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, 3 * CHUNK);
	ck_assert_uint_ge((uint64_t)st.st_blocks * 512, 3 * CHUNK);
	t_fail(CALL_ALLOCATE, -ENOSPC, 0, 1);
	ck_assert_int_eq(mms_create(pool, t_path("g"), &c, &rdwr, &file, NULL), -ENOSPC);
	t_fail(CALL_ALLOCATE, -EOPNOTSUPP, 0, 1);
	ck_assert_int_eq(mms_create(pool, t_path("g"), &c, &rdwr, &file, NULL), -EOPNOTSUPP);
	ck_assert_int_eq(entries(t_dir()), 1);
	T_ASSERT_OK(mms_create(pool, t_path("none"), &none, &rdwr, &file, NULL));
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(replacing)
{
	const struct mms_create_options c = {
		.size = 8, .content = "new", .content_bytes = 3, .flags = MMS_CREATE_REPLACE};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 5000);
	struct mms_file *old = t_open(pool, path, &rdwr), *file = NULL;
	unsigned char buf[100];

	T_ASSERT_OK(mms_create(pool, path, &c, &rdwr, &file, NULL));
	check_content(path, "new", 3, 8);
	/* Who has the old one open keeps it. */
	ck_assert_int_eq(mms_read(old, buf, 100, 4900), 100);
	t_check(buf, 100, 4900);
	mms_close(file);
	mms_close(old);
	/* A symlink is replaced, not followed; a directory is not replaced. */
	ck_assert_int_eq(symlink("f", t_path("link")), 0);
	T_ASSERT_OK(mms_create(pool, t_path("link"), &c, &rdwr, &file, NULL));
	mms_close(file);
	ck_assert_int_eq(mkdir(t_path("d"), 0700), 0);
	ck_assert_int_eq(mms_create(pool, t_path("d"), &c, &rdwr, &file, NULL), -EISDIR);
	ck_assert_int_eq(entries(t_dir()), 3);
	/* A name that nobody has. */
	T_ASSERT_OK(mms_create(pool, t_path("fresh"), &c, &rdwr, &file, NULL));
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* --------------------------------------------------------- durability */

/* What was done, in order; F: fsync of a file, D: of a directory. */
static char trace[64];
static struct mms_sys tracing;

static void note(char c)
{
	size_t n = strlen(trace);

	ck_assert_uint_lt(n, sizeof(trace) - 1);
	trace[n] = c;
	trace[n + 1] = '\0';
}

static int trace_fsync(int fd)
{
	struct stat st;

	ck_assert_int_eq(fstat(fd, &st), 0);
	note(S_ISDIR(st.st_mode) ? 'D' : 'F');
	return mms_sys_default.fsync(fd);
}

static ssize_t trace_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	note('w');
	return mms_sys_default.pwrite(fd, buf, len, offset);
}

static int trace_mkdir(const char *path, mode_t perm)
{
	int r = mms_sys_default.mkdir(path, perm);

	if (!r)
		note('m');
	return r;
}

/* The content is in before the name shows. */
static int trace_rename_new(const char *from, const char *to)
{
	note('r');
	check_content(from, "content", 7, 10);
	ck_assert_int_eq(access(to, F_OK), -1);
	return mms_sys_default.rename_new(from, to);
}

static int trace_rename_over(const char *from, const char *to)
{
	note('R');
	check_content(from, "content", 7, 10);
	return mms_sys_default.rename_over(from, to);
}

static const char *traced(const char *path, unsigned flags, const struct mms_file_options *o)
{
	const struct mms_create_options c = {
		.size = 10, .content = "content", .content_bytes = 7, .flags = flags};
	struct mms_pool *pool;
	struct mms_file *file;

	tracing = mms_sys_default;
	tracing.fsync = trace_fsync;
	tracing.pwrite = trace_pwrite;
	tracing.mkdir = trace_mkdir;
	tracing.rename_new = trace_rename_new;
	tracing.rename_over = trace_rename_over;
	trace[0] = '\0';
	T_ASSERT_OK(mms_pool_new_on(&tracing, NULL, &pool, NULL));
	T_ASSERT_OK(mms_create(pool, path, &c, o, &file, NULL));
	T_ASSERT_OK(mms_close(file));
	mms_pool_free(pool);
	check_content(path, "content", 7, 10);
	return trace;
}

START_TEST(order_of_steps)
{
	ck_assert_str_eq(traced(t_path("f"), 0, &rdwr), "wFr");
	ck_assert_str_eq(traced(t_path("f"), MMS_CREATE_REPLACE, &rdwr), "wFR");
	ck_assert_str_eq(traced(t_path("g"), MMS_CREATE_DURABLE, &rdwr), "wFrD");
	ck_assert_str_eq(traced(t_path("h"), 0, &immediate), "wFrD");
	ck_assert_str_eq(traced(t_path("h"), MMS_CREATE_REPLACE, &immediate), "wFRD");
	/* A name that lasts needs the directories above to last. */
	ck_assert_str_eq(traced(t_path("a/f"), MMS_CREATE_DURABLE, &rdwr), "mwFrDD");
	ck_assert_str_eq(traced(t_path("a/b/c/f"), MMS_CREATE_DURABLE, &rdwr), "mmwFrDDD");
	ck_assert_str_eq(traced(t_path("a/b/c/g"), MMS_CREATE_DURABLE, &rdwr), "wFrD");
	ck_assert_str_eq(traced(t_path("x/y/f"), 0, &rdwr), "mmwFr");
	ck_assert_int_eq(chdir(t_dir()), 0);
	ck_assert_str_eq(traced("plain", MMS_CREATE_DURABLE, &rdwr), "wFrD");
	ck_assert_str_eq(traced("p/q/f", MMS_CREATE_DURABLE, &rdwr), "mmwFrDDD");
}
END_TEST

/* ----------------------------------------------------------- failures */

/* Each step fails in turn: the name is what it was, no temporary name and no
 * descriptor is left. */
static void each_step(const struct mms_create_options *c, const enum call *steps, size_t n,
		      bool existed)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = NULL;
	struct mms_error err;
	int fds;

	if (existed)
		t_fill("f", 3000);
	fds = open_fds();
	for (size_t i = 0; i < n; i++) {
		t_fail(steps[i], -EIO, 0, 1);
		ck_assert_int_eq(mms_create(pool, t_path("f"), c, &immediate, &file, &err), -EIO);
		ck_assert_int_eq(err.code, -EIO);
		ck_assert_ptr_ne(strstr(err.what, "creating "), NULL);
		ck_assert_int_eq(atomic_load(&t_call[steps[i]].fail), 0);
		ck_assert_int_eq(entries(t_dir()), existed);
		if (existed)
			ck_assert_uint_eq(t_size_of(t_path("f")), 3000);
		ck_assert_int_eq(open_fds(), fds);
		ck_assert_uint_eq(t_stats(pool).files, 0);
	}
	ck_assert_ptr_eq(file, NULL);
	T_ASSERT_OK(mms_create(pool, t_path("f"), c, &immediate, &file, &err));
	mms_close(file);
	mms_pool_free(pool);
}

START_TEST(each_step_fails)
{
	static const enum call steps[] = {CALL_OPEN,   CALL_FTRUNCATE, CALL_ALLOCATE,
					  CALL_PWRITE, CALL_FSYNC,     CALL_FD_FLAGS,
					  CALL_FSTAT,  CALL_RENAME_NEW};
	const struct mms_create_options c = {
		.size = 10, .content = "x", .content_bytes = 1, .flags = MMS_CREATE_ALLOCATE};

	each_step(&c, steps, COUNT(steps), false);
}
END_TEST

START_TEST(each_step_of_a_replacement_fails)
{
	static const enum call steps[] = {CALL_OPEN,   CALL_FTRUNCATE,  CALL_ALLOCATE,
					  CALL_PWRITE, CALL_FSYNC,      CALL_FD_FLAGS,
					  CALL_FSTAT,  CALL_RENAME_OVER};
	const struct mms_create_options c = {.size = 10,
					     .content = "x",
					     .content_bytes = 1,
					     .flags = MMS_CREATE_ALLOCATE | MMS_CREATE_REPLACE};

	each_step(&c, steps, COUNT(steps), true);
}
END_TEST

/* The sync of the directory comes after the rename. */
START_TEST(the_directory_cannot_be_synced)
{
	const struct mms_create_options replace = {.size = 10, .flags = MMS_CREATE_REPLACE};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = NULL;
	int fds = open_fds();

	t_fail(CALL_FSYNC, -EIO, 1, 1);
	ck_assert_int_eq(mms_create(pool, t_path("f"), SIZED(10, 0600), &immediate, &file, NULL),
			 -EIO);
	ck_assert_int_eq(entries(t_dir()), 0);
	t_fail(CALL_OPEN, -EACCES, 1, 1);
	ck_assert_int_eq(mms_create(pool, t_path("f"), SIZED(10, 0600), &immediate, &file, NULL),
			 -EACCES);
	ck_assert_int_eq(entries(t_dir()), 0);
	ck_assert_int_eq(open_fds(), fds);
	/* What was replaced is gone. */
	t_fill("f", 3000);
	t_fail(CALL_FSYNC, -EIO, 1, 1);
	ck_assert_int_eq(mms_create(pool, t_path("f"), &replace, &immediate, &file, NULL), -EIO);
	ck_assert_uint_eq(t_size_of(t_path("f")), 10);
	ck_assert_int_eq(entries(t_dir()), 1);
	/* Nor can the one above a directory that was made. */
	t_fail(CALL_FSYNC, -EIO, 2, 1);
	ck_assert_int_eq(mms_create(pool, t_path("d/f"), SIZED(10, 0600), &immediate, &file, NULL),
			 -EIO);
	ck_assert_int_eq(entries(t_path("d")), 0);
	t_fail(CALL_MKDIR, -EROFS, 0, 1);
	ck_assert_int_eq(mms_create(pool, t_path("e/f"), SIZED(10, 0600), &immediate, &file, NULL),
			 -EROFS);
	ck_assert_ptr_eq(file, NULL);
	ck_assert_int_eq(open_fds(), fds);
	mms_pool_free(pool);
}
END_TEST

START_TEST(temporary_names_that_are_taken)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = NULL;

	t_fail(CALL_OPEN, -EEXIST, 0, 50);
	T_ASSERT_OK(mms_create(pool, t_path("f"), SIZED(10, 0600), &rdwr, &file, NULL));
	mms_close(file);
	t_fail(CALL_OPEN, -EEXIST, 0, -1);
	ck_assert_int_eq(mms_create(pool, t_path("g"), SIZED(10, 0600), &rdwr, &file, NULL),
			 -EEXIST);
	mms_pool_free(pool);
}
END_TEST

static ssize_t zero_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	(void)fd;
	(void)buf;
	(void)len;
	(void)offset;
	return 0;
}

START_TEST(a_write_that_gets_nowhere)
{
	const struct mms_create_options c = {.size = 4, .content = "x", .content_bytes = 1};
	struct mms_sys sys = mms_sys_default;
	struct mms_pool *pool;
	struct mms_file *file;

	sys.pwrite = zero_pwrite;
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	ck_assert_int_eq(mms_create(pool, t_path("f"), &c, &rdwr, &file, NULL), -EIO);
	ck_assert_int_eq(entries(t_dir()), 0);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, creating);
	tcase_add_test(t, creating_without_rights);
	tcase_add_test(t, the_name_never_shows_a_half_made_file);
	tcase_add_test(t, one_of_many_creates_it);
	tcase_add_test(t, a_relative_name);
	tcase_add_test(t, defaults);
	tcase_add_test(t, wrong_options);
	tcase_add_test(t, private_mode);
	tcase_add_test(t, content);
	tcase_add_test(t, allocated);
	tcase_add_test(t, replacing);
	tcase_add_test(t, order_of_steps);
	tcase_add_test(t, each_step_fails);
	tcase_add_test(t, each_step_of_a_replacement_fails);
	tcase_add_test(t, the_directory_cannot_be_synced);
	tcase_add_test(t, temporary_names_that_are_taken);
	tcase_add_test(t, a_write_that_gets_nowhere);
}

int main(void)
{
	return t_run("create", add_tests);
}

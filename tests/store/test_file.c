/* SPDX-License-Identifier: MIT */
/* Proves what may be opened, created, adopted and upgraded; a refusal leaves nothing behind. */
#include "helper.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHIFT 20u
#define CHUNK (1u << SHIFT)

static const struct mms_file_options rdwr = {.mode = MMS_RDWR, .sync = MMS_SYNC_NEVER};

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

START_TEST(opening)
{
	const struct mms_file_options odd = {.mode = (enum mms_mode)7};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = (struct mms_file *)1;
	struct mms_error err;
	char text[700];
	int fds = open_fds();

	ck_assert_int_eq(mms_open(pool, t_path("none"), NULL, &file, &err), -ENOENT);
	ck_assert_int_eq(err.code, -ENOENT);
	mms_error_format(&err, text, sizeof(text));
	ck_assert_ptr_ne(strstr(text, "none: No such file or directory"), NULL);
	ck_assert_int_eq(mms_open(pool, t_dir(), NULL, &file, &err), -EISDIR);
	ck_assert_str_eq(err.hint, "only regular files can be opened");
	ck_assert_int_eq(mms_open(pool, t_dir(), &rdwr, &file, NULL), -EISDIR);
	/* A FIFO must not be waited for. */
	ck_assert_int_eq(mkfifo(t_path("fifo"), 0600), 0);
	ck_assert_int_eq(mms_open(pool, t_path("fifo"), NULL, &file, &err), -EINVAL);
	ck_assert_int_eq(mms_open(pool, t_fill("f", 1), &odd, &file, &err), -EINVAL);
	ck_assert_ptr_eq(file, (struct mms_file *)1);
	ck_assert_int_eq(open_fds(), fds);
	ck_assert_uint_eq(t_stats(pool).files, 0);
	mms_pool_free(pool);
}
END_TEST

START_TEST(error_texts)
{
	struct mms_error err = {.code = -EBUSY, .what = "doing it"};
	char text[64], tiny[4];

	ck_assert_str_eq(mms_error_format(&err, text, sizeof(text)),
			 "doing it: Device or resource busy");
	strcpy(err.hint, "wait");
	ck_assert_str_eq(mms_error_format(&err, text, sizeof(text)),
			 "doing it: Device or resource busy; wait");
	ck_assert_str_eq(mms_error_format(&err, tiny, sizeof(tiny)), "doi");
	tiny[0] = 'x';
	ck_assert_ptr_eq(mms_error_format(&err, tiny, 0), tiny);
	ck_assert_int_eq(tiny[0], 'x');
}
END_TEST

START_TEST(adopting)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 1000);
	struct mms_file *file = NULL;
	struct mms_error err;
	int rd = open(path, O_RDONLY | O_CLOEXEC), wr = open(path, O_WRONLY | O_CLOEXEC);
	int rw = open(path, O_RDWR | O_CLOEXEC), app = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	int where = open(path, O_PATH | O_CLOEXEC);
	char name[] = "the name";

	ck_assert_int_eq(mms_adopt(pool, rd, "x", &rdwr, &file, &err), -EBADF);
	ck_assert_int_eq(mms_adopt(pool, wr, "x", &rdwr, &file, &err), -EBADF);
	ck_assert_int_eq(mms_adopt(pool, wr, "x", NULL, &file, &err), -EBADF);
	ck_assert_int_eq(mms_adopt(pool, where, "x", NULL, &file, &err), -EBADF);
	ck_assert_int_eq(mms_adopt(pool, -1, "x", NULL, &file, &err), -EBADF);
	/* Linux would append whatever the offset. */
	ck_assert_int_eq(mms_adopt(pool, app, "x", &rdwr, &file, &err), -EINVAL);
	ck_assert_ptr_ne(strstr(err.hint, "O_APPEND"), NULL);
	/* Refused descriptors are still the caller's. */
	ck_assert_int_ge(fcntl(rd, F_GETFD), 0);
	ck_assert_int_ge(fcntl(app, F_GETFD), 0);
	T_ASSERT_OK(mms_adopt(pool, rw, name, &rdwr, &file, &err));
	name[0] = '\0'; /* it is copied */
	ck_assert_int_eq(mms_fd(file), rw);
	mms_close(file);
	ck_assert_int_eq(fcntl(rw, F_GETFD), -1);
	close(rd);
	close(wr);
	close(app);
	close(where);
	mms_pool_free(pool);
}
END_TEST

START_TEST(upgrading)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 1000);
	const struct mms_file_options never = {.sync = MMS_SYNC_NEVER};
	struct mms_file *file = t_open(pool, path, &never);
	int old = mms_fd(file), other = open(t_fill("g", 1000), O_RDWR | O_CLOEXEC);
	int rd = open(path, O_RDONLY | O_CLOEXEC), rw = open(path, O_RDWR | O_CLOEXEC);
	struct mms_pin held, pin;
	char buf[10];

	T_ASSERT_OK(mms_pin(file, 0, 10, 0, &held));
	ck_assert_int_eq(mms_write(file, "x", 1, 0, 0), -EBADF);
	ck_assert_int_eq(mms_upgrade(file, rd), -EBADF);
	ck_assert_int_eq(mms_upgrade(file, other), -EINVAL);
	T_ASSERT_OK(mms_upgrade(file, rw));
	ck_assert_int_eq(mms_upgrade(file, rw), -EALREADY);
	ck_assert_int_eq(mms_fd(file), rw);
	ck_assert_int_ge(fcntl(old, F_GETFD), 0);
	/* The chunk that is mapped for reading only cannot be stored to while
	 * it is pinned; a write goes around it. */
	ck_assert_int_eq(mms_pin(file, 0, 1, MMS_PIN_WRITE, &pin), -EBUSY);
	ck_assert_int_eq(mms_write(file, "hello", 5, 0, 0), 5);
	ck_assert_int_eq(mms_write(file, "hello", 5, 0, 0), 5);
	ck_assert_uint_eq(t_stats(pool).writes_pwrite, 2);
	ck_assert_int_eq(memcmp(held.addr, "hello", 5), 0);
	mms_unpin(&held);
	ck_assert_int_eq(mms_write(file, "HELLO", 5, 0, 0), 5);
	ck_assert_uint_eq(t_stats(pool).writes_mapped, 1);
	ck_assert_int_eq(mms_read(file, buf, 5, 0), 5);
	ck_assert_int_eq(memcmp(buf, "HELLO", 5), 0);
	mms_close(file);
	ck_assert_int_eq(fcntl(old, F_GETFD), -1);
	ck_assert_int_eq(fcntl(rw, F_GETFD), -1);
	close(rd);
	close(other);
	mms_pool_free(pool);
}
END_TEST

START_TEST(creating)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_path("a/b/c/new");
	struct mms_file *file = NULL;
	struct stat st;

	umask(027);
	T_ASSERT_OK(mms_create(pool, path, 5 * GIB, 0646, &rdwr, &file, NULL));
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
	ck_assert_int_eq(mms_create(pool, path, 1, 0600, &rdwr, &file, NULL), -EEXIST);
	ck_assert_uint_eq(t_size_of(path), 5 * GIB);
	ck_assert_int_eq(symlink("nowhere", t_path("a/b/c/dangling")), 0);
	ck_assert_int_eq(mms_create(pool, t_path("a/b/c/dangling"), 1, 0600, &rdwr, &file, NULL),
			 -EEXIST);
	ck_assert_int_eq(entries(t_path("a/b/c")), 2);
	ck_assert_int_eq(mms_create(pool, t_path("a/b/c/new/under"), 1, 0600, &rdwr, &file, NULL),
			 -ENOTDIR);
	ck_assert_int_eq(mms_create(pool, t_path("r"), 1, 0600, NULL, &file, NULL), -EINVAL);
	ck_assert_int_eq(mms_create(pool, t_path("r"), 1ULL << 63, 0600, &rdwr, &file, NULL),
			 -EFBIG);
	mms_pool_free(pool);
}
END_TEST

START_TEST(creating_without_rights)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = NULL;

	/* The first descriptor writes, whatever the mode says later. */
	T_ASSERT_OK(mms_create(pool, t_path("sealed"), 10, 0, &rdwr, &file, NULL));
	ck_assert_int_eq(mms_write(file, "0123456789", 10, 0, 0), 10);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(creating_durably)
{
	const struct mms_file_options immediate = {.mode = MMS_RDWR};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = NULL;

	T_ASSERT_OK(mms_create(pool, t_path("f"), 10, 0600, &immediate, &file, NULL));
	ck_assert_uint_eq(t_call[CALL_FSYNC].made, 2); /* the file and its directory */
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Each step fails in turn: no name, no temporary name, no descriptor is left. */
START_TEST(creation_is_all_or_nothing)
{
	static const enum call steps[] = {CALL_OPEN,       CALL_FTRUNCATE, CALL_FSYNC,
					  CALL_RENAME_NEW, CALL_FD_FLAGS,  CALL_FSTAT};
	const struct mms_file_options immediate = {.mode = MMS_RDWR};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = NULL;
	struct mms_error err;
	int fds = open_fds();

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		t_fail(steps[i], -EIO, 0, 1);
		ck_assert_int_eq(mms_create(pool, t_path("f"), 10, 0600, &immediate, &file, &err),
				 -EIO);
		ck_assert_int_eq(entries(t_dir()), 0);
		ck_assert_int_eq(open_fds(), fds);
	}
	t_fail(CALL_MKDIR, -EROFS, 0, 1);
	ck_assert_int_eq(mms_create(pool, t_path("d/f"), 10, 0600, &immediate, &file, &err),
			 -EROFS);
	ck_assert_ptr_eq(file, NULL);
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

		T_ASSERT_OK(mms_create(pool, path, 123456, 0600, &rdwr, &file, NULL));
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
	int r = mms_create(arg, t_path("race/f"), 10, 0600, &rdwr, &file, NULL);

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
	const struct mms_file_options immediate = {.mode = MMS_RDWR};
	struct mms_file *file;

	ck_assert_int_eq(chdir(t_dir()), 0);
	T_ASSERT_OK(mms_create(pool, "plain", 10, 0600, &immediate, &file, NULL));
	mms_close(file);
	ck_assert_uint_eq(t_size_of(t_path("plain")), 10);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, opening);
	tcase_add_test(t, error_texts);
	tcase_add_test(t, adopting);
	tcase_add_test(t, upgrading);
	tcase_add_test(t, creating);
	tcase_add_test(t, creating_without_rights);
	tcase_add_test(t, creating_durably);
	tcase_add_test(t, creation_is_all_or_nothing);
	tcase_add_test(t, the_name_never_shows_a_half_made_file);
	tcase_add_test(t, one_of_many_creates_it);
	tcase_add_test(t, a_relative_name);
}

int main(void)
{
	return t_run("file", add_tests);
}

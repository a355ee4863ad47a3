/* SPDX-License-Identifier: MIT */
/* Proves what may be opened, adopted and upgraded; a refusal leaves nothing behind. */
#include "helper.h"

#include <dirent.h>
#include <fcntl.h>
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

static void add_tests(TCase *t)
{
	tcase_add_test(t, opening);
	tcase_add_test(t, adopting);
	tcase_add_test(t, upgrading);
}

int main(void)
{
	return t_run("file", add_tests);
}

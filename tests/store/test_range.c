/* SPDX-License-Identifier: MIT */
/* Proves who excludes whom by range locks, for how long, and with which errors. */
#include "helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define S MMS_LOCK_SHARED
#define X MMS_LOCK_EXCLUSIVE
#define END (1ULL << 63) /* the first offset that a file cannot have */

static const struct mms_file_options rdwr = {.mode = MMS_RDWR};

static struct mms_pool *pool;
static struct mms_file *a, *b; /* two openings of one file */

static void open_both(void)
{
	const char *path = t_fill("f", 10000);

	pool = t_pool(20, 0, 0);
	a = t_open(pool, path, &rdwr);
	b = t_open(pool, path, &rdwr);
}

static void close_both(void)
{
	mms_close(a);
	mms_close(b);
	mms_pool_free(pool);
}

static bool is_free(struct mms_file *file, uint64_t offset, uint64_t len)
{
	int r = mms_range_lock(file, offset, len, X, 0);

	ck_assert(r == 0 || r == -EAGAIN);
	if (!r)
		T_ASSERT_OK(mms_range_unlock(file, offset, len));
	return !r;
}

START_TEST(two_openings_exclude_each_other)
{
	open_both();
	T_ASSERT_OK(mms_range_lock(a, 100, 50, X, 0));
	ck_assert_int_eq(mms_range_lock(b, 149, 1, S, 0), -EAGAIN);
	ck_assert_int_eq(mms_range_lock(b, 0, 101, X, 0), -EAGAIN);
	T_ASSERT_OK(mms_range_lock(b, 150, 1, X, 0));
	T_ASSERT_OK(mms_range_lock(b, 0, 100, X, 0));
	ck_assert_int_eq(mms_range_lock(a, 0, 0, X, 0), -EAGAIN);
	T_ASSERT_OK(mms_range_unlock(a, 100, 25));
	ck_assert(is_free(b, 100, 25));
	ck_assert(!is_free(b, 125, 1));
	T_ASSERT_OK(mms_range_unlock(a, 0, 0));
	ck_assert(is_free(b, 0, 0));
	close_both();
}
END_TEST

START_TEST(shared_locks_and_changes_of_kind)
{
	open_both();
	T_ASSERT_OK(mms_range_lock(a, 0, 10, S, 0));
	T_ASSERT_OK(mms_range_lock(b, 0, 10, S, 0));
	ck_assert_int_eq(mms_range_lock(a, 0, 10, X, 0), -EAGAIN);
	T_ASSERT_OK(mms_range_unlock(b, 0, 10));
	T_ASSERT_OK(mms_range_lock(a, 0, 10, X, 0));
	ck_assert_int_eq(mms_range_lock(b, 0, 10, S, 0), -EAGAIN);
	T_ASSERT_OK(mms_range_lock(a, 0, 10, S, 0));
	T_ASSERT_OK(mms_range_lock(b, 0, 10, S, 0));
	close_both();
}
END_TEST

START_TEST(closing_ends_a_lock)
{
	open_both();
	T_ASSERT_OK(mms_range_lock(a, 0, 0, X, 0));
	ck_assert(!is_free(b, 5, 1));
	mms_close(a);
	a = NULL;
	ck_assert(is_free(b, 5, 1));
	close_both();
}
END_TEST

static const struct {
	uint64_t offset, len;
	int code;
} borders[] = {
	{0, 1, 0},
	{0, 0, 0},
	{1ULL << 31, 1, 0},
	{(1ULL << 32) - 1, 2, 0},
	{1ULL << 62, 1ULL << 62, 0},
	{1ULL << 62, (1ULL << 62) - 1, 0},
	{1ULL << 62, (1ULL << 62) + 1, -EFBIG},
	{0, END - 1, 0},
	{0, END, 0},
	{0, END + 1, -EFBIG},
	{1, END, -EFBIG},
	{END - 1, 0, 0},
	{END - 1, 1, 0},
	{END - 1, 2, -EFBIG},
	{END, 0, -EFBIG},
	{END, 1, -EFBIG},
	{UINT64_MAX, UINT64_MAX, -EFBIG},
	{5, UINT64_MAX, -EFBIG},
};

START_TEST(borders_of_ranges)
{
	uint64_t offset = borders[_i].offset, len = borders[_i].len;
	uint64_t last = len ? offset + len - 1 : END - 1;
	int code = borders[_i].code;

	open_both();
	ck_assert_int_eq(mms_range_lock(a, offset, len, X, 0), code);
	ck_assert_int_eq(mms_range_test(a, offset, len, X, NULL, NULL), code);
	if (code) {
		ck_assert_int_eq(mms_range_unlock(a, offset, len), code);
		ck_assert(is_free(b, 0, 0));
	} else {
		ck_assert(!is_free(b, offset, 1));
		ck_assert(!is_free(b, last, 1));
		ck_assert(!offset || is_free(b, 0, offset));
		ck_assert(last == END - 1 || is_free(b, last + 1, 0));
		T_ASSERT_OK(mms_range_unlock(a, offset, len));
		ck_assert(is_free(b, 0, 0));
	}
	close_both();
}
END_TEST

START_TEST(test_tells_what_is_in_the_way)
{
	uint64_t at = 7, len = 7;

	open_both();
	T_ASSERT_OK(mms_range_test(b, 0, 0, X, &at, &len));
	ck_assert_uint_eq(at, 7);
	ck_assert_uint_eq(len, 7);
	T_ASSERT_OK(mms_range_lock(a, 100, 50, S, 0));
	T_ASSERT_OK(mms_range_test(b, 0, 0, S, &at, &len));
	ck_assert_uint_eq(at, 7);
	ck_assert_int_eq(mms_range_test(b, 0, 0, X, &at, &len), -EAGAIN);
	ck_assert_uint_eq(at, 100);
	ck_assert_uint_eq(len, 50);
	ck_assert_int_eq(mms_range_test(b, 0, 0, X, NULL, NULL), -EAGAIN);
	T_ASSERT_OK(mms_range_test(a, 0, 0, X, &at, &len)); /* its own */
	T_ASSERT_OK(mms_range_lock(a, 1ULL << 62, 0, X, 0));
	ck_assert_int_eq(mms_range_test(b, 1000, 0, S, &at, &len), -EAGAIN);
	ck_assert_uint_eq(at, 1ULL << 62);
	ck_assert_uint_eq(len, 0);
	close_both();
}
END_TEST

START_TEST(wrong_arguments_and_modes)
{
	const enum mms_mode modes[] = {MMS_RDONLY, MMS_COW};

	open_both();
	ck_assert_int_eq(mms_range_lock(a, 0, 1, (enum mms_lock_kind)2, 0), -EINVAL);
	ck_assert_int_eq(mms_range_test(a, 0, 1, (enum mms_lock_kind)2, NULL, NULL), -EINVAL);
	ck_assert_int_eq(mms_range_lock(a, 0, 1, X, -2), -EINVAL);
	for (int i = 0; i < 2; i++) {
		const struct mms_file_options o = {.mode = modes[i]};
		struct mms_file *r = t_open(pool, t_path("f"), &o);

		ck_assert_int_eq(mms_range_lock(r, 0, 1, X, 0), -EBADF);
		ck_assert_int_eq(mms_range_test(r, 0, 1, X, NULL, NULL), -EBADF);
		T_ASSERT_OK(mms_range_lock(r, 0, 1, S, 0));
		ck_assert_int_eq(mms_range_lock(a, 0, 1, X, 0), -EAGAIN);
		T_ASSERT_OK(mms_range_unlock(r, 0, 1));
		ck_assert(is_free(a, 0, 1));
		mms_close(r);
	}
	close_both();
}
END_TEST

START_TEST(locks_from_before_an_upgrade)
{
	const char *path;
	struct mms_file *r;

	open_both();
	path = t_path("f");
	r = t_open(pool, path, NULL);
	T_ASSERT_OK(mms_range_lock(r, 0, 1, S, 0));
	T_ASSERT_OK(mms_upgrade(r, open(path, O_RDWR | O_CLOEXEC)));
	ck_assert_int_eq(mms_range_lock(r, 0, 1, X, 0), -EAGAIN);
	T_ASSERT_OK(mms_range_unlock(r, 0, 1));
	T_ASSERT_OK(mms_range_lock(r, 0, 1, X, 0));
	ck_assert(!is_free(a, 0, 1));
	T_ASSERT_OK(mms_range_unlock(r, 0, 1));
	ck_assert(is_free(a, 0, 1));
	mms_close(r);
	close_both();
}
END_TEST

/* ----------------------------------------------------------------- waiting */

START_TEST(a_limit_is_kept_by_polling)
{
	open_both();
	T_ASSERT_OK(mms_range_lock(a, 0, 1, X, 0));
	t_call[CALL_LOCK].made = 0;
	ck_assert_int_eq(mms_range_lock(b, 0, 1, X, 0), -EAGAIN);
	ck_assert_uint_eq(t_call[CALL_LOCK].made, 1);
	ck_assert_int_eq(mms_range_lock(b, 0, 1, X, 30), -ETIMEDOUT);
	ck_assert_uint_gt(t_call[CALL_LOCK].made, 3);
	/* More would be a busy loop: sleeps grow from 1 ms. */
	ck_assert_uint_lt(t_call[CALL_LOCK].made, 40);
	close_both();
}
END_TEST

static void *unlock_soon(void *arg)
{
	while (atomic_load(&t_call[CALL_LOCK].made) < 5)
		usleep(100);
	T_ASSERT_OK(mms_range_unlock(arg, 0, 1));
	return NULL;
}

START_TEST(a_lock_that_comes_free_is_got_by_the_poller)
{
	pthread_t thread;

	open_both();
	T_ASSERT_OK(mms_range_lock(a, 0, 1, X, 0));
	t_call[CALL_LOCK].made = 0;
	T_ASSERT_OK(pthread_create(&thread, NULL, unlock_soon, a));
	T_ASSERT_OK(mms_range_lock(b, 0, 1, X, 100000));
	T_ASSERT_OK(pthread_join(thread, NULL));
	ck_assert_uint_ge(t_call[CALL_LOCK].made, 5);
	ck_assert(!is_free(a, 0, 1));
	close_both();
}
END_TEST

static _Atomic int alarms;

static void on_alarm(int sig)
{
	(void)sig;
	atomic_fetch_add(&alarms, 1);
}

static void alarms_every_ms(unsigned ms)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	const struct itimerval timer = {.it_interval.tv_usec = ms * 1000,
					.it_value.tv_usec = ms * 1000};

	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void alarms_stop(void)
{
	const struct itimerval timer = {0};

	ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

START_TEST(a_signal_ends_an_endless_wait_only)
{
	open_both();
	T_ASSERT_OK(mms_range_lock(a, 0, 1, X, 0));
	alarms_every_ms(3);
	t_call[CALL_LOCK].made = 0;
	ck_assert_int_eq(mms_range_lock(b, 0, 1, X, -1), -EINTR);
	ck_assert_uint_eq(t_call[CALL_LOCK].made, 1);
	ck_assert_int_eq(mms_range_lock(b, 0, 1, X, 40), -ETIMEDOUT);
	ck_assert_int_ge(alarms, 1);
	alarms_stop();
	close_both();
}
END_TEST

/* --------------------------------------------------------------- processes */

/* A process that locks [0, 1) of the file and then hangs. */
static pid_t holder_process(const char *path, enum mms_lock_kind kind)
{
	int told[2];
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(told), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		struct mms_file *file = t_open(t_pool(20, 0, 0), path, &rdwr);

		c = mms_range_lock(file, 0, 1, kind, 0) ? 'n' : 'y';
		if (write(told[1], &c, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(told[0], &c, 1), 1);
	ck_assert_int_eq(c, 'y');
	close(told[0]);
	close(told[1]);
	return pid;
}

static void kill_and_wait(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(a_lock_ends_with_its_killed_holder)
{
	uint64_t at, len;
	pid_t pid;

	open_both();
	pid = holder_process(t_path("f"), X);
	ck_assert_int_eq(mms_range_lock(a, 0, 1, S, 0), -EAGAIN);
	ck_assert_int_eq(mms_range_test(a, 0, 0, S, &at, &len), -EAGAIN);
	ck_assert_uint_eq(at, 0);
	ck_assert_uint_eq(len, 1);
	ck_assert_int_eq(mms_range_lock(a, 0, 1, X, 20), -ETIMEDOUT);
	kill_and_wait(pid);
	T_ASSERT_OK(mms_range_lock(a, 0, 1, X, 0));
	close_both();
}
END_TEST

START_TEST(an_endless_wait_is_ended_by_the_holders_death)
{
	pid_t pid, killer;

	open_both();
	pid = holder_process(t_path("f"), X);
	killer = fork();
	if (!killer) {
		usleep(20000);
		kill(pid, SIGKILL);
		_exit(0);
	}
	t_call[CALL_LOCK].made = 0;
	T_ASSERT_OK(mms_range_lock(a, 0, 1, X, -1));
	ck_assert_uint_eq(t_call[CALL_LOCK].made, 1);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(waitpid(killer, NULL, 0), killer);
	close_both();
}
END_TEST

START_TEST(shared_by_two_processes)
{
	pid_t pid;

	open_both();
	pid = holder_process(t_path("f"), S);
	T_ASSERT_OK(mms_range_lock(a, 0, 1, S, 0));
	ck_assert_int_eq(mms_range_lock(a, 0, 1, X, 0), -EAGAIN);
	kill_and_wait(pid);
	T_ASSERT_OK(mms_range_lock(a, 0, 1, X, 0));
	close_both();
}
END_TEST

#define THREADS 4
#define ROUNDS 300

static _Atomic uint64_t inside, clashes;
static uint64_t counted; /* under the lock on byte 0; read when all have ended */

static void *locker(void *arg)
{
	struct mms_file *file = t_open(pool, arg, &rdwr);
	uint64_t n;

	for (int i = 0; i < ROUNDS; i++) {
		T_ASSERT_OK(mms_range_lock(file, 0, 1, X, i % 2 ? -1 : 100000));
		if (atomic_fetch_add(&inside, 1))
			atomic_fetch_add(&clashes, 1);
		__atomic_load(&counted, &n, __ATOMIC_RELAXED);
		n++;
		__atomic_store(&counted, &n, __ATOMIC_RELAXED);
		atomic_fetch_sub(&inside, 1);
		T_ASSERT_OK(mms_range_unlock(file, 0, 1));
	}
	mms_close(file);
	return NULL;
}

START_TEST(threads_with_openings_of_their_own)
{
	pthread_t threads[THREADS];
	char path[4096];

	open_both();
	snprintf(path, sizeof(path), "%s", t_path("f"));
	for (int i = 0; i < THREADS; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, locker, path));
	for (int i = 0; i < THREADS; i++)
		T_ASSERT_OK(pthread_join(threads[i], NULL));
	ck_assert_uint_eq(clashes, 0);
	ck_assert_uint_eq(counted, THREADS * ROUNDS);
	close_both();
}
END_TEST

static _Noreturn void count_in_file(const char *path)
{
	struct mms_file *file = t_open(t_pool(20, 0, 0), path, &rdwr);
	uint64_t n;

	for (int i = 0; i < ROUNDS; i++) {
		if (mms_range_lock(file, 0, 8, X, -1) || mms_read(file, &n, 8, 0) != 8)
			_exit(1);
		n++;
		if (mms_write(file, &n, 8, 0, 0) != 8 || mms_range_unlock(file, 0, 8))
			_exit(1);
	}
	_exit(0);
}

START_TEST(processes_add_up_in_a_file)
{
	pid_t pids[THREADS];
	uint64_t n = 0;

	open_both();
	ck_assert_int_eq(mms_write(a, &n, 8, 0, 0), 8);
	for (int i = 0; i < THREADS; i++) {
		pids[i] = fork();
		if (!pids[i])
			count_in_file(t_path("f"));
	}
	for (int i = 0; i < THREADS; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(mms_read(a, &n, 8, 0), 8);
	ck_assert_uint_eq(n, THREADS * ROUNDS);
	close_both();
}
END_TEST

START_TEST(failures_of_the_system)
{
	uint64_t at = 7, len = 7;

	open_both();
	T_ASSERT_OK(mms_range_lock(a, 0, 1, S, 0));
	for (int timeout = -1; timeout <= 1; timeout++) {
		t_fail(CALL_LOCK, -ENOLCK, 0, 1);
		ck_assert_int_eq(mms_range_lock(b, 0, 1, S, timeout), -ENOLCK);
	}
	t_fail(CALL_LOCK, -ENOLCK, 0, 1);
	ck_assert_int_eq(mms_range_unlock(a, 0, 1), -ENOLCK);
	ck_assert(!is_free(b, 0, 1));
	t_fail(CALL_LOCK_TEST, -EIO, 0, 1);
	ck_assert_int_eq(mms_range_test(b, 0, 1, X, &at, &len), -EIO);
	ck_assert_uint_eq(at, 7);
	ck_assert_uint_eq(len, 7);
	close_both();
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, two_openings_exclude_each_other);
	tcase_add_test(t, shared_locks_and_changes_of_kind);
	tcase_add_test(t, closing_ends_a_lock);
	tcase_add_loop_test(t, borders_of_ranges, 0, sizeof(borders) / sizeof(borders[0]));
	tcase_add_test(t, test_tells_what_is_in_the_way);
	tcase_add_test(t, wrong_arguments_and_modes);
	tcase_add_test(t, locks_from_before_an_upgrade);
	tcase_add_test(t, a_limit_is_kept_by_polling);
	tcase_add_test(t, a_lock_that_comes_free_is_got_by_the_poller);
	tcase_add_test(t, a_signal_ends_an_endless_wait_only);
	tcase_add_test(t, a_lock_ends_with_its_killed_holder);
	tcase_add_test(t, an_endless_wait_is_ended_by_the_holders_death);
	tcase_add_test(t, shared_by_two_processes);
	tcase_add_test(t, threads_with_openings_of_their_own);
	tcase_add_test(t, processes_add_up_in_a_file);
	tcase_add_test(t, failures_of_the_system);
}

int main(void)
{
	return t_run("range", add_tests);
}

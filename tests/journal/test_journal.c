/* SPDX-License-Identifier: MIT */
/* Proves what an open journal promises: shared flushes, no deadlock when full, and honest errors. */
#include "scene.h"

#include <pthread.h>

#define THREADS 16u
#define EACH 100u

static struct scene s;

static void set(void)
{
	scene_set(&s);
}

static void end(void)
{
	scene_end(&s);
}

static struct journal_stats stats(void)
{
	struct journal_stats st;

	journal_stats(s.j, &st);
	return st;
}

static void run_threads(unsigned n, void *(*run)(void *))
{
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < n; i++)
		T_OK(pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i));
	for (unsigned i = 0; i < n; i++)
		T_OK(pthread_join(threads[i], NULL));
}

/* ------------------------------------------------------------------- opening */

START_TEST(opens_and_is_empty)
{
	struct journal_options o = {.size = 1000};
	struct mms_error err;
	struct stat st;

	ck_assert_int_eq(journal_is_live(s.pool, &s.place, NULL), 0);
	ck_assert_int_eq(journal_open(s.pool, &s.place, &o, &s.j, &err), -EINVAL);
	scene_open(&s, 2 * MIB, true);
	T_OK(stat(s.dir, &st));
	ck_assert_uint_eq(st.st_mode & 07777, 0700);
	T_OK(stat(scene_path(&s, ".mmapfs/journal/log.1"), &st));
	ck_assert_int_eq(st.st_size, 1 * MIB);
	ck_assert_uint_ge((uint64_t)st.st_blocks * 512, 1 * MIB);
	T_OK(journal_close(s.j));
	ck_assert_int_eq(journal_is_live(s.pool, &s.place, NULL), 0);
	/* Of another size. */
	scene_open(&s, MIB, false);
	T_OK(stat(scene_path(&s, ".mmapfs/journal/log.1"), &st));
	ck_assert_int_eq(st.st_size, MIB / 2);
	ck_assert_uint_eq(stats().size_bytes, MIB);
	ck_assert_int_eq(journal_open(s.pool, &s.place, &(struct journal_options){.size = MIB},
				      &s.j, &err),
			 -EBUSY);
}
END_TEST

START_TEST(a_clean_end_leaves_nothing)
{
	struct journal_node a = scene_file(&s, "a", "x");
	struct mms_error err;
	struct journal *other;

	scene_open(&s, MIB, false);
	scene_data(&s, &a, 0, "text");
	ck_assert_int_eq(journal_is_live(s.pool, &s.place, NULL), 1);
	ck_assert_int_lt(journal_open(s.pool, &s.place, &(struct journal_options){.size = MIB},
				      &other, &err),
			 0);
	T_OK(journal_checkpoint(s.j));
	/* The half was durable before the other one was begun. */
	ck_assert_uint_eq(t_flushes, 1);
	ck_assert(!journal_has(s.j, &a));
	ck_assert_uint_eq(stats().live_records, 0);
	ck_assert_uint_eq(stats().checkpoints, 1);
	T_OK(journal_checkpoint(s.j));
	scene_data(&s, &a, 0, "text");
	T_OK(journal_close(s.j));
	s.j = NULL;
	ck_assert_int_eq(journal_is_live(s.pool, &s.place, NULL), 0);
}
END_TEST

START_TEST(the_interval_empties_it)
{
	const struct journal_options o = {.size = MIB, .interval_ms = 20};
	struct journal_node a = scene_file(&s, "a", "x");

	T_OK(journal_open(s.pool, &s.place, &o, &s.j, NULL));
	scene_data(&s, &a, 0, "text");
	for (unsigned i = 0; i < 500 && stats().live_records; i++)
		(void)usleep(10000);
	ck_assert_uint_eq(stats().live_records, 0);
}
END_TEST

START_TEST(path_elsewhere)
{
	char buf[4096];

	ck_assert_int_eq(journal_path_read(s.place.state_fd, buf), 0);
	T_OK(journal_path_write(s.place.state_fd, "/some/where"));
	T_OK(journal_path_write(s.place.state_fd, "/some/where else"));
	ck_assert_int_eq(journal_path_read(s.place.state_fd, buf), 1);
	ck_assert_str_eq(buf, "/some/where else");
	ck_assert_int_eq(journal_path_write(s.place.state_fd, "relative"), -EINVAL);
	T_OK(journal_path_write(s.place.state_fd, NULL));
	T_OK(journal_path_write(s.place.state_fd, NULL));
	ck_assert_int_eq(journal_path_read(s.place.state_fd, buf), 0);
	T_OK(symlink("/etc/passwd", scene_path(&s, ".mmapfs/journal.path")));
	ck_assert_int_lt(journal_path_read(s.place.state_fd, buf), 0);
}
END_TEST

START_TEST(too_long)
{
	static char text[200 * KIB];
	struct journal_node a = scene_file(&s, "a", "x");
	const struct journal_extent e = {0, sizeof(text), text};
	const struct journal_data d = {.size = 1, .extents = &e, .n_extents = 1};

	scene_open(&s, MIB, false);
	ck_assert_int_eq(journal_data(s.j, &a, &d, NULL), -EMSGSIZE);
	scene_data(&s, &a, 0, "text");
}
END_TEST

/* ------------------------------------------------------------------- threads */

static void *commit_some(void *arg)
{
	struct journal_node n = {.ino = (uintptr_t)arg + 1};

	for (unsigned i = 0; i < EACH; i++)
		T_OK(journal_commit(s.j, scene_data(&s, &n, i, "x")));
	return NULL;
}

START_TEST(commits_share_flushes)
{
	scene_open(&s, 4 * MIB, false);
	run_threads(THREADS, commit_some);
	ck_assert_uint_eq(stats().commits, THREADS * EACH);
	ck_assert_uint_gt(stats().flushes, 0);
	ck_assert_uint_lt(stats().flushes, THREADS * EACH);
	ck_assert_uint_eq(stats().live_records, THREADS * EACH + 1);
}
END_TEST

static _Atomic unsigned answered, refused;

static void count_answer(void *arg, int result)
{
	(void)arg;
	if (result)
		refused++;
	else
		answered++;
}

/* Half of them leave their commits to whoever flushes. */
static void *leave_some(void *arg)
{
	static const char text[100];
	struct journal_node n = {.ino = 100 + (uintptr_t)arg};
	const struct journal_extent e = {0, sizeof(text), text};
	const struct journal_data d = {.size = sizeof(text), .extents = &e, .n_extents = 1};

	for (unsigned i = 0; i < EACH; i++) {
		uint64_t seq;

		T_OK(journal_data(s.j, &n, &d, &seq));
		if ((uintptr_t)arg % 2)
			journal_commit_then(s.j, seq, count_answer, NULL);
		else
			T_OK(journal_commit(s.j, seq));
		if (i % 20 == 19)
			T_OK(journal_retire(s.j, &n, UINT64_MAX));
	}
	return NULL;
}

START_TEST(commits_that_are_left_are_answered)
{
	answered = refused = 0;
	scene_open(&s, 8 * MIB, false);
	run_threads(THREADS, leave_some);
	journal_settle(s.j);
	ck_assert_uint_eq(answered, THREADS / 2 * EACH);
	ck_assert_uint_eq(refused, 0);
	ck_assert_uint_lt(stats().flushes, THREADS * EACH);
}
END_TEST

static void *leave_one(void *arg)
{
	const struct journal_node n = {.ino = 100 + (uintptr_t)arg};

	if (!journal_truncate(s.j, &n, 5, NULL))
		journal_commit_then(s.j, UINT64_MAX, count_answer, NULL);
	else
		refused++;
	return NULL;
}

START_TEST(a_failed_flush_refuses_all_that_wait)
{
	answered = refused = 0;
	scene_open(&s, 8 * MIB, false);
	t_sync_result = -EIO;
	run_threads(THREADS, leave_one);
	journal_settle(s.j);
	ck_assert_uint_eq(answered, 0);
	ck_assert_uint_eq(refused, THREADS);
	t_sync_result = 0;
	(void)journal_close(s.j);
	s.j = NULL;
}
END_TEST

/* Much more than fits, of many files, with retires between. */
static void *write_much(void *arg)
{
	static char text[3001];
	struct journal_node n = {0};

	for (unsigned i = 0; i < 400; i++) {
		const struct journal_extent e = {0, 3000, text};
		const struct journal_data d = {.size = 3000, .extents = &e, .n_extents = 1};
		uint64_t seq;

		n.ino = (uintptr_t)arg * 1000 + i % 50;
		T_OK(journal_data(s.j, &n, &d, &seq));
		if (i % 7 == 0)
			T_OK(journal_commit(s.j, seq));
		if (i % 11 == 0)
			T_OK(journal_retire(s.j, &n, UINT64_MAX));
		if (i % 100 == 99)
			T_OK(journal_checkpoint(s.j));
	}
	return NULL;
}

START_TEST(full_while_threads_write)
{
	scene_open(&s, MIB, false);
	run_threads(8, write_much);
	ck_assert_uint_gt(stats().checkpoints, 5);
	ck_assert_int_eq(stats().broken, 0);
	T_OK(journal_checkpoint(s.j));
	ck_assert_uint_eq(stats().live_records, 0);
}
END_TEST

/* Files of one smallest record each take the most of the room that is kept back. */
START_TEST(full_of_many_files)
{
	scene_open(&s, MIB, false);
	for (uint64_t i = 1; i < 20000; i++) {
		struct journal_node n = {.ino = i};

		T_OK(journal_truncate(s.j, &n, i, NULL));
	}
	ck_assert_int_eq(stats().broken, 0);
}
END_TEST

/* ------------------------------------------------------------------- failures */

START_TEST(failed_flush)
{
	struct journal_node a = scene_file(&s, "a", "x"), b = scene_file(&s, "b", "x");
	uint64_t first;

	scene_open(&s, MIB, false);
	first = scene_data(&s, &a, 0, "first");
	T_OK(journal_commit(s.j, first));
	t_sync_result = -EIO;
	ck_assert_int_eq(journal_commit(s.j, scene_data(&s, &a, 0, "second")), -EIO);
	t_sync_result = 0;
	ck_assert_int_eq(journal_commit(s.j, UINT64_MAX), -EIO);
	T_OK(journal_commit(s.j, first));
	ck_assert_int_eq(journal_truncate(s.j, &a, 0, NULL), -EIO);
	ck_assert_int_eq(stats().broken, -EIO);
	/* All of BACKING was made durable, and the logs are gone. */
	T_OK(journal_retire(s.j, &a, UINT64_MAX));
	T_OK(journal_retire(s.j, &b, UINT64_MAX));
	ck_assert_int_eq(journal_is_live(s.pool, &s.place, NULL), 0);
	ck_assert_uint_eq(t_syncfs_calls, 1);
}
END_TEST

START_TEST(failed_flush_and_backing)
{
	struct journal_node a = scene_file(&s, "a", "x"), b = scene_file(&s, "b", "x");

	scene_open(&s, MIB, false);
	T_OK(journal_commit(s.j, scene_data(&s, &a, 0, "first")));
	t_sync_result = t_syncfs_result = -EIO;
	ck_assert_int_eq(journal_commit(s.j, scene_data(&s, &a, 0, "second")), -EIO);
	ck_assert_int_eq(journal_retire(s.j, &a, UINT64_MAX), -EIO);
	T_OK(journal_retire(s.j, &b, UINT64_MAX)); /* has none */
	ck_assert_int_eq(journal_checkpoint(s.j), -EIO);
	ck_assert_int_eq(journal_close(s.j), -EIO);
	s.j = NULL;
	ck_assert_int_eq(journal_is_live(s.pool, &s.place, NULL), 1);
}
END_TEST

START_TEST(failed_checkpoint)
{
	struct journal_node a = scene_file(&s, "a", ""), b = scene_file(&s, "b", "");
	struct journal_report report;

	scene_open(&s, MIB, false);
	T_OK(journal_commit(s.j, scene_data(&s, &a, 0, "aa")));
	T_OK(journal_commit(s.j, scene_data(&s, &b, 0, "bb")));
	t_syncfs_result = -EIO;
	ck_assert_int_eq(journal_checkpoint(s.j), -EIO);
	t_syncfs_result = 0;
	/* Not asked again: it would say that all is well. */
	ck_assert_int_eq(journal_checkpoint(s.j), -EIO);
	ck_assert_uint_eq(t_syncfs_calls, 1);
	ck_assert_int_eq(journal_truncate(s.j, &a, 0, NULL), -EIO);
	T_OK(journal_retire(s.j, &b, UINT64_MAX));
	ck_assert_int_eq(journal_close(s.j), -EIO);
	s.j = NULL;
	report = scene_replay(&s);
	ck_assert_uint_eq(report.applied_data, 1);
	ck_assert_uint_eq(report.retired, 1);
	scene_expect(&s, "a", "aa");
	scene_expect(&s, "b", "");
}
END_TEST

static uint64_t filled;

/* Files of one smallest record each, until nothing is taken any more. */
static void *fill(void *arg)
{
	int r = 0;

	(void)arg;
	while (!r) {
		struct journal_node node = {.ino = filled + 1};

		r = journal_truncate(s.j, &node, 1, NULL);
		filled += !r;
	}
	ck_assert_int_eq(r, -EIO);
	return NULL;
}

/* As many retires as there can be files, after a checkpoint has failed with both halves full. */
START_TEST(failed_checkpoint_with_many_files)
{
	pthread_t thread;

	scene_open(&s, MIB, false);
	t_hold_syncfs = true;
	t_syncfs_result = -EIO;
	filled = 0;
	T_OK(pthread_create(&thread, NULL, fill, NULL));
	while (!stats().waits_full)
		(void)usleep(1000);
	t_hold_syncfs = false;
	T_OK(pthread_join(thread, NULL));
	ck_assert_uint_gt(filled, 2000);
	for (uint64_t i = 1; i <= filled; i++) {
		struct journal_node node = {.ino = i};

		T_OK(journal_retire(s.j, &node, UINT64_MAX));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, set, end);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, opens_and_is_empty);
	tcase_add_test(tc, a_clean_end_leaves_nothing);
	tcase_add_test(tc, the_interval_empties_it);
	tcase_add_test(tc, path_elsewhere);
	tcase_add_test(tc, too_long);
	tcase_add_test(tc, commits_share_flushes);
	tcase_add_test(tc, commits_that_are_left_are_answered);
	tcase_add_test(tc, a_failed_flush_refuses_all_that_wait);
	tcase_add_test(tc, full_while_threads_write);
	tcase_add_test(tc, full_of_many_files);
	tcase_add_test(tc, failed_flush);
	tcase_add_test(tc, failed_flush_and_backing);
	tcase_add_test(tc, failed_checkpoint);
	tcase_add_test(tc, failed_checkpoint_with_many_files);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

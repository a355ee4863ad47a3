/* SPDX-License-Identifier: MIT */
/* Proves that what was acknowledged comes back, whatever cuts the replay, and that nothing else does. */
#include "scene.h"

static struct scene s;

static void set(void)
{
	scene_set(&s);
}

static void end(void)
{
	scene_end(&s);
}

/* ----------------------------------------------------------------- data */

/* Data that is in the journal and not in its file. */
static void write_some(struct scene *sc, void *arg)
{
	struct journal_node a = scene_node(sc, "a"), b = scene_node(sc, "b");

	(void)arg;
	scene_open(sc, MIB, false);
	scene_data(sc, &a, 0, "AAAA");
	scene_data(sc, &b, 2, "xx");
	scene_data(sc, &a, 2, "BBBB");
	T_OK(journal_truncate(sc->j, &b, 3, NULL));
	scene_data(sc, &b, 5, "yy");
	T_OK(journal_commit(sc->j, UINT64_MAX));
}

static void expect_some(void)
{
	struct stat st;

	scene_expect(&s, "a", "AABBBB");
	T_OK(stat(scene_path(&s, "b"), &st));
	ck_assert_int_eq(st.st_size, 7);
	ck_assert_int_eq(st.st_mtim.tv_sec, 1000000000);
	ck_assert_int_eq(st.st_mtim.tv_nsec, 5);
}

START_TEST(data_come_back)
{
	struct journal_report report;

	(void)scene_file(&s, "a", "");
	(void)scene_file(&s, "b", "0123456789");
	scene_crash(&s, write_some, NULL);
	ck_assert_int_eq(journal_is_live(s.pool, &s.place, NULL), 1);
	report = scene_replay(&s);
	ck_assert_uint_eq(report.applied_data, 5);
	ck_assert(!report.damaged && !report.same_mount);
	expect_some();
	/* Nothing is left. */
	report = scene_replay(&s);
	ck_assert_uint_eq(report.records, 0);
	scene_open(&s, MIB, false);
}
END_TEST

START_TEST(replay_may_be_cut_anywhere)
{
	for (int cut = 0; cut < 12; cut++) {
		struct journal_report report;

		(void)scene_file(&s, "a", "");
		(void)scene_file(&s, "b", "0123456789");
		scene_crash(&s, write_some, NULL);
		t_mount++;
		for (int again = 0; again < 2; again++) {
			t_steps = cut;
			(void)journal_replay(s.pool, &s.place, &report, NULL);
		}
		t_steps = -1;
		(void)scene_replay(&s);
		expect_some();
		T_OK(unlink(scene_path(&s, "a")));
		T_OK(unlink(scene_path(&s, "b")));
	}
}
END_TEST

START_TEST(nothing_is_replayed_on_the_same_mount)
{
	struct journal_report report;

	(void)scene_file(&s, "a", "newer");
	(void)scene_file(&s, "b", "");
	scene_crash(&s, write_some, NULL);
	T_OK(journal_replay(s.pool, &s.place, &report, NULL));
	ck_assert(report.same_mount);
	ck_assert_uint_ge(t_syncfs_calls, 1);
	scene_expect(&s, "a", "newer");
	ck_assert_int_eq(journal_is_live(s.pool, &s.place, NULL), 0);
}
END_TEST

START_TEST(finds_files_that_moved)
{
	struct journal_report report;

	for (int handles = 0; handles < 2; handles++) {
		s.place.handles = handles && geteuid() == 0;
		(void)scene_file(&s, "a", "");
		(void)scene_file(&s, "b", "");
		scene_crash(&s, write_some, NULL);
		T_OK(mkdir(scene_path(&s, "d"), 0700));
		T_OK(rename(scene_path(&s, "a"), scene_path(&s, "d/e")));
		T_OK(unlink(scene_path(&s, "b")));
		(void)scene_file(&s, "b", "another");
		report = scene_replay(&s);
		ck_assert_uint_eq(report.applied_data, 2);
		ck_assert_uint_eq(report.skipped_gone, 3);
		scene_expect(&s, "d/e", "AABBBB");
		scene_expect(&s, "b", "another");
		T_OK(unlink(scene_path(&s, "d/e")));
		T_OK(rmdir(scene_path(&s, "d")));
		T_OK(unlink(scene_path(&s, "b")));
	}
}
END_TEST

static void write_and_retire(struct scene *sc, void *arg)
{
	struct journal_node a = scene_node(sc, "a"), b = scene_node(sc, "b");
	uint64_t until;

	(void)arg;
	scene_open(sc, MIB, false);
	scene_data(sc, &a, 0, "old");
	scene_data(sc, &b, 0, "old");
	until = journal_position(sc->j);
	scene_data(sc, &b, 3, "new");
	ck_assert(journal_has(sc->j, &a));
	T_OK(journal_retire(sc->j, &a, UINT64_MAX));
	ck_assert(!journal_has(sc->j, &a));
	T_OK(journal_retire(sc->j, &b, until));
	ck_assert(journal_has(sc->j, &b));
	T_OK(journal_retire(sc->j, &a, UINT64_MAX)); /* costs nothing */
	T_OK(journal_commit(sc->j, UINT64_MAX));
}

START_TEST(retired_records_are_void)
{
	struct journal_report report;

	(void)scene_file(&s, "a", "synced");
	(void)scene_file(&s, "b", "syn");
	scene_crash(&s, write_and_retire, NULL);
	report = scene_replay(&s);
	ck_assert_uint_eq(report.retired, 2);
	scene_expect(&s, "a", "synced");
	scene_expect(&s, "b", "synnew");
}
END_TEST

static void write_long_ago(struct scene *sc, void *arg)
{
	const struct journal_options o = {.size = MIB, .interval_ms = 10};
	struct journal_node a = scene_node(sc, "a"), b = scene_node(sc, "b");

	(void)arg;
	t_hold_syncfs = true;
	T_OK(journal_open(sc->pool, &sc->place, &o, &sc->j, NULL));
	scene_data(sc, &a, 0, "AAAA");
	scene_data(sc, &b, 0, "BBBB");
	T_OK(journal_commit(sc->j, UINT64_MAX));
}

START_TEST(changed_files_are_put_aside)
{
	struct journal_report report;
	char command[256];

	(void)scene_file(&s, "a", "");
	(void)scene_file(&s, "b", "");
	scene_crash(&s, write_long_ago, NULL);
	(void)usleep(2300000);
	(void)scene_file(&s, "b", "changed by hand");
	report = scene_replay(&s);
	ck_assert_uint_eq(report.quarantined_files, 1);
	scene_expect(&s, "a", "AAAA");
	scene_expect(&s, "b", "changed by hand");
	(void)snprintf(command, sizeof(command), "ls %s | grep -q '^quarantine-'", s.dir);
	T_OK(system(command));
}
END_TEST

/* ---------------------------------------------------------------- damage */

struct log_bytes {
	unsigned char *mem;
	size_t len;
	char path[JOURNAL_PATH_MAX];
};

/* The half that has records. */
static struct log_bytes slurp(void)
{
	struct half halves[JOURNAL_HALVES];
	struct log_bytes b = {0};
	FILE *f;

	T_OK(halves_look(s.pool, &s.place, halves, NULL));
	ck_assert(half_is_live(&halves[0]));
	(void)snprintf(b.path, sizeof(b.path), "%s", halves[0].path);
	b.len = halves[0].found.end;
	b.mem = malloc(b.len);
	f = fopen(b.path, "r");
	ck_assert_uint_eq(fread(b.mem, 1, b.len, f), b.len);
	(void)fclose(f);
	return b;
}

static void put(const struct log_bytes *b)
{
	FILE *f = fopen(b->path, "r+");

	ck_assert_uint_eq(fwrite(b->mem, 1, b->len, f), b->len);
	T_OK(fclose(f));
}

/* Two records, each committed. */
static void write_two(struct scene *sc, void *arg)
{
	struct journal_node a = scene_node(sc, "a");

	(void)arg;
	scene_open(sc, MIB, false);
	scene_data(sc, &a, 0, "one");
	T_OK(journal_commit(sc->j, UINT64_MAX));
	scene_data(sc, &a, 3, "two");
	T_OK(journal_commit(sc->j, UINT64_MAX));
}

START_TEST(damaged_bytes)
{
	struct log_bytes good;
	size_t first = 64 + 128, second, used;

	(void)scene_file(&s, "a", "");
	scene_crash(&s, write_two, NULL);
	good = slurp();
	second = first + (good.len - first) / 2;
	used = 64 + good.mem[first];
	/* Each byte of both headers and payloads; not what pads them. */
	for (size_t at = first; at < second + used; at++) {
		struct journal_report report;

		if (at >= first + used && at < second)
			continue;
		(void)scene_file(&s, "a", "");
		good.mem[at] ^= 0x55;
		put(&good);
		good.mem[at] ^= 0x55;
		report = scene_replay(&s);
		/* The first was acknowledged before the second was written; of the second nothing
		 * says that it was. */
		ck_assert_msg(report.damaged == (at < second), "byte %zu", at);
		scene_expect(&s, "a", at < second ? "" : "one");
		ck_assert(at >= second || t_said[JOURNAL_ERROR] > 0);
	}
	free(good.mem);
}
END_TEST

/* So many that both halves are in use. */
static void write_two_halves(struct scene *sc, void *arg)
{
	struct journal_node a = scene_node(sc, "a");
	static char text[20001];
	char digit[] = "0";

	(void)arg;
	memset(text, 'z', sizeof(text) - 1);
	t_hold_syncfs = true;
	scene_open(sc, MIB, false);
	for (unsigned i = 0; i < 30; i++) {
		digit[0] = (char)('0' + i % 10);
		scene_data(sc, &a, 30000, text);
		scene_data(sc, &a, i, digit);
	}
	T_OK(journal_commit(sc->j, UINT64_MAX));
}

START_TEST(two_halves)
{
	struct half halves[JOURNAL_HALVES];
	struct journal_report report;
	char buf[31];
	FILE *f;

	(void)scene_file(&s, "a", "");
	scene_crash(&s, write_two_halves, NULL);
	T_OK(halves_look(s.pool, &s.place, halves, NULL));
	ck_assert(half_is_live(&halves[0]) && half_is_live(&halves[1]));
	ck_assert_uint_eq(halves[0].found.next_sequence, halves[1].found.first_sequence);
	report = scene_replay(&s);
	ck_assert_uint_eq(report.applied_data, 60);
	f = fopen(scene_path(&s, "a"), "r");
	ck_assert_ptr_nonnull(fgets(buf, sizeof(buf), f));
	(void)fclose(f);
	ck_assert_str_eq(buf, "012345678901234567890123456789");
}
END_TEST

/* A half that is left when the other one has been emptied must be the younger one: it says last what
 * is at an offset that both write. */
static void overwrite(struct scene *sc, void *arg)
{
	struct journal_node a = scene_node(sc, "a");
	static char text[30001];

	(void)arg;
	memset(text, 'z', sizeof(text) - 1);
	t_hold_syncfs = true;
	scene_open(sc, MIB, false);
	scene_data(sc, &a, 0, "old");
	for (unsigned i = 0; i < 20; i++)
		scene_data(sc, &a, 100, text);
	scene_data(sc, &a, 0, "new");
	T_OK(journal_commit(sc->j, UINT64_MAX));
}

START_TEST(cut_between_the_halves)
{
	/* Before the end, each half, and after the last. */
	for (int cut = 22; cut < 28; cut++) {
		struct journal_report report;
		char buf[4] = "";
		FILE *f;

		(void)scene_file(&s, "a", "");
		scene_crash(&s, overwrite, NULL);
		t_mount++;
		t_steps = cut;
		(void)journal_replay(s.pool, &s.place, &report, NULL);
		t_steps = -1;
		(void)scene_replay(&s);
		f = fopen(scene_path(&s, "a"), "r");
		ck_assert_uint_eq(fread(buf, 1, 3, f), 3);
		(void)fclose(f);
		ck_assert_str_eq(buf, "new");
	}
}
END_TEST

/* The older half ends in a torn record, although the younger one says that it was whole. */
START_TEST(damage_in_the_older_half)
{
	struct half halves[JOURNAL_HALVES];
	struct journal_report report;
	char command[256];
	FILE *f;

	(void)scene_file(&s, "a", "");
	scene_crash(&s, write_two_halves, NULL);
	T_OK(halves_look(s.pool, &s.place, halves, NULL));
	f = fopen(halves[0].path, "r+");
	T_OK(fseek(f, (long)halves[0].found.end - 200, SEEK_SET));
	for (unsigned i = 0; i < 200; i++)
		ck_assert_int_ge(fputc(0x77, f), 0);
	T_OK(fclose(f));
	report = scene_replay(&s);
	ck_assert(report.damaged);
	ck_assert_uint_lt(report.applied_data, 60);
	(void)snprintf(command, sizeof(command), "test $(ls %s | grep -c '^damaged-') = 2", s.dir);
	T_OK(system(command));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("replay");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, set, end);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, data_come_back);
	tcase_add_test(tc, replay_may_be_cut_anywhere);
	tcase_add_test(tc, nothing_is_replayed_on_the_same_mount);
	tcase_add_test(tc, finds_files_that_moved);
	tcase_add_test(tc, retired_records_are_void);
	tcase_add_test(tc, changed_files_are_put_aside);
	tcase_add_test(tc, damaged_bytes);
	tcase_add_test(tc, two_halves);
	tcase_add_test(tc, cut_between_the_halves);
	tcase_add_test(tc, damage_in_the_older_half);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* SPDX-License-Identifier: MIT */
/* Proves what each damaged log under tests/data/log comes to, in check, open and reader. */
#include "logs.h"

#include <dirent.h>
#include <sys/stat.h>

#define AT_MOST UINT64_MAX

/* What the log holds, where its preamble is good. */
struct expected {
	const char *name;
	int preamble; /* or how opening it fails */
	int damage;
	uint64_t records, next, strays;
	bool torn;
	int reader; /* what the reader says at the end, where it is not the damage */
};

#define OK(name, records, next)                        \
	{                                              \
		name, 0, 0, records, next, 0, false, 0 \
	}
#define PREAMBLE(name, code)                      \
	{                                         \
		name, -code, 0, 0, 0, 0, false, 0 \
	}
#define TORN(name, code, reader)                      \
	{                                             \
		name, 0, -code, 2, 3, 0, true, reader \
	}
#define STRAYS(name, code, records, strays, reader)                        \
	{                                                                  \
		name, 0, -code, records, records + 1, strays, true, reader \
	}

static const struct expected table[] = {
	OK("ok-empty", 0, 1),
	OK("ok-three-records", 3, 4),
	OK("ok-empty-payloads", 2, 3),
	OK("ok-zeros-follow", 3, 4),
	OK("ok-zeros-follow-unaligned", 3, 4),
	OK("ok-first-sequence-1000", 2, 1002),
	OK("ok-last-padding-cut", 2, 3),
	OK("ok-last-sequence", 1, UINT64_MAX),
	PREAMBLE("preamble-empty-file", MMS_ETRUNCATED),
	PREAMBLE("preamble-short-of-header", MMS_ETRUNCATED),
	PREAMBLE("preamble-short-of-covered", MMS_ETRUNCATED),
	PREAMBLE("preamble-bad-magic", MMS_EMAGIC),
	PREAMBLE("preamble-bad-version-0", MMS_EVERSION),
	PREAMBLE("preamble-bad-version-2", MMS_EVERSION),
	PREAMBLE("preamble-bad-checksum", MMS_ECHECKSUM),
	PREAMBLE("preamble-reserved-set", MMS_ECORRUPT),
	PREAMBLE("preamble-first-sequence-0", MMS_ECORRUPT),
	PREAMBLE("preamble-first-sequence-max", MMS_ECORRUPT),
	PREAMBLE("preamble-tail-set", MMS_ECORRUPT),
	TORN("torn-flag-clear", MMS_ETRUNCATED, 0),
	TORN("torn-header-cut", MMS_ETRUNCATED, 0),
	TORN("torn-header-one-byte", MMS_ETRUNCATED, 0),
	TORN("torn-payload-cut", MMS_ETRUNCATED, -MMS_ETRUNCATED),
	TORN("torn-payload-one-byte-short", MMS_ETRUNCATED, -MMS_ETRUNCATED),
	TORN("torn-payload-zeroed", MMS_ECHECKSUM, -MMS_ECHECKSUM),
	TORN("torn-payload-changed", MMS_ECHECKSUM, -MMS_ECHECKSUM),
	TORN("torn-header-changed", MMS_ECHECKSUM, -MMS_ECHECKSUM),
	TORN("torn-header-zeroed", MMS_ECHECKSUM, 0),
	TORN("torn-garbage", MMS_ECHECKSUM, -MMS_ECHECKSUM),
	{"torn-one-byte-far-behind", 0, -MMS_ECHECKSUM, 3, 4, 0, true, 0},
	TORN("header-length-over-maximum", MMS_ECORRUPT, -MMS_ECORRUPT),
	TORN("header-length-4g", MMS_ECORRUPT, -MMS_ECORRUPT),
	TORN("header-length-past-end", MMS_ETRUNCATED, -MMS_ETRUNCATED),
	TORN("header-unknown-flag", MMS_ECORRUPT, -MMS_ECORRUPT),
	TORN("header-reserved-set", MMS_ECORRUPT, -MMS_ECORRUPT),
	TORN("header-zeros-set", MMS_ECORRUPT, -MMS_ECORRUPT),
	TORN("sequence-repeated", MMS_ECORRUPT, -MMS_ECORRUPT),
	TORN("sequence-lower", MMS_ECORRUPT, -MMS_ECORRUPT),
	{"sequence-max", 0, -MMS_ECORRUPT, 1, UINT64_MAX, 0, true, -MMS_ECORRUPT},
	TORN("other-log-record", MMS_ECHECKSUM, -MMS_ECHECKSUM),
	TORN("other-log-empty-record", MMS_ECHECKSUM, -MMS_ECHECKSUM),
	TORN("other-log-in-torn-payload", MMS_ECHECKSUM, -MMS_ECHECKSUM),
	STRAYS("strays-sequence-jump", MMS_ECORRUPT, 2, 1, -MMS_ECORRUPT),
	STRAYS("strays-payload-changed", MMS_ECHECKSUM, 1, 2, -MMS_ECHECKSUM),
	STRAYS("strays-header-changed", MMS_ECHECKSUM, 1, 2, -MMS_ECHECKSUM),
	STRAYS("strays-header-zeroed", MMS_ECHECKSUM, 1, 2, 0),
	STRAYS("strays-record-zeroed", MMS_ECHECKSUM, 1, 2, 0),
	STRAYS("strays-flag-cleared", MMS_ETRUNCATED, 1, 2, 0),
	STRAYS("strays-first-record-changed", MMS_ECHECKSUM, 0, 2, -MMS_ECHECKSUM),
	STRAYS("strays-far-behind", MMS_ECHECKSUM, 2, 1, -MMS_ECHECKSUM),
	STRAYS("strays-two-gaps", MMS_ECHECKSUM, 1, 2, -MMS_ECHECKSUM),
	STRAYS("strays-one-damaged-too", MMS_ECHECKSUM, 1, 1, -MMS_ECHECKSUM),
	/* Not all of its payloads are read in vain: what is left unread counts. */
	{"strays-overlapping-claims", 0, -MMS_ECHECKSUM, 0, 1, AT_MOST, true, -MMS_ECHECKSUM},
};

#define ROWS (sizeof(table) / sizeof(table[0]))

static const char *corpus(void)
{
	static char path[4096];
	const char *top = getenv("TOP_SRCDIR");

	snprintf(path, sizeof(path), "%s/tests/data/log", top ? top : ".");
	return path;
}

static struct t_bytes load(const char *name)
{
	char path[4400];

	snprintf(path, sizeof(path), "%s/%s", corpus(), name);
	return t_slurp(path);
}

static void found_is(const struct mms_log_recovery *f, const struct expected *e)
{
	ck_assert_msg(f->damage == e->damage, "%s: damage is %x", e->name, (unsigned)-f->damage);
	ck_assert_msg(f->records == e->records, "%s: %llu records", e->name,
		      (unsigned long long)f->records);
	ck_assert_msg(f->next_sequence == e->next, "%s: next", e->name);
	ck_assert_msg(e->strays == AT_MOST ? f->strays > 0 : f->strays == e->strays,
		      "%s: %llu strays", e->name, (unsigned long long)f->strays);
	ck_assert_msg((f->torn_bytes > 0) == e->torn, "%s: torn", e->name);
	ck_assert_uint_eq(f->end % 64, 0);
}

static void reader_finds(struct mms_pool *pool, const char *path, const struct expected *e,
			 int at_end)
{
	struct mms_log_reader *reader = t_log_reader(pool, path);
	struct mms_record record = {.offset = 77};
	uint64_t n = 0;
	int r;

	while ((r = mms_log_next(reader, &record)) == 1)
		n++;
	ck_assert_msg(n == e->records, "%s: %llu read", e->name, (unsigned long long)n);
	ck_assert_msg(r == at_end, "%s: reader ends with %d", e->name, r);
	mms_log_reader_close(reader);
}

static void opens(struct mms_pool *pool, const char *path, const struct expected *e,
		  const struct t_bytes *before)
{
	struct mms_log_options o = {.sync = MMS_SYNC_NEVER, .flags = MMS_LOG_MUST_EXIST};
	struct mms_log_recovery found = {0};
	struct mms_error err;
	struct mms_log *log = NULL;
	struct t_bytes after;
	int r;

	r = mms_log_open(pool, path, &o, &log, &found, &err);
	found_is(&found, e);
	if (e->strays) {
		ck_assert_int_eq(r, e->damage);
		ck_assert_ptr_nonnull(strstr(err.hint, "MMS_LOG_CUT_STRAYS"));
		ck_assert_ptr_null(log);
		after = t_slurp(path);
		ck_assert_uint_eq(after.len, before->len);
		ck_assert_int_eq(memcmp(after.mem, before->mem, after.len), 0);
		free(after.mem);
		o.flags |= MMS_LOG_CUT_STRAYS;
		r = mms_log_open(pool, path, &o, &log, &found, &err);
	}
	ck_assert_int_eq(r, 0);
	ck_assert_uint_eq(mms_log_next_sequence(log), e->next);
	if (e->next == UINT64_MAX) {
		ck_assert_int_eq(mms_log_append(log, 1, "x", 1, NULL), -EOVERFLOW);
		ck_assert_int_eq(mms_log_append(log, 1, "x", 1, NULL), -EOVERFLOW);
	} else {
		T_ASSERT_OK(mms_log_append(log, 1, "x", 1, NULL));
	}
	T_ASSERT_OK(mms_log_close(log));
	found = t_log_check(pool, path);
	ck_assert_uint_eq(found.records, e->records + (e->next != UINT64_MAX));
	ck_assert_int_eq(found.damage, 0);
}

static void try_one(struct mms_pool *pool, const struct expected *e)
{
	const char *path = t_path("copy");
	struct t_bytes b = load(e->name);
	struct mms_log_recovery found = {.records = 77};
	struct mms_log_reader *reader = NULL;
	struct mms_log *log = NULL;
	struct mms_error err;

	t_dump(path, b.mem, b.len);
	ck_assert_msg(mms_log_check(pool, path, &found, &err) == e->preamble, "%s", e->name);
	if (e->preamble) {
		ck_assert_int_eq(err.code, e->preamble);
		ck_assert_uint_eq(found.records, 77);
		ck_assert_int_eq(mms_log_open(pool, path, NULL, &log, &found, &err), e->preamble);
		ck_assert_int_eq(mms_log_reader_open(pool, path, &reader, &err), e->preamble);
		ck_assert_uint_eq(found.records, 77);
		ck_assert_ptr_null(log);
		ck_assert_ptr_null(reader);
	} else {
		found_is(&found, e);
		reader_finds(pool, path, e, e->reader);
		opens(pool, path, e, &b);
	}
	free(b.mem);
}

START_TEST(each_file)
{
	struct mms_pool *pool = t_pool(20, 0, 0);

	for (size_t i = 0; i < ROWS; i++)
		try_one(pool, &table[i]);
	/* And without a mapping. */
	t_fail(CALL_MMAP, -ENODEV, 0, -1);
	for (size_t i = 0; i < ROWS; i++)
		try_one(pool, &table[i]);
	mms_pool_free(pool);
}
END_TEST

/* No file is there that nobody expects anything of. */
START_TEST(no_file_is_left_out)
{
	DIR *d = opendir(corpus());
	struct dirent *entry;
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	while ((entry = readdir(d))) {
		size_t i = 0;

		if (entry->d_name[0] == '.')
			continue;
		while (i < ROWS && strcmp(table[i].name, entry->d_name) != 0)
			i++;
		ck_assert_msg(i < ROWS, "%s is not in the table", entry->d_name);
		n++;
	}
	closedir(d);
	ck_assert_uint_eq(n, ROWS);
}
END_TEST

/* Headers that each claim the rest of the file must not make the work grow with its square. */
START_TEST(work_is_bounded)
{
	struct mms_pool *pool = t_pool(20, 0, 0);
	struct t_bytes b = load("strays-overlapping-claims");
	struct mms_log_recovery found;

	t_dump(t_path("f"), b.mem, b.len);
	atomic_store(&t_call[CALL_PREAD].made, 0);
	found = t_log_check(pool, t_path("f"));
	ck_assert_uint_gt(found.strays, 0);
	ck_assert_uint_lt(t_call[CALL_PREAD].made, 40);
	free(b.mem);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, each_file);
	tcase_add_test(t, no_file_is_left_out);
	tcase_add_test(t, work_is_bounded);
}

int main(void)
{
	return t_run("log_corpus", add_tests);
}

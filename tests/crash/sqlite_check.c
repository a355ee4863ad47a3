/* SPDX-License-Identifier: MIT */
#include "sqlite.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifdef HAVE_SQLITE3

#include <sqlite3.h>

static char text[300];

/* The first column of the first row as a number; -1: text says what went wrong. */
static int64_t ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;
	int64_t value = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		value = sqlite3_column_int64(s, 0);
	else
		snprintf(text, sizeof(text), "%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_finalize(s);
	return value;
}

static bool whole(sqlite3 *db)
{
	sqlite3_stmt *s;
	bool ok = false;

	if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW) {
		const char *verdict = (const char *)sqlite3_column_text(s, 0);

		ok = verdict && strcmp(verdict, "ok") == 0;
		snprintf(text, sizeof(text), "integrity_check: %.200s", verdict ? verdict : "?");
	} else {
		snprintf(text, sizeof(text), "integrity_check: %s", sqlite3_errmsg(db));
	}
	sqlite3_finalize(s);
	return ok;
}

/* Each row as its transaction wrote it: a transaction is there wholly or not at all. */
static const char *consistent(sqlite3 *db, uint32_t from, uint32_t to)
{
	int64_t n = ask(db, "SELECT count(*) FROM t"), last, slots, wrong = 0;
	char sql[300];

	if (n < 0)
		return text;
	last = ask(db, "SELECT coalesce(max(n), 0) FROM t");
	slots = ask(db, "SELECT coalesce(max(n), 0) FROM slot");
	if (n < from || n > to || last != n || slots != n) {
		snprintf(text, sizeof(text),
			 "%lld rows up to %lld, slots up to %lld, where %u to %u must be",
			 (long long)n, (long long)last, (long long)slots, from, to);
		return text;
	}
	for (int64_t i = 1; i <= n && !wrong; i++) {
		snprintf(sql, sizeof(sql), "SELECT length(v) = %d FROM t WHERE n = %lld",
			 sqlite_payload((uint32_t)i), (long long)i);
		wrong = ask(db, sql) == 1 ? 0 : i;
	}
	for (int64_t k = n < SQLITE_SLOTS ? 1 : n - SQLITE_SLOTS + 1; k <= n && !wrong; k++) {
		snprintf(sql, sizeof(sql), "SELECT n = %lld FROM slot WHERE k = %lld", (long long)k,
			 (long long)(k % SQLITE_SLOTS));
		wrong = ask(db, sql) == 1 ? 0 : k;
	}
	if (wrong)
		snprintf(text, sizeof(text), "what transaction %lld wrote is wrong",
			 (long long)wrong);
	return wrong ? text : NULL;
}

const char *sqlite_check(const char *dir, uint32_t from, uint32_t to)
{
	const char *wrong = text;
	char path[PATH_MAX];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/%s", dir, SQLITE_FILE);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		snprintf(text, sizeof(text), "open: %s", sqlite3_errmsg(db));
	else if (whole(db))
		wrong = consistent(db, from, to);
	sqlite3_close(db);
	return wrong;
}

#else

const char *sqlite_check(const char *dir, uint32_t from, uint32_t to)
{
	(void)dir;
	(void)from;
	(void)to;
	return "built without SQLite";
}

#endif

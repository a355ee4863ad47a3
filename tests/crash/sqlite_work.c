/* SPDX-License-Identifier: MIT */
/* Transactions of a database: see sqlite.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notes.h"
#include "sqlite.h"
#include "util.h"
#include "work.h"

#ifdef HAVE_SQLITE3

#include <sqlite3.h>

static void command(sqlite3 *db, const char *sql)
{
	char *message = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK)
		return;
	errno = EIO;
	die("%s: %s", sql, message);
}

static void create(sqlite3 *db)
{
	char sql[100];

	snprintf(sql, sizeof(sql), "PRAGMA journal_mode=%s", job.journal);
	command(db, sql);
	snprintf(sql, sizeof(sql), "PRAGMA synchronous=%s", job.sync);
	command(db, sql);
	/* So that there are checkpoints between the transactions. */
	command(db, "PRAGMA wal_autocheckpoint=40");
	command(db, "BEGIN; CREATE TABLE t(n INTEGER PRIMARY KEY, v BLOB);"
		    "CREATE TABLE slot(k INTEGER PRIMARY KEY, n INTEGER); COMMIT");
}

static void transaction(sqlite3 *db, uint32_t n)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
		 "BEGIN; INSERT INTO t VALUES(%u, zeroblob(%d));"
		 "INSERT OR REPLACE INTO slot VALUES(%u, %u); COMMIT",
		 n, sqlite_payload(n), n % SQLITE_SLOTS, n);
	command(db, sql);
}

/*
 * synchronous=FULL does not sync the directory after the journal was removed:
 * with journal=delete the last transaction may be rolled back, as SQLite's
 * documentation says. The next one makes it durable.
 */
static uint32_t promised(uint32_t n)
{
	bool late = strcmp(job.journal, "delete") == 0 && strcmp(job.sync, "full") == 0 &&
		    job.ack != ACK_WRITE;

	return late && n ? n - 1 : n;
}

void sqlite_run(void)
{
	double deadline = now_seconds() + job.seconds;
	char path[PATH_MAX];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/%s", job.dir, SQLITE_FILE);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		die("%s", path);
	notes_add(NOTE_TXN, 0, 2, 0, 0, 0);
	create(db);
	transaction(db, 1);
	transaction(db, 2);
	notes_add(NOTE_TXN_ACK, 0, promised(2), 0, 0, 0);
	notes_add(NOTE_BEGIN, 0, 0, 0, 0, 0);
	for (uint32_t n = 3; n < job.steps && now_seconds() < deadline; n++) {
		notes_add(NOTE_TXN, 0, n, 0, 0, 0);
		transaction(db, n);
		notes_add(NOTE_TXN_ACK, 0, promised(n), 0, 0, 0);
	}
	notes_add(NOTE_END, 0, 0, 0, 0, 0);
	sqlite3_close(db);
}

#else

void sqlite_run(void)
{
	errno = ENOSYS;
	die("built without SQLite");
}

#endif

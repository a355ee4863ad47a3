/* SPDX-License-Identifier: MIT */
/*
 * modes.c - one file, opened in each way that libmmapstore knows
 *
 *	cc modes.c $(pkg-config --cflags --libs mmapstore) -o modes && ./modes [DIRECTORY]
 *
 * Makes a file in DIRECTORY (a temporary one without it), then opens it
 * read-only, for reading and writing, and copy-on-write; in windows and
 * whole; asks for huge pages, locked memory and DAX, and prints what was
 * granted, and why not. Last, a syncer makes what is written durable in the
 * background.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mmapstore.h>

#define MIB (1024ULL * 1024)
#define FILE_BYTES (5 * MIB)

static const char greeting[] = "hello, mapped world";

/* Prints what failed, and gives up: a program that can go on would look at
 * err.code instead. */
static void check(int code, const struct mms_error *err)
{
	char text[600];

	if (code >= 0)
		return;
	fprintf(stderr, "modes: %s\n", mms_error_format(err, text, sizeof(text)));
	exit(EXIT_FAILURE);
}

/* For calls that give a code only. */
static void check_code(long code, const char *what)
{
	char text[128];

	if (code >= 0)
		return;
	fprintf(stderr, "modes: %s: %s\n", what, mms_strerror((int)code, text, sizeof(text)));
	exit(EXIT_FAILURE);
}

static struct mms_file *open_as(struct mms_pool *pool, const char *path,
				const struct mms_file_options *options)
{
	struct mms_error err;
	struct mms_file *file;

	check(mms_open(pool, path, options, &file, &err), &err);
	return file;
}

static void print_text(struct mms_file *file, const char *who)
{
	char text[sizeof(greeting)] = "";

	check_code(mms_read(file, text, sizeof(text) - 1, 0), "reading");
	printf("  %-22s \"%s\"\n", who, text);
}

/* ----------------------------------------------------------------- modes */

static void show_modes(struct mms_pool *pool, const char *path)
{
	const struct mms_file_options rdwr = {.mode = MMS_RDWR};
	const struct mms_file_options cow = {.mode = MMS_COW};
	struct mms_file *reader = open_as(pool, path, NULL);
	struct mms_file *writer = open_as(pool, path, &rdwr);
	struct mms_file *copy = open_as(pool, path, &cow);
	char text[128];

	puts("modes:");
	check_code(mms_write(writer, greeting, sizeof(greeting) - 1, 0, 0), "writing");
	print_text(reader, "read-only sees");
	check_code(mms_write(copy, "HELLO", 5, 0, 0), "writing privately");
	print_text(copy, "copy-on-write sees");
	print_text(reader, "read-only still sees");
	printf("  %-22s %s\n", "writing read-only:",
	       mms_strerror((int)mms_write(reader, "x", 1, 0, 0), text, sizeof(text)));
	check_code(mms_sync(writer, 0, 0, 0), "syncing");
	check_code(mms_close(copy), "closing");
	check_code(mms_close(writer), "closing");
	check_code(mms_close(reader), "closing");
}

/* ------------------------------------------------------ windows and whole */

/* How far one address reaches: to the end of a window, or of the file. */
static void print_reach(struct mms_file *file, const char *how)
{
	struct mms_pin pin;

	check_code(mms_pin(file, 0, FILE_BYTES, 0, &pin), "pinning");
	printf("  %-22s one address reaches over %llu of %llu bytes\n", how,
	       (unsigned long long)pin.len, (unsigned long long)FILE_BYTES);
	mms_unpin(&pin);
}

static void show_windows(struct mms_pool *pool, const char *path)
{
	const struct mms_file_options whole = {.want = MMS_WANT_FULL};
	struct mms_file *file = open_as(pool, path, NULL);

	puts("mappings:");
	print_reach(file, "in windows:");
	check_code(mms_close(file), "closing");
	file = open_as(pool, path, &whole);
	print_reach(file, "whole:");
	check_code(mms_close(file), "closing");
}

/* ------------------------------------------------------------ what is had */

static void print_granted(struct mms_file *file, unsigned want, const char *name)
{
	struct mms_error why;
	char text[600];
	int granted = mms_granted(file, want, &why);

	printf("  %-22s %s\n", name,
	       granted > 0    ? "granted"
	       : granted == 0 ? "not wanted"
			      : mms_error_format(&why, text, sizeof(text)));
}

static void show_wants(struct mms_pool *pool, const char *path)
{
	const struct mms_file_options all = {
		.mode = MMS_RDWR,
		.advice = MMS_ADVICE_RANDOM,
		.preload = MMS_PRELOAD_POPULATE,
		.want = MMS_WANT_FULL | MMS_WANT_HUGE | MMS_WANT_LOCKED | MMS_WANT_DAX,
	};
	struct mms_file *file = open_as(pool, path, &all);
	struct mms_error err;

	puts("wanted:");
	print_granted(file, MMS_WANT_FULL, "the whole file:");
	print_granted(file, MMS_WANT_HUGE, "huge pages:");
	print_granted(file, MMS_WANT_LOCKED, "locked into memory:");
	print_granted(file, MMS_WANT_DAX, "DAX:");
	/* A part can be locked by itself, for as long as it is needed. */
	if (mms_lock_memory(file, 0, 4096, &err) == 0) {
		puts("  the first page:        locked by itself");
		check_code(mms_unlock_memory(file, 0, 4096), "unlocking");
	} else {
		char text[600];

		printf("  the first page:        %s\n", mms_error_format(&err, text, sizeof(text)));
	}
	/* Settings are for all mappings of the file, now and later. */
	check_code(mms_advise(file, 0, 0, MMS_ADVICE_DONTDUMP), "leaving it out of core dumps");
	check_code(mms_close(file), "closing");
}

/* ----------------------------------------------------------------- syncer */

static void synced(struct mms_file *file, void *cookie, int result)
{
	atomic_int *n = cookie;

	(void)file;
	if (result == 0)
		atomic_fetch_add(n, 1);
}

static void show_syncer(struct mms_pool *pool, const char *path)
{
	const struct mms_syncer_options every = {.interval_ms = 20};
	atomic_int n = 0;
	const struct mms_file_options periodic = {
		.mode = MMS_RDWR, .sync = MMS_SYNC_PERIODIC, .synced = synced, .cookie = &n};
	const struct timespec moment = {.tv_nsec = 1000000};
	struct mms_file *file = open_as(pool, path, &periodic);
	struct mms_syncer *syncer;
	struct mms_error err;

	puts("syncer:");
	check(mms_syncer_start(pool, &every, &syncer, &err), &err);
	check_code(mms_write(file, "durable soon", 12, MIB, 0), "writing");
	printf("  %-22s %s\n", "after the write:", mms_is_dirty(file) ? "dirty" : "clean already");
	while (mms_is_dirty(file) || atomic_load(&n) == 0)
		(void)nanosleep(&moment, NULL);
	printf("  %-22s clean, after %d sync\n", "a moment later:", atomic_load(&n));
	/* Not waiting for the interval: */
	check_code(mms_write(file, "durable now", 11, 2 * MIB, 0), "writing");
	check_code(mms_syncer_kick(syncer, true), "syncing now");
	printf("  %-22s %s\n", "after a kick:", mms_is_dirty(file) ? "dirty" : "clean");
	mms_syncer_stop(syncer);
	check_code(mms_close(file), "closing");
}

/* ------------------------------------------------------------------- main */

static void make_file(struct mms_pool *pool, const char *path)
{
	const struct mms_create_options create = {.size = FILE_BYTES, .flags = MMS_CREATE_REPLACE};
	const struct mms_file_options rdwr = {.mode = MMS_RDWR};
	struct mms_error err;
	struct mms_file *file;

	check(mms_create(pool, path, &create, &rdwr, &file, &err), &err);
	check_code(mms_close(file), "closing");
}

int main(int argc, char **argv)
{
	/* Small chunks, so that a small file has several windows. */
	const struct mms_pool_options options = {.chunk_shift = 20, .map_limit_bytes = 64 * MIB};
	char temporary[] = "/tmp/mmapstore-modes-XXXXXX";
	const char *dir = argc > 1 ? argv[1] : mkdtemp(temporary);
	struct mms_pool *pool;
	struct mms_error err;
	char path[4096];

	if (!dir || snprintf(path, sizeof(path), "%s/modes.data", dir) >= (int)sizeof(path)) {
		fprintf(stderr, "modes: %s: %s\n", dir ? dir : temporary,
			dir ? "name too long" : strerror(errno));
		return EXIT_FAILURE;
	}
	check(mms_pool_new(&options, &pool, &err), &err);
	make_file(pool, path);
	show_modes(pool, path);
	show_windows(pool, path);
	show_wants(pool, path);
	show_syncer(pool, path);
	mms_pool_free(pool);
	(void)unlink(path);
	if (argc < 2)
		(void)rmdir(dir);
	return EXIT_SUCCESS;
}

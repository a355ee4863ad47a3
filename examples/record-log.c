/* SPDX-License-Identifier: MIT */
/*
 * A log that one thread appends to while another follows it, then torn on purpose, and recovered
 *
 *     cc record-log.c $(pkg-config --cflags --libs mmapstore) -o record-log && ./record-log [DIR]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mmapstore.h>

#define ORDERS 1000u
#define TYPE_ORDER 1u

/* What a program keeps in a record is its own affair. Here: a line of text. */

static void check(int result, const struct mms_error *err, const char *doing)
{
	char text[700];

	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", doing,
		err ? mms_error_format(err, text, sizeof(text))
		    : mms_strerror(result, text, sizeof(text)));
	exit(EXIT_FAILURE);
}

/* Follows the log until it has seen the last order, sleeping where there is none yet. */
static void *follow(void *arg)
{
	struct mms_log_reader *reader = arg;
	struct mms_record record = {0};

	while (record.sequence < ORDERS) {
		check(mms_log_wait(reader, -1), NULL, "waiting for a record");
		check(mms_log_next(reader, &record), NULL, "reading a record");
	}
	printf("the follower has seen %llu orders, the last one is \"%.*s\"\n",
	       (unsigned long long)record.sequence, (int)record.payload_bytes,
	       (const char *)record.payload);
	return NULL;
}

static void append_orders(struct mms_pool *pool, const char *path)
{
	/* Nothing is durable until it is asked for, once for all of them. */
	const struct mms_log_options options = {.sync = MMS_SYNC_NEVER};
	struct mms_log_reader *reader;
	struct mms_error err;
	struct mms_log *log;
	pthread_t follower;

	check(mms_log_open(pool, path, &options, &log, NULL, &err), &err, "opening the log");
	check(mms_log_reader_open(pool, path, &reader, &err), &err, "opening a reader");
	check(-pthread_create(&follower, NULL, follow, reader), NULL, "starting a thread");
	for (unsigned i = 1; i <= ORDERS; i++) {
		char line[64];
		int len = snprintf(line, sizeof(line), "order %u: %u apples", i, i % 7 + 1);

		check(mms_log_append(log, TYPE_ORDER, line, (size_t)len, NULL), NULL, "appending");
	}
	check(mms_log_sync(log, UINT64_MAX), NULL, "making the log durable");
	(void)pthread_join(follower, NULL);
	mms_log_reader_close(reader);
	check(mms_log_close(log), NULL, "closing the log");
	printf("%u orders are durable\n", ORDERS);
}

/* As a crash in the middle of an append would leave it: the last record is there in part. */
static void tear(struct mms_pool *pool, const char *path)
{
	const struct mms_file_options options = {.mode = MMS_RDWR};
	struct mms_error err;
	struct mms_file *file;
	uint64_t size;

	check(mms_open(pool, path, &options, &file, &err), &err, "opening the file");
	check(mms_size(file, &size), NULL, "looking at its size");
	check(mms_resize(file, size - 60), NULL, "cutting it");
	check(mms_close(file), NULL, "closing the file");
	printf("the last order was torn: %llu bytes are left of the file\n",
	       (unsigned long long)size - 60);
}

static void recover(struct mms_pool *pool, const char *path)
{
	struct mms_log_recovery found;
	struct mms_error err;
	struct mms_log *log;
	char text[128];
	uint64_t sequence;

	check(mms_log_check(pool, path, &found, &err), &err, "checking the log");
	printf("%llu orders are whole; after them: %s, %llu bytes\n",
	       (unsigned long long)found.records, mms_strerror(found.damage, text, sizeof(text)),
	       (unsigned long long)found.torn_bytes);

	/* Opening cuts off what is torn. Without options each append is durable when it returns. */
	check(mms_log_open(pool, path, NULL, &log, NULL, &err), &err, "recovering the log");
	check(mms_log_append(log, TYPE_ORDER, "the last order again", 20, &sequence), NULL,
	      "appending");
	check(mms_log_close(log), NULL, "closing the log");
	printf("order %llu was appended anew\n", (unsigned long long)sequence);
}

static void read_from(struct mms_pool *pool, const char *path, uint64_t sequence)
{
	struct mms_log_reader *reader;
	struct mms_record record;
	struct mms_error err;
	int r;

	check(mms_log_reader_open(pool, path, &reader, &err), &err, "opening a reader");
	check(mms_log_seek(reader, sequence), NULL, "seeking");
	while ((r = mms_log_next(reader, &record)) == 1)
		printf("  %llu at %llu: %.*s\n", (unsigned long long)record.sequence,
		       (unsigned long long)record.offset, (int)record.payload_bytes,
		       (const char *)record.payload);
	check(r, NULL, "reading");
	mms_log_reader_close(reader);
}

int main(int argc, char **argv)
{
	char temporary[] = "/tmp/record-log-XXXXXX";
	const char *dir = argc > 1 ? argv[1] : mkdtemp(temporary);
	struct mms_pool *pool;
	struct mms_error err;
	char path[4096];

	if (!dir) {
		perror("making a temporary directory");
		return EXIT_FAILURE;
	}
	(void)snprintf(path, sizeof(path), "%s/orders.log", dir);
	(void)unlink(path); /* of an earlier run */
	check(mms_pool_new(NULL, &pool, &err), &err, "making a pool");
	append_orders(pool, path);
	tear(pool, path);
	recover(pool, path);
	read_from(pool, path, ORDERS - 2);
	mms_pool_free(pool);
	if (argc <= 1) {
		(void)unlink(path);
		(void)rmdir(dir);
	}
	return EXIT_SUCCESS;
}

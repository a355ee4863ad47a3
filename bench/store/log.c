/* SPDX-License-Identifier: MIT */
/* Appending records of 64 bytes, without waiting for the disk */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "contest.h"
#include "mmapstore.h"

#define PAYLOAD 64u
#define RECORD (MMS_RECORD_HEADER_BYTES + PAYLOAD)

struct logging {
	char path[4096];
	uint64_t records;
	struct mms_pool *pool;
};

static double append(void *arg)
{
	static const struct mms_log_options options = {.sync = MMS_SYNC_NEVER};
	struct logging *t = arg;
	unsigned char payload[PAYLOAD] = {0};
	struct mms_error err;
	struct mms_log *log;
	double seconds;
	char text[600];

	if (mms_log_open(t->pool, t->path, &options, &log, NULL, &err))
		die("%s", mms_error_format(&err, text, sizeof(text)));
	seconds = now_s();
	for (uint64_t i = 0; i < t->records; i++) {
		memcpy(payload, &i, sizeof(i));
		if (mms_log_append(log, 1, payload, sizeof(payload), NULL))
			die("mms_log_append");
	}
	seconds = now_s() - seconds;
	(void)mms_log_close(log);
	(void)unlink(t->path);
	return (double)t->records / seconds;
}

/* What a log costs that has no header, no checksum and no reader: the bytes
 * alone, stored into a mapping of a file that has the space. */
static double store_plainly(void *arg)
{
	struct logging *t = arg;
	unsigned char record[RECORD] = {0};
	size_t bytes = t->records * RECORD;
	int fd = open(t->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unsigned char *map;
	double seconds;

	if (fd < 0 || fallocate(fd, 0, 0, (off_t)bytes))
		die("allocating %s", t->path);
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mapping %s", t->path);
	seconds = now_s();
	for (uint64_t i = 0; i < t->records; i++) {
		memcpy(record, &i, sizeof(i));
		memcpy(map + i * RECORD, record, RECORD);
	}
	seconds = now_s() - seconds;
	(void)munmap(map, bytes);
	(void)close(fd);
	(void)unlink(t->path);
	return (double)t->records / seconds;
}

static double write_each(void *arg)
{
	struct logging *t = arg;
	unsigned char record[RECORD] = {0};
	int fd = open(t->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	double seconds;

	if (fd < 0)
		die("creating %s", t->path);
	seconds = now_s();
	for (uint64_t i = 0; i < t->records; i++) {
		memcpy(record, &i, sizeof(i));
		if (write(fd, record, RECORD) != RECORD)
			die("write");
	}
	seconds = now_s() - seconds;
	(void)close(fd);
	(void)unlink(t->path);
	return (double)t->records / seconds;
}

/* A contender whose rate is the bar itself. */
static double two_million(void *arg)
{
	(void)arg;
	return 2e6;
}

void bench_log(const struct bench *b)
{
	struct logging t = {.records = b->quick ? 200000 : 2000000};
	const struct contest contest = {
		.what = "appends of 64 bytes to a log, one thread, no sync",
		.unit = "million/s",
		.unit_scale = 1e6,
		.contenders = {{"two million", two_million},
			       {"plain stores, no log", store_plainly},
			       {"write, no log", write_each},
			       {"mms_log_append", append}},
		.bars = {{3, 0, 1}},
		.arg = &t,
	};

	(void)snprintf(t.path, sizeof(t.path), "%s/bench-store.log", b->dir);
	(void)unlink(t.path);
	if (mms_pool_new(NULL, &t.pool, NULL))
		die("mms_pool_new");
	contest_hold(b, &contest);
	mms_pool_free(t.pool);
}

/* SPDX-License-Identifier: MIT */
/*
 * Appends records to a file on the mount, and notes in a file elsewhere, after
 * the call that promises it, how many the file now holds for sure. What the
 * note says must be in BACKING, whatever happened to the daemon since.
 *
 *	acklog fsync FILE NOTE SECONDS [sync]  a note after each fsync (or O_SYNC write)
 *	acklog write FILE NOTE SECONDS         a note after each write
 *	acklog verify FILE COUNT               FILE holds at least COUNT records, all right
 *
 * The writer ends with 0 when its time is over or the mount is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

#define RECORD 700u
#define BATCH 7u
#define SEED 4242u

static bool mount_gone(int err)
{
	return err == ENOTCONN || err == ECONNABORTED || err == EIO || err == ENODEV ||
	       err == EBADF;
}

static int stop(int err, uint64_t count)
{
	if (!mount_gone(err)) {
		errno = err;
		die("record %" PRIu64, count);
	}
	printf("%" PRIu64 " records, then %s\n", count, errno_name(err));
	return 0;
}

static void note_write(int note, uint64_t count)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%-20" PRIu64 "\n", count);

	if (pwrite(note, text, (size_t)len, 0) != len)
		die("note");
}

static int append(char **argv, bool by_fsync, bool by_flag)
{
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (by_flag ? O_SYNC : 0);
	int fd = open(argv[2], flags, 0644);
	int note = open(argv[3], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	double end = now_seconds() + (double)parse_number(argv[4]);
	uint8_t record[RECORD];
	uint64_t count = 0;

	if (fd < 0 || note < 0)
		die("open");
	while (now_seconds() < end) {
		for (unsigned i = 0; i < BATCH; i++, count++) {
			pattern_fill(record, count * RECORD, RECORD, SEED);
			errno = EIO; /* of a short write: cut by the end of the mount */
			if (write(fd, record, RECORD) != RECORD)
				return stop(errno, count);
			if (!by_fsync)
				note_write(note, count + 1);
		}
		if (by_fsync && !by_flag && fsync(fd) < 0)
			return stop(errno, count);
		if (by_fsync)
			note_write(note, count);
		else
			usleep(2000);
	}
	if (close(fd) < 0)
		return stop(errno, count);
	printf("%" PRIu64 " records\n", count);
	return 0;
}

static int verify(const char *path, uint64_t want)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t record[RECORD];

	if (fd < 0)
		die("%s", path);
	for (uint64_t i = 0; i < want; i++) {
		int64_t n = read_full(fd, record, RECORD, i * RECORD);

		if (n == RECORD && pattern_check(record, i * RECORD, RECORD, SEED) < 0)
			continue;
		fprintf(stderr, "acklog: record %" PRIu64 " of %" PRIu64 " acknowledged is %s\n", i,
			want, n == RECORD ? "wrong" : "missing");
		return 1;
	}
	close(fd);
	printf("%" PRIu64 " acknowledged records are there\n", want);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "verify") == 0)
		return verify(argv[2], parse_number(argv[3]));
	if (argc >= 5 && strcmp(argv[1], "fsync") == 0)
		return append(argv, true, argc == 6);
	if (argc == 5 && strcmp(argv[1], "write") == 0)
		return append(argv, false, false);
	fprintf(stderr, "usage: acklog fsync|write FILE NOTE SECONDS | acklog verify FILE COUNT\n");
	return 2;
}

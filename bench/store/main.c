/* SPDX-License-Identifier: MIT */
/*
 * bench-store: the store beside pread(2), stdio and a plain mapping
 *
 * The page cache is warm. See bench/README.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "contest.h"
#include "mmapstore.h"

#define PIECE (1u << 20)

static char file_path[4096];

static void remove_file(void)
{
	if (*file_path)
		(void)unlink(file_path);
}

const char *bench_file(const struct bench *b)
{
	static unsigned char buf[PIECE];
	uint64_t state = 88172645463325252ULL;
	int fd;

	if (*file_path)
		return file_path;
	(void)snprintf(file_path, sizeof(file_path), "%s/bench-store.%d", b->dir, (int)getpid());
	fd = open(file_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		die("%s: %s", file_path, strerror(errno));
	(void)atexit(remove_file);
	for (uint64_t at = 0; at < b->bytes; at += PIECE) {
		for (size_t i = 0; i < PIECE; i += 8) {
			uint64_t v = next_random(&state);

			memcpy(buf + i, &v, 8);
		}
		if (write(fd, buf, PIECE) != PIECE)
			die("%s: %s", file_path, strerror(errno));
	}
	/* Write-back in the middle of a round would be measured with it. */
	if (fsync(fd))
		die("%s: %s", file_path, strerror(errno));
	(void)close(fd);
	return file_path;
}

static void usage(FILE *to)
{
	(void)fputs("usage: bench-store [--dir=DIR] [--rounds=N] [--csv] [--quick] [CONTEST]...\n"
		    "  --dir     where the file of 1 GiB is made (default: .)\n"
		    "  --rounds  rounds of each contest, 1 to 99 (default: 7)\n"
		    "  --quick   a file of 128 MiB, fewer operations, 3 rounds\n"
		    "  CONTEST   read, clone, log, crc, threads (default: all)\n",
		    to);
}

static const struct {
	const char *name;
	void (*hold)(const struct bench *b);
} contests[] = {
	{"read", bench_read}, {"clone", bench_clone},     {"log", bench_log},
	{"crc", bench_crc},   {"threads", bench_threads},
};
#define CONTESTS (sizeof(contests) / sizeof(contests[0]))

static void hold(const struct bench *b, const char *name)
{
	for (size_t i = 0; i < CONTESTS; i++) {
		if (strcmp(contests[i].name, name) == 0) {
			contests[i].hold(b);
			return;
		}
	}
	die("there is no contest '%s': read, clone, log, crc, threads", name);
}

static unsigned parse_rounds(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!*text || *end || n < 1 || n > ROUNDS_MAX)
		die("--rounds=%s: a number from 1 to %u is needed", text, ROUNDS_MAX);
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"dir", required_argument, NULL, 'd'}, {"rounds", required_argument, NULL, 'r'},
		{"csv", no_argument, NULL, 'c'},       {"quick", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},      {NULL, 0, NULL, 0},
	};
	struct bench b = {.dir = ".", .bytes = 1ULL << 30};
	struct utsname u;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			b.dir = optarg;
			break;
		case 'r':
			b.rounds = parse_rounds(optarg);
			break;
		case 'c':
			b.csv = true;
			break;
		case 'q':
			b.quick = true;
			b.bytes = 128ULL << 20;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (!b.rounds)
		b.rounds = b.quick ? 3 : 7;
	if (!b.csv && uname(&u) == 0)
		printf("libmmapstore %s, CRC by %s; %s %s, %ld processors; %u rounds, medians "
		       "(lowest..highest)\n",
		       PACKAGE_VERSION, mms_crc32_engine(), u.sysname, u.release,
		       sysconf(_SC_NPROCESSORS_ONLN), b.rounds);
	if (optind == argc) {
		for (size_t i = 0; i < CONTESTS; i++)
			contests[i].hold(&b);
	}
	for (; optind < argc; optind++)
		hold(&b, argv[optind]);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes one file from several threads while somebody else cuts and
 * extends it beneath. A byte may be the pattern's or zero at any moment, never
 * anything else; read(2) and write(2) may be short, never fail. Stores and
 * loads through a shared mapping (threads of odd number, with "map") may meet
 * SIGBUS past the end, as on any file system.
 *
 *	hammer FILE SIZE SECONDS THREADS SEED [map]
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util.h"

#define IO_MAX 65536u

static _Thread_local sigjmp_buf fault_return;
static _Thread_local volatile sig_atomic_t fault_expected;

static struct {
	int fd;
	uint8_t *map; /* NULL without "map" */
	uint64_t size, seed;
	double end;
} job;

struct worker {
	pthread_t thread;
	unsigned index;
	uint64_t reads, short_reads, writes, faults;
};

static void on_sigbus(int sig)
{
	(void)sig;
	if (!fault_expected)
		_exit(3);
	siglongjmp(fault_return, 1);
}

static void check(const uint8_t *buf, uint64_t offset, size_t len)
{
	int64_t bad = pattern_or_zero(buf, offset, len, job.seed);

	if (bad < 0)
		return;
	fprintf(stderr, "hammer: seed %" PRIu64 ": stale or foreign byte at %" PRIu64 "\n",
		job.seed, offset + (uint64_t)bad);
	exit(1);
}

static void by_call(struct worker *w, uint8_t *buf, uint64_t offset, size_t len, bool write)
{
	int64_t n;

	if (write) {
		pattern_fill(buf, offset, len, job.seed);
		n = write_full(job.fd, buf, len, offset);
		w->writes++;
	} else {
		n = read_full(job.fd, buf, len, offset);
		w->reads++;
		if (n >= 0 && n < (int64_t)len)
			w->short_reads++;
	}
	if (n < 0) {
		errno = (int)-n;
		die("%s of %zu bytes at %" PRIu64, write ? "write" : "read", len, offset);
	}
	if (!write)
		check(buf, offset, (size_t)n);
}

/* The threads race on purpose here: volatile, and not for the thread sanitizer. */
__attribute__((no_sanitize("thread"))) static void copy_racing(volatile uint8_t *to,
							       const volatile uint8_t *from,
							       size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = from[i];
}

static void by_map(struct worker *w, uint8_t *buf, uint64_t offset, size_t len, bool write)
{
	if (sigsetjmp(fault_return, 1)) {
		fault_expected = 0;
		w->faults++;
		return;
	}
	pattern_fill(buf, offset, len, job.seed);
	fault_expected = 1;
	if (write)
		copy_racing(job.map + offset, buf, len);
	else
		copy_racing(buf, job.map + offset, len);
	fault_expected = 0;
	if (write) {
		w->writes++;
	} else {
		w->reads++;
		check(buf, offset, len);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t random = job.seed * 100 + w->index;
	uint8_t *buf = malloc(IO_MAX);

	while (now_seconds() < job.end) {
		size_t len = 1 + next_random(&random) % IO_MAX;
		uint64_t offset = next_random(&random) % (job.size - len);
		bool write = next_random(&random) % 3 == 0;

		if (job.map && w->index % 2)
			by_map(w, buf, offset, len, write);
		else
			by_call(w, buf, offset, len, write);
	}
	free(buf);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_sigbus};
	struct worker workers[16] = {{0}}, sum = {0};
	unsigned threads;

	if (argc < 6 || argc > 7) {
		fprintf(stderr, "usage: hammer FILE SIZE SECONDS THREADS SEED [map]\n");
		return 2;
	}
	job.size = parse_number(argv[2]);
	job.seed = parse_number(argv[5]);
	threads = (unsigned)parse_number(argv[4]) % 17;
	job.fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (job.fd < 0)
		die("%s", argv[1]);
	if (argc == 7) {
		void *map = mmap(NULL, job.size, PROT_READ | PROT_WRITE, MAP_SHARED, job.fd, 0);

		if (map == MAP_FAILED)
			die("mmap");
		job.map = map;
	}
	sigaction(SIGBUS, &action, NULL);
	job.end = now_seconds() + (double)parse_number(argv[3]);
	for (unsigned i = 0; i < threads; i++) {
		workers[i].index = i;
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		sum.reads += workers[i].reads;
		sum.short_reads += workers[i].short_reads;
		sum.writes += workers[i].writes;
		sum.faults += workers[i].faults;
	}
	printf("%" PRIu64 " reads (%" PRIu64 " short), %" PRIu64 " writes, %" PRIu64
	       " faults\n",
	       sum.reads, sum.short_reads, sum.writes, sum.faults);
	return 0;
}

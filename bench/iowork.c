/* SPDX-License-Identifier: MIT */
/*
 * One fixed amount of input or output on one file, timed: prints one figure (MiB/s, or operations
 * a second) to stdout. Exits 1 with a line on stderr if a call fails or a byte is wrong. fio
 * could do it, but takes longer to start than most of these take to run.
 */
#include "pattern.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024.0 * 1024.0)
#define CHECK_BLOCK (128u * 1024)
#define THREADS_MAX 64u

/* The file, and what is in it. */
static const char *path;
static struct pattern pattern;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static _Noreturn void wrong_data(uint64_t pos)
{
	errx(1, "%s: wrong data at offset %" PRIu64, path, pos);
}

static int open_for_reading(uint64_t *ret_size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		err(1, "%s", path);
	if (st.st_size <= 0 || st.st_size % PAGE != 0)
		errx(1, "%s: %jd bytes are not whole pages", path, (intmax_t)st.st_size);
	*ret_size = (uint64_t)st.st_size;
	return fd;
}

static uint8_t *map_file(int fd, uint64_t size)
{
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		err(1, "mapping %s", path);
	return map;
}

static uint8_t *new_block(size_t len)
{
	uint8_t *block = aligned_alloc(PAGE, len);

	if (!block)
		errx(1, "no memory for a block of %zu bytes", len);
	memset(block, 0, len);
	return block;
}

static void read_exactly(int fd, uint8_t *buf, size_t len, uint64_t pos)
{
	ssize_t n = pread(fd, buf, len, (off_t)pos);

	if (n < 0)
		err(1, "reading %s", path);
	if ((size_t)n != len)
		errx(1, "%s: %zd bytes instead of %zu at offset %" PRIu64, path, n, len, pos);
}

/* ------------------------------------------------------------- sequential */

/* Reads the file PASSES times from start to end. Opening and closing count. */
static double seqread(size_t block_len, unsigned long passes)
{
	uint8_t *block = new_block(block_len);
	double start = now(), seconds;
	uint64_t size;
	int fd = open_for_reading(&size);

	for (unsigned long i = 0; i < passes; i++) {
		for (uint64_t pos = 0; pos < size; pos += block_len) {
			size_t len = size - pos < block_len ? (size_t)(size - pos) : block_len;

			read_exactly(fd, block, len, pos);
			if (!pattern_glance(&pattern, pos, block, len))
				wrong_data(pos);
		}
	}
	close(fd);
	seconds = now() - start;
	free(block);
	return (double)size * (double)passes / MIB / seconds;
}

enum counted { COUNT_WRITE, COUNT_CLOSE, COUNT_FSYNC };

struct counting {
	enum counted what;
	double start, seconds;
};

/* Ends what a row of writes counts: at the last write, or with what comes after it. */
static void finish_writing(int fd, struct counting *c)
{
	if (c->what == COUNT_WRITE)
		c->seconds = now() - c->start;
	if (c->what == COUNT_FSYNC && fsync(fd) < 0)
		err(1, "fsync of %s", path);
	if (close(fd) < 0)
		err(1, "closing %s", path);
	if (c->what != COUNT_WRITE)
		c->seconds = now() - c->start;
}

static void write_exactly(int fd, const uint8_t *buf, size_t len, uint64_t pos)
{
	ssize_t n = pwrite(fd, buf, len, (off_t)pos);

	if (n != (ssize_t)len)
		err(1, "writing %s: %zd of %zu bytes", path, n, len);
}

/* The pages of one write, which differ from those of the next by their stamps. */
static uint8_t *first_block(size_t block_len)
{
	uint8_t *block = new_block(block_len);

	for (size_t i = 0; i < block_len / PAGE; i++)
		pattern_page(&pattern, i, block + i * PAGE);
	return block;
}

/* Writes a new file of SIZE bytes, a block a call. Which end of the work counts is WHAT's. */
static double seqwrite(uint64_t size, enum counted what, size_t block_len)
{
	uint8_t *block = first_block(block_len);
	struct counting c = { .what = what, .start = now() };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		err(1, "%s", path);
	for (uint64_t pos = 0; pos < size; pos += block_len) {
		if (block_len == PAGE) {
			write_exactly(fd, pattern_stamped(&pattern, pos / PAGE), PAGE, pos);
			continue;
		}
		for (size_t i = 0; i < block_len; i += PAGE)
			pattern_restamp(&pattern, (pos + i) / PAGE, block + i);
		write_exactly(fd, block, block_len, pos);
	}
	finish_writing(fd, &c);
	free(block);
	return (double)size / MIB / c.seconds;
}

/* ----------------------------------------------------------------- random */

struct random_job {
	int fd;
	const uint8_t *map; /* NULL: pread */
	uint64_t size;
	unsigned long operations;
	uint64_t state;
};

static void *random_reads(void *arg)
{
	struct random_job *job = arg;
	uint64_t pages = job->size / PAGE;
	uint8_t *block = new_block(PAGE);

	for (unsigned long i = 0; i < job->operations; i++) {
		uint64_t pos = pattern_random(&job->state) % pages * PAGE;

		if (job->map)
			memcpy(block, job->map + pos, PAGE);
		else
			read_exactly(job->fd, block, PAGE, pos);
		if (!pattern_glance(&pattern, pos, block, PAGE))
			wrong_data(pos);
	}
	free(block);
	return NULL;
}

/*
 * OPERATIONS reads of random pages, shared out over THREADS. The mapping, if one is asked for, is
 * made inside the measured time, and its faults count: programs pay for them too.
 */
static double randread(bool mapped, unsigned long threads, unsigned long operations)
{
	struct random_job jobs[THREADS_MAX];
	pthread_t ids[THREADS_MAX];
	double start = now(), seconds;
	uint64_t size;
	int fd = open_for_reading(&size);
	uint8_t *map = mapped ? map_file(fd, size) : NULL;

	for (unsigned long i = 0; i < threads; i++) {
		jobs[i] = (struct random_job){ .fd = fd, .map = map, .size = size,
			.operations = operations / threads, .state = i + 1 };
		errno = pthread_create(&ids[i], NULL, random_reads, &jobs[i]);
		if (errno)
			err(1, "starting a thread");
	}
	for (unsigned long i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	seconds = now() - start;
	if (map)
		munmap(map, size);
	close(fd);
	return (double)(operations / threads * threads) / seconds;
}

/* Each of N pages once, in an order that looks random. N is a power of two. */
static uint64_t shuffled(uint64_t i, uint64_t n)
{
	return (i * 0x9e3779b1u + 0x3c6ef372u) % n;
}

/* Writes all pages of a file that is there anew, a page a call. */
static double randwrite(uint64_t size, enum counted what)
{
	struct counting c = { .what = what, .start = now() };
	uint64_t pages = size / PAGE;
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", path);
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t pageno = shuffled(i, pages);

		write_exactly(fd, pattern_stamped(&pattern, pageno), PAGE, pageno * PAGE);
	}
	finish_writing(fd, &c);
	return (double)size / MIB / c.seconds;
}

/* The same through a shared mapping. The mapping, its faults and msync count. */
static double mapwrite(uint64_t size)
{
	double start = now(), seconds;
	uint64_t pages = size / PAGE;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t *map;

	if (fd < 0)
		err(1, "%s", path);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		err(1, "mapping %s", path);
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t pageno = shuffled(i, pages);

		memcpy(map + pageno * PAGE, pattern_stamped(&pattern, pageno), PAGE);
	}
	if (msync(map, size, MS_SYNC) < 0)
		err(1, "msync of %s", path);
	munmap(map, size);
	if (close(fd) < 0)
		err(1, "closing %s", path);
	seconds = now() - start;
	return (double)size / MIB / seconds;
}

/* ------------------------------------------------------------- not timed */

/* Out of the page cache. Dirty pages would stay there. */
static void evict(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		err(1, "%s", path);
	errno = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (errno)
		err(1, "dropping %s from the cache", path);
	close(fd);
}

static void fill(uint64_t size)
{
	uint8_t *block = new_block(CHECK_BLOCK);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		err(1, "%s", path);
	for (uint64_t pos = 0; pos < size; pos += CHECK_BLOCK) {
		size_t len = size - pos < CHECK_BLOCK ? (size_t)(size - pos) : CHECK_BLOCK;

		for (size_t i = 0; i < len; i += PAGE)
			pattern_page(&pattern, (pos + i) / PAGE, block + i);
		if (pwrite(fd, block, len, (off_t)pos) != (ssize_t)len)
			err(1, "writing %s", path);
	}
	/* So that no row is measured while the disk is still busy with this. */
	if (fsync(fd) < 0 || close(fd) < 0)
		err(1, "%s", path);
	free(block);
}

/* Compares every byte, read or through a mapping. */
static void check(uint64_t size, bool mapped)
{
	uint8_t *block = new_block(CHECK_BLOCK);
	uint64_t found;
	int fd = open_for_reading(&found);
	uint8_t *map = mapped ? map_file(fd, found) : NULL;

	if (found != size)
		errx(1, "%s has %" PRIu64 " bytes instead of %" PRIu64, path, found, size);
	for (uint64_t pos = 0; pos < size; pos += CHECK_BLOCK) {
		size_t len = size - pos < CHECK_BLOCK ? (size_t)(size - pos) : CHECK_BLOCK;
		size_t good;

		if (!map)
			read_exactly(fd, block, len, pos);
		good = pattern_check_block(&pattern, pos, map ? map + pos : block, len);
		if (good != len)
			wrong_data(pos + good);
	}
	if (map)
		munmap(map, size);
	close(fd);
	free(block);
}

/* ------------------------------------------------------------------- main */

static _Noreturn void usage(void)
{
	fputs("usage: iowork fill      FILE SEED BYTES\n"
	      "       iowork check     FILE SEED BYTES read|map\n"
	      "       iowork seqread   FILE SEED BLOCK PASSES\n"
	      "       iowork randread  FILE SEED THREADS OPERATIONS\n"
	      "       iowork mapread   FILE SEED THREADS OPERATIONS\n"
	      "       iowork seqwrite  FILE SEED BYTES write|close|fsync [BLOCK]\n"
	      "       iowork randwrite FILE SEED BYTES write|close|fsync\n"
	      "       iowork mapwrite  FILE SEED BYTES\n"
	      "       iowork evict     FILE\n"
	      "       iowork touch     BYTES\n"
	      "BYTES and BLOCK are multiples of 4096; those of randwrite and mapwrite a power of two.\n",
	      stderr);
	exit(2);
}

static unsigned long number(const char *arg, unsigned long multiple_of, unsigned long max)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(arg, &end, 10);
	if (errno || end == arg || *end || value == 0 || value % multiple_of || value > max)
		errx(2, "'%s' is not a number from %lu to %lu in steps of %lu", arg, multiple_of,
			max, multiple_of);
	return value;
}

/* Bytes of a file whose pages are shuffled. */
static uint64_t power_of_two(const char *arg)
{
	unsigned long n = number(arg, PAGE, LONG_MAX);

	if (n & (n - 1))
		errx(2, "%lu is no power of two", n);
	return n;
}

static enum counted counted_by_name(const char *name)
{
	if (strcmp(name, "write") == 0)
		return COUNT_WRITE;
	if (strcmp(name, "close") == 0)
		return COUNT_CLOSE;
	if (strcmp(name, "fsync") == 0)
		return COUNT_FSYNC;
	usage();
}

/* In a virtual machine the host may have to find memory for a page that the
 * guest uses for the first time, or has freed and given back: several times
 * the price of the write itself. Pages used just now are there. */
static void touch_memory(size_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		err(1, "%zu bytes of memory", bytes);
	memset(map, 1, bytes);
	munmap(map, bytes);
}

static double measure(const char *command, int argc, char **argv)
{
	const unsigned long max = LONG_MAX;
	const char *first = argv[0], *second = argc > 1 ? argv[1] : NULL;

	if (strcmp(command, "mapwrite") == 0 && argc == 1)
		return mapwrite(power_of_two(first));
	if (strcmp(command, "seqwrite") == 0 && (argc == 2 || argc == 3))
		return seqwrite(number(first, PAGE, max), counted_by_name(second),
			argc == 3 ? number(argv[2], PAGE, 1u << 30) : PAGE);
	if (argc != 2)
		usage();
	if (strcmp(command, "seqread") == 0)
		return seqread(number(first, PAGE, 1u << 30), number(second, 1, max));
	if (strcmp(command, "randread") == 0 || strcmp(command, "mapread") == 0)
		return randread(command[0] == 'm', number(first, 1, THREADS_MAX),
			number(second, 1, max));
	if (strcmp(command, "randwrite") == 0)
		return randwrite(power_of_two(first), counted_by_name(second));
	usage();
}

int main(int argc, char **argv)
{
	const unsigned long max = LONG_MAX;

	if (argc == 3 && strcmp(argv[1], "touch") == 0) {
		touch_memory(number(argv[2], PAGE, max));
		return 0;
	}
	if (argc < 3)
		usage();
	path = argv[2];
	if (strcmp(argv[1], "evict") == 0 && argc == 3) {
		evict();
		return 0;
	}
	if (argc < 5)
		usage();
	if (!pattern_init(&pattern, number(argv[3], 1, max)))
		errx(1, "no memory");
	if (strcmp(argv[1], "fill") == 0 && argc == 5)
		fill(number(argv[4], PAGE, max));
	else if (strcmp(argv[1], "check") == 0 && argc == 6)
		check(number(argv[4], PAGE, max), strcmp(argv[5], "map") == 0);
	else
		printf("%.1f\n", measure(argv[1], argc - 4, argv + 4));
	pattern_release(&pattern);
	return 0;
}

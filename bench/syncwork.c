/* SPDX-License-Identifier: MIT */
/*
 * What programs do that need their data on the disk, timed: several threads, each with files of its
 * own, for a number of seconds. Prints one line to stdout:
 *
 *	RATE OPERATIONS MEDIAN P99 MEAN MEAN-SYNC WRITES KIB FLUSHES
 *
 * operations a second (bulk: MiB a second), their number, microseconds of an operation and of the
 * syncs in it, and what the block device, whose statistics are the file STAT, did meanwhile. COUNTS
 * is a file outside that keeps each thread's number, for 'check', which compares every byte. Exits 1
 * with a line on stderr if a call fails or a byte is wrong.
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

#define SEED 1u
#define THREADS_MAX 64u
#define OVERWRITE_PAGES 4096u
#define BULK_PAGES 256u /* in one piece */
#define NAME_LEN 96u

struct worker {
	const struct work *work;
	char dir[PATH_MAX];
	unsigned no;
	unsigned long operations, max;
	double sync_seconds, end;
	float *microseconds; /* of each operation */
	uint8_t *block;
	int fd;
	uint8_t *map; /* of the file, where the work stores through a mapping */
	uint64_t random;
};

struct work {
	const char *name;
	void (*prepare)(struct worker *w); /* may be NULL; not timed */
	void (*operation)(struct worker *w);
	void (*finish)(struct worker *w);  /* may be NULL; timed */
	void (*check)(struct worker *w);   /* may be NULL */
};

/* See Documentation/block/stat.rst in the kernel's source. */
struct device {
	unsigned long writes, sectors, flushes;
};

static struct pattern pattern;
static pthread_barrier_t barrier;
static double deadline;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct device device_now(const char *stat_path)
{
	struct device d = {0};
	FILE *f = fopen(stat_path, "r");
	int n;

	if (!f)
		err(1, "%s", stat_path);
	n = fscanf(f, "%*u %*u %*u %*u %lu %*u %lu %*u %*u %*u %*u %*u %*u %*u %*u %lu",
		&d.writes, &d.sectors, &d.flushes);
	fclose(f);
	if (n != 3)
		errx(1, "%s: not the statistics of a block device", stat_path);
	return d;
}

/* --------------------------------------------------------------- contents */

/* All pages that one thread writes have numbers of their own. */
static uint64_t page_number(const struct worker *w, uint64_t index)
{
	return ((uint64_t)w->no << 32) + index;
}

static const uint8_t *page_of(struct worker *w, uint64_t index)
{
	pattern_page(&pattern, page_number(w, index), w->block);
	return w->block;
}

static const char *name_of(const struct worker *w, char *buf, const char *kind, long index)
{
	if (index < 0)
		snprintf(buf, NAME_LEN, "%s.%u", kind, w->no);
	else
		snprintf(buf, NAME_LEN, "%s.%u.%ld", kind, w->no, index);
	return buf;
}

static int open_file(const struct worker *w, const char *name, int flags)
{
	char path[PATH_MAX + NAME_LEN];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	fd = open(path, flags | O_CLOEXEC, 0644);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void write_exactly(int fd, const uint8_t *buf, size_t len, uint64_t pos)
{
	ssize_t n = pwrite(fd, buf, len, (off_t)pos);

	if (n < 0)
		err(1, "writing %zu bytes at %" PRIu64, len, pos);
	if ((size_t)n != len)
		errx(1, "writing %zu bytes at %" PRIu64 ": %zd written", len, pos, n);
}

static void sync_fd(struct worker *w, int fd, int (*how)(int))
{
	double start = now();

	if (how(fd) < 0)
		err(1, "a sync");
	w->sync_seconds += now() - start;
}

static void close_fd(int fd)
{
	if (close(fd) < 0)
		err(1, "a close");
}

static void expect_page(const char *name, int fd, uint64_t at, uint64_t pageno, bool zero)
{
	static const uint8_t zeros[PAGE];
	uint8_t page[PAGE];
	ssize_t n = pread(fd, page, PAGE, (off_t)(at * PAGE));
	bool good = n == (ssize_t)PAGE;

	if (good && zero)
		good = memcmp(page, zeros, PAGE) == 0;
	else if (good)
		good = pattern_check_block(&pattern, pageno * PAGE, page, PAGE) == PAGE;
	if (!good)
		errx(1, "%s: page %" PRIu64 " is not what was written", name, at);
}

static void expect_pages(const char *name, int fd, uint64_t pages)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		err(1, "%s", name);
	if ((uint64_t)st.st_size != pages * PAGE)
		errx(1, "%s has %jd bytes instead of %" PRIu64, name, (intmax_t)st.st_size,
			pages * PAGE);
}

/* ------------------------------------------- append; write: without a sync */

static void open_own(struct worker *w)
{
	char name[NAME_LEN];

	w->fd = open_file(w, name_of(w, name, "own", -1), O_RDWR | O_CREAT | O_TRUNC);
}

static void write_operation(struct worker *w)
{
	write_exactly(w->fd, page_of(w, w->operations), PAGE, (uint64_t)w->operations * PAGE);
}

static void append_operation(struct worker *w)
{
	write_operation(w);
	sync_fd(w, w->fd, fsync);
}

static void append_check(struct worker *w)
{
	char name[NAME_LEN];
	int fd = open_file(w, name_of(w, name, "own", -1), O_RDONLY);

	expect_pages(name, fd, w->operations);
	for (unsigned long i = 0; i < w->operations; i++)
		expect_page(name, fd, i, page_number(w, i), false);
	close_fd(fd);
}

/* ----------------------------------------------------------------- create */

static void enter_directory(struct worker *w)
{
	size_t len = strlen(w->dir);

	snprintf(w->dir + len, sizeof(w->dir) - len, "/dir.%u", w->no);
}

/* A directory of its own, which is durable when the work begins. */
static void make_directory(struct worker *w)
{
	int fd;

	enter_directory(w);
	if (mkdir(w->dir, 0755) < 0)
		err(1, "%s", w->dir);
	fd = open_file(w, ".", O_RDONLY | O_DIRECTORY);
	if (fsync(fd) < 0)
		err(1, "%s", w->dir);
	close_fd(fd);
}

static void create_operation(struct worker *w)
{
	char name[NAME_LEN];
	int fd = open_file(w, name_of(w, name, "new", (long)w->operations),
		O_WRONLY | O_CREAT | O_EXCL);

	write_exactly(fd, page_of(w, w->operations), PAGE, 0);
	sync_fd(w, fd, fsync);
	close_fd(fd);
}

static void create_check(struct worker *w)
{
	char name[NAME_LEN];

	for (unsigned long i = 0; i < w->operations; i++) {
		int fd = open_file(w, name_of(w, name, "new", (long)i), O_RDONLY);

		expect_pages(name, fd, 1);
		expect_page(name, fd, 0, page_number(w, i), false);
		close_fd(fd);
	}
}

/* ---------------------------------------------------------------- replace */

static void replace_operation(struct worker *w)
{
	char name[NAME_LEN], temporary[NAME_LEN];
	char from[PATH_MAX + NAME_LEN], to[PATH_MAX + NAME_LEN];
	int fd = open_file(w, name_of(w, temporary, "tmp", -1), O_WRONLY | O_CREAT | O_TRUNC);

	write_exactly(fd, page_of(w, w->operations), PAGE, 0);
	sync_fd(w, fd, fsync);
	close_fd(fd);
	snprintf(from, sizeof(from), "%s/%s", w->dir, temporary);
	snprintf(to, sizeof(to), "%s/%s", w->dir, name_of(w, name, "own", -1));
	if (rename(from, to) < 0)
		err(1, "renaming %s", from);
	fd = open_file(w, ".", O_RDONLY | O_DIRECTORY);
	sync_fd(w, fd, fsync);
	close_fd(fd);
}

static void replace_check(struct worker *w)
{
	char name[NAME_LEN];
	int fd;

	if (!w->operations)
		return;
	fd = open_file(w, name_of(w, name, "own", -1), O_RDONLY);
	expect_pages(name, fd, 1);
	expect_page(name, fd, 0, page_number(w, w->operations - 1), false);
	close_fd(fd);
}

static void create_own_check(struct worker *w)
{
	enter_directory(w);
	create_check(w);
}

static void replace_own_check(struct worker *w)
{
	enter_directory(w);
	replace_check(w);
}

/* -------------------------------------------------------------- overwrite */

/* Zeroes that are written, so that what comes later changes no metadata but the time. The second
 * sync is for a file system of which the first one makes the file known. */
static void prepare_zeros(struct worker *w)
{
	open_own(w);
	memset(w->block, 0, BULK_PAGES * PAGE);
	for (uint64_t at = 0; at < OVERWRITE_PAGES; at += BULK_PAGES)
		write_exactly(w->fd, w->block, BULK_PAGES * PAGE, at * PAGE);
	for (int i = 0; i < 2; i++)
		if (fsync(w->fd) < 0)
			err(1, "preparing a file");
	w->random = w->no + 1;
}

static void overwrite_operation(struct worker *w)
{
	uint64_t at = pattern_random(&w->random) % OVERWRITE_PAGES;

	write_exactly(w->fd, page_of(w, w->operations), PAGE, at * PAGE);
	sync_fd(w, w->fd, fdatasync);
}

static void overwrite_check(struct worker *w)
{
	unsigned long *last = calloc(OVERWRITE_PAGES, sizeof(*last)); /* operation + 1 */
	char name[NAME_LEN];
	int fd = open_file(w, name_of(w, name, "own", -1), O_RDONLY);

	if (!last)
		errx(1, "no memory");
	w->random = w->no + 1;
	for (unsigned long i = 0; i < w->operations; i++)
		last[pattern_random(&w->random) % OVERWRITE_PAGES] = i + 1;
	expect_pages(name, fd, OVERWRITE_PAGES);
	for (uint64_t at = 0; at < OVERWRITE_PAGES; at++)
		expect_page(name, fd, at, page_number(w, last[at] - 1), !last[at]);
	close_fd(fd);
	free(last);
}

/* ------------------------------------------------ parts of a commit, alone */

static void log_pages(struct worker *w, unsigned pages)
{
	uint64_t at = (uint64_t)w->operations * pages % OVERWRITE_PAGES;

	page_of(w, w->operations);
	write_exactly(w->fd, w->block, pages * PAGE, at * PAGE);
	sync_fd(w, w->fd, fdatasync);
}

static void log1_operation(struct worker *w)
{
	log_pages(w, 1);
}

static void log16_operation(struct worker *w)
{
	log_pages(w, 16);
}

static void prepare_map(struct worker *w)
{
	prepare_zeros(w);
	w->map = mmap(NULL, OVERWRITE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
	if (w->map == MAP_FAILED)
		err(1, "mapping a file");
}

/* As log1, by a store: what a page dirties in a large folio is seen in the bytes written. */
static void log1_map_operation(struct worker *w)
{
	uint64_t at = w->operations % OVERWRITE_PAGES;

	memcpy(w->map + at * PAGE, page_of(w, w->operations), PAGE);
	sync_fd(w, w->fd, fdatasync);
}

static void idle_operation(struct worker *w)
{
	sync_fd(w, w->fd, fsync);
}

/* ------------------------------------------------------------------- bulk */

static void bulk_operation(struct worker *w)
{
	uint64_t at = (uint64_t)w->operations * BULK_PAGES;

	for (unsigned i = 0; i < BULK_PAGES; i++)
		pattern_page(&pattern, page_number(w, at + i), w->block + (size_t)i * PAGE);
	write_exactly(w->fd, w->block, BULK_PAGES * PAGE, at * PAGE);
}

static void bulk_finish(struct worker *w)
{
	sync_fd(w, w->fd, fsync);
}

static void bulk_check(struct worker *w)
{
	w->operations *= BULK_PAGES;
	append_check(w);
}

static const struct work works[] = {
	{"append", open_own, append_operation, NULL, append_check},
	{"write", open_own, write_operation, NULL, append_check},
	{"create", NULL, create_operation, NULL, create_check},
	{"replace", NULL, replace_operation, NULL, replace_check},
	{"create-own", make_directory, create_operation, NULL, create_own_check},
	{"replace-own", make_directory, replace_operation, NULL, replace_own_check},
	{"overwrite", prepare_zeros, overwrite_operation, NULL, overwrite_check},
	{"bulk", open_own, bulk_operation, bulk_finish, bulk_check},
	{"log1", prepare_zeros, log1_operation, NULL, NULL},
	{"log1-map", prepare_map, log1_map_operation, NULL, NULL},
	{"log16", prepare_zeros, log16_operation, NULL, NULL},
	{"idle", prepare_zeros, idle_operation, NULL, NULL},
};

static const struct work *find_work(const char *name)
{
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		if (strcmp(works[i].name, name) == 0)
			return &works[i];
	errx(2, "there is no work '%s'", name);
}

/* ---------------------------------------------------------------- threads */

static void *work_on(void *arg)
{
	struct worker *w = arg;

	if (w->work->prepare)
		w->work->prepare(w);
	pthread_barrier_wait(&barrier); /* all are prepared */
	pthread_barrier_wait(&barrier); /* and the deadline is set */
	for (double at = now(); w->operations < w->max && at < deadline;) {
		double then;

		w->work->operation(w);
		then = now();
		w->microseconds[w->operations++] = (float)((then - at) * 1e6);
		at = then;
	}
	if (w->work->finish)
		w->work->finish(w);
	w->end = now();
	return NULL;
}

static int compare_floats(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void print_result(struct worker *workers, unsigned threads, double start,
	const struct device *before, const struct device *after)
{
	unsigned long operations = 0, n = 0;
	double sum = 0, sync_seconds = 0, end = start, rate;
	float *all;

	for (unsigned i = 0; i < threads; i++)
		operations += workers[i].operations;
	all = calloc(operations ? operations : 1, sizeof(*all));
	if (!all || !operations)
		errx(1, all ? "not one operation came to its end" : "no memory");
	for (unsigned i = 0; i < threads; i++) {
		for (unsigned long j = 0; j < workers[i].operations; j++)
			sum += all[n++] = workers[i].microseconds[j];
		sync_seconds += workers[i].sync_seconds;
		if (workers[i].end > end)
			end = workers[i].end;
	}
	qsort(all, n, sizeof(*all), compare_floats);
	rate = (double)operations / (end - start);
	if (workers[0].work->finish)
		rate *= (double)(BULK_PAGES * PAGE) / (1024.0 * 1024.0);
	printf("%.1f %lu %.1f %.1f %.1f %.1f %lu %lu %lu\n", rate, operations, (double)all[n / 2],
		(double)all[n - 1 - n / 100], sum / (double)n,
		sync_seconds * 1e6 / (double)operations, after->writes - before->writes,
		(after->sectors - before->sectors) / 2, after->flushes - before->flushes);
	free(all);
}

static void run(struct worker *workers, unsigned threads, double seconds, const char *stat_path)
{
	pthread_t ids[THREADS_MAX];
	struct device before, after;
	double start;

	pthread_barrier_init(&barrier, NULL, threads + 1);
	for (unsigned i = 0; i < threads; i++) {
		errno = pthread_create(&ids[i], NULL, work_on, &workers[i]);
		if (errno)
			err(1, "starting a thread");
	}
	pthread_barrier_wait(&barrier);
	before = device_now(stat_path);
	start = now();
	deadline = start + seconds;
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	after = device_now(stat_path);
	print_result(workers, threads, start, &before, &after);
}

/* ------------------------------------------------------------------- main */

static _Noreturn void usage(void)
{
	fputs("usage: syncwork run WORK DIR THREADS COUNTS SECONDS MAX STAT\n"
	      "       syncwork check WORK DIR THREADS COUNTS\n"
	      "MAX: operations of a thread. WORK:", stderr);
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		fprintf(stderr, " %s", works[i].name);
	fputs("\n", stderr);
	exit(2);
}

static double number(const char *arg, double max)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !(value > 0) || value > max)
		errx(2, "'%s' is not a number up to %g", arg, max);
	return value;
}

static void keep_counts(const char *path, const struct worker *workers, unsigned threads)
{
	FILE *f = fopen(path, "w");

	for (unsigned i = 0; f && i < threads; i++)
		fprintf(f, "%lu\n", workers[i].operations);
	if (!f || fclose(f))
		err(1, "%s", path);
}

static void check_all(const char *path, struct worker *workers, unsigned threads)
{
	FILE *f = fopen(path, "r");

	if (!f)
		err(1, "%s", path);
	for (unsigned i = 0; i < threads; i++) {
		if (fscanf(f, "%lu", &workers[i].operations) != 1)
			errx(1, "%s has no count of thread %u", path, i);
		if (workers[i].work->check)
			workers[i].work->check(&workers[i]);
	}
	fclose(f);
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS_MAX];
	bool checking = argc == 6 && strcmp(argv[1], "check") == 0;
	unsigned threads;
	unsigned long max;

	if (!checking && (argc != 9 || strcmp(argv[1], "run") != 0))
		usage();
	threads = (unsigned)number(argv[4], THREADS_MAX);
	max = checking ? 1 : (unsigned long)number(argv[7], 1e9);
	if (!pattern_init(&pattern, SEED))
		errx(1, "no memory");
	for (unsigned i = 0; i < threads; i++) {
		workers[i] = (struct worker){ .work = find_work(argv[2]), .no = i, .max = max,
			.microseconds = malloc(max * sizeof(float)),
			.block = aligned_alloc(PAGE, BULK_PAGES * PAGE), .fd = -1 };
		if (!workers[i].microseconds || !workers[i].block)
			errx(1, "no memory");
		memset(workers[i].block, 0, BULK_PAGES * PAGE);
		snprintf(workers[i].dir, sizeof(workers[i].dir), "%s", argv[3]);
	}
	if (checking) {
		check_all(argv[5], workers, threads);
	} else {
		run(workers, threads, number(argv[6], 3600), argv[8]);
		keep_counts(argv[5], workers, threads);
	}
	for (unsigned i = 0; i < threads; i++) {
		if (workers[i].fd >= 0)
			close_fd(workers[i].fd);
		free(workers[i].microseconds);
		free(workers[i].block);
	}
	pattern_release(&pattern);
	return 0;
}

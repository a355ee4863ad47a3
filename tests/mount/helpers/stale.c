/* SPDX-License-Identifier: MIT */
/*
 * Looks for stale bytes: programs that write one file in every way there is, and others that read
 * it, know of each cell which version it must have.
 *
 *	stale MNT/FILE BACKING/FILE [seconds=20] [seed=1] [mib=32] [direct=1] [mapped=1]
 *	      [ro=0]
 *
 * A cell is a quarter of a page, and has one writer. The writer raises 'started' of the cell before
 * it writes a version, and 'finished' when the write has returned. Who reads takes finished before
 * and started after: every word must be of a version between. Words carry cell, place and version.
 *
 * The file has three parts. The first is written by pwrite(2), with O_DIRECT and through a mapping;
 * the second in BACKING, beneath the mount, and counts as finished SETTLE_MS later; the third is cut
 * off and grows again, has holes punched, and is written: there the odd versions are zeros.
 *
 * With ro=1 all that is changed is changed beneath.
 *
 * Exit status 1 and a line for the first stale word.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

#define PAGE 4096u
#define CELL 1024u
#define CELLS_IN_PAGE (PAGE / CELL)
#define WORDS (CELL / 8)
#define SETTLE_MS 1500
#define BENEATH_PAGES 1024u
#define TAIL_PAGES 256u

#define VERSION_SHIFT 40
#define HASH_MASK ((1ull << VERSION_SHIFT) - 1)

static struct settings {
	const char *path, *beneath;
	uint64_t seconds, seed, pages; /* of the first part */
	bool direct, mapped, read_only;
} set = {.seconds = 20, .seed = 1, .pages = 32u << 8, .direct = true, .mapped = true};

struct cell {
	_Atomic(uint32_t) started, finished;
};

static struct shared {
	atomic_bool stop, broken;
	_Atomic(uint64_t) reads, writes, cuts, foreign;
	struct cell cells[];
} *shared;

static uint64_t tail_start(void)
{
	return set.pages + BENEATH_PAGES;
}

static uint64_t all_pages(void)
{
	return tail_start() + TAIL_PAGES;
}

/* ------------------------------------------------------------------ cells */

static uint64_t word_of(uint64_t cell, unsigned i, uint32_t version)
{
	uint64_t state = set.seed ^ cell << 24 ^ (uint64_t)version << 44 ^ i;

	return (uint64_t)version << VERSION_SHIFT | (next_random(&state) & HASH_MASK) | 1;
}

static void fill_cell(char *to, uint64_t cell, uint32_t version)
{
	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t word = word_of(cell, i, version);

		memcpy(to + i * 8, &word, 8);
	}
}

static bool has_zeros(uint64_t cell)
{
	return cell >= tail_start() * CELLS_IN_PAGE;
}

/* Whether one of the versions lo to hi is zeros. */
static bool zero_between(uint32_t lo, uint32_t hi)
{
	return lo <= hi && (lo % 2 || hi > lo);
}

static void broken(uint64_t cell, unsigned i, uint64_t word, uint32_t lo, uint32_t hi, const char *how)
{
	if (!atomic_exchange(&shared->broken, true)) {
		printf("STALE cell %llu of page %llu, word %u, by %s: %#llx (version %llu), not one of "
		       "%u to %u\n",
		       (unsigned long long)(cell % CELLS_IN_PAGE),
		       (unsigned long long)(cell / CELLS_IN_PAGE), i, how, (unsigned long long)word,
		       (unsigned long long)(word >> VERSION_SHIFT), lo, hi);
		fflush(stdout);
	}
	atomic_store(&shared->stop, true);
}

static bool word_is_right(uint64_t cell, unsigned i, uint64_t word, uint32_t lo, uint32_t hi)
{
	uint32_t version = (uint32_t)(word >> VERSION_SHIFT);

	if (!word)
		return has_zeros(cell) && zero_between(lo, hi);
	return version >= lo && version <= hi && word == word_of(cell, i, version);
}

/* len bytes of the page came; 0 to PAGE. */
static void check_page(uint64_t page, const char *buf, size_t len, const uint32_t *lo, const char *how)
{
	for (unsigned c = 0; c < CELLS_IN_PAGE; c++) {
		uint64_t cell = page * CELLS_IN_PAGE + c, word = 0;
		uint32_t hi = atomic_load(&shared->cells[cell].started);

		for (unsigned i = 0; i < WORDS; i++) {
			size_t at = c * CELL + i * 8;

			if (at + 8 > len) {
				/* Past the end: while the tail is cut. */
				if (!has_zeros(cell) || !zero_between(lo[c] + 1, hi))
					broken(cell, i, 0, lo[c], hi, "a short read");
				break;
			}
			memcpy(&word, buf + at, 8);
			if (!word_is_right(cell, i, word, lo[c], hi)) {
				broken(cell, i, word, lo[c], hi, how);
				break;
			}
		}
	}
	atomic_fetch_add_explicit(&shared->reads, 1, memory_order_relaxed);
}

static void take_finished(uint64_t page, uint32_t *lo)
{
	for (unsigned c = 0; c < CELLS_IN_PAGE; c++)
		lo[c] = atomic_load(&shared->cells[page * CELLS_IN_PAGE + c].finished);
}

/* ---------------------------------------------------------------- readers */

struct files {
	int fd, direct;
	char *map; /* of the first two parts */
	char *buf; /* a page, aligned */
};

static void *map_file(int fd, int prot)
{
	void *map = mmap(NULL, tail_start() * PAGE, prot, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		die("mmap %s", set.path);
	return map;
}

/* Until what was done is to be seen everywhere; not in full if it all ends. */
static void settle(bool beneath)
{
	for (int ms = 0; beneath && ms < SETTLE_MS && !atomic_load(&shared->stop); ms += 50)
		usleep(50 * 1000);
}

static struct files open_files(bool write)
{
	struct files f = {.direct = -1};

	f.fd = open(set.path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (f.fd < 0)
		die("open %s", set.path);
	if (set.direct)
		f.direct = open(set.path, (write ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	if (set.direct && f.direct < 0)
		die("open %s for O_DIRECT", set.path);
	if (set.mapped)
		f.map = map_file(f.fd, write ? PROT_READ | PROT_WRITE : PROT_READ);
	f.buf = aligned_alloc(PAGE, PAGE);
	if (!f.buf)
		die("no memory");
	return f;
}

static void read_mapped(const struct files *f, uint64_t page)
{
	uint32_t lo[CELLS_IN_PAGE];

	take_finished(page, lo);
	memcpy(f->buf, f->map + page * PAGE, PAGE);
	check_page(page, f->buf, PAGE, lo, "a mapping");
}

static void read_by(int fd, char *buf, uint64_t page, const char *how)
{
	uint32_t lo[CELLS_IN_PAGE];
	int64_t n;

	take_finished(page, lo);
	n = read_full(fd, buf, PAGE, page * PAGE);
	if (n < 0) {
		errno = (int)-n;
		die("read of page %llu by %s", (unsigned long long)page, how);
	}
	check_page(page, buf, (size_t)n, lo, how);
}

/* Now and then the kernel is told to drop a part. */
static void reader(unsigned id)
{
	struct files f = open_files(false);
	uint64_t random = set.seed * 31 + id;

	while (!atomic_load(&shared->stop)) {
		uint64_t r = next_random(&random), page = (r >> 16) % all_pages();

		if (r % 4096 == 0)
			posix_fadvise(f.fd, (off_t)(page * PAGE), 1 << 20, POSIX_FADV_DONTNEED);
		else if (f.map && id % 2 && page < tail_start())
			read_mapped(&f, page);
		else if (f.direct >= 0 && r % 64 == 1)
			read_by(f.direct, f.buf, page, "O_DIRECT");
		else
			read_by(f.fd, f.buf, page, "pread");
	}
}

/* ---------------------------------------------------------------- writers */

static void start(uint64_t cell, uint64_t n, uint32_t *versions)
{
	for (uint64_t i = 0; i < n; i++) {
		versions[i] = atomic_load(&shared->cells[cell + i].finished) + 1;
		atomic_store(&shared->cells[cell + i].started, versions[i]);
	}
}

static void finish(uint64_t cell, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		atomic_store(&shared->cells[cell + i].finished,
			     atomic_load(&shared->cells[cell + i].started));
}

static void write_by(int fd, const void *buf, size_t len, uint64_t at)
{
	int64_t n = write_full(fd, buf, len, at);

	if (n != (int64_t)len) {
		errno = n < 0 ? (int)-n : EIO;
		die("write at %llu", (unsigned long long)at);
	}
	atomic_fetch_add_explicit(&shared->writes, 1, memory_order_relaxed);
}

/* From cell on, n of them, none past the page. */
static void write_cells(const struct files *f, uint64_t cell, uint64_t n, unsigned how)
{
	uint32_t versions[CELLS_IN_PAGE];
	bool whole = n == CELLS_IN_PAGE;

	start(cell, n, versions);
	for (uint64_t i = 0; i < n; i++)
		fill_cell(f->buf + i * CELL, cell + i, versions[i]);
	if (f->map && how == 0)
		memcpy(f->map + cell * CELL, f->buf, n * CELL);
	else
		write_by(whole && f->direct >= 0 && how == 1 ? f->direct : f->fd, f->buf, n * CELL,
			 cell * CELL);
	finish(cell, n);
}

/* Of every two pages one is each writer's. */
static void writer(unsigned id)
{
	struct files f = open_files(true);
	uint64_t random = set.seed * 77 + id;

	while (!atomic_load(&shared->stop)) {
		uint64_t r = next_random(&random);
		uint64_t page = (r >> 16) % (set.pages / 2) * 2 + id % 2;
		uint64_t first = r % 8 < 4 ? 0 : r / 8 % CELLS_IN_PAGE;
		uint64_t n = r % 8 < 4 ? CELLS_IN_PAGE : 1 + r / 32 % (CELLS_IN_PAGE - first);

		write_cells(&f, page * CELLS_IN_PAGE + first, n, (unsigned)(r / 128 % 3));
		if (r % 1000 == 0)
			fsync(f.fd);
		usleep((useconds_t)(r / 512 % 200));
	}
}

/* ---------------------------------------------------------------- beneath */

/* Writes a few pages in BACKING, and makes the daemon drop the file's pages. */
static void stranger(unsigned id)
{
	int fd = open(set.beneath, O_RDWR | O_CLOEXEC);
	uint64_t random = set.seed * 13 + id;
	char buf[PAGE];

	if (fd < 0)
		die("open %s", set.beneath);
	while (!atomic_load(&shared->stop)) {
		uint64_t r = next_random(&random), page = set.pages + r % (BENEATH_PAGES - 16);
		uint32_t versions[CELLS_IN_PAGE];

		for (uint64_t p = page; p < page + 16; p++) {
			start(p * CELLS_IN_PAGE, CELLS_IN_PAGE, versions);
			for (unsigned c = 0; c < CELLS_IN_PAGE; c++)
				fill_cell(buf + c * CELL, p * CELLS_IN_PAGE + c, versions[c]);
			if (pwrite(fd, buf, PAGE, (off_t)(p * PAGE)) != PAGE)
				die("write beneath");
		}
		atomic_fetch_add(&shared->foreign, 1);
		for (int ms = 0; ms < SETTLE_MS && !atomic_load(&shared->stop); ms += 250) {
			usleep(250 * 1000);
			if (utimensat(AT_FDCWD, set.beneath, NULL, 0))
				die("touch beneath");
		}
		if (!atomic_load(&shared->stop))
			finish(page * CELLS_IN_PAGE, 16 * CELLS_IN_PAGE);
	}
}

/* ------------------------------------------------------------------- tail */

static void clear_tail(int fd, uint64_t r)
{
	uint64_t from = tail_start() * PAGE, to = all_pages() * PAGE;
	int rc;

	if (r % 3)
		rc = ftruncate(fd, (off_t)from) || ftruncate(fd, (off_t)to);
	else
		rc = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
			       (off_t)(to - from));
	if (rc)
		die("clearing the tail");
	atomic_fetch_add(&shared->cuts, 1);
}

static void cutter(unsigned id)
{
	static uint32_t versions[TAIL_PAGES * CELLS_IN_PAGE];
	uint64_t cell = tail_start() * CELLS_IN_PAGE, n = TAIL_PAGES * CELLS_IN_PAGE;
	uint64_t random = set.seed * 5 + id;
	int fd = open(set.read_only ? set.beneath : set.path, O_RDWR | O_CLOEXEC);
	char buf[PAGE];

	if (fd < 0)
		die("open the file to cut");
	while (!atomic_load(&shared->stop)) {
		start(cell, n, versions);
		clear_tail(fd, next_random(&random));
		settle(set.read_only);
		if (atomic_load(&shared->stop))
			break;
		finish(cell, n);
		usleep(20000);
		start(cell, n, versions);
		for (uint64_t p = 0; p < TAIL_PAGES; p++) {
			for (unsigned c = 0; c < CELLS_IN_PAGE; c++)
				fill_cell(buf + c * CELL, cell + p * CELLS_IN_PAGE + c,
					  versions[p * CELLS_IN_PAGE + c]);
			write_by(fd, buf, PAGE, (tail_start() + p) * PAGE);
			if (!set.read_only)
				finish(cell + p * CELLS_IN_PAGE, CELLS_IN_PAGE);
		}
		settle(set.read_only);
		if (!atomic_load(&shared->stop))
			finish(cell, n);
		usleep(50000);
	}
}

/* ------------------------------------------------------------------- main */

static pid_t spawn(void (*work)(unsigned id), unsigned id)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	work(id);
	_exit(0);
}

static void fill_beneath(void)
{
	int fd = open(set.beneath, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	char buf[PAGE];

	if (fd < 0)
		die("open %s", set.beneath);
	for (uint64_t page = 0; page < all_pages(); page++) {
		for (unsigned c = 0; c < CELLS_IN_PAGE; c++)
			fill_cell(buf + c * CELL, page * CELLS_IN_PAGE + c, 0);
		if (write_full(fd, buf, PAGE, page * PAGE) != PAGE)
			die("fill");
	}
	close(fd);
}

static void parse(int argc, char **argv)
{
	static const char usage[] = "usage: stale MNT/FILE BACKING/FILE [seconds=] [seed=] [mib=] "
				    "[direct=] [mapped=] [ro=]\n";

	if (argc < 3) {
		fputs(usage, stderr);
		exit(2);
	}
	set.path = argv[1];
	set.beneath = argv[2];
	for (int i = 3; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			die("%s", argv[i]);
		*value++ = '\0';
		if (!strcmp(argv[i], "seconds"))
			set.seconds = parse_number(value);
		else if (!strcmp(argv[i], "seed"))
			set.seed = parse_number(value);
		else if (!strcmp(argv[i], "mib"))
			set.pages = parse_number(value) << 8;
		else if (!strcmp(argv[i], "direct"))
			set.direct = parse_number(value);
		else if (!strcmp(argv[i], "ro"))
			set.read_only = parse_number(value);
		else if (!strcmp(argv[i], "mapped"))
			set.mapped = parse_number(value);
		else
			die("%s", argv[i]);
	}
}

/* Until all have ended; the first that fails ends the others. */
static bool wait_for(unsigned n, double until)
{
	bool good = true;

	while (n) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid > 0) {
			n--;
			if (status) {
				good = false;
				atomic_store(&shared->stop, true);
			}
			continue;
		}
		if (now_seconds() > until)
			atomic_store(&shared->stop, true);
		usleep(20000);
	}
	return good && !atomic_load(&shared->broken);
}

int main(int argc, char **argv)
{
	static const struct {
		void (*work)(unsigned id);
		unsigned n;
	} crew[] = {{reader, 4}, {writer, 2}, {stranger, 1}, {cutter, 1}};
	unsigned n = 0;
	size_t size;
	bool good;

	parse(argc, argv);
	size = sizeof(*shared) + all_pages() * CELLS_IN_PAGE * sizeof(struct cell);
	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	fill_beneath();
	for (size_t i = 0; i < sizeof(crew) / sizeof(crew[0]); i++)
		for (unsigned k = 0; k < crew[i].n && !(set.read_only && crew[i].work == writer); k++, n++)
			spawn(crew[i].work, k);
	good = wait_for(n, now_seconds() + (double)set.seconds);
	printf("%s: seed %llu: %llu pages read, %llu writes, %llu cuts, %llu changes beneath\n",
	       good ? "right" : "WRONG", (unsigned long long)set.seed,
	       (unsigned long long)atomic_load(&shared->reads),
	       (unsigned long long)atomic_load(&shared->writes),
	       (unsigned long long)atomic_load(&shared->cuts),
	       (unsigned long long)atomic_load(&shared->foreign));
	return good ? 0 : 1;
}

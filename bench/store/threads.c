/* SPDX-License-Identifier: MIT */
/* Hits from 1, 2 and 4 threads: all rates are of all threads together */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "contest.h"
#include "mmapstore.h"

#define PAGE 4096u
#define THREADS_MAX 4u

enum way { BY_MMAP, BY_VIEW, BY_READ };

struct crowd {
	uint64_t bytes, words, pages;
	const unsigned char *map;
	struct mms_pool *pool;
	struct mms_file *file;
	struct mms_view view;
	enum way way;
	pthread_barrier_t start;
};

static uint64_t word_hits(struct crowd *t, uint64_t state)
{
	const uint64_t bytes = t->bytes, words = t->words;
	uint64_t sum = 0, v = 0;
	struct mms_view mine;

	if (t->way == BY_MMAP) {
		for (uint64_t i = 0; i < words; i++) {
			memcpy(&v, t->map + next_random(&state) % (bytes / 8) * 8, 8);
			sum += v;
		}
		return sum;
	}
	if (mms_view_clone(&t->view, &mine))
		die("mms_view_clone");
	for (uint64_t i = 0; i < words; i++) {
		if (mms_view_u64_at(&mine, next_random(&state) % (bytes / 8) * 8, &v))
			die("mms_view_u64_at");
		sum += v;
	}
	mms_view_release(&mine);
	return sum;
}

static uint64_t page_hits(struct crowd *t, uint64_t state)
{
	unsigned char buf[PAGE];
	uint64_t sum = 0;

	for (uint64_t i = 0; i < t->pages; i++) {
		if (mms_read(t->file, buf, PAGE, next_random(&state) % (t->bytes / PAGE) * PAGE) !=
		    (ssize_t)PAGE)
			die("mms_read");
		sum += buf[i % PAGE];
	}
	return sum;
}

static void *hit(void *arg)
{
	static _Atomic uint64_t seeds = 1;
	struct crowd *t = arg;
	uint64_t seed = atomic_fetch_add(&seeds, 1) * 0x9e3779b97f4a7c15ULL;

	(void)pthread_barrier_wait(&t->start);
	sink = t->way == BY_READ ? page_hits(t, seed) : word_hits(t, seed);
	return NULL;
}

static double run(struct crowd *t, enum way way, unsigned threads)
{
	pthread_t thread[THREADS_MAX];
	double start;

	t->way = way;
	if (pthread_barrier_init(&t->start, NULL, threads + 1))
		die("pthread_barrier_init");
	for (unsigned i = 0; i < threads; i++) {
		if (pthread_create(&thread[i], NULL, hit, t))
			die("pthread_create");
	}
	(void)pthread_barrier_wait(&t->start);
	start = now_s();
	for (unsigned i = 0; i < threads; i++)
		(void)pthread_join(thread[i], NULL);
	start = now_s() - start;
	(void)pthread_barrier_destroy(&t->start);
	return (double)threads * (double)(way == BY_READ ? t->pages : t->words) / start;
}

#define CROWD(name, way, threads)                 \
	static double name##_##threads(void *arg) \
	{                                         \
		return run(arg, way, threads);    \
	}

CROWD(mmap, BY_MMAP, 1)
CROWD(mmap, BY_MMAP, 2)
CROWD(view, BY_VIEW, 1)
CROWD(view, BY_VIEW, 2)
CROWD(view, BY_VIEW, 4)
CROWD(read, BY_READ, 1)
CROWD(read, BY_READ, 2)
CROWD(read, BY_READ, 4)

void bench_threads(const struct bench *b)
{
	struct crowd t = {.bytes = b->bytes,
			  .words = b->quick ? 1000000 : 16000000,
			  .pages = b->quick ? 100000 : 1600000};
	const struct contest words = {
		.what = "8-byte hits from several threads, a clone each",
		.unit = "million/s",
		.unit_scale = 1e6,
		.contenders = {{"view, 1 thread", view_1},
			       {"view, 2 threads", view_2},
			       {"view, 4 threads", view_4},
			       {"mmap, 1 thread", mmap_1},
			       {"mmap, 2 threads", mmap_2}},
		.bars = {{1, 0, 1.8}, {2, 0, 1.8}, {4, 3, 1.8}},
		.arg = &t,
	};
	const struct contest pages = {
		.what = "4 KiB hits by mms_read from several threads, one file",
		.unit = "thousand/s",
		.unit_scale = 1e3,
		.contenders = {{"mms_read, 1 thread", read_1},
			       {"mms_read, 2 threads", read_2},
			       {"mms_read, 4 threads", read_4}},
		.bars = {{1, 0, 1.8}, {2, 0, 1.8}},
		.arg = &t,
	};
	const char *path = bench_file(b);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, t.bytes, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED || mms_pool_new(NULL, &t.pool, NULL) ||
	    mms_open(t.pool, path, NULL, &t.file, NULL) || mms_view_init(&t.view, t.file))
		die("opening %s", path);
	t.map = map;
	contest_hold(b, &words);
	contest_hold(b, &pages);
	mms_view_release(&t.view);
	(void)mms_close(t.file);
	mms_pool_free(t.pool);
	(void)munmap(map, t.bytes);
	(void)close(fd);
}

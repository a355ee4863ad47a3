/* SPDX-License-Identifier: MIT */
/* Reading a file that is in the page cache: pread, stdio, a plain mapping, and the store */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "reading.h"

#define PAGE 4096u
#define MEGABYTE (1u << 20)

/* ------------------------------------------------------------- 8 bytes, random */

/* pread and stdio are many times slower: a tenth of the reads will do. */
static double word_pread(void *arg)
{
	struct reading *t = arg;
	uint64_t state = SEED, sum = 0, n = t->words / 10, v;
	double start = now_s();

	for (uint64_t i = 0; i < n; i++) {
		if (pread(t->fd, &v, 8, (off_t)place(&state, t->bytes, 8)) != 8)
			die("pread");
		sum += v;
	}
	sink = sum;
	return (double)n / (now_s() - start);
}

static double word_stdio(void *arg)
{
	struct reading *t = arg;
	uint64_t state = SEED, sum = 0, n = t->words / 10, v;
	double start = now_s();

	for (uint64_t i = 0; i < n; i++) {
		if (fseeko(t->stdio, (off_t)place(&state, t->bytes, 8), SEEK_SET) ||
		    fread(&v, 8, 1, t->stdio) != 1)
			die("fread");
		sum += v;
	}
	sink = sum;
	return (double)n / (now_s() - start);
}

static double word_mmap(void *arg)
{
	struct reading *t = arg;
	const uint64_t bytes = t->bytes, words = t->words;
	uint64_t state = SEED, sum = 0, v;
	double start = now_s();

	for (uint64_t i = 0; i < words; i++) {
		memcpy(&v, t->map + place(&state, bytes, 8), 8);
		sum += v;
	}
	sink = sum;
	return (double)words / (now_s() - start);
}

static double word_view(void *arg)
{
	struct reading *t = arg;
	const uint64_t bytes = t->bytes, words = t->words;
	uint64_t state = SEED, sum = 0, v = 0;
	double start = now_s();

	for (uint64_t i = 0; i < words; i++) {
		if (mms_view_u64_at(&t->view, place(&state, bytes, 8), &v))
			die("mms_view_u64_at");
		sum += v;
	}
	sink = sum;
	return (double)words / (now_s() - start);
}

static double word_get(void *arg)
{
	struct reading *t = arg;
	const uint64_t bytes = t->bytes, words = t->words;
	uint64_t state = SEED, sum = 0, v = 0;
	double start = now_s();

	for (uint64_t i = 0; i < words; i++) {
		if (mms_get_u64(t->file, place(&state, bytes, 8), &v))
			die("mms_get_u64");
		sum += v;
	}
	sink = sum;
	return (double)words / (now_s() - start);
}

/* --------------------------------------------------------------- pieces */

enum way { BY_PREAD, BY_STDIO, BY_MMAP, BY_VIEW, BY_READ };

static void copy_piece(struct reading *t, enum way way, size_t len, uint64_t at)
{
	bool ok = true;

	switch (way) {
	case BY_PREAD:
		ok = pread(t->fd, t->buf, len, (off_t)at) == (ssize_t)len;
		break;
	case BY_STDIO:
		ok = !fseeko(t->stdio, (off_t)at, SEEK_SET) && fread(t->buf, len, 1, t->stdio) == 1;
		break;
	case BY_MMAP:
		memcpy(t->buf, t->map + at, len);
		break;
	case BY_VIEW:
		ok = !mms_view_bytes_at(&t->view, at, t->buf, len);
		break;
	case BY_READ:
		ok = mms_read(t->file, t->buf, len, at) == (ssize_t)len;
		break;
	}
	if (!ok)
		die("reading %zu bytes at %llu", len, (unsigned long long)at);
	sink += t->buf[at % len];
}

static double random_pages(struct reading *t, enum way way)
{
	uint64_t state = SEED;
	double start = now_s();

	for (uint64_t i = 0; i < t->pages; i++)
		copy_piece(t, way, PAGE, place(&state, t->bytes, PAGE));
	return (double)t->pages / (now_s() - start);
}

static double whole_file(struct reading *t, enum way way)
{
	double start = now_s();

	for (uint64_t at = 0; at < t->bytes; at += MEGABYTE)
		copy_piece(t, way, MEGABYTE, at);
	return (double)t->bytes / (now_s() - start);
}

#define WAY(name, which)                         \
	static double page_##name(void *arg)     \
	{                                        \
		return random_pages(arg, which); \
	}                                        \
	static double megabyte_##name(void *arg) \
	{                                        \
		return whole_file(arg, which);   \
	}

WAY(pread, BY_PREAD)
WAY(stdio, BY_STDIO)
WAY(mmap, BY_MMAP)
WAY(view, BY_VIEW)
WAY(read, BY_READ)

/* ------------------------------------------------------------------ all */

static void open_ways(struct reading *t, const struct bench *b)
{
	const char *path = bench_file(b);
	struct mms_error err;
	char text[600];
	void *map;

	t->bytes = b->bytes;
	t->words = b->quick ? 400000 : 4000000;
	t->pages = b->quick ? 40000 : 400000;
	t->fd = open(path, O_RDONLY | O_CLOEXEC);
	t->stdio = fopen(path, "re");
	t->buf = aligned_alloc(PAGE, MEGABYTE);
	if (t->fd < 0 || !t->stdio || !t->buf)
		die("opening %s", path);
	map = mmap(NULL, t->bytes, PROT_READ, MAP_SHARED, t->fd, 0);
	if (map == MAP_FAILED)
		die("mapping %s", path);
	t->map = map;
	if (mms_pool_new(NULL, &t->pool, &err) || mms_open(t->pool, path, NULL, &t->file, &err))
		die("%s", mms_error_format(&err, text, sizeof(text)));
	if (mms_view_init(&t->view, t->file))
		die("mms_view_init");
}

static void close_ways(struct reading *t)
{
	struct mms_stats s;

	mms_view_release(&t->view);
	mms_pool_stats(t->pool, &s);
	if (s.read_bytes_pread)
		die("the store has read %llu bytes by pread: that is not what is measured",
		    (unsigned long long)s.read_bytes_pread);
	(void)mms_close(t->file);
	mms_pool_free(t->pool);
	(void)munmap((void *)(uintptr_t)t->map, t->bytes);
	(void)fclose(t->stdio);
	(void)close(t->fd);
	free(t->buf);
}

void bench_read(const struct bench *b)
{
	struct reading t;
	const struct contest words = {
		.what = "8-byte random reads",
		.unit = "million/s",
		.unit_scale = 1e6,
		.contenders = {{"pread", word_pread},
			       {"stdio", word_stdio},
			       {"mmap", word_mmap},
			       {"view, inline", word_inline},
			       {"view", word_view},
			       {"mms_get_u64", word_get}},
		.bars = {{3, 0, 15}, {3, 2, 0.9}, {4, 0, 15}},
		.arg = &t,
	};
	const struct contest pages = {
		.what = "4 KiB random reads",
		.unit = "thousand/s",
		.unit_scale = 1e3,
		.contenders = {{"pread", page_pread},
			       {"stdio", page_stdio},
			       {"mmap", page_mmap},
			       {"mms_view_bytes_at", page_view},
			       {"mms_read", page_read}},
		.bars = {{3, 0, 1.3}, {3, 2, 0.9}},
		.arg = &t,
	};
	const struct contest megabytes = {
		.what = "1 MiB sequential reads",
		.unit = "GB/s",
		.unit_scale = 1e9,
		.contenders = {{"pread", megabyte_pread},
			       {"stdio", megabyte_stdio},
			       {"mmap", megabyte_mmap},
			       {"mms_view_bytes_at", megabyte_view},
			       {"mms_read", megabyte_read}},
		.bars = {{3, 0, 1}, {3, 2, 0.9}},
		.arg = &t,
	};

	open_ways(&t, b);
	contest_hold(b, &words);
	contest_hold(b, &pages);
	contest_hold(b, &megabytes);
	close_ways(&t);
}

/* SPDX-License-Identifier: MIT */
/* A second reader of the same file: opened and mapped anew, or cloned */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "contest.h"
#include "mmapstore.h"

#define CLONES 2000000u
#define OPENS 20000u

struct cloning {
	const char *path;
	uint64_t bytes;
	struct mms_pool *pool;
	struct mms_file *file;
	struct mms_view view;
};

static double open_and_map(void *arg)
{
	struct cloning *t = arg;
	double start = now_s();

	for (unsigned i = 0; i < OPENS; i++) {
		int fd = open(t->path, O_RDONLY | O_CLOEXEC);
		void *map = mmap(NULL, t->bytes, PROT_READ, MAP_SHARED, fd, 0);

		if (fd < 0 || map == MAP_FAILED)
			die("mapping %s", t->path);
		(void)munmap(map, t->bytes);
		(void)close(fd);
	}
	return OPENS / (now_s() - start);
}

static double clone(void *arg)
{
	struct cloning *t = arg;
	struct mms_view v;
	double start = now_s();

	for (unsigned i = 0; i < CLONES; i++) {
		if (mms_view_clone(&t->view, &v))
			die("mms_view_clone");
		mms_view_release(&v);
	}
	return CLONES / (now_s() - start);
}

static double slice(void *arg)
{
	struct cloning *t = arg;
	struct mms_view v;
	double start = now_s();

	for (unsigned i = 0; i < CLONES; i++) {
		if (mms_view_slice(&t->view, "slice", 4096, 4096, &v))
			die("mms_view_slice");
		mms_view_release(&v);
	}
	return CLONES / (now_s() - start);
}

void bench_clone(const struct bench *b)
{
	struct cloning t = {.path = bench_file(b), .bytes = b->bytes};
	const struct contest contest = {
		.what = "another reader of the file, made and ended",
		.unit = "million/s",
		.unit_scale = 1e6,
		.contenders = {{"open+mmap", open_and_map},
			       {"mms_view_clone", clone},
			       {"mms_view_slice", slice}},
		.bars = {{1, 0, 100}},
		.arg = &t,
	};
	uint8_t byte;

	if (mms_pool_new(NULL, &t.pool, NULL) || mms_open(t.pool, t.path, NULL, &t.file, NULL) ||
	    mms_view_init(&t.view, t.file) || mms_view_u8_at(&t.view, 0, &byte))
		die("opening %s", t.path);
	contest_hold(b, &contest);
	mms_view_release(&t.view);
	(void)mms_close(t.file);
	mms_pool_free(t.pool);
}

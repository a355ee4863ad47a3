/* SPDX-License-Identifier: MIT */
/* Proves that advice reaches the kernel only where given, and that preloading reads the data in. */
#include "helper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHIFT 20u
#define CHUNK (1u << SHIFT)

static unsigned madvises(void)
{
	return atomic_exchange(&t_call[CALL_MADVISE].made, 0);
}

static unsigned fadvises(void)
{
	return atomic_exchange(&t_call[CALL_FADVISE].made, 0);
}

static void visit(struct mms_file *file, uint64_t offset)
{
	struct mms_pin pin;

	T_ASSERT_OK(mms_pin(file, offset, 1, 0, &pin));
	mms_unpin(&pin);
}

START_TEST(normal_makes_no_call)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), NULL);

	visit(file, 0);
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_NORMAL));
	ck_assert_uint_eq(madvises() + fadvises(), 0);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(advice_is_kept_for_later_chunks)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), NULL);

	visit(file, 0);
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_RANDOM));
	ck_assert_uint_eq(madvises(), 1);
	ck_assert_uint_eq(fadvises(), 1);
	visit(file, CHUNK);
	ck_assert_uint_eq(madvises(), 1);
	/* Of a range: mapped chunks in it, now and only now. */
	T_ASSERT_OK(mms_advise(file, CHUNK + 5, 10, MMS_ADVICE_SEQUENTIAL));
	ck_assert_uint_eq(madvises(), 1);
	T_ASSERT_OK(mms_advise(file, 2 * CHUNK, CHUNK, MMS_ADVICE_SEQUENTIAL));
	ck_assert_uint_eq(madvises(), 0);
	ck_assert_uint_eq(fadvises(), 0);
	/* Back: now it does make calls, and later chunks need none. */
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_NORMAL));
	ck_assert_uint_eq(madvises(), 2);
	visit(file, 3 * CHUNK);
	ck_assert_uint_eq(madvises(), 0);
	ck_assert_int_eq(mms_advise(file, 0, 0, (enum mms_advice)99), -EINVAL);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(advice_from_the_options)
{
	const struct mms_file_options options = {.advice = MMS_ADVICE_SEQUENTIAL};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", CHUNK), &options);

	visit(file, 0);
	ck_assert_uint_eq(madvises(), 1);
	ck_assert_uint_eq(fadvises(), 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Pages of the file that are in memory. */
static size_t resident(const char *path, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	size_t pages = (size + 4095) / 4096, n = 0;
	unsigned char *vec = malloc(pages);

	ck_assert_int_eq(mincore(map, size, vec), 0);
	for (size_t i = 0; i < pages; i++)
		n += vec[i] & 1;
	free(vec);
	munmap(map, size);
	close(fd);
	return n;
}

static void drop(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	fdatasync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static bool can_drop(const char *path, size_t size)
{
	drop(path);
	return resident(path, size) == 0;
}

START_TEST(populate)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 3 * CHUNK + 5000);
	struct mms_file *file = t_open(pool, path, NULL);
	bool cold = can_drop(path, 3 * CHUNK + 5000); /* not on tmpfs */

	T_ASSERT_OK(mms_preload(file, CHUNK + 100, CHUNK, MMS_PRELOAD_POPULATE));
	if (cold)
		ck_assert_uint_ge(resident(path, 3 * CHUNK + 5000), 256);
	T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_POPULATE));
	ck_assert_uint_eq(resident(path, 3 * CHUNK + 5000), 3 * 256 + 2);
	ck_assert_uint_eq(t_stats(pool).chunks, 4);
	T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_NONE));
	T_ASSERT_OK(mms_preload(file, TIB, 0, MMS_PRELOAD_POPULATE));
	ck_assert_int_eq(mms_preload(file, 0, 0, (enum mms_preload)9), -EINVAL);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

static void *where(struct mms_file *file, uint64_t offset)
{
	struct mms_pin pin;
	void *addr;

	T_ASSERT_OK(mms_pin(file, offset, 1, 0, &pin));
	addr = pin.addr;
	mms_unpin(&pin);
	return addr;
}

/* It maps what there is room for, evicts nobody, and reads in all the same. */
START_TEST(populate_within_the_budget)
{
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);
	const char *path = t_fill("f", 4 * CHUNK);
	struct mms_file *file = t_open(pool, path, NULL);

	drop(path);
	T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_POPULATE));
	ck_assert_uint_eq(resident(path, 4 * CHUNK), 4 * 256);
	ck_assert_uint_eq(t_stats(pool).chunk_evictions, 0);
	ck_assert_uint_eq(t_stats(pool).chunks, 2);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Kernels before 5.14 know no MADV_POPULATE_READ. */
START_TEST(populate_on_old_kernels)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", CHUNK + 5000);
	struct mms_file *file = t_open(pool, path, NULL);

	drop(path);
	t_fail(CALL_MADVISE, -EINVAL, 0, -1);
	T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_POPULATE));
	ck_assert_uint_eq(resident(path, CHUNK + 5000), 256 + 2);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(asynchronous)
{
	const struct mms_file_options options = {.preload = MMS_PRELOAD_ASYNC};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 4 * CHUNK);
	struct mms_file *file;

	drop(path);
	file = t_open(pool, path, &options);
	while (resident(path, 4 * CHUNK) != 4 * 256)
		usleep(1000);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* A close in the middle, with more queued: nothing touches a closed file. */
START_TEST(closing_while_it_reads)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *files[8];
	char name[16];

	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		ck_assert(t_sparse(name, 16 * GIB)); /* it would take seconds */
		files[i] = t_open(pool, t_path(name), NULL);
		T_ASSERT_OK(mms_preload(files[i], 0, 0, MMS_PRELOAD_ASYNC));
	}
	usleep(1000);
	for (int i = 0; i < 8; i++)
		mms_close(files[i]);
	mms_pool_free(pool);
}
END_TEST

START_TEST(no_thread)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 100), NULL);

	t_fail(CALL_THREAD_START, -EAGAIN, 0, 1);
	ck_assert_int_eq(mms_preload(file, 0, 0, MMS_PRELOAD_ASYNC), -EAGAIN);
	T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_ASYNC));
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------- all words */

/* Each setting and its opposite, as the kernel shows them, on what is mapped
 * when they are given, on what is mapped later, and on what is mapped anew. */
START_TEST(settings_are_kept)
{
	static const struct {
		enum mms_advice on, off;
		const char *flag;
		bool cow;
	} cases[] = {
		{MMS_ADVICE_SEQUENTIAL, MMS_ADVICE_NORMAL, "sr", false},
		{MMS_ADVICE_RANDOM, MMS_ADVICE_NORMAL, "rr", false},
		{MMS_ADVICE_DONTFORK, MMS_ADVICE_DOFORK, "dc", false},
		{MMS_ADVICE_DONTDUMP, MMS_ADVICE_DODUMP, "dd", false},
		{MMS_ADVICE_HUGEPAGE, MMS_ADVICE_NOHUGEPAGE, "hg", false},
		{MMS_ADVICE_NOHUGEPAGE, MMS_ADVICE_HUGEPAGE, "nh", false},
		{MMS_ADVICE_MERGEABLE, MMS_ADVICE_UNMERGEABLE, "mg", true},
	};

	t_fill("f", 8 * CHUNK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct mms_file_options o = {.mode = cases[i].cow ? MMS_COW : MMS_RDONLY};
		struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);
		struct mms_file *file = t_open(pool, t_path("f"), &o);
		int r;

		ck_assert(!t_vma_has(where(file, 0), cases[i].flag));
		r = mms_advise(file, 0, 0, cases[i].on);
		if (r == -EINVAL) { /* a kernel without it */
			mms_close(file);
			mms_pool_free(pool);
			continue;
		}
		T_ASSERT_OK(r);
		/* The second round comes after evictions. */
		for (uint64_t j = 0; j < 16; j++)
			ck_assert(t_vma_has(where(file, j % 8 * CHUNK), cases[i].flag));
		T_ASSERT_OK(mms_advise(file, 0, 0, cases[i].off));
		for (uint64_t j = 0; j < 16; j++)
			ck_assert(!t_vma_has(where(file, (15 - j) % 8 * CHUNK), cases[i].flag));
		/* Of a part: now, and not later. */
		T_ASSERT_OK(mms_advise(file, 4096, 4096, cases[i].on));
		ck_assert(t_vma_has((char *)where(file, 0) + 4096, cases[i].flag));
		ck_assert(!t_vma_has(where(file, 0), cases[i].flag));
		ck_assert(!t_vma_has((char *)where(file, 0) + 8192, cases[i].flag));
		for (uint64_t j = 1; j < 16; j++)
			ck_assert(!t_vma_has((char *)where(file, j % 8 * CHUNK) + 4096,
					     cases[i].flag));
		mms_close(file);
		mms_pool_free(pool);
	}
}
END_TEST

START_TEST(several_at_once)
{
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 4 * CHUNK), NULL);

	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_DONTFORK));
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_DONTDUMP));
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_NORMAL)); /* none before: no call */
	ck_assert_uint_eq(madvises() + fadvises(), 0);
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_RANDOM));
	ck_assert_uint_eq(fadvises(), 1);
	visit(file, 0);
	ck_assert_uint_eq(madvises(), 3);
	ck_assert(t_vma_has(where(file, 0), "rr"));
	ck_assert(t_vma_has(where(file, 0), "dc"));
	ck_assert(t_vma_has(where(file, 0), "dd"));
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_DOFORK));
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_DODUMP));
	(void)madvises();
	visit(file, CHUNK);
	ck_assert_uint_eq(madvises(), 1);
	/* What a mapping cannot have is its own affair; who asks now is told. */
	t_fail(CALL_MADVISE, -ENOMEM, 0, 1);
	ck_assert_int_eq(mms_advise(file, 0, 0, MMS_ADVICE_DONTFORK), -ENOMEM);
	t_fail(CALL_MADVISE, -ENOMEM, 0, -1);
	visit(file, 3 * CHUNK);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(refusals)
{
	const struct mms_file_options rw = {.mode = MMS_RDWR}, cow = {.mode = MMS_COW};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), NULL);

	visit(file, 0);
	ck_assert_int_eq(mms_advise(file, 0, 0, MMS_ADVICE_MERGEABLE), -EINVAL);
	ck_assert_int_eq(mms_advise(file, 0, 0, MMS_ADVICE_UNMERGEABLE), -EINVAL);
	ck_assert_int_eq(mms_advise(file, 0, 0, MMS_ADVICE_POPULATE_WRITE), -EBADF);
	ck_assert_int_eq(mms_advise(file, 0, 0, (enum mms_advice)(MMS_ADVICE_COLLAPSE + 1)),
			 -EINVAL);
	ck_assert_int_eq(mms_advise(file, 0, 0, (enum mms_advice) - 1), -EINVAL);
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_DONTNEED));
	mms_close(file);
	file = t_open(pool, t_path("f"), &rw);
	visit(file, 0);
	ck_assert_int_eq(mms_advise(file, 0, 0, MMS_ADVICE_MERGEABLE), -EINVAL);
	T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_DONTNEED));
	mms_close(file);
	file = t_open(pool, t_path("f"), &cow);
	ck_assert_int_eq(mms_write(file, "kept", 4, 5, 0), 4);
	(void)madvises();
	(void)fadvises();
	ck_assert_int_eq(mms_advise(file, 0, 0, MMS_ADVICE_DONTNEED), -EINVAL);
	ck_assert_uint_eq(madvises() + fadvises(), 0);
	ck_assert_int_eq(memcmp(where(file, 5), "kept", 4), 0);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* Words that are done once: one call for each chunk that is mapped, up to the
 * end of the file; two of them reach what is not mapped, too. */
START_TEST(once)
{
	static const enum mms_advice words[] = {MMS_ADVICE_WILLNEED, MMS_ADVICE_DONTNEED,
						MMS_ADVICE_COLD, MMS_ADVICE_PAGEOUT,
						MMS_ADVICE_POPULATE_READ};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK + 5), NULL);

	visit(file, 0);
	visit(file, 3 * CHUNK);
	for (size_t i = 0; i < 5; i++) {
		int r = mms_advise(file, 0, 0, words[i]);
		bool both = i < 2;

		if (r == -EINVAL && i >= 2) {
			(void)madvises();
			continue; /* an old kernel */
		}
		T_ASSERT_OK(r);
		ck_assert_uint_eq(madvises(), 2);
		ck_assert_uint_eq(fadvises(), both);
		T_ASSERT_OK(mms_advise(file, CHUNK, 2 * CHUNK, words[i]));
		ck_assert_uint_eq(madvises(), 0);
		ck_assert_uint_eq(fadvises(), both);
		T_ASSERT_OK(mms_advise(file, 3 * CHUNK + 5, 0, words[i]));
		T_ASSERT_OK(mms_advise(file, UINT64_MAX, UINT64_MAX, words[i]));
		ck_assert_uint_eq(madvises() + fadvises(), 0);
		/* Not kept. */
		visit(file, CHUNK);
		ck_assert_uint_eq(madvises(), 0);
		mms_close(file);
		file = t_open(pool, t_path("f"), NULL);
		visit(file, 0);
		visit(file, 3 * CHUNK);
	}
	t_fail(CALL_MADVISE, -EINVAL, 0, 1);
	ck_assert_int_eq(mms_advise(file, 0, 0, MMS_ADVICE_COLLAPSE), -EINVAL);
	t_fail(CALL_FADVISE, -ENOSYS, 0, 1);
	ck_assert_int_eq(mms_advise(file, 0, 0, MMS_ADVICE_WILLNEED), -ENOSYS);
	t_fail(CALL_FSTAT, -EIO, 0, 1);
	ck_assert_int_eq(mms_advise(file, 0, 0, MMS_ADVICE_COLD), -EIO);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(need_and_no_need)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 2 * CHUNK);
	struct mms_file *file = t_open(pool, path, NULL);

	if (can_drop(path, 2 * CHUNK)) {
		T_ASSERT_OK(mms_advise(file, CHUNK, 64 * KIB, MMS_ADVICE_WILLNEED));
		for (int i = 0; i < 1000 && resident(path, 2 * CHUNK) < 16; i++)
			usleep(1000);
		ck_assert_uint_ge(resident(path, 2 * CHUNK), 16);
		T_ASSERT_OK(mms_preload(file, 0, 0, MMS_PRELOAD_POPULATE));
		ck_assert_uint_eq(resident(path, 2 * CHUNK), 512);
		/* Mapped and touched as it is. */
		T_ASSERT_OK(mms_advise(file, 0, CHUNK, MMS_ADVICE_DONTNEED));
		ck_assert_uint_eq(resident(path, 2 * CHUNK), 256);
	}
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* What was mapped before mms_upgrade() must be writable first. */
START_TEST(populate_for_writing)
{
	const struct mms_file_options cow = {.mode = MMS_COW};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", CHUNK + 100);
	struct mms_file *file = t_open(pool, path, NULL);
	struct t_vma vma;
	int r;

	visit(file, 0);
	T_ASSERT_OK(mms_upgrade(file, open(path, O_RDWR | O_CLOEXEC)));
	r = mms_advise(file, 0, 0, MMS_ADVICE_POPULATE_WRITE);
	if (r != -EINVAL) { /* Linux 5.14 */
		T_ASSERT_OK(r);
		ck_assert(t_vma_at(where(file, 0), &vma));
		ck_assert_ptr_ne(strstr(vma.flags, " wr "), NULL);
	}
	mms_close(file);
	file = t_open(pool, path, &cow);
	visit(file, 0);
	ck_assert_int_eq(mms_advise(file, 0, 0, MMS_ADVICE_POPULATE_WRITE), r);
	/* No change is in it: it may go. */
	ck_assert_uint_eq(t_stats(pool).chunks, 1);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* The child of fork(2) does not have it, and dies when it looks. */
START_TEST(not_for_children)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 2 * CHUNK), NULL);
	pid_t child;
	int status;

	for (int forbidden = 0; forbidden < 2; forbidden++) {
		volatile unsigned char *byte = where(file, 100);

		if (forbidden)
			T_ASSERT_OK(mms_advise(file, 0, 0, MMS_ADVICE_DONTFORK));
		child = fork();
		if (child == 0) {
			signal(SIGSEGV, SIG_DFL);
			_exit(*byte == t_byte(100) ? 0 : 1);
		}
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		if (forbidden)
			ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
		else
			ck_assert_int_eq(status, 0);
	}
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(intents)
{
	ck_assert_int_eq(mms_intent_advice(MMS_INTENT_DEFAULT), MMS_ADVICE_NORMAL);
	ck_assert_int_eq(mms_intent_advice(MMS_INTENT_QUERY), MMS_ADVICE_RANDOM);
	ck_assert_int_eq(mms_intent_advice(MMS_INTENT_MERGE), MMS_ADVICE_SEQUENTIAL);
	ck_assert_int_eq(mms_intent_advice(MMS_INTENT_CHECKSUM), MMS_ADVICE_SEQUENTIAL);
	ck_assert_int_eq(mms_intent_advice(MMS_INTENT_READ_ONCE), MMS_ADVICE_SEQUENTIAL);
	ck_assert_int_eq(mms_intent_advice((enum mms_intent)99), MMS_ADVICE_NORMAL);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, settings_are_kept);
	tcase_add_test(t, several_at_once);
	tcase_add_test(t, refusals);
	tcase_add_test(t, once);
	tcase_add_test(t, need_and_no_need);
	tcase_add_test(t, populate_for_writing);
	tcase_add_test(t, not_for_children);
	tcase_add_test(t, intents);
	tcase_add_test(t, normal_makes_no_call);
	tcase_add_test(t, advice_is_kept_for_later_chunks);
	tcase_add_test(t, advice_from_the_options);
	tcase_add_test(t, populate);
	tcase_add_test(t, populate_within_the_budget);
	tcase_add_test(t, populate_on_old_kernels);
	tcase_add_test(t, asynchronous);
	tcase_add_test(t, closing_while_it_reads);
	tcase_add_test(t, no_thread);
}

int main(void)
{
	return t_run("hints", add_tests);
}

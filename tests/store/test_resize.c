/* SPDX-License-Identifier: MIT */
/* Proves that a file gets the size and the space that were asked for, or stays as it was. */
#include "helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SHIFT 20u
#define CHUNK (1u << SHIFT)

static const struct mms_file_options rdwr = {.mode = MMS_RDWR, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options stored = {
	.mode = MMS_RDWR, .io = MMS_IO_MMAP, .put = MMS_PUT_MMAP, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options immediate = {.mode = MMS_RDWR};

static uint64_t allocated(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void check_file(const char *path, uint64_t size)
{
	static unsigned char buf[CHUNK];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_uint_eq(t_size_of(path), size);
	ck_assert_int_eq(pread(fd, buf, (size_t)size, 0), (ssize_t)size);
	t_check(buf, (size_t)size, 0);
	close(fd);
}

/* ---------------------------------------------------------------- resize */

START_TEST(resizing)
{
	static const uint64_t sizes[] = {0,          1,          4095,       4096,
					 CHUNK - 1,  CHUNK,      CHUNK + 1,  INT32_MAX,
					 1ULL << 31, UINT32_MAX, 1ULL << 32, 5000};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 10000);
	struct mms_file *file = t_open(pool, path, &stored);
	unsigned char buf[100];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t at = sizes[i] > 100 ? sizes[i] - 100 : 0;

		T_ASSERT_OK(mms_resize(file, 100));
		t_pattern(buf, 100, 0);
		ck_assert_int_eq(mms_write(file, buf, 100, 0, 0), 100);
		T_ASSERT_OK(mms_resize(file, sizes[i]));
		ck_assert_uint_eq(t_size_of(path), sizes[i]);
		ck_assert_int_eq(mms_read(file, buf, 100, 0), sizes[i] < 100 ? (int)sizes[i] : 100);
		t_check(buf, sizes[i] < 100 ? (size_t)sizes[i] : 100, 0);
		if (at < 100)
			continue;
		/* What is new is zeros. */
		ck_assert_int_eq(mms_read(file, buf, 100, at), 100);
		for (int j = 0; j < 100; j++)
			ck_assert_uint_eq(buf[j], 0);
	}
	ck_assert(mms_is_dirty(file));
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(refused)
{
	const struct mms_file_options cow = {.mode = MMS_COW};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 1000);
	struct mms_file *file = t_open(pool, path, NULL);

	ck_assert_int_eq(mms_resize(file, 5), -EINVAL);
	ck_assert_int_eq(mms_allocate(file, 5000), -EINVAL);
	mms_close(file);
	file = t_open(pool, path, &cow);
	ck_assert_int_eq(mms_resize(file, 5), -EINVAL);
	ck_assert_int_eq(mms_allocate(file, 5000), -EINVAL);
	mms_close(file);
	file = t_open(pool, path, &rdwr);
	ck_assert_int_eq(mms_resize(file, 1ULL << 63), -EFBIG);
	ck_assert_int_eq(mms_resize(file, UINT64_MAX), -EFBIG);
	ck_assert_int_eq(mms_allocate(file, 1ULL << 63), -EFBIG);
	ck_assert_int_eq(mms_allocate(file, UINT64_MAX), -EFBIG);
	ck_assert(!mms_is_dirty(file));
	ck_assert_uint_eq(t_call[CALL_FTRUNCATE].made, 0);
	ck_assert_uint_eq(t_call[CALL_RESERVE].made, 0);
	mms_close(file);
	check_file(path, 1000);
	mms_pool_free(pool);
}
END_TEST

START_TEST(a_failed_resize)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 10000);
	struct mms_file *file = t_open(pool, path, &stored);

	t_fail(CALL_FTRUNCATE, -ENOSPC, 0, 1);
	ck_assert_int_eq(mms_resize(file, CHUNK), -ENOSPC);
	t_fail(CALL_FTRUNCATE, -EPERM, 0, 1);
	ck_assert_int_eq(mms_resize(file, 0), -EPERM);
	ck_assert(!mms_is_dirty(file));
	check_file(path, 10000);
	/* It counts as ended: stores go into the mapping again. */
	ck_assert_int_eq(mms_write(file, "x", 1, 9999, 0), 1);
	ck_assert_uint_eq(t_stats(pool).writes_mapped, 1);
	t_fail(CALL_FTRUNCATE, -EINTR, 0, 3);
	T_ASSERT_OK(mms_resize(file, 50));
	check_file(path, 50);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(immediate_sync)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 10000);
	struct mms_file *file = t_open(pool, path, &immediate);

	T_ASSERT_OK(mms_resize(file, 5000));
	ck_assert_uint_eq(t_call[CALL_FDATASYNC].made, 1);
	T_ASSERT_OK(mms_allocate(file, 6000));
	ck_assert_uint_eq(t_call[CALL_FDATASYNC].made, 2);
	/* Made, and not known to be durable. */
	t_fail(CALL_FDATASYNC, -EIO, 0, 2);
	ck_assert_int_eq(mms_resize(file, 4000), -EIO);
	check_file(path, 4000);
	ck_assert_int_eq(mms_allocate(file, 7000), -EIO);
	ck_assert_uint_eq(t_size_of(path), 7000);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* -------------------------------------------------------------- allocate */

START_TEST(allocating)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_path("f");
	struct mms_file *file;
	unsigned char buf[1000];

	ck_assert(t_sparse("f", 100000));
	file = t_open(pool, path, &rdwr);
	t_pattern(buf, 1000, 50000);
	ck_assert_int_eq(mms_write(file, buf, 1000, 50000, 0), 1000);
	ck_assert_uint_lt(allocated(path), 50000);
	T_ASSERT_OK(mms_allocate(file, 0));
	ck_assert_uint_eq(t_call[CALL_RESERVE].made, 0);
	/* Holes are filled, and nothing is cut. */
	T_ASSERT_OK(mms_allocate(file, 60000));
	ck_assert_uint_eq(t_size_of(path), 100000);
	ck_assert_uint_ge(allocated(path), 60000);
	T_ASSERT_OK(mms_allocate(file, 100000));
	ck_assert_uint_eq(t_size_of(path), 100000);
	ck_assert_uint_ge(allocated(path), 100000);
	ck_assert_uint_eq(t_call[CALL_ALLOCATE].made, 0);
	T_ASSERT_OK(mms_allocate(file, 100001));
	ck_assert_uint_eq(t_size_of(path), 100001);
	T_ASSERT_OK(mms_allocate(file, 3 * CHUNK + 5));
	ck_assert_uint_eq(t_size_of(path), 3 * CHUNK + 5);
	ck_assert_uint_ge(allocated(path), 3 * CHUNK + 5);
	ck_assert_int_eq(mms_read(file, buf, 1000, 50000), 1000);
	t_check(buf, 1000, 50000);
	ck_assert_int_eq(mms_read(file, buf, 1000, 3 * CHUNK - 995), 1000);
	ck_assert_uint_eq(buf[999], 0);
	ck_assert(mms_is_dirty(file));
	ck_assert_uint_eq(t_call[CALL_FTRUNCATE].made, 0);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(a_failed_allocation)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = t_fill("f", 10000);
	struct mms_file *file = t_open(pool, path, &rdwr);
	uint64_t before = allocated(path);

	t_fail(CALL_FSTAT, -EIO, 0, 1);
	ck_assert_int_eq(mms_allocate(file, CHUNK), -EIO);
	t_fail(CALL_RESERVE, -EOPNOTSUPP, 0, 1);
	ck_assert_int_eq(mms_allocate(file, CHUNK), -EOPNOTSUPP);
	check_file(path, 10000);
	/* The second step: what the first has got is given back. */
	t_fail(CALL_ALLOCATE, -EIO, 0, 1);
	ck_assert_int_eq(mms_allocate(file, CHUNK), -EIO);
	check_file(path, 10000);
	ck_assert_uint_eq(allocated(path), before);
	ck_assert(!mms_is_dirty(file));
	/* Giving back is a courtesy: its own failure changes nothing. */
	t_fail(CALL_ALLOCATE, -ENOSPC, 0, 1);
	t_fail(CALL_FTRUNCATE, -EIO, 0, 1);
	ck_assert_int_eq(mms_allocate(file, CHUNK), -ENOSPC);
	check_file(path, 10000);
	t_fail(CALL_ALLOCATE, -ENOSPC, 0, 1);
	t_fail(CALL_FSTAT, -EIO, 1, 1);
	ck_assert_int_eq(mms_allocate(file, CHUNK), -ENOSPC);
	check_file(path, 10000);
	/* Inside the file there is nothing to give back. */
	t_fail(CALL_RESERVE, -ENOSPC, 0, 1);
	t_fail(CALL_FTRUNCATE, -EIO, 0, -1);
	ck_assert_int_eq(mms_allocate(file, 5000), -ENOSPC);
	t_fail(CALL_FTRUNCATE, 0, 0, 0);
	/* Signals only delay it. */
	t_fail(CALL_RESERVE, -EINTR, 0, 2);
	t_fail(CALL_ALLOCATE, -EINTR, 0, 2);
	T_ASSERT_OK(mms_allocate(file, CHUNK));
	ck_assert_uint_eq(t_size_of(path), CHUNK);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------ writers at the same time */

static struct mms_file *shared_file;
static char shared_path[4096];
static uint64_t grow_to;

/* The disk gets full after a writer has extended the file. */
static int full_beside_writer(int fd, uint64_t offset, uint64_t len)
{
	unsigned char byte = t_byte(grow_to - 1);

	(void)mms_sys_default.reserve(fd, offset, len / 2);
	ck_assert_int_eq(mms_write(shared_file, &byte, 1, grow_to - 1, 0), 1);
	return -ENOSPC;
}

START_TEST(a_writer_during_a_failure)
{
	struct mms_sys sys = mms_sys_default;
	const struct mms_pool_options options = {.chunk_shift = SHIFT, .small_bytes = 1};
	struct mms_pool *pool;
	unsigned char byte;

	sys.reserve = full_beside_writer;
	T_ASSERT_OK(mms_pool_new_on(&sys, &options, &pool, NULL));
	shared_file = t_open(pool, t_fill("f", 10000), &rdwr);
	/* In the range that was asked for, and past it. */
	for (grow_to = 20000; grow_to <= 8 * CHUNK; grow_to = grow_to * 9) {
		ck_assert_int_eq(mms_allocate(shared_file, 4 * CHUNK), -ENOSPC);
		ck_assert_uint_eq(t_size_of(t_path("f")), grow_to);
		ck_assert_int_eq(mms_read(shared_file, &byte, 1, grow_to - 1), 1);
		ck_assert_uint_eq(byte, t_byte(grow_to - 1));
	}
	mms_close(shared_file);
	mms_pool_free(pool);
}
END_TEST

/* And the writer extends it between the two steps of a success. */
static int reserve_beside_writer(int fd, uint64_t offset, uint64_t len)
{
	int r = mms_sys_default.reserve(fd, offset, len);

	ck_assert_int_eq(mms_write(shared_file, "x", 1, grow_to - 1, 0), 1);
	return r;
}

START_TEST(a_writer_during_a_success)
{
	struct mms_sys sys = mms_sys_default;
	const struct mms_pool_options options = {.chunk_shift = SHIFT, .small_bytes = 1};
	struct mms_pool *pool;

	sys.reserve = reserve_beside_writer;
	T_ASSERT_OK(mms_pool_new_on(&sys, &options, &pool, NULL));
	shared_file = t_open(pool, t_fill("f", 10000), &rdwr);
	grow_to = 8 * CHUNK;
	T_ASSERT_OK(mms_allocate(shared_file, 4 * CHUNK));
	ck_assert_uint_eq(t_size_of(t_path("f")), 8 * CHUNK);
	mms_close(shared_file);
	mms_pool_free(pool);
}
END_TEST

static _Atomic uint64_t lost;
static atomic_bool stop;

/* Extends the file byte by byte, and looks whether each step holds. */
static void *extend(void *arg)
{
	(void)arg;
	for (uint64_t at = 10000; at < 12000; at++) {
		unsigned char byte = t_byte(at);
		uint64_t size = 0;

		if (mms_write(shared_file, &byte, 1, at, 0) != 1 || mms_size(shared_file, &size) ||
		    size != at + 1)
			atomic_fetch_add(&lost, 1);
	}
	atomic_store(&stop, true);
	return NULL;
}

START_TEST(writers_beside_failures)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	pthread_t thread;

	snprintf(shared_path, sizeof(shared_path), "%s", t_fill("f", 10000));
	shared_file = t_open(pool, shared_path, &rdwr);
	t_fail(CALL_ALLOCATE, -ENOSPC, 0, -1);
	T_ASSERT_OK(pthread_create(&thread, NULL, extend, NULL));
	while (!atomic_load(&stop))
		ck_assert_int_eq(mms_allocate(shared_file, CHUNK), -ENOSPC);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(lost, 0);
	check_file(shared_path, 12000);
	ck_assert_uint_gt(t_call[CALL_FTRUNCATE].made, 0);
	mms_close(shared_file);
	mms_pool_free(pool);
}
END_TEST

/* ---------------------------------------------------------- a full disk */

/* A file system of 16 MiB at t_path("disk"), in a mount namespace of this
 * process: gone with it whatever happens. */
static bool mount_disk(void)
{
	char command[3 * 4096];

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mkdir(t_path("disk"), 0700) < 0 || !t_sparse("image", 16 * MIB))
		return false;
	snprintf(command, sizeof(command),
		 "PATH=$PATH:/sbin:/usr/sbin; mkfs.ext4 -q -F -m 0 %s >&2 && mount -o loop %s %s",
		 t_path("image"), t_path("image"), t_path("disk"));
	return system(command) == 0;
}

static uint64_t free_bytes(void)
{
	struct statvfs st;

	ck_assert_int_eq(statvfs(t_path("disk"), &st), 0);
	return (uint64_t)st.f_bfree * st.f_frsize;
}

/* Takes all space that is left. */
static void fill_disk(void)
{
	int fd = open(t_path("disk/rest"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	for (uint64_t step = MIB; step >= 1024; step /= 2) {
		uint64_t size = t_size_of(t_path("disk/rest"));

		while (fallocate(fd, 0, (off_t)size, (off_t)step) == 0)
			size += step;
		ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	}
	close(fd);
	/* ext4 keeps a fiftieth for itself. */
	ck_assert_uint_lt(free_bytes(), MIB);
}

static void try_full_disk(void)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	const char *path = strcpy(shared_path, t_fill("disk/f", 100000));
	struct mms_file *file = t_open(pool, path, &stored);
	uint64_t before, faults = t_stats(pool).faults;
	uint64_t left;

	T_ASSERT_OK(mms_sync(file, 0, 0, MMS_SYNC_FORCE));
	before = allocated(path);
	left = free_bytes();
	ck_assert_int_eq(mms_allocate(file, 64 * MIB), -ENOSPC);
	check_file(path, 100000);
	/* It is given back, but for a block of the file's own index: else the
	 * failed try would leave the disk full. */
	ck_assert_uint_le(allocated(path), before + 16 * KIB);
	T_ASSERT_OK(mms_sync(file, 0, 0, MMS_SYNC_FORCE | MMS_SYNC_META));
	ck_assert_uint_ge(free_bytes() + 64 * KIB, left);
	T_ASSERT_OK(mms_allocate(file, 2 * MIB));
	ck_assert_uint_ge(allocated(path), 2 * MIB);
	fill_disk();
	/* What was allocated can be stored to; what was not cannot. */
	for (uint64_t at = 102400; at < 2 * MIB; at += 4096)
		T_ASSERT_OK(mms_put_u64(file, at, at));
	ck_assert_uint_eq(t_stats(pool).faults, faults);
	ck_assert_uint_eq(t_stats(pool).writes_pwrite, 0);
	ck_assert_int_eq(mms_allocate(file, 4 * MIB), -ENOSPC);
	ck_assert_uint_eq(t_size_of(path), 2 * MIB);
	T_ASSERT_OK(mms_resize(file, 4 * MIB));
	ck_assert_int_eq(mms_put_u64(file, 3 * MIB, 1), -ENOSPC);
	ck_assert_uint_eq(t_size_of(path), 4 * MIB);
	T_ASSERT_OK(mms_resize(file, 100000));
	check_file(path, 100000);
	T_ASSERT_OK(mms_close(file));
	mms_pool_free(pool);
}

START_TEST(full_disk)
{
	if (!mount_disk()) {
		printf("full_disk: left out, no file system can be mounted here\n");
		return;
	}
	try_full_disk();
	ck_assert_int_eq(umount(t_path("disk")), 0);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, resizing);
	tcase_add_test(t, refused);
	tcase_add_test(t, a_failed_resize);
	tcase_add_test(t, immediate_sync);
	tcase_add_test(t, allocating);
	tcase_add_test(t, a_failed_allocation);
	tcase_add_test(t, a_writer_during_a_failure);
	tcase_add_test(t, a_writer_during_a_success);
	tcase_add_test(t, writers_beside_failures);
	tcase_add_test(t, full_disk);
}

int main(void)
{
	return t_run("resize", add_tests);
}

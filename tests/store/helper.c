/* SPDX-License-Identifier: MIT */
/* What the tests of the store share: a system that counts and fails on demand, and a directory. */
#include "helper.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct call_plan t_call[CALLS];
_Atomic uint64_t t_mapped, t_mapped_peak, t_maps_now, t_maps_peak, t_clock_ms;
_Atomic int t_mmap_flags;
atomic_bool t_dax;
size_t t_short_io;
uint64_t t_lie_size;

void t_fail(enum call call, int code, int skip, int n)
{
	atomic_store(&t_call[call].fail, 0);
	atomic_store(&t_call[call].skip, skip);
	atomic_store(&t_call[call].code, code);
	atomic_store(&t_call[call].fail, n);
}

/* 0, or the errno to fail with. */
static int trip(enum call call)
{
	struct call_plan *p = &t_call[call];
	int left = atomic_load(&p->fail);

	atomic_fetch_add(&p->made, 1);
	if (!left)
		return 0;
	if (atomic_load(&p->skip) > 0 && atomic_fetch_sub(&p->skip, 1) > 0)
		return 0;
	if (left > 0)
		atomic_fetch_sub(&p->fail, 1);
	return atomic_load(&p->code);
}

#define WRAP(which, call)     \
	int r_ = trip(which); \
	return r_ ? r_ : mms_sys_default.call

static int t_open_(const char *path, int flags, mode_t perm)
{
	WRAP(CALL_OPEN, open)(path, flags, perm);
}

static int t_close(int fd)
{
	int r = trip(CALL_CLOSE);
	int real = mms_sys_default.close(fd);

	return r ? r : real;
}

static int t_fd_flags(int fd)
{
	WRAP(CALL_FD_FLAGS, fd_flags)(fd);
}

static int t_fstat(int fd, struct stat *st)
{
	int r = trip(CALL_FSTAT);

	if (!r)
		r = mms_sys_default.fstat(fd, st);
	if (!r && t_lie_size)
		st->st_size = (off_t)t_lie_size;
	return r;
}

static size_t shorter(size_t len)
{
	return t_short_io && len > t_short_io ? t_short_io : len;
}

static ssize_t t_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	WRAP(CALL_PREAD, pread)(fd, buf, shorter(len), offset);
}

static ssize_t t_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	WRAP(CALL_PWRITE, pwrite)(fd, buf, shorter(len), offset);
}

static int t_ftruncate(int fd, uint64_t size)
{
	WRAP(CALL_FTRUNCATE, ftruncate)(fd, size);
}

static int t_allocate(int fd, uint64_t offset, uint64_t len)
{
	WRAP(CALL_ALLOCATE, allocate)(fd, offset, len);
}

static int t_reserve(int fd, uint64_t offset, uint64_t len)
{
	WRAP(CALL_RESERVE, reserve)(fd, offset, len);
}

static int t_seek_data(int fd, uint64_t offset, uint64_t *ret_offset)
{
	WRAP(CALL_SEEK_DATA, seek_data)(fd, offset, ret_offset);
}

static int t_seek_hole(int fd, uint64_t offset, uint64_t *ret_offset)
{
	WRAP(CALL_SEEK_HOLE, seek_hole)(fd, offset, ret_offset);
}

static int t_fsync(int fd)
{
	WRAP(CALL_FSYNC, fsync)(fd);
}

static int t_fdatasync(int fd)
{
	WRAP(CALL_FDATASYNC, fdatasync)(fd);
}

static int t_futimens(int fd, const struct timespec times[2])
{
	WRAP(CALL_FUTIMENS, futimens)(fd, times);
}

static int t_fadvise(int fd, uint64_t offset, uint64_t len, enum mms_advice advice)
{
	WRAP(CALL_FADVISE, fadvise)(fd, offset, len, advice);
}

static int t_lock(int fd, int type, uint64_t offset, uint64_t len, bool wait)
{
	WRAP(CALL_LOCK, lock)(fd, type, offset, len, wait);
}

static int t_lock_test(int fd, int type, uint64_t offset, uint64_t len, int *ret_type,
		       uint64_t *ret_offset, uint64_t *ret_len)
{
	WRAP(CALL_LOCK_TEST, lock_test)(fd, type, offset, len, ret_type, ret_offset, ret_len);
}

static void raise_peak(_Atomic uint64_t *peak, uint64_t now)
{
	uint64_t old = atomic_load(peak);

	while (old < now && !atomic_compare_exchange_weak(peak, &old, now))
		;
}

static int t_mmap(size_t len, int prot, int flags, int fd, uint64_t offset, void **ret_addr)
{
	int r = trip(CALL_MMAP);

	atomic_store(&t_mmap_flags, flags);
	if (atomic_load(&t_dax) && (flags & MAP_SYNC))
		flags = MAP_SHARED;
	if (!r)
		r = mms_sys_default.mmap(len, prot, flags, fd, offset, ret_addr);
	if (!r) {
		raise_peak(&t_mapped_peak, atomic_fetch_add(&t_mapped, len) + len);
		raise_peak(&t_maps_peak, atomic_fetch_add(&t_maps_now, 1) + 1);
	}
	return r;
}

static int t_munmap(void *addr, size_t len)
{
	int r = trip(CALL_MUNMAP);

	if (!r)
		r = mms_sys_default.munmap(addr, len);
	if (!r) {
		atomic_fetch_sub(&t_mapped, len);
		atomic_fetch_sub(&t_maps_now, 1);
	}
	return r;
}

static int t_madvise(void *addr, size_t len, enum mms_advice advice)
{
	WRAP(CALL_MADVISE, madvise)(addr, len, advice);
}

static int t_mlock(const void *addr, size_t len)
{
	WRAP(CALL_MLOCK, mlock)(addr, len);
}

static int t_munlock(const void *addr, size_t len)
{
	WRAP(CALL_MUNLOCK, munlock)(addr, len);
}

static int t_memlock(uint64_t *ret_limit, uint64_t *ret_locked)
{
	WRAP(CALL_MEMLOCK, memlock)(ret_limit, ret_locked);
}

static int t_memfd(const char *name)
{
	WRAP(CALL_MEMFD, memfd)(name);
}

static int t_mkdir(const char *path, mode_t perm)
{
	WRAP(CALL_MKDIR, mkdir)(path, perm);
}

static int t_rename_new(const char *from, const char *to)
{
	WRAP(CALL_RENAME_NEW, rename_new)(from, to);
}

static int t_rename_over(const char *from, const char *to)
{
	WRAP(CALL_RENAME_OVER, rename_over)(from, to);
}

static int t_unlink(const char *path)
{
	WRAP(CALL_UNLINK, unlink)(path);
}

static int t_thread_start(pthread_t *ret_thread, void *(*run)(void *), void *arg)
{
	WRAP(CALL_THREAD_START, thread_start)(ret_thread, run, arg);
}

static void t_sleep_ms(unsigned ms)
{
	mms_sys_default.sleep_ms(ms);
}

static uint64_t t_max_map_count(void)
{
	return mms_sys_default.max_map_count();
}

static uint64_t t_monotonic_ms(void)
{
	return mms_sys_default.monotonic_ms() + atomic_load(&t_clock_ms);
}

static void t_realtime(struct timespec *ret_now)
{
	mms_sys_default.realtime(ret_now);
	ret_now->tv_sec += (time_t)(atomic_load(&t_clock_ms) / 1000);
}

static const struct mms_sys counting = {
	.open = t_open_,
	.close = t_close,
	.fd_flags = t_fd_flags,
	.fstat = t_fstat,
	.pread = t_pread,
	.pwrite = t_pwrite,
	.ftruncate = t_ftruncate,
	.allocate = t_allocate,
	.reserve = t_reserve,
	.seek_data = t_seek_data,
	.seek_hole = t_seek_hole,
	.fsync = t_fsync,
	.fdatasync = t_fdatasync,
	.futimens = t_futimens,
	.fadvise = t_fadvise,
	.lock = t_lock,
	.lock_test = t_lock_test,
	.mmap = t_mmap,
	.munmap = t_munmap,
	.madvise = t_madvise,
	.mlock = t_mlock,
	.munlock = t_munlock,
	.memlock = t_memlock,
	.memfd = t_memfd,
	.mkdir = t_mkdir,
	.rename_new = t_rename_new,
	.rename_over = t_rename_over,
	.unlink = t_unlink,
	.thread_start = t_thread_start,
	.sleep_ms = t_sleep_ms,
	.max_map_count = t_max_map_count,
	.monotonic_ms = t_monotonic_ms,
	.realtime = t_realtime,
};

/* ------------------------------------------------------- files and pools */

static char dir[PATH_MAX - 256];

static void make_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/mmapstore-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	ck_assert_msg(mkdtemp(dir) != NULL, "%s: %s", dir, strerror(errno));
	memset(t_call, 0, sizeof(t_call));
	atomic_store(&t_mapped, 0);
	atomic_store(&t_mapped_peak, 0);
	atomic_store(&t_maps_now, 0);
	atomic_store(&t_maps_peak, 0);
	atomic_store(&t_clock_ms, 0);
	atomic_store(&t_dax, false);
	t_short_io = 0;
	t_lie_size = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_dir(void)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *t_dir(void)
{
	return dir;
}

const char *t_path(const char *name)
{
	static _Thread_local char paths[8][PATH_MAX];
	static _Thread_local unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, PATH_MAX, "%s/%s", dir, name);
	return path;
}

unsigned char t_byte(uint64_t offset)
{
	/* Differs between neighbours, pages and chunks alike. */
	return (unsigned char)(offset * 167 + (offset >> 12) * 13 + (offset >> 20) * 7 + 1);
}

void t_pattern(void *buf, size_t len, uint64_t offset)
{
	unsigned char *b = buf;

	for (size_t i = 0; i < len; i++)
		b[i] = t_byte(offset + i);
}

void t_check(const void *buf, size_t len, uint64_t offset)
{
	const unsigned char *b = buf;

	for (size_t i = 0; i < len; i++) {
		if (b[i] != t_byte(offset + i))
			ck_abort_msg("byte at %llu is 0x%02x and should be 0x%02x",
				     (unsigned long long)(offset + i), b[i], t_byte(offset + i));
	}
}

const char *t_fill(const char *name, uint64_t size)
{
	static unsigned char buf[64 * KIB];
	const char *path = t_path(name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	for (uint64_t at = 0; at < size; at += sizeof(buf)) {
		size_t n = size - at < sizeof(buf) ? (size_t)(size - at) : sizeof(buf);

		t_pattern(buf, n, at);
		ck_assert_uint_eq(fwrite(buf, 1, n, f), n);
	}
	ck_assert_int_eq(fclose(f), 0);
	return path;
}

bool t_sparse(const char *name, uint64_t size)
{
	int fd = open(t_path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && ftruncate(fd, (off_t)size) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

uint64_t t_size_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

struct mms_pool *t_pool(unsigned shift, uint64_t limit, uint64_t count)
{
	const struct mms_pool_options options = {
		.chunk_shift = shift,
		.map_limit_bytes = limit,
		.map_count = count,
		.small_bytes = 1,
	};
	struct mms_pool *pool = NULL;
	struct mms_error err;
	int r = mms_pool_new_on(&counting, &options, &pool, &err);

	ck_assert_msg(r == 0, "%s", err.what);
	return pool;
}

struct mms_file *t_open(struct mms_pool *pool, const char *path,
			const struct mms_file_options *options)
{
	struct mms_file *file = NULL;
	struct mms_error err;
	char text[600];
	int r = mms_open(pool, path, options, &file, &err);

	ck_assert_msg(r == 0, "%s", r ? mms_error_format(&err, text, sizeof(text)) : "");
	return file;
}

struct mms_stats t_stats(struct mms_pool *pool)
{
	struct mms_stats s;

	mms_pool_stats(pool, &s);
	return s;
}

bool t_vma_at(const void *addr, struct t_vma *ret_vma)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	bool inside = false, done = false;
	unsigned long long start, end, kib;
	char line[4096];

	ck_assert_ptr_nonnull(f);
	while (!done && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx ", &start, &end) == 2) {
			inside = (uintptr_t)addr >= start && (uintptr_t)addr < end;
			if (inside)
				*ret_vma = (struct t_vma){.start = (uintptr_t)start,
							  .end = (uintptr_t)end};
		} else if (inside && sscanf(line, "Locked: %llu", &kib) == 1) {
			ret_vma->locked_kib = kib;
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(ret_vma->flags, sizeof(ret_vma->flags), "%.200s ", line + 8);
			done = true;
		}
	}
	fclose(f);
	return done;
}

bool t_vma_has(const void *addr, const char *flag)
{
	struct t_vma vma;
	char word[8];

	snprintf(word, sizeof(word), " %s ", flag);
	ck_assert(t_vma_at(addr, &vma));
	return strstr(vma.flags, word) != NULL;
}

/* ------------------------------------------------------------------ main */

int t_run(const char *name, void (*add)(TCase *tcase))
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);

	/* For what hangs only: some cases make thousands of syncs, on any disk, under valgrind and
	 * the sanitizers. CK_TIMEOUT_MULTIPLIER still counts. */
	tcase_set_timeout(tcase, 900);
	tcase_add_checked_fixture(tcase, make_dir, remove_dir);
	add(tcase);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}

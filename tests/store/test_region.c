/* SPDX-License-Identifier: MIT */
/* Proves that a shared region is made once, whole or not at all, by whoever is there to make it;
 * that damage is found; and that its lock excludes and ends with its holder. */
#include "helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bytes.h"
#include "region_header.h"

#define SIZE 10000u
#define PROCESSES 8
#define ROUNDS 200

static struct mms_pool *pool;

static void begin(void)
{
	pool = t_pool(20, 0, 0);
}

static int fill_pattern(void *data, uint64_t size, void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < size; i++)
		ck_assert_uint_eq(((unsigned char *)data)[i], 0);
	t_pattern(data, (size_t)size, 0);
	return 0;
}

static const struct mms_region_options plain = {
	.magic = "TEST", .version = 3, .size = SIZE, .make = fill_pattern, .timeout_ms = 100000};

static struct mms_region_options with_flags(unsigned flags)
{
	struct mms_region_options o = plain;

	o.flags = flags;
	if (flags & MMS_REGION_RDONLY)
		o.size = 0;
	return o;
}

static struct mms_region *open_as(const char *path, const struct mms_region_options *o)
{
	struct mms_region *region = NULL;
	struct mms_error err;
	char text[600];
	int r = mms_region_open(pool, path, o, &region, &err);

	ck_assert_msg(r == 0, "%s", r ? mms_error_format(&err, text, sizeof(text)) : "");
	return region;
}

/* Fails as code, with everything given back and *ret_region untouched. */
static void open_fails(const char *path, const struct mms_region_options *o, int code)
{
	struct mms_region *const untouched = (struct mms_region *)&pool;
	struct mms_region *region = untouched;
	uint64_t mapped = t_mapped;
	struct mms_error err = {0};

	ck_assert_int_eq(mms_region_open(pool, path, o, &region, &err), code);
	ck_assert_int_eq(err.code, code);
	ck_assert_uint_gt(strlen(err.what), 0);
	ck_assert_ptr_eq(region, untouched);
	ck_assert_uint_eq(t_mapped, mapped);
	ck_assert_int_eq(mms_region_open(pool, path, o, &region, NULL), code);
}

static void end(void)
{
	ck_assert_uint_eq(t_mapped, 0);
	mms_pool_free(pool);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void patch(const char *path, const void *bytes, size_t len, off_t at)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

/* ----------------------------------------------------------- made and found */

START_TEST(made_once_and_found_then)
{
	const char *path = t_path("r");
	struct mms_region *one, *two;
	struct mms_region_options any = plain;
	unsigned char *data;
	struct stat st;

	begin();
	any.size = 0;
	umask(0);
	one = open_as(path, &plain);
	ck_assert(mms_region_is_new(one));
	ck_assert_uint_eq(mms_region_size(one), SIZE);
	ck_assert_uint_eq((uintptr_t)mms_region_data(one) % 4096, 0);
	t_check(mms_region_data(one), SIZE, 0);
	ck_assert_int_eq(fstat(mms_region_fd(one), &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, SIZE + REGION_HEADER_BYTES);
	ck_assert_uint_ge((uint64_t)st.st_blocks * 512, SIZE + REGION_HEADER_BYTES);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_uint_eq(t_call[CALL_ALLOCATE].made, 1);
	ck_assert_int_ge(t_call[CALL_FSYNC].made, 1);

	two = open_as(path, &any);
	ck_assert(!mms_region_is_new(two));
	ck_assert_uint_eq(mms_region_size(two), SIZE);
	t_check(mms_region_data(two), SIZE, 0);
	data = mms_region_data(one);
	data[SIZE - 1] ^= 0xff;
	ck_assert_mem_eq(mms_region_data(two), data, SIZE);
	mms_region_close(one);
	mms_region_close(two);
	mms_region_close(NULL);
	end();
}
END_TEST

START_TEST(the_format_is_as_documented)
{
	unsigned char page[REGION_HEADER_BYTES];
	const char *path = t_path("r");
	struct mms_region_options o = plain;
	uint64_t now = (uint64_t)time(NULL);
	int fd;

	begin();
	o.perm = 0640;
	umask(0);
	mms_region_close(open_as(path, &o));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(pread(fd, page, sizeof(page), 0), sizeof(page));
	ck_assert_mem_eq(page, "TEST", 4);
	ck_assert_uint_eq(le32_get(page + 4), 3);
	ck_assert_uint_eq(le32_get(page + 8), mms_crc32_except(0, page, 64, 8, 4));
	ck_assert_uint_eq(le64_get(page + 16), SIZE);
	ck_assert_uint_ge(le64_get(page + 24) / 1000000000u + 1, now);
	ck_assert_uint_le(le64_get(page + 24) / 1000000000u, now + 100);
	ck_assert_uint_eq(le32_get(page + 32), 1);
	for (unsigned i = 36; i < sizeof(page); i++)
		ck_assert_uint_eq(page[i], 0);
	close(fd);
	end();
}
END_TEST

static const uint64_t sizes[] = {1, 4095, 4096, 4097, 1u << 20, (1u << 20) + 1};

START_TEST(sizes_from_one_byte_on)
{
	struct mms_region_options o = plain;
	struct mms_region *region;

	begin();
	o.size = sizes[_i];
	region = open_as(t_path("r"), &o);
	ck_assert_uint_eq(mms_region_size(region), sizes[_i]);
	t_check(mms_region_data(region), (size_t)sizes[_i], 0);
	mms_region_close(region);
	end();
}
END_TEST

/* With a system that claims to allocate what stays sparse. */
static int pretend_allocate(int fd, uint64_t offset, uint64_t len)
{
	return mms_sys_default.ftruncate(fd, offset + len);
}

START_TEST(sizes_around_4_gib)
{
	struct mms_sys sys = mms_sys_default;
	struct mms_region_options o = plain;
	struct mms_region *region;
	unsigned char *data;

	sys.allocate = pretend_allocate;
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	o.size = (4ULL << 30) + 5;
	o.make = NULL;
	region = open_as(t_path("r"), &o);
	data = mms_region_data(region);
	data[o.size - 1] = 77;
	data[2ULL << 30] = 78;
	mms_region_close(region);
	o.size = 0;
	region = open_as(t_path("r"), &o);
	ck_assert_uint_eq(mms_region_size(region), (4ULL << 30) + 5);
	ck_assert_uint_eq(((unsigned char *)mms_region_data(region))[(4ULL << 30) + 4], 77);
	mms_region_close(region);
	mms_pool_free(pool);
}
END_TEST

START_TEST(zeros_where_nothing_can_be_allocated)
{
	struct mms_region_options o = plain;
	struct mms_region *region;
	struct stat st;

	begin();
	o.size = 200000;
	t_fail(CALL_ALLOCATE, -EOPNOTSUPP, 0, 1);
	t_short_io = 1000;
	region = open_as(t_path("r"), &o);
	ck_assert_int_eq(fstat(mms_region_fd(region), &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, 200000 + REGION_HEADER_BYTES);
	ck_assert_uint_ge((uint64_t)st.st_blocks * 512, 200000 + REGION_HEADER_BYTES);
	ck_assert_uint_gt(t_call[CALL_PWRITE].made, 200);
	t_check(mms_region_data(region), 200000, 0);
	mms_region_close(region);
	end();
}
END_TEST

START_TEST(who_may_make_and_who_must)
{
	const struct mms_region_options create = with_flags(MMS_REGION_MUST_CREATE);
	const struct mms_region_options exist = with_flags(MMS_REGION_MUST_EXIST);
	const struct mms_region_options rdonly = with_flags(MMS_REGION_RDONLY);
	struct mms_region_options other = plain;
	const char *path = t_path("r");
	struct mms_region *region;

	begin();
	other.size = 0;
	open_fails(path, &exist, -ENOENT);
	open_fails(path, &rdonly, -ENOENT);
	open_fails(path, &other, -ENOENT);
	ck_assert_int_eq(access(path, F_OK), -1);
	open_fails(t_path("no/r"), &plain, -ENOENT);
	t_fill("r", 0); /* what a maker leaves who fails */
	open_fails(path, &exist, -ENOENT);
	open_fails(path, &rdonly, -ENOENT);
	mms_region_close(open_as(path, &create));
	open_fails(path, &create, -EEXIST);
	region = open_as(path, &exist);
	ck_assert(!mms_region_is_new(region));
	mms_region_close(region);
	other.size = SIZE + 1;
	open_fails(path, &other, -EEXIST);
	end();
}
END_TEST

START_TEST(read_only)
{
	const struct mms_region_options rdonly = with_flags(MMS_REGION_RDONLY);
	const char *path = t_path("r");
	struct mms_region *writer, *reader;
	pid_t pid;
	int status;

	begin();
	writer = open_as(path, &plain);
	reader = open_as(path, &rdonly);
	t_check(mms_region_data(reader), SIZE, 0);
	*(unsigned char *)mms_region_data(writer) = 200;
	ck_assert_uint_eq(*(unsigned char *)mms_region_data(reader), 200);
	ck_assert_int_eq(fcntl(mms_region_fd(reader), F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_int_eq(mms_region_lock(reader, 0), -EBADF);
	ck_assert_int_eq(mms_region_unlock(reader), -EPERM);
	T_ASSERT_OK(mms_region_sync(reader));
	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile unsigned char *)mms_region_data(reader) = 1;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	/* A sanitizer reports it and exits. */
	ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status));
	mms_region_close(reader);
	mms_region_close(writer);
	end();
}
END_TEST

START_TEST(wrong_options)
{
	struct mms_region_options o = plain;
	struct mms_region *region;

	begin();
	open_fails(t_path("r"), NULL, -EINVAL);
	o.magic = NULL;
	open_fails(t_path("r"), &o, -EINVAL);
	o = with_flags(8);
	open_fails(t_path("r"), &o, -EINVAL);
	o = with_flags(MMS_REGION_MUST_CREATE | MMS_REGION_MUST_EXIST);
	open_fails(t_path("r"), &o, -EINVAL);
	o = with_flags(MMS_REGION_MUST_CREATE | MMS_REGION_RDONLY);
	open_fails(t_path("r"), &o, -EINVAL);
	o = with_flags(MMS_REGION_MUST_EXIST);
	open_fails(NULL, &o, -EINVAL);
	o = plain;
	o.timeout_ms = -2;
	open_fails(t_path("r"), &o, -EINVAL);
	o = plain;
	o.size = UINT64_MAX;
	open_fails(t_path("r"), &o, -EFBIG);
	o.size = (1ULL << 63) - 4096;
	open_fails(t_path("r"), &o, -EFBIG);
	o.size--;
	o.flags = MMS_REGION_MUST_EXIST;
	open_fails(t_path("r"), &o, -ENOENT);
	o.size = 0;
	o.flags = 0;
	open_fails(NULL, &o, -EINVAL);
	ck_assert_int_eq(access(t_path("r"), F_OK), -1);
	o = with_flags(MMS_REGION_MUST_CREATE);
	ck_assert_int_eq(mms_region_adopt(pool, 0, "x", &o, &region, NULL), -EINVAL);
	ck_assert_int_eq(mms_region_adopt(pool, 0, "x", NULL, &region, NULL), -EINVAL);
	end();
}
END_TEST

START_TEST(what_is_no_regular_file)
{
	struct mms_region_options rdonly = with_flags(MMS_REGION_RDONLY);

	begin();
	open_fails(t_dir(), &plain, -EISDIR);
	open_fails(t_dir(), &rdonly, -EISDIR);
	ck_assert_int_eq(mkfifo(t_path("fifo"), 0600), 0);
	open_fails(t_path("fifo"), &plain, -EINVAL);
	open_fails("/dev/null", &plain, -EINVAL);
	end();
}
END_TEST

/* ------------------------------------------------------------------ damage */

static void seal_again(const char *path, const char *magic, uint32_t version)
{
	unsigned char fields[REGION_FIELDS_BYTES];
	int fd = open(path, O_RDWR | O_CLOEXEC);

	ck_assert_int_eq(pread(fd, fields, sizeof(fields), 0), sizeof(fields));
	mms_header_seal(fields, sizeof(fields), magic, version);
	ck_assert_int_eq(pwrite(fd, fields, sizeof(fields), 0), sizeof(fields));
	close(fd);
}

static const struct {
	int at;       /* the byte of the header */
	int value;    /* that is put there; -1: inverted */
	int code;     /* without a CRC that fits */
	int resealed; /* with one */
} damages[] = {
	{0, -1, -MMS_EMAGIC, -MMS_EMAGIC},
	{3, -1, -MMS_EMAGIC, -MMS_EMAGIC},
	{4, 2, -MMS_EVERSION, -MMS_EVERSION},
	{4, 4, -MMS_EVERSION, -MMS_EVERSION},
	{7, 1, -MMS_EVERSION, -MMS_EVERSION},
	{8, -1, -MMS_ECHECKSUM, 0},
	{11, -1, -MMS_ECHECKSUM, 0},
	{12, 1, -MMS_ECHECKSUM, 0}, /* sealing writes it */
	{16, -1, -MMS_ECHECKSUM, -MMS_ETRUNCATED},
	{16, 1, -MMS_ECHECKSUM, -MMS_ECORRUPT}, /* less than the file has */
	{20, 1, -MMS_ECHECKSUM, -MMS_ETRUNCATED},
	{23, 0x7f, -MMS_ECHECKSUM, -MMS_ETRUNCATED},
	{23, 0x80, -MMS_ECHECKSUM, -MMS_ECORRUPT},
	{23, 0xff, -MMS_ECHECKSUM, -MMS_ECORRUPT},
	{24, -1, -MMS_ECHECKSUM, 0},
	{32, 0, -MMS_ECHECKSUM, 0}, /* resealed: one being made; without: see below */
	{32, 2, -MMS_ECHECKSUM, -MMS_ECORRUPT},
	{35, 1, -MMS_ECHECKSUM, -MMS_ECORRUPT},
	{36, 1, -MMS_ECHECKSUM, -MMS_ECORRUPT},
	{63, 1, -MMS_ECHECKSUM, -MMS_ECORRUPT},
};

START_TEST(damage_of_each_field)
{
	const struct mms_region_options exist = with_flags(MMS_REGION_MUST_EXIST);
	const struct mms_region_options rdonly = with_flags(MMS_REGION_RDONLY);
	const char *path = t_path("r");
	unsigned char byte = (unsigned char)damages[_i].value, *data;
	int code = damages[_i].code;
	bool remade = damages[_i].at == 32 && !damages[_i].value;
	struct mms_region *region = (begin(), open_as(path, &plain));

	data = mms_region_data(region);
	data[5] = 99; /* what the damage must not cost */
	if (damages[_i].value < 0)
		byte = (unsigned char)~data[damages[_i].at - 4096];
	mms_region_close(region);
	patch(path, &byte, 1, damages[_i].at);
	if (!remade) {
		open_fails(path, &plain, code);
		open_fails(path, &exist, code);
		open_fails(path, &rdonly, code);
	}
	ck_assert_uint_eq(t_size_of(path), SIZE + REGION_HEADER_BYTES);
	if (damages[_i].code == -MMS_ECHECKSUM && !remade) {
		seal_again(path, "TEST", 3);
		code = damages[_i].resealed;
		if (code) {
			open_fails(path, &plain, code);
			open_fails(path, &rdonly, code);
			end();
			return;
		}
	}
	if (code && !remade) {
		end();
		return;
	}
	/* Whole again; or published anew, with its data. */
	region = open_as(path, &rdonly);
	mms_region_close(region);
	region = open_as(path, &plain);
	ck_assert(!mms_region_is_new(region));
	ck_assert_uint_eq(((unsigned char *)mms_region_data(region))[5], 99);
	ck_assert_uint_eq(le32_get((unsigned char *)mms_region_data(region) - 4096 + 32), 1);
	mms_region_close(region);
	end();
}
END_TEST

START_TEST(a_header_with_no_data_size)
{
	static const unsigned char zeros[8];
	const char *path = t_path("r");

	begin();
	mms_region_close(open_as(path, &plain));
	patch(path, zeros, 8, 16);
	seal_again(path, "TEST", 3);
	open_fails(path, &plain, -MMS_ECORRUPT);
	end();
}
END_TEST

static const struct {
	uint64_t size;
	int code;
} cuts[] = {
	{1, -MMS_ETRUNCATED},           {15, -MMS_ETRUNCATED},        {16, -MMS_ETRUNCATED},
	{63, -MMS_ETRUNCATED},          {64, -MMS_ETRUNCATED},        {4096, -MMS_ETRUNCATED},
	{SIZE + 4095, -MMS_ETRUNCATED}, {SIZE + 4097, -MMS_ECORRUPT},
};

START_TEST(files_that_are_too_short_or_too_long)
{
	const char *path = t_path("r");

	begin();
	mms_region_close(open_as(path, &plain));
	ck_assert_int_eq(truncate(path, (off_t)cuts[_i].size), 0);
	open_fails(path, &plain, cuts[_i].code);
	ck_assert_uint_eq(t_size_of(path), cuts[_i].size);
	end();
}
END_TEST

START_TEST(other_files_are_left_alone)
{
	unsigned char buf[5000];
	const char *path = t_fill("f", sizeof(buf));
	int fd;

	begin();
	open_fails(path, &plain, -MMS_EMAGIC);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(fd, buf, sizeof(buf)), sizeof(buf));
	t_check(buf, sizeof(buf), 0);
	close(fd);
	/* One that begins with zeros is no half-made region either. */
	ck_assert(t_sparse("z", SIZE + 4096));
	open_fails(t_path("z"), &plain, -MMS_EMAGIC);
	end();
}
END_TEST

START_TEST(truncation_beneath)
{
	unsigned char buf[SIZE];
	const char *path = t_path("r");
	struct mms_region *region;

	begin();
	region = open_as(path, &plain);
	ck_assert_int_eq(truncate(path, 4096), 0);
	ck_assert_int_eq(mms_copy(buf, mms_region_data(region), SIZE), -EFAULT);
	ck_assert_int_eq(mms_copy(mms_region_data(region), buf, 1), -EFAULT);
	ck_assert_int_eq(truncate(path, 0), 0);
	T_ASSERT_OK(mms_region_lock(region, 0));
	T_ASSERT_OK(mms_region_unlock(region));
	mms_region_close(region);
	end();
}
END_TEST

/* ---------------------------------------------------- makers that do not end */

static int fail_making(void *data, uint64_t size, void *arg)
{
	memset(data, 0xee, (size_t)size);
	return *(int *)arg;
}

START_TEST(a_make_that_fails_leaves_it_to_the_next)
{
	int code = -EDOM;
	struct mms_region_options failing = plain;
	const char *path = t_path("r");
	struct mms_region *region;
	unsigned before;

	begin();
	failing.make = fail_making;
	failing.arg = &code;
	before = open_descriptors();
	open_fails(path, &failing, -EDOM);
	ck_assert_uint_eq(t_size_of(path), 0);
	/* Also where the space cannot be given back. */
	t_fail(CALL_FTRUNCATE, -EIO, 1, 1);
	ck_assert_int_eq(mms_region_open(pool, path, &failing, &region, NULL), -EDOM);
	ck_assert_uint_eq(t_size_of(path), SIZE + 4096);
	ck_assert_uint_eq(open_descriptors(), before);
	region = open_as(path, &plain); /* fill_pattern() looks for zeros */
	ck_assert(mms_region_is_new(region));
	t_check(mms_region_data(region), SIZE, 0);
	mms_region_close(region);
	code = 1;
	open_fails(NULL, &failing, 1);
	end();
}
END_TEST

static int hang(void *data, uint64_t size, void *arg)
{
	memset(data, 0xee, (size_t)size);
	if (write(*(int *)arg, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
	return 0;
}

/* A process in the middle of making path. */
static pid_t hanging_maker(const char *path, uint64_t size)
{
	struct mms_region_options o = plain;
	struct mms_region *region;
	int told[2];
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(told), 0);
	o.make = hang;
	o.arg = &told[1];
	o.size = size;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		(void)mms_region_open(pool, path, &o, &region, NULL);
		_exit(1);
	}
	close(told[1]);
	ck_assert_int_eq(read(told[0], &c, 1), 1);
	close(told[0]);
	return pid;
}

static void kill_and_wait(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(waiting_for_a_maker_has_a_limit)
{
	const unsigned flags[] = {0, MMS_REGION_MUST_CREATE, MMS_REGION_MUST_EXIST,
				  MMS_REGION_RDONLY};
	const char *path = t_path("r");
	pid_t pid;

	begin();
	pid = hanging_maker(path, SIZE);
	for (int i = 0; i < 4; i++) {
		struct mms_region_options o = with_flags(flags[i]);

		o.timeout_ms = 5;
		open_fails(path, &o, -ETIMEDOUT);
	}
	kill_and_wait(pid);
	end();
}
END_TEST

/* Turns the clock on once somebody is waiting. */
static void *ten_seconds_later(void *arg)
{
	while (atomic_load(&t_call[CALL_LOCK].made) < 3)
		usleep(100);
	atomic_store(&t_clock_ms, 9000);
	while (atomic_load(&t_call[CALL_LOCK].made) < 30)
		usleep(100);
	atomic_store((_Atomic int *)arg, 1);
	atomic_store(&t_clock_ms, 10100);
	return NULL;
}

START_TEST(the_limit_is_10_seconds_if_not_given)
{
	struct mms_region_options o = plain;
	struct mms_region *region;
	_Atomic int later = 0;
	pthread_t thread;
	pid_t pid;

	begin();
	o.timeout_ms = 0;
	pid = hanging_maker(t_path("r"), SIZE);
	t_call[CALL_LOCK].made = 0;
	T_ASSERT_OK(pthread_create(&thread, NULL, ten_seconds_later, &later));
	ck_assert_int_eq(mms_region_open(pool, t_path("r"), &o, &region, NULL), -ETIMEDOUT);
	ck_assert_int_eq(later, 1);
	T_ASSERT_OK(pthread_join(thread, NULL));
	kill_and_wait(pid);
	end();
}
END_TEST

START_TEST(a_killed_maker_leaves_it_to_the_next)
{
	const struct mms_region_options exist = with_flags(MMS_REGION_MUST_EXIST);
	const struct mms_region_options create = with_flags(MMS_REGION_MUST_CREATE);
	const char *path = t_path("r");
	struct mms_region *region;

	begin();
	/* One that wanted another size leaves nothing of it. */
	kill_and_wait(hanging_maker(path, 2 * SIZE));
	ck_assert_uint_eq(t_size_of(path), 2 * SIZE + 4096);
	open_fails(path, &exist, -ENOENT);
	region = open_as(path, _i ? &create : &plain);
	ck_assert(mms_region_is_new(region));
	ck_assert_uint_eq(t_size_of(path), SIZE + 4096);
	t_check(mms_region_data(region), SIZE, 0);
	mms_region_close(region);
	end();
}
END_TEST

START_TEST(a_waiter_takes_over_from_a_killed_maker)
{
	struct mms_region_options o = plain;
	const char *path = t_path("r");
	struct mms_region *region;
	pid_t pid, killer;

	begin();
	o.timeout_ms = _i ? -1 : 100000;
	pid = hanging_maker(path, SIZE);
	killer = fork();
	if (!killer) {
		usleep(20000);
		kill(pid, SIGKILL);
		_exit(0);
	}
	region = open_as(path, &o);
	ck_assert(mms_region_is_new(region));
	t_check(mms_region_data(region), SIZE, 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(waitpid(killer, NULL, 0), killer);
	mms_region_close(region);
	end();
}
END_TEST

/* A maker that is killed at each of its system calls in turn. */
static _Atomic int calls_left;

static void count_down(void)
{
	if (atomic_fetch_sub(&calls_left, 1) == 1)
		(void)raise(SIGKILL);
}

static ssize_t dying_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	count_down();
	return mms_sys_default.pwrite(fd, buf, len, offset);
}

static int dying_ftruncate(int fd, uint64_t size)
{
	count_down();
	return mms_sys_default.ftruncate(fd, size);
}

static int dying_allocate(int fd, uint64_t offset, uint64_t len)
{
	count_down();
	return mms_sys_default.allocate(fd, offset, len);
}

static int dying_fsync(int fd)
{
	count_down();
	return mms_sys_default.fsync(fd);
}

static int dying_lock(int fd, int type, uint64_t offset, uint64_t len, bool wait)
{
	count_down();
	return mms_sys_default.lock(fd, type, offset, len, wait);
}

START_TEST(killed_at_each_call)
{
	struct mms_sys sys = mms_sys_default;
	bool survived = false;
	int made = 0, found = 0, n = 0;

	sys.pwrite = dying_pwrite;
	sys.ftruncate = dying_ftruncate;
	sys.allocate = dying_allocate;
	sys.fsync = dying_fsync;
	sys.lock = dying_lock;
	begin();
	while (!survived) {
		const char *path = t_path("r");
		struct mms_region *region;
		pid_t pid = (n++, fork());
		int status;

		if (!pid) {
			calls_left = n;
			T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
			_exit(mms_region_open(pool, path, &plain, &region, NULL) ? 1 : 0);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		survived = WIFEXITED(status);
		ck_assert(survived || WTERMSIG(status) == SIGKILL);
		ck_assert(!survived || WEXITSTATUS(status) == 0);
		region = open_as(path, &plain);
		*(mms_region_is_new(region) ? &made : &found) += 1;
		t_check(mms_region_data(region), SIZE, 0);
		mms_region_close(region);
		ck_assert_int_eq(unlink(path), 0);
	}
	/* Locks, truncation, header, fsync, space, fsync, CRC: made anew. State, unlock, and
	 * not killed at all: found. */
	ck_assert_int_eq(n, 12);
	ck_assert_int_eq(made, 9);
	ck_assert_int_eq(found, 3);
	end();
}
END_TEST

/* ------------------------------------------------------------------- races */

/* Starts PROCESSES children that run fn(n) once all are there, and adds up
 * their exit statuses. */
static int race(int (*fn)(int n))
{
	pid_t pids[PROCESSES];
	int sum = 0, go[2];

	ck_assert_int_eq(pipe(go), 0);
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		ck_assert_int_ge(pids[i], 0);
		if (!pids[i]) {
			char c;

			close(go[1]);
			if (read(go[0], &c, 1) != 0)
				_exit(100);
			_exit(fn(i));
		}
	}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert(WIFEXITED(status));
		sum += WEXITSTATUS(status);
	}
	return sum;
}

static int open_and_say(int n)
{
	struct mms_region *region;
	struct mms_region_options o = n % 4 == 3 ? with_flags(MMS_REGION_MUST_CREATE) : plain;
	int r = mms_region_open(pool, t_path("r"), &o, &region, NULL);

	if (r == -EEXIST && (o.flags & MMS_REGION_MUST_CREATE))
		return 0;
	if (r)
		return 100;
	t_check(mms_region_data(region), SIZE, 0);
	return mms_region_is_new(region);
}

START_TEST(many_makers_make_one)
{
	begin();
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(race(open_and_say), 1);
		ck_assert_int_eq(unlink(t_path("r")), 0);
	}
	end();
}
END_TEST

/* Every other one dies while it makes. */
static int die_in_half(void *data, uint64_t size, void *arg)
{
	fill_pattern(data, size / 2, NULL);
	if (*(int *)arg % 2)
		_exit(0);
	return fill_pattern((unsigned char *)data + size / 2, 0, NULL) ||
	       (t_pattern(data, (size_t)size, 0), 0);
}

static int open_or_die(int n)
{
	struct mms_region_options o = plain;
	struct mms_region *region;

	o.make = die_in_half;
	o.arg = &n;
	if (mms_region_open(pool, t_path("r"), &o, &region, NULL))
		return 100;
	t_check(mms_region_data(region), SIZE, 0);
	return mms_region_is_new(region);
}

START_TEST(many_makers_of_whom_half_die)
{
	begin();
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(race(open_or_die), 1);
		ck_assert_int_eq(unlink(t_path("r")), 0);
	}
	end();
}
END_TEST

static int count_up(int n)
{
	struct mms_region_options o = plain;
	struct mms_region *region;
	uint64_t *counters;

	o.make = NULL;
	if (mms_region_open(pool, t_path("r"), &o, &region, NULL))
		return 100;
	counters = mms_region_data(region);
	for (int i = 0; i < ROUNDS; i++) {
		if (mms_region_lock(region, n % 2 ? -1 : 100000))
			return 50;
		counters[0]++;
		if (mms_region_unlock(region))
			return 51;
		atomic_fetch_add((_Atomic uint64_t *)&counters[1], 1);
	}
	mms_region_close(region);
	return 0;
}

START_TEST(counters_end_at_the_right_number)
{
	struct mms_region_options o = plain;
	struct mms_region *region;
	uint64_t *counters;

	begin();
	ck_assert_int_eq(race(count_up), 0);
	o.size = 0;
	region = open_as(t_path("r"), &o);
	counters = mms_region_data(region);
	ck_assert_uint_eq(counters[0], PROCESSES * ROUNDS);
	ck_assert_uint_eq(counters[1], PROCESSES * ROUNDS);
	mms_region_close(region);
	end();
}
END_TEST

/* -------------------------------------------------------------------- lock */

static struct mms_region *shared;

static void *lock_now(void *arg)
{
	*(int *)arg = mms_region_lock(shared, 0);
	return NULL;
}

static void *lock_20ms(void *arg)
{
	*(int *)arg = mms_region_lock(shared, 20);
	return NULL;
}

static void *unlock(void *arg)
{
	*(int *)arg = mms_region_unlock(shared);
	return NULL;
}

static int in_thread(void *(*fn)(void *))
{
	pthread_t thread;
	int r = 1;

	T_ASSERT_OK(pthread_create(&thread, NULL, fn, &r));
	T_ASSERT_OK(pthread_join(thread, NULL));
	return r;
}

START_TEST(the_lock_knows_its_owner)
{
	begin();
	shared = open_as(t_path("r"), &plain);
	ck_assert_int_eq(mms_region_unlock(shared), -EPERM);
	ck_assert_int_eq(mms_region_lock(shared, -2), -EINVAL);
	T_ASSERT_OK(mms_region_lock(shared, 0));
	ck_assert_int_eq(mms_region_lock(shared, 0), -EDEADLK);
	ck_assert_int_eq(mms_region_lock(shared, 50), -EDEADLK);
	ck_assert_int_eq(mms_region_lock(shared, -1), -EDEADLK);
	ck_assert_int_eq(in_thread(unlock), -EPERM);
	ck_assert_int_eq(in_thread(lock_now), -EAGAIN);
	ck_assert_int_eq(in_thread(lock_20ms), -ETIMEDOUT);
	T_ASSERT_OK(mms_region_unlock(shared));
	ck_assert_int_eq(mms_region_unlock(shared), -EPERM);
	T_ASSERT_OK(in_thread(lock_now)); /* and ends without unlocking */
	ck_assert_int_eq(mms_region_lock(shared, 0), -EAGAIN);
	mms_region_close(shared);
	end();
}
END_TEST

#define THREADS 4
static uint64_t counted; /* under the lock */

static void *count_in_thread(void *arg)
{
	int timeout = (int)(intptr_t)arg;

	for (int i = 0; i < ROUNDS; i++) {
		T_ASSERT_OK(mms_region_lock(shared, timeout));
		counted++;
		T_ASSERT_OK(mms_region_unlock(shared));
	}
	return NULL;
}

START_TEST(threads_exclude_each_other)
{
	pthread_t threads[THREADS];

	begin();
	shared = open_as(t_path("r"), &plain);
	for (int i = 0; i < THREADS; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, count_in_thread,
					   (void *)(intptr_t)(i % 2 ? -1 : 100000)));
	for (int i = 0; i < THREADS; i++)
		T_ASSERT_OK(pthread_join(threads[i], NULL));
	ck_assert_uint_eq(counted, THREADS * ROUNDS);
	mms_region_close(shared);
	end();
}
END_TEST

static void *lock_in_time(void *arg)
{
	int timeout = *(int *)arg;

	*(int *)arg = 1; /* not yet */
	T_ASSERT_OK(mms_region_lock(shared, timeout));
	T_ASSERT_OK(mms_region_unlock(shared));
	*(int *)arg = 0;
	return NULL;
}

START_TEST(waiting_for_another_thread)
{
	int waiters[] = {-1, 100999, -1, 100001};
	pthread_t threads[4];

	begin();
	shared = open_as(t_path("r"), &plain);
	T_ASSERT_OK(mms_region_lock(shared, 0));
	for (int i = 0; i < 4; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, lock_in_time, &waiters[i]));
	usleep(20000); /* that they do wait; right without, too */
	T_ASSERT_OK(mms_region_unlock(shared));
	for (int i = 0; i < 4; i++) {
		T_ASSERT_OK(pthread_join(threads[i], NULL));
		ck_assert_int_eq(waiters[i], 0);
	}
	mms_region_close(shared);
	end();
}
END_TEST

START_TEST(two_openings_exclude_each_other)
{
	struct mms_region *a, *b;

	begin();
	a = open_as(t_path("r"), &plain);
	b = open_as(t_path("r"), &plain);
	T_ASSERT_OK(mms_region_lock(a, 0));
	ck_assert_int_eq(mms_region_lock(b, 0), -EAGAIN);
	ck_assert_int_eq(mms_region_lock(b, 10), -ETIMEDOUT);
	/* Neither does it keep others from opening. */
	mms_region_close(open_as(t_path("r"), &plain));
	T_ASSERT_OK(mms_region_unlock(a));
	T_ASSERT_OK(mms_region_lock(b, 0));
	mms_region_close(b);
	T_ASSERT_OK(mms_region_lock(a, 0));
	mms_region_close(a);
	end();
}
END_TEST

static void on_alarm(int sig)
{
	(void)sig;
}

/* A process that holds the lock of a region: told when it does. */
static pid_t lock_holder(const char *path)
{
	int told[2];
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(told), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		struct mms_region *region = open_as(path, &plain);

		if (mms_region_lock(region, -1) || write(told[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(told[1]);
	ck_assert_int_eq(read(told[0], &c, 1), 1);
	close(told[0]);
	return pid;
}

START_TEST(the_lock_ends_with_its_killed_holder)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	const struct itimerval timer = {.it_interval.tv_usec = 2000, .it_value.tv_usec = 2000};
	const struct itimerval off = {0};
	struct mms_region *region;
	pid_t pid, killer;

	begin();
	pid = lock_holder(t_path("r"));
	region = open_as(t_path("r"), &plain);
	ck_assert_int_eq(mms_region_lock(region, 0), -EAGAIN);
	ck_assert_int_eq(mms_region_lock(region, 10), -ETIMEDOUT);
	killer = fork();
	if (!killer) {
		usleep(20000);
		kill(pid, SIGKILL);
		_exit(0);
	}
	/* Signals do not end the wait. */
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
	t_call[CALL_LOCK].made = 0;
	T_ASSERT_OK(mms_region_lock(region, -1));
	ck_assert_int_eq(setitimer(ITIMER_REAL, &off, NULL), 0);
	ck_assert_uint_gt(t_call[CALL_LOCK].made, 1);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(waitpid(killer, NULL, 0), killer);
	mms_region_close(region);
	end();
}
END_TEST

/* ------------------------------------------------------ descriptors and fork */

static int by_descriptor(struct mms_region *of, unsigned flags, struct mms_region **ret_region)
{
	const struct mms_region_options o = with_flags(flags);

	return mms_region_adopt(pool, mms_region_fd(of), "adopted", &o, ret_region, NULL);
}

START_TEST(adopted_by_descriptor)
{
	struct mms_region *region, *copy = NULL, *rdonly = NULL, *none = NULL;
	struct mms_error err;
	int fd;

	begin();
	region = open_as(_i ? NULL : t_path("r"), &plain);
	ck_assert(mms_region_is_new(region));
	if (!_i)
		ck_assert_int_eq(unlink(t_path("r")), 0);
	T_ASSERT_OK(by_descriptor(region, 0, &copy));
	T_ASSERT_OK(by_descriptor(region, MMS_REGION_RDONLY, &rdonly));
	ck_assert_int_ne(mms_region_fd(copy), mms_region_fd(region));
	ck_assert(!mms_region_is_new(copy));
	ck_assert_int_ne(fcntl(mms_region_fd(copy), F_GETFD) & FD_CLOEXEC, 0);
	*(unsigned char *)mms_region_data(region) = 200;
	ck_assert_uint_eq(*(unsigned char *)mms_region_data(copy), 200);
	ck_assert_uint_eq(*(unsigned char *)mms_region_data(rdonly), 200);
	T_ASSERT_OK(mms_region_lock(copy, 0));
	ck_assert_int_eq(mms_region_lock(region, 0), -EAGAIN);
	/* More access than the descriptor has is not given. */
	ck_assert_int_eq(by_descriptor(rdonly, 0, &none), -EBADF);
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	{
		const struct mms_region_options o = with_flags(MMS_REGION_RDONLY);

		ck_assert_int_eq(mms_region_adopt(pool, fd, "n", &o, &none, &err), -EBADF);
		ck_assert_int_eq(mms_region_adopt(pool, -1, "n", &o, &none, &err), -EBADF);
	}
	close(fd);
	t_fail(CALL_OPEN, -ENOENT, 0, 1);
	ck_assert_int_eq(mms_region_adopt(pool, mms_region_fd(region), "n", &plain, &none, &err),
			 -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.hint, "/proc"));
	ck_assert_ptr_null(none);
	mms_region_close(rdonly);
	mms_region_close(copy);
	T_ASSERT_OK(mms_region_lock(region, 0));
	mms_region_close(region);
	end();
}
END_TEST

START_TEST(a_child_needs_an_opening_of_its_own)
{
	struct mms_region *region, *own;
	pid_t pid;
	int status;

	begin();
	region = open_as(NULL, &plain);
	T_ASSERT_OK(mms_region_lock(region, 0));
	pid = fork();
	if (!pid) {
		ck_assert_int_eq(mms_region_lock(region, -1), -ECHILD);
		ck_assert_int_eq(mms_region_unlock(region), -ECHILD);
		T_ASSERT_OK(by_descriptor(region, 0, &own));
		mms_region_close(region); /* ends nothing of the parent's */
		ck_assert_int_eq(mms_region_lock(own, 0), -EAGAIN);
		*(unsigned char *)mms_region_data(own) = 201;
		_exit(42);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	ck_assert_uint_eq(*(unsigned char *)mms_region_data(region), 201);
	T_ASSERT_OK(mms_region_unlock(region));
	mms_region_close(region);
	end();
}
END_TEST

/* A parent that is killed with the lock held, whose child has closed the
 * region that it got from it. */
START_TEST(the_lock_of_a_killed_parent)
{
	struct mms_region *region;
	int told[2], end_of[2];
	pid_t parent;
	char c;

	begin();
	region = open_as(t_path("r"), &plain);
	ck_assert_int_eq(pipe(told), 0);
	ck_assert_int_eq(pipe(end_of), 0);
	parent = fork();
	if (!parent) {
		struct mms_region *mine = open_as(t_path("r"), &plain);

		if (mms_region_lock(mine, 0))
			_exit(1);
		if (!fork()) {
			mms_region_close(mine);
			if (write(told[1], "x", 1) != 1)
				_exit(1);
			_exit(read(end_of[0], &c, 1) != 1);
		}
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(told[0], &c, 1), 1);
	ck_assert_int_eq(mms_region_lock(region, 0), -EAGAIN);
	kill_and_wait(parent);
	T_ASSERT_OK(mms_region_lock(region, 0));
	ck_assert_int_eq(write(end_of[1], "y", 1), 1);
	mms_region_close(region);
	end();
}
END_TEST

/* ----------------------------------------------------- failures, durability */

START_TEST(sync_makes_durable)
{
	struct mms_region *region;

	begin();
	region = open_as(t_path("r"), &plain);
	t_call[CALL_FDATASYNC].made = 0;
	T_ASSERT_OK(mms_region_sync(region));
	ck_assert_uint_eq(t_call[CALL_FDATASYNC].made, 1);
	t_fail(CALL_FDATASYNC, -EIO, 0, 1);
	ck_assert_int_eq(mms_region_sync(region), -EIO);
	mms_region_close(region);
	end();
}
END_TEST

static const enum call on_the_way[] = {
	CALL_OPEN,  CALL_FSTAT, CALL_LOCK,     CALL_PREAD, CALL_FTRUNCATE, CALL_PWRITE,
	CALL_FSYNC, CALL_MMAP,  CALL_ALLOCATE, CALL_MEMFD, CALL_FD_FLAGS,
};

/* Opens by one of the ways; MAKE_FOUND: what is there already. */
enum way { MAKE_NEW, MAKE_FOUND, MAKE_NAMELESS, MAKE_ADOPTED, WAYS };

static int open_by(enum way way, struct mms_region *first, struct mms_region **ret_region)
{
	if (way == MAKE_ADOPTED)
		return mms_region_adopt(pool, mms_region_fd(first), "r", &plain, ret_region, NULL);
	return mms_region_open(pool, way == MAKE_NAMELESS ? NULL : t_path("r"), &plain, ret_region,
			       NULL);
}

/* Makes the nth call of a kind fail, for all n that there are. */
static int fail_each(enum call call, enum way way, struct mms_region *first)
{
	for (int n = 0;; n++) {
		struct mms_region *region = NULL;
		unsigned before = open_descriptors();
		uint64_t mapped = t_mapped;
		int r;

		if (way == MAKE_NEW)
			(void)unlink(t_path("r"));
		t_fail(call, -EIO, n, 1);
		r = open_by(way, first, &region);
		if (!atomic_load(&t_call[call].fail)) {
			ck_assert_int_eq(r, -EIO);
			ck_assert_ptr_null(region);
			ck_assert_uint_eq(open_descriptors(), before);
			ck_assert_uint_eq(t_mapped, mapped);
			/* And it can be had then. */
			T_ASSERT_OK(open_by(way, first, &region));
		}
		T_ASSERT_OK(r && !region);
		t_fail(call, 0, 0, 0);
		t_check(mms_region_data(region), SIZE, 0);
		mms_region_close(region);
		if (!r)
			return n;
	}
}

START_TEST(failure_of_each_call)
{
	enum way way = (enum way)_i;
	struct mms_region *first;
	int failures = 0;

	begin();
	first = open_as(t_path("r"), &plain);
	for (unsigned i = 0; i < sizeof(on_the_way) / sizeof(on_the_way[0]); i++)
		failures += fail_each(on_the_way[i], way, first);
	ck_assert_int_ge(failures, way == MAKE_FOUND || way == MAKE_ADOPTED ? 6 : 16);
	mms_region_close(first);
	end();
}
END_TEST

START_TEST(interrupted_calls_are_made_again)
{
	const enum call calls[] = {CALL_LOCK, CALL_ALLOCATE, CALL_PWRITE, CALL_PREAD};
	struct mms_region_options o = plain;

	begin();
	o.timeout_ms = -1;
	t_short_io = 7;
	for (int i = 0; i < 4; i++) {
		struct mms_region *region;

		t_fail(calls[i], -EINTR, 0, 2);
		region = open_as(t_path("r"), &o);
		ck_assert_int_eq(t_call[calls[i]].fail, 0);
		t_check(mms_region_data(region), SIZE, 0);
		mms_region_close(region);
		ck_assert_int_eq(unlink(t_path("r")), 0);
	}
	end();
}
END_TEST

START_TEST(failures_of_the_lock)
{
	begin();
	shared = open_as(t_path("r"), &plain);
	t_fail(CALL_LOCK, -ENOLCK, 0, 1);
	ck_assert_int_eq(mms_region_lock(shared, 0), -ENOLCK);
	T_ASSERT_OK(in_thread(lock_now)); /* nothing was kept */
	mms_region_close(shared);
	shared = open_as(t_path("r"), &plain);
	T_ASSERT_OK(mms_region_lock(shared, 0));
	t_fail(CALL_LOCK, -EIO, 0, 1);
	ck_assert_int_eq(mms_region_unlock(shared), -EIO);
	ck_assert_int_eq(mms_region_lock(shared, 0), -EDEADLK); /* still held */
	T_ASSERT_OK(mms_region_unlock(shared));
	mms_region_close(shared);
	end();
}
END_TEST

START_TEST(publishing_by_the_next_may_fail)
{
	static const unsigned char zeros[4];
	const char *path = t_path("r");
	struct mms_region *region;

	begin();
	mms_region_close(open_as(path, &plain));
	patch(path, zeros, 4, 32); /* as a maker leaves it who dies before the state */
	t_fail(CALL_PWRITE, -EIO, 0, 1);
	ck_assert_int_eq(mms_region_open(pool, path, &plain, &region, NULL), -EIO);
	region = open_as(path, &plain);
	ck_assert(!mms_region_is_new(region));
	t_check(mms_region_data(region), SIZE, 0);
	mms_region_close(region);
	end();
}
END_TEST

/* What each file of the fuzz target's corpus is refused with. 0: it can be opened; -ENOENT: it is
 * one that nobody has made yet. */
static const struct {
	const char *name;
	int code;
} corpus[] = {
	{"all-zeros", -MMS_EMAGIC},
	{"being-made", -ENOENT},
	{"being-made-header-only", -ENOENT},
	{"being-made-other-size", -ENOENT},
	{"crc", -MMS_ECHECKSUM},
	{"created-bit", -MMS_ECHECKSUM},
	{"data-cut", -MMS_ETRUNCATED},
	{"empty", -ENOENT},
	{"header-only", -MMS_ETRUNCATED},
	{"magic", -MMS_EMAGIC},
	{"one-byte", -MMS_ETRUNCATED},
	{"page-only", -MMS_ETRUNCATED},
	{"ready", 0},
	{"reserved", -MMS_ECORRUPT},
	{"short-15", -MMS_ETRUNCATED},
	{"short-16", -MMS_ETRUNCATED},
	{"short-63", -MMS_ETRUNCATED},
	{"size-2-63", -MMS_ECORRUPT},
	{"size-2-63-less-page", -MMS_ECORRUPT},
	{"size-max", -MMS_ECORRUPT},
	{"size-one-less", -MMS_ECORRUPT},
	{"size-one-more", -MMS_ETRUNCATED},
	{"size-wraps-to-zero", -MMS_ECORRUPT},
	{"size-zero", -MMS_ECORRUPT},
	{"state-2", -MMS_ECORRUPT},
	{"state-max", -MMS_ECORRUPT},
	{"unpublished", 0},
	{"unpublished-short", -MMS_ETRUNCATED},
	{"version-2", -MMS_EVERSION},
	{"version-4", -MMS_EVERSION},
	{"version-max", -MMS_EVERSION},
	{"zeros-first", -MMS_ECORRUPT},
	{"zeros-last", -MMS_ECORRUPT},
};

START_TEST(files_of_the_corpus)
{
	const struct mms_region_options o = with_flags(MMS_REGION_RDONLY);
	const char *top = getenv("TOP_SRCDIR");
	struct mms_region *region;
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/data/region/%s", top ? top : ".", corpus[_i].name);
	begin();
	if (corpus[_i].code) {
		open_fails(path, &o, corpus[_i].code);
	} else {
		region = open_as(path, &o);
		for (unsigned i = 0; i < mms_region_size(region); i++)
			ck_assert_uint_eq(((unsigned char *)mms_region_data(region))[i], i + 1);
		mms_region_close(region);
	}
	end();
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, made_once_and_found_then);
	tcase_add_test(t, the_format_is_as_documented);
	tcase_add_loop_test(t, sizes_from_one_byte_on, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(t, sizes_around_4_gib);
	tcase_add_test(t, zeros_where_nothing_can_be_allocated);
	tcase_add_test(t, who_may_make_and_who_must);
	tcase_add_test(t, read_only);
	tcase_add_test(t, wrong_options);
	tcase_add_test(t, what_is_no_regular_file);
	tcase_add_loop_test(t, damage_of_each_field, 0, sizeof(damages) / sizeof(damages[0]));
	tcase_add_loop_test(t, files_of_the_corpus, 0, sizeof(corpus) / sizeof(corpus[0]));
	tcase_add_test(t, a_header_with_no_data_size);
	tcase_add_loop_test(t, files_that_are_too_short_or_too_long, 0,
			    sizeof(cuts) / sizeof(cuts[0]));
	tcase_add_test(t, other_files_are_left_alone);
	tcase_add_test(t, truncation_beneath);
	tcase_add_test(t, a_make_that_fails_leaves_it_to_the_next);
	tcase_add_test(t, waiting_for_a_maker_has_a_limit);
	tcase_add_test(t, the_limit_is_10_seconds_if_not_given);
	tcase_add_loop_test(t, a_killed_maker_leaves_it_to_the_next, 0, 2);
	tcase_add_loop_test(t, a_waiter_takes_over_from_a_killed_maker, 0, 2);
	tcase_add_test(t, killed_at_each_call);
	tcase_add_test(t, many_makers_make_one);
	tcase_add_test(t, many_makers_of_whom_half_die);
	tcase_add_test(t, counters_end_at_the_right_number);
	tcase_add_test(t, the_lock_knows_its_owner);
	tcase_add_test(t, threads_exclude_each_other);
	tcase_add_test(t, waiting_for_another_thread);
	tcase_add_test(t, two_openings_exclude_each_other);
	tcase_add_test(t, the_lock_ends_with_its_killed_holder);
	tcase_add_loop_test(t, adopted_by_descriptor, 0, 2);
	tcase_add_test(t, a_child_needs_an_opening_of_its_own);
	tcase_add_test(t, the_lock_of_a_killed_parent);
	tcase_add_test(t, sync_makes_durable);
	tcase_add_loop_test(t, failure_of_each_call, 0, WAYS);
	tcase_add_test(t, interrupted_calls_are_made_again);
	tcase_add_test(t, failures_of_the_lock);
	tcase_add_test(t, publishing_by_the_next_may_fail);
}

int main(void)
{
	return t_run("region", add_tests);
}

/* SPDX-License-Identifier: MIT */
/* Proves that a header is taken for what it is: each damage has its error, in order, in words. */
#include "helper.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"

#define SHIFT 20u
#define CHUNK (1u << SHIFT)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HEADER MMS_HEADER_BYTES

static const struct mms_file_options mapped = {
	.mode = MMS_RDWR, .io = MMS_IO_MMAP, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options plain = {
	.mode = MMS_RDWR, .io = MMS_IO_PREAD, .put = MMS_PUT_PWRITE, .sync = MMS_SYNC_NEVER};
static const struct mms_file_options *const ways[] = {&mapped, &plain};

/* Makes a file of these bytes; returns its path. */
static const char *save(const void *buf, size_t len)
{
	const char *path = t_path("f");
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, buf, len), (ssize_t)len);
	close(fd);
	return path;
}

/* By all ways, which must agree. */
static int check_all(struct mms_pool *pool, const void *buf, size_t len,
		     const struct mms_format *format, struct mms_error *ret_err)
{
	struct mms_header from_memory = {.version = 0x5a5a}, from_file = from_memory;
	int r = mms_header_check(buf, len, format, "f", &from_memory, ret_err);

	ck_assert_int_eq(mms_header_check(buf, len, format, "f", NULL, NULL), r);
	if (r)
		ck_assert_uint_eq(from_memory.version, 0x5a5a);
	for (size_t i = 0; i < COUNT(ways); i++) {
		struct mms_file *file = t_open(pool, save(buf, len), ways[i]);
		struct mms_error err = {0};

		ck_assert_int_eq(mms_header_read(file, format, &from_file, &err), r);
		ck_assert_int_eq(mms_header_read(file, format, NULL, NULL), r);
		ck_assert_int_eq(memcmp(&from_file, &from_memory, sizeof(from_file)), 0);
		ck_assert_int_eq(err.code, r);
		if (r) {
			ck_assert_str_eq(err.hint, ret_err->hint);
			ck_assert_ptr_ne(strstr(err.what, t_path("f")), NULL);
			ck_assert_ptr_ne(strstr(err.what, "header"), NULL);
		}
		mms_close(file);
	}
	return r;
}

/* ------------------------------------------------------------ sealing */

START_TEST(bytes_of_a_header)
{
	unsigned char buf[20] = "0123456789abcdefGHI";
	unsigned char zeroed[20];

	mms_header_seal(buf, 19, "DEMO", 0x04030201);
	ck_assert_int_eq(memcmp(buf, "DEMO\x01\x02\x03\x04", 8), 0);
	ck_assert_int_eq(memcmp(buf + 12, "\0\0\0\0GHI", 8), 0);
	memcpy(zeroed, buf, 20);
	memset(zeroed + 8, 0, 4);
	ck_assert_uint_eq(le32_get(buf + 8), mms_crc32(0, zeroed, 19));
	/* What has no room for a header is left alone. */
	memset(buf, 'x', sizeof(buf));
	for (size_t len = 0; len < HEADER; len++)
		mms_header_seal(buf, len, "DEMO", 1);
	for (size_t i = 0; i < sizeof(buf); i++)
		ck_assert_uint_eq(buf[i], 'x');
}
END_TEST

START_TEST(sealed_is_good)
{
	static unsigned char buf[3000];
	static const size_t lens[] = {16, 17, 20, 31, 32, 100, 2999, 3000};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);

	for (size_t i = 0; i < COUNT(lens); i++) {
		struct mms_format format = {"\0\xff\n\"", 7, 7, lens[i] - HEADER};
		struct mms_header header;
		struct mms_error err;

		t_pattern(buf, sizeof(buf), 0);
		mms_header_seal(buf, lens[i], format.magic, 7);
		T_ASSERT_OK(check_all(pool, buf, lens[i], &format, &err));
		T_ASSERT_OK(mms_header_check(buf, lens[i], &format, "f", &header, NULL));
		ck_assert_int_eq(memcmp(header.magic, format.magic, 4), 0);
		ck_assert_uint_eq(header.version, 7);
		ck_assert_uint_eq(header.crc, le32_get(buf + 8));
		format.covered_bytes = MMS_COVERS_ALL;
		T_ASSERT_OK(check_all(pool, buf, lens[i], &format, &err));
		/* The rest is not looked at, where it is not covered. */
		format.covered_bytes = lens[i] - HEADER;
		T_ASSERT_OK(check_all(pool, buf, sizeof(buf), &format, &err));
		format.covered_bytes++;
		ck_assert_int_eq(check_all(pool, buf, lens[i], &format, &err), -MMS_ETRUNCATED);
	}
	mms_pool_free(pool);
}
END_TEST

/* Any one bit that changes is noticed. */
START_TEST(every_bit_counts)
{
	const struct mms_format format = {"DEMO", 1, UINT32_MAX, 24};
	unsigned char buf[HEADER + 24];

	for (size_t bit = 0; bit < 8 * sizeof(buf); bit++) {
		size_t at = bit / 8;
		int r;

		t_pattern(buf, sizeof(buf), 0);
		mms_header_seal(buf, sizeof(buf), "DEMO", 1);
		buf[at] ^= (unsigned char)(1u << bit % 8);
		r = mms_header_check(buf, sizeof(buf), &format, "f", NULL, NULL);
		if (at < 4)
			ck_assert_int_eq(r, -MMS_EMAGIC);
		else if (bit == 32)
			ck_assert_int_eq(r, -MMS_EVERSION); /* 0 */
		else
			ck_assert_int_eq(r, -MMS_ECHECKSUM);
	}
}
END_TEST

/* ------------------------------------------------------------- errors */

START_TEST(words)
{
	struct mms_format format = {"DEMO", 2, 5, 4};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	unsigned char buf[20], crc_text[20];
	struct mms_error err;

	memcpy(buf + HEADER, "data", 4);
	mms_header_seal(buf, 20, "LOG\1", 2);
	ck_assert_int_eq(check_all(pool, buf, 20, &format, &err), -MMS_EMAGIC);
	ck_assert_str_eq(err.hint, "it begins with 4c 4f 47 01, and \"DEMO\" was expected");
	ck_assert_str_eq(err.what, "the header of f");
	mms_header_seal(buf, 20, "DEM\x80", 2);
	ck_assert_int_eq(check_all(pool, buf, 20, &format, &err), -MMS_EMAGIC);
	ck_assert_ptr_ne(strstr(err.hint, "44 45 4d 80"), NULL);
	mms_header_seal(buf, 20, "DEMO", 6);
	ck_assert_int_eq(check_all(pool, buf, 20, &format, &err), -MMS_EVERSION);
	ck_assert_str_eq(err.hint, "it is of version 6, and 2 to 5 are supported");
	mms_header_seal(buf, 20, "DEMO", 1);
	ck_assert_int_eq(check_all(pool, buf, 20, &format, &err), -MMS_EVERSION);
	mms_header_seal(buf, 20, "DEMO", 2);
	ck_assert_int_eq(check_all(pool, buf, 19, &format, &err), -MMS_ETRUNCATED);
	ck_assert_str_eq(err.hint, "it has 19 bytes, and the header and what it covers take 20");
	ck_assert_int_eq(check_all(pool, buf, 15, &format, &err), -MMS_ETRUNCATED);
	ck_assert_ptr_ne(strstr(err.hint, "15 bytes"), NULL);
	ck_assert_int_eq(check_all(pool, buf, 0, &format, &err), -MMS_ETRUNCATED);
	ck_assert_ptr_ne(strstr(err.hint, "it has 0 bytes"), NULL);
	/* Both values of a CRC. */
	snprintf((char *)crc_text, sizeof(crc_text), "%08x", le32_get(buf + 8));
	le32_put(buf + 8, 0xabcdef01);
	ck_assert_int_eq(check_all(pool, buf, 20, &format, &err), -MMS_ECHECKSUM);
	ck_assert_ptr_ne(strstr(err.hint, "abcdef01"), NULL);
	ck_assert_ptr_ne(strstr(err.hint, (char *)crc_text), NULL);
	le32_put(buf + 8, 0);
	le32_put(buf + 12, 0x77);
	le32_put(buf + 8, mms_crc32(0, buf, 20));
	ck_assert_int_eq(check_all(pool, buf, 20, &format, &err), -MMS_ECORRUPT);
	ck_assert_str_eq(err.hint, "its reserved field is 00000077 and should be 0");
	mms_pool_free(pool);
}
END_TEST

/* With everything wrong at once, the first in order is told; mended one by one. */
START_TEST(order_of_errors)
{
	static const int order[] = {-MMS_ETRUNCATED,
				    -MMS_EMAGIC,
				    -MMS_EVERSION,
				    -MMS_ETRUNCATED,
				    -MMS_ECHECKSUM,
				    -MMS_ECORRUPT,
				    0};
	const struct mms_format format = {"DEMO", 1, 1, 8};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);

	for (size_t mended = 0; mended < COUNT(order); mended++) {
		unsigned char buf[24];
		struct mms_error err;
		size_t len = mended >= 4 ? 24 : mended >= 1 ? 23 : 15;

		memset(buf, 'x', sizeof(buf));
		mms_header_seal(buf, 24, mended >= 2 ? "DEMO" : "NONE", mended >= 3 ? 1 : 9);
		if (mended < 6) {
			le32_put(buf + 12, 1);
			le32_put(buf + 8, 0);
			le32_put(buf + 8, mms_crc32(0, buf, 24));
		}
		if (mended < 5)
			buf[8] ^= 1;
		ck_assert_int_eq(check_all(pool, buf, len, &format, &err), order[mended]);
	}
	mms_pool_free(pool);
}
END_TEST

START_TEST(covered_to_the_limits)
{
	static const uint64_t covered[] = {1,
					   4080,
					   INT64_MAX,
					   1ULL << 63,
					   UINT64_MAX - 17,
					   UINT64_MAX - 16,
					   UINT64_MAX - 15,
					   UINT64_MAX - 1};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	unsigned char buf[HEADER];
	struct mms_file *file;

	mms_header_seal(buf, sizeof(buf), "DEMO", 1);
	file = t_open(pool, save(buf, sizeof(buf)), &mapped);
	for (size_t i = 0; i < COUNT(covered); i++) {
		const struct mms_format format = {"DEMO", 0, UINT32_MAX, covered[i]};
		struct mms_error err;

		ck_assert_int_eq(mms_header_read(file, &format, NULL, &err), -MMS_ETRUNCATED);
		ck_assert_int_eq(mms_header_check(buf, sizeof(buf), &format, "", NULL, NULL),
				 -MMS_ETRUNCATED);
		ck_assert_int_eq(mms_header_write(file, "DEMO", 1, covered[i]), -MMS_ETRUNCATED);
	}
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* -------------------------------------------------------------- files */

/* Sizes around the step in which it is read, and around a chunk. */
START_TEST(written_and_read)
{
	static const uint64_t sizes[] = {16,         17,         100,        65536 + 15,
					 65536 + 16, 65536 + 17, CHUNK - 1,  CHUNK,
					 CHUNK + 1,  CHUNK + 16, CHUNK + 17, 3 * CHUNK + 5};
	struct mms_pool *pool = t_pool(SHIFT, 2 * CHUNK, 0);

	for (size_t i = 0; i < COUNT(sizes); i++) {
		static unsigned char all[3 * CHUNK + 5];
		struct mms_format format = {"DEMO", 3, 3, MMS_COVERS_ALL};
		struct mms_file *file = t_open(pool, t_fill("f", sizes[i]), ways[_i]);
		unsigned char byte, written[HEADER];

		T_ASSERT_OK(mms_header_write(file, "DEMO", 3, MMS_COVERS_ALL));
		ck_assert_uint_eq(t_size_of(t_path("f")), sizes[i]);
		T_ASSERT_OK(mms_header_read(file, &format, NULL, NULL));
		/* What is written is what would be sealed. */
		t_pattern(all, (size_t)sizes[i], 0);
		mms_header_seal(all, (size_t)sizes[i], "DEMO", 3);
		T_ASSERT_OK(mms_get_array(file, 0, written, HEADER, 1, 1));
		ck_assert_int_eq(memcmp(all, written, HEADER), 0);
		format.covered_bytes = sizes[i] - HEADER;
		T_ASSERT_OK(mms_header_read(file, &format, NULL, NULL));
		format.covered_bytes = sizes[i] - HEADER + 1;
		ck_assert_int_eq(mms_header_read(file, &format, NULL, NULL), -MMS_ETRUNCATED);
		if (sizes[i] > HEADER) {
			format.covered_bytes = MMS_COVERS_ALL;
			T_ASSERT_OK(mms_get_u8(file, sizes[i] - 1, &byte));
			T_ASSERT_OK(mms_put_u8(file, sizes[i] - 1, byte ^ 1));
			ck_assert_int_eq(mms_header_read(file, &format, NULL, NULL),
					 -MMS_ECHECKSUM);
			format.covered_bytes = 0;
			T_ASSERT_OK(mms_header_write(file, "DEMO", 3, 0));
			T_ASSERT_OK(mms_header_read(file, &format, NULL, NULL));
		}
		mms_close(file);
	}
	mms_pool_free(pool);
}
END_TEST

/* No more than what is covered is read, and nothing else is written. */
START_TEST(reads_no_more_than_covered)
{
	const struct mms_format format = {"DEMO", 1, 1, 100000};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 3 * CHUNK), &plain);
	unsigned char buf[1000];

	T_ASSERT_OK(mms_header_write(file, "DEMO", 1, 100000));
	ck_assert_uint_eq(t_stats(pool).read_bytes_pread, 100000);
	ck_assert_uint_eq(t_stats(pool).write_bytes_pwrite, HEADER);
	T_ASSERT_OK(mms_header_read(file, &format, NULL, NULL));
	ck_assert_uint_eq(t_stats(pool).read_bytes_pread, 200000 + HEADER);
	ck_assert_int_eq(mms_read(file, buf, 1000, HEADER), 1000);
	t_check(buf, 1000, HEADER);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

START_TEST(refused_writes)
{
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 100), NULL);

	ck_assert_int_eq(mms_header_write(file, "DEMO", 1, 0), -EBADF);
	mms_close(file);
	file = t_open(pool, t_fill("f", 15), &mapped);
	ck_assert_int_eq(mms_header_write(file, "DEMO", 1, 0), -MMS_ETRUNCATED);
	ck_assert_int_eq(mms_header_write(file, "DEMO", 1, MMS_COVERS_ALL), -MMS_ETRUNCATED);
	mms_close(file);
	ck_assert_uint_eq(t_size_of(t_path("f")), 15);
	mms_pool_free(pool);
}
END_TEST

START_TEST(failing_calls)
{
	const struct mms_format format = {"DEMO", 1, 1, 300};
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	struct mms_file *file = t_open(pool, t_fill("f", 1000), &plain);
	struct mms_header header = {.version = 77};
	struct mms_error err;

	t_fail(CALL_FSTAT, -EIO, 0, 1);
	ck_assert_int_eq(mms_header_write(file, "DEMO", 1, 300), -EIO);
	t_fail(CALL_PREAD, -EIO, 0, 1);
	ck_assert_int_eq(mms_header_write(file, "DEMO", 1, 300), -EIO);
	t_fail(CALL_PWRITE, -ENOSPC, 0, 1);
	ck_assert_int_eq(mms_header_write(file, "DEMO", 1, 300), -ENOSPC);
	t_short_io = 10;
	t_fail(CALL_PWRITE, -ENOSPC, 1, -1);
	ck_assert_int_eq(mms_header_write(file, "DEMO", 1, 300), -EIO);
	t_fail(CALL_PWRITE, 0, 0, 0);
	T_ASSERT_OK(mms_header_write(file, "DEMO", 1, 300));
	T_ASSERT_OK(mms_header_read(file, &format, NULL, NULL));
	t_fail(CALL_FSTAT, -EIO, 0, 1);
	ck_assert_int_eq(mms_header_read(file, &format, &header, &err), -EIO);
	ck_assert_int_eq(err.code, -EIO);
	t_fail(CALL_PREAD, -EIO, 0, 1);
	ck_assert_int_eq(mms_header_read(file, &format, &header, &err), -EIO);
	ck_assert_ptr_ne(strstr(err.what, "the header of "), NULL);
	/* In the middle of what is covered: an error, and no end of the file. */
	t_fail(CALL_PREAD, -EIO, 9, -1);
	ck_assert_int_eq(mms_header_read(file, &format, &header, &err), -EIO);
	ck_assert_ptr_ne(strstr(err.what, "what the header of "), NULL);
	ck_assert_uint_eq(header.version, 77);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* The file is cut after its size was looked up. */
static char cut_path[4096];
static int cut_to = -1;

static int cutting_fstat(int fd, struct stat *st)
{
	int r = mms_sys_default.fstat(fd, st);

	if (cut_to >= 0)
		ck_assert_int_eq(truncate(cut_path, cut_to), 0);
	cut_to = -1;
	return r;
}

START_TEST(cut_meanwhile)
{
	struct mms_format format = {"DEMO", 1, 1, 900};
	struct mms_sys sys = mms_sys_default;
	struct mms_pool *pool;
	struct mms_file *file;
	struct mms_error err;

	sys.fstat = cutting_fstat;
	T_ASSERT_OK(mms_pool_new_on(&sys, NULL, &pool, NULL));
	snprintf(cut_path, sizeof(cut_path), "%s", t_fill("f", 1000));
	file = t_open(pool, cut_path, ways[_i]);
	T_ASSERT_OK(mms_header_write(file, "DEMO", 1, 900));
	cut_to = 500;
	ck_assert_int_eq(mms_header_read(file, &format, NULL, &err), -MMS_ETRUNCATED);
	ck_assert_str_eq(err.hint, "it has 500 bytes, and the header and what it covers take 916");
	ck_assert_int_eq(truncate(cut_path, 1000), 0);
	cut_to = 500;
	ck_assert_int_eq(mms_header_write(file, "DEMO", 1, 900), -MMS_ETRUNCATED);
	ck_assert_int_eq(truncate(cut_path, 1000), 0);
	cut_to = 10;
	ck_assert_int_eq(mms_header_read(file, &format, NULL, &err), -MMS_ETRUNCATED);
	mms_close(file);
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------- corpus */

static struct mms_format format_of(const char *name)
{
	struct mms_format format = {"DEMO", 1, 2, 48};

	if (strstr(name, "covers-all"))
		format.covered_bytes = MMS_COVERS_ALL;
	if (strstr(name, "covers-none"))
		format.covered_bytes = 0;
	return format;
}

static int error_of(const char *name)
{
	static const struct {
		const char *begins;
		int r;
	} kinds[] = {
		{"good", 0},
		{"empty", -MMS_ETRUNCATED},
		{"truncated", -MMS_ETRUNCATED},
		{"bad-magic", -MMS_EMAGIC},
		{"version", -MMS_EVERSION},
		{"bad-checksum", -MMS_ECHECKSUM},
		{"reserved", -MMS_ECORRUPT},
	};

	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (strncmp(name, kinds[i].begins, strlen(kinds[i].begins)) == 0)
			return kinds[i].r;
	}
	ck_abort_msg("%s: the name does not say what is to be expected", name);
}

/* Calls what for each file of the corpus, and returns how many. */
static int each_of_corpus(void (*what)(const char *folder, const char *name))
{
	const char *top = getenv("TOP_SRCDIR");
	char folder[2048];
	struct dirent *e;
	int n = 0;
	DIR *d;

	if (!top) {
		printf("TOP_SRCDIR is not set: the corpus is left out\n");
		return -1;
	}
	snprintf(folder, sizeof(folder), "%s/tests/data/header", top);
	d = opendir(folder);
	ck_assert_msg(d != NULL, "%s: %s", folder, strerror(errno));
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		what(folder, e->d_name);
		n++;
	}
	closedir(d);
	return n;
}

static size_t load(const char *folder, const char *name, unsigned char *buf, size_t size)
{
	char path[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	n = read(fd, buf, size);
	ck_assert_int_ge(n, 0);
	close(fd);
	return (size_t)n;
}

static void check_file_of_corpus(const char *folder, const char *name)
{
	const struct mms_format format = format_of(name);
	struct mms_pool *pool = t_pool(SHIFT, 0, 0);
	unsigned char buf[4096];
	struct mms_error err;
	size_t len = load(folder, name, buf, sizeof(buf));
	int r = check_all(pool, buf, len, &format, &err);

	ck_assert_msg(r == error_of(name), "%s: %d is not %d", name, r, error_of(name));
	mms_pool_free(pool);
}

START_TEST(corpus)
{
	int n = each_of_corpus(check_file_of_corpus);

	if (n >= 0)
		ck_assert_int_ge(n, 40);
}
END_TEST

static void compare_with_made(const char *folder, const char *name)
{
	unsigned char kept[4096], made[4096];
	size_t len = load(folder, name, kept, sizeof(kept));

	ck_assert_msg(load(t_path("made"), name, made, sizeof(made)) == len &&
			      memcmp(kept, made, len) == 0,
		      "%s: tests/data/make_header makes other bytes", name);
}

/* The generator makes the same files again, and no others. */
START_TEST(corpus_can_be_made_again)
{
	const char *top = getenv("TOP_BUILDDIR");
	char command[8192];
	struct dirent *e;
	int n, made = 0;
	DIR *d;

	if (!top) {
		printf("TOP_BUILDDIR is not set: the generator is left out\n");
		return;
	}
	ck_assert_int_eq(mkdir(t_path("made"), 0700), 0);
	snprintf(command, sizeof(command), "'%s/tests/data/make_header' '%s'", top, t_path("made"));
	ck_assert_int_eq(system(command), 0);
	n = each_of_corpus(compare_with_made);
	d = opendir(t_path("made"));
	while ((e = readdir(d)))
		made += e->d_name[0] != '.';
	closedir(d);
	ck_assert_int_eq(made, n);
}
END_TEST

static void add_tests(TCase *t)
{
	const int n = (int)COUNT(ways);

	tcase_add_test(t, bytes_of_a_header);
	tcase_add_test(t, sealed_is_good);
	tcase_add_test(t, every_bit_counts);
	tcase_add_test(t, words);
	tcase_add_test(t, order_of_errors);
	tcase_add_test(t, covered_to_the_limits);
	tcase_add_loop_test(t, written_and_read, 0, n);
	tcase_add_test(t, reads_no_more_than_covered);
	tcase_add_test(t, refused_writes);
	tcase_add_test(t, failing_calls);
	tcase_add_loop_test(t, cut_meanwhile, 0, n);
	tcase_add_test(t, corpus);
	tcase_add_test(t, corpus_can_be_made_again);
}

int main(void)
{
	return t_run("header", add_tests);
}

/* SPDX-License-Identifier: MIT */
/* Logs of known records, for the tests of the log */
#include "logs.h"

static const struct mms_log_options never = {.sync = MMS_SYNC_NEVER, .grow_bytes = 64 * KIB};

/* Empty ones, exactly a header's worth, one more, and others. */
uint32_t t_payload_bytes(uint64_t sequence)
{
	static const uint32_t sizes[] = {64, 0, 1, 65, 63, 128, 200, 5};

	return sizes[sequence % (sizeof(sizes) / sizeof(sizes[0]))];
}

static uint16_t type_of(uint64_t sequence)
{
	return (uint16_t)(sequence * 257);
}

void t_payload(unsigned char *buf, uint64_t sequence)
{
	t_pattern(buf, t_payload_bytes(sequence), sequence * 1001);
}

struct mms_log *t_log_open(struct mms_pool *pool, const char *path,
			   const struct mms_log_options *options)
{
	struct mms_log *log = NULL;
	struct mms_error err;
	char text[600];
	int r = mms_log_open(pool, path, options ? options : &never, &log, NULL, &err);

	ck_assert_msg(r == 0, "%s", r ? mms_error_format(&err, text, sizeof(text)) : "");
	return log;
}

void t_log_append(struct mms_log *log, uint64_t n)
{
	unsigned char buf[T_PAYLOAD_MOST];

	while (n--) {
		uint64_t sequence = mms_log_next_sequence(log), got = 0;

		t_payload(buf, sequence);
		T_ASSERT_OK(mms_log_append(log, type_of(sequence), buf, t_payload_bytes(sequence),
					   &got));
		ck_assert_uint_eq(got, sequence);
	}
}

const char *t_log_make(struct mms_pool *pool, const char *name, uint64_t n)
{
	const char *path = t_path(name);
	struct mms_log *log = t_log_open(pool, path, NULL);

	t_log_append(log, n);
	T_ASSERT_OK(mms_log_close(log));
	return path;
}

struct mms_log_reader *t_log_reader(struct mms_pool *pool, const char *path)
{
	struct mms_log_reader *reader = NULL;

	T_ASSERT_OK(mms_log_reader_open(pool, path, &reader, NULL));
	return reader;
}

void t_log_check_record(const struct mms_record *record, uint64_t sequence)
{
	unsigned char buf[T_PAYLOAD_MOST];

	ck_assert_uint_eq(record->sequence, sequence);
	ck_assert_uint_eq(record->type, type_of(sequence));
	ck_assert_uint_eq(record->payload_bytes, t_payload_bytes(sequence));
	ck_assert_uint_gt(record->timestamp_ns, 1600000000ULL * 1000000000ULL);
	t_payload(buf, sequence);
	ck_assert_int_eq(memcmp(record->payload, buf, record->payload_bytes), 0);
}

void t_log_expect(struct mms_log_reader *reader, uint64_t sequence)
{
	struct mms_record record;

	ck_assert_int_eq(mms_log_next(reader, &record), 1);
	t_log_check_record(&record, sequence);
}

void t_log_verify(struct mms_pool *pool, const char *path, uint64_t first, uint64_t last)
{
	struct mms_log_reader *reader = t_log_reader(pool, path);
	struct mms_record record;

	for (uint64_t i = first; i <= last; i++)
		t_log_expect(reader, i);
	ck_assert_int_eq(mms_log_next(reader, &record), 0);
	mms_log_reader_close(reader);
}

struct mms_log_recovery t_log_check(struct mms_pool *pool, const char *path)
{
	struct mms_log_recovery found;

	T_ASSERT_OK(mms_log_check(pool, path, &found, NULL));
	return found;
}

struct t_bytes t_slurp(const char *path)
{
	struct t_bytes b = {.len = (size_t)t_size_of(path)};
	FILE *f = fopen(path, "re");

	b.mem = malloc(b.len + 1);
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fread(b.mem, 1, b.len, f), b.len);
	ck_assert_int_eq(fclose(f), 0);
	return b;
}

void t_dump(const char *path, const unsigned char *mem, size_t len)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(mem, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

size_t t_log_offset(uint64_t n)
{
	size_t at = LOG_PREAMBLE_BYTES;

	for (uint64_t i = 1; i < n; i++)
		at += (size_t)log_record_bytes(t_payload_bytes(i));
	return at;
}

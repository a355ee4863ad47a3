/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a record log of arbitrary bytes
 *
 * The first byte chooses how the rest is read: as a file as it stands; as one whose preamble and
 * header CRCs are put right first, so that what lies behind the checksums is reached; or as changes
 * to a good log. Whatever comes of it, check, reader and writer must agree on the records, and
 * what recovery leaves must take records and give them back.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mmapstore.h>

#define FILE_MOST (256u << 10)
#define PREAMBLE 64u
#define ID_AT 32u

enum how { AS_IT_IS, CRCS_RIGHT, GOOD_THEN_DAMAGED, HOWS };

static struct mms_pool *pool;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t get_le(const unsigned char *at, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | at[i];
	return v;
}

static void fix_preamble(unsigned char *file, size_t size)
{
	if (size < PREAMBLE)
		return;
	memset(file + 40, 0, 24);
	if (get_le(file + 16, 8) == 0)
		file[16] = 1;
	mms_header_seal(file, PREAMBLE, "MMSL", 1);
}

/* Makes a header of what stands at a place, with the CRCs that it should have. The sequence is kept
 * near what is due, so that one record leads to the next. */
static size_t fix_record(unsigned char *file, size_t size, size_t at, uint64_t due)
{
	unsigned char *h = file + at;
	uint32_t length = (uint32_t)get_le(h, 4);
	uint32_t crc = mms_crc32(0, file + ID_AT, 8);
	struct mms_record_header header = {
		.timestamp_ns = get_le(h + 16, 8),
		.type = (uint16_t)get_le(h + 24, 2),
		.flags = h[26] & 6 ? MMS_RECORD_VALID : h[26],
		.sequence = due + (h[27] < 16 ? h[27] : 0),
	};

	if (!(h[63] & 8))
		length %= 512;
	header.payload_bytes = length;
	header.payload_crc = (uint32_t)get_le(h + 4, 4);
	if (length <= size - at - 64 && !(h[62] & 8))
		header.payload_crc = mms_crc32(crc, h + 64, length);
	mms_record_encode(&header, h);
	return length <= size - at - 64 ? 64 + (length + 63u) / 64 * 64 : 64;
}

static void fix_all(unsigned char *file, size_t size)
{
	uint64_t due;

	fix_preamble(file, size);
	if (size < PREAMBLE)
		return;
	due = get_le(file + 16, 8);
	for (size_t at = PREAMBLE; at < size && size - at >= 64;)
		at += fix_record(file, size, at, due++);
}

/* A log of 10 records, then changes: place u16, byte. */
static size_t damage_good(unsigned char *file, const uint8_t *data, size_t size)
{
	size_t at = PREAMBLE;

	memset(file, 0, 4096);
	file[16] = 1;
	file[ID_AT] = 7;
	fix_preamble(file, PREAMBLE);
	for (uint64_t sequence = 1; sequence <= 10; sequence++) {
		size_t len = (size_t)sequence * 37 % 150;
		struct mms_record_header header = {.payload_bytes = (uint32_t)len,
						   .sequence = sequence,
						   .timestamp_ns = sequence,
						   .flags = MMS_RECORD_VALID};

		memset(file + at + 64, (int)sequence, len);
		header.payload_crc = mms_crc32(mms_crc32(0, file + ID_AT, 8), file + at + 64, len);
		mms_record_encode(&header, file + at);
		at += 64 + (len + 63) / 64 * 64;
	}
	for (size_t i = 0; i + 3 <= size; i += 3)
		file[PREAMBLE + get_le(data + i, 2) % (at - PREAMBLE)] ^= data[i + 2];
	if (size % 3 == 1) /* and cut somewhere */
		at = PREAMBLE + data[size - 1] % (at - PREAMBLE) * 5 % (at - PREAMBLE);
	return at;
}

/* Reads to where it ends. Returns how many there are. */
static uint64_t read_all(const char *path, uint64_t first)
{
	struct mms_log_reader *reader;
	struct mms_record record;
	uint64_t n = 0;
	int r;

	r = mms_log_reader_open(pool, path, &reader, NULL);
	assert(r == 0);
	while ((r = mms_log_next(reader, &record)) == 1) {
		assert(record.sequence == first + n);
		assert(record.offset % 64 == 0 && record.offset < FILE_MOST);
		assert(record.payload_bytes < FILE_MOST);
		n++;
	}
	assert(r <= 0);
	assert(mms_log_wait(reader, 0) != 1 || r == -MMS_ECHECKSUM || r == -MMS_ETRUNCATED);
	r = mms_log_seek(reader, first);
	assert(n == 0 || r == 1);
	if (n > 1) {
		r = mms_log_seek(reader, first + n / 2);
		assert(r == 1 && mms_log_next(reader, &record) == 1);
		assert(record.sequence == first + n / 2);
	}
	(void)mms_log_seek(reader, UINT64_MAX);
	mms_log_reader_close(reader);
	return n;
}

static void append_and_look(struct mms_log *log, const char *path,
			    const struct mms_log_recovery *found)
{
	static const unsigned char payload[100] = "appended";
	struct mms_log_recovery again;
	uint64_t sequence = 0;
	int r;

	assert(mms_log_next_sequence(log) == found->next_sequence);
	r = mms_log_append(log, 1, payload, sizeof(payload), &sequence);
	if (found->next_sequence == UINT64_MAX)
		assert(r == -EOVERFLOW);
	else
		assert(r == 0 && sequence == found->next_sequence);
	r = mms_log_close(log);
	assert(r == 0);
	r = mms_log_check(pool, path, &again, NULL);
	assert(r == 0 && again.damage == 0 && again.torn_bytes == 0 && again.strays == 0);
	assert(again.records == found->records + (found->next_sequence != UINT64_MAX));
	assert(read_all(path, found->first_sequence) == again.records);
}

static bool same(const struct mms_log_recovery *a, const struct mms_log_recovery *b)
{
	return a->first_sequence == b->first_sequence && a->next_sequence == b->next_sequence &&
	       a->records == b->records && a->end == b->end && a->torn_bytes == b->torn_bytes &&
	       a->strays == b->strays && a->stray_first == b->stray_first &&
	       a->stray_last == b->stray_last && a->damage == b->damage;
}

static void try_path(const char *path)
{
	struct mms_log_options options = {
		.sync = MMS_SYNC_NEVER, .flags = MMS_LOG_MUST_EXIST, .grow_bytes = 4096};
	struct mms_log_recovery checked, found = {0};
	struct mms_log_reader *reader;
	struct mms_error err;
	struct mms_log *log;
	char text[700];
	int bad = mms_log_check(pool, path, &checked, &err);
	int r;

	if (bad) {
		assert(strlen(mms_error_format(&err, text, sizeof(text))) > 0);
		assert(mms_log_open(pool, path, &options, &log, &found, NULL) == bad);
		assert(mms_log_reader_open(pool, path, &reader, NULL) == bad);
		return;
	}
	assert(checked.next_sequence - checked.first_sequence == checked.records);
	assert((checked.damage == 0) == (checked.torn_bytes == 0));
	assert(!checked.strays || checked.stray_first > checked.next_sequence);
	assert(checked.stray_first <= checked.stray_last);
	assert(read_all(path, checked.first_sequence) == checked.records);
	r = mms_log_open(pool, path, &options, &log, &found, NULL);
	assert(same(&found, &checked));
	if (checked.strays) {
		assert(r == checked.damage);
		options.flags |= MMS_LOG_CUT_STRAYS;
		r = mms_log_open(pool, path, &options, &log, &found, NULL);
		assert(same(&found, &checked));
	}
	assert(r == 0);
	append_and_look(log, path, &found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char file[FILE_MOST];
	char path[64];
	enum how how;
	int fd;

	if (size < 1 || size > FILE_MOST)
		return 0;
	how = data[0] % HOWS;
	data++;
	size--;
	if (!pool && mms_pool_new(&(struct mms_pool_options){.chunk_shift = 20}, &pool, NULL))
		abort();
	if (how == GOOD_THEN_DAMAGED) {
		size = damage_good(file, data, size);
	} else {
		if (size)
			memcpy(file, data, size);
		if (how == CRCS_RIGHT)
			fix_all(file, size);
	}
	fd = memfd_create("log", MFD_CLOEXEC);
	if (fd < 0 || pwrite(fd, file, size, 0) != (ssize_t)size)
		abort();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	try_path(path);
	close(fd);
	return 0;
}

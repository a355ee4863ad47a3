/* SPDX-License-Identifier: MIT */
/*
 * Arbitrary bytes as a file: its header is checked and numbers are read at
 * offsets that the bytes themselves give. What must hold is asserted:
 *
 *   - memory, mapping and pread(2) give the same answer, with its error filled;
 *   - a header that passes is the one that sealing the same bytes makes;
 *   - any bytes pass once they are sealed, and no longer when a bit is flipped;
 *   - a typed read gives the bytes of the file, or the error that arithmetic says.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mmapstore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_LIMIT (1u << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* assert() that no compiler flag removes. */
#define MUST(condition)                                                                  \
	do {                                                                             \
		if (!(condition)) {                                                      \
			(void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, \
				      #condition);                                       \
			abort();                                                         \
		}                                                                        \
	} while (0)

static const struct mms_format formats[] = {
	{"DEMO", 1, 2, 48},
	{"DEMO", 1, 2, 0},
	{"DEMO", 1, 2, MMS_COVERS_ALL},
};

static struct mms_pool *the_pool(void)
{
	static struct mms_pool *pool;
	static const struct mms_pool_options options = {.chunk_shift = 20, .small_bytes = 1};

	if (!pool)
		MUST(mms_pool_new(&options, &pool, NULL) == 0);
	return pool;
}

static struct mms_file *file_of(const uint8_t *data, size_t size, enum mms_io io)
{
	const struct mms_file_options options = {
		.mode = MMS_RDWR, .io = io, .sync = MMS_SYNC_NEVER};
	struct mms_file *file;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	MUST(fd >= 0);
	MUST(write(fd, data, size) == (ssize_t)size);
	MUST(mms_adopt(the_pool(), fd, "fuzz", &options, &file, NULL) == 0);
	return file;
}

/* ------------------------------------------------------------- header */

static void check_error(int r, const struct mms_error *err)
{
	MUST(r == -MMS_ETRUNCATED || r == -MMS_EMAGIC || r == -MMS_EVERSION ||
	     r == -MMS_ECHECKSUM || r == -MMS_ECORRUPT);
	MUST(err->code == r);
	MUST(memchr(err->what, '\0', sizeof(err->what)) && err->what[0]);
	MUST(memchr(err->hint, '\0', sizeof(err->hint)) && err->hint[0]);
}

/* Its own bytes are those that sealing makes. */
static void check_good(const uint8_t *data, size_t size, const struct mms_format *format,
		       const struct mms_header *header)
{
	size_t len = size;
	uint8_t *copy;

	if (format->covered_bytes != MMS_COVERS_ALL)
		len = MMS_HEADER_BYTES + (size_t)format->covered_bytes;
	MUST(len <= size);
	MUST(memcmp(header->magic, format->magic, 4) == 0);
	MUST(header->version >= format->version_from && header->version <= format->version_to);
	copy = malloc(len);
	MUST(copy);
	memcpy(copy, data, len);
	mms_header_seal(copy, len, format->magic, header->version);
	MUST(memcmp(copy, data, len) == 0);
	free(copy);
}

static void check_header(const uint8_t *data, size_t size, struct mms_file *const files[2])
{
	for (size_t i = 0; i < COUNT(formats); i++) {
		struct mms_header header;
		struct mms_error err;
		int r = mms_header_check(data, size, &formats[i], "fuzz", &header, &err);

		if (r)
			check_error(r, &err);
		else
			check_good(data, size, &formats[i], &header);
		for (int j = 0; j < 2; j++) {
			struct mms_header again;
			struct mms_error other;

			MUST(mms_header_read(files[j], &formats[i], &again, &other) == r);
			if (r)
				MUST(other.code == r && strcmp(other.hint, err.hint) == 0);
			else
				MUST(memcmp(&again, &header, sizeof(header)) == 0);
		}
	}
}

static void check_sealed(const uint8_t *data, size_t size, struct mms_file *file)
{
	const struct mms_format format = {"SEAL", 1, 1, MMS_COVERS_ALL};
	uint8_t *copy = malloc(size ? size : 1);
	size_t bit;

	MUST(copy);
	memcpy(copy, data, size);
	mms_header_seal(copy, size, "SEAL", 1);
	if (size < MMS_HEADER_BYTES) {
		MUST(memcmp(copy, data, size) == 0);
		MUST(mms_header_write(file, "SEAL", 1, MMS_COVERS_ALL) == -MMS_ETRUNCATED);
		free(copy);
		return;
	}
	MUST(mms_header_check(copy, size, &format, "fuzz", NULL, NULL) == 0);
	bit = ((size_t)data[0] << 8 | data[size - 1]) % (8 * size);
	copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
	MUST(mms_header_check(copy, size, &format, "fuzz", NULL, NULL) != 0);
	MUST(mms_header_write(file, "SEAL", 1, MMS_COVERS_ALL) == 0);
	MUST(mms_header_read(file, &format, NULL, NULL) == 0);
	free(copy);
}

/* ------------------------------------------------------- typed reads */

static uint64_t little_endian(const uint8_t *p, unsigned width)
{
	uint64_t v = 0;

	for (unsigned i = width; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

static int expected(uint64_t offset, uint64_t len, uint64_t align, size_t size)
{
	if (offset % align)
		return -MMS_EALIGN;
	return offset <= size && len <= size - offset ? 0 : -MMS_EBOUNDS;
}

static void check_numbers(const uint8_t *data, size_t size, struct mms_file *file, uint64_t at)
{
	uint8_t v8;
	uint16_t v16;
	uint32_t v32;
	uint64_t v64;

	MUST(mms_get_u8(file, at, &v8) == expected(at, 1, 1, size));
	MUST(mms_get_u16(file, at, &v16) == expected(at, 2, 2, size));
	MUST(mms_get_u32(file, at, &v32) == expected(at, 4, 4, size));
	MUST(mms_get_u64(file, at, &v64) == expected(at, 8, 8, size));
	MUST(expected(at, 1, 1, size) || v8 == data[at]);
	MUST(expected(at, 2, 2, size) || v16 == little_endian(data + at, 2));
	MUST(expected(at, 4, 4, size) || v32 == little_endian(data + at, 4));
	MUST(expected(at, 8, 8, size) || v64 == little_endian(data + at, 8));
}

/* An array whose place and shape are what the bytes say. */
static void check_array(const uint8_t *data, size_t size, struct mms_file *file, uint64_t at,
			uint64_t shape)
{
	static uint8_t buf[SIZE_LIMIT];
	size_t count = (size_t)(shape & 0xffffffff), width = (size_t)(shape >> 32 & 0xffffff);
	size_t align = (size_t)1 << (shape >> 56 & 15);
	uint64_t len;
	bool wraps = shape >> 60 == 15;
	struct mms_pin pin;
	int r, wanted;

	if (wraps)
		count = SIZE_MAX - count;
	wanted = __builtin_mul_overflow(count, width, &len) && at % align == 0
			 ? -MMS_EBOUNDS
			 : expected(at, len, align, size);
	r = mms_get_array(file, at, buf, count, width, align);
	MUST(r == wanted);
	if (!r)
		MUST(memcmp(buf, data + at, (size_t)len) == 0);
	r = mms_ref_array(file, at, count, width, align, 0, &pin);
	MUST(r == wanted);
	if (r)
		return;
	MUST(pin.len == len && memcmp(pin.addr, data + at, (size_t)len) == 0);
	mms_unpin(&pin);
}

static void check_typed(const uint8_t *data, size_t size, struct mms_file *file)
{
	for (size_t i = 0; i + 16 <= size && i < 256; i += 16) {
		uint64_t at = little_endian(data + i, 8);
		uint64_t shape = little_endian(data + i + 8, 8);

		check_numbers(data, size, file, at);
		check_numbers(data, size, file, at % (size + 9));
		check_array(data, size, file, at, shape);
		check_array(data, size, file, at % (size + 1), shape & 0xff0000ff000000ff);
	}
	for (unsigned back = 0; back <= 9; back++)
		check_numbers(data, size, file, (uint64_t)size - back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mms_file *files[2];

	if (size > SIZE_LIMIT)
		return 0;
	files[0] = file_of(data, size, MMS_IO_MMAP);
	files[1] = file_of(data, size, MMS_IO_PREAD);
	check_header(data, size, files);
	for (int j = 0; j < 2; j++)
		check_typed(data, size, files[j]);
	for (int j = 0; j < 2; j++) {
		check_sealed(data, size, files[j]);
		MUST(mms_close(files[j]) == 0);
	}
	return 0;
}

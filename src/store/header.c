/* SPDX-License-Identifier: MIT */
/* The header that says what a file is: 16 bytes, written field by field */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arith.h"
#include "bytes.h"
#include "cleanup.h"
#include "errors.h"
#include "file.h"

#define AT_MAGIC 0u
#define AT_VERSION 4u
#define AT_CRC 8u
#define AT_RESERVED 12u
_Static_assert(AT_RESERVED + 4u == MMS_HEADER_BYTES, "the fields fill the header");

#define STEP (64u << 10)
#define MAGIC_TEXT_BYTES 20u

static void encode(unsigned char *buf, const char *magic, uint32_t version)
{
	memcpy(buf + AT_MAGIC, magic, 4);
	le32_put(buf + AT_VERSION, version);
	le32_put(buf + AT_CRC, 0);
	le32_put(buf + AT_RESERVED, 0);
}

void mms_header_seal(void *buf, size_t len, const char *magic, uint32_t version)
{
	unsigned char *b = buf;

	if (len < MMS_HEADER_BYTES)
		return;
	encode(b, magic, version);
	le32_put(b + AT_CRC, mms_crc32(0, b, len));
}

/* A magic as a person reads it: "MMSL", or 4d 4d 00 ff. */
static const char *magic_text(const void *magic, char *buf)
{
	const unsigned char *m = magic;
	bool plain = true;

	for (unsigned i = 0; i < 4; i++)
		plain = plain && m[i] < 0x80 && isprint(m[i]);
	if (plain)
		(void)snprintf(buf, MAGIC_TEXT_BYTES, "\"%c%c%c%c\"", m[0], m[1], m[2], m[3]);
	else
		(void)snprintf(buf, MAGIC_TEXT_BYTES, "%02x %02x %02x %02x", m[0], m[1], m[2],
			       m[3]);
	return buf;
}

static int truncated(const char *name, uint64_t size, uint64_t wanted, struct mms_error *err)
{
	(void)mms_error_set(err, -MMS_ETRUNCATED, "the header of %s", name);
	mms_error_hint(err, "it has %llu bytes, and the header and what it covers take %llu",
		       (unsigned long long)size, (unsigned long long)wanted);
	return -MMS_ETRUNCATED;
}

/* What can be said from the 16 bytes and the size alone. */
static int check_fields(const unsigned char *buf, uint64_t size, const struct mms_format *format,
			const char *name, struct mms_error *err)
{
	char found[MAGIC_TEXT_BYTES], wanted[MAGIC_TEXT_BYTES];
	uint32_t version = le32_get(buf + AT_VERSION);

	if (memcmp(buf + AT_MAGIC, format->magic, 4) != 0) {
		(void)mms_error_set(err, -MMS_EMAGIC, "the header of %s", name);
		mms_error_hint(err, "it begins with %s, and %s was expected",
			       magic_text(buf + AT_MAGIC, found),
			       magic_text(format->magic, wanted));
		return -MMS_EMAGIC;
	}
	if (version < format->version_from || version > format->version_to) {
		(void)mms_error_set(err, -MMS_EVERSION, "the header of %s", name);
		mms_error_hint(err, "it is of version %u, and %u to %u are supported", version,
			       format->version_from, format->version_to);
		return -MMS_EVERSION;
	}
	if (format->covered_bytes != MMS_COVERS_ALL &&
	    size - MMS_HEADER_BYTES < format->covered_bytes)
		return truncated(name, size, u64_add_sat(format->covered_bytes, MMS_HEADER_BYTES),
				 err);
	return 0;
}

/* The CRC of the header with its own as zeros. */
static uint32_t own_crc(const unsigned char *buf)
{
	return mms_crc32_except(0, buf, MMS_HEADER_BYTES, AT_CRC, 4);
}

static int check_rest(const unsigned char *buf, uint32_t crc, const char *name,
		      struct mms_header *ret_header, struct mms_error *err)
{
	uint32_t stored = le32_get(buf + AT_CRC);
	uint32_t reserved = le32_get(buf + AT_RESERVED);

	if (crc != stored) {
		(void)mms_error_set(err, -MMS_ECHECKSUM, "the header of %s", name);
		mms_error_hint(err, "its CRC is %08x, and what it covers has %08x", stored, crc);
		return -MMS_ECHECKSUM;
	}
	if (reserved) {
		(void)mms_error_set(err, -MMS_ECORRUPT, "the header of %s", name);
		mms_error_hint(err, "its reserved field is %08x and should be 0", reserved);
		return -MMS_ECORRUPT;
	}
	if (ret_header) {
		memcpy(ret_header->magic, buf + AT_MAGIC, 4);
		ret_header->version = le32_get(buf + AT_VERSION);
		ret_header->crc = stored;
	}
	return 0;
}

int mms_header_check(const void *buf, size_t len, const struct mms_format *format, const char *name,
		     struct mms_header *ret_header, struct mms_error *err)
{
	const unsigned char *b = buf;
	size_t covered;
	int r;

	if (len < MMS_HEADER_BYTES)
		return truncated(name, len, MMS_HEADER_BYTES, err);
	r = check_fields(b, len, format, name, err);
	if (r)
		return r;
	covered = size_bound(len - MMS_HEADER_BYTES, format->covered_bytes);
	return check_rest(b, mms_crc32(own_crc(b), b + MMS_HEADER_BYTES, covered), name, ret_header,
			  err);
}

/* Carries crc on over what the header covers. -MMS_ETRUNCATED: the file ends
 * in it, and ret_end is where. */
static int crc_covered(struct mms_file *file, uint64_t covered, uint32_t *crc, uint64_t *ret_end)
{
	CLEANUP_FREE unsigned char *buf = covered ? malloc(STEP) : NULL;
	uint64_t done = 0;

	if (covered && !buf)
		return -ENOMEM;
	while (done < covered) {
		ssize_t n = mms_read(file, buf, size_bound(STEP, covered - done),
				     MMS_HEADER_BYTES + done);

		if (n < 0)
			return (int)n;
		if (n == 0) {
			*ret_end = MMS_HEADER_BYTES + done;
			return -MMS_ETRUNCATED;
		}
		*crc = mms_crc32(*crc, buf, (size_t)n);
		done += (size_t)n;
	}
	return 0;
}

int mms_header_read(struct mms_file *file, const struct mms_format *format,
		    struct mms_header *ret_header, struct mms_error *err)
{
	unsigned char buf[MMS_HEADER_BYTES];
	uint64_t size, covered, end;
	uint32_t crc;
	ssize_t n;
	int r = mms_size(file, &size);

	if (r)
		return mms_error_set(err, r, "the header of %s", file->name);
	n = mms_read(file, buf, sizeof(buf), 0);
	if (n < 0)
		return mms_error_set(err, (int)n, "the header of %s", file->name);
	if ((size_t)n < sizeof(buf))
		return truncated(file->name, (uint64_t)n, sizeof(buf), err);
	/* The file may have grown, or been cut, between the two looks. */
	size = u64_max(size, sizeof(buf));
	r = check_fields(buf, size, format, file->name, err);
	if (r)
		return r;
	covered = u64_min(size - sizeof(buf), format->covered_bytes);
	crc = own_crc(buf);
	r = crc_covered(file, covered, &crc, &end);
	if (r == -MMS_ETRUNCATED)
		return truncated(file->name, end, MMS_HEADER_BYTES + covered, err);
	if (r)
		return mms_error_set(err, r, "what the header of %s covers", file->name);
	return check_rest(buf, crc, file->name, ret_header, err);
}

int mms_header_write(struct mms_file *file, const char *magic, uint32_t version,
		     uint64_t covered_bytes)
{
	unsigned char buf[MMS_HEADER_BYTES];
	uint64_t size, end;
	uint32_t crc;
	ssize_t n;
	int r = mms_size(file, &size);

	if (r)
		return r;
	if (covered_bytes == MMS_COVERS_ALL)
		covered_bytes = size < sizeof(buf) ? 0 : size - sizeof(buf);
	if (size < sizeof(buf) || size - sizeof(buf) < covered_bytes)
		return -MMS_ETRUNCATED;
	encode(buf, magic, version);
	crc = mms_crc32(0, buf, sizeof(buf));
	r = crc_covered(file, covered_bytes, &crc, &end);
	if (r)
		return r;
	le32_put(buf + AT_CRC, crc);
	n = mms_write(file, buf, sizeof(buf), 0, 0);
	return n < 0 ? (int)n : (size_t)n < sizeof(buf) ? -EIO : 0;
}

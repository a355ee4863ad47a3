/* SPDX-License-Identifier: MIT */
/*
 * mmapstore-header.h - the header that says what a file is
 *
 * 16 bytes at the beginning of a file, little-endian:
 *
 *	 0  magic     4 bytes   of the format, any values
 *	 4  version   u32
 *	 8  crc       u32       CRC-32 of these 16 bytes, crc as zeros, and of the
 *	                        covered bytes that follow them
 *	12  reserved  u32       0
 *
 * How many bytes are covered is part of the format and is not stored. A
 * fixed preamble is covered whole; of data that change often, nothing.
 */
#ifndef MMAPSTORE_HEADER_H
#define MMAPSTORE_HEADER_H

#include "mmapstore.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MMS_HEADER_BYTES 16u

/* Covers everything to the end of the file. */
#define MMS_COVERS_ALL UINT64_MAX

struct mms_header {
	unsigned char magic[4];
	uint32_t version;
	uint32_t crc;
};

/* What a reader accepts. */
struct mms_format {
	const char *magic;     /* 4 bytes, not terminated */
	uint32_t version_from; /* these and all between */
	uint32_t version_to;
	uint64_t covered_bytes; /* after the header, or MMS_COVERS_ALL */
};

/* Puts a header over the first 16 of len bytes, covering the rest of them.
 * Does nothing where len is less than 16. */
MMS_EXPORT void mms_header_seal(void *buf, size_t len, const char *magic, uint32_t version);

/*
 * Checks a header and what it covers, in memory, in this order:
 * -MMS_ETRUNCATED (len is less than 16), -MMS_EMAGIC, -MMS_EVERSION,
 * -MMS_ETRUNCATED (what is covered is not all there: a matter of this format
 * only), -MMS_ECHECKSUM, -MMS_ECORRUPT (reserved is not 0). err says what was
 * found and what was expected, of name. ret_header may be NULL.
 */
MMS_EXPORT int mms_header_check(const void *buf, size_t len, const struct mms_format *format,
				const char *name, struct mms_header *ret_header,
				struct mms_error *err);

/* The same of a file, of which no more than what is covered is read. */
MMS_EXPORT int mms_header_read(struct mms_file *file, const struct mms_format *format,
			       struct mms_header *ret_header, struct mms_error *err);

/* Writes the header of a file that holds what it is to cover already.
 * -MMS_ETRUNCATED if it does not. */
MMS_EXPORT int mms_header_write(struct mms_file *file, const char *magic, uint32_t version,
				uint64_t covered_bytes);

#ifdef __cplusplus
}
#endif
#endif

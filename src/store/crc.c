/* SPDX-License-Identifier: MIT */

#include "mmapstore.h"

#ifdef HAVE_ISAL
#include <isa-l/crc.h>

/* The "gzip" one of ISA-L's three is the reflected polynomial, zlib's. */
uint32_t mms_crc32(uint32_t crc, const void *buf, size_t len)
{
	return crc32_gzip_refl(crc, buf, len);
}

const char *mms_crc32_engine(void)
{
	return "isa-l";
}
#else
#include <zlib.h>

uint32_t mms_crc32(uint32_t crc, const void *buf, size_t len)
{
	/* zlib takes a NULL buffer for a request of the start value. */
	return len ? (uint32_t)crc32_z(crc, buf, len) : crc;
}

const char *mms_crc32_engine(void)
{
	return "zlib";
}
#endif

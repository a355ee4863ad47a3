/* SPDX-License-Identifier: MIT */
/*
 * One call for the engine that this machine has: ISA-L, several times faster,
 * where the library was built with it and agrees with zlib here.
 */
#include "crc.h"

#include <string.h>
#include <zlib.h>

#include "arith.h"

uint32_t mms_crc32_by_zlib(uint32_t crc, const void *buf, size_t len)
{
	/* zlib takes a NULL buffer for a request of the start value. */
	return len ? (uint32_t)crc32_z(crc, buf, len) : crc;
}

typedef uint32_t crc_function(uint32_t crc, const void *buf, size_t len);

/* Written by the constructor, before there can be a second thread. */
static crc_function *engine = mms_crc32_by_zlib;
static const char *engine_name = "zlib";

#ifdef HAVE_ISAL
#include <isa-l/crc.h>

/* The "gzip" one of ISA-L's three is the reflected polynomial, zlib's. */
uint32_t mms_crc32_by_isal(uint32_t crc, const void *buf, size_t len)
{
	return len ? crc32_gzip_refl(crc, buf, len) : crc;
}

/* ISA-L picks its code by the processor: try that code, short and long. */
static bool isal_agrees(void)
{
	unsigned char probe[1024 + 7];

	for (size_t i = 0; i < sizeof(probe); i++)
		probe[i] = (unsigned char)(i * 131 + (i >> 8));
	for (size_t len = 1; len <= sizeof(probe); len += len < 70 ? 1 : 331) {
		if (mms_crc32_by_isal(5, probe + 1, len - 1) !=
		    mms_crc32_by_zlib(5, probe + 1, len - 1))
			return false;
	}
	return true;
}

__attribute__((constructor)) static void choose_engine(void)
{
	if (!isal_agrees())
		return;
	engine = mms_crc32_by_isal;
	engine_name = "isa-l";
}
#endif

uint32_t mms_crc32(uint32_t crc, const void *buf, size_t len)
{
	return engine(crc, buf, len);
}

const char *mms_crc32_engine(void)
{
	return engine_name;
}

uint32_t mms_crc32_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b)
{
	/* Appending zeros turns a CRC in a cycle of 2^32-1 (the polynomial is
	 * primitive), so that every length has a short one that does the same;
	 * in two parts, for a z_off_t of 32 bits. zlib takes no length of 0. */
	uint32_t len = (uint32_t)(len_b % UINT32_MAX);
	uint32_t half = len / 2;

	if (half)
		crc_a = (uint32_t)crc32_combine(crc_a, 0, (z_off_t)half);
	return len ? (uint32_t)crc32_combine(crc_a, crc_b, (z_off_t)(len - half)) : crc_a ^ crc_b;
}

uint32_t mms_crc32_except(uint32_t crc, const void *buf, size_t len, size_t hole, size_t hole_len)
{
	static const unsigned char zeros[256];
	const unsigned char *b = buf;

	hole = size_min(hole, len);
	hole_len = size_min(hole_len, len - hole);
	crc = mms_crc32(crc, b, hole);
	for (size_t left = hole_len; left;) {
		size_t n = size_min(left, sizeof(zeros));

		crc = mms_crc32(crc, zeros, n);
		left -= n;
	}
	return mms_crc32(crc, b + hole + hole_len, len - hole - hole_len);
}

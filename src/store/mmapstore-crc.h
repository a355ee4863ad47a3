/* SPDX-License-Identifier: MIT */
/*
 * mmapstore-crc.h - CRC-32 (IEEE 802.3, the polynomial 0xedb88320, as zlib's crc32())
 *
 * ISA-L where the library was built with it, else zlib; chosen once, before
 * main(), and only after both have given the same values here. No call
 * fails, blocks or allocates; all may run concurrently.
 */
#ifndef MMAPSTORE_CRC_H
#define MMAPSTORE_CRC_H

#include "mmapstore.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Start with 0, and pass the result on for what follows.
 * mms_crc32(0, "hello", 5) is 0x3610a686. */
MMS_EXPORT uint32_t mms_crc32(uint32_t crc, const void *buf, size_t len);

/* The CRC of A followed by B, from that of A, that of B, and B's length. */
MMS_EXPORT uint32_t mms_crc32_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b);

/*
 * The CRC of len bytes, of which hole_len from hole on count as zeros: what
 * goes into a field that is itself among the bytes. A hole that reaches past
 * the end is cut there.
 */
MMS_EXPORT uint32_t mms_crc32_except(uint32_t crc, const void *buf, size_t len, size_t hole,
				     size_t hole_len);

/* "isa-l" or "zlib". */
MMS_EXPORT const char *mms_crc32_engine(void);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: MIT */
/* crc.h - the engines behind mms_crc32(), for comparing them */
#ifndef MMS_CRC_H
#define MMS_CRC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmapstore.h"

uint32_t mms_crc32_by_zlib(uint32_t crc, const void *buf, size_t len);
#ifdef HAVE_ISAL
uint32_t mms_crc32_by_isal(uint32_t crc, const void *buf, size_t len);
#endif

#endif

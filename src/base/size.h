/* SPDX-License-Identifier: MIT */
/* size.h - sizes as people write and read them, in units of 1024 */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

/* Room for every text of size_format(). */
#define SIZE_TEXT_BYTES 16u

/* "512 B", "64.0 KiB", "1.5 GiB" into buf, always terminated. Returns buf. */
const char *size_format(uint64_t bytes, char *buf, size_t buf_size);

/* "4096", "64K", "1G", "16T", either case, with or without a trailing "iB" or
 * "B". 0, -EINVAL where it is no such number, -ERANGE where it does not fit. */
int size_parse(const char *text, uint64_t *ret_bytes);

#endif

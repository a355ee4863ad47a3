/* SPDX-License-Identifier: MIT */
/*
 * What the helper programs of the mount tests share: data that can be checked
 * without keeping a copy, names of errors, and a seeded generator.
 */
#ifndef TESTS_MOUNT_UTIL_H
#define TESTS_MOUNT_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes that a file written under seed has at offset: never zero, so that
 * a hole or a lost page cannot pass for data. */
void pattern_fill(void *buf, uint64_t offset, size_t len, uint64_t seed);

/* Index of the first byte that differs, or -1. */
int64_t pattern_check(const void *buf, uint64_t offset, size_t len, uint64_t seed);

/* As pattern_check(), but a zero byte is right too. */
int64_t pattern_or_zero(const void *buf, uint64_t offset, size_t len, uint64_t seed);

/* "ENOSPC" for ENOSPC; "errno 999" for what has no name here. Constant or per thread. */
const char *errno_name(int err);

/* A number with K, M, G or T; ends the program on anything else. */
uint64_t parse_number(const char *text);

/* splitmix64 */
uint64_t next_random(uint64_t *state);

/* Seconds of the monotonic clock. */
double now_seconds(void);

/* Prints "PROGRAM: message: ERRNO" to stderr and exits with 2. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* pread and pwrite until all is done, or the file ends: bytes, or -errno. */
int64_t read_full(int fd, void *buf, size_t len, uint64_t offset);
int64_t write_full(int fd, const void *buf, size_t len, uint64_t offset);

#endif

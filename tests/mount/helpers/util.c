/* SPDX-License-Identifier: MIT */
#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint8_t pattern_byte(uint64_t offset, uint64_t seed)
{
	uint64_t word = mix((offset >> 3) + mix(seed + 1));

	return (uint8_t)(word >> (offset & 7) * 8 | 1);
}

void pattern_fill(void *buf, uint64_t offset, size_t len, uint64_t seed)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		p[i] = pattern_byte(offset + i, seed);
}

int64_t pattern_check(const void *buf, uint64_t offset, size_t len, uint64_t seed)
{
	const uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		if (p[i] != pattern_byte(offset + i, seed))
			return (int64_t)i;
	return -1;
}

int64_t pattern_or_zero(const void *buf, uint64_t offset, size_t len, uint64_t seed)
{
	const uint8_t *p = buf;

	for (size_t i = 0; i < len; i++)
		if (p[i] != 0 && p[i] != pattern_byte(offset + i, seed))
			return (int64_t)i;
	return -1;
}

const char *errno_name(int err)
{
	static const struct {
		int value;
		const char *name;
	} names[] = {
#define NAME(e) {e, #e}
		NAME(EPERM),   NAME(ENOENT),       NAME(EINTR),      NAME(EIO),       NAME(ENXIO),
		NAME(E2BIG),   NAME(EBADF),        NAME(ECHILD),     NAME(EAGAIN),    NAME(ENOMEM),
		NAME(EACCES),  NAME(EFAULT),       NAME(EBUSY),      NAME(EEXIST),    NAME(EXDEV),
		NAME(ENODEV),  NAME(ENOTDIR),      NAME(EISDIR),     NAME(EINVAL),    NAME(ENFILE),
		NAME(EMFILE),  NAME(ENOTTY),       NAME(ETXTBSY),    NAME(EFBIG),     NAME(ENOSPC),
		NAME(ESPIPE),  NAME(EROFS),        NAME(EMLINK),     NAME(EPIPE),     NAME(ERANGE),
		NAME(EDEADLK), NAME(ENAMETOOLONG), NAME(ENOSYS),     NAME(ENOTEMPTY), NAME(ELOOP),
		NAME(ENODATA), NAME(EOVERFLOW),    NAME(EOPNOTSUPP), NAME(ENOTCONN),  NAME(ESTALE),
		NAME(EDQUOT),  NAME(ECONNABORTED),
#undef NAME
	};
	static _Thread_local char other[32];

	if (err == 0)
		return "0";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].value == err)
			return names[i].name;
	snprintf(other, sizeof(other), "errno %d", err);
	return other;
}

uint64_t parse_number(const char *text)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (end != text && *end && (unit = strchr(units, *end)) != NULL) {
		value <<= 10 * (unit - units + 1);
		end++;
	}
	if (end == text || *end || errno) {
		errno = EINVAL;
		die("'%s' is not a number", text);
	}
	return value;
}

uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	return mix(*state);
}

double now_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void die(const char *format, ...)
{
	int err = errno;
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", errno_name(err));
	exit(2);
}

int64_t read_full(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (int64_t)done;
}

int64_t write_full(int fd, const void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			pwrite(fd, (const char *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return (int64_t)done;
}

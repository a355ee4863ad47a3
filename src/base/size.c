/* SPDX-License-Identifier: MIT */
#include "size.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "arith.h"

static const char units[] = "KMGTPE";

const char *size_format(uint64_t bytes, char *buf, size_t buf_size)
{
	unsigned unit = 0;
	uint64_t whole = bytes;
	uint64_t rest = 0;

	if (bytes < 1024) {
		(void)snprintf(buf, buf_size, "%u B", (unsigned)bytes);
		return buf;
	}
	while (whole >= 1024) {
		rest = whole % 1024;
		whole /= 1024;
		unit++;
	}
	/* Cut, not rounded: a limit must not look larger than it is. */
	(void)snprintf(buf, buf_size, "%u.%u %ciB", (unsigned)whole, (unsigned)(rest * 10 / 1024),
		       units[unit - 1]);
	return buf;
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
	uint64_t value = 0;
	const char *p = text;
	const char *unit;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (!u64_mul(value, 10, &value) || !u64_add(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	}
	unit = *p ? strchr(units, *p >= 'a' ? *p - 'a' + 'A' : *p) : NULL;
	if (unit) {
		unsigned shift = 10u * (unsigned)(unit - units + 1);

		if (!u64_mul(value, 1ULL << shift, &value))
			return -ERANGE;
		p++;
		if (!strcasecmp(p, "ib"))
			p += 2;
	}
	if (!strcasecmp(p, "b"))
		p++;
	if (*p)
		return -EINVAL;
	*ret_bytes = value;
	return 0;
}

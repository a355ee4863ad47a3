/* SPDX-License-Identifier: MIT */
/* mapping.h - one call of mmap(2), as a file wants it */
#ifndef MMS_MAPPING_H
#define MMS_MAPPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chunks;
struct mms_file;

struct mapping {
	unsigned char *addr;
	size_t len;
	bool writable;
};

/* Maps m->len bytes from base on, or less, but past start, where the file ends
 * at the last byte there can be. Advice and settings are in force then. */
int mms_mapping_make(struct chunks *c, struct mms_file *file, uint64_t base, uint64_t start,
		     uint64_t file_size, struct mapping *m);

#endif

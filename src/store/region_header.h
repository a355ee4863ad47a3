/* SPDX-License-Identifier: MIT */
/*
 * region_header.h - what a file of a shared region says about itself
 *
 *	 0  file header  16 bytes  the caller's magic and version; its CRC
 *	                           covers the 48 bytes that follow
 *	16  size         u64       of the data
 *	24  created      u64       ns since 1970
 *	32  state        u32       0: being made, 1: ready
 *	36  zeros        28 bytes
 *	64  zeros, to REGION_HEADER_BYTES; then the data
 *
 * A header is always whole: one that says "being made" has the CRC that goes
 * with it. To publish a region the CRC is written first, then the state; a
 * header with the CRC of a ready one and the state of one being made is
 * therefore the work of a maker who died in between, and needs the state only.
 * No change of one field makes a ready region look like one being made.
 *
 * Locks, open file description ones: bytes 0 to 63 exclude makers from each
 * other and from openers; byte 64 to the end of the page is the lock of the
 * region's users.
 */
#ifndef MMS_REGION_HEADER_H
#define MMS_REGION_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "mmapstore.h"

struct mms_sys;

#define REGION_HEADER_BYTES 4096u
#define REGION_FIELDS_BYTES 64u /* of them, that are not zeros, with the header */

enum region_state {
	REGION_EMPTY,       /* the file has no byte */
	REGION_BEING_MADE,  /* and its maker is dead, if this is asked with the lock held */
	REGION_UNPUBLISHED, /* all made, but for the state */
	REGION_READY,
};

struct region_header {
	enum region_state state;
	uint64_t size;
};

/* Reads and checks; of name, for err. */
int mms_region_header_read(const struct mms_sys *sys, int fd, const char *name, const char *magic,
			   uint32_t version, struct region_header *ret_header,
			   struct mms_error *err);

/* Fills buf, REGION_FIELDS_BYTES long, with a header of a region being made. */
void mms_region_header_init(unsigned char *buf, const char *magic, uint32_t version, uint64_t size,
			    uint64_t created_ns);

/* Marks what the file holds as ready, given the header that stands in it: by
 * the CRC, then the state. */
int mms_region_header_publish(const struct mms_sys *sys, int fd, unsigned char *buf);

/* The second half of that alone. */
int mms_region_header_publish_state(const struct mms_sys *sys, int fd);

/* All of it, over interruptions and short counts. */
int mms_region_write(const struct mms_sys *sys, int fd, const void *buf, size_t len,
		     uint64_t offset);

#endif

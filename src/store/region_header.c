/* SPDX-License-Identifier: MIT */
/*
 * The header of a shared region in its file
 *
 * It is read and written with pread(2) and pwrite(2), not through the mapping:
 * whoever cuts the file off must not make the library fault.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "arith.h"
#include "bytes.h"
#include "errors.h"
#include "region_header.h"
#include "sys.h"

#define AT_CRC 8u
#define AT_SIZE 16u
#define AT_CREATED 24u
#define AT_STATE 32u
#define AT_ZEROS 36u
#define COVERED_BYTES (REGION_FIELDS_BYTES - MMS_HEADER_BYTES)
_Static_assert(AT_SIZE == MMS_HEADER_BYTES, "the fields follow the file header");

#define STATE_BEING_MADE 0u
#define STATE_READY 1u

void mms_region_header_init(unsigned char *buf, const char *magic, uint32_t version, uint64_t size,
			    uint64_t created_ns)
{
	memset(buf, 0, REGION_FIELDS_BYTES);
	le64_put(buf + AT_SIZE, size);
	le64_put(buf + AT_CREATED, created_ns);
	le32_put(buf + AT_STATE, STATE_BEING_MADE);
	mms_header_seal(buf, REGION_FIELDS_BYTES, magic, version);
}

int mms_region_write(const struct mms_sys *sys, int fd, const void *buf, size_t len,
		     uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = sys->pwrite(fd, (const char *)buf + done, len - done, offset + done);

		if (n < 0 && n != -EINTR)
			return (int)n;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int mms_region_header_publish_state(const struct mms_sys *sys, int fd)
{
	unsigned char state[4];

	le32_put(state, STATE_READY);
	return mms_region_write(sys, fd, state, sizeof(state), AT_STATE);
}

int mms_region_header_publish(const struct mms_sys *sys, int fd, unsigned char *buf)
{
	char magic[4];
	int r;

	memcpy(magic, buf, sizeof(magic));
	le32_put(buf + AT_STATE, STATE_READY);
	mms_header_seal(buf, REGION_FIELDS_BYTES, magic, le32_get(buf + 4));
	r = mms_region_write(sys, fd, buf + AT_CRC, 4, AT_CRC);
	return r ? r : mms_region_header_publish_state(sys, fd);
}

/* Reads the fields, or as many of their bytes as there are. */
static int read_fields(const struct mms_sys *sys, int fd, unsigned char *buf, size_t *ret_len)
{
	size_t done = 0;

	while (done < REGION_FIELDS_BYTES) {
		ssize_t n = sys->pread(fd, buf + done, REGION_FIELDS_BYTES - done, done);

		if (n < 0 && n != -EINTR)
			return (int)n;
		if (n == 0)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	*ret_len = done;
	return 0;
}

static bool is_unpublished(const unsigned char *buf, size_t len, const struct mms_format *format)
{
	unsigned char copy[REGION_FIELDS_BYTES];

	if (len < sizeof(copy) || le32_get(buf + AT_STATE) != STATE_BEING_MADE)
		return false;
	memcpy(copy, buf, sizeof(copy));
	le32_put(copy + AT_STATE, STATE_READY);
	return mms_header_check(copy, sizeof(copy), format, "", NULL, NULL) == 0;
}

static int corrupt(struct mms_error *err, const char *name, const char *field)
{
	(void)mms_error_set(err, -MMS_ECORRUPT, "the header of region %s", name);
	mms_error_hint(err, "its %s is not what the format allows", field);
	return -MMS_ECORRUPT;
}

/* The CRC is right: what it covers may still be nonsense. */
static int check_fields(const unsigned char *buf, uint64_t file_size, const char *name,
			const struct region_header *h, struct mms_error *err)
{
	uint64_t wanted;

	if (le32_get(buf + AT_STATE) > STATE_READY)
		return corrupt(err, name, "state");
	for (unsigned i = AT_ZEROS; i < REGION_FIELDS_BYTES; i++) {
		if (buf[i])
			return corrupt(err, name, "reserved part");
	}
	if (!h->size || !u64_add(h->size, REGION_HEADER_BYTES, &wanted) || wanted > OFFSET_MAX)
		return corrupt(err, name, "data size");
	if (h->state == REGION_BEING_MADE || file_size == wanted)
		return 0;
	if (file_size > wanted)
		return corrupt(err, name, "data size");
	(void)mms_error_set(err, -MMS_ETRUNCATED, "region %s", name);
	mms_error_hint(err, "it has %llu bytes, and its header says %llu",
		       (unsigned long long)file_size, (unsigned long long)wanted);
	return -MMS_ETRUNCATED;
}

int mms_region_header_read(const struct mms_sys *sys, int fd, const char *name, const char *magic,
			   uint32_t version, struct region_header *ret_header,
			   struct mms_error *err)
{
	const struct mms_format format = {.magic = magic,
					  .version_from = version,
					  .version_to = version,
					  .covered_bytes = COVERED_BYTES};
	struct region_header h = {.state = REGION_EMPTY};
	unsigned char buf[REGION_FIELDS_BYTES];
	struct stat st;
	size_t len = 0;
	int r = sys->fstat(fd, &st);

	if (!r)
		r = read_fields(sys, fd, buf, &len);
	if (r)
		return mms_error_set(err, r, "reading the header of region %s", name);
	if (len) {
		if (is_unpublished(buf, len, &format))
			h.state = REGION_UNPUBLISHED;
		else
			r = mms_header_check(buf, len, &format, name, NULL, err);
		if (r)
			return r;
		if (h.state != REGION_UNPUBLISHED)
			h.state = le32_get(buf + AT_STATE) == STATE_BEING_MADE ? REGION_BEING_MADE
									       : REGION_READY;
		h.size = le64_get(buf + AT_SIZE);
		r = check_fields(buf, (uint64_t)st.st_size, name, &h, err);
		if (r)
			return r;
	}
	*ret_header = h;
	return 0;
}

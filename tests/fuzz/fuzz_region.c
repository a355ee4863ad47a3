/* SPDX-License-Identifier: MIT */
/* Any bytes as the file of a shared region: it is refused and left as it is, or it can be used. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mmapstore.h"

#define REGION_MAGIC "TEST"
#define REGION_VERSION 3
#define DATA_BYTES 100
#define FIELDS_BYTES 64
#define PAGE_BYTES 4096

#define REQUIRE(condition)                                              \
	do {                                                            \
		if (!(condition)) {                                     \
			(void)fprintf(stderr, "not: %s\n", #condition); \
			abort();                                        \
		}                                                       \
	} while (0)

static struct mms_pool *pool;

/* All of it can be touched, and its size is that of the file. */
static void use(struct mms_region *region, bool write)
{
	volatile unsigned char *data = mms_region_data(region);
	uint64_t size = mms_region_size(region);
	struct stat st;

	REQUIRE(fstat(mms_region_fd(region), &st) == 0);
	REQUIRE((uint64_t)st.st_size == size + PAGE_BYTES);
	for (uint64_t i = 0; i < size; i++) {
		unsigned char byte = data[i];

		if (write)
			data[i] = byte;
	}
	mms_region_close(region);
}

static int try_reading(int fd)
{
	const struct mms_region_options o = {
		.magic = REGION_MAGIC, .version = REGION_VERSION, .flags = MMS_REGION_RDONLY};
	struct mms_region *region;
	struct mms_error err;
	int r = mms_region_adopt(pool, fd, "input", &o, &region, &err);

	if (r)
		REQUIRE(r < 0 && err.code == r);
	else
		use(region, false);
	return r;
}

static int try_making(int fd)
{
	const struct mms_region_options o = {
		.magic = REGION_MAGIC, .version = REGION_VERSION, .size = DATA_BYTES};
	struct mms_region *region;
	char path[32];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = mms_region_open(pool, path, &o, &region, NULL);
	if (!r) {
		REQUIRE(mms_region_size(region) == DATA_BYTES);
		use(region, true);
	}
	return r;
}

static bool holds(int fd, const uint8_t *data, size_t size)
{
	uint8_t *now = malloc(size + 1);
	bool same;

	REQUIRE(now);
	same = pread(fd, now, size + 1, 0) == (ssize_t)size && memcmp(now, data, size) == 0;
	free(now);
	return same;
}

static void try_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	int reading, making;

	REQUIRE(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
	reading = try_reading(fd);
	REQUIRE(holds(fd, data, size));
	making = try_making(fd);
	if (reading == -ENOENT) {
		REQUIRE(making == 0); /* nobody has made it */
	} else {
		/* Damage is not repaired by making another one. */
		REQUIRE(making == reading || (reading == 0 && making == -EEXIST));
		REQUIRE(making == 0 || holds(fd, data, size));
	}
	if (making == 0)
		REQUIRE(try_reading(fd) == 0);
	(void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *sealed;

	if (!pool)
		REQUIRE(mms_pool_new(NULL, &pool, NULL) == 0);
	try_file(data, size);
	if (size < FIELDS_BYTES)
		return 0;
	/* The same with a CRC that fits: what it covers is not to be trusted either. */
	sealed = malloc(size);
	REQUIRE(sealed);
	memcpy(sealed, data, size);
	mms_header_seal(sealed, FIELDS_BYTES, REGION_MAGIC, REGION_VERSION);
	try_file(sealed, size);
	free(sealed);
	return 0;
}

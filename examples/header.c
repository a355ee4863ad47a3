/* SPDX-License-Identifier: MIT */
/*
 * A file format of one's own: a header with magic, version and CRC-32, a few
 * numbers, and an array.
 *
 *	offset  0  header (magic "TEMP", version 1), covering what follows to 32
 *	       16  u32  station       fixed: covered by the header's CRC
 *	       20  u32  interval      in seconds; fixed, covered
 *	       24  u64  reserved      0, covered
 *	       32  u64  count         of readings: changes, and so is not covered
 *	       40  u32  readings[]
 *
 *	cc header.c $(pkg-config --cflags --libs mmapstore) -o header && ./header [DIRECTORY]
 *
 * Without DIRECTORY it works in a temporary one, which is removed.
 */
#include <mmapstore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_STATION 16u
#define AT_INTERVAL 20u
#define AT_COUNT 32u
#define AT_READINGS 40u
#define COVERED (AT_COUNT - MMS_HEADER_BYTES)
#define FILE_BYTES 4096u

static const struct mms_format format = {
	.magic = "TEMP", .version_from = 1, .version_to = 1, .covered_bytes = COVERED};

/* Says what went wrong, and ends. */
static void die(int code, const char *what)
{
	char text[100];

	fprintf(stderr, "%s: %s\n", what, mms_strerror(code, text, sizeof(text)));
	exit(1);
}

static void die_of(const struct mms_error *err)
{
	char text[700];

	fprintf(stderr, "%s\n", mms_error_format(err, text, sizeof(text)));
	exit(1);
}

/* The name shows once the file is complete, with its header, and on the disk. */
static void create(struct mms_pool *pool, const char *path)
{
	/* In memory first: sealing covers all that the buffer holds. */
	static const unsigned char fixed[] = {
		42, 0, 0, 0,             /* station 42 */
		88, 2, 0, 0,             /* every 600 seconds, little-endian */
		0,  0, 0, 0, 0, 0, 0, 0, /* reserved */
	};
	unsigned char start[MMS_HEADER_BYTES + sizeof(fixed)];
	const struct mms_create_options create = {
		.size = FILE_BYTES,
		.content = start,
		.content_bytes = sizeof(start),
		.flags = MMS_CREATE_ALLOCATE | MMS_CREATE_DURABLE,
	};
	const struct mms_file_options options = {.mode = MMS_RDWR};
	struct mms_file *file;
	struct mms_error err;

	memcpy(start + MMS_HEADER_BYTES, fixed, sizeof(fixed));
	mms_header_seal(start, sizeof(start), format.magic, 1);
	if (mms_create(pool, path, &create, &options, &file, &err))
		die_of(&err);
	printf("created: %u bytes, allocated, with a header that covers %u of them\n", FILE_BYTES,
	       COVERED);
	mms_close(file);
}

static struct mms_file *reopen(struct mms_pool *pool, const char *path, enum mms_mode mode)
{
	const struct mms_file_options options = {.mode = mode, .sync = MMS_SYNC_LAZY};
	struct mms_header header;
	struct mms_file *file;
	struct mms_error err;

	if (mms_open(pool, path, &options, &file, &err) ||
	    mms_header_read(file, &format, &header, &err))
		die_of(&err);
	printf("opened: version %u, CRC %08x\n", header.version, header.crc);
	return file;
}

/* The array first, and then the count that tells of it. */
static void add_readings(struct mms_file *file)
{
	int r = 0;

	for (unsigned i = 0; !r && i < 5; i++)
		r = mms_put_u32(file, AT_READINGS + 4 * i, 200 + i * i);
	if (!r)
		r = mms_put_u64(file, AT_COUNT, 5);
	if (r)
		die(r, "writing");
	/* Nothing extends a file unasked: past its end is an error. */
	r = mms_put_u32(file, FILE_BYTES, 1);
	printf("a number past the end: %s\n",
	       r == -MMS_EBOUNDS ? "refused, out of bounds" : "not refused?");
}

static void show(struct mms_file *file)
{
	uint32_t station, interval = 0, reading;
	uint64_t count = 0;
	int r = mms_get_u32(file, AT_STATION, &station);

	if (!r)
		r = mms_get_u32(file, AT_INTERVAL, &interval);
	if (!r)
		r = mms_get_u64(file, AT_COUNT, &count);
	if (r)
		die(r, "reading");
	printf("station %u, each %u s, %llu readings:", station, interval,
	       (unsigned long long)count);
	/* The count is from the disk: the bounds are checked at each reading. */
	for (uint64_t i = 0; i < count; i++) {
		r = mms_get_u32(file, AT_READINGS + 4 * i, &reading);
		if (r)
			die(r, "reading");
		printf(" %u.%u", reading / 10, reading % 10);
	}
	printf("\n");
}

/* One bit of what the header covers. */
static void damage(struct mms_pool *pool, const char *path)
{
	const struct mms_file_options options = {.mode = MMS_RDWR};
	struct mms_file *file;
	struct mms_error err;
	char text[700];
	int r;

	if (mms_open(pool, path, &options, &file, &err))
		die_of(&err);
	r = mms_put_u32(file, AT_STATION, 43);
	if (r)
		die(r, "damaging");
	r = mms_header_read(file, &format, NULL, &err);
	if (r != -MMS_ECHECKSUM)
		die(r, "a changed byte went unnoticed");
	printf("damaged: %s\n", mms_error_format(&err, text, sizeof(text)));
	mms_close(file);
}

int main(int argc, char **argv)
{
	char temporary[] = "/tmp/mmapstore-example-XXXXXX";
	const char *dir = argc > 1 ? argv[1] : mkdtemp(temporary);
	char path[4096];
	struct mms_pool *pool;
	struct mms_file *file;
	struct mms_error err;
	int r;

	if (!dir) {
		perror(temporary);
		return 1;
	}
	(void)snprintf(path, sizeof(path), "%s/readings", dir);
	if (mms_pool_new(NULL, &pool, &err))
		die_of(&err);
	create(pool, path);
	file = reopen(pool, path, MMS_RDWR);
	add_readings(file);
	/* MMS_SYNC_LAZY: durable from here on, or an error. */
	r = mms_close(file);
	if (r)
		die(r, "syncing");
	file = reopen(pool, path, MMS_RDONLY);
	show(file);
	mms_close(file);
	damage(pool, path);
	mms_pool_free(pool);
	(void)unlink(path);
	if (argc <= 1)
		(void)rmdir(dir);
	return 0;
}

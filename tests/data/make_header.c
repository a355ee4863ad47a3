/* SPDX-License-Identifier: MIT */
/*
 * Makes the corpus of headers that tests/data/header/ holds: make_header FOLDER
 *
 * It knows the format from mmapstore-header.h and nothing of the library, so
 * that the two check each other. A file's name begins with what it is, from
 * which test_header.c takes the error to expect; the format that the reader
 * asks for is in format_of() there: magic "DEMO", version 1 or 2, and 48
 * covered bytes, unless the name says "covers-all" or "covers-none".
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 16u
#define COVERED 48u
#define WHOLE (HEADER + COVERED)

static const char *folder;
static unsigned char image[512];

static void put32(unsigned at, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		image[at + i] = (unsigned char)(v >> 8 * i);
}

static uint32_t crc(size_t len)
{
	uint32_t c = ~0u;

	for (size_t i = 0; i < len; i++) {
		c ^= image[i];
		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
	}
	return ~c;
}

/* A good image of len bytes, of which the CRC covers covered after the header. */
static void start(size_t len, uint32_t version, uint32_t reserved, size_t covered)
{
	memset(image, 0, sizeof(image));
	for (size_t i = HEADER; i < len; i++)
		image[i] = (unsigned char)(i * 37 + 11);
	memcpy(image, "DEMO", 4);
	put32(4, version);
	put32(12, reserved);
	put32(8, crc(HEADER + covered));
}

static void save(const char *name, size_t len)
{
	char path[4096];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "wb");
	if (!f || fwrite(image, 1, len, f) != len || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

static void make_good(void)
{
	start(WHOLE, 1, 0, COVERED);
	save("good-v1", WHOLE);
	start(WHOLE, 2, 0, COVERED);
	save("good-v2", WHOLE);
	start(200, 1, 0, COVERED);
	save("good-more-than-covered", 200);
	start(HEADER, 1, 0, 0);
	save("good-covers-none", HEADER);
	save("good-covers-all-of-nothing", HEADER);
	start(200, 1, 0, 0);
	save("good-covers-none-of-200-bytes", 200);
	start(200, 2, 0, 200 - HEADER);
	save("good-covers-all", 200);
}

static void make_truncated(void)
{
	start(WHOLE, 1, 0, COVERED);
	save("empty", 0);
	save("truncated-1-byte", 1);
	save("truncated-4-bytes", 4);
	save("truncated-15-bytes", HEADER - 1);
	save("truncated-16-bytes", HEADER);
	save("truncated-covered", WHOLE - 1);
	image[8] ^= 1; /* not looked at, since what it covers is not there */
	save("truncated-and-bad-checksum", WHOLE - 1);
	start(HEADER, 1, 0, 0);
	save("truncated-15-bytes-covers-none", HEADER - 1);
}

static void make_bad_magic(void)
{
	start(WHOLE, 1, 0, COVERED);
	image[3] ^= 1;
	save("bad-magic", WHOLE);
	memcpy(image, "OMED", 4);
	save("bad-magic-other-byte-order", WHOLE);
	memcpy(image, "demo", 4);
	save("bad-magic-lower-case", WHOLE);
	memcpy(image, "\x89\0\r\n", 4);
	save("bad-magic-not-printable", WHOLE);
	memset(image, 0, sizeof(image));
	save("bad-magic-zeros", WHOLE);
	memset(image, 0xff, sizeof(image));
	save("bad-magic-ones", WHOLE);
	/* Of another format: that it is short for this one does not matter. */
	start(WHOLE, 99, 1, COVERED);
	image[0] = 'X';
	save("bad-magic-and-all-the-rest", HEADER);
}

static void make_version(void)
{
	start(WHOLE, 0, 0, COVERED);
	save("version-0", WHOLE);
	start(WHOLE, 3, 0, COVERED);
	save("version-too-new", WHOLE);
	save("version-too-new-and-truncated", HEADER);
	image[8] ^= 1;
	save("version-too-new-and-bad-checksum", WHOLE);
	start(WHOLE, 0x01000000, 0, COVERED);
	save("version-big-endian", WHOLE);
	start(WHOLE, UINT32_MAX, 0, COVERED);
	save("version-largest", WHOLE);
}

/* One bit of a good file, flipped. */
static void flip(const char *name, unsigned at, unsigned char bit)
{
	start(WHOLE, 2, 0, COVERED);
	image[at] ^= bit;
	save(name, WHOLE);
}

static void make_bad_checksum(void)
{
	flip("bad-checksum-bit-flip", 40, 0x10);
	flip("bad-checksum-first-covered-byte", HEADER, 1);
	flip("bad-checksum-last-covered-byte", WHOLE - 1, 0x80);
	flip("bad-checksum-in-its-field", 8, 1);
	flip("bad-checksum-in-its-last-byte", 11, 0x80);
	flip("bad-checksum-version-changed", 4, 3); /* 2 became 1 */
	flip("bad-checksum-reserved-changed", 12, 1);
	start(WHOLE, 1, 0, COVERED);
	put32(8, 0);
	save("bad-checksum-zero", WHOLE);
	start(WHOLE, 1, 0, 0);
	save("bad-checksum-of-the-header-only", WHOLE);
	start(WHOLE, 1, 0, COVERED);
	put32(8, crc(WHOLE)); /* its own field not taken as zeros */
	save("bad-checksum-with-itself", WHOLE);
	start(WHOLE, 1, 0, COVERED);
	save("bad-checksum-covers-all-and-a-byte-was-appended", WHOLE + 1);
	save("bad-checksum-covers-all-and-a-byte-is-gone", WHOLE - 1);
}

static void make_reserved(void)
{
	start(WHOLE, 1, 1, COVERED);
	save("reserved-not-zero", WHOLE);
	start(WHOLE, 1, 0x80000000, COVERED);
	save("reserved-highest-bit", WHOLE);
	start(WHOLE, 2, UINT32_MAX, COVERED);
	save("reserved-ones", WHOLE);
	start(HEADER, 1, 7, 0);
	save("reserved-not-zero-covers-none", HEADER);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	folder = argv[1];
	make_good();
	make_truncated();
	make_bad_magic();
	make_version();
	make_bad_checksum();
	make_reserved();
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define BLOCK 4096u

static bool is_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

static void note_used(struct image *image, uint64_t at, uint64_t end)
{
	for (at -= at % BLOCK; at < end; at += BLOCK)
		image->used[at / BLOCK] = 1;
}

/* Only where the file has data: images are sparse. */
static void find_used(struct image *image, int fd)
{
	off_t data = 0, hole;

	while ((data = lseek(fd, data, SEEK_DATA)) >= 0) {
		hole = lseek(fd, data, SEEK_HOLE);
		for (uint64_t at = (uint64_t)data & ~(uint64_t)(BLOCK - 1); at < (uint64_t)hole;
		     at += BLOCK)
			if (!is_zero(image->data + at, BLOCK))
				image->used[at / BLOCK] = 1;
		data = hole;
	}
}

void image_open(struct image *image, const char *base, const struct disklog *log)
{
	int fd = open(base, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("%s", base);
	*image = (struct image){.log = log, .size = (uint64_t)st.st_size};
	errno = EINVAL;
	if (image->size != log->disk_size || image->size % BLOCK)
		die("%s is not the disk of this log", base);
	image->data =
		mmap(NULL, image->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	image->used = calloc(image->size / BLOCK, 1);
	if (image->data == MAP_FAILED || !image->used)
		die("%s", base);
	find_used(image, fd);
	close(fd);
}

void image_close(struct image *image)
{
	munmap(image->data, image->size);
	free(image->used);
}

static bool is_write_to(const struct disklog *log, unsigned disk, const struct disklog_entry *e)
{
	return e->kind == DISKLOG_WRITE && disklog_disk_of(log, e) == disk;
}

static void apply(struct image *image, unsigned disk, uint64_t upto)
{
	uint64_t *applied = &image->applied[disk];

	for (; *applied < upto; ++*applied) {
		const struct disklog_item *item = &image->log->items[*applied];

		if (!is_write_to(image->log, disk, &item->e))
			continue;
		memcpy(image->data + item->e.offset, item->data, item->e.len);
		note_used(image, item->e.offset, item->e.offset + item->e.len);
	}
}

static void put(int fd, const uint8_t *data, uint64_t len, uint64_t offset)
{
	int64_t n = write_full(fd, data, len, offset);

	if (n >= 0)
		return;
	errno = (int)-n;
	die("image");
}

static void write_used(const struct image *image, int fd)
{
	uint64_t blocks = image->size / BLOCK;

	/* Emptied, not written over: zeros are not written. */
	if (ftruncate(fd, 0) || ftruncate(fd, (off_t)image->size))
		die("image");
	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t from = i;

		while (i < blocks && image->used[i])
			i++;
		if (i > from)
			put(fd, image->data + from * BLOCK, (i - from) * BLOCK, from * BLOCK);
	}
}

/* Some sectors of a write: the first ones, or any. */
static void tear(const struct disklog_item *item, uint64_t *random, uint32_t sector, int fd)
{
	uint32_t sectors = item->e.len / sector;
	bool prefix = next_random(random) % 2;
	uint64_t first = next_random(random) % (sectors ? sectors : 1);

	for (uint32_t i = 0; i < sectors; i++) {
		uint64_t at = (uint64_t)i * sector;

		if (prefix ? i < first : next_random(random) % 2)
			put(fd, item->data + at, sector, item->e.offset + at);
	}
}

/* Each way to lose writes finds other errors, so an image is made in one of four. */
enum manner { NONE, ALL, SOME, PREFIX };

static void write_unflushed(const struct image *image, unsigned disk, uint64_t from,
			    uint64_t position, uint64_t *random, uint32_t sector, int fd)
{
	enum manner manner = (enum manner)(next_random(random) % 4);
	uint64_t odds = 1 + next_random(random) % 7; /* of 8, to be kept */
	uint64_t stop = position;

	if (manner == NONE)
		return;
	if (manner == PREFIX && position > from)
		stop = from + next_random(random) % (position - from);
	for (uint64_t i = from; i < position; i++) {
		const struct disklog_item *item = &image->log->items[i];

		if (!is_write_to(image->log, disk, &item->e))
			continue;
		if (manner == ALL || i < stop) {
			if (manner == SOME && next_random(random) % 8 >= odds)
				continue;
			if (manner == SOME && next_random(random) % 4 == 0)
				tear(item, random, sector, fd);
			else
				put(fd, item->data, item->e.len, item->e.offset);
		} else if (i == stop) {
			tear(item, random, sector, fd);
		}
	}
}

void image_cut(struct image *image, uint64_t position, uint64_t random, uint32_t sector, int fd)
{
	unsigned disks = image->log->second ? DISKLOG_DISKS : 1;
	uint64_t flushed[DISKLOG_DISKS];

	for (unsigned disk = 0; disk < disks; disk++) {
		flushed[disk] = disklog_flushed(image->log, disk, position);
		apply(image, disk, flushed[disk]);
	}
	write_used(image, fd);
	/* What one disk has kept says nothing of the other. */
	for (unsigned disk = 0; disk < disks; disk++)
		write_unflushed(image, disk, flushed[disk], position, &random, sector, fd);
}

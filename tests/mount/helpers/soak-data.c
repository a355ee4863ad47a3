/* SPDX-License-Identifier: MIT */
/* The soak's operations on what files hold, through descriptors that stay open. */
#include "soak.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define BLOCK 4096u

/* Mostly within some pages, now and then beyond a window of 1M. */
static uint64_t some_offset(struct soak_turn *t)
{
	uint64_t dice = soak_pick(t, 20), limit = dice < 14   ? 64u << 10
						  : dice < 19 ? 512u << 10
							      : 2u << 20;

	return soak_pick(t, limit);
}

static size_t some_length(struct soak_turn *t)
{
	return (size_t)(soak_pick(t, 4) ? soak_pick(t, 9000) : soak_pick(t, SOAK_BUFFER));
}

static void op_open(struct soak_turn *t)
{
	static const int modes[] = {O_RDWR, O_RDWR, O_RDONLY, O_WRONLY};
	char path[PATH_MAX];
	struct soak_slot *slot = &t->side->slots[soak_pick(t, SOAK_SLOTS)];
	struct stat st;
	uint64_t dice;
	int flags, fd;

	soak_path(t, path);
	flags = modes[soak_pick(t, 4)];
	dice = soak_pick(t, 1u << 20);
	flags |= (dice & 7) < 6 ? O_CREAT : 0;
	flags |= (dice >> 3 & 7) == 0 ? O_TRUNC : 0;
	flags |= (dice >> 6 & 7) == 0 ? O_APPEND : 0;
	flags |= (dice >> 9 & 15) == 0 ? O_SYNC : 0;
	flags |= (dice >> 13 & 7) == 0 ? O_NOFOLLOW : 0;
	/* Where the end is odd, appending past the cache is an error on ext4. */
	flags |= (dice >> 16 & 7) == 0 && !(flags & O_APPEND) ? O_DIRECT : 0;
	if (slot->fd >= 0)
		close(slot->fd);
	slot->fd = -1;
	fd = open(path, flags | O_NONBLOCK | O_CLOEXEC, 0666);
	soak_answer(t, fd < 0 ? -1 : 0, "open %s flags %o", soak_below(t, path), flags);
	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return;
	}
	slot->fd = fd;
	slot->direct = flags & O_DIRECT;
}

static void op_close(struct soak_turn *t)
{
	struct soak_slot *slot = soak_open_slot(t);

	if (!slot)
		return;
	soak_answer(t, close(slot->fd), "close");
	slot->fd = -1;
}

static void align(const struct soak_slot *slot, uint64_t *offset, size_t *len)
{
	if (!slot->direct)
		return;
	*offset &= ~(uint64_t)(BLOCK - 1);
	*len = *len < BLOCK ? BLOCK : *len & ~(size_t)(BLOCK - 1);
}

static void op_pwrite(struct soak_turn *t)
{
	struct soak_slot *slot = soak_open_slot(t);
	uint64_t offset = some_offset(t);
	size_t len = some_length(t);

	if (!slot)
		return;
	align(slot, &offset, &len);
	pattern_fill(t->buffer, offset, len, t->random);
	soak_answer(t, pwrite(slot->fd, t->buffer, len, (off_t)offset), "pwrite %llu+%zu",
		    (unsigned long long)offset, len);
}

/* At the descriptor's own position, which goes with it. */
static void op_write(struct soak_turn *t)
{
	struct soak_slot *slot = soak_open_slot(t);
	size_t len = some_length(t);

	if (!slot || slot->direct)
		return;
	if (lseek(slot->fd, 0, SEEK_CUR) > (4 << 20))
		lseek(slot->fd, 0, SEEK_SET);
	pattern_fill(t->buffer, 0, len, t->random);
	soak_answer(t, write(slot->fd, t->buffer, len), "write %zu", len);
	soak_sum_number(t, (uint64_t)lseek(slot->fd, 0, SEEK_CUR));
}

static void op_pread(struct soak_turn *t)
{
	struct soak_slot *slot = soak_open_slot(t);
	uint64_t offset = some_offset(t);
	size_t len = some_length(t);
	ssize_t n;

	if (!slot)
		return;
	align(slot, &offset, &len);
	n = pread(slot->fd, t->buffer, len, (off_t)offset);
	soak_answer(t, n, "pread %llu+%zu", (unsigned long long)offset, len);
	if (n > 0)
		soak_sum(t, t->buffer, (size_t)n);
}

/* With the write-back cache a truncation to the size that is there leaves the times. */
static off_t another_size(off_t now, uint64_t wanted)
{
	return (off_t)wanted == now ? now + 1 : (off_t)wanted;
}

static void op_ftruncate(struct soak_turn *t)
{
	struct soak_slot *slot = soak_open_slot(t);
	uint64_t size = some_offset(t);
	struct stat st;

	if (!slot || fstat(slot->fd, &st) < 0)
		return;
	soak_answer(t, ftruncate(slot->fd, another_size(st.st_size, size)), "ftruncate %llu",
		    (unsigned long long)size);
}

static void op_truncate(struct soak_turn *t)
{
	char path[PATH_MAX];
	struct stat st = {0};
	uint64_t size;

	soak_path(t, path);
	size = some_offset(t);
	if (stat(path, &st) < 0)
		st.st_size = -1;
	soak_answer(t, truncate(path, another_size(st.st_size, size)), "truncate %s %llu",
		    soak_below(t, path), (unsigned long long)size);
}

static void op_fallocate(struct soak_turn *t)
{
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
	struct soak_slot *slot = soak_open_slot(t);
	int mode = modes[soak_pick(t, 5)];
	uint64_t offset = some_offset(t);
	size_t len = some_length(t);

	if (slot)
		soak_answer(t, fallocate(slot->fd, mode, (off_t)offset, (off_t)len),
			    "fallocate mode %d %llu+%zu", mode, (unsigned long long)offset, len);
}

static void op_fsync(struct soak_turn *t)
{
	struct soak_slot *slot = soak_open_slot(t);

	if (slot)
		soak_answer(t, soak_pick(t, 2) ? fsync(slot->fd) : fdatasync(slot->fd), "fsync");
}

static void op_copy_range(struct soak_turn *t)
{
	struct soak_slot *from = soak_open_slot(t), *to = soak_open_slot(t);
	off_t in = (off_t)some_offset(t), out = (off_t)some_offset(t);
	size_t len = some_length(t);

	if (!from || !to || from->direct || to->direct)
		return;
	soak_answer(t, copy_file_range(from->fd, &in, to->fd, &out, len, 0),
		    "copy_file_range %d %lld to %d %lld, %zu", (int)(from - t->side->slots),
		    (long long)in, (int)(to - t->side->slots), (long long)out, len);
}

static bool all_zero(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i])
			return false;
	return true;
}

/* Where the holes are may differ. That what lies before the data found is zero may not. */
static void op_seek(struct soak_turn *t)
{
	struct soak_slot *slot = soak_open_slot(t);
	off_t offset = (off_t)some_offset(t), at, before;
	int whence = soak_pick(t, 2) ? SEEK_DATA : SEEK_HOLE;
	struct stat st;

	if (!slot || slot->direct || fstat(slot->fd, &st) < 0)
		return;
	before = lseek(slot->fd, 0, SEEK_CUR);
	at = lseek(slot->fd, offset, whence);
	soak_answer(t, at < 0 && offset >= st.st_size ? -1 : 0, "seek %s %lld",
		    whence == SEEK_DATA ? "data" : "hole", (long long)offset);
	lseek(slot->fd, before, SEEK_SET);
	if (offset >= st.st_size || (at < 0 && whence == SEEK_HOLE) || at > st.st_size) {
		soak_sum_number(t, offset >= st.st_size ? 1 : 2);
		return;
	}
	if (at < 0)
		at = st.st_size;
	for (off_t o = offset; whence == SEEK_DATA && o < at; o += SOAK_BUFFER) {
		size_t len = at - o < (off_t)SOAK_BUFFER ? (size_t)(at - o) : SOAK_BUFFER;
		int64_t n = read_full(slot->fd, t->buffer, len, (uint64_t)o);

		if (n > 0 && !all_zero(t->buffer, (size_t)n))
			soak_sum_number(t, 3);
	}
}

static void op_map(struct soak_turn *t)
{
	struct soak_slot *slot = soak_open_slot(t);
	char path[64];
	struct stat st;
	void *map;

	if (!t->map || !slot || slot->map || fstat(slot->fd, &st) < 0 || st.st_size == 0)
		return;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, slot->fd, 0);
	soak_answer(t, map == MAP_FAILED ? -1 : 0, "mmap %lld", (long long)st.st_size);
	if (map == MAP_FAILED)
		return;
	slot->map = map;
	slot->map_len = (size_t)st.st_size;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", slot->fd);
	slot->map_fd = open(path, O_PATH | O_CLOEXEC);
	if (slot->map_fd < 0)
		die("%s", path);
}

static void unmap(struct soak_turn *t, struct soak_slot *slot)
{
	soak_answer(t, munmap(slot->map, slot->map_len), "%s, munmap", t->text);
	close(slot->map_fd);
	slot->map = NULL;
}

/* Only as far as the file goes, which may have been cut. What was stored is written back, lest only
 * one side meet a page that is dirty already, and leave mtime. */
static void op_store(struct soak_turn *t)
{
	struct soak_slot *slot = &t->side->slots[soak_pick(t, SOAK_SLOTS)];
	uint64_t offset = some_offset(t), size, len = 1 + soak_pick(t, 9000);
	bool keep = soak_pick(t, 3), store = soak_pick(t, 3);
	struct stat st;

	if (!slot->map)
		return;
	soak_answer(t, 0, "slot %d", (int)(slot - t->side->slots));
	if (fstat(slot->map_fd, &st) < 0)
		die("fstat of a mapped file");
	size = (uint64_t)st.st_size < slot->map_len ? (uint64_t)st.st_size : slot->map_len;
	if (offset + len > size || size == 0) {
		unmap(t, slot);
		return;
	}
	if (store)
		pattern_fill(slot->map + offset, offset, len, t->random);
	else
		soak_sum(t, slot->map + offset, len);
	soak_answer(t, keep ? msync(slot->map, slot->map_len, MS_SYNC) : 0, "%s: map %s %llu+%llu",
		    t->text, store ? "store" : "load", (unsigned long long)offset,
		    (unsigned long long)len);
	if (!keep)
		unmap(t, slot);
}

const struct soak_kind soak_data_ops[] = {
	{op_open, 14},     {op_close, 3},    {op_pwrite, 10},   {op_write, 6}, {op_pread, 8},
	{op_ftruncate, 4}, {op_truncate, 3}, {op_fallocate, 4}, {op_fsync, 2}, {op_copy_range, 3},
	{op_seek, 2},      {op_map, 4},      {op_store, 8},     {NULL, 0},
};

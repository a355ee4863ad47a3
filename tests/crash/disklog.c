/* SPDX-License-Identifier: MIT */
#include "disklog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static const struct disklog_head *watch_once(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	const struct disklog_head *head;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) || st.st_size < (off_t)DISKLOG_HEAD) {
		close(fd);
		return NULL;
	}
	head = mmap(NULL, DISKLOG_HEAD, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (head == MAP_FAILED)
		return NULL;
	if (atomic_load(&head->ready) && head->magic == DISKLOG_MAGIC)
		return head;
	munmap((void *)head, DISKLOG_HEAD);
	return NULL;
}

const struct disklog_head *disklog_watch(const char *path)
{
	double end = now_seconds() + 10;
	const struct disklog_head *head;

	while ((head = watch_once(path)) == NULL && now_seconds() < end)
		usleep(1000);
	return head;
}

static void index_items(struct disklog *log)
{
	const uint8_t *p = (const uint8_t *)log->map + DISKLOG_HEAD;
	const uint8_t *end = (const uint8_t *)log->map + log->map_len;

	log->items = calloc(log->n + 1, sizeof(*log->items));
	if (!log->items)
		die("memory for %zu entries", (size_t)log->n);
	for (uint64_t i = 0; i < log->n; i++) {
		struct disklog_item *item = &log->items[i];

		if ((size_t)(end - p) < sizeof(item->e))
			die("log cut at entry %zu", (size_t)i);
		/* Entries lie at multiples of 8. */
		item->e = *(const struct disklog_entry *)(const void *)p;
		p += sizeof(item->e);
		if (item->e.kind != DISKLOG_WRITE)
			continue;
		if ((size_t)(end - p) < item->e.len)
			die("log cut in entry %zu", (size_t)i);
		item->data = p;
		p += (item->e.len + 7u) & ~7u;
	}
}

void disklog_load(struct disklog *log, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct disklog_head *head;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("%s", path);
	log->map_len = (size_t)st.st_size;
	log->map = mmap(NULL, log->map_len, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	head = log->map;
	if (log->map == MAP_FAILED || log->map_len < DISKLOG_HEAD || head->magic != DISKLOG_MAGIC)
		die("%s is no log", path);
	log->disk_size = head->disk_size;
	log->second = head->second;
	log->n = disklog_position(head);
	index_items(log);
}

void disklog_free(struct disklog *log)
{
	munmap(log->map, log->map_len);
	free(log->items);
}

static bool is_flush_of(const struct disklog *log, unsigned disk, const struct disklog_entry *e)
{
	return e->kind == DISKLOG_FLUSH && disklog_disk_of(log, e) == disk;
}

uint64_t disklog_flushed(const struct disklog *log, unsigned disk, uint64_t position)
{
	while (position > 0 && !is_flush_of(log, disk, &log->items[position - 1].e))
		position--;
	return position ? position - 1 : 0;
}

uint64_t disklog_at(const struct disklog *log, uint64_t time_ns)
{
	uint64_t low = 0, high = log->n;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (log->items[middle].e.time_ns < time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

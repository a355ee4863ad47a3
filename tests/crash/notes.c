/* SPDX-License-Identifier: MIT */
#include "notes.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disklog.h"
#include "util.h"

static struct notes_head *notes; /* mapped, so that a note costs no call */
static const struct disklog_head *log_head;

void notes_create(const char *path, const char *log_path, uint64_t window_ns)
{
	size_t len = sizeof(*notes) + NOTES_MAX * sizeof(struct note);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || ftruncate(fd, (off_t)len) < 0)
		die("%s", path);
	notes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	log_head = disklog_watch(log_path);
	if (notes == MAP_FAILED || !log_head)
		die("%s or %s", path, log_path);
	notes->magic = NOTES_MAGIC;
	notes->window_ns = window_ns;
}

void notes_add(uint32_t kind, uint32_t id, uint32_t n, uint64_t offset, uint64_t len, uint64_t seed)
{
	/* Taken first: the position of a promise is that after the call, of a plan that before. */
	uint64_t position = disklog_position(log_head);
	uint64_t i = atomic_fetch_add(&notes->n, 1);

	if (i >= NOTES_MAX) {
		errno = ENOSPC;
		die("too many notes");
	}
	notes->notes[i] = (struct note){
		.position = position,
		.time_ns = monotonic_ns(),
		.kind = kind,
		.id = id,
		.n = n,
		.offset = offset,
		.len = len,
		.seed = seed,
	};
}

const struct notes_head *notes_load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct notes_head *head;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("%s", path);
	head = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (head == MAP_FAILED || head->magic != NOTES_MAGIC || head->n > NOTES_MAX)
		die("%s: no notes", path);
	return head;
}

/* SPDX-License-Identifier: MIT */
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "notes.h"
#include "util.h"

struct job job;

uint64_t pick(struct worker *w, uint64_t n)
{
	return next_random(&w->random) % n;
}

/* ----------------------------------------------------------------- files */

struct file *file_new(void)
{
	static _Atomic(uint32_t) last;
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		die("memory");
	f->id = atomic_fetch_add(&last, 1) + 1;
	return f;
}

int file_flags(void)
{
	switch (job.ack) {
	case ACK_OSYNC:
		return O_SYNC;
	case ACK_ODSYNC:
		return O_DSYNC;
	default:
		return 0;
	}
}

static uint64_t op_seed(const struct file *f)
{
	return job.seed << 40 ^ (uint64_t)f->id << 20 ^ f->ops;
}

static void op_start(struct file *f, uint32_t kind, uint64_t offset, uint64_t len)
{
	f->ops++;
	notes_add(kind, f->id, f->ops, offset, len, op_seed(f));
}

static void file_ack(struct file *f)
{
	notes_add(NOTE_FILE_ACK, f->id, f->ops, 0, 0, 0);
}

static void op_done(struct file *f)
{
	if (job.ack == ACK_TIME)
		notes_add(NOTE_FILE_DONE, f->id, f->ops, 0, 0, 0);
}

void file_write(struct file *f, int fd, uint64_t offset, uint64_t len)
{
	uint8_t *buf = malloc(len);
	int64_t n;

	if (!buf)
		die("memory");
	op_start(f, NOTE_WRITE, offset, len);
	pattern_fill(buf, offset, len, op_seed(f));
	n = write_full(fd, buf, len, offset);
	free(buf);
	if (n < 0) {
		errno = (int)-n;
		die("write of file %u", f->id);
	}
	if (offset + len > f->size)
		f->size = offset + len;
	op_done(f);
	if (job.ack == ACK_WRITE || job.ack == ACK_OSYNC || job.ack == ACK_ODSYNC)
		file_ack(f);
}

void file_store(struct file *f, uint8_t *map, uint64_t offset, uint64_t len)
{
	op_start(f, NOTE_WRITE, offset, len);
	pattern_fill(map + offset, offset, len, op_seed(f));
}

/* These have no O_SYNC, and are no writes: an fsync promises them in every mode. */
static void shaped(struct file *f, int fd)
{
	op_done(f);
	if (job.ack != ACK_WRITE && job.ack != ACK_OSYNC && job.ack != ACK_ODSYNC)
		return;
	if (fsync(fd))
		die("fsync of file %u", f->id);
	file_ack(f);
}

void file_truncate(struct file *f, int fd, uint64_t size)
{
	op_start(f, NOTE_TRUNCATE, size, 0);
	if (ftruncate(fd, (off_t)size))
		die("truncate of file %u", f->id);
	f->size = size;
	shaped(f, fd);
}

void file_punch(struct file *f, int fd, uint64_t offset, uint64_t len)
{
	op_start(f, NOTE_PUNCH, offset, len);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len))
		die("hole in file %u", f->id);
	shaped(f, fd);
}

static void control_sync(void)
{
	int fd = open(job.control, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "sync\n", 5) != 5 || close(fd))
		die("%s", job.control);
}

static void reopen(int *fd, const struct name *name)
{
	char path[PATH_MAX];

	name_path(name, path);
	if (close(*fd))
		die("close of %s", path);
	*fd = open(path, O_RDWR | O_CLOEXEC);
	if (*fd < 0)
		die("%s", path);
}

void file_settle(struct file *f, int *fd, const struct name *name, uint8_t *map, uint64_t map_len)
{
	int rc = 0;

	switch (job.ack) {
	case ACK_WRITE:
	case ACK_OSYNC:
	case ACK_ODSYNC:
	case ACK_TIME:
		return; /* promised, or not at all */
	case ACK_CLOSE:
		reopen(fd, name);
		break;
	case ACK_CONTROL:
		control_sync();
		break;
	case ACK_MSYNC:
		rc = map ? msync(map, map_len, MS_SYNC) : fsync(*fd);
		break;
	case ACK_FDATASYNC:
		rc = fdatasync(*fd);
		break;
	case ACK_FSYNC:
		rc = fsync(*fd);
		break;
	}
	if (rc)
		die("sync of file %u", f->id);
	file_ack(f);
}

void file_finish(struct file *f, int fd)
{
	if (job.ack != ACK_CLOSE)
		file_settle(f, &fd, NULL, NULL, 0);
	if (close(fd))
		die("close of file %u", f->id);
	if (job.ack == ACK_CLOSE)
		file_ack(f);
}

/* ----------------------------------------------------------------- names */

void name_init(struct name *n, unsigned dir, unsigned num)
{
	static _Atomic(uint32_t) last;

	*n = (struct name){.id = atomic_fetch_add(&last, 1) + 1, .dir = dir, .num = num};
}

void name_path(const struct name *n, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/d%u/f%u", job.dir, n->dir, n->num);
}

static void state_start(struct name *n, uint64_t what)
{
	n->states++;
	notes_add(NOTE_NAME, n->id, n->states, n->dir, n->num, what);
}

/* Before the call that makes it so. */
static void name_start(struct name *n, struct file *f)
{
	state_start(n, f ? f->id : 0);
}

static void name_set(struct name *n, struct file *f)
{
	n->file = f;
	if (job.ack == ACK_TIME)
		notes_add(NOTE_NAME_DONE, n->id, n->states, 0, 0, 0);
	if (job.ack == ACK_WRITE) {
		notes_add(NOTE_NAME_ACK, n->id, n->states, 0, 0, 0);
		n->acked = n->states;
	}
}

int name_create(struct name *n)
{
	struct file *f = file_new();
	char path[PATH_MAX];
	int fd;

	name_path(n, path);
	name_start(n, f);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | file_flags(), 0644);
	if (fd < 0)
		die("%s", path);
	name_set(n, f);
	return fd;
}

static void name_remove(struct name *n, int (*call)(const char *path))
{
	char path[PATH_MAX];

	name_path(n, path);
	name_start(n, NULL);
	if (call(path))
		die("removal of %s", path);
	n->directory = false;
	name_set(n, NULL);
}

void name_unlink(struct name *n)
{
	name_remove(n, unlink);
}

void name_rmdir(struct name *n)
{
	name_remove(n, rmdir);
}

/* name_rename() and name_link(): after it, 'to' leads where 'from' did. */
static void name_move(struct name *from, struct name *to, int (*call)(const char *, const char *))
{
	bool leaves = call == rename;
	char old[PATH_MAX], new[PATH_MAX];

	name_path(from, old);
	name_path(to, new);
	name_start(to, from->file);
	if (leaves)
		name_start(from, NULL);
	if (call(old, new))
		die("%s to %s", old, new);
	name_set(to, from->file);
	if (leaves)
		name_set(from, NULL);
}

void name_rename(struct name *from, struct name *to)
{
	name_move(from, to, rename);
}

void name_link(struct name *from, struct name *to)
{
	name_move(from, to, link);
}

void name_mkdir(struct name *n)
{
	char path[PATH_MAX];

	name_path(n, path);
	state_start(n, NAME_DIRECTORY);
	if (mkdir(path, 0755))
		die("mkdir %s", path);
	n->directory = true;
	name_set(n, NULL);
}

static void dir_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd))
		die("fsync of %s", path);
	close(fd);
}

void names_settle(unsigned dir, struct name *names, unsigned count)
{
	char path[PATH_MAX];

	if (job.ack == ACK_WRITE || job.ack == ACK_TIME)
		return;
	snprintf(path, sizeof(path), "%s/d%u", job.dir, dir);
	if (job.ack == ACK_CONTROL)
		control_sync();
	else
		dir_sync(path);
	for (unsigned i = 0; i < count; i++) {
		struct name *n = &names[i];

		if (n->dir != dir || n->states == n->acked)
			continue;
		notes_add(NOTE_NAME_ACK, n->id, n->states, 0, 0, 0);
		n->acked = n->states;
	}
}

/* Made before the power may fail, so that workers share no name. */
void dir_make(unsigned dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/d%u", job.dir, dir);
	if (mkdir(path, 0755))
		die("%s", path);
	dir_sync(path);
	dir_sync(job.dir);
}

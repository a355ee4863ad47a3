/* SPDX-License-Identifier: MIT */
/* What programs do that count on their data. A step is what they do between two promises. */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util.h"
#include "work.h"

#define BLOCK 4096u
#define TABLE_BLOCKS 32u
#define SHAPE_MAX 131072u

/* Numbers of names in a worker's directory, away from those of spool and churn. */
enum { NUM_LOG = 5000, NUM_TABLE, NUM_SHAPE, NUM_TARGET, NUM_TEMPORARY, NUM_CHURN = 6000 };

static unsigned dir_of(const struct worker *w)
{
	return 2 * w->index;
}

/* A file that is there, empty and durable. */
static struct file *fixed_file(struct worker *w, unsigned num, int *fd)
{
	struct name name;

	name_init(&name, dir_of(w), num);
	*fd = name_create(&name);
	names_settle(name.dir, &name, 1);
	return name.file;
}

static struct name name_of(const struct worker *w, unsigned num)
{
	return (struct name){.dir = dir_of(w), .num = num};
}

/* ---------------------------------------------------------------- append */

static void append_setup(struct worker *w)
{
	w->log = fixed_file(w, NUM_LOG, &w->log_fd);
}

static void append_step(struct worker *w)
{
	struct name name = name_of(w, NUM_LOG);

	for (uint64_t n = 1 + pick(w, 3); n > 0; n--)
		file_write(w->log, w->log_fd, w->log->size, 1 + pick(w, 3000));
	file_settle(w->log, &w->log_fd, &name, NULL, 0);
}

/* ------------------------------------------------------------- overwrite */

static void overwrite_setup(struct worker *w)
{
	struct name name = name_of(w, NUM_TABLE);
	uint64_t len = (uint64_t)TABLE_BLOCKS * BLOCK;

	w->table = fixed_file(w, NUM_TABLE, &w->table_fd);
	file_write(w->table, w->table_fd, 0, len);
	file_settle(w->table, &w->table_fd, &name, NULL, 0);
	if (job.ack != ACK_MSYNC)
		return;
	w->map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, w->table_fd, 0);
	if (w->map == MAP_FAILED)
		die("mmap");
}

static void overwrite_step(struct worker *w)
{
	struct name name = name_of(w, NUM_TABLE);

	for (uint64_t n = 1 + pick(w, 4); n > 0; n--) {
		uint64_t at = pick(w, TABLE_BLOCKS) * BLOCK;

		if (w->map)
			file_store(w->table, w->map, at, BLOCK);
		else
			file_write(w->table, w->table_fd, at, BLOCK);
	}
	file_settle(w->table, &w->table_fd, &name, w->map, (uint64_t)TABLE_BLOCKS * BLOCK);
}

/* ----------------------------------------------------------------- shape */

static void shape_setup(struct worker *w)
{
	w->shape = fixed_file(w, NUM_SHAPE, &w->shape_fd);
}

static void shape_once(struct worker *w)
{
	struct file *f = w->shape;

	switch (pick(w, 6)) {
	case 0:
		file_truncate(f, w->shape_fd, pick(w, SHAPE_MAX));
		break;
	case 1:
		file_punch(f, w->shape_fd, pick(w, SHAPE_MAX), 1 + pick(w, 20000));
		break;
	case 2:
		if (f->size < 2 * (uint64_t)SHAPE_MAX)
			file_write(f, w->shape_fd, f->size, 1 + pick(w, 9000));
		break;
	default:
		file_write(f, w->shape_fd, pick(w, SHAPE_MAX), 1 + pick(w, 9000));
	}
}

static void shape_step(struct worker *w)
{
	struct name name = name_of(w, NUM_SHAPE);

	for (uint64_t n = 1 + pick(w, 4); n > 0; n--)
		shape_once(w);
	file_settle(w->shape, &w->shape_fd, &name, NULL, 0);
}

/* --------------------------------------------------------------- replace */

static void fill_and_finish(struct worker *w, struct file *f, int fd, uint64_t most)
{
	for (uint64_t n = 1 + pick(w, 2); n > 0; n--)
		file_write(f, fd, f->size, 1 + pick(w, most));
	file_finish(f, fd);
}

static void replace_step(struct worker *w)
{
	int fd = name_create(&w->temporary);

	fill_and_finish(w, w->temporary.file, fd, 9000);
	name_rename(&w->temporary, &w->target);
	/* The two lie side by side in the worker, see replace_setup. */
	names_settle(dir_of(w), &w->target, 2);
}

static void replace_setup(struct worker *w)
{
	_Static_assert(offsetof(struct worker, temporary) ==
			       offsetof(struct worker, target) + sizeof(struct name),
		       "settled as an array of two");
	name_init(&w->target, dir_of(w), NUM_TARGET);
	name_init(&w->temporary, dir_of(w), NUM_TEMPORARY);
	replace_step(w);
}

/* ----------------------------------------------------------------- spool */

static void spool_setup(struct worker *w)
{
	for (unsigned i = 0; i < SPOOL_NAMES; i++)
		name_init(&w->spool[i], dir_of(w), i);
}

/* Mail comes in, and some of it is read and removed. */
static void spool_step(struct worker *w)
{
	struct name *n = &w->spool[w->spooled % SPOOL_NAMES];
	int fd;

	if (n->file)
		name_unlink(n);
	fd = name_create(n);
	fill_and_finish(w, n->file, fd, 4000);
	w->spooled++;
	n = &w->spool[pick(w, w->spooled < SPOOL_NAMES ? w->spooled : SPOOL_NAMES)];
	if (n->file && pick(w, 2))
		name_unlink(n);
	names_settle(dir_of(w), w->spool, SPOOL_NAMES);
}

/* ----------------------------------------------------------------- churn */

static void churn_setup(struct worker *w)
{
	for (unsigned i = 0; i < CHURN_NAMES; i++)
		name_init(&w->churn[i], dir_of(w) + i % 2, NUM_CHURN + i);
}

/* A write into an old file, under whatever name it has now. */
static void churn_write(struct worker *w, struct name *n)
{
	char path[PATH_MAX];
	int fd;

	name_path(n, path);
	fd = open(path, O_RDWR | O_CLOEXEC | file_flags());
	if (fd < 0)
		die("%s", path);
	file_write(n->file, fd, pick(w, 6000), 1 + pick(w, 6000));
	if (pick(w, 2)) {
		file_finish(n->file, fd);
		return;
	}
	if (close(fd))
		die("close");
}

static void churn_create(struct worker *w, struct name *n)
{
	int fd = name_create(n);

	file_write(n->file, fd, 0, 1 + pick(w, 9000));
	if (pick(w, 2))
		file_finish(n->file, fd);
	else if (close(fd))
		die("close");
}

static void churn_names(struct worker *w)
{
	struct name *n = &w->churn[pick(w, CHURN_NAMES)];
	struct name *other = &w->churn[pick(w, CHURN_NAMES)];
	uint64_t dice = pick(w, 10);

	if (n->directory)
		name_rmdir(n);
	else if (!n->file && dice < 2)
		name_mkdir(n);
	else if (!n->file)
		churn_create(w, n);
	else if (dice < 3)
		churn_write(w, n);
	else if (dice < 4 && !other->file && !other->directory)
		name_link(n, other);
	else if (dice < 7 && n->file != other->file && !other->directory)
		name_rename(n, other);
	else if (dice < 9) {
		/* The new file is likely to get the old one's inode number. */
		name_unlink(n);
		churn_create(w, n);
	} else
		name_unlink(n);
}

static void churn_step(struct worker *w)
{
	churn_names(w);
	if (pick(w, 3) == 0)
		names_settle(dir_of(w) + (unsigned)pick(w, 2), w->churn, CHURN_NAMES);
}

/* ------------------------------------------------------------------- mix */

static void mix_setup(struct worker *w)
{
	for (const struct workload *one = workloads; one->step; one++)
		if (one->setup != mix_setup)
			one->setup(w);
}

static void mix_step(struct worker *w)
{
	workloads[pick(w, 6)].step(w);
}

const struct workload workloads[] = {
	{"append", append_setup, append_step},
	{"overwrite", overwrite_setup, overwrite_step},
	{"shape", shape_setup, shape_step},
	{"replace", replace_setup, replace_step},
	{"spool", spool_setup, spool_step},
	{"churn", churn_setup, churn_step},
	{"mix", mix_setup, mix_step}, /* of the six before it */
	{NULL, NULL, NULL},
};

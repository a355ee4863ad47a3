/* SPDX-License-Identifier: MIT */
/*
 * The workloads' side of the notes: calls that note what they are about to do,
 * do it, and note what is promised by it. A call that fails ends the program.
 */
#ifndef TESTS_CRASH_WORK_H
#define TESTS_CRASH_WORK_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* What makes a change durable here. */
enum ack {
	ACK_FSYNC,
	ACK_FDATASYNC,
	ACK_OSYNC, /* files are opened with O_SYNC */
	ACK_ODSYNC,
	ACK_MSYNC,   /* stores into a mapping, where the workload has one; else fsync */
	ACK_WRITE,   /* each call by itself: sync=immediate */
	ACK_CLOSE,   /* close(2): sync=lazy */
	ACK_CONTROL, /* the command sync */
	ACK_TIME,    /* the interval of sync=periodic */
};

struct job {
	const char *dir;
	const char *control; /* the file that takes commands */
	enum ack ack;
	uint64_t seed;
	unsigned threads, steps;
	double seconds;
	const char *journal, *sync; /* SQLite's */
};
extern struct job job;

struct file {
	uint32_t id, ops;
	uint64_t size;
};

struct name {
	uint32_t id, states, acked;
	unsigned dir, num;
	struct file *file;
	bool directory; /* it leads to one */
};

#define SPOOL_NAMES 1024u
#define CHURN_NAMES 8u

struct worker {
	pthread_t thread;
	unsigned index;
	uint64_t random;
	unsigned step;
	/* append */
	struct file *log;
	int log_fd;
	/* overwrite */
	struct file *table;
	int table_fd;
	uint8_t *map;
	/* shape */
	struct file *shape;
	int shape_fd;
	/* replace */
	struct name target, temporary;
	/* spool */
	struct name spool[SPOOL_NAMES];
	unsigned spooled;
	/* churn: half of the names are in a second directory */
	struct name churn[CHURN_NAMES];
};

/* below n */
uint64_t pick(struct worker *w, uint64_t n);

struct file *file_new(void);
int file_flags(void); /* for open(2), besides the access mode */
void file_write(struct file *f, int fd, uint64_t offset, uint64_t len);
void file_store(struct file *f, uint8_t *map, uint64_t offset, uint64_t len);
void file_truncate(struct file *f, int fd, uint64_t size);
void file_punch(struct file *f, int fd, uint64_t offset, uint64_t len);

/* Makes all of it durable as the job says; *fd may be closed and opened anew by name. */
void file_settle(struct file *f, int *fd, const struct name *name, uint8_t *map, uint64_t map_len);
/* For files that are closed here: fd is closed, and not opened again. */
void file_finish(struct file *f, int fd);

void name_init(struct name *n, unsigned dir, unsigned num);
void name_path(const struct name *n, char path[PATH_MAX]);
/* A new file under a name that has none. */
int name_create(struct name *n);
void name_unlink(struct name *n);
void name_rename(struct name *from, struct name *to);
void name_link(struct name *from, struct name *to);
void name_mkdir(struct name *n);
void name_rmdir(struct name *n);
/* fsync of the directory, or what the job has instead; all given names of it are durable then. */
void names_settle(unsigned dir, struct name *names, unsigned count);

void dir_make(unsigned dir);

/* ------------------------------------------------------------- workloads */

struct workload {
	const char *name;
	void (*setup)(struct worker *w);
	void (*step)(struct worker *w);
};
extern const struct workload workloads[];

/* The database, of one thread. */
void sqlite_run(void);

#endif

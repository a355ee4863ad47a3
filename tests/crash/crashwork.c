/* SPDX-License-Identifier: MIT */
/*
 * Runs a workload on the empty directory DIR, whose disk writes LOG, and notes
 * in NOTES what it does and what it was promised: see notes.h.
 *
 *	crashwork WORKLOAD DIR LOG NOTES [KEY=VALUE]...
 *
 *	ack=WORD       what promises: fsync, fdatasync, osync, odsync, msync, write, close,
 *	               control or time
 *	control=FILE   takes the command sync, for ack=control
 *	window=MS      for ack=time: how long after a call its effect is promised
 *	threads=N      of the workload (1)
 *	steps=N        most steps, of all threads (400)
 *	seconds=S      most seconds (2)
 *	seed=N         of all choices (1)
 *	journal=WORD   of the workload sqlite: wal, delete or truncate
 *	sync=WORD      likewise: full or extra
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "notes.h"
#include "util.h"
#include "work.h"

static const struct workload *chosen;
static double deadline;

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned steps = job.steps / job.threads;

	for (w->step = 0; w->step < steps && now_seconds() < deadline; w->step++) {
		chosen->step(w);
		if (job.ack == ACK_TIME)
			usleep(8000); /* nothing else slows it down */
	}
	return NULL;
}

static void run(uint64_t window)
{
	struct worker *workers = calloc(job.threads, sizeof(*workers));

	if (!workers)
		die("memory");
	for (unsigned i = 0; i < job.threads; i++) {
		workers[i].index = i;
		workers[i].random = job.seed * 1000 + i;
		dir_make(2 * i);
		dir_make(2 * i + 1);
		if (chosen->setup)
			chosen->setup(&workers[i]);
	}
	notes_add(NOTE_BEGIN, 0, 0, 0, 0, 0);
	deadline = now_seconds() + job.seconds;
	for (unsigned i = 0; i < job.threads; i++)
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	for (unsigned i = 0; i < job.threads; i++)
		pthread_join(workers[i].thread, NULL);
	if (job.ack == ACK_TIME)
		usleep((useconds_t)(window / 1000)); /* the last promises come due */
	notes_add(NOTE_END, 0, 0, 0, 0, 0);
	free(workers);
}

static enum ack parse_ack(const char *word)
{
	static const char *const words[] = {"fsync", "fdatasync", "osync",   "odsync", "msync",
					    "write", "close",     "control", "time"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0)
			return (enum ack)i;
	errno = EINVAL;
	die("ack=%s", word);
}

static uint64_t parse_key(const char *arg)
{
	const char *value = strchr(arg, '=');
	uint64_t window = 0;

	errno = EINVAL;
	if (!value++)
		die("'%s' is no KEY=VALUE", arg);
	if (strncmp(arg, "ack=", 4) == 0)
		job.ack = parse_ack(value);
	else if (strncmp(arg, "control=", 8) == 0)
		job.control = value;
	else if (strncmp(arg, "window=", 7) == 0)
		window = parse_number(value) * 1000000;
	else if (strncmp(arg, "threads=", 8) == 0)
		job.threads = (unsigned)parse_number(value);
	else if (strncmp(arg, "steps=", 6) == 0)
		job.steps = (unsigned)parse_number(value);
	else if (strncmp(arg, "seconds=", 8) == 0)
		job.seconds = (double)parse_number(value);
	else if (strncmp(arg, "seed=", 5) == 0)
		job.seed = parse_number(value);
	else if (strncmp(arg, "journal=", 8) == 0)
		job.journal = value;
	else if (strncmp(arg, "sync=", 5) == 0)
		job.sync = value;
	else
		die("'%s' is not known", arg);
	return window;
}

int main(int argc, char **argv)
{
	uint64_t window = 0;

	if (argc < 5) {
		fprintf(stderr, "usage: crashwork WORKLOAD DIR LOG NOTES [KEY=VALUE]...\n");
		return 2;
	}
	job = (struct job){.dir = argv[2],
			   .seed = 1,
			   .threads = 1,
			   .steps = 400,
			   .seconds = 2,
			   .journal = "wal",
			   .sync = "full"};
	for (int i = 5; i < argc; i++)
		window += parse_key(argv[i]);
	notes_create(argv[4], argv[3], window);
	if (strcmp(argv[1], "sqlite") == 0) {
		sqlite_run();
		return 0;
	}
	for (chosen = workloads; chosen->step && strcmp(chosen->name, argv[1]); chosen++)
		;
	if (!chosen->step) {
		errno = EINVAL;
		die("workload %s", argv[1]);
	}
	run(window);
	return 0;
}

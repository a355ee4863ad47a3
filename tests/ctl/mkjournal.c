/* SPDX-License-Identifier: MIT */
/*
 * Makes a journal with known records in BACKING/.mmapfs/journal, as a daemon
 * leaves it that is killed:
 *
 *	mkjournal BACKING [lost] WORD...
 *
 *	lost                    as of a boot before this one
 *	data PATH OFFSET TEXT   what the file of BACKING has pending
 *	truncate PATH SIZE
 *	retire PATH             its records up to here are void
 *	switch                  goes on in the other log; the first one keeps its records
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state.h"

#define SIZE (1u << 20)
#define INTERVAL_MS 3600000u

static struct journal *journal;
static struct journal_place place;

__attribute__((noreturn)) static void fail(const char *what, int error)
{
	fprintf(stderr, "mkjournal: %s: %s\n", what, strerror(error));
	exit(1);
}

static void must(int r, const char *what)
{
	if (r)
		fail(what, -r);
}

/* No checkpoint ends. */
static int never(int fd)
{
	(void)fd;
	while (pause())
		;
	return 0;
}

static int other_mount(int backing_fd, struct place_mount *ret)
{
	int r = place_mount_read(backing_fd, ret);

	ret->boot_id[0] ^= 1;
	return r;
}

static struct journal_node node_of(const char *path)
{
	struct statx stx;

	if (statx(place.backing_fd, path, 0, STATX_BASIC_STATS | STATX_BTIME, &stx))
		fail(path, errno);
	return (struct journal_node){
		.ino = stx.stx_ino,
		.btime_sec = stx.stx_mask & STATX_BTIME ? stx.stx_btime.tv_sec : 0,
		.btime_nsec = stx.stx_mask & STATX_BTIME ? stx.stx_btime.tv_nsec : 0,
		.path = path,
	};
}

static void data(const char *path, const char *offset, const char *text)
{
	const struct journal_node node = node_of(path);
	struct journal_extent e = {
		.offset = strtoull(offset, NULL, 10), .len = (uint32_t)strlen(text), .bytes = text};
	const struct journal_data d = {.size = e.offset + e.len,
				       .mtime = {.tv_sec = 1700000000},
				       .extents = &e,
				       .n_extents = 1};

	must(journal_data(journal, &node, &d, NULL), "data");
}

static void *checkpoint(void *arg)
{
	(void)arg;
	(void)journal_checkpoint(journal);
	return NULL;
}

static void switch_half(void)
{
	pthread_t thread;
	unsigned before, now;

	must(-pthread_create(&thread, NULL, checkpoint, NULL), "thread");
	pthread_mutex_lock(&journal->lock);
	before = journal->active;
	pthread_mutex_unlock(&journal->lock);
	do {
		(void)usleep(1000);
		pthread_mutex_lock(&journal->lock);
		now = journal->active;
		pthread_mutex_unlock(&journal->lock);
	} while (now == before && !journal->draining);
}

/* How many words it took. */
static int run(int n, char **word)
{
	struct journal_node node;

	if (n > 3 && !strcmp(word[0], "data")) {
		data(word[1], word[2], word[3]);
		return 4;
	}
	if (n > 2 && !strcmp(word[0], "truncate")) {
		node = node_of(word[1]);
		must(journal_truncate(journal, &node, strtoull(word[2], NULL, 10), NULL),
		     "truncate");
		return 3;
	}
	if (n > 1 && !strcmp(word[0], "retire")) {
		node = node_of(word[1]);
		must(journal_retire(journal, &node, UINT64_MAX), "retire");
		return 2;
	}
	if (strcmp(word[0], "switch") != 0)
		fail(word[0], EINVAL);
	switch_half();
	return 1;
}

int main(int argc, char **argv)
{
	const struct journal_options o = {.size = SIZE, .interval_ms = INTERVAL_MS};
	struct journal_sys sys = journal_sys_default;
	struct mms_pool *pool;
	struct mms_error err;
	char dir[4096];
	int first = 2;

	if (argc < 2)
		fail("BACKING", EINVAL);
	sys.syncfs = never;
	if (argc > 2 && !strcmp(argv[2], "lost")) {
		sys.mount = other_mount;
		first = 3;
	}
	(void)snprintf(dir, sizeof(dir), "%s/.mmapfs", argv[1]);
	if (mkdir(dir, 0700) && errno != EEXIST)
		fail(dir, errno);
	place.backing_fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place.state_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(dir, sizeof(dir), "%.4000s/.mmapfs/journal", argv[1]);
	place.dir = dir;
	place.sys = &sys;
	must(mms_pool_new(NULL, &pool, &err), "pool");
	must(journal_open(pool, &place, &o, &journal, &err), "journal");
	for (int i = first; i < argc;)
		i += run(argc - i, argv + i);
	must(journal_commit(journal, UINT64_MAX), "commit");
	_exit(0);
}

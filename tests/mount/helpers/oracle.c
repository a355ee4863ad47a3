/* SPDX-License-Identifier: MIT */
/*
 * Random reads and writes all over a huge sparse file, each checked against
 * what must be there. The file is cut into as many regions as there are slots;
 * a slot is a piece of some region, and knows the version it was last written
 * with. The oracle is that list of versions, in memory, away from the mount.
 *
 *	oracle run FILE SIZE THREADS SLOTS OPS SEED [direct]
 *	oracle verify FILE SIZE THREADS SLOTS OPS SEED
 *
 * verify replays the choices without I/O, then reads every slot and its
 * surroundings: for FILE in BACKING, after a run on the mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

#define PIECE_MAX 16384u
#define BORDER (1u << 20) /* the smallest chunk: a third of the pieces lie across its borders */

struct slot {
	uint64_t offset;
	uint32_t len;
	uint32_t version; /* 0: never written, reads as zeros */
};

static struct {
	int fd;
	bool dry; /* only replay the choices */
	uint64_t region;
	unsigned threads, slots, ops;
	uint64_t seed;
} job;

struct worker {
	pthread_t thread;
	unsigned index;
	uint64_t random;
	struct slot *slots;
	uint64_t reads, writes;
};

static void slots_place(struct worker *w)
{
	for (unsigned i = 0; i < job.slots; i++) {
		struct slot *slot = &w->slots[i];
		uint64_t base = (uint64_t)(i * job.threads + w->index) * job.region;
		uint64_t room = job.region - 2 * PIECE_MAX;

		slot->len = 1 + (uint32_t)(next_random(&w->random) % PIECE_MAX);
		slot->offset = base + PIECE_MAX + next_random(&w->random) % (room - PIECE_MAX);
		if (i % 3 == 0)
			slot->offset = (slot->offset | (BORDER - 1)) + 1 - slot->len / 2;
		if (slot->offset + slot->len > base + job.region - PIECE_MAX)
			slot->offset = base + PIECE_MAX;
	}
}

static void wrong(const struct slot *slot, uint64_t at, const char *what)
{
	fprintf(stderr,
		"oracle: seed %" PRIu64 ": %s at %" PRIu64 " (piece at %" PRIu64
		", %u bytes, version %u)\n",
		job.seed, what, at, slot->offset, slot->len, slot->version);
	exit(1);
}

static uint64_t data_seed(const struct slot *slot)
{
	return slot->offset * 31 + slot->version;
}

static void piece_write(struct worker *w, struct slot *slot)
{
	uint8_t buf[PIECE_MAX];
	int64_t n;

	w->writes++;
	slot->version++;
	if (job.dry)
		return;
	pattern_fill(buf, slot->offset, slot->len, data_seed(slot));
	n = write_full(job.fd, buf, slot->len, slot->offset);
	if (n < 0) {
		errno = (int)-n;
		die("write of %u bytes at %" PRIu64, slot->len, slot->offset);
	}
}

/* Reads len bytes from skip bytes into the piece. */
static void piece_read(struct worker *w, const struct slot *slot, uint32_t skip, uint32_t len)
{
	uint8_t buf[PIECE_MAX];
	int64_t n, bad = -1;

	w->reads++;
	if (job.dry)
		return;
	n = read_full(job.fd, buf, len, slot->offset + skip);
	if (n < 0) {
		errno = (int)-n;
		die("read of %u bytes at %" PRIu64, len, slot->offset + skip);
	}
	if (n != len)
		wrong(slot, slot->offset + skip + (uint64_t)n, "short read");
	if (slot->version)
		bad = pattern_check(buf, slot->offset + skip, len, data_seed(slot));
	for (uint32_t i = 0; !slot->version && bad < 0 && i < len; i++)
		if (buf[i])
			bad = i;
	if (bad >= 0)
		wrong(slot, slot->offset + skip + (uint64_t)bad, "wrong byte");
}

/* The hole on both sides must still be one. */
static void hole_read(struct worker *w, const struct slot *slot, bool after)
{
	struct slot hole = {.len = PIECE_MAX / 2};

	hole.offset = after ? slot->offset + slot->len : slot->offset - hole.len;
	piece_read(w, &hole, 0, hole.len);
}

static void step(struct worker *w)
{
	uint64_t dice = next_random(&w->random);
	struct slot *slot = &w->slots[next_random(&w->random) % job.slots];
	uint32_t skip = (uint32_t)(next_random(&w->random) % slot->len);

	if (dice % 10 < 4)
		piece_write(w, slot);
	else if (dice % 10 < 9)
		piece_read(w, slot, skip, slot->len - skip);
	else
		hole_read(w, slot, dice >> 32 & 1);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	slots_place(w);
	for (unsigned i = 0; i < job.ops; i++)
		step(w);
	return NULL;
}

static void verify(struct worker *w)
{
	job.dry = false;
	for (unsigned i = 0; i < job.slots; i++) {
		piece_read(w, &w->slots[i], 0, w->slots[i].len);
		hole_read(w, &w->slots[i], false);
		hole_read(w, &w->slots[i], true);
	}
}

int main(int argc, char **argv)
{
	struct worker *workers;
	uint64_t reads = 0, writes = 0, size;
	bool direct = argc == 9 && strcmp(argv[8], "direct") == 0;

	if (argc != 8 && !direct) {
		fprintf(stderr,
			"usage: oracle run|verify FILE SIZE THREADS SLOTS OPS SEED [direct]\n");
		return 2;
	}
	job.dry = strcmp(argv[1], "verify") == 0;
	size = parse_number(argv[3]);
	job.threads = (unsigned)parse_number(argv[4]);
	job.slots = (unsigned)parse_number(argv[5]);
	job.ops = (unsigned)parse_number(argv[6]);
	job.seed = parse_number(argv[7]);
	job.region = size / ((uint64_t)job.threads * job.slots) & ~(uint64_t)(BORDER - 1);
	job.fd = open(argv[2], (job.dry ? O_RDONLY : O_RDWR | O_CREAT) | (direct ? O_DIRECT : 0),
		      0644);
	if (job.fd < 0)
		die("%s", argv[2]);
	if (!job.dry && ftruncate(job.fd, (off_t)size) < 0)
		die("truncate to %s", argv[3]);
	workers = calloc(job.threads, sizeof(*workers));
	for (unsigned i = 0; i < job.threads; i++) {
		workers[i].index = i;
		workers[i].random = job.seed * 1000 + i;
		workers[i].slots = calloc(job.slots, sizeof(struct slot));
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (unsigned i = 0; i < job.threads; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < job.threads; i++) {
		verify(&workers[i]);
		reads += workers[i].reads;
		writes += workers[i].writes;
		free(workers[i].slots);
	}
	free(workers);
	if (close(job.fd) < 0)
		die("close");
	printf("%" PRIu64 " reads and %" PRIu64 " writes right, seed %" PRIu64 "\n", reads, writes,
	       job.seed);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * contest.h - several ways to do the same work, timed side by side
 *
 * Each round runs every way once, one after the other, so that what slows
 * the machine for a while slows all of them. One round before the first is
 * not counted. A ratio is the median of the rounds' own ratios.
 */
#ifndef CONTEST_H
#define CONTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTENDERS_MAX 6u
#define ROUNDS_MAX 99u

struct contender {
	const char *name;
	double (*run)(void *arg); /* the rate that is compared, in the contest's unit */
};

/* The ours-th contender is to reach least times the other-th. */
struct bar {
	unsigned ours, other;
	double least;
};

struct contest {
	const char *what;
	const char *unit;
	double unit_scale; /* the rates are printed divided by this */
	struct contender contenders[CONTENDERS_MAX];
	struct bar bars[4];
	void *arg;
};

struct bench {
	const char *dir;
	uint64_t bytes; /* of the file that is read */
	unsigned rounds;
	bool csv;
	bool quick;
};

/* Runs and prints it. */
void contest_hold(const struct bench *b, const struct contest *c);

/* Seconds on a clock that does not jump. */
double now_s(void);

/* Ends the program, saying what failed. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* Keeps the compiler from leaving a computation out. */
extern volatile uint64_t sink;

static inline uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* The contests. */
void bench_read(const struct bench *b);
void bench_clone(const struct bench *b);
void bench_log(const struct bench *b);
void bench_crc(const struct bench *b);
void bench_threads(const struct bench *b);

/* The file that the reading contests read, made on the first call. */
const char *bench_file(const struct bench *b);

#endif

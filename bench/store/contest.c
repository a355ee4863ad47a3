/* SPDX-License-Identifier: MIT */
#include "contest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

volatile uint64_t sink;

double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void die(const char *format, ...)
{
	va_list ap;

	(void)fflush(stdout);
	(void)fputs("bench/store: ", stderr);
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread {
	double median, least, most;
};

static struct spread spread_of(const double *values, unsigned n)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), compare);
	return (struct spread){
		.median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2,
		.least = sorted[0],
		.most = sorted[n - 1],
	};
}

static void print_bar(const struct bench *b, const struct contest *c, const struct bar *bar,
		      double rate[][ROUNDS_MAX])
{
	const char *ours = c->contenders[bar->ours].name, *other = c->contenders[bar->other].name;
	double ratio[ROUNDS_MAX];
	struct spread s;

	for (unsigned i = 0; i < b->rounds; i++)
		ratio[i] = rate[bar->ours][i] / rate[bar->other][i];
	s = spread_of(ratio, b->rounds);
	if (b->csv)
		printf("ratio,%s,%s/%s,%.4g,%.4g,%.4g,%.4g\n", c->what, ours, other, s.median,
		       s.least, s.most, bar->least);
	else
		printf("    %s / %s: %.3g (%.3g..%.3g), bar %.3g: %s\n", ours, other, s.median,
		       s.least, s.most, bar->least,
		       s.median >= bar->least ? "reached" : "NOT REACHED");
}

static void print_rate(const struct bench *b, const struct contest *c, unsigned which,
		       const double *rate)
{
	struct spread s = spread_of(rate, b->rounds);

	if (b->csv)
		printf("rate,%s,%s,%.6g,%.6g,%.6g,%s\n", c->what, c->contenders[which].name,
		       s.median / c->unit_scale, s.least / c->unit_scale, s.most / c->unit_scale,
		       c->unit);
	else
		printf("  %-22s %10.4g %s (%.4g..%.4g)\n", c->contenders[which].name,
		       s.median / c->unit_scale, c->unit, s.least / c->unit_scale,
		       s.most / c->unit_scale);
}

void contest_hold(const struct bench *b, const struct contest *c)
{
	static double rate[CONTENDERS_MAX][ROUNDS_MAX];
	unsigned n = 0;

	while (n < CONTENDERS_MAX && c->contenders[n].run)
		n++;
	if (!b->csv)
		printf("%s\n", c->what);
	for (unsigned round = 0; round <= b->rounds; round++) {
		for (unsigned i = 0; i < n; i++) {
			double r = c->contenders[i].run(c->arg);

			if (round)
				rate[i][round - 1] = r;
		}
	}
	for (unsigned i = 0; i < n; i++)
		print_rate(b, c, i, rate[i]);
	for (unsigned i = 0; i < sizeof(c->bars) / sizeof(c->bars[0]); i++) {
		if (c->bars[i].least > 0)
			print_bar(b, c, &c->bars[i], rate);
	}
	(void)fflush(stdout);
}

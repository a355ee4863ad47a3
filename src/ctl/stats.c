/* SPDX-License-Identifier: MIT */
/* mmapfsctl stats */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl.h"
#include "requests.h"
#include "size.h"

/* What is printed: all since the mount, or what came between two readings. */
struct view {
	const char *mnt;
	struct readings now, before;
	const struct readings *since; /* &before, or NULL */
	double seconds;
	struct kind kinds[KINDS_MAX];
	size_t n;
};

/* Of what only grows. */
static uint64_t grown(const struct view *v, const char *name)
{
	uint64_t value = readings_get(&v->now, name), was = v->since ? readings_get(v->since, name) : 0;

	return value > was ? value - was : 0;
}

static double rate(const struct view *v, uint64_t count)
{
	return v->seconds > 0 ? (double)count / v->seconds : 0;
}

/* ------------------------------------------------------------------ text */

static const char *duration_text(uint64_t ns, char *buf, size_t room)
{
	static const struct {
		double ns;
		const char *unit;
	} units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}};
	size_t i = 0;
	double value;

	while (i < 2 && (double)ns < units[i].ns)
		i++;
	value = (double)ns / units[i].ns;
	snprintf(buf, room, value < 10 ? "%.1f %s" : "%.0f %s", value, units[i].unit);
	return buf;
}

static void print_head(const struct view *v)
{
	uint64_t up = readings_get(&v->now, "uptime_ms") / 1000, requests = grown(v, "requests");

	printf("mount ");
	print_quoted(v->mnt);
	printf(", up %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 "\n", up / 3600, up / 60 % 60, up % 60);
	if (v->since)
		printf("in %.1f seconds: ", v->seconds);
	printf("%" PRIu64 " requests, %.1f a second\n", requests, rate(v, requests));
}

static void print_kinds(const struct view *v)
{
	char a[32], b[32], c[32], d[32];

	printf("\n%-16s %12s %12s %9s %9s %9s %9s\n", "request", "count", "a second", "p50", "p90", "p99",
	       "max");
	for (size_t i = 0; i < v->n; i++) {
		const struct kind *k = &v->kinds[i];

		printf("%-16s %12" PRIu64 " %12.1f %9s %9s %9s %9s\n", k->name, k->count,
		       rate(v, k->count), duration_text(k->p50_ns, a, sizeof(a)),
		       duration_text(k->p90_ns, b, sizeof(b)), duration_text(k->p99_ns, c, sizeof(c)),
		       duration_text(k->max_ns, d, sizeof(d)));
	}
}

/* "mapped 12 (3.4 MiB)", from the statistics NAME and NAME_bytes; bytes a second between two. */
static void print_way(const struct view *v, const char *word, const char *name)
{
	char text[SIZE_TEXT_BYTES], full[64];
	uint64_t bytes;

	snprintf(full, sizeof(full), "%s_bytes", name);
	bytes = v->since ? (uint64_t)rate(v, grown(v, full)) : grown(v, full);
	printf("%s %" PRIu64 " (%s%s)", word, grown(v, name), size_format(bytes, text, sizeof(text)),
	       v->since ? "/s" : "");
}

static double hits_percent(const struct view *v, const char *hit1, const char *hit2, const char *miss)
{
	uint64_t hits = grown(v, hit1) + (hit2 ? grown(v, hit2) : 0), all = hits + grown(v, miss);

	return all ? 100.0 * (double)hits / (double)all : 0;
}

static double read_hits(const struct view *v)
{
	return hits_percent(v, "read.mapped", "read.copied", "read.pread");
}

static double write_hits(const struct view *v)
{
	return hits_percent(v, "write.mapped", NULL, "write.pwrite");
}

static void print_data(const struct view *v)
{
	char bytes[SIZE_TEXT_BYTES];

	printf("\nreads      ");
	print_way(v, "mapped", "read.mapped");
	print_way(v, ", copied", "read.copied");
	print_way(v, ", pread", "read.pread");
	printf("; %.1f %% from regions\nwrites     ", read_hits(v));
	print_way(v, "mapped", "write.mapped");
	print_way(v, ", pwrite", "write.pwrite");
	printf("; %.1f %% into regions\n", write_hits(v));
	printf("faults     SIGBUS %" PRIu64 ", in replies %" PRIu64 "\n", grown(v, "fault.sigbus"),
	       grown(v, "fault.reply"));
	printf("regions    open files %" PRIu64 ", windows %" PRIu64 " (%s) now; mapped %" PRIu64
	       ", evicted %" PRIu64 ", busy %" PRIu64 "\n",
	       readings_get(&v->now, "file.open"), readings_get(&v->now, "chunk.mapped"),
	       size_format(readings_get(&v->now, "chunk.mapped_bytes"), bytes, sizeof(bytes)),
	       grown(v, "chunk.maps"), grown(v, "chunk.evictions"), grown(v, "chunk.busy"));
}

/* All of a family, by their own names: what comes to it later is shown, too. */
static void print_family(const struct view *v, const char *prefix)
{
	size_t len = strlen(prefix);
	int printed = 0;

	for (size_t i = 0; i < v->now.count; i++) {
		const char *name = v->now.list[i].name;

		if (strncmp(name, prefix, len) != 0 || name[len] != '.')
			continue;
		printf("%s%s %" PRIu64, printed ? ", " : "", name + len + 1, grown(v, name));
		printed = 1;
	}
}

static bool has_family(const struct view *v, const char *prefix)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < v->now.count; i++)
		if (!strncmp(v->now.list[i].name, prefix, len) && v->now.list[i].name[len] == '.')
			return true;
	return false;
}

static void print_rest(const struct view *v)
{
	char dirty[SIZE_TEXT_BYTES];

	printf("syncs      asked %" PRIu64 ", files %" PRIu64 ", directories %" PRIu64 ", passes %" PRIu64
	       ", failed %" PRIu64 "; dirty now %" PRIu64 " files (%s)\n",
	       grown(v, "sync.requested") + grown(v, "sync.deferred"), grown(v, "sync.files"),
	       grown(v, "sync.directories"), grown(v, "sync.passes"), grown(v, "sync.failures"),
	       readings_get(&v->now, "sync.dirty_files"),
	       size_format(readings_get(&v->now, "sync.dirty_bytes"), dirty, sizeof(dirty)));
	if (readings_get(&v->now, "journal.size_bytes"))
		printf("journal    syncs %" PRIu64 ", bypassed %" PRIu64 ", records %" PRIu64
		       " of data and %" PRIu64 " of names, flushes %" PRIu64 ", checkpoints %" PRIu64
		       ", waits %" PRIu64 "; live now %" PRIu64 "\n",
		       grown(v, "journal.syncs"), grown(v, "journal.bypassed"),
		       grown(v, "journal.data_records"), grown(v, "journal.name_records"),
		       grown(v, "journal.flushes"), grown(v, "journal.checkpoints"),
		       grown(v, "journal.waits"), readings_get(&v->now, "journal.live_records"));
	if (has_family(v, "push")) {
		printf("pushes     ");
		print_family(v, "push");
		putchar('\n');
	}
}

/* ------------------------------------------------------------------ JSON */

static bool is_latency(const char *name)
{
	return !strncmp(name, "bucket.", 7) || !strncmp(name, "latency.", 8) || !strncmp(name, "op.", 3);
}

static void print_numbers(const struct readings *r)
{
	bool any = false;

	for (size_t i = 0; i < r->count; i++) {
		if (is_latency(r->list[i].name))
			continue;
		printf("%s\"%s\": %" PRIu64, any ? ", " : "", r->list[i].name, r->list[i].value);
		any = true;
	}
}

static void print_json(const struct view *v)
{
	printf("{\"mountpoint\": ");
	print_json_string(v->mnt);
	printf(", \"seconds\": %.3f, \"requests\": {", v->seconds);
	for (size_t i = 0; i < v->n; i++) {
		const struct kind *k = &v->kinds[i];

		printf("%s\"%s\": {\"count\": %" PRIu64 ", \"rate\": %.3f, \"p50_ns\": %" PRIu64
		       ", \"p90_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 ", \"max_ns\": %" PRIu64 "}",
		       i ? ", " : "", k->name, k->count, rate(v, k->count), k->p50_ns, k->p90_ns,
		       k->p99_ns, k->max_ns);
	}
	printf("}, \"read_hits_percent\": %.2f, \"write_hits_percent\": %.2f, \"now\": {", read_hits(v),
	       write_hits(v));
	print_numbers(&v->now);
	if (v->since) {
		printf("}, \"before\": {");
		print_numbers(v->since);
	}
	printf("}}\n");
}

/* --------------------------------------------------------------- reading */

static void wait_for(double seconds)
{
	struct timespec t = {(time_t)seconds, 0};

	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	while (nanosleep(&t, &t))
		;
}

static int take(struct view *v, double interval)
{
	uint64_t from = 0, to;
	int r;

	if (interval > 0) {
		r = readings_take(v->mnt, &v->before);
		if (r)
			return r;
		v->since = &v->before;
		from = readings_get(&v->before, "uptime_ms");
		wait_for(interval);
	}
	r = readings_take(v->mnt, &v->now);
	if (r)
		return r;
	to = readings_get(&v->now, "uptime_ms");
	if (to < from) {
		complain("%s was mounted anew between the two readings", v->mnt);
		return EXIT_FAILED;
	}
	v->seconds = (double)(to - from) / 1000;
	v->n = requests_of(&v->now, v->since, v->kinds);
	return EXIT_DONE;
}

int command_stats(const char *mnt, bool json, double interval)
{
	static struct view v;
	int r;

	v.mnt = mnt;
	r = take(&v, interval);
	if (!r && json) {
		print_json(&v);
	} else if (!r) {
		print_head(&v);
		print_kinds(&v);
		print_data(&v);
		print_rest(&v);
	}
	readings_release(&v.before);
	readings_release(&v.now);
	return r;
}

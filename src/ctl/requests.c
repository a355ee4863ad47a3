/* SPDX-License-Identifier: MIT */
#include "requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arith.h"

static const char *after(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(name, prefix, len) ? NULL : name + len;
}

/* The lines 'bucket.KIND.LOW COUNT'. */
static void add_buckets(const struct readings *r, struct kind *k, bool subtract)
{
	char prefix[64];
	int len = snprintf(prefix, sizeof(prefix), "bucket.%s.", k->name);

	if (len < 0 || (size_t)len >= sizeof(prefix))
		return;
	for (size_t i = 0; i < r->count; i++) {
		const char *low = after(r->list[i].name, prefix);
		uint64_t *bucket;

		if (!low)
			continue;
		bucket = &k->buckets[histogram_bucket(strtoull(low, NULL, 10))];
		if (!subtract)
			*bucket += r->list[i].value;
		else
			*bucket -= *bucket < r->list[i].value ? *bucket : r->list[i].value;
	}
}

static uint64_t latency(const struct readings *r, const char *kind, const char *what)
{
	char name[96];

	snprintf(name, sizeof(name), "latency.%s.%s_ns", kind, what);
	return readings_get(r, name);
}

static uint64_t highest(const struct kind *k)
{
	for (unsigned i = HISTOGRAM_BUCKETS; i-- > 0;)
		if (k->buckets[i])
			return histogram_low(i + 1);
	return 0;
}

static void fill(struct kind *k, const struct readings *now, const struct readings *before)
{
	add_buckets(now, k, false);
	if (before)
		add_buckets(before, k, true);
	k->max_ns = before ? highest(k) : latency(now, k->name, "max");
	k->p50_ns = u64_min(histogram_quantile(k->buckets, 500), k->max_ns);
	k->p90_ns = u64_min(histogram_quantile(k->buckets, 900), k->max_ns);
	k->p99_ns = u64_min(histogram_quantile(k->buckets, 990), k->max_ns);
}

static int by_count(const void *a, const void *b)
{
	const struct kind *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->name, y->name);
}

size_t requests_of(const struct readings *now, const struct readings *before, struct kind *kinds)
{
	size_t n = 0;

	for (size_t i = 0; i < now->count && n < KINDS_MAX; i++) {
		const char *name = after(now->list[i].name, "op.");
		uint64_t count = now->list[i].value;

		if (name && before)
			count -= readings_get(before, now->list[i].name);
		if (!name || !count)
			continue;
		kinds[n] = (struct kind){.name = name, .count = count};
		fill(&kinds[n++], now, before);
	}
	qsort(kinds, n, sizeof(*kinds), by_count);
	return n;
}

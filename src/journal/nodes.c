/* SPDX-License-Identifier: MIT */
#include "nodes.h"

#include <stdlib.h>

#include "arith.h"

#define BUCKETS_LEAST 64u

void node_table_init(struct node_table *t, size_t entry_bytes)
{
	*t = (struct node_table){.entry_bytes = entry_bytes};
}

static struct node_link **bucket_of(struct node_link **buckets, size_t n,
				    const struct node_key *key)
{
	uint64_t h = u64_mix(key->ino ^ u64_mix((uint64_t)key->btime_sec ^ key->btime_nsec));

	return &buckets[h & (n - 1)];
}

static bool drop_all(void *entry, void *arg)
{
	(void)entry;
	(void)arg;
	return true;
}

void node_table_release(struct node_table *t)
{
	node_table_sweep(t, drop_all, NULL);
	free(t->buckets);
	t->buckets = NULL;
	t->n_buckets = 0;
}

static bool grow(struct node_table *t)
{
	size_t n = t->n_buckets ? t->n_buckets * 2 : BUCKETS_LEAST;
	struct node_link **buckets = calloc(n, sizeof(struct node_link *));

	if (!buckets)
		return false;
	for (size_t i = 0; i < t->n_buckets; i++) {
		struct node_link *next;

		for (struct node_link *l = t->buckets[i]; l; l = next) {
			struct node_link **to = bucket_of(buckets, n, &l->key);

			next = l->next;
			l->next = *to;
			*to = l;
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->n_buckets = n;
	return true;
}

void *node_table_find(const struct node_table *t, const struct node_key *key)
{
	if (!t->n)
		return NULL;
	for (struct node_link *l = *bucket_of(t->buckets, t->n_buckets, key); l; l = l->next)
		if (node_key_equal(&l->key, key))
			return l;
	return NULL;
}

void *node_table_get(struct node_table *t, const struct node_key *key)
{
	struct node_link *l = node_table_find(t, key);
	struct node_link **to;

	if (l)
		return l;
	if (t->n >= t->n_buckets && !grow(t) && !t->n_buckets)
		return NULL;
	l = calloc(1, t->entry_bytes);
	if (!l)
		return NULL;
	to = bucket_of(t->buckets, t->n_buckets, key);
	l->key = *key;
	l->next = *to;
	*to = l;
	t->n++;
	return l;
}

void node_table_remove(struct node_table *t, const struct node_key *key)
{
	struct node_link *gone = node_table_find(t, key);
	struct node_link **at;

	if (!gone)
		return;
	at = bucket_of(t->buckets, t->n_buckets, key);
	while (*at != gone)
		at = &(*at)->next;
	*at = gone->next;
	free(gone);
	t->n--;
}

void node_table_sweep(struct node_table *t, bool (*drop)(void *entry, void *arg), void *arg)
{
	for (size_t i = 0; i < t->n_buckets; i++) {
		struct node_link **at = &t->buckets[i];

		while (*at) {
			struct node_link *l = *at;

			if (!drop(l, arg)) {
				at = &l->next;
				continue;
			}
			*at = l->next;
			free(l);
			t->n--;
		}
	}
}

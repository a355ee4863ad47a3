/* SPDX-License-Identifier: MIT */
#include "keys.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static struct keys {
	struct inode **buckets; /* NULL: none was needed so far */
	size_t mask;
	uint64_t count;
} keys;

static bool same_key(const struct file_handle *a, const struct file_handle *b)
{
	return a->handle_type == b->handle_type && a->handle_bytes == b->handle_bytes &&
	       !memcmp(a->f_handle, b->f_handle, a->handle_bytes);
}

/* FNV-1a: handles are short, and their bytes mostly zero. */
static size_t bucket_of(const struct file_handle *key)
{
	uint64_t h = 0xcbf29ce484222325ull ^ (uint64_t)(unsigned)key->handle_type;

	for (unsigned i = 0; i < key->handle_bytes; i++)
		h = (h ^ key->f_handle[i]) * 0x100000001b3ull;
	return (size_t)(h ^ (h >> 32)) & keys.mask;
}

static void grow(void)
{
	size_t old_size = keys.buckets ? keys.mask + 1 : 0, size = old_size ? old_size * 2 : 256;
	struct inode **old = keys.buckets, **bigger = calloc(size, sizeof(*bigger));

	if (!bigger)
		return; /* longer chains, nothing worse */
	keys.buckets = bigger;
	keys.mask = size - 1;
	for (size_t b = 0; b < old_size; b++)
		for (struct inode *i = old[b], *next; i; i = next) {
			size_t to = bucket_of(i->key);

			next = i->key_next;
			i->key_next = bigger[to];
			bigger[to] = i;
		}
	free(old);
}

void keys_insert(struct inode *inode)
{
	size_t b;

	if (!inode->key || inode->keyed)
		return;
	if (!keys.buckets || keys.count > keys.mask)
		grow();
	if (!keys.buckets)
		return;
	b = bucket_of(inode->key);
	inode->key_next = keys.buckets[b];
	keys.buckets[b] = inode;
	inode->keyed = true;
	keys.count++;
}

void keys_remove(struct inode *inode)
{
	struct inode **link;

	if (!inode->keyed)
		return;
	link = &keys.buckets[bucket_of(inode->key)];
	while (*link != inode)
		link = &(*link)->key_next;
	*link = inode->key_next;
	inode->keyed = false;
	keys.count--;
}

struct inode *keys_find(const struct file_handle *key)
{
	if (!keys.buckets)
		return NULL;
	for (struct inode *i = keys.buckets[bucket_of(key)]; i; i = i->key_next)
		if (same_key(i->key, key))
			return i;
	return NULL;
}

uint64_t keys_memory(void)
{
	return keys.buckets ? (keys.mask + 1) * sizeof(*keys.buckets) : 0;
}

void keys_release(void)
{
	free(keys.buckets);
	keys = (struct keys){0};
}

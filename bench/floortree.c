/* SPDX-License-Identifier: MIT */
#include "floortree.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUCKETS (1u << 18)
#define MAP_FROM (64u * 1024) /* smaller files are copied: mappings are counted by the kernel */

static struct node *buckets[BUCKETS];
static struct node *root;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static uint64_t last_ino;

static struct node **bucket_of(const struct node *parent, const char *name)
{
	uint64_t h = (uintptr_t)parent * 0x9e3779b97f4a7c15u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3u;
	return &buckets[(h ^ h >> 32) % BUCKETS];
}

static struct node *new_node(const char *name, mode_t mode)
{
	size_t len = strlen(name) + 1;
	struct node *n = calloc(1, sizeof(*n) + len);

	if (!n)
		return NULL;
	memcpy(n->name, name, len);
	n->st.st_ino = ++last_ino;
	n->st.st_mode = mode;
	n->st.st_nlink = S_ISDIR(mode) ? 2 : 1;
	n->st.st_uid = geteuid();
	n->st.st_gid = getegid();
	n->st.st_blksize = 4096;
	clock_gettime(CLOCK_REALTIME, &n->st.st_mtim);
	n->st.st_atim = n->st.st_ctim = n->st.st_mtim;
	return n;
}

static void attach(struct node *parent, struct node *n)
{
	struct node **bucket = bucket_of(parent, n->name);

	n->parent = parent;
	n->next = parent->children;
	if (n->next)
		n->next->previous = n;
	parent->children = n;
	n->hash_next = *bucket;
	*bucket = n;
}

static void detach(struct node *n)
{
	struct node **at = bucket_of(n->parent, n->name);

	while (*at != n)
		at = &(*at)->hash_next;
	*at = n->hash_next;
	if (n->previous)
		n->previous->next = n->next;
	else
		n->parent->children = n->next;
	if (n->next)
		n->next->previous = n->previous;
	n->st.st_nlink = 0;
}

static struct node *find_locked(struct node *parent, const char *name)
{
	struct node *n = *bucket_of(parent, name);

	while (n && (n->parent != parent || strcmp(n->name, name) != 0))
		n = n->hash_next;
	return n;
}

/* ---------------------------------------------------------------- loading */

static void load_data(struct node *n, int fd)
{
	size_t len = (size_t)n->st.st_size;
	uint8_t *copy;

	n->data_len = len;
	if (len >= MAP_FROM) {
		n->data = mmap(NULL, len, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
		if (n->data == MAP_FAILED)
			err(1, "mapping %s", n->name);
		return;
	}
	copy = malloc(len + 1);
	if (!copy || read(fd, copy, len) != (ssize_t)len)
		err(1, "reading %s", n->name);
	n->data = copy;
}

static void load_at(int dir_fd, const char *name, struct node *parent)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct node *n = new_node(name, 0);
	struct dirent *entry;
	DIR *dir;

	if (fd < 0 || !n || fstat(fd, &n->st) < 0)
		err(1, "%s", name);
	attach(parent, n);
	if (!S_ISDIR(n->st.st_mode)) {
		load_data(n, fd);
		close(fd);
		return;
	}
	dir = fdopendir(fd);
	if (!dir)
		err(1, "%s", name);
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR ? entry->d_name[0] != '.' : entry->d_type == DT_REG)
			load_at(fd, entry->d_name, n);
	closedir(dir);
}

void tree_load(const char *backing, const char *name)
{
	int fd = open(backing, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", backing);
	last_ino = UINT64_C(1) << 40; /* those of new files, above BACKING's own */
	load_at(fd, name, tree_root());
	close(fd);
}

/* ---------------------------------------------------------------- serving */

struct node *tree_root(void)
{
	if (!root) {
		root = new_node("", S_IFDIR | 0755);
		if (!root)
			errx(1, "no memory");
	}
	return root;
}

struct node *tree_find(struct node *parent, const char *name)
{
	struct node *n;

	pthread_rwlock_rdlock(&lock);
	n = find_locked(parent, name);
	pthread_rwlock_unlock(&lock);
	return n;
}

struct node *tree_add(struct node *parent, const char *name, mode_t mode)
{
	struct node *n;

	pthread_rwlock_wrlock(&lock);
	n = new_node(name, mode);
	if (n)
		attach(parent, n);
	pthread_rwlock_unlock(&lock);
	return n;
}

bool tree_remove(struct node *parent, const char *name)
{
	struct node *n;

	pthread_rwlock_wrlock(&lock);
	n = find_locked(parent, name);
	if (n)
		detach(n);
	pthread_rwlock_unlock(&lock);
	return n != NULL;
}

void tree_grow(struct node *node, uint64_t size)
{
	pthread_rwlock_wrlock(&lock);
	if (size > (uint64_t)node->st.st_size)
		node->st.st_size = (off_t)size;
	pthread_rwlock_unlock(&lock);
}

void tree_list(struct node *dir, bool (*show)(void *arg, struct node *child), void *arg)
{
	pthread_rwlock_rdlock(&lock);
	for (struct node *n = dir->children; n && show(arg, n); n = n->next)
		;
	pthread_rwlock_unlock(&lock);
}

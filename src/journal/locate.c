/* SPDX-License-Identifier: MIT */
/*
 * Finding a file of BACKING again: by its handle, by a path, by a walk
 *
 * Whatever leads to it, it is the file only if inode number and birth time are those that are
 * wanted, on BACKING's own device. No symlink is followed, and nothing outside BACKING is
 * looked at, but by a handle, which names the file itself.
 */
#include "locate.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"

#define STATE_DIR ".mmapfs"

/* What a walk looks for. */
struct wanted {
	struct node_link link;
	char *path; /* where it was found */
};

static bool free_path(void *entry, void *arg)
{
	struct wanted *w = entry;

	(void)arg;
	free(w->path);
	w->path = NULL;
	return false;
}

void finder_init(struct finder *f, const struct journal_place *place, uint64_t dev)
{
	*f = (struct finder){.place = place, .dev = dev};
	node_table_init(&f->wanted, sizeof(struct wanted));
}

void finder_release(struct finder *f)
{
	node_table_sweep(&f->wanted, free_path, NULL);
	node_table_release(&f->wanted);
}

int finder_want(struct finder *f, uint64_t ino)
{
	const struct node_key key = {.ino = ino};

	return node_table_get(&f->wanted, &key) ? 0 : -ENOMEM;
}

int locate_key(int fd, struct node_key *ret, uint64_t *ret_dev, uint32_t *ret_mode)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME,
		  &stx))
		return -errno;
	*ret = (struct node_key){.ino = stx.stx_ino};
	if (stx.stx_mask & STATX_BTIME) {
		ret->btime_sec = stx.stx_btime.tv_sec;
		ret->btime_nsec = stx.stx_btime.tv_nsec;
	}
	*ret_dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	*ret_mode = stx.stx_mode;
	return 0;
}

/* The descriptor, if it is the file; else it is closed. */
static int verify(const struct finder *f, int fd, const struct node_key *key)
{
	CLEANUP_CLOSE int owned = fd;
	struct node_key found;
	uint64_t dev;
	uint32_t mode;
	int r;

	if (fd < 0)
		return -errno;
	r = locate_key(fd, &found, &dev, &mode);
	if (r)
		return r;
	if (dev != f->dev || !node_key_equal(&found, key))
		return -ENOENT;
	return TAKE_FD(owned);
}

/* ------------------------------------------------------------------- by path */

static int open_path(const struct finder *f, const char *path, const struct node_key *key)
{
	CLEANUP_CLOSE int dir = openat(f->place->backing_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char name[FORMAT_NAME_MAX + 1];

	while (dir >= 0 && *path) {
		size_t n = strcspn(path, "/");
		bool last = !path[n];
		int next;

		if (!n || n > FORMAT_NAME_MAX)
			return -ENOENT;
		memcpy(name, path, n);
		name[n] = '\0';
		next = openat(dir, name,
			      O_PATH | O_NOFOLLOW | O_CLOEXEC | (last ? 0 : O_DIRECTORY));
		(void)close(dir);
		dir = next;
		path += n + !last;
	}
	return verify(f, TAKE_FD(dir), key);
}

/* ------------------------------------------------------------------ by a walk */

struct walk {
	struct finder *f;
	char path[JOURNAL_PATH_MAX];
	size_t len;
};

static int walk_dir(struct walk *w, int fd);

static void note(struct walk *w, uint64_t ino)
{
	const struct node_key key = {.ino = ino};
	struct wanted *found = node_table_find(&w->f->wanted, &key);

	/* The first name does: all of them lead to the same file, or the number is another's. */
	if (found && !found->path)
		found->path = strdup(w->path);
}

static int walk_entry(struct walk *w, int dir_fd, const struct dirent *e)
{
	size_t before = w->len, n = strlen(e->d_name);
	int r = 0;

	if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
	    (!before && !strcmp(e->d_name, STATE_DIR)) || before + n + 2 > sizeof(w->path))
		return 0;
	if (before)
		w->path[w->len++] = '/';
	memcpy(w->path + w->len, e->d_name, n + 1);
	w->len += n;
	note(w, e->d_ino);
	if (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN) {
		int fd = openat(dir_fd, e->d_name,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd >= 0)
			r = walk_dir(w, fd);
		else if (errno == EMFILE || errno == ENFILE || errno == EIO)
			r = -errno;
	}
	w->len = before;
	w->path[before] = '\0';
	return r;
}

static int walk_dir(struct walk *w, int fd)
{
	DIR *dir;
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) || st.st_dev != w->f->dev) {
		(void)close(fd);
		return 0;
	}
	dir = fdopendir(fd);
	if (!dir) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	while (!r) {
		const struct dirent *e;

		errno = 0;
		e = readdir(dir);
		if (!e) {
			r = -errno;
			break;
		}
		r = walk_entry(w, fd, e);
	}
	(void)closedir(dir);
	return r;
}

static int walk_all(struct finder *f)
{
	int fd = openat(f->place->backing_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct walk *w;
	int r;

	if (fd < 0)
		return -errno;
	w = calloc(1, sizeof(*w));
	if (!w) {
		(void)close(fd);
		return -ENOMEM;
	}
	w->f = f;
	node_table_sweep(&f->wanted, free_path, NULL);
	r = walk_dir(w, fd);
	free(w);
	if (!r)
		f->walked_at = f->changes + 1;
	return r;
}

static int open_walked(struct finder *f, const struct node_key *key)
{
	const struct node_key ino = {.ino = key->ino};
	const struct wanted *w;
	int r;

	for (;;) {
		bool fresh = f->walked_at == f->changes + 1;

		w = node_table_find(&f->wanted, &ino);
		if (!w && finder_want(f, key->ino))
			return -ENOMEM;
		if (!w)
			fresh = false;
		r = w && w->path ? open_path(f, w->path, key) : -ENOENT;
		if (r >= 0 || fresh)
			return r;
		r = walk_all(f);
		if (r)
			return r;
	}
}

/* ----------------------------------------------------------------------- all */

int finder_open(struct finder *f, const struct node_key *key, const struct file_handle *handle,
		const char *path)
{
	int fd;

	if (handle && f->place->handles) {
		union {
			struct file_handle head;
			unsigned char space[sizeof(struct file_handle) + FORMAT_HANDLE_MAX];
		} copy;

		memset(&copy, 0, sizeof(copy));
		copy.head.handle_bytes = handle->handle_bytes;
		copy.head.handle_type = handle->handle_type;
		memcpy(copy.head.f_handle, handle->f_handle, handle->handle_bytes);
		fd = open_by_handle_at(f->place->backing_fd, &copy.head, O_PATH | O_CLOEXEC);
		if (fd >= 0)
			return verify(f, fd, key);
		if (errno == ESTALE)
			return -ENOENT;
	}
	if (path) {
		fd = open_path(f, path, key);
		if (fd >= 0)
			return fd;
	}
	return open_walked(f, key);
}

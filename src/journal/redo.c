/* SPDX-License-Identifier: MIT */
/*
 * Name operations that the disk does not have, done again
 *
 * The mark c that was found says: operations before c are on the disk, c may be, those after it are
 * not. They are done in their order, each on the names that it was first done on, with the marker
 * before it. So a replay that is cut leaves what a crash leaves.
 *
 * What is made again is another file. That is noted in the log, durably, before the next operation
 * gets its mark.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "mark.h"
#include "replay.h"

/* Who stands under a name now. */
struct entry {
	bool exists;
	struct node_key key;
	uint32_t mode;
};

struct redo {
	struct replay *r;
	const struct record_name *n;
	int dir, new_dir;
	struct seen_node *child;
	struct node_key child_now; /* as it is on the disk */
	bool maybe_done;           /* it is operation c */
};

static int look(struct replay *r, int dir, const char *name, struct entry *ret)
{
	CLEANUP_CLOSE int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	uint64_t dev;

	*ret = (struct entry){0};
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	ret->exists = true;
	(void)r;
	return locate_key(fd, &ret->key, &dev, &ret->mode);
}

static bool is_child(const struct redo *d, const struct entry *e)
{
	return e->exists && node_key_equal(&e->key, &d->child_now);
}

/* Not as it was when the operation was first done: somebody else has changed BACKING. */
static int leave(const struct redo *d, const char *why)
{
	place_say(d->r->place, JOURNAL_WARNING, "%s of \"%s\" is not done again: %s",
		  format_op_name(d->n->op), d->n->name, why);
	return 0;
}

/* ------------------------------------------------------------------- making */

static int make(const struct redo *d)
{
	const struct record_name *n = d->n;
	int fd;

	switch (n->op) {
	case JOURNAL_CREATE:
		fd = openat(d->dir, n->name,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0)
			(void)close(fd);
		return fd < 0 ? -errno : 0;
	case JOURNAL_MKDIR:
		return mkdirat(d->dir, n->name, 0700) ? -errno : 0;
	case JOURNAL_SYMLINK:
		return symlinkat(n->target, d->dir, n->name) ? -errno : 0;
	default:
		return mknodat(d->dir, n->name, (n->mode & S_IFMT) | 0600, n->rdev) ? -errno : 0;
	}
}

static int set_attributes(const struct redo *d, int fd, uint32_t mode)
{
	char path[40];

	if (fchownat(fd, "", d->n->uid, d->n->gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) &&
	    (errno != EPERM || !geteuid()))
		return -errno;
	if (S_ISLNK(mode))
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return chmod(path, d->n->mode & 07777) ? -errno : 0;
}

static void remember_handle(struct redo *d, int fd)
{
	struct record_node *made = calloc(1, sizeof(*made));
	int mount;

	if (!made)
		return;
	free(d->child->made);
	d->child->made = made;
	made->handle.head.handle_bytes = FORMAT_HANDLE_MAX;
	if (d->r->place->handles &&
	    !name_to_handle_at(fd, "", &made->handle.head, &mount, AT_EMPTY_PATH))
		made->node.handle = &made->handle.head;
}

/* What stands under the name is the child from now on. */
static int adopt(struct redo *d, bool ours)
{
	CLEANUP_CLOSE int fd = openat(d->dir, d->n->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct format_buf b;
	struct node_key key;
	uint64_t dev;
	uint32_t mode;
	int r;

	if (fd < 0)
		return -errno;
	r = locate_key(fd, &key, &dev, &mode);
	if (r)
		return r;
	if (!ours && node_key_equal(&key, &d->child->link.key))
		return 0;
	/* Made by this replay, or by one that was cut short, maybe before it got so far. */
	if ((mode & S_IFMT) != (d->n->mode & S_IFMT))
		return leave(d, "something else has the name");
	r = set_attributes(d, fd, mode);
	if (r)
		return r;
	d->child->is_mapped = true;
	d->child->to = key;
	remember_handle(d, fd);
	if (finder_want(&d->r->finder, key.ino))
		return -ENOMEM;
	format_map(&b, &d->child->link.key, &key);
	r = replay_note(d->r, RECORD_MAP, &b);
	free(b.mem);
	return r;
}

static int redo_make(struct redo *d)
{
	struct entry e;
	int r = look(d->r, d->dir, d->n->name, &e);

	if (r)
		return r;
	/* The name was free before: who stands there is what the operation has made. */
	if (e.exists && d->maybe_done)
		return adopt(d, false);
	if (e.exists)
		return leave(d, "the name is taken");
	r = make(d);
	if (!r)
		r = adopt(d, true);
	if (!r)
		d->r->report->redone_names++;
	return r;
}

/* ------------------------------------------------------------ all the others */

static int redo_link(struct redo *d)
{
	CLEANUP_CLOSE int fd = -1;
	struct entry e;
	char path[40];
	int r = look(d->r, d->dir, d->n->name, &e);

	if (r || (e.exists && d->maybe_done))
		return r;
	if (e.exists)
		return leave(d, "the name is taken");
	fd = replay_open(d->r, &d->n->child.node, d->child);
	if (fd == -ENOENT)
		return leave(d, "the file is gone");
	if (fd < 0)
		return fd;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, d->dir, d->n->name, AT_SYMLINK_FOLLOW)) {
		/* Its last name has gone before: a link of a file that was open only. */
		if (errno == ENOENT)
			return leave(d, "the file is gone");
		return -errno;
	}
	d->r->report->redone_names++;
	return 0;
}

static int redo_unlink(struct redo *d)
{
	struct entry e;
	int r = look(d->r, d->dir, d->n->name, &e);

	if (r)
		return r;
	if (!is_child(d, &e))
		return d->maybe_done ? 0 : leave(d, "the name is not the file's any more");
	if (unlinkat(d->dir, d->n->name, d->n->op == JOURNAL_RMDIR ? AT_REMOVEDIR : 0))
		return errno == ENOTEMPTY ? leave(d, "it is not empty") : -errno;
	d->r->report->redone_names++;
	return 0;
}

static int redo_rename(struct redo *d)
{
	struct entry from, to;
	int r = look(d->r, d->dir, d->n->name, &from);

	if (!r)
		r = look(d->r, d->new_dir, d->n->new_name, &to);
	if (r)
		return r;
	if (!is_child(d, &from))
		return d->maybe_done && is_child(d, &to)
			       ? 0
			       : leave(d, "the name is not the file's any more");
	if (syscall(SYS_renameat2, d->dir, d->n->name, d->new_dir, d->n->new_name, d->n->flags)) {
		if (errno == EEXIST || errno == ENOTEMPTY || errno == EISDIR || errno == ENOTDIR)
			return leave(d, "something else has the new name");
		return -errno;
	}
	d->r->report->redone_names++;
	return 0;
}

/* ------------------------------------------------------------------------ all */

static int open_dir(struct replay *r, const struct journal_node *node)
{
	const struct node_key key = node_key(node);
	struct seen_node *seen = replay_node(r, &key);

	return seen ? replay_open(r, node, seen) : -ENOMEM;
}

static int redo_in(struct redo *d)
{
	const struct node_key child = node_key(&d->n->child.node);

	d->child = replay_node(d->r, &child);
	if (!d->child)
		return -ENOMEM;
	d->child_now = d->child->is_mapped ? d->child->to : child;
	d->r->finder.changes++;
	switch (d->n->op) {
	case JOURNAL_LINK:
		return redo_link(d);
	case JOURNAL_UNLINK:
	case JOURNAL_RMDIR:
		return redo_unlink(d);
	case JOURNAL_RENAME:
		return redo_rename(d);
	default:
		return redo_make(d);
	}
}

int redo_name(struct replay *r, const struct record *record)
{
	CLEANUP_CLOSE int dir = -1;
	CLEANUP_CLOSE int new_dir = -1;
	struct redo d = {.r = r, .n = &record->name};
	int n;

	if (r->mark_fd < 0 || record->name.number < r->mark)
		return 0;
	d.maybe_done = record->name.number == r->mark;
	n = mark_set(r->mark_fd, record->name.number);
	if (n)
		return error_set(r->err, n, "setting the marker of name operations");
	dir = open_dir(r, &record->name.parent.node);
	if (dir >= 0 && record->name.op == JOURNAL_RENAME)
		new_dir = open_dir(r, &record->name.new_parent.node);
	if (dir == -ENOENT || new_dir == -ENOENT)
		return leave(&d, "the directory is gone");
	d.dir = dir;
	d.new_dir = new_dir;
	n = dir < 0 ? dir : record->name.op == JOURNAL_RENAME && new_dir < 0 ? new_dir
									     : redo_in(&d);
	return n ? error_set(r->err, n, "doing the %s of \"%s\" again",
			     format_op_name(record->name.op), record->name.name)
		 : 0;
}

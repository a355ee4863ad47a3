/* SPDX-License-Identifier: MIT */
/* The soak's operations on names. */
#include "soak.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util.h"

static const mode_t modes[] = {0755, 0777, 0700,  0644,  0666,  0770,  0775,
			       0600, 0000, 02775, 01777, 04755, 06777, 02777};

static mode_t some_mode(struct soak_turn *t)
{
	return soak_pick(t, 2) ? 0777 : modes[soak_pick(t, sizeof(modes) / sizeof(modes[0]))];
}

static void op_create(struct soak_turn *t)
{
	char path[PATH_MAX];
	mode_t mode;
	int fd;

	soak_path(t, path);
	mode = some_mode(t);
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
	soak_answer(t, fd < 0 ? -1 : 0, "create %s %o", soak_below(t, path), mode);
	if (fd >= 0)
		close(fd);
}

static void op_mkdir(struct soak_turn *t)
{
	char path[PATH_MAX];
	mode_t mode;

	soak_dir_path(t, path);
	mode = soak_pick(t, 3) ? 0777 : some_mode(t);
	soak_answer(t, mkdir(path, mode), "mkdir %s %o", soak_below(t, path), mode);
}

static void op_mknod(struct soak_turn *t)
{
	static const mode_t types[] = {S_IFIFO, S_IFSOCK, S_IFREG, S_IFCHR};
	char path[PATH_MAX];
	mode_t mode;

	soak_path(t, path);
	mode = types[soak_pick(t, t->devices ? 4 : 3)] | some_mode(t);
	/* No device but the one that nobody can open. */
	soak_answer(t, mknod(path, mode, makedev(0, 0)), "mknod %s %o", soak_below(t, path), mode);
}

/* Never with "..": it would lead out of the tree. */
static void op_symlink(struct soak_turn *t)
{
	char path[PATH_MAX], to[PATH_MAX];
	const char *target;

	soak_path(t, path);
	soak_path(t, to);
	target = soak_below(t, to);
	if (soak_pick(t, 8) == 0) {
		memset(to, 'x', 3000);
		to[soak_pick(t, 2) ? 255 : 3000] = '\0';
		target = to;
	}
	soak_answer(t, symlink(target, path), "symlink %s -> %.40s", soak_below(t, path), target);
}

static void op_readlink(struct soak_turn *t)
{
	char path[PATH_MAX], to[PATH_MAX];
	ssize_t n;

	soak_path(t, path);
	n = readlink(path, to, sizeof(to));
	soak_answer(t, n, "readlink %s", soak_below(t, path));
	if (n > 0)
		soak_sum(t, to, (size_t)n);
}

static void op_link(struct soak_turn *t)
{
	char from[PATH_MAX], to[PATH_MAX];

	soak_path(t, from);
	soak_path(t, to);
	soak_answer(t, link(from, to), "link %s %s", soak_below(t, from), soak_below(t, to));
}

static void op_unlink(struct soak_turn *t)
{
	char path[PATH_MAX];

	soak_path(t, path);
	soak_answer(t, unlink(path), "unlink %s", soak_below(t, path));
}

static void op_rmdir(struct soak_turn *t)
{
	char path[PATH_MAX];

	soak_dir_path(t, path);
	soak_answer(t, rmdir(path), "rmdir %s", soak_below(t, path));
}

static void op_rename(struct soak_turn *t)
{
	static const unsigned flags[] = {0,
					 0,
					 RENAME_NOREPLACE,
					 RENAME_EXCHANGE,
					 RENAME_WHITEOUT,
					 RENAME_EXCHANGE | RENAME_WHITEOUT};
	char from[PATH_MAX], to[PATH_MAX];
	unsigned flag;

	if (soak_pick(t, 4)) {
		soak_path(t, from);
		soak_path(t, to);
	} else {
		soak_dir_path(t, from);
		soak_dir_path(t, to);
	}
	flag = flags[soak_pick(t, t->devices ? 6 : 4)]; /* a whiteout is one */
	soak_answer(t, renameat2(AT_FDCWD, from, AT_FDCWD, to, flag), "rename %s %s flags %u",
		    soak_below(t, from), soak_below(t, to), flag);
}

static void op_readdir(struct soak_turn *t)
{
	char path[PATH_MAX];
	int fd;

	soak_dir_path(t, path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	soak_answer(t, fd < 0 ? -1 : 0, "readdir %s", soak_below(t, path));
	if (fd >= 0)
		soak_sum_dir(t, fd);
}

/* Names come and go by the dozen, so that directories have more than one block. */
static void op_many(struct soak_turn *t)
{
	char path[PATH_MAX];
	unsigned first, made = 0, gone = 0;
	size_t len;

	soak_dir_path(t, path);
	first = (unsigned)soak_pick(t, 300);
	len = strlen(path);
	for (unsigned i = first; i < first + 30; i++) {
		snprintf(path + len, sizeof(path) - len, "/a-name-of-some-length-%u", i);
		if (mknod(path, S_IFREG | 0666, 0) == 0)
			made++;
		else if (unlink(path) == 0)
			gone++;
	}
	path[len] = '\0';
	soak_answer(t, (long)(made * 1000 + gone), "thirty names in %s from %u",
		    soak_below(t, path), first);
}

const struct soak_kind soak_name_ops[] = {
	{op_create, 6},   {op_mkdir, 8},   {op_mknod, 3},  {op_symlink, 3},
	{op_readlink, 2}, {op_link, 4},    {op_unlink, 6}, {op_rmdir, 2},
	{op_rename, 8},   {op_readdir, 4}, {op_many, 1},   {NULL, 0},
};

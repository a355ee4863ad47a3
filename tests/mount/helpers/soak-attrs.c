/* SPDX-License-Identifier: MIT */
/* The soak's operations on attributes. */
#include "soak.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

#define CLOCK_FROM 1500000000 /* as in soak-tree.c */

static void op_chmod(struct soak_turn *t)
{
	static const mode_t modes[] = {0755, 0777, 0777,  0700,  0644,  0666,  0770,
				       0,    0600, 02775, 01777, 04755, 06755, 02777};
	char path[PATH_MAX];
	mode_t mode;

	soak_path(t, path);
	mode = soak_pick(t, 2) ? 0777 : modes[soak_pick(t, sizeof(modes) / sizeof(modes[0]))];
	soak_answer(t, chmod(path, mode), "chmod %s %o", soak_below(t, path), mode);
}

/* Or soon nobody but root gets anywhere. */
static void op_open_up(struct soak_turn *t)
{
	char path[PATH_MAX];

	soak_dir_path(t, path);
	soak_answer(t, chmod(path, 0777), "chmod %s 777", soak_below(t, path));
}

static void op_chown(struct soak_turn *t)
{
	static const uid_t ids[] = {0, 1001, 1002, 1003};
	static const gid_t groups[] = {0, 1001, 1002, 2000, (gid_t)-1};
	char path[PATH_MAX];
	uid_t uid;
	gid_t gid;

	soak_path(t, path);
	gid = groups[soak_pick(t, 5)];
	/* Not to nobody and nothing: see mmapfs(8). */
	uid = gid != (gid_t)-1 && soak_pick(t, 2) ? (uid_t)-1 : ids[soak_pick(t, 4)];
	soak_answer(t, lchown(path, uid, gid), "lchown %s %d:%d", soak_below(t, path), (int)uid,
		    (int)gid);
}

static void op_utimens(struct soak_turn *t)
{
	struct timespec times[2];
	char path[PATH_MAX];
	int flags;

	soak_path(t, path);
	for (int i = 0; i < 2; i++) {
		times[i].tv_sec = (time_t)(1000000000 + soak_pick(t, 100000000));
		times[i].tv_nsec = (long)soak_pick(t, 1000000000);
	}
	if (soak_pick(t, 6) == 0)
		times[soak_pick(t, 2)].tv_nsec = soak_pick(t, 2) ? UTIME_NOW : UTIME_OMIT;
	flags = soak_pick(t, 2) ? AT_SYMLINK_NOFOLLOW : 0;
	soak_answer(t, utimensat(AT_FDCWD, path, times, flags), "utimens %s %lld.%09ld",
		    soak_below(t, path), (long long)times[1].tv_sec, times[1].tv_nsec);
}

/* The kernel's format of an ACL: u::rwx, u:1002:PERM, g::r-x, m::rwx, o::PERM. */
static size_t acl_value(struct soak_turn *t, uint8_t *value)
{
	const uint16_t entries[5][2] = {{0x01, 7},
					{0x02, (uint16_t)soak_pick(t, 8)},
					{0x04, 5},
					{0x10, (uint16_t)soak_pick(t, 8)},
					{0x20, (uint16_t)soak_pick(t, 8)}};
	const uint32_t version = 2;

	memcpy(value, &version, 4);
	for (size_t i = 0; i < 5; i++) {
		const uint32_t id = entries[i][0] == 0x02 ? 1002 : 0xffffffffu;

		memcpy(value + 4 + i * 8, entries[i], 4);
		memcpy(value + 4 + i * 8 + 4, &id, 4);
	}
	return 4 + 5 * 8;
}

static const char *const names[] = {"user.a",
				    "user.bb",
				    "user.ccc",
				    "trusted.d",
				    "system.posix_acl_access",
				    "system.posix_acl_default"};

static void op_setxattr(struct soak_turn *t)
{
	static const int flags[] = {0, 0, XATTR_CREATE, XATTR_REPLACE};
	uint8_t value[256];
	char path[PATH_MAX];
	const char *name;
	size_t len;
	int flag;

	soak_path(t, path);
	name = names[soak_pick(t, 6)];
	if (*name == 's') {
		len = acl_value(t, value);
	} else {
		len = soak_pick(t, sizeof(value));
		pattern_fill(value, 0, len, t->random);
	}
	flag = flags[soak_pick(t, 4)];
	soak_answer(t, lsetxattr(path, name, value, len, flag), "setxattr %s %s %zu flags %d",
		    soak_below(t, path), name, len, flag);
}

static void op_getxattr(struct soak_turn *t)
{
	uint8_t value[256];
	char path[PATH_MAX];
	const char *name;
	size_t size;
	ssize_t n;

	soak_path(t, path);
	name = names[soak_pick(t, 6)];
	size = soak_pick(t, 3) ? sizeof(value) : soak_pick(t, 100);
	n = lgetxattr(path, name, value, size);
	soak_answer(t, n, "getxattr %s %s in %zu", soak_below(t, path), name, size);
	if (n > 0 && size > 0)
		soak_sum(t, value, (size_t)n);
}

static void op_removexattr(struct soak_turn *t)
{
	char path[PATH_MAX];
	const char *name;

	soak_path(t, path);
	name = names[soak_pick(t, 6)];
	soak_answer(t, lremovexattr(path, name), "removexattr %s %s", soak_below(t, path), name);
}

/* Times that the clock gave differ. */
static void sum_stat(struct soak_turn *t, const struct stat *st)
{
	long long size = S_ISDIR(st->st_mode) ? 0 : (long long)st->st_size, time = 0;
	long part = 0;

	if (st->st_mtim.tv_sec < CLOCK_FROM) {
		time = st->st_mtim.tv_sec;
		part = st->st_mtim.tv_nsec;
	}
	soak_answer(t, 0, "%s; mode %o links %lu owner %u:%u size %lld mtime %lld.%09ld", t->text,
		    st->st_mode, (unsigned long)st->st_nlink, st->st_uid, st->st_gid, size, time,
		    part);
}

static void op_lstat(struct soak_turn *t)
{
	char path[PATH_MAX];
	struct stat st;

	soak_path(t, path);
	soak_answer(t, lstat(path, &st), "lstat %s", soak_below(t, path));
	if (t->rc == 0)
		sum_stat(t, &st);
}

static void op_fstat(struct soak_turn *t)
{
	struct soak_slot *slot = soak_open_slot(t);
	struct stat st;

	if (!slot)
		return;
	soak_answer(t, fstat(slot->fd, &st), "fstat");
	if (t->rc == 0)
		sum_stat(t, &st);
}

static void op_fchange(struct soak_turn *t)
{
	struct soak_slot *slot = soak_open_slot(t);
	mode_t mode = soak_pick(t, 2) ? 0666 : 06777;
	gid_t gid = soak_pick(t, 2) ? 1001 : 2000;

	if (!slot)
		return;
	if (soak_pick(t, 2))
		soak_answer(t, fchmod(slot->fd, mode), "fchmod %o", mode);
	else
		soak_answer(t, fchown(slot->fd, (uid_t)-1, gid), "fchown :%u", gid);
}

static void op_access(struct soak_turn *t)
{
	char path[PATH_MAX];
	int mode;

	soak_path(t, path);
	mode = (int)soak_pick(t, 8);
	soak_answer(t, access(path, mode), "access %s %d", soak_below(t, path), mode);
}

const struct soak_kind soak_attr_ops[] = {
	{op_chmod, 4},    {op_open_up, 6},  {op_chown, 3},       {op_utimens, 4},
	{op_setxattr, 4}, {op_getxattr, 2}, {op_removexattr, 2}, {op_lstat, 8},
	{op_fstat, 4},    {op_fchange, 2},  {op_access, 2},      {NULL, 0},
};

/* SPDX-License-Identifier: MIT */
/* chown: owner, group, neither; through symlinks and not. */
#include "family.h"

#include <fcntl.h>
#include <unistd.h>

static long chown_user(const char *path, const char *beside)
{
	(void)beside;
	return chown(path, USER_B, (gid_t)-1);
}

static long chown_same(const char *path, const char *beside)
{
	(void)beside;
	return chown(path, USER_A, (gid_t)-1);
}

static long chown_group(const char *path, const char *beside)
{
	(void)beside;
	return chown(path, (uid_t)-1, USER_A);
}

static long chown_keep_group(const char *path, const char *beside)
{
	(void)beside;
	return chown(path, (uid_t)-1, GROUP_X);
}

static long chown_both(const char *path, const char *beside)
{
	(void)beside;
	return chown(path, USER_B, USER_B);
}

static long chown_nothing(const char *path, const char *beside)
{
	(void)beside;
	return chown(path, (uid_t)-1, (gid_t)-1);
}

static long chown_link(const char *path, const char *beside)
{
	(void)beside;
	return lchown(path, (uid_t)-1, USER_A);
}

static const struct way chown_ways[] = {
	{"chown to another user", chown_user, .beside = BESIDE_NOTHING},
	{"chown to the same user", chown_same, .beside = BESIDE_NOTHING},
	{"chown to a group", chown_group, .beside = BESIDE_NOTHING},
	{"chown to the same group", chown_keep_group, .beside = BESIDE_NOTHING},
	{"chown to a user and group", chown_both, .beside = BESIDE_NOTHING},
	{"chown to neither", chown_nothing, .beside = BESIDE_NOTHING},
	{"lchown to a group", chown_link, .beside = BESIDE_NOTHING},
};

FAMILY(chown, chown_ways);

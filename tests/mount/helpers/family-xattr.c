/* SPDX-License-Identifier: MIT */
/* Extended attributes of the user and of root. */
#include "family.h"

#include <sys/xattr.h>

/* u::rw- u:USER_B:rwx g::r-- m::rwx o::--- */
static const char acl[] = "\2\0\0\0"
			  "\1\0\6\0\377\377\377\377"
			  "\2\0\7\0\240\133\0\0"
			  "\4\0\4\0\377\377\377\377"
			  "\20\0\7\0\377\377\377\377"
			  "\40\0\0\0\377\377\377\377";

static long xattr_set(const char *path, const char *beside)
{
	(void)beside;
	return setxattr(path, "user.name", "value", 5, 0);
}

static long xattr_get(const char *path, const char *beside)
{
	(void)beside;
	return getxattr(path, "user.name", NULL, 0);
}

static long xattr_remove(const char *path, const char *beside)
{
	(void)beside;
	return removexattr(path, "user.name");
}

static long xattr_trusted(const char *path, const char *beside)
{
	(void)beside;
	return lsetxattr(path, "trusted.name", "value", 5, 0);
}

static long xattr_capability(const char *path, const char *beside)
{
	(void)beside;
	return setxattr(path, "security.capability", "\0\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20,
			0);
}

static long xattr_acl(const char *path, const char *beside)
{
	(void)beside;
	return setxattr(path, "system.posix_acl_access", acl, sizeof(acl) - 1, 0);
}

static long xattr_default_acl(const char *path, const char *beside)
{
	(void)beside;
	return setxattr(path, "system.posix_acl_default", acl, sizeof(acl) - 1, 0);
}

static const struct way xattr_ways[] = {
	{"setxattr user", xattr_set, .beside = BESIDE_NOTHING},
	{"getxattr user", xattr_get, .beside = BESIDE_NOTHING},
	{"removexattr user", xattr_remove, .beside = BESIDE_NOTHING},
	{"setxattr trusted", xattr_trusted, .beside = BESIDE_NOTHING},
	{"setxattr security.capability", xattr_capability, .beside = BESIDE_NOTHING},
	{"setxattr access ACL", xattr_acl, .beside = BESIDE_NOTHING},
	{"setxattr default ACL", xattr_default_acl, .beside = BESIDE_NOTHING},
};

FAMILY(xattr, xattr_ways);

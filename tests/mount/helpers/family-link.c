/* SPDX-License-Identifier: MIT */
/* link: from and to every kind of file. */
#include "family.h"

#include <fcntl.h>
#include <unistd.h>

static long link_from(const char *path, const char *beside)
{
	return link(path, beside);
}

static long link_follow(const char *path, const char *beside)
{
	return linkat(AT_FDCWD, path, AT_FDCWD, beside, AT_SYMLINK_FOLLOW);
}

static long link_to(const char *path, const char *beside)
{
	return link(beside, path);
}

static long link_dir_to(const char *path, const char *beside)
{
	return link(beside, path);
}

static const struct way link_ways[] = {
	{"link from", link_from, .beside = BESIDE_NOTHING},
	{"linkat from, following", link_follow, .beside = BESIDE_NOTHING},
	{"link to", link_to, .beside = BESIDE_FILE},
	{"link a directory to", link_dir_to, .beside = BESIDE_DIR},
};

FAMILY(link, link_ways);

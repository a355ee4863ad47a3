/* SPDX-License-Identifier: MIT */
/* open: every combination of flags that means something of its own. */
#include "family.h"

#include <fcntl.h>
#include <unistd.h>

/* Nothing but the opening: 0, or -1. */
static long open_it(const char *path, int flags, mode_t mode)
{
	int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, mode);

	return fd < 0 ? -1 : close(fd);
}

static long open_rdonly(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_RDONLY, 0640);
}

static long open_wronly(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_WRONLY, 0640);
}

static long open_rdwr(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_RDWR, 0640);
}

static long open_append(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_WRONLY | O_APPEND, 0640);
}

static long open_rdwr_append(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_RDWR | O_APPEND, 0640);
}

static long open_trunc(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_WRONLY | O_TRUNC, 0640);
}

static long open_rdonly_trunc(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_RDONLY | O_TRUNC, 0640);
}

static long open_creat(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_WRONLY | O_CREAT, 0640);
}

static long open_creat_setid(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_RDWR | O_CREAT, 06777);
}

static long open_excl(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_RDWR | O_CREAT | O_EXCL, 0640);
}

static long open_creat_trunc(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_RDWR | O_CREAT | O_TRUNC, 0640);
}

static long open_creat_append(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_WRONLY | O_CREAT | O_APPEND, 0640);
}

static long open_directory(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_RDONLY | O_DIRECTORY, 0640);
}

static long open_creat_directory(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_RDONLY | O_CREAT | O_DIRECTORY, 0640);
}

static long open_nofollow(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_RDONLY | O_NOFOLLOW, 0640);
}

static long open_creat_nofollow(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0640);
}

static long open_path(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_PATH, 0640);
}

static long open_noatime(const char *path, const char *beside)
{
	(void)beside;
	return open_it(path, O_RDONLY | O_NOATIME, 0640);
}

static const struct way open_ways[] = {
	{"open rdonly", open_rdonly, .beside = BESIDE_NOTHING},
	{"open wronly", open_wronly, .beside = BESIDE_NOTHING},
	{"open rdwr", open_rdwr, .beside = BESIDE_NOTHING},
	{"open wronly append", open_append, .beside = BESIDE_NOTHING},
	{"open rdwr append", open_rdwr_append, .beside = BESIDE_NOTHING},
	{"open wronly trunc", open_trunc, .beside = BESIDE_NOTHING},
	{"open rdonly trunc", open_rdonly_trunc, .beside = BESIDE_NOTHING},
	{"open wronly creat", open_creat, .beside = BESIDE_NOTHING},
	{"open rdwr creat 06777", open_creat_setid, .beside = BESIDE_NOTHING},
	{"open rdwr creat excl", open_excl, .beside = BESIDE_NOTHING},
	{"open rdwr creat trunc", open_creat_trunc, .beside = BESIDE_NOTHING},
	{"open wronly creat append", open_creat_append, .beside = BESIDE_NOTHING},
	{"open rdonly directory", open_directory, .beside = BESIDE_NOTHING},
	{"open rdonly creat directory", open_creat_directory, .beside = BESIDE_NOTHING},
	{"open rdonly nofollow", open_nofollow, .beside = BESIDE_NOTHING},
	{"open wronly creat nofollow", open_creat_nofollow, .beside = BESIDE_NOTHING},
	{"open path", open_path, .beside = BESIDE_NOTHING},
	{"open rdonly noatime", open_noatime, .beside = BESIDE_NOTHING},
};

FAMILY(open, open_ways);

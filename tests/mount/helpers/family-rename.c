/* SPDX-License-Identifier: MIT */
/* rename: every kind of file to and over, with each flag. */
#include "family.h"

#include <fcntl.h>
#include <stdio.h>

static long rename_away(const char *path, const char *beside)
{
	return rename(path, beside);
}

static long rename_over_file(const char *path, const char *beside)
{
	return rename(path, beside);
}

static long rename_over_dir(const char *path, const char *beside)
{
	return rename(path, beside);
}

static long rename_file_to(const char *path, const char *beside)
{
	return rename(beside, path);
}

static long rename_dir_to(const char *path, const char *beside)
{
	return rename(beside, path);
}

static long rename_noreplace(const char *path, const char *beside)
{
	return renameat2(AT_FDCWD, beside, AT_FDCWD, path, RENAME_NOREPLACE);
}

static long rename_exchange(const char *path, const char *beside)
{
	return renameat2(AT_FDCWD, path, AT_FDCWD, beside, RENAME_EXCHANGE);
}

static long rename_exchange_dir(const char *path, const char *beside)
{
	return renameat2(AT_FDCWD, path, AT_FDCWD, beside, RENAME_EXCHANGE);
}

static long rename_whiteout(const char *path, const char *beside)
{
	return renameat2(AT_FDCWD, path, AT_FDCWD, beside, RENAME_WHITEOUT);
}

static long rename_whiteout_over(const char *path, const char *beside)
{
	return renameat2(AT_FDCWD, path, AT_FDCWD, beside, RENAME_WHITEOUT);
}

static long rename_whiteout_exchange(const char *path, const char *beside)
{
	return renameat2(AT_FDCWD, path, AT_FDCWD, beside, RENAME_WHITEOUT | RENAME_EXCHANGE);
}

static const struct way rename_ways[] = {
	{"rename away", rename_away, .beside = BESIDE_NOTHING},
	{"rename over a file", rename_over_file, .beside = BESIDE_FILE},
	{"rename over a directory", rename_over_dir, .beside = BESIDE_DIR},
	{"rename a file to", rename_file_to, .beside = BESIDE_FILE},
	{"rename a directory to", rename_dir_to, .beside = BESIDE_DIR},
	{"rename a file to, no replace", rename_noreplace, .beside = BESIDE_FILE},
	{"exchange with a file", rename_exchange, .beside = BESIDE_FILE},
	{"exchange with a directory", rename_exchange_dir, .beside = BESIDE_DIR},
	{"rename away, whiteout", rename_whiteout, .beside = BESIDE_NOTHING},
	{"rename over a file, whiteout", rename_whiteout_over, .beside = BESIDE_FILE},
	{"whiteout and exchange", rename_whiteout_exchange, .beside = BESIDE_FILE},
};

FAMILY(rename, rename_ways);

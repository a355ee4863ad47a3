/* SPDX-License-Identifier: MIT */
#include "lifetime.h"

#include "region.h"
#include "watch.h"

#define LONG_SECONDS 86400.0
#define SHORT_SECONDS 1.0

static double of(double given, bool heard, double unheard)
{
	if (fs.options.cache == CACHE_NONE)
		return 0;
	if (given >= 0)
		return given;
	return heard ? LONG_SECONDS : unheard;
}

/* Entries can be taken back one by one, but after an overflow of the queue
 * only by epochs, which older kernels do not have. */
static bool entries_heard(const struct inode *dir)
{
	return fs.epochs && !dir->is_virtual && watch_marked(dir);
}

double lifetime_entry(const struct inode *dir)
{
	return of(fs.options.entry_timeout, entries_heard(dir), SHORT_SECONDS);
}

double lifetime_negative(const struct inode *dir)
{
	return of(fs.options.negative_timeout, entries_heard(dir), 0);
}

double lifetime_attr_usual(void)
{
	return of(fs.options.attr_timeout, watch_marked(fs.root), SHORT_SECONDS);
}

/* Set-id bits go when somebody writes, and then it is the daemon that takes
 * them, behind the kernel's back and without an event that is foreign. And
 * under the write-back cache a write asks nothing of the daemon but these
 * attributes: while they last, a program writes on to a daemon that is dead. */
double lifetime_attr(struct inode *inode, const struct stat *st)
{
	bool heard;

	if (S_ISDIR(inode->type))
		heard = watch_marked(inode);
	else
		heard = atomic_load(&inode->heard) && !(st->st_mode & (S_ISUID | S_ISGID)) &&
			!region_is_written(inode);
	return of(fs.options.attr_timeout, heard && !inode->is_virtual, SHORT_SECONDS);
}

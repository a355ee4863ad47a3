/* SPDX-License-Identifier: MIT */
/* What the kernel has to unlearn when something was changed in BACKING. */
#include "watch.h"

#include <stdlib.h>

#include "invalidate.h"
#include "log.h"
#include "ops.h"
#include "passthrough.h"
#include "region.h"
#include "resync.h"
#include "stats.h"

/*
 * A regular file under the write-back cache, where the kernel keeps size and
 * mtime. If nobody has it open, its next lookup makes a new node of it (see
 * superseded() in inode.c), so the entry goes. Else, and where another entry
 * may lead to it, the kernel is made to take it anew.
 */
static void refresh(const struct watch_change *c)
{
	struct inode *inode = c->inode;
	bool differs, only_name;
	struct stat st;

	if (inode_stat(inode, &st)) { /* gone, or about to be */
		invalidate_attributes(inode);
		return;
	}
	differs = inode_differs(inode, &st);
	if (!differs && !(c->what & WATCH_DATA)) {
		invalidate_attributes(inode);
		return;
	}
	only_name = c->dir && st.st_nlink == 1;
	if (only_name && !region_is_open(inode)) {
		if (differs)
			inode_set_outdated(inode);
		invalidate_data(inode);
		invalidate_entry(c->dir, c->name);
		if (!region_is_open(inode))
			return;
	}
	if (resync(inode))
		inode_set_outdated(inode);
}

/* Attributes alone may have changed: the listing costs little to read again. */
static void drop_listing(struct inode *inode)
{
	dir_listing_is_old(inode);
	invalidate_data(inode);
}

void watch_apply_change(const struct watch_change *c)
{
	if (c->what & WATCH_ATTR)
		capability_forget(c->inode);
	if (fs.writeback && S_ISREG(c->inode->type))
		refresh(c);
	else if ((c->what & WATCH_DATA) && S_ISREG(c->inode->type) && !passthrough_has(c->inode))
		invalidate_data(c->inode);
	else if (S_ISDIR(c->inode->type))
		drop_listing(c->inode);
	else
		invalidate_attributes(c->inode);
}

/* Any file may have changed, and moved out of what is heard of. */
static void forget_all(struct inode *inode, void *arg)
{
	struct stat st;

	(void)arg;
	atomic_store(&inode->heard, false);
	capability_forget(inode);
	if (!S_ISREG(inode->type)) {
		/* A symlink's target is in its pages. */
		dir_listing_is_old(inode);
		invalidate_data(inode);
	} else if (fs.writeback && region_is_open(inode)) {
		if (resync(inode))
			inode_set_outdated(inode);
	} else {
		/* Its entry is gone: the next lookup compares. */
		if (fs.writeback && !inode_stat(inode, &st) && inode_differs(inode, &st))
			inode_set_outdated(inode);
		invalidate_data(inode);
	}
}

void watch_apply_overflow(void)
{
	stats_count(WATCH_OVERFLOWS);
	log_warning(
		"others change %s faster than can be followed: everything cached of it is dropped",
		fs.backing);
	invalidate_all_entries();
	inodes_each(forget_all, NULL);
}

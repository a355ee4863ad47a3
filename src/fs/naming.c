/* SPDX-License-Identifier: MIT */
#include "naming.h"

#include <stdlib.h>

#include "commit.h"
#include "stats.h"

void naming_begin(struct naming *n, struct inode *dir, struct inode *to)
{
	*n = (struct naming){.dir = dir, .to = to};
	/* A file system mounted beneath BACKING has no record: its syncs are real. */
	if (!fs.journal_names || !dir->commit || (to && !to->commit))
		return;
	n->on = journal_name_begin(fs.journal) == 0;
	n->untold = !n->on;
}

int naming_child(struct naming *n, int dirfd, const char *name)
{
	int rc;

	if (!n->on)
		return 0;
	rc = identify(dirfd, name, &n->id, &n->st);
	n->untold = rc != 0;
	return rc;
}

static void child_of(struct naming *n, struct journal_name *what, struct inode *child)
{
	what->child = (struct journal_node){
		.ino = n->id.ino,
		.btime_sec = n->id.btime_sec,
		.btime_nsec = n->id.btime_nsec,
		.handle = child && identity_equal(&child->id, &n->id) ? child->handle : NULL,
	};
	what->mode = n->st.st_mode;
	what->uid = n->st.st_uid;
	what->gid = n->st.st_gid;
	what->rdev = n->st.st_rdev;
}

static int tell(struct naming *n, struct journal_name *what, struct inode *child)
{
	char *dir_path, *to_path = NULL;
	int rc;

	child_of(n, what, child);
	commit_node(n->dir, &what->parent, &dir_path);
	if (n->to)
		commit_node(n->to, &what->new_parent, &to_path);
	rc = journal_name_end(fs.journal, what, NULL);
	free(dir_path);
	free(to_path);
	if (!rc)
		stats_count(JOURNAL_NAMES);
	return rc;
}

void naming_end(struct naming *n, struct journal_name *what, struct inode *child, int rc)
{
	bool told = false;

	if (n->on && !rc && !n->untold)
		told = tell(n, what, child) == 0;
	else if (n->on)
		(void)journal_name_end(fs.journal, NULL, NULL);
	n->on = false;
	if (told || rc || !fs.journal)
		return;
	commit_by_sync(n->dir);
	if (n->to)
		commit_by_sync(n->to);
	if (child)
		commit_by_sync(child);
	/* If it fails the journal is broken, and syncs are real from then on. */
	if (n->untold)
		(void)journal_checkpoint(fs.journal);
}

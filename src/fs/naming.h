/* SPDX-License-Identifier: MIT */
/*
 * Operations on names, as records of the journal.
 *
 * Where the journal has them (fs.journal_names) they are made one at a time,
 * between naming_begin() and naming_end(), under the journal's names lock: the
 * records have the order in which BACKING saw the operations. The lock comes
 * before all others of the daemon, and is held over the operation's own
 * system calls on BACKING, which wait for no request.
 *
 * An operation that cannot be told makes the journal empty itself by a
 * checkpoint: what is in BACKING durably needs no record.
 */
#ifndef MMAPFS_NAMING_H
#define MMAPFS_NAMING_H

#include "inode.h"
#include "journal.h"

struct naming {
	bool on;           /* the lock is held */
	bool untold;       /* there should be a record, and will not be */
	struct inode *dir; /* borrowed */
	struct inode *to;  /* rename: where to; or NULL */
	struct identity id; /* of the child, before the operation or after it */
	struct stat st;
};

/* dir, and of a rename the new parent as well: those whose names change. */
void naming_begin(struct naming *n, struct inode *dir, struct inode *to);

/* What dirfd's entry name is, for the record. 0 or negative errno, 0 also without
 * a journal. */
int naming_child(struct naming *n, int dirfd, const char *name);

/*
 * The operation has ended with rc. what has op, names, target and flags;
 * the rest is filled in. child: the inode if it is known, for its handle.
 */
void naming_end(struct naming *n, struct journal_name *what, struct inode *child, int rc);

#endif

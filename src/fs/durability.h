/* SPDX-License-Identifier: MIT */
/*
 * What makes data durable, above the store's files: the kernel's write-back
 * cache over the mount, names in BACKING's directories, BACKING as a whole.
 *
 * Functions that touch MNT say so. They must not run on a thread that
 * serves requests.
 */
#ifndef MMAPFS_DURABILITY_H
#define MMAPFS_DURABILITY_H

#include "inode.h"

/* Starts the syncer where the sync mode asks for one. */
int durability_start(struct mms_error *err);
void durability_stop(void);

/*
 * A name in dir was created, renamed or removed, or inode's attributes
 * changed: does what the sync mode owes. 0 or negative errno of a sync that
 * was due before the reply. inode may be NULL.
 */
int names_changed(struct inode *dir, struct inode *inode);

/* "a/b/c" of inode beneath BACKING, allocated, "" for BACKING itself; NULL: too long
 * or unknown. Of inodes that are found by handle no name is known. */
char *path_beneath(struct inode *inode);

/* Brings what programs wrote, and the kernel holds, to the daemon. Touches MNT. */
void kernel_flush(void);

/* Whether a request of this process id comes from kernel_flush(). */
bool kernel_flush_is(pid_t pid);

/* The same for one inode whose lock a program may hold in the kernel
 * (lseek); drops its cached pages. Sends a notification. */
void kernel_flush_inode(struct inode *inode);

/* Opens inode by way of MNT: a descriptor that the caller closes at once, since
 * it keeps the mount busy, or negative errno. Touches MNT. */
int open_on_mount(struct inode *inode, int flags);

/* Closes it, which writes the file's dirty pages back. An error is one that the
 * kernel would have given to the program's own close; it is kept for that. */
void close_on_mount(struct inode *inode, int fd);

/* Everything durable: kernel_flush() if kernel, directories, files. Returns
 * the first error. Touches MNT if kernel. */
int sync_everything(bool kernel, uint64_t *ret_files);

/* A background sync has made the file durable: what its records in the journal need. */
int durability_pass_synced(struct inode *inode);

/* A descriptor of MNT's root kept for kernel_flush() when the name MNT will
 * not lead there any more; -1 ends that. */
void kernel_flush_use(int mount_fd);

#endif

/* SPDX-License-Identifier: MIT */
#include "durability.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commit.h"
#include "journal.h"
#include "leases.h"
#include "log.h"
#include "own.h"
#include "passthrough.h"
#include "push.h"
#include "region.h"
#include "stats.h"

/* Above so many, one syncfs(2) on BACKING costs less than a sync of each. */
#define MANY_DIRECTORIES 64u
#define MANY_FILES 64u

static struct dirs {
	pthread_mutex_t lock;
	struct inode *list[MANY_DIRECTORIES]; /* counted refs; changed since the last pass */
	unsigned n;
} dirs = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic(int) kept_mount_fd = -1;

static pthread_mutex_t flush_lock = PTHREAD_MUTEX_INITIALIZER; /* one kernel_flush() at a time */
static _Atomic(pid_t) flush_thread; /* 0: none is under way */

static int fsync_inode(struct inode *inode)
{
	bool dir = S_ISDIR(inode->type);
	int fd, rc;

	if (!dir && !S_ISREG(inode->type))
		return 0; /* no descriptor to be had; the directory's sync covers it */
	fd = inode_open(inode, O_RDONLY | O_NONBLOCK | O_NOCTTY | (dir ? O_DIRECTORY : 0));
	/* A file that its owner cannot read is synced with its directory. */
	if (fd < 0)
		return fd == -EACCES || fd == -EPERM ? 0 : fd;
	rc = commit_fd(inode, fd, false);
	close(fd);
	if (rc)
		stats_count(SYNC_FAILURES);
	else
		stats_count(SYNC_DIRECTORIES);
	return rc;
}

static void mark_directory(struct inode *dir)
{
	bool room;

	if (atomic_exchange(&dir->dir_dirty, true))
		return;
	inode_get(dir);
	pthread_mutex_lock(&dirs.lock);
	room = dirs.n < MANY_DIRECTORIES;
	if (room)
		dirs.list[dirs.n++] = dir;
	pthread_mutex_unlock(&dirs.lock);
	if (!room) {
		atomic_store(&dir->dir_dirty, false);
		inode_put(dir);
		regions_need_full_sync();
	}
}

int names_changed(struct inode *dir, struct inode *inode)
{
	int rc = 0;

	switch (fs.options.sync) {
	case MMS_SYNC_IMMEDIATE:
		if (inode)
			rc = fsync_inode(inode);
		if (!rc && dir)
			rc = fsync_inode(dir);
		break;
	case MMS_SYNC_PERIODIC:
		if (dir)
			mark_directory(dir);
		break;
	case MMS_SYNC_LAZY:
	case MMS_SYNC_NEVER:
		break;
	}
	return rc;
}

static int sync_directories(void)
{
	struct inode *list[MANY_DIRECTORIES];
	unsigned n;
	int rc = 0;

	pthread_mutex_lock(&dirs.lock);
	n = dirs.n;
	memcpy(list, dirs.list, n * sizeof(*list));
	dirs.n = 0;
	pthread_mutex_unlock(&dirs.lock);
	for (unsigned i = 0; i < n; i++) {
		int one;

		/* Before the sync: a change during it marks the directory again. */
		atomic_store(&list[i]->dir_dirty, false);
		one = fsync_inode(list[i]);
		if (one && one != -ESTALE && one != -ENOENT) /* removed meanwhile: nothing to keep */
			rc = rc ? rc : one;
		inode_put(list[i]);
	}
	return rc;
}

static int full_sync(void)
{
	if (syncfs(fs.root_fd)) {
		int rc = -errno;

		stats_count(SYNC_FAILURES);
		log_error("syncfs of %s: %s", fs.backing, strerror(-rc));
		regions_need_full_sync();
		return rc;
	}
	stats_count(SYNC_FULL);
	return 0;
}

/* ------------------------------------------------- the kernel's own cache */

static int open_mount(void)
{
	int fd = atomic_load(&kept_mount_fd);
	struct stat st;

	if (fd >= 0)
		return fcntl(fd, F_DUPFD_CLOEXEC, 0);
	fd = open(fs.mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	/* Something else may be mounted there by now. */
	if (fstat(fd, &st) || (uint64_t)st.st_dev != atomic_load(&fs.mount_dev)) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * The kernel's FUSE client takes a handle of node number and generation for
 * any inode that it has in memory (linux fs/fuse/inode.c, fuse_fh_to_dentry).
 */
#define FUSE_HANDLE_TYPE 0x81
#define FUSE_HANDLE_WORDS 3u

static int open_by_node(int mount_fd, struct inode *inode, int flags)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + FUSE_HANDLE_WORDS * 4];
	} u;
	uint64_t node = inode_number(inode);
	uint32_t words[FUSE_HANDLE_WORDS] = {(uint32_t)(node >> 32), (uint32_t)node,
					     (uint32_t)inode->generation};

	u.h.handle_bytes = sizeof(words);
	u.h.handle_type = FUSE_HANDLE_TYPE;
	memcpy(u.h.f_handle, words, sizeof(words));
	return open_by_handle_at(mount_fd, &u.h, flags | O_CLOEXEC);
}

char *path_beneath(struct inode *inode)
{
	char *path = malloc(PATH_MAX);
	size_t at = PATH_MAX - 1;

	if (!path)
		return NULL;
	path[at] = '\0';
	inode_get(inode);
	while (inode != fs.root) {
		struct inode *parent;
		char *name = inode_name_get(inode, &parent);
		size_t len = name ? strlen(name) : 0;

		inode_put(inode);
		if (!name || len + 1 > at) {
			if (name)
				inode_put(parent);
			free(name);
			free(path);
			return NULL;
		}
		at -= len;
		memcpy(path + at, name, len);
		path[--at] = '/';
		free(name);
		inode = parent;
	}
	inode_put(inode);
	at += path[at] == '/';
	memmove(path, path + at, PATH_MAX - at);
	return path;
}

static int open_by_path(int mount_fd, struct inode *inode, int flags)
{
	char *path = path_beneath(inode);
	struct stat st;
	int fd;

	if (!path)
		return -1;
	fd = openat(mount_fd, path, flags | O_NOFOLLOW | O_CLOEXEC);
	free(path);
	if (fd >= 0 && (fstat(fd, &st) ||
			st.st_ino != identity_number(inode->id.dev, inode->id.ino))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_beneath(int mount_fd, struct inode *inode, int flags)
{
	return fs.privileged ? open_by_node(mount_fd, inode, flags) :
			       open_by_path(mount_fd, inode, flags);
}

int open_on_mount(struct inode *inode, int flags)
{
	int mount_fd = open_mount(), fd;

	if (mount_fd < 0)
		return -ENOTCONN;
	fd = open_beneath(mount_fd, inode, flags);
	close(mount_fd);
	return fd < 0 ? -ESTALE : fd;
}

void close_on_mount(struct inode *inode, int fd)
{
	int error;

	if (!close(fd))
		return;
	error = errno;
	pthread_mutex_lock(&inode->lock);
	if (inode->region)
		atomic_store(&inode->region->close_error, error);
	pthread_mutex_unlock(&inode->lock);
}

/*
 * close(2) on a FUSE file writes its dirty pages back and waits until the
 * daemon has answered: syncfs(2) on the mount does not wait on kernels since
 * 2026, and sync_file_range(2) not on kernels before 6.16.
 */
struct flush {
	int mount_fd;
	struct leases leases;
};

static void flush_one(struct inode *inode, void *arg)
{
	const struct flush *f = arg;
	int fd = -1;

	/* An open would break a lease for writing, though nobody else comes. */
	if (!leases_has(&f->leases, inode))
		fd = open_beneath(f->mount_fd, inode, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		/* Also where no name leads there (unlinked while open): the
		 * notification writes back just as well, and costs the cached pages. */
		kernel_flush_inode(inode);
		return;
	}
	close_on_mount(inode, fd);
}

void kernel_flush(void)
{
	struct flush f;

	/* close(2) flushed the files that nobody has open for writing any more.
	 * A descriptor on MNT makes umount(8) say EBUSY; while somebody writes
	 * it would say so anyway. */
	if (fs.options.cache == CACHE_NONE || fs.passthrough || !regions_have_writers() || !own_begin())
		return;
	/* Held while requests to ourselves are answered by the workers, which
	 * never take it. */
	pthread_mutex_lock(&flush_lock);
	atomic_store(&flush_thread, gettid());
	f.mount_fd = open_mount();
	if (f.mount_fd >= 0) { /* else unmounted: the kernel has flushed */
		leases_read(&f.leases);
		regions_each_writable(flush_one, &f);
		stats_count(SYNC_KERNEL_FLUSHES);
		leases_free(&f.leases);
		close(f.mount_fd);
	}
	atomic_store(&flush_thread, 0);
	pthread_mutex_unlock(&flush_lock);
	own_end();
}

bool kernel_flush_is(pid_t pid)
{
	return pid && pid == atomic_load(&flush_thread);
}

void kernel_flush_inode(struct inode *inode)
{
	if (!own_begin())
		return;
	fuse_lowlevel_notify_inval_inode(fs.session, inode_number(inode), 0, 0);
	own_end();
	push_forget(inode);
}

void kernel_flush_use(int mount_fd)
{
	int old = atomic_exchange(&kept_mount_fd, mount_fd);

	if (old >= 0)
		close(old);
}

/* --------------------------------------------------------------- passes */

/*
 * A pass makes durable what is newer than the journal's records: those must be
 * gone, or a replay would bring back what they have. Where the journal cannot
 * be emptied, each file's are made void by itself.
 */
static _Atomic(uint64_t) pass_mark; /* 0: the journal was emptied */

static void checkpoint_before_pass(void)
{
	uint64_t mark = commit_mark();

	if (fs.journal)
		atomic_store(&pass_mark, journal_checkpoint(fs.journal) ? mark : 0);
}

int durability_pass_synced(struct inode *inode)
{
	uint64_t mark = atomic_load(&pass_mark);

	return mark ? commit_synced(inode, mark) : 0;
}

static void before_pass(void *arg)
{
	struct mms_stats s;

	(void)arg;
	kernel_flush();
	checkpoint_before_pass();
	mms_pool_stats(fs.pool, &s);
	if (regions_take_full_sync() || passthrough_writes() || s.dirty_files > MANY_FILES)
		full_sync();
	sync_directories();
}

static void after_pass(void *arg, uint64_t files, int result)
{
	(void)arg;
	stats_count(SYNC_PASSES);
	if (files || result)
		log_debug("flushed %llu files: %s", (unsigned long long)files,
			  result ? strerror(-result) : "all durable");
}

int sync_everything(bool kernel, uint64_t *ret_files)
{
	int rc, one;

	if (kernel)
		kernel_flush();
	regions_take_full_sync();
	/* Everything that any program wrote, whoever keeps it: BACKING as a whole. */
	rc = full_sync();
	one = sync_directories();
	rc = rc ? rc : one;
	one = mms_pool_sync(fs.pool, ret_files);
	rc = rc ? rc : one;
	/* Its records are older than what has just been made durable. */
	one = fs.journal ? journal_checkpoint(fs.journal) : 0;
	return rc ? rc : one;
}

int durability_start(struct mms_error *err)
{
	struct mms_syncer_options options = {
		.interval_ms = (unsigned)(fs.options.sync_interval * 1000),
		.before = before_pass,
		.after = after_pass,
	};

	if (fs.options.sync != MMS_SYNC_PERIODIC || fs.options.read_only)
		return 0;
	return mms_syncer_start(fs.pool, &options, &fs.syncer, err);
}

void durability_stop(void)
{
	mms_syncer_stop(fs.syncer);
	fs.syncer = NULL;
	for (unsigned i = 0; i < dirs.n; i++)
		inode_put(dirs.list[i]);
	dirs.n = 0;
}

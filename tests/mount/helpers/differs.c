/* SPDX-License-Identifier: MIT */
/*
 *	differs MNT BACKING MODE [root]
 *
 * What mmapfs(8) says is not as on ext4 is as it says. MNT and BACKING are one
 * directory; MODE is the cache mode. Prints "ok WHAT", or "NOT OK WHAT" and
 * ends with 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

static const char *mnt, *backing, *mode;
static bool is_root;
static int failures;

static void verdict(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void verdict(bool good, const char *format, ...)
{
	int err = errno;
	va_list args;

	printf("%s", good ? "ok      " : "NOT OK  ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(good ? "\n" : " (errno %s)\n", errno_name(err));
	failures += !good;
}

/* rc must be -1, for this reason. */
static void refused(long rc, int error, const char *what)
{
	verdict(rc == -1 && errno == error, "%s: %s", what, errno_name(error));
}

static char *in(const char *dir, const char *name)
{
	static char paths[4][PATH_MAX];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", dir, name);
	return path;
}

static int file(const char *dir, const char *name, int flags)
{
	int fd = open(in(dir, name), flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die("%s/%s", dir, name);
	return fd;
}

static void make(const char *name)
{
	static char data[20000];
	int fd = file(mnt, name, O_RDWR | O_CREAT | O_TRUNC);

	memset(data, 'd', sizeof(data));
	if (write(fd, data, sizeof(data)) != sizeof(data) || close(fd) < 0)
		die("%s", name);
}

static void nameless(void)
{
	for (int i = 0; i < 2; i++)
		refused(open(mnt, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), EOPNOTSUPP,
			i ? "O_TMPFILE, again" : "O_TMPFILE");
	refused(open(mnt, O_TMPFILE | O_WRONLY | O_EXCL | O_CLOEXEC, 0600), EOPNOTSUPP,
		"O_TMPFILE with O_EXCL");
}

static void ioctls(void)
{
	int fd, other, flags = 0;

	make("f");
	make("g");
	fd = file(mnt, "f", O_RDWR);
	other = file(mnt, "g", O_RDWR);
	refused(ioctl(fd, FS_IOC_GETFLAGS, &flags), ENOTTY, "reading inode flags");
	refused(ioctl(fd, FS_IOC_SETFLAGS, &flags), ENOTTY, "setting inode flags");
	refused(ioctl(fd, FICLONE, other), EOPNOTSUPP, "FICLONE");
	refused(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), EOPNOTSUPP, "COLLAPSE_RANGE");
	refused(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096), EOPNOTSUPP, "INSERT_RANGE");
	close(other);
	close(fd);
}

static void direct(void)
{
	char buf[100];
	int fd;

	make("f");
	fd = file(mnt, "f", O_RDWR | O_DIRECT);
	verdict(pread(fd, buf + 1, 50, 333) == 50, "O_DIRECT: an odd read is taken");
	verdict(pwrite(fd, "xyz", 3, 777) == 3, "O_DIRECT: and an odd write");
	close(fd);
	fd = file(backing, "f", O_RDONLY);
	verdict(pread(fd, buf, 3, 777) == 3 && !memcmp(buf, "xyz", 3), "O_DIRECT: which is there");
	close(fd);
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* The size that it has already. */
static void truncation(void)
{
	struct stat before, after;
	bool kept;

	make("f");
	if (stat(in(mnt, "f"), &before) < 0)
		die("stat");
	usleep(20000);
	if (truncate(in(mnt, "f"), before.st_size) < 0 || stat(in(mnt, "f"), &after) < 0)
		die("truncate");
	kept = same_time(before.st_mtim, after.st_mtim);
	verdict(kept == !strcmp(mode, "back"), "truncate(2) to the same size: mtime %s",
		kept ? "stays" : "moves");
}

static volatile sig_atomic_t breaks;

static void on_break(int sig)
{
	(void)sig;
	breaks++;
}

/* Nothing of what is done in BACKING is told. */
static void strangers(void)
{
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), fd, other;
	struct pollfd p = {.fd = watch, .events = POLLIN};

	make("f");
	signal(SIGIO, on_break);
	fd = file(mnt, "f", O_RDONLY);
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0 || inotify_add_watch(watch, mnt, IN_CREATE) < 0)
		die("lease or watch");
	other = file(backing, "f", O_RDWR | O_NONBLOCK);
	verdict(breaks == 0 && fcntl(fd, F_GETLEASE) == F_RDLCK,
		"a lease is not broken by an open in BACKING");
	verdict(flock(fd, LOCK_EX) == 0 && flock(other, LOCK_EX | LOCK_NB) == 0,
		"locks are not seen in BACKING");
	close(other);
	fcntl(fd, F_SETLEASE, F_UNLCK);
	close(fd);
	close(file(backing, "by-another", O_RDWR | O_CREAT));
	verdict(poll(&p, 1, 300) == 0, "inotify(7) does not tell of a name made in BACKING");
	close(file(mnt, "own", O_RDWR | O_CREAT));
	verdict(poll(&p, 1, 3000) == 1, "but of one made on the mount");
	close(watch);
}

static void set_flags(const char *name, int flags)
{
	int fd = file(backing, name, O_RDONLY);

	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) < 0)
		die("inode flags");
	close(fd);
}

static void flagged(void)
{
	void *map;
	int fd;

	make("f");
	set_flags("f", FS_IMMUTABLE_FL);
	verdict(access(in(mnt, "f"), W_OK) == 0, "access(2) does not know of immutable");
	refused(open(in(mnt, "f"), O_RDWR | O_CLOEXEC), EPERM, "but open does");
	set_flags("f", FS_APPEND_FL);
	fd = file(mnt, "f", O_RDWR | O_APPEND);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	refused(map == MAP_FAILED ? -1 : 0, ENODEV, "MAP_SHARED of an append-only file");
	close(fd);
	set_flags("f", 0);
}

static void set_id(void)
{
	struct stat st;

	make("f");
	if (chmod(in(mnt, "f"), 04755) < 0 || chown(in(mnt, "f"), (uid_t)-1, (gid_t)-1) < 0 ||
	    stat(in(mnt, "f"), &st) < 0)
		die("chown");
	verdict((st.st_mode & 07777) == 04755, "chown(2) to neither leaves set-ID bits");
}

/* Once the kernel has forgotten the file. */
static void handle(void)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = {.h.handle_bytes = MAX_HANDLE_SZ};
	int dir = open(mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC), id, drop, fd;

	make("f");
	if (name_to_handle_at(AT_FDCWD, in(mnt, "f"), &u.h, &id, 0) < 0)
		die("name_to_handle_at");
	for (int i = 0; i < 50; i++) { /* write-back may hold it for a moment */
		drop = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
		if (drop < 0 || write(drop, "3", 1) != 1)
			die("drop_caches");
		close(drop);
		fd = open_by_handle_at(dir, &u.h, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			break;
		close(fd);
		usleep(100000);
	}
	refused(fd, ESTALE, "a file handle that the kernel has forgotten");
	close(dir);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		die("usage: differs MNT BACKING MODE [root]");
	mnt = argv[1];
	backing = argv[2];
	mode = argv[3];
	is_root = argc > 4;
	nameless();
	ioctls();
	direct();
	truncation();
	strangers();
	if (is_root) {
		flagged();
		set_id();
		handle();
	}
	return failures > 0;
}

/* SPDX-License-Identifier: MIT */
/* What the mount says against what BACKING says: numbers, times, space,
 * append-only files. */
#include "surface.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util.h"

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* With the write-back cache the kernel has a ctime of its own for what it does
 * itself (link), a moment before BACKING's. */
static bool near_time(struct timespec a, struct timespec b)
{
	double d = (double)(a.tv_sec - b.tv_sec) + (double)(a.tv_nsec - b.tv_nsec) / 1e9;

	return d > -0.5 && d < 0.5;
}

/* Attributes by the mount are BACKING's. */
static void same_attributes(const char *path)
{
	struct stat here, there;

	must(lstat(path, &here));
	must(lstat(beneath(path), &there));
	printf("  %s: ino %d mode %d links %d owner %d rdev %d size %d blocks %d blksize %d mtime "
	       "%d "
	       "ctime %d\n",
	       path, here.st_ino == there.st_ino, here.st_mode == there.st_mode,
	       here.st_nlink == there.st_nlink,
	       here.st_uid == there.st_uid && here.st_gid == there.st_gid,
	       here.st_rdev == there.st_rdev, here.st_size == there.st_size,
	       here.st_blocks == there.st_blocks, here.st_blksize == there.st_blksize,
	       same_time(here.st_mtim, there.st_mtim), near_time(here.st_ctim, there.st_ctim));
}

static void numbers(void)
{
	static const char *const names[] = {"file", "dir", "sym", "fifo", "hard", "dev", "."};
	struct dirent *e;
	struct stat st;
	int wrong = 0;
	DIR *d;

	put_file("file", 10000, 1);
	must(mkdir("dir", 0755));
	must(symlink("file", "sym"));
	must(mkfifo("fifo", 0644));
	must(link("file", "hard"));
	if (is_root_run())
		must(mknod("dev", S_IFCHR | 0600, makedev(1, 3)));
	usleep(1100000); /* attributes may be a second old */
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_root_run() || strcmp(names[i], "dev") != 0)
			same_attributes(names[i]);
	d = opendir(".");
	while ((e = readdir(d)))
		if (strcmp(e->d_name, "..") != 0)
			wrong += fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
				 st.st_ino != e->d_ino;
	closedir(d);
	say(wrong, "inode numbers of readdir that are not stat's");
}

static void statistics(void)
{
	struct statvfs here, there;

	must(statvfs(".", &here));
	must(statvfs(beneath("."), &there));
	say(here.f_blocks == there.f_blocks && here.f_frsize == there.f_frsize &&
		    here.f_bsize == there.f_bsize && here.f_files == there.f_files &&
		    here.f_namemax == there.f_namemax,
	    "statvfs is BACKING's");
}

/* What is written is older than what is set, and stays so when it is flushed. */
static void times_kept(void)
{
	const struct timespec set[] = {{1500000000, 1}, {1600000000, 999999999}};
	struct stat first, then;
	int fd = open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	must(pwrite(fd, "data", 4, 0));
	must(fstat(fd, &first));
	usleep(20000);
	say(fsync(fd), "fsync");
	must(fstat(fd, &then));
	say(same_time(first.st_mtim, then.st_mtim), "fsync leaves mtime");
	must(stat(beneath("f"), &then));
	say(same_time(first.st_mtim, then.st_mtim), "it is BACKING's");
	must(pwrite(fd, "more", 4, 4));
	must(futimens(fd, set));
	say(fsync(fd), "fsync");
	usleep(20000);
	close(fd);
	must(stat("f", &then));
	say(same_time(set[1], then.st_mtim), "a set mtime stays");
	must(stat(beneath("f"), &then));
	say(same_time(set[1], then.st_mtim), "in BACKING too");
	say(same_time(set[0], then.st_atim), "and atime");
}

/* relatime: the first read after a write moves atime. Not cached: made beneath. */
static void access_times(void)
{
	const struct timespec old[] = {{1000000000, 5}, {1000000001, 5}};
	struct stat st;
	char buf[10];
	int fd;

	put_file(beneath("f"), 100000, 1);
	must(utimensat(AT_FDCWD, beneath("f"), old, 0));
	fd = open("f", O_RDONLY | O_CLOEXEC);
	say(pread(fd, buf, sizeof(buf), 0), "read");
	close(fd);
	must(stat(beneath("f"), &st));
	say(st.st_atim.tv_sec > old[0].tv_sec, "atime in BACKING moved");
	must(stat("f", &st));
	say(st.st_atim.tv_sec > old[0].tv_sec, "atime moved");
	must(utimensat(AT_FDCWD, beneath("f"), old, 0));
	fd = open("f", O_RDONLY | O_NOATIME | O_CLOEXEC);
	close(fd);
	must(stat(beneath("f"), &st));
	say(same_time(old[0], st.st_atim), "opening alone leaves it");
}

static void append_only(void)
{
	char buf[100] = "";
	int fd, reader;

	put_file("log", 10, 1);
	reader = open("log", O_RDONLY | O_CLOEXEC);
	say(pread(reader, buf, sizeof(buf), 0), "read");
	must(set_flags_beneath("log", FS_APPEND_FL));
	say(open("log", O_WRONLY | O_CLOEXEC), "open for writing");
	say(open("log", O_WRONLY | O_APPEND | O_TRUNC | O_CLOEXEC), "open for truncation");
	say(truncate("log", 0), "truncate");
	say(unlink("log"), "unlink");
	fd = open("log", O_RDWR | O_APPEND | O_CLOEXEC);
	say(write(fd, "appended", 8), "append");
	say(pwrite(fd, "again", 5, 0), "append by pwrite");
	say(pread(fd, buf, sizeof(buf), 0), "read back");
	say(pread(reader, buf, sizeof(buf), 0), "read by another");
	printf("  %.13s\n", buf + 10);
	say(ftruncate(fd, 1), "ftruncate");
	say(fsync(fd), "fsync");
	close(fd);
	fd = open("log", O_WRONLY | O_APPEND | O_CLOEXEC);
	say(write(fd, "third", 5), "append, O_WRONLY");
	close(fd);
	close(reader);
	must(set_flags_beneath("log", FS_IMMUTABLE_FL));
	say(open("log", O_WRONLY | O_APPEND | O_CLOEXEC), "append to an immutable one");
	must(set_flags_beneath("log", 0));
	show_data("log");
	show_data(beneath("log"));
}

const struct posix_case beneath_cases[] = {
	{.name = "numbers", .run = numbers},
	{.name = "statistics", .run = statistics},
	{.name = "times-kept", .run = times_kept},
	{.name = "access-times", .run = access_times},
	{.name = "append-only", .run = append_only, .root = true},
	{0},
};

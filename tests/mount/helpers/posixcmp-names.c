/* SPDX-License-Identifier: MIT */
/* Names: making, linking, renaming, removing. */
#include "posixcmp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The sorted names of a directory, with the types that readdir gives. */
static void list(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char *names[64];
	size_t n = 0;

	if (!dir) {
		say(-1, "opendir %s", path);
		return;
	}
	while ((entry = readdir(dir)) != NULL && n < 64) {
		char *line;

		if (asprintf(&line, "%s(%d)", entry->d_name, entry->d_type) > 0)
			names[n++] = line;
	}
	closedir(dir);
	qsort(names, n, sizeof(names[0]), compare);
	printf("  %s:", path);
	for (size_t i = 0; i < n; i++) {
		printf(" %s", names[i]);
		free(names[i]);
	}
	putchar('\n');
}

static void directories(void)
{
	say(mkdir("d", 0777), "mkdir");
	say(mkdir("d", 0777), "mkdir again");
	say(mkdir("d/e", 0700), "mkdir below");
	show("d");
	show("d/e");
	say(mkdir("none/e", 0700), "mkdir below nothing");
	say(mkdir("d/sticky", 01777), "mkdir sticky");
	say(chmod("d/sticky", 01777), "chmod sticky");
	show("d/sticky");
	umask(077);
	say(mkdir("d/masked", 0777), "mkdir under umask 077");
	show("d/masked");
	umask(022);
	say(rmdir("d"), "rmdir of a full one");
	say(unlink("d/e"), "unlink of a directory");
	say(rmdir("d/e"), "rmdir");
	show("d");
	put_file("d/f", 1, 1);
	say(rmdir("d/f"), "rmdir of a file");
	say(mkdir("d/f/g", 0755), "mkdir below a file");
	say(rmdir("."), "rmdir of dot");
	list("d");
	say(open("d", O_WRONLY), "open a directory for writing");
	say(open("d/f", O_RDONLY | O_DIRECTORY), "open a file as a directory");
}

static void nodes(void)
{
	say(mknod("fifo", S_IFIFO | 0640, 0), "mknod fifo");
	say(mknod("sock", S_IFSOCK | 0600, 0), "mknod socket");
	say(mknod("reg", S_IFREG | 0604, 0), "mknod file");
	say(mknod("reg", S_IFREG | 0604, 0), "mknod again");
	show("fifo");
	show("sock");
	show("reg");
	say(open("fifo", O_WRONLY | O_NONBLOCK), "open a fifo without a reader");
	list(".");
	if (geteuid() != 0)
		return;
	say(mknod("null", S_IFCHR | 0666, makedev(1, 3)), "mknod device");
	show("null");
}

static void links(void)
{
	char target[PATH_MAX + 16], back[PATH_MAX + 16];

	put_file("f", 100, 1);
	say(link("f", "g"), "link");
	say(link("f", "g"), "link again");
	show("f");
	say(chmod("g", 0600), "chmod of one name");
	show("f");
	say(mkdir("d", 0755), "mkdir");
	say(link("d", "e"), "link to a directory");
	say(link("f", "d/h"), "link into a directory");
	say(unlink("f"), "unlink one name");
	show("g");
	show_data("d/h");
	say(symlink("d/h", "s"), "symlink");
	say(symlink("d/h", "s"), "symlink again");
	show("s");
	show_data("s");
	say(link("s", "t"), "link to a symlink");
	show("t");
	say(readlink("s", back, sizeof(back)), "readlink");
	say(readlink("s", back, 2), "readlink into 2 bytes");
	say(readlink("g", back, sizeof(back)), "readlink of a file");
	memset(target, 'x', sizeof(target));
	for (int len = 4094; len <= 4097; len++) {
		target[len] = '\0';
		say(symlink(target, "long"), "symlink of %d bytes", len);
		say(readlink("long", back, sizeof(back)), "its length");
		unlink("long");
		target[len] = 'x';
	}
	say(symlink("", "empty"), "symlink to nothing");
	say(symlink("loop", "loop"), "symlink loop");
	say(open("loop", O_RDONLY), "open a loop");
	say(open("s", O_RDONLY | O_NOFOLLOW), "open O_NOFOLLOW");
	say(symlink("../../../../etc/nothing-here", "out"), "symlink out");
	say(open("out", O_RDONLY), "open a dangling one");
	list(".");
}

static void renames(void)
{
	put_file("a", 10, 1);
	put_file("b", 20, 2);
	mkdir("d", 0755);
	mkdir("e", 0755);
	put_file("e/f", 30, 3);
	say(rename("a", "c"), "rename");
	say(rename("c", "b"), "rename over");
	show("b");
	show_data("b");
	say(rename("none", "b"), "rename of nothing");
	say(rename("b", "d"), "rename a file over a directory");
	say(rename("d", "b"), "rename a directory over a file");
	say(rename("d", "e"), "rename over a full directory");
	say(rename("e", "d"), "rename over an empty directory");
	show_data("d/f");
	say(rename("d", "d/below"), "rename below itself");
	say(rename("b", "b"), "rename to itself");
	say(link("b", "b2"), "link");
	say(rename("b", "b2"), "rename to another link of it");
	show("b");
	say(renameat2(AT_FDCWD, "b", AT_FDCWD, "b2", RENAME_NOREPLACE), "NOREPLACE taken");
	say(renameat2(AT_FDCWD, "b", AT_FDCWD, "b3", RENAME_NOREPLACE), "NOREPLACE free");
	say(renameat2(AT_FDCWD, "b3", AT_FDCWD, "d", RENAME_EXCHANGE), "EXCHANGE");
	show("b3");
	show("d");
	show_data("b3/f");
	show_data("d");
	say(renameat2(AT_FDCWD, "b3", AT_FDCWD, "no", RENAME_EXCHANGE), "EXCHANGE with nothing");
	say(renameat2(AT_FDCWD, "b3", AT_FDCWD, "d", RENAME_EXCHANGE | RENAME_NOREPLACE),
	    "EXCHANGE and NOREPLACE");
	list(".");
}

static void open_through_rename(void)
{
	int dir, file;

	mkdir("top", 0755);
	mkdir("top/sub", 0755);
	put_file("top/sub/f", 1000, 4);
	dir = open("top/sub", O_RDONLY | O_DIRECTORY);
	file = open("top/sub/f", O_RDWR);
	say(rename("top", "moved"), "rename of the parent's parent");
	say(write(file, "changed", 7), "write to the open file");
	say(openat(dir, "f", O_RDONLY) >= 0, "openat the open directory");
	say(mkdirat(dir, "new", 0755), "mkdirat there");
	say(unlinkat(dir, "none", 0), "unlinkat there");
	say(rename("moved/sub", "sub2"), "rename of the parent");
	say(symlinkat("x", dir, "sym"), "symlinkat there");
	say(linkat(dir, "f", AT_FDCWD, "hard", 0), "linkat from there");
	show("hard");
	show_data("sub2/f");
	list("sub2");
	say(faccessat(AT_FDCWD, "top/sub/f", F_OK, 0), "the old name");
	mkdir("top", 0755);
	mkdir("top/sub", 0755);
	put_file("top/sub/f", 5, 5);
	say(write(file, "again", 5), "write to the open file");
	show_data("sub2/f");
	show_data("top/sub/f");
	close(file);
	close(dir);
}

static void long_names(void)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	for (int len = 254; len <= 257; len++) {
		name[len] = '\0';
		say(touch(name, 0644), "create of %d bytes", len);
		say(access(name, F_OK), "it is there");
		say(rename(name, "short"), "rename");
		say(rename("short", name), "rename back");
		say(unlink(name), "unlink");
		name[len] = 'n';
	}
	put_file(" ", 1, 1);
	put_file("new\nline", 1, 1);
	put_file("\xff\xfe not UTF-8", 1, 1);
	put_file("...", 1, 1);
	put_file("-rf *", 1, 1);
	put_file("back\\slash", 1, 1);
	list(".");
}

static void exclusive(void)
{
	int fd = open("f", O_CREAT | O_EXCL | O_RDWR, 0400);

	say(fd >= 0, "O_EXCL");
	say(write(fd, "x", 1), "write through a handle that made a read-only file");
	say(open("f", O_CREAT | O_EXCL | O_RDWR, 0400), "O_EXCL again");
	close(fd);
	say(symlink("nowhere", "s"), "symlink");
	say(open("s", O_CREAT | O_EXCL | O_RDWR, 0400), "O_EXCL over a symlink");
	say(open("s", O_CREAT | O_RDWR, 0400) >= 0, "create through a symlink");
	show("nowhere");
	umask(0);
	say(touch("g", 04751), "create with all bits");
	show("g");
	umask(027);
	say(touch("h", 0666), "create under umask 027");
	show("h");
}

/* A name goes, which moves ctime; then the mount itself sets mtime: no reason to take the file for
 * another one under its next name. */
static void names_of_one(void)
{
	const struct timespec times[2] = {{1000000000, 1}, {1000000001, 2}};
	struct stat a, c;

	must(mknod("a", S_IFREG | 0644, 0));
	must(link("a", "b"));
	must(unlink("b"));
	say(utimensat(AT_FDCWD, "a", times, 0), "utimens");
	say(link("a", "c"), "another name");
	say(truncate("a", 5000), "truncate by the old one");
	must(stat("a", &a));
	must(stat("c", &c));
	show("c");
	say(a.st_size == c.st_size, "one size");
	say(a.st_mtim.tv_sec == c.st_mtim.tv_sec && a.st_mtim.tv_nsec == c.st_mtim.tv_nsec,
	    "one mtime");
}

/* Data that have reached BACKING before their times did, and then a truncation by name, an open by
 * another, or nothing, before the close: no reason either to take the file for another. */
static void names_after_writes(void)
{
	static char data[8192];
	struct stat a, b;
	int fd, other;

	for (int way = 0; way < 6; way++) {
		put_file("a", 20000, 1);
		fd = open("a", O_RDWR | O_CLOEXEC);
		must(pwrite(fd, data, sizeof(data), 30000));
		if (way % 2)
			must(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
		other = way / 2 == 1 ? open("a", O_RDONLY | O_CLOEXEC) : -1;
		if (way / 2 == 2)
			must(truncate("a", 5000));
		close(fd);
		close(other);
		fd = open("a", O_RDWR | O_CLOEXEC);
		close(fd);
		must(link("a", "b"));
		say(truncate("b", 3000), "%d: truncate by the new name", way);
		must(stat("a", &a));
		must(stat("b", &b));
		say((long)a.st_size, "size by the old");
		say((long)b.st_size, "size by the new");
		must(unlink("a"));
		must(unlink("b"));
	}
}

const struct posix_case names_cases[] = {
	{.name = "directories", .run = directories},
	{.name = "nodes", .run = nodes},
	{.name = "links", .run = links},
	{.name = "names_of_one", .run = names_of_one},
	{.name = "names-after-writes", .run = names_after_writes},
	{.name = "renames", .run = renames},
	{.name = "open-through-rename", .run = open_through_rename},
	{.name = "long-names", .run = long_names},
	{.name = "exclusive", .run = exclusive},
	{0},
};

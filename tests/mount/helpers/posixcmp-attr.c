/* SPDX-License-Identifier: MIT */
/* Attributes: modes, owners, times, xattrs, ACLs. */
#include "posixcmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

static void modes(void)
{
	int fd;

	put_file("f", 10, 1);
	say(chmod("f", 04751), "chmod");
	show("f");
	say(chmod("f", 0), "chmod 0");
	show("f");
	fd = open("f", O_RDONLY);
	say(fd >= 0 || errno == EACCES, "open then");
	close(fd);
	say(chmod("f", 0644), "chmod back");
	fd = open("f", O_RDWR);
	say(fchmod(fd, 0600), "fchmod");
	show("f");
	say(fchown(fd, (uid_t)-1, getegid()), "fchown to the own group");
	close(fd);
	say(symlink("f", "s"), "symlink");
	say(chmod("s", 0640), "chmod through a symlink");
	show("s");
	show("f");
	say(lchown("s", geteuid(), getegid()), "lchown");
	say(chmod("none", 0644), "chmod of nothing");
	if (geteuid() != 0)
		return;
	say(chown("f", USER_A, GROUP_X), "chown");
	show("f");
	say(lchown("s", USER_B, (gid_t)-1), "lchown");
	show("s");
	say(chown("s", (uid_t)-1, 5), "chown through a symlink");
	show("f");
}

static void show_times(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		die("stat %s", path);
	printf("  %s: a %lld.%09ld m %lld.%09ld\n", path, (long long)st.st_atim.tv_sec,
	       st.st_atim.tv_nsec, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void times(void)
{
	struct timespec both[] = {{1000000000, 123456789}, {1100000000, 987654321}};
	struct timespec omit[] = {{0, UTIME_OMIT}, {1200000000, 1}};
	struct timespec early[] = {{-100, 5}, {1, 999999999}};
	struct timespec late[] = {{0, UTIME_OMIT}, {0x100000000 + 7, 42}};
	struct timespec bad[] = {{0, 1000000000}, {0, 0}};
	int fd;

	put_file("f", 10, 1);
	mkdir("d", 0755);
	must(symlink("f", "s"));
	say(utimensat(AT_FDCWD, "f", both, 0), "both");
	show_times("f");
	say(utimensat(AT_FDCWD, "f", omit, 0), "mtime alone");
	show_times("f");
	say(utimensat(AT_FDCWD, "f", early, 0), "before 1970");
	show_times("f");
	say(utimensat(AT_FDCWD, "f", late, 0), "after 2106");
	show_times("f");
	say(utimensat(AT_FDCWD, "f", bad, 0), "too many ns");
	say(utimensat(AT_FDCWD, "d", both, 0), "of a directory");
	show_times("d");
	say(utimensat(AT_FDCWD, "s", both, AT_SYMLINK_NOFOLLOW), "of a symlink");
	show_times("s");
	fd = open("f", O_RDWR);
	say(pwrite(fd, "x", 1, 0), "write");
	say(futimens(fd, both), "futimens after a write");
	show_times("f");
	close(fd);
	show_times("f");
}

/* ">" where the time moved on, "=" where it stayed, since before. */
static void moved(const char *path, struct stat *before, const char *what)
{
	struct stat now;

	if (lstat(path, &now) < 0)
		die("stat %s", path);
	printf("  %s: m %c c %c\n", what,
	       now.st_mtim.tv_sec != before->st_mtim.tv_sec ||
			       now.st_mtim.tv_nsec != before->st_mtim.tv_nsec
		       ? '>'
		       : '=',
	       now.st_ctim.tv_sec != before->st_ctim.tv_sec ||
			       now.st_ctim.tv_nsec != before->st_ctim.tv_nsec
		       ? '>'
		       : '=');
	*before = now;
	usleep(20000);
}

static void stamps(void)
{
	struct stat dir, file;
	char byte;
	int fd;

	lstat(".", &dir);
	usleep(20000);
	put_file("f", 5000, 1);
	lstat("f", &file);
	moved(".", &dir, "directory by create");
	fd = open("f", O_RDWR);
	must(pwrite(fd, "x", 1, 0));
	moved("f", &file, "write");
	must(pread(fd, &byte, 1, 0));
	moved("f", &file, "read");
	fchmod(fd, 0640);
	moved("f", &file, "chmod");
	must(ftruncate(fd, 100));
	moved("f", &file, "truncate");
	must(link("f", "g"));
	moved("f", &file, "link");
	moved(".", &dir, "directory by link");
	rename("g", "h");
	moved(".", &dir, "directory by rename");
	unlink("h");
	moved("f", &file, "unlink of a link");
	moved(".", &dir, "directory by unlink");
	fsetxattr(fd, "user.x", "y", 1, 0);
	moved("f", &file, "setxattr");
	close(fd);
	moved(".", &dir, "directory by nothing");
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* security.* is what the machine's modules add, or not. */
static void show_xattrs(const char *path)
{
	char list[4096], *names[64];
	ssize_t len = llistxattr(path, list, sizeof(list));
	size_t n = 0;

	for (char *name = list; name < list + len && n < 64; name += strlen(name) + 1)
		if (strncmp(name, "security.", 9) != 0)
			names[n++] = name;
	qsort(names, n, sizeof(names[0]), by_name);
	printf("  %s has:", path);
	for (size_t i = 0; i < n; i++) {
		char value[4096];
		ssize_t size = lgetxattr(path, names[i], value, sizeof(value));
		unsigned sum = 0;

		for (ssize_t k = 0; k < size; k++)
			sum = sum * 31 + (unsigned char)value[k];
		printf(" %s(%zd, %x)", names[i], size, sum);
	}
	printf(" %s\n", len < 0 ? errno_name(errno) : "");
}

static void xattrs(void)
{
	char big[70000] = "", name[300] = "user.";

	put_file("f", 10, 1);
	mkdir("d", 0755);
	must(symlink("f", "s"));
	mkfifo("p", 0644);
	say(setxattr("f", "user.one", "value", 5, 0), "set");
	say(setxattr("f", "user.two", "", 0, 0), "set to nothing");
	say(setxattr("f", "user.one", "other", 5, XATTR_CREATE), "create a present one");
	say(setxattr("f", "user.none", "other", 5, XATTR_REPLACE), "replace an absent one");
	say(setxattr("f", "user.one", "longer value", 12, XATTR_REPLACE), "replace");
	show_xattrs("f");
	say(getxattr("f", "user.one", NULL, 0), "size");
	say(getxattr("f", "user.one", big, 11), "get into 11 bytes");
	say(getxattr("f", "user.one", big, 12), "get into 12 bytes");
	say(getxattr("f", "user.none", big, 12), "get an absent one");
	say(listxattr("f", big, 3), "list into 3 bytes");
	say(setxattr("f", "user.1000", big, 1000, 0), "set 1000 bytes");
	say(setxattr("f", "user.65537", big, 65537, 0), "set 65537 bytes");
	memset(name + 5, 'n', 250);
	say(setxattr("f", name, "v", 1, 0), "name of 255 bytes");
	say(getxattr("f", name, big, 10), "get it");
	name[255] = 'n';
	say(setxattr("f", name, "v", 1, 0), "name of 256 bytes");
	say(setxattr("f", "user.", "v", 1, 0), "name without a name");
	say(setxattr("f", "nowhere.x", "v", 1, 0), "unknown namespace");
	say(setxattr("f", "x", "v", 1, 0), "no namespace");
	say(removexattr("f", "user.two"), "remove");
	say(removexattr("f", "user.two"), "remove an absent one");
	show_xattrs("f");
	say(setxattr("d", "user.dir", "v", 1, 0), "on a directory");
	show_xattrs("d");
	say(lsetxattr("s", "user.sym", "v", 1, 0), "on a symlink");
	say(lsetxattr("p", "user.fifo", "v", 1, 0), "on a fifo");
	say(setxattr("s", "user.through", "v", 1, 0), "through a symlink");
	show_xattrs("f");
	say(setxattr("f", "trusted.x", "v", 1, 0), "trusted");
	say(lsetxattr("s", "trusted.x", "v", 1, 0), "trusted on a symlink");
	show_xattrs("f");
	show_xattrs("s");
}

/* The ACL u::rwx u:USER_A:PERM g::r-x m::MASK o::--- as the kernel stores it. */
static size_t acl_make(uint8_t *buf, uint8_t perm, uint8_t mask)
{
	const struct {
		uint8_t tag, perm;
		uint32_t id;
	} entries[] = {
		{0x01, 7, ~0u},    {0x02, perm, USER_A}, {0x04, 5, ~0u},
		{0x10, mask, ~0u}, {0x20, 0, ~0u},
	};
	size_t at = 4;

	memcpy(buf, "\x02\0\0\0", 4);
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++, at += 8) {
		const uint8_t entry[8] = {entries[i].tag,
					  0,
					  entries[i].perm,
					  0,
					  (uint8_t)entries[i].id,
					  (uint8_t)(entries[i].id >> 8),
					  (uint8_t)(entries[i].id >> 16),
					  (uint8_t)(entries[i].id >> 24)};

		memcpy(buf + at, entry, 8);
	}
	return at;
}

static void read_it(void)
{
	int fd = open("f", O_RDONLY);

	say(fd < 0 ? -1 : 0, "user reads f");
	say(access("f", R_OK), "user asks for f");
	say(access("f", W_OK), "user asks to write f");
}

static void acls(void)
{
	uint8_t acl[64];
	size_t len = acl_make(acl, 4, 5);

	put_file("f", 10, 1);
	say(setxattr("f", "system.posix_acl_access", acl, len, 0), "set an ACL");
	show("f");
	show_xattrs("f");
	say(chmod("f", 0710), "chmod sets the mask");
	show_xattrs("f");
	say(chmod("f", 0740), "chmod sets the mask");
	show_xattrs("f");
	if (geteuid() == 0)
		as_user(USER_A, USER_A, (gid_t)-1, read_it);
	mkdir("d", 0755);
	len = acl_make(acl, 7, 7);
	say(setxattr("d", "system.posix_acl_default", acl, len, 0), "set a default ACL");
	show("d");
	umask(077);
	say(touch("d/f", 0666), "create under it");
	say(mkdir("d/e", 0777), "mkdir under it");
	say(mknod("d/p", S_IFIFO | 0666, 0), "mknod under it");
	say(symlink("x", "d/s"), "symlink under it");
	umask(022);
	show("d/f");
	show_xattrs("d/f");
	show("d/e");
	show_xattrs("d/e");
	show("d/p");
	show_xattrs("d/p");
	show("d/s");
	say(setxattr("f", "system.posix_acl_default", acl, len, 0), "default ACL on a file");
	acl[0] = 9;
	say(setxattr("f", "system.posix_acl_access", acl, len, 0), "ACL of unknown version");
	say(removexattr("f", "system.posix_acl_access"), "remove it");
	show("f");
	show_xattrs("f");
	say(removexattr("d", "system.posix_acl_default"), "remove the default");
	show_xattrs("d");
}

const struct posix_case attr_cases[] = {
	{.name = "modes", .run = modes},   {.name = "times", .run = times},
	{.name = "stamps", .run = stamps}, {.name = "xattrs", .run = xattrs},
	{.name = "acls", .run = acls},     {0},
};

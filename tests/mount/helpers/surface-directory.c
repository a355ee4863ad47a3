/* SPDX-License-Identifier: MIT */
/* What a directory decides about the names in it: sticky ones, default ACLs,
 * set-gid; and what a rename with a whiteout leaves there. */
#include "surface.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

/* ------------------------------------------------------------------ sticky directories */

static void make_own(void)
{
	const char *const who = geteuid() == USER_A ? "a" : geteuid() == USER_B ? "b" : "r";
	char path[64];

	snprintf(path, sizeof(path), "t/%s-file", who);
	put_file(path, 10, 1);
	must(chmod(path, 0666));
	snprintf(path, sizeof(path), "t/%s-dir", who);
	must(mkdir(path, 0777));
	must(chmod(path, 0777));
	snprintf(path, sizeof(path), "t/%s-fifo", who);
	must(mkfifo(path, 0666));
	must(chmod(path, 0666));
	snprintf(path, sizeof(path), "t/%s-sym", who);
	must(symlink("../outside", path));
}

static long open_close(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC, 0666);

	return fd < 0 ? -1 : close(fd);
}

/* As USER_A, on what USER_B and root have there. Some of it depends on
 * fs.protected_*, which is the same for both sides. */
static void meddle(void)
{
	say(open_close("t/b-file", O_RDWR), "open");
	say(open_close("t/b-file", O_RDWR | O_CREAT), "open O_CREAT");
	say(open_close("t/r-file", O_RDWR | O_CREAT | O_TRUNC), "root's, O_CREAT O_TRUNC");
	say(open_close("t/b-fifo", O_RDONLY | O_CREAT), "fifo, O_CREAT");
	say(open_close("t/b-fifo", O_RDONLY), "fifo");
	say(open_close("t/b-sym", O_RDONLY), "through a symlink");
	say(open_close("t/a-sym", O_RDONLY), "through the own");
	say(link("t/b-file", "t/linked"), "link");
	say(unlink("t/linked"), "unlink the link");
	say(unlink("t/b-file"), "unlink");
	say(unlink("t/b-sym"), "unlink a symlink");
	say(unlink("t/b-fifo"), "unlink a fifo");
	say(rmdir("t/b-dir"), "rmdir");
	say(rename("t/b-file", "t/x"), "rename");
	say(rename("t/b-dir", "t/x"), "rename a directory");
	say(rename("t/b-file", "open/x"), "rename to elsewhere");
	say(rename("t/a-file", "t/b-file"), "rename over");
	say(rename("t/a-dir", "t/b-dir"), "rename a directory over");
	say(renameat2(AT_FDCWD, "t/a-file", AT_FDCWD, "t/b-file", RENAME_EXCHANGE), "exchange");
	say(renameat2(AT_FDCWD, "t/b-file", AT_FDCWD, "open/y", RENAME_EXCHANGE),
	    "exchange with one elsewhere");
	say(renameat2(AT_FDCWD, "t/b-file", AT_FDCWD, "t/x", RENAME_WHITEOUT), "whiteout");
	say(rename("t/a-file", "t/own"), "rename the own");
	say(rename("t/a-dir", "open/dir"), "rename the own directory to elsewhere");
	say(rename("open/dir", "t/a-dir"), "and back");
	say(chmod("t", 0777), "chmod of the directory");
	say(utimensat(AT_FDCWD, "t/b-file", NULL, 0), "times of a writable one");
	say(truncate("t/b-file", 3), "truncate a writable one");
	say(unlink("t/own"), "unlink the own");
	say(unlink("t/a-fifo"), "unlink the own fifo");
	say(rmdir("t/a-dir"), "rmdir the own");
}

static void list_all(void)
{
	static const char *const names[] = {"t/a-file", "t/a-dir",  "t/a-fifo", "t/a-sym",
					    "t/b-file", "t/b-dir",  "t/b-fifo", "t/b-sym",
					    "t/r-file", "t/own",    "t/x",      "open/x",
					    "open/y",   "open/dir", "t/linked"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		show(names[i]);
}

static void sticky_in(uid_t owner, mode_t mode, mode_t flipped)
{
	printf("  directory of %u, %o\n", owner, mode);
	must(mkdir("t", 0777));
	must(mkdir("open", 0777));
	must(chmod("open", 0777));
	must(chmod("t", 01777));
	put_file("outside", 10, 2);
	put_file("open/y", 10, 3);
	must(chown("open/y", USER_A, USER_A));
	make_own();
	as_user(USER_A, USER_A, (gid_t)-1, make_own);
	as_user(USER_B, USER_B, (gid_t)-1, make_own);
	must(chown("t", owner, owner));
	must(chmod("t", mode));
	if (flipped) /* the kernel must not go by the mode that it knew */
		must(chmod("t", flipped));
	as_user(USER_A, USER_A, (gid_t)-1, meddle);
	list_all();
	must(enter(".."));
}

static void sticky_directories(void)
{
	const struct {
		uid_t owner;
		mode_t mode, then;
	} of[] = {{0, 01777, 0},      {USER_A, 01777, 0},    {USER_B, 01777, 0},
		  {0, 0777, 01777},   {0, 01777, 0777},      {0, 03777, 0},
		  {USER_B, 01755, 0}, {USER_B, 0777, 01777}};
	char name[16];

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		snprintf(name, sizeof(name), "%zu", i);
		must(mkdir(name, 0755));
		must(enter(name));
		sticky_in(of[i].owner, of[i].mode, of[i].then);
	}
}

/* ------------------------------------------------------------------------ default ACLs */

/* u::rwx u:USER_B:rw- g::r-x g:GROUP_X:rwx m::MASK o::r-- */
static void set_default(const char *path, char mask)
{
	char acl[] = "\2\0\0\0"
		     "\1\0\7\0\377\377\377\377"
		     "\2\0\6\0\240\133\0\0"
		     "\4\0\5\0\377\377\377\377"
		     "\10\0\7\0\7\207\0\0"
		     "\20\0\0\0\377\377\377\377"
		     "\40\0\4\0\377\377\377\377";

	acl[4 + 4 * 8 + 2] = mask;
	must(setxattr(path, "system.posix_acl_default", acl, sizeof(acl) - 1, 0));
}

static void show_acls(const char *path)
{
	static const char *const kinds[] = {"system.posix_acl_access", "system.posix_acl_default"};

	show(path);
	for (size_t i = 0; i < 2; i++) {
		unsigned char acl[512];
		ssize_t n = lgetxattr(path, kinds[i], acl, sizeof(acl));

		say(n, "%s", kinds[i] + 17);
		for (ssize_t at = 4; at + 8 <= n; at += 8)
			printf("  %x:%x:%x%x", acl[at], acl[at + 2], acl[at + 5], acl[at + 4]);
		putchar('\n');
	}
}

static long make_socket(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long rc;

	strcpy(to.sun_path, path);
	rc = bind(fd, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	return rc;
}

static mode_t mask_of_maker;

static void make_kinds(void)
{
	umask(mask_of_maker);
	say(touch("d/file", 0666), "create");
	say(touch("d/private", 0600), "create 0600");
	say(touch("d/set", 06777), "create 06777");
	say(mknod("d/node", S_IFREG | 02675, 0), "mknod");
	say(mkfifo("d/fifo", 0666), "mkfifo");
	say(make_socket("d/sock"), "bind");
	say(symlink("file", "d/sym"), "symlink");
	say(mkdir("d/dir", 0777), "mkdir");
	say(mkdir("d/dir/dir", 01750), "mkdir below it");
	say(touch("d/dir/dir/file", 0664), "create there");
}

static void show_kinds(void)
{
	static const char *const made[] = {"d/file",  "d/private", "d/set",     "d/node",
					   "d/fifo",  "d/sock",    "d/sym",     "d/dir",
					   "d/dir/dir", "d/dir/dir/file"};

	for (size_t i = sizeof(made) / sizeof(made[0]); i-- > 0;) {
		show_acls(made[i]);
		if (unlink(made[i]) < 0)
			rmdir(made[i]);
	}
}

static void default_acls(void)
{
	static const mode_t directories[] = {0777, 02777, 03777};
	static const char masks[] = {7, 5, 0};

	for (size_t i = 0; i < 9; i++) {
		must(mkdir("d", 0755));
		must(chown("d", USER_B, GROUP_X));
		must(chmod("d", directories[i / 3]));
		set_default("d", masks[i % 3]);
		for (int who = 0; who < 3; who++) {
			mask_of_maker = who == 1 ? 0 : 077;
			printf("  directory %o, mask %o, maker %d\n", directories[i / 3],
			       masks[i % 3], who);
			if (who == 2)
				in_child(make_kinds);
			else
				as_user(USER_A, USER_A, who ? GROUP_X : (gid_t)-1, make_kinds);
			show_kinds();
		}
		must(rmdir("d"));
	}
}

/* --------------------------------------------------------------------------- whiteouts */

static void leave_whiteouts(void)
{
	say(renameat2(AT_FDCWD, "w/f", AT_FDCWD, "w/g", RENAME_WHITEOUT), "of a file");
	say(renameat2(AT_FDCWD, "w/d", AT_FDCWD, "w/e", RENAME_WHITEOUT), "of a directory");
	say(renameat2(AT_FDCWD, "w/s", AT_FDCWD, "w/old", RENAME_WHITEOUT), "over a file");
	say(renameat2(AT_FDCWD, "w/g", AT_FDCWD, "w/e", RENAME_WHITEOUT), "over a directory");
	say(renameat2(AT_FDCWD, "w/g", AT_FDCWD, "w/old", RENAME_WHITEOUT | RENAME_NOREPLACE),
	    "over a file, no replace");
	say(renameat2(AT_FDCWD, "w/g", AT_FDCWD, "out", RENAME_WHITEOUT), "to elsewhere");
	say(open_close("w/f", O_RDONLY), "open one");
	say(open_close("w/f", O_RDWR | O_CREAT), "create over one");
	say(open_close("w/f", O_RDWR | O_CREAT | O_EXCL), "exclusively");
	say(mkdir("w/d", 0755), "mkdir over one");
	say(unlink("w/s"), "unlink one");
}

static void whiteouts(void)
{
	static const char *const names[] = {"w/f", "w/d", "w/s", "w/old", "w/g", "w/e", "out"};
	static const uid_t users[] = {0, USER_A};

	for (size_t u = 0; u < 2; u++) {
		must(mkdir("w", 0777));
		must(chown("w", users[u], users[u]));
		must(chown(".", users[u], users[u]));
		put_file("w/f", 10, 1);
		put_file("w/old", 20, 2);
		must(mkdir("w/d", 0755));
		must(symlink("f", "w/s"));
		for (size_t i = 0; i < 4; i++)
			must(lchown(names[i], users[u], users[u]));
		as_user(users[u], users[u], (gid_t)-1, leave_whiteouts);
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			struct stat st;

			show(names[i]);
			if (lstat(beneath(names[i]), &st) == 0)
				printf("  in BACKING: %o %lx %u\n", st.st_mode,
				       (unsigned long)st.st_rdev, st.st_uid);
			if (unlink(names[i]) < 0)
				rmdir(names[i]);
		}
		must(rmdir("w"));
	}
}

const struct posix_case directory_cases[] = {
	{.name = "sticky-directories", .run = sticky_directories, .root = true},
	{.name = "default-acls", .run = default_acls, .root = true},
	{.name = "whiteouts", .run = whiteouts, .root = true},
	{0},
};

/* SPDX-License-Identifier: MIT */
/* What other users may do, and whose the files are that they make. */
#include "posixcmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

static void make_some(void)
{
	say(touch("pub/file", 0666), "create");
	say(mkdir("pub/dir", 0777), "mkdir");
	say(symlink("x", "pub/sym"), "symlink");
	say(mkfifo("pub/fifo", 0666), "mkfifo");
	say(mknod("pub/dev", S_IFCHR | 0666, 0x103), "mknod of a device");
	say(link("pub/file", "pub/hard"), "link");
	umask(077);
	say(touch("pub/masked", 0666), "create under umask 077");
}

static void show_some(void)
{
	show("pub/file");
	show("pub/dir");
	show("pub/sym");
	show("pub/fifo");
	show("pub/masked");
}

static void owners(void)
{
	mkdir("pub", 0777);
	chmod("pub", 0777);
	as_user(USER_A, GROUP_X, (gid_t)-1, make_some);
	show_some();
}

static void setgid_directory(void)
{
	mkdir("pub", 0777);
	must(chown("pub", 0, GROUP_X));
	chmod("pub", 02777);
	show("pub");
	as_user(USER_A, USER_A, (gid_t)-1, make_some);
	show_some();
	show("pub/hard");
	say(mkdir("pub/by-root", 0755), "mkdir by root");
	show("pub/by-root");
}

static void keep_setgid(void)
{
	say(touch("pub/g", 02775), "create with set-gid");
	show("pub/g");
	say(chmod("pub/g", 02775), "chmod set-gid");
	show("pub/g");
}

/* Only a member of the group keeps the bit: the daemon must know the caller's groups. */
static void supplementary_groups(void)
{
	mkdir("pub", 0777);
	must(chown("pub", 0, GROUP_X));
	chmod("pub", 02777);
	as_user(USER_A, USER_A, GROUP_X, keep_setgid);
	unlink("pub/g");
	as_user(USER_A, USER_A, (gid_t)-1, keep_setgid);
	unlink("pub/g");
	chmod("pub", 02770);
	as_user(USER_A, USER_A, GROUP_X, keep_setgid);
	unlink("pub/g");
	as_user(USER_A, USER_A, (gid_t)-1, keep_setgid);
}

static void try_all(void)
{
	say(open("private", O_RDONLY), "open of a private file");
	say(open("readable", O_RDONLY) < 0 ? -1 : 0, "open of a readable file");
	say(open("readable", O_RDWR), "open of it for writing");
	say(truncate("readable", 0), "truncate of it");
	say(access("readable", R_OK), "access r");
	say(access("readable", W_OK), "access w");
	say(access("readable", X_OK), "access x");
	say(access("exec", X_OK), "access x of a program");
	say(access("none", F_OK), "access of nothing");
	say(chmod("readable", 0666), "chmod");
	say(chown("readable", USER_A, (gid_t)-1), "chown");
	say(utimensat(AT_FDCWD, "readable", NULL, 0), "utimensat to now");
	say(utimensat(AT_FDCWD, "writable", NULL, 0), "utimensat to now, writable");
	say(utimensat(AT_FDCWD, "writable", (struct timespec[]){{1, 1}, {1, 1}}, 0),
	    "utimensat to 1970");
	say(open("new", O_CREAT | O_RDWR, 0644), "create in a directory of others");
	say(unlink("readable"), "unlink");
	say(rename("readable", "other"), "rename");
	say(mkdir("newdir", 0755), "mkdir");
	say(open("closed/f", O_RDONLY), "open below a closed directory");
	say(access("closed/f", F_OK), "access below it");
	say(open("unlisted/f", O_RDONLY) < 0 ? -1 : 0, "open below an unlisted directory");
	say(open("unlisted", O_RDONLY | O_DIRECTORY), "open an unlisted directory");
}

static void permissions(void)
{
	put_file("private", 10, 1);
	chmod("private", 0600);
	put_file("readable", 10, 1);
	put_file("writable", 10, 1);
	chmod("writable", 0666);
	put_file("exec", 10, 1);
	chmod("exec", 0755);
	mkdir("closed", 0755);
	put_file("closed/f", 10, 1);
	chmod("closed", 0700);
	mkdir("unlisted", 0755);
	put_file("unlisted/f", 10, 1);
	chmod("unlisted", 0711);
	as_user(USER_A, USER_A, (gid_t)-1, try_all);
	must(chown("private", 0, GROUP_X));
	chmod("private", 0640);
	as_user(USER_A, USER_A, GROUP_X, try_all);
}

static void take_others(void)
{
	say(unlink("tmp/other"), "unlink of another's file");
	say(rename("tmp/other", "tmp/mine"), "rename of it");
	say(rename("tmp/own", "tmp/other"), "rename over it");
	say(link("tmp/other", "tmp/linked"), "link to it");
	say(unlink("tmp/own"), "unlink of the own file");
}

static void make_own(void)
{
	put_file("tmp/own", 10, 1);
}

static void make_other(void)
{
	put_file("tmp/other", 10, 1);
}

static void sticky(void)
{
	mkdir("tmp", 0777);
	chmod("tmp", 01777);
	as_user(USER_A, USER_A, (gid_t)-1, make_own);
	as_user(USER_B, USER_B, (gid_t)-1, make_other);
	as_user(USER_A, USER_A, (gid_t)-1, take_others);
}

static void run_program(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execl("program", "program", (char *)NULL);
		_exit(errno == EACCES ? 126 : 127);
	}
	waitpid(pid, &status, 0);
	say(WEXITSTATUS(status), "the program's status");
}

static void programs(void)
{
	int fd = open("program", O_WRONLY | O_CREAT, 0755);

	say(write(fd, "#!/bin/sh\nexit 7\n", 17), "write a program");
	close(fd);
	run_program();
	as_user(USER_A, USER_A, (gid_t)-1, run_program);
	chmod("program", 0644);
	run_program();
	chmod("program", 0750);
	as_user(USER_A, USER_A, (gid_t)-1, run_program);
}

const struct posix_case user_cases[] = {
	{.name = "owners", .run = owners, .root = true},
	{.name = "setgid-directory", .run = setgid_directory, .root = true},
	{.name = "supplementary-groups", .run = supplementary_groups, .root = true},
	{.name = "permissions", .run = permissions, .root = true},
	{.name = "sticky", .run = sticky, .root = true},
	{.name = "programs", .run = programs, .root = true},
	{0},
};

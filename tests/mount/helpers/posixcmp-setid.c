/* SPDX-License-Identifier: MIT */
/* Set-id bits and file capabilities go when somebody without the right to keep
 * them changes the file. */
#include "posixcmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

static const char capability[20] = {0, 0, 0, 2, 0, 4}; /* version 2: cap_net_bind_service */

static void prepare(mode_t mode)
{
	put_file("f", 5000, 1);
	chmod("f", mode);
	if (setxattr("f", "security.capability", capability, sizeof(capability), 0) < 0)
		say(-1, "setting a capability");
	show("f");
}

static void result(void)
{
	char value[64];

	show("f");
	say(getxattr("f", "security.capability", value, sizeof(value)), "capability");
}

static void by_write(void)
{
	int fd = open("f", O_WRONLY);

	say(write(fd, "x", 1), "write");
	close(fd);
}

static void by_append(void)
{
	int fd = open("f", O_WRONLY | O_APPEND);

	say(write(fd, "x", 1), "append");
	close(fd);
}

static void by_o_trunc(void)
{
	int fd = open("f", O_WRONLY | O_TRUNC);

	say(fd < 0 ? -1 : 0, "open with O_TRUNC");
	close(fd);
}

static void by_truncate(void)
{
	say(truncate("f", 100), "truncate");
}

static void by_ftruncate(void)
{
	int fd = open("f", O_RDWR);

	say(ftruncate(fd, 10000), "ftruncate");
	close(fd);
}

static void by_fallocate(void)
{
	int fd = open("f", O_RDWR);

	say(fallocate(fd, 0, 0, 20000), "fallocate");
	close(fd);
}

static void by_copy(void)
{
	int in = open("source", O_RDONLY), fd = open("f", O_RDWR);

	say(copy_file_range(in, NULL, fd, NULL, 10, 0), "copy_file_range");
	close(fd);
	close(in);
}

/* The bits go by the first write; another that follows meets what was learned. */
static void by_two_writes(void)
{
	int fd = open("f", O_RDWR);

	say(pwrite(fd, "x", 1, 0), "write");
	say(pwrite(fd, "y", 1, 4999), "write");
	show("f");
	close(fd);
}

static void each_way(mode_t mode)
{
	static void (*const ways[])(void) = {by_write,     by_append,    by_o_trunc, by_truncate,
					     by_ftruncate, by_fallocate, by_copy,    by_two_writes};

	put_file("source", 100, 2);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		prepare(mode);
		as_user(USER_A, USER_A, (gid_t)-1, ways[i]);
		result();
	}
}

static void setid_by_others(void)
{
	each_way(06777);
	each_way(06766);
	each_way(02666);
}

static void setid_by_root(void)
{
	prepare(06777);
	by_write();
	result();
	prepare(06777);
	by_o_trunc();
	result();
	prepare(06755);
	say(chown("f", USER_A, USER_A), "chown by root");
	result();
}

static void change_group(void)
{
	say(chown("f", (uid_t)-1, GROUP_X), "chown to another own group");
}

static void own_write(void)
{
	chmod("f", 06777);
	by_write();
	show("f");
	chmod("f", 06777);
	by_o_trunc();
	show("f");
}

static void setid_by_owner(void)
{
	put_file("f", 5000, 1);
	must(chown("f", USER_A, USER_A));
	chmod("f", 06755);
	as_user(USER_A, USER_A, GROUP_X, change_group);
	show("f");
	as_user(USER_A, USER_A, GROUP_X, own_write);
}

/* The memory of "has no capability" must not outlive a new one. */
static void capability_set_later(void)
{
	char value[64];

	put_file("f", 100, 1);
	chmod("f", 0666);
	as_user(USER_A, USER_A, (gid_t)-1, by_write);
	say(setxattr("f", "security.capability", capability, sizeof(capability), 0), "setcap");
	say(getxattr("f", "security.capability", value, sizeof(value)), "capability");
	as_user(USER_A, USER_A, (gid_t)-1, by_write);
	say(getxattr("f", "security.capability", value, sizeof(value)), "capability");
}

const struct posix_case setid_cases[] = {
	{.name = "setid-by-others", .run = setid_by_others, .root = true},
	{.name = "setid-by-root", .run = setid_by_root, .root = true},
	{.name = "setid-by-owner", .run = setid_by_owner, .root = true},
	{.name = "capability-set-later", .run = capability_set_later, .root = true},
	{0},
};

/* SPDX-License-Identifier: MIT */
/* Set-id bits and security.capability after each way to change a file, by each
 * kind of user; ACLs and groups as the kernel enforces them. */
#include "surface.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

static const char capability[20] = {0, 0, 0, 2, 0, 4};

/* fd: open for reading and writing, or -1 where the way needs none. */
struct change {
	const char *name;
	long (*make)(int fd);
	int flags; /* of the open */
	bool mmap;
};

static long by_write(int fd)
{
	return write(fd, "x", 1);
}

static long by_pwrite(int fd)
{
	return pwrite(fd, "xy", 2, 4999);
}

static long by_pwritev(int fd)
{
	struct iovec iov[] = {{(char *)"ab", 2}, {(char *)"cd", 2}};

	return pwritev(fd, iov, 2, 100);
}

static long by_write_nothing(int fd)
{
	return write(fd, "", 0);
}

static long by_ftruncate(int fd)
{
	return ftruncate(fd, 10);
}

static long by_ftruncate_same(int fd)
{
	return ftruncate(fd, 5000);
}

static long by_truncate(int fd)
{
	(void)fd;
	return truncate("f", 6000);
}

static long by_nothing(int fd)
{
	return fd < 0 ? -1 : 0;
}

static long by_fallocate(int fd)
{
	return fallocate(fd, 0, 0, 20000);
}

static long by_keep_size(int fd)
{
	return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000);
}

static long by_punch(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}

static long by_zero(int fd)
{
	return fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096);
}

static long by_refused_fallocate(int fd)
{
	return fallocate(fd, 0, 0, 0);
}

static long by_copy(int fd)
{
	int in = open("source", O_RDONLY | O_CLOEXEC);
	long n = copy_file_range(in, NULL, fd, NULL, 10, 0);

	close(in);
	return n;
}

static long by_store(int fd)
{
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -1;
	map[5] = 'x';
	if (msync(map, 4096, MS_SYNC) < 0)
		return -1;
	return munmap(map, 4096);
}

static char *map_page(int fd)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* Written back by the close, or later. */
static long by_store_unsynced(int fd)
{
	char *map = map_page(fd);

	if (map == MAP_FAILED)
		return -1;
	map[5] = 'x';
	return munmap(map, 4096);
}

/* When no descriptor is left that it could be written back through. */
static long by_late_store(int fd)
{
	char *map = map_page(fd);

	close(fd);
	if (map == MAP_FAILED)
		return -1;
	map[5] = 'x';
	return munmap(map, 4096);
}

static long by_store_and_write(int fd)
{
	char *map = map_page(fd);

	if (map == MAP_FAILED)
		return -1;
	map[5] = 'x';
	if (pwrite(fd, "y", 1, 4500) != 1)
		return -1;
	return munmap(map, 4096);
}

/* The bits may come while the page is dirty: they were not there to go. */
static long by_store_before_chmod(int fd)
{
	char *map = map_page(fd);
	struct stat st;

	if (map == MAP_FAILED || fstat(fd, &st) < 0)
		return -1;
	map[5] = 'x';
	if (fchmod(fd, st.st_mode & 07777) < 0 && errno != EPERM)
		return -1;
	return munmap(map, 4096);
}

static long by_mapping(int fd)
{
	char *map = map_page(fd);

	return map == MAP_FAILED ? -1 : map[5] < 0 ? 0 : munmap(map, 4096);
}

static long by_chown_group(int fd)
{
	return fchown(fd, (uid_t)-1, USER_A);
}

static long by_chmod(int fd)
{
	return fchmod(fd, 06775);
}

static long by_times(int fd)
{
	return futimens(fd, NULL);
}

static long by_xattr(int fd)
{
	return fsetxattr(fd, "user.x", "y", 1, 0);
}

/* u::rwx u:USER_B:rw- g::rwx m::rwx o::rw- */
static long by_acl(int fd)
{
	static const char acl[] = "\2\0\0\0"
				  "\1\0\7\0\377\377\377\377"
				  "\2\0\6\0\240\133\0\0"
				  "\4\0\7\0\377\377\377\377"
				  "\20\0\7\0\377\377\377\377"
				  "\40\0\6\0\377\377\377\377";

	return fsetxattr(fd, "system.posix_acl_access", acl, sizeof(acl) - 1, 0);
}

static const struct change changes[] = {
	{"write", by_write, O_RDWR, .mmap = false},
	{"append", by_write, O_WRONLY | O_APPEND, .mmap = false},
	{"write, O_SYNC", by_write, O_WRONLY | O_SYNC, .mmap = false},
	{"pwrite", by_pwrite, O_WRONLY, .mmap = false},
	{"pwritev", by_pwritev, O_RDWR, .mmap = false},
	{"write of nothing", by_write_nothing, O_RDWR, .mmap = false},
	{"ftruncate", by_ftruncate, O_WRONLY, .mmap = false},
	{"ftruncate to the same size", by_ftruncate_same, O_RDWR, .mmap = false},
	{"truncate", by_truncate, O_RDONLY, .mmap = false},
	{"open for writing", by_nothing, O_RDWR, .mmap = false},
	{"open O_TRUNC", by_nothing, O_WRONLY | O_TRUNC, .mmap = false},
	{"open O_CREAT O_TRUNC", by_nothing, O_RDWR | O_CREAT | O_TRUNC, .mmap = false},
	{"fallocate", by_fallocate, O_RDWR, .mmap = false},
	{"fallocate, keep size", by_keep_size, O_RDWR, .mmap = false},
	{"punch", by_punch, O_RDWR, .mmap = false},
	{"zero range", by_zero, O_RDWR, .mmap = false},
	{"refused fallocate", by_refused_fallocate, O_RDWR, .mmap = false},
	{"copy_file_range", by_copy, O_RDWR, .mmap = false},
	{"shared store", by_store, O_RDWR, .mmap = true},
	{"shared store, not synced", by_store_unsynced, O_RDWR, .mmap = true},
	{"shared store after close", by_late_store, O_RDWR, .mmap = true},
	{"shared store and a write", by_store_and_write, O_RDWR, .mmap = true},
	{"shared store, then chmod", by_store_before_chmod, O_RDWR, .mmap = true},
	{"shared mapping, no store", by_mapping, O_RDWR, .mmap = true},
	{"chown to a group", by_chown_group, O_RDONLY, .mmap = false},
	{"chmod", by_chmod, O_RDONLY, .mmap = false},
	{"futimens", by_times, O_RDWR, .mmap = false},
	{"setxattr", by_xattr, O_RDWR, .mmap = false},
	{"access ACL", by_acl, O_RDWR, .mmap = false},
};

static const struct change *current;

static void change_it(void)
{
	int fd = open("f", current->flags | O_CLOEXEC, 0644);

	say(fd < 0 ? -1 : current->make(fd), "%s", current->name);
	close(fd);
}

/* Whatever is dirty is in BACKING then. */
static void settle(void)
{
	int fd = open("f", O_RDONLY | O_CLOEXEC);

	must(fd);
	must(fsync(fd));
	close(fd);
}

static void show_privileges(const char *path)
{
	struct stat st;

	must(lstat(path, &st));
	printf(" %04o", st.st_mode & 07777);
	say(getxattr(path, "security.capability", NULL, 0), " capability");
}

static void one_change(mode_t mode, bool capable, uid_t user, gid_t more)
{
	unlink("f");
	put_file("f", 5000, 1);
	must(chown("f", USER_A, GROUP_X));
	must(chmod("f", mode));
	if (capable)
		must(setxattr("f", "security.capability", capability, sizeof(capability), 0));
	if (user)
		as_user(user, user, more, change_it);
	else
		in_child(change_it);
	printf("  %04o%s by %u %d:", mode, capable ? " capable" : "", user, more == GROUP_X);
	show_privileges("f");
	if (current->mmap) {
		settle();
		printf("  settled:");
		show_privileges("f");
	}
	printf("  in BACKING:");
	show_privileges(beneath("f"));
}

static const mode_t modes[] = {06777, 06766, 02676, 02666, 04777};

static void all_changes(bool mmap)
{
	put_file("source", 100, 2);
	for (size_t c = 0; c < sizeof(changes) / sizeof(changes[0]); c++)
		for (size_t m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
			if (changes[c].mmap != mmap)
				continue;
			current = &changes[c];
			one_change(modes[m], true, 0, (gid_t)-1);
			one_change(modes[m], false, 0, (gid_t)-1);
			one_change(modes[m], true, USER_A, (gid_t)-1);
			one_change(modes[m], false, USER_A, GROUP_X);
			one_change(modes[m], false, USER_B, GROUP_X);
			one_change(modes[m], true, USER_B, (gid_t)-1);
		}
}

static void privileges(void)
{
	all_changes(false);
}

static void privileges_mapped(void)
{
	all_changes(true);
}

/* An ACL over id's: tag, permission, id. */
struct entry {
	uint8_t tag, perm;
	uint32_t id;
};

static void set_acl(const char *path, const char *name, const struct entry *entries, size_t n)
{
	uint8_t buf[4 + 8 * 8] = {2};

	for (size_t i = 0; i < n; i++) {
		uint8_t *at = buf + 4 + 8 * i;

		at[0] = entries[i].tag;
		at[2] = entries[i].perm;
		for (int k = 0; k < 4; k++)
			at[4 + k] = (uint8_t)(entries[i].id >> 8 * k);
	}
	must(setxattr(path, name, buf, 4 + 8 * n, 0));
}

static void probe(void)
{
	say(access("a", R_OK), "r");
	say(access("a", W_OK), "w");
	say(access("a", X_OK), "x");
	say(open("a", O_RDONLY) < 0 ? -1 : 0, "open r");
	say(open("a", O_WRONLY) < 0 ? -1 : 0, "open w");
	say(truncate("a", 5), "truncate");
	say(utimensat(AT_FDCWD, "a", NULL, 0), "touch");
	umask(027);
	say(touch("d/new", 0666), "create");
	say(mkdir("d/dir", 02777), "mkdir");
	umask(022);
	show("d/new");
	show("d/dir");
	say(getxattr("d/new", "system.posix_acl_access", NULL, 0), "its ACL");
	say(getxattr("d/dir", "system.posix_acl_default", NULL, 0), "its default ACL");
	say(unlink("d/new"), "unlink");
	say(rmdir("d/dir"), "rmdir");
}

/* Every class of entry by somebody whom it is for, under masks that cut. */
static void enforced(void)
{
	for (uint8_t mask = 0; mask < 8; mask++) {
		const struct entry acl[] = {{1, 4, ~0u},     {2, 6, USER_B},  {4, 1, ~0u},
					    {8, 5, GROUP_X}, {16, mask, ~0u}, {32, 2, ~0u}};
		const struct entry open_acl[] = {{1, 7, ~0u},     {2, 7, USER_B},  {4, 5, ~0u},
						 {8, 7, GROUP_X}, {16, mask, ~0u}, {32, 0, ~0u}};

		put_file("a", 10, 1);
		must(chown("a", USER_A, USER_A));
		must(mkdir("d", 0755));
		must(chown("d", USER_A, USER_A));
		set_acl("a", "system.posix_acl_access", acl, 6);
		set_acl("d", "system.posix_acl_access", open_acl, 6);
		set_acl("d", "system.posix_acl_default", open_acl, 6);
		printf("  mask %o\n", mask);
		as_user(USER_A, USER_A, (gid_t)-1, probe);
		as_user(USER_B, USER_B, (gid_t)-1, probe);
		as_user(USER_B + 1, USER_B + 1, GROUP_X, probe);
		as_user(USER_B + 1, USER_A, (gid_t)-1, probe);
		as_user(USER_B + 1, USER_B + 1, (gid_t)-1, probe);
		must(unlink("a"));
		unlink("d/new");
		rmdir("d/dir");
		must(rmdir("d"));
	}
}

const struct posix_case privilege_cases[] = {
	{.name = "privileges", .run = privileges, .root = true},
	{.name = "privileges-mapped", .run = privileges_mapped, .root = true, .mmap = true},
	{.name = "acl-enforced", .run = enforced, .root = true},
	{0},
};

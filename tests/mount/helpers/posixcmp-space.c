/* SPDX-License-Identifier: MIT */
/* Space: fallocate, holes, copy_file_range, statfs. */
#include "posixcmp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "util.h"

#define KEEP FALLOC_FL_KEEP_SIZE
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define ZERO FALLOC_FL_ZERO_RANGE

/* At least need bytes of blocks: how many more is the file system's affair. */
static void say_blocks(int fd, long long need)
{
	struct stat st;

	say(fstat(fd, &st) == 0 && st.st_blocks * 512 >= need, "room for %lld", need);
}

static void allocation(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	say(fallocate(fd, 0, 0, 100000), "allocate");
	say_blocks(fd, 100000);
	show_data("f");
	put_file("f", 50000, 1);
	say(fallocate(fd, KEEP, 40000, 200000), "allocate, keep size");
	say_blocks(fd, 200000);
	show_data("f");
	say(fallocate(fd, 0, 45000, 20000), "allocate across the end");
	show_data("f");
	say(fallocate(fd, PUNCH, 8192, 8192), "punch");
	say(fallocate(fd, PUNCH, 20001, 100), "punch within a page");
	say(fallocate(fd, PUNCH, 30000, 10000), "punch unaligned");
	say(fallocate(fd, PUNCH, 1000000, 10000), "punch past the end");
	show_data("f");
	say(pwrite(fd, "in the hole", 11, 9000), "write into the hole");
	show_data("f");
	say(fallocate(fd, ZERO, 100, 5000), "zero a range");
	say(fallocate(fd, ZERO | KEEP, 60000, 50000), "zero across the end, keep size");
	show_data("f");
	say(fallocate(fd, ZERO, 60000, 50000), "zero across the end");
	show_data("f");
	say(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096), "punch without keep size");
	say(fallocate(fd, 0, 0, 0), "allocate nothing");
	say(fallocate(fd, 0, -1, 10), "allocate at -1");
	say(posix_fallocate(fd, 200000, 10), "posix_fallocate");
	show("f");
	close(fd);
	fd = open("f", O_RDONLY);
	say(fallocate(fd, 0, 0, 10), "allocate on O_RDONLY");
	close(fd);
}

/* Where data and holes begin, from each page border on. */
static void extents(int fd, off_t step, off_t end)
{
	for (off_t at = 0; at <= end; at += step) {
		say(lseek(fd, at, SEEK_DATA), "data from %lld", (long long)at);
		say(lseek(fd, at, SEEK_HOLE), "hole from %lld", (long long)at);
	}
}

static void holes(void)
{
	char page[65536];
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	pattern_fill(page, 0, sizeof(page), 1);
	must(ftruncate(fd, 1 << 20));
	must(pwrite(fd, page, sizeof(page), 128 << 10));
	must(pwrite(fd, page, sizeof(page), 512 << 10));
	say(fsync(fd), "fsync");
	extents(fd, 64 << 10, 1 << 20);
	say(fallocate(fd, PUNCH, 144 << 10, 16 << 10), "punch");
	extents(fd, 16 << 10, 256 << 10);
	say(lseek(fd, 2 << 20, SEEK_DATA), "data past the end");
	say(lseek(fd, -1, SEEK_HOLE), "hole at -1");
	close(fd);
}

/* A copying program asks while the writer has the file open: data that is still
 * in the kernel must not be taken for a hole. */
static void unsynced_holes(void)
{
	char page[65536];
	int fd = open("f", O_RDWR | O_CREAT, 0644), other = open("f", O_RDONLY);
	off_t data;

	pattern_fill(page, 0, sizeof(page), 1);
	must(pwrite(fd, page, sizeof(page), 1 << 20));
	data = lseek(other, 0, SEEK_DATA);
	say(data >= 0 && data <= 1 << 20, "data is found");
	data = lseek(other, (1 << 20) + 4096, SEEK_DATA);
	say(data == (1 << 20) + 4096, "data is data");
	data = lseek(other, 1 << 20, SEEK_HOLE);
	say(data, "hole after it");
	close(other);
	close(fd);
}

static void copies(void)
{
	off_t in_at = 1000, out_at = 77;
	int in, out;

	put_file("in", 300000, 1);
	put_file("out", 5000, 2);
	in = open("in", O_RDONLY);
	out = open("out", O_RDWR);
	say(copy_file_range(in, &in_at, out, &out_at, 100000, 0), "copy");
	say(in_at, "offset in");
	say(out_at, "offset out");
	show_data("out");
	in_at = 290000;
	say(copy_file_range(in, &in_at, out, &out_at, 100000, 0), "copy up to the end");
	say(copy_file_range(in, &in_at, out, &out_at, 100000, 0), "copy at the end");
	show_data("out");
	say(copy_file_range(in, NULL, out, NULL, 4096, 0), "copy at the positions");
	say(lseek(in, 0, SEEK_CUR), "position in");
	show_data("out");
	must(pwrite(out, "fresh", 5, 200000));
	in_at = 200000;
	out_at = 0;
	say(copy_file_range(out, &in_at, out, &out_at, 5, 0), "copy what was just written");
	show_data("out");
	in_at = 0;
	out_at = 10;
	say(copy_file_range(out, &in_at, out, &out_at, 100, 0), "copy over itself");
	say(copy_file_range(out, NULL, in, NULL, 100, 0), "copy to O_RDONLY");
	close(in);
	close(out);
	out = open("app", O_WRONLY | O_APPEND | O_CREAT, 0644);
	in = open("in", O_RDONLY);
	say(copy_file_range(in, NULL, out, NULL, 100, 0), "copy to O_APPEND");
	close(in);
	close(out);
}

static void sizes(void)
{
	struct statvfs st;
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	say(statvfs(".", &st), "statvfs");
	say((long)st.f_namemax, "longest name");
	say((long)st.f_frsize, "fragment");
	say((long)st.f_bsize, "block");
	say((long)st.f_blocks, "blocks");
	say((long)st.f_files, "inodes");
	say(st.f_bavail > 0 && st.f_bavail <= st.f_bfree && st.f_bfree <= st.f_blocks, "some free");
	say(fstatvfs(fd, &st), "fstatvfs");
	say((long)st.f_blocks, "blocks");
	say(pathconf(".", _PC_NAME_MAX), "pathconf");
	close(fd);
}

static void sparse(void)
{
	struct stat st;
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	say(ftruncate(fd, 1ll << 40), "truncate to 1 TiB");
	say(pwrite(fd, "middle", 6, 1ll << 39), "write in the middle");
	say(fsync(fd), "fsync");
	fstat(fd, &st);
	say((long)st.st_size, "size");
	say(st.st_blocks < 1000, "few blocks");
	say(lseek(fd, 0, SEEK_DATA), "first data");
	say(ftruncate(fd, 4096), "shrink");
	show_data("f");
	close(fd);
}

const struct posix_case space_cases[] = {
	{.name = "allocation", .run = allocation},
	{.name = "holes", .run = holes},
	{.name = "unsynced-holes", .run = unsynced_holes},
	{.name = "copies", .run = copies},
	{.name = "sizes", .run = sizes},
	{.name = "sparse", .run = sparse},
	{0},
};

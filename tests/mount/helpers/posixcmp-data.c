/* SPDX-License-Identifier: MIT */
/* Data: open modes, appending, truncation, reading and writing, mappings, orphans. */
#include "posixcmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

#define APPENDERS 4
#define APPENDS 150
#define RECORD 61

static void open_modes(void)
{
	char buf[100] = "";
	int fd;

	put_file("f", 5000, 1);
	fd = open("f", O_RDONLY);
	say(write(fd, buf, 10), "write on O_RDONLY");
	say(ftruncate(fd, 0), "ftruncate on O_RDONLY");
	say(pread(fd, buf, 100, 4950), "read across the end");
	say(pread(fd, buf, 100, 5000), "read at the end");
	say(pread(fd, buf, 100, 1 << 30), "read far past the end");
	say(pread(fd, buf, 100, -1), "read at -1");
	close(fd);
	fd = open("f", O_WRONLY);
	say(read(fd, buf, 10), "read on O_WRONLY");
	say(pwrite(fd, "abc", 3, 4094), "write within, O_WRONLY");
	say(pwrite(fd, "abc", 3, 6000), "write past the end, O_WRONLY");
	close(fd);
	show_data("f");
	fd = open("f", O_WRONLY | O_APPEND);
	say(write(fd, "tail", 4), "append, O_WRONLY");
	say(lseek(fd, 0, SEEK_CUR), "position after it");
	close(fd);
	show_data("f");
	fd = open("f", O_RDWR | O_APPEND);
	say(pwrite(fd, "x", 1, 0), "pwrite with O_APPEND appends");
	close(fd);
	show_data("f");
	fd = open("f", O_RDWR | O_TRUNC);
	say(pread(fd, buf, 10, 0), "read after O_TRUNC");
	say(pwrite(fd, "abc", 3, 10), "write after O_TRUNC");
	close(fd);
	show_data("f");
	say(open("none", O_RDWR), "open of nothing");
	say(open("none/", O_RDWR | O_CREAT, 0644), "create with a slash");
	say(open("f/", O_RDONLY), "open a file with a slash");
}

static void vectors(void)
{
	char a[10], b[4000];
	struct iovec iov[] = {{a, sizeof(a)}, {b, sizeof(b)}, {a, 0}};
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	pattern_fill(a, 0, sizeof(a), 1);
	pattern_fill(b, 0, sizeof(b), 2);
	say(writev(fd, iov, 3), "writev");
	say(pwritev(fd, iov, 3, 100000), "pwritev");
	memset(b, 0, sizeof(b));
	say(preadv(fd, iov, 2, 100000), "preadv");
	say(pattern_check(b, 0, sizeof(b), 2) < 0, "its data are right");
	say(write(fd, b, 0), "write of nothing");
	say(pwrite(fd, b, 1, 0x7fffffffffffffff), "write at the largest offset");
	close(fd);
	show_data("f");
}

static void append_many(void)
{
	int fd = open("log", O_WRONLY | O_APPEND);
	char record[RECORD];

	for (int i = 0; i < APPENDS; i++) {
		snprintf(record, sizeof(record), "%059d", getpid());
		record[RECORD - 1] = '\n';
		if (write(fd, record, RECORD) != RECORD)
			die("append");
	}
	close(fd);
}

/* Each record whole: none torn, none written over. */
static void appending_processes(void)
{
	char record[RECORD];
	int fd = open("log", O_RDONLY | O_CREAT, 0644);
	pid_t pids[APPENDERS];
	unsigned whole = 0;

	for (int i = 0; i < APPENDERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			append_many();
			_exit(0);
		}
	}
	for (int i = 0; i < APPENDERS; i++)
		waitpid(pids[i], NULL, 0);
	while (read(fd, record, RECORD) == RECORD)
		whole += record[RECORD - 1] == '\n' && strspn(record, "0123456789") == 59;
	say(whole, "records whole");
	show("log");
	close(fd);
}

static void truncation(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	put_file("f", 10000, 1);
	say(ftruncate(fd, 5000), "shrink");
	show_data("f");
	say(ftruncate(fd, 20000), "extend");
	show_data("f");
	say(ftruncate(fd, 4096), "shrink to a page");
	say(ftruncate(fd, 4097), "extend by a byte");
	say(ftruncate(fd, 9000), "extend");
	show_data("f");
	say(pwrite(fd, "end", 3, 30000), "write past the end");
	show_data("f");
	say(truncate("f", 100), "truncate by name");
	show_data("f");
	say(ftruncate(fd, -1), "truncate to -1");
	say(ftruncate(fd, 0x7fffffffffffffff), "truncate to the largest size");
	say(truncate(".", 0), "truncate a directory");
	say(truncate("none", 0), "truncate nothing");
	say(truncate("f", 0), "truncate to 0");
	show("f");
	close(fd);
}

/* A page written in parts: what was there must be merged in, also by O_WRONLY. */
static void partial_pages(void)
{
	put_file("f", 50000, 1);
	for (int i = 0; i < 40; i++) {
		int fd = open("f", i % 2 ? O_WRONLY : O_RDWR);

		if (pwrite(fd, "0123456789", 10, i * 1237) != 10)
			die("pwrite");
		close(fd);
	}
	show_data("f");
}

static void mapped(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	char *map, back[10] = "";

	put_file("f", 100000, 1);
	map = mmap(NULL, 100000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	say(map != MAP_FAILED, "mmap shared");
	if (map == MAP_FAILED)
		return;
	memcpy(map + 50000, "by store", 8);
	say(pread(fd, back, 8, 50000), "read of a store");
	printf("  %s\n", back);
	say(pwrite(fd, "by write", 8, 60000), "write");
	printf("  %.8s\n", map + 60000);
	say(msync(map, 100000, MS_SYNC), "msync");
	close(fd);
	memcpy(map + 70000, "closed", 6);
	say(munmap(map, 100000), "munmap after close");
	show_data("f");
	fd = open("f", O_RDONLY);
	say(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED, "writable map refused");
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	memcpy(map, "private", 7);
	munmap(map, 4096);
	close(fd);
	show_data("f");
}

static void mapped_growth(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	char *map;

	say(ftruncate(fd, 10000), "extend");
	map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	memset(map, 'a', 10000);
	say(ftruncate(fd, 30000), "extend further");
	memset(map + 10000, 'b', 20000);
	say(ftruncate(fd, 20000), "shrink");
	say(ftruncate(fd, 40000), "extend again");
	say(map[25000], "byte that was cut off");
	munmap(map, 1 << 20);
	close(fd);
	show_data("f");
}

static void orphans(void)
{
	char buf[100];
	struct stat st;
	int fd, other;

	put_file("f", 5000, 1);
	fd = open("f", O_RDWR);
	other = open("f", O_RDONLY);
	say(unlink("f"), "unlink while open");
	show("f");
	say(fstat(fd, &st) + (int)st.st_nlink, "links then");
	say(pwrite(fd, "orphan", 6, 8000), "write then");
	say(fstat(fd, &st) < 0 ? -1 : (long)st.st_size, "size then");
	say(pread(other, buf, sizeof(buf), 7950), "read by another handle");
	say(ftruncate(fd, 100), "ftruncate then");
	say(fchmod(fd, 0600), "fchmod then");
	say(fsync(fd), "fsync then");
	put_file("f", 10, 2);
	say(pread(other, buf, sizeof(buf), 50), "read beside a new file of the name");
	show_data("f");
	close(fd);
	close(other);

	put_file("a", 3000, 3);
	put_file("b", 4000, 4);
	fd = open("b", O_RDWR);
	say(rename("a", "b"), "rename over an open file");
	say(pread(fd, buf, sizeof(buf), 3950), "read of the old one");
	say(pattern_check(buf, 3950, 50, 4) < 0, "its data are right");
	say(pwrite(fd, "old", 3, 0), "write to the old one");
	show_data("b");
	close(fd);
	say(mkdir("d", 0755), "mkdir");
	fd = open("d", O_RDONLY | O_DIRECTORY);
	say(rmdir("d"), "rmdir while open");
	say(openat(fd, "f", O_CREAT | O_WRONLY, 0644), "create in it");
	close(fd);
}

static void direct_io(void)
{
	void *buf;
	int fd;

	if (posix_memalign(&buf, 4096, 8192))
		die("memory");
	put_file("f", 20000, 1);
	fd = open("f", O_RDWR | O_DIRECT);
	say(fd >= 0, "open O_DIRECT");
	say(pread(fd, buf, 8192, 8192), "aligned read");
	say(pattern_check(buf, 8192, 8192, 1) < 0, "its data are right");
	say(pread(fd, buf, 8192, 16384), "aligned read across the end");
	pattern_fill(buf, 4096, 4096, 2);
	say(pwrite(fd, buf, 4096, 4096), "aligned write");
	close(fd);
	free(buf);
	show_data("f");
}

const struct posix_case data_cases[] = {
	{.name = "open-modes", .run = open_modes},
	{.name = "vectors", .run = vectors},
	{.name = "appending-processes", .run = appending_processes},
	{.name = "truncation", .run = truncation},
	{.name = "partial-pages", .run = partial_pages},
	{.name = "mapped", .run = mapped, .mmap = true},
	{.name = "mapped-growth", .run = mapped_growth, .mmap = true},
	{.name = "orphans", .run = orphans},
	{.name = "direct", .run = direct_io},
	{0},
};

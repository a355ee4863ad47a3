/* SPDX-License-Identifier: MIT */
/* Locks between processes: flock, POSIX record locks, open file description locks. */
#include "posixcmp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

#define COUNTERS 4
#define COUNTS 100

static long lock_range(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return fcntl(fd, cmd, &lock);
}

static void try_flock(void)
{
	int fd = open("f", O_RDWR);

	say(flock(fd, LOCK_EX | LOCK_NB), "other process: exclusive");
	say(flock(fd, LOCK_SH | LOCK_NB), "other process: shared");
	close(fd);
}

static void flocks(void)
{
	int fd, second;

	put_file("f", 10, 1);
	fd = open("f", O_RDWR);
	second = open("f", O_RDONLY);
	say(flock(fd, LOCK_EX), "exclusive");
	say(flock(second, LOCK_SH | LOCK_NB), "second handle: shared");
	in_child(try_flock);
	say(flock(fd, LOCK_SH), "down to shared");
	in_child(try_flock);
	say(flock(second, LOCK_SH | LOCK_NB), "second handle: shared");
	say(flock(fd, LOCK_EX | LOCK_NB), "up to exclusive");
	close(second);
	in_child(try_flock);
	close(fd);
	in_child(try_flock);
}

static void try_ranges(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
	int fd = open("f", O_RDWR);

	say(lock_range(fd, F_SETLK, F_WRLCK, 0, 10), "other process: write lock of 0-9");
	say(lock_range(fd, F_SETLK, F_WRLCK, 150, 10), "other process: write lock of 150-159");
	say(lock_range(fd, F_SETLK, F_RDLCK, 300, 10), "other process: read lock of 300-309");
	say(fcntl(fd, F_GETLK, &lock), "other process: who holds it");
	printf("  type %d start %lld len %lld, my parent %d\n", lock.l_type,
	       (long long)lock.l_start, (long long)lock.l_len, lock.l_pid == getppid());
	close(fd);
}

static void ranges(void)
{
	int fd, second;

	put_file("f", 10, 1);
	fd = open("f", O_RDWR);
	say(lock_range(fd, F_SETLK, F_WRLCK, 100, 100), "write lock of 100-199");
	say(lock_range(fd, F_SETLK, F_RDLCK, 300, 0), "read lock from 300 on");
	in_child(try_ranges);
	say(lock_range(fd, F_SETLK, F_UNLCK, 140, 30), "unlock of 140-169");
	in_child(try_ranges);
	second = open("f", O_RDONLY);
	close(second);
	in_child(try_ranges);
	say(lock_range(fd, F_OFD_SETLK, F_WRLCK, 0, 0), "description lock");
	second = open("f", O_RDWR);
	say(lock_range(second, F_OFD_SETLK, F_WRLCK, 5, 1), "second description");
	in_child(try_ranges);
	close(second);
	close(fd);
	in_child(try_ranges);
}

static void count_up(bool by_flock)
{
	for (int i = 0; i < COUNTS; i++) {
		int fd = open("counter", O_RDWR);
		long value = 0;

		if ((by_flock ? flock(fd, LOCK_EX) : lock_range(fd, F_SETLKW, F_WRLCK, 0, 0)) < 0)
			die("lock");
		must(pread(fd, &value, sizeof(value), 0));
		value++;
		must(pwrite(fd, &value, sizeof(value), 0));
		close(fd);
	}
}

/* What the locks are for: no increment is lost, though all of them wait. */
static void waiting(void)
{
	for (int by_flock = 0; by_flock < 2; by_flock++) {
		long value = 0;
		int fd = open("counter", O_RDWR | O_CREAT | O_TRUNC, 0644);

		must(pwrite(fd, &value, sizeof(value), 0));
		for (int i = 0; i < COUNTERS; i++)
			if (fork() == 0) {
				count_up(by_flock);
				_exit(0);
			}
		for (int i = 0; i < COUNTERS; i++)
			wait(NULL);
		must(pread(fd, &value, sizeof(value), 0));
		say(value, "counted");
		close(fd);
	}
}

const struct posix_case lock_cases[] = {
	{.name = "flocks", .run = flocks},
	{.name = "record-locks", .run = ranges},
	{.name = "lock-waiting", .run = waiting},
	{0},
};

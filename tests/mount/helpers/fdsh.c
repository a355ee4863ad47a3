/* SPDX-License-Identifier: MIT */
/*
 * A shell for file descriptors: one command a line on stdin, one answer a line
 * on stdout, "ok VALUE" or "err ENAME". Lets a script stop between two system
 * calls of one process, and look at what the mount has done so far.
 *
 *	open SLOT PATH FLAG[,FLAG...] [MODE]     r w rw creat excl trunc append sync dsync direct
 *	close SLOT | fsync SLOT | fdatasync SLOT | size SLOT
 *	write SLOT OFFSET LEN SEED               pwrite; OFFSET '-' is write(2) of the pattern of 0
 *	writev2 SLOT OFFSET LEN SEED dsync|sync  pwritev2 with RWF_DSYNC or RWF_SYNC
 *	check SLOT OFFSET LEN SEED               "ok LEN" when the pattern is there
 *	checkz SLOT OFFSET LEN                   the same for zeros
 *	truncate SLOT LEN | allocate SLOT MODE OFFSET LEN
 *	map SLOT OFFSET LEN | store SLOT OFFSET LEN SEED | load SLOT OFFSET LEN SEED
 *	msync SLOT sync|async | unmap SLOT       OFFSET of store and load is the file's
 *	mkdir PATH | rename OLD NEW | unlink PATH | syncdir PATH
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util.h"

#define SLOTS 16
#define WORDS_MAX 8

struct slot {
	bool open;
	int fd;
	uint8_t *map; /* NULL: not mapped */
	uint64_t map_offset;
	size_t map_len;
};

static struct slot slots[SLOTS];
static sigjmp_buf fault_return;
static volatile sig_atomic_t fault_expected;

static void on_sigbus(int sig)
{
	(void)sig;
	if (!fault_expected)
		_exit(3);
	siglongjmp(fault_return, 1);
}

static struct slot *slot_of(const char *word)
{
	uint64_t n = parse_number(word);

	if (n >= SLOTS) {
		errno = EINVAL;
		die("slot %s", word);
	}
	return &slots[n];
}

static int parse_flags(char *text)
{
	static const struct {
		const char *word;
		int flag;
	} words[] = {
		{"r", O_RDONLY},    {"w", O_WRONLY},      {"rw", O_RDWR},       {"creat", O_CREAT},
		{"excl", O_EXCL},   {"trunc", O_TRUNC},   {"append", O_APPEND}, {"sync", O_SYNC},
		{"dsync", O_DSYNC}, {"direct", O_DIRECT}, {"dir", O_DIRECTORY},
	};
	int flags = O_CLOEXEC;
	char *save;

	for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		size_t i = 0;

		while (i < sizeof(words) / sizeof(words[0]) && strcmp(words[i].word, word) != 0)
			i++;
		if (i == sizeof(words) / sizeof(words[0])) {
			errno = EINVAL;
			die("flag %s", word);
		}
		flags |= words[i].flag;
	}
	return flags;
}

static int64_t or_errno(int64_t result)
{
	return result < 0 ? -errno : result;
}

static int64_t do_write(struct slot *slot, char **word, int rwf)
{
	size_t len = parse_number(word[3]);
	bool at_position = strcmp(word[2], "-") == 0;
	uint64_t offset = at_position ? 0 : parse_number(word[2]);
	void *buf = malloc(len);
	struct iovec iov = {buf, len};
	int64_t n;

	pattern_fill(buf, offset, len, parse_number(word[4]));
	if (rwf)
		n = or_errno(pwritev2(slot->fd, &iov, 1, (off_t)offset, rwf));
	else
		n = or_errno(at_position ? write(slot->fd, buf, len)
					 : pwrite(slot->fd, buf, len, (off_t)offset));
	free(buf);
	return n;
}

/* Bytes from offset that are right: the whole length, or where it first differs. */
static int64_t do_check(struct slot *slot, char **word, bool zeros)
{
	uint64_t offset = parse_number(word[2]);
	size_t len = parse_number(word[3]);
	char *buf = malloc(len);
	int64_t n = read_full(slot->fd, buf, len, offset), bad = -1;

	if (n >= 0 && !zeros)
		bad = pattern_check(buf, offset, (size_t)n, parse_number(word[4]));
	for (int64_t i = 0; zeros && bad < 0 && i < n; i++)
		if (buf[i])
			bad = i;
	free(buf);
	return bad >= 0 ? bad : n;
}

static int64_t do_map(struct slot *slot, char **word)
{
	void *map;

	slot->map_offset = parse_number(word[2]);
	slot->map_len = parse_number(word[3]);
	map = mmap(NULL, slot->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, slot->fd,
		   (off_t)slot->map_offset);
	if (map == MAP_FAILED)
		return -errno;
	slot->map = map;
	return 0;
}

static int64_t do_unmap(struct slot *slot)
{
	int rc = munmap(slot->map, slot->map_len);

	slot->map = NULL;
	return or_errno(rc);
}

/* "err EFAULT" when the mapping answers SIGBUS. */
static int64_t do_access(struct slot *slot, char **word, bool store)
{
	uint64_t offset = parse_number(word[2]), seed = parse_number(word[4]);
	size_t len = parse_number(word[3]);
	uint8_t *at = slot->map + (offset - slot->map_offset);
	int64_t bad = -1;

	if (sigsetjmp(fault_return, 1)) {
		fault_expected = 0;
		return -EFAULT;
	}
	fault_expected = 1;
	if (store)
		pattern_fill(at, offset, len, seed);
	else
		bad = pattern_check(at, offset, len, seed);
	fault_expected = 0;
	return bad >= 0 ? bad : (int64_t)len;
}

static int64_t do_open(struct slot *slot, char **word)
{
	mode_t mode = word[4] ? (mode_t)strtoul(word[4], NULL, 8) : 0644;
	int fd = open(word[2], parse_flags(word[3]), mode);

	if (fd < 0)
		return -errno;
	slot->fd = fd;
	slot->open = true;
	return fd;
}

static int64_t do_syncdir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t rc;

	if (fd < 0)
		return -errno;
	rc = or_errno(fsync(fd));
	close(fd);
	return rc;
}

static int64_t size_of(const struct slot *slot)
{
	struct stat st;

	return fstat(slot->fd, &st) < 0 ? -errno : st.st_size;
}

static bool is(char **word, const char *name, int count, int want)
{
	if (strcmp(word[0], name) != 0)
		return false;
	if (count - 1 < want) {
		errno = EINVAL;
		die("%s takes %d words", name, want);
	}
	return true;
}

static int64_t run(char **word, int n)
{
	if (is(word, "mkdir", n, 1))
		return or_errno(mkdir(word[1], 0755));
	if (is(word, "rename", n, 2))
		return or_errno(rename(word[1], word[2]));
	if (is(word, "unlink", n, 1))
		return or_errno(unlink(word[1]));
	if (is(word, "syncdir", n, 1))
		return do_syncdir(word[1]);
	if (n < 2) {
		errno = EINVAL;
		die("%s without a slot", word[0]);
	}

	struct slot *slot = slot_of(word[1]);

	if (is(word, "open", n, 3))
		return do_open(slot, word);
	if (!slot->open && !slot->map)
		return -EBADF;
	if (is(word, "close", n, 1)) {
		slot->open = false;
		return or_errno(close(slot->fd));
	}
	if (is(word, "fsync", n, 1))
		return or_errno(fsync(slot->fd));
	if (is(word, "fdatasync", n, 1))
		return or_errno(fdatasync(slot->fd));
	if (is(word, "size", n, 1))
		return size_of(slot);
	if (is(word, "write", n, 4))
		return do_write(slot, word, 0);
	if (is(word, "writev2", n, 5))
		return do_write(slot, word, strcmp(word[5], "sync") == 0 ? RWF_SYNC : RWF_DSYNC);
	if (is(word, "check", n, 4))
		return do_check(slot, word, false);
	if (is(word, "checkz", n, 3))
		return do_check(slot, word, true);
	if (is(word, "truncate", n, 2))
		return or_errno(ftruncate(slot->fd, (off_t)parse_number(word[2])));
	if (is(word, "allocate", n, 4))
		return or_errno(fallocate(slot->fd, (int)parse_number(word[2]),
					  (off_t)parse_number(word[3]),
					  (off_t)parse_number(word[4])));
	if (is(word, "map", n, 3))
		return do_map(slot, word);
	if (!slot->map)
		return -EINVAL;
	if (is(word, "store", n, 4))
		return do_access(slot, word, true);
	if (is(word, "load", n, 4))
		return do_access(slot, word, false);
	if (is(word, "msync", n, 2))
		return or_errno(msync(slot->map, slot->map_len,
				      strcmp(word[2], "sync") == 0 ? MS_SYNC : MS_ASYNC));
	if (is(word, "unmap", n, 1))
		return do_unmap(slot);
	errno = EINVAL;
	die("command %s", word[0]);
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_sigbus};
	char line[8192];

	sigaction(SIGBUS, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		char *word[WORDS_MAX + 1] = {NULL}, *save;
		int n = 0;
		int64_t rc;

		for (char *w = strtok_r(line, " \n", &save); w && n < WORDS_MAX;
		     w = strtok_r(NULL, " \n", &save))
			word[n++] = w;
		if (!n)
			continue;
		rc = run(word, n);
		if (rc < 0)
			printf("err %s\n", errno_name((int)-rc));
		else
			printf("ok %lld\n", (long long)rc);
	}
	return 0;
}

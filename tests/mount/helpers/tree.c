/* SPDX-License-Identifier: MIT */
/*
 * Many files, without a process for each.
 *
 *	tree make DIR COUNT     COUNT files in subdirectories of 100, each with its number in it
 *	tree check DIR COUNT    all are there, each with its number, and nothing else is
 *	tree list DIR COUNT     one flat directory of COUNT names: telldir, seekdir, rewinddir, and
 *	                        deletion while it is read
 *	tree deep DIR LEVELS    a chain of directories, a file at its end, walked by name from the
 *top
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define IN_DIR 100u

static unsigned walked_files;

static void fail(const char *what, const char *name)
{
	fprintf(stderr, "tree: %s: %s\n", what, name);
	exit(1);
}

static int open_or_die(int dir, const char *name, int flags)
{
	int fd = openat(dir, name, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die("open %s", name);
	return fd;
}

static void put(int dir, const char *name, unsigned number)
{
	char text[32];
	int fd = open_or_die(dir, name, O_WRONLY | O_CREAT | O_EXCL);
	int len = snprintf(text, sizeof(text), "%u\n", number);

	if (write(fd, text, (size_t)len) != len || close(fd) < 0)
		die("write %s", name);
}

static void get(int dir, const char *name, unsigned number)
{
	char text[32] = "";
	int fd = open_or_die(dir, name, O_RDONLY);

	if (read(fd, text, sizeof(text) - 1) < 0 || close(fd) < 0)
		die("read %s", name);
	if (strtoul(text, NULL, 10) != number)
		fail("wrong contents", name);
}

static int count_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path, (void)ftw;
	if (type == FTW_F && S_ISREG(st->st_mode))
		walked_files++;
	return 0;
}

static void make(const char *path, unsigned count)
{
	int dir = open_or_die(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);

	for (unsigned i = 0; i < count; i++) {
		char name[64];

		snprintf(name, sizeof(name), "d%u", i / IN_DIR);
		if (i % IN_DIR == 0 && mkdirat(dir, name, 0755) < 0)
			die("mkdir %s", name);
		snprintf(name, sizeof(name), "d%u/f%u", i / IN_DIR, i);
		put(dir, name, i);
	}
	close(dir);
}

static void check(const char *path, unsigned count)
{
	int dir = open_or_die(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);

	if (nftw(path, count_file, 32, FTW_PHYS) < 0)
		die("walk of %s", path);
	if (walked_files != count) {
		fprintf(stderr, "tree: %u files in the walk, not %u\n", walked_files, count);
		exit(1);
	}
	for (unsigned i = 0; i < count; i++) {
		unsigned number = (unsigned)((uint64_t)i * 7919 % count);
		char name[64];

		snprintf(name, sizeof(name), "d%u/f%u", number / IN_DIR, number);
		get(dir, name, number);
	}
	close(dir);
}

static struct dirent *next_entry(DIR *dir)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
		if (!entry && errno)
			die("readdir");
	} while (entry && entry->d_name[0] == '.');
	return entry;
}

static unsigned number_of(const char *name, unsigned count)
{
	unsigned long number = strtoul(name + 1, NULL, 10);

	if (name[0] != 'n' || number >= count)
		fail("unknown name", name);
	return (unsigned)number;
}

/* Reads all, keeping where each name was; each must appear once. */
static long *read_all(DIR *dir, unsigned count)
{
	long *where = calloc(count, sizeof(*where));
	char *seen = calloc(count, 1);
	unsigned names = 0;

	for (;;) {
		long position = telldir(dir);
		struct dirent *entry = next_entry(dir);

		if (!entry)
			break;
		unsigned number = number_of(entry->d_name, count);

		if (seen[number]++)
			fail("listed twice", entry->d_name);
		where[number] = position;
		names++;
	}
	if (names != count)
		fail("names missing from the listing", "");
	free(seen);
	return where;
}

static void seek_back(DIR *dir, const long *where, unsigned count)
{
	for (unsigned i = 0; i < count; i += count / 50) {
		struct dirent *entry;

		seekdir(dir, where[i]);
		entry = next_entry(dir);
		if (!entry || number_of(entry->d_name, count) != i)
			fail("seekdir gave another name", entry ? entry->d_name : "(end)");
	}
}

/* Half of the names go while the directory is read: none of the others may be
 * missed or come twice. */
static void delete_while_reading(DIR *dir, unsigned count)
{
	char *seen = calloc(count, 1);
	struct dirent *entry;

	rewinddir(dir);
	while ((entry = next_entry(dir)) != NULL) {
		unsigned number = number_of(entry->d_name, count);

		if (seen[number]++)
			fail("listed twice while others were deleted", entry->d_name);
		if (number % 2 && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			die("unlink %s", entry->d_name);
	}
	for (unsigned i = 0; i < count; i += 2)
		if (!seen[i])
			fail("missed while others were deleted", "");
	rewinddir(dir);
	for (unsigned left = 0;; left++) {
		entry = next_entry(dir);
		if (!entry && left != (count + 1) / 2)
			fail("wrong number of names left", "");
		if (!entry)
			break;
	}
	free(seen);
}

static void list(const char *path, unsigned count)
{
	DIR *dir = opendir(path);
	long *where;

	if (!dir)
		die("%s", path);
	for (unsigned i = 0; i < count; i++) {
		char name[64];

		snprintf(name, sizeof(name), "n%05u-%s", i, "a-name-of-middling-length");
		put(dirfd(dir), name, i);
	}
	rewinddir(dir);
	where = read_all(dir, count);
	seek_back(dir, where, count);
	free(where);
	delete_while_reading(dir, count);
	closedir(dir);
}

/* PATH/TOP/dd/dd/.../leaf, levels directories down. Allocated. */
static char *chain(const char *path, const char *top, unsigned levels)
{
	size_t head = strlen(path) + strlen(top) + 2;
	char *name = malloc(head + levels * 3u + sizeof("/leaf"));

	snprintf(name, head + 1, "%s/%s", path, top);
	for (unsigned i = 1; i < levels; i++)
		strcat(name, "/dd");
	return name;
}

static void deep(const char *path, unsigned levels)
{
	for (unsigned i = 1; i <= levels; i++) {
		char *dir = chain(path, "dd", i);

		if (mkdir(dir, 0755) < 0)
			die("mkdir at level %u", i);
		free(dir);
	}

	char *leaf = strcat(chain(path, "dd", levels), "/leaf");
	char *moved_leaf = strcat(chain(path, "moved", levels), "/leaf");
	char *top = chain(path, "dd", 1), *moved = chain(path, "moved", 1);

	put(AT_FDCWD, leaf, levels);
	get(AT_FDCWD, leaf, levels);
	if (rename(top, moved) < 0)
		die("rename of the top");
	get(AT_FDCWD, moved_leaf, levels);
	if (access(leaf, F_OK) == 0)
		fail("still there under the old name", leaf);
	free(leaf);
	free(moved_leaf);
	free(top);
	free(moved);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(const char *path, unsigned count);
	} commands[] = {{"make", make}, {"check", check}, {"list", list}, {"deep", deep}};

	for (size_t i = 0; argc == 4 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0) {
			commands[i].run(argv[2], (unsigned)parse_number(argv[3]));
			return 0;
		}
	fprintf(stderr, "usage: tree make|check|list|deep DIR COUNT\n");
	return 2;
}

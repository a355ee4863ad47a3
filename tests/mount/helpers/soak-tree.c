/* SPDX-License-Identifier: MIT */
/* Two trees, compared entry by entry: all that lstat, the contents and xattrs say, but holes,
 * and times that the clock gave. */
#include "soak.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util.h"

#define SHOWN 20
/* utimens sets times before this one; those of the clock are after. */
#define CLOCK_FROM 1500000000

struct walk {
	char a[PATH_MAX], b[PATH_MAX];
	size_t a_root, b_root;
	unsigned wrong;
};

__attribute__((format(printf, 2, 3))) static void wrong(struct walk *w, const char *format, ...)
{
	va_list args;

	if (w->wrong++ >= SHOWN)
		return;
	printf("%s: ", w->a[w->a_root] ? w->a + w->a_root + 1 : ".");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/* What an ordinary user may not look at is the same to that user on both sides. */
static void same_error(struct walk *w, const char *call, int a, int b)
{
	if (a != b || (a != EACCES && a != EPERM))
		wrong(w, "%s: %s and %s", call, errno_name(a), errno_name(b));
}

static void compare_data(struct walk *w)
{
	static uint8_t a[65536], b[65536];
	int fa = open(w->a, O_RDONLY | O_CLOEXEC), ea = errno;
	int fb = open(w->b, O_RDONLY | O_CLOEXEC), eb = errno;
	uint64_t at = 0;
	int64_t na, nb;

	if (fa < 0 || fb < 0) {
		same_error(w, "open", fa < 0 ? ea : 0, fb < 0 ? eb : 0);
		if (fa >= 0)
			close(fa);
		if (fb >= 0)
			close(fb);
		return;
	}
	do {
		na = read_full(fa, a, sizeof(a), at);
		nb = read_full(fb, b, sizeof(b), at);
		if (na != nb) {
			wrong(w, "reading at %llu: %lld and %lld", (unsigned long long)at,
			      (long long)na, (long long)nb);
			break;
		}
		for (int64_t i = 0; i < na; i++)
			if (a[i] != b[i]) {
				wrong(w, "byte %llu is %02x and %02x",
				      (unsigned long long)at + (unsigned long long)i, a[i], b[i]);
				na = 0;
			}
		at += sizeof(a);
	} while (na == (int64_t)sizeof(a));
	close(fa);
	close(fb);
}

static void compare_links(struct walk *w)
{
	char a[PATH_MAX] = "", b[PATH_MAX] = "";
	ssize_t na = readlink(w->a, a, sizeof(a) - 1), nb = readlink(w->b, b, sizeof(b) - 1);

	if (na != nb || na < 0 || strcmp(a, b) != 0)
		wrong(w, "leads to '%s' and '%s'", a, b);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the list in order, values beside them: a text to compare. */
static void xattr_text(const char *path, char *text, size_t size)
{
	char names[4096], *sorted[64];
	ssize_t len = llistxattr(path, names, sizeof(names));
	size_t count = 0, used = 0;

	text[0] = '\0';
	if (len < 0)
		snprintf(text, size, "%s", errno_name(errno));
	for (char *p = names; p < names + len && count < 64; p += strlen(p) + 1)
		sorted[count++] = p;
	qsort(sorted, count, sizeof(*sorted), by_text);
	for (size_t i = 0; i < count && used + 300 < size; i++) {
		uint8_t value[1024];
		ssize_t n = lgetxattr(path, sorted[i], value, sizeof(value));

		used += (size_t)snprintf(text + used, size - used, " %s=", sorted[i]);
		if (n < 0)
			used += (size_t)snprintf(text + used, size - used, "%s", errno_name(errno));
		for (ssize_t k = 0; k < n && used + 3 < size; k++)
			used += (size_t)snprintf(text + used, size - used, "%02x", value[k]);
	}
}

static void compare_xattrs(struct walk *w)
{
	static char a[8192], b[8192];

	xattr_text(w->a, a, sizeof(a));
	xattr_text(w->b, b, sizeof(b));
	if (strcmp(a, b) != 0)
		wrong(w, "xattrs%s and%s", a, b);
}

static bool times_agree(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec >= CLOCK_FROM)
		return b->tv_sec >= CLOCK_FROM;
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool compare_attributes(struct walk *w, const struct stat *a, const struct stat *b)
{
	if (a->st_mode != b->st_mode)
		wrong(w, "mode %o and %o", a->st_mode, b->st_mode);
	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		wrong(w, "owner %u:%u and %u:%u", a->st_uid, a->st_gid, b->st_uid, b->st_gid);
	if (a->st_nlink != b->st_nlink)
		wrong(w, "%lu links and %lu", (unsigned long)a->st_nlink,
		      (unsigned long)b->st_nlink);
	if (!S_ISDIR(a->st_mode) && a->st_size != b->st_size)
		wrong(w, "size %lld and %lld", (long long)a->st_size, (long long)b->st_size);
	if (a->st_rdev != b->st_rdev)
		wrong(w, "device %lx and %lx", (unsigned long)a->st_rdev,
		      (unsigned long)b->st_rdev);
	if (!times_agree(&a->st_mtim, &b->st_mtim))
		wrong(w, "mtime %lld.%09ld and %lld.%09ld", (long long)a->st_mtim.tv_sec,
		      a->st_mtim.tv_nsec, (long long)b->st_mtim.tv_sec, b->st_mtim.tv_nsec);
	return (a->st_mode & S_IFMT) == (b->st_mode & S_IFMT);
}

static int sorted_names(const char *path, struct dirent ***names)
{
	int n = scandir(path, names, NULL, alphasort);

	if (n >= 0)
		return n;
	*names = NULL;
	return -errno;
}

static void compare_entry(struct walk *w);

static void compare_child(struct walk *w, const char *name)
{
	size_t a_len = strlen(w->a), b_len = strlen(w->b);

	snprintf(w->a + a_len, sizeof(w->a) - a_len, "/%s", name);
	snprintf(w->b + b_len, sizeof(w->b) - b_len, "/%s", name);
	compare_entry(w);
	w->a[a_len] = w->b[b_len] = '\0';
}

/* Both lists are in order: whoever has the smaller name has it alone. */
static void compare_dirs(struct walk *w)
{
	struct dirent **a, **b;
	int na = sorted_names(w->a, &a), nb = sorted_names(w->b, &b);

	if (na < 0 || nb < 0)
		same_error(w, "listing", na < 0 ? -na : 0, nb < 0 ? -nb : 0);
	for (int i = 0, k = 0; i < na || k < nb;) {
		int order = i >= na ? 1 : k >= nb ? -1 : strcmp(a[i]->d_name, b[k]->d_name);
		const char *name = order > 0 ? b[k]->d_name : a[i]->d_name;

		if (order != 0)
			wrong(w, "'%s' is %s only", name, order < 0 ? "native" : "on the mount");
		else if (a[i]->d_type != b[k]->d_type)
			wrong(w, "'%s' is listed as type %u and %u", name, a[i]->d_type,
			      b[k]->d_type);
		else if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			compare_child(w, name);
		i += order <= 0;
		k += order >= 0;
	}
	while (na > 0)
		free(a[--na]);
	while (nb > 0)
		free(b[--nb]);
	free(a);
	free(b);
}

static void compare_entry(struct walk *w)
{
	struct stat a, b;
	int ra = lstat(w->a, &a) < 0 ? errno : 0, rb = lstat(w->b, &b) < 0 ? errno : 0;

	if (ra || rb) {
		same_error(w, "lstat", ra, rb);
		return;
	}
	if (!compare_attributes(w, &a, &b))
		return;
	compare_xattrs(w);
	if (S_ISREG(a.st_mode))
		compare_data(w);
	else if (S_ISLNK(a.st_mode))
		compare_links(w);
	else if (S_ISDIR(a.st_mode))
		compare_dirs(w);
}

unsigned soak_compare(const char *native, const char *mount)
{
	static struct walk w;

	memset(&w, 0, sizeof(w));
	snprintf(w.a, sizeof(w.a), "%s", native);
	snprintf(w.b, sizeof(w.b), "%s", mount);
	w.a_root = strlen(w.a);
	w.b_root = strlen(w.b);
	compare_entry(&w);
	fflush(stdout);
	return w.wrong;
}

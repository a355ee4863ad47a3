/* SPDX-License-Identifier: MIT */
/* Where the journal is, and on which mount */
#include "place.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000u
#endif

#define PATH_FILE "journal.path"
#define PATH_NEW "journal.path.new"

_Static_assert(PATH_MAX <= JOURNAL_PATH_MAX, "a path fits");

static int sys_syncfs(int fd)
{
	return syncfs(fd) ? -errno : 0;
}

static int sys_step(void)
{
	return 0;
}

const struct journal_sys journal_sys_default = {
	.syncfs = sys_syncfs,
	.log_sync = mms_log_sync,
	.mount = place_mount_read,
	.step = sys_step,
};

/* ------------------------------------------------------------------- texts */

void place_say(const struct journal_place *place, enum journal_level level, const char *text, ...)
{
	char buf[1024];
	va_list ap;

	if (!place->say)
		return;
	va_start(ap, text);
	(void)vsnprintf(buf, sizeof(buf), text, ap);
	va_end(ap);
	place->say(place->arg, level, buf);
}

int error_set(struct mms_error *err, int code, const char *what, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	err->hint[0] = '\0';
	va_start(ap, what);
	(void)vsnprintf(err->what, sizeof(err->what), what, ap);
	va_end(ap);
	return code;
}

/* ------------------------------------------------------------------- paths */

int place_path(const struct journal_place *place, const char *name, char buf[JOURNAL_PATH_MAX])
{
	int n = snprintf(buf, JOURNAL_PATH_MAX, "%s/%s", place->dir, name);

	return n < 0 || n >= (int)JOURNAL_PATH_MAX ? -ENAMETOOLONG : 0;
}

int place_log_path(const struct journal_place *place, unsigned half, char buf[JOURNAL_PATH_MAX])
{
	return place_path(place, half ? "log.1" : "log.0", buf);
}

int place_damaged_path(const struct journal_place *place, unsigned half,
		       char buf[JOURNAL_PATH_MAX])
{
	struct timespec now;
	char name[64];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)snprintf(name, sizeof(name), "damaged-%lld.%09ld-%u.log", (long long)now.tv_sec,
		       now.tv_nsec, half);
	return place_path(place, name, buf);
}

int place_sync_dir(const struct journal_place *place)
{
	CLEANUP_CLOSE int fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd))
		return -errno;
	return 0;
}

int place_lock(const struct journal_place *place, struct mms_error *err)
{
	int fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, -errno, "opening the directory of the journal, %s",
				 place->dir);
	if (!flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
		return fd;
	(void)close(fd);
	(void)error_set(err, -EBUSY, "using the journal %s", place->dir);
	if (err)
		(void)snprintf(err->hint, sizeof(err->hint),
			       "another mmapfs or mmapfsctl has it, of another BACKING perhaps: a "
			       "journal is for one");
	return -EBUSY;
}

/* It fills one line of a file. */
static bool is_path(const char *dir)
{
	return dir[0] == '/' && !strchr(dir, '\n') && strlen(dir) < JOURNAL_PATH_MAX - 1;
}

int journal_path_read(int state_fd, char buf[JOURNAL_PATH_MAX])
{
	CLEANUP_CLOSE int fd = openat(state_fd, PATH_FILE,
				      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	n = read(fd, buf, JOURNAL_PATH_MAX - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	if (n && buf[n - 1] == '\n')
		buf[--n] = '\0';
	return is_path(buf) && strlen(buf) == (size_t)n ? 1 : -EINVAL;
}

static int write_path(int state_fd, const char *dir)
{
	CLEANUP_CLOSE int fd = openat(state_fd, PATH_NEW,
				      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t len = strlen(dir);

	if (fd < 0)
		return -errno;
	if (write(fd, dir, len) != (ssize_t)len || write(fd, "\n", 1) != 1)
		return errno ? -errno : -EIO;
	return fsync(fd) ? -errno : 0;
}

int journal_path_write(int state_fd, const char *dir)
{
	int r = 0;

	if (dir) {
		if (!is_path(dir))
			return -EINVAL;
		(void)unlinkat(state_fd, PATH_NEW, 0);
		errno = 0;
		r = write_path(state_fd, dir);
		if (!r && renameat(state_fd, PATH_NEW, state_fd, PATH_FILE))
			r = -errno;
		if (r)
			(void)unlinkat(state_fd, PATH_NEW, 0);
	} else if (unlinkat(state_fd, PATH_FILE, 0) && errno != ENOENT) {
		r = -errno;
	}
	if (!r && fsync(state_fd))
		r = -errno;
	return r;
}

/* ------------------------------------------------------------------- mount */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_boot_id(unsigned char ret[16])
{
	CLEANUP_CLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char text[40];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	unsigned digits = 0;

	memset(ret, 0, 16);
	if (n < 0)
		return -errno;
	for (ssize_t i = 0; i < n && digits < 32; i++) {
		int v = hex_digit(text[i]);

		if (v < 0)
			continue;
		ret[digits / 2] = (unsigned char)(ret[digits / 2] << 4 | v);
		digits++;
	}
	return digits == 32 ? 0 : -EINVAL;
}

int place_mount_read(int backing_fd, struct place_mount *ret)
{
	struct statx stx;
	struct place_mount m = {0};

	if (statx(backing_fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID_UNIQUE, &stx))
		return -errno;
	m.dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	/* Without a boot id nothing is taken for the same mount. */
	if ((stx.stx_mask & STATX_MNT_ID_UNIQUE) && !read_boot_id(m.boot_id))
		m.mount_id = stx.stx_mnt_id;
	*ret = m;
	return 0;
}

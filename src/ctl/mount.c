/* SPDX-License-Identifier: MIT */
/* Reading MNT/.mmapfs */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "ctl.h"

#define TEXT_MAX (1u << 20) /* a daemon has some ten thousand bytes to say */
#define WAIT_MS 10000u

/* A daemon that hangs leaves us in a call that only the end of the process breaks: another thread
 * makes it, and is left behind. */
struct asking {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done; /* lock */
	char path[4096];
	char *text;
	int error; /* errno, or one of these */
};

enum { NOT_OURS = -1, TOO_LONG = -2 };

static int read_all(int fd, char **ret_text)
{
	char *text = malloc(TEXT_MAX + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (!text)
		return ENOMEM;
	while (n > 0 && len < TEXT_MAX) {
		n = read(fd, text + len, TEXT_MAX - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n < 0 || len == TEXT_MAX) {
		int error = n < 0 ? errno : TOO_LONG;

		free(text);
		return error;
	}
	text[len] = '\0';
	*ret_text = text;
	return 0;
}

/* Anybody may have put something of that name there: no pipe, no device, no link. */
static int ask(const char *path, char **ret_text)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		return errno == ELOOP || errno == ENXIO ? NOT_OURS : errno;
	if (fstatfs(fd, &fs) || fstat(fd, &st))
		return errno;
	if (fs.f_type != FUSE_SUPER_MAGIC || !S_ISREG(st.st_mode))
		return NOT_OURS;
	return read_all(fd, ret_text);
}

static void *ask_thread(void *arg)
{
	struct asking *a = arg;
	char *text = NULL;
	int error = ask(a->path, &text);

	pthread_mutex_lock(&a->lock);
	a->text = text;
	a->error = error;
	a->done = true;
	pthread_cond_signal(&a->cond);
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* ETIMEDOUT: the thread is still at it, and so is *a in use. */
static int ask_patiently(struct asking *a)
{
	struct timespec until;
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, ask_thread, a);

	if (rc)
		return rc;
	pthread_detach(thread);
	clock_gettime(CLOCK_MONOTONIC, &until);
	time_add_ms(&until, WAIT_MS);
	pthread_mutex_lock(&a->lock);
	while (!a->done && !rc)
		rc = pthread_cond_timedwait(&a->cond, &a->lock, &until);
	if (a->done)
		rc = a->error;
	pthread_mutex_unlock(&a->lock);
	return rc;
}

static int explain(const char *mnt, const char *path, int error)
{
	if (error == ENOENT || error == ENOTDIR || error == NOT_OURS)
		complain("%s is not the mount point of an mmapfs mount: %s is not the daemon's", mnt, path);
	else if (error == ENOTCONN)
		complain("the daemon of %s is gone; umount %s, and mount again", mnt, mnt);
	else if (error == ETIMEDOUT)
		complain("the daemon of %s does not answer within %u seconds", mnt, WAIT_MS / MS_PER_S);
	else if (error == EACCES || error == EPERM)
		complain("cannot open %s: %s; only the user who mounted may", path, strerror(error));
	else if (error == TOO_LONG)
		complain("%s is too long to be a daemon's", path);
	else
		complain("cannot read %s: %s", path, strerror(error));
	return EXIT_FAILED;
}

int mount_text(const char *mnt, const char *name, char **ret_text)
{
	struct asking *a = calloc(1, sizeof(*a));
	int error, len;

	if (!a || clock_pair_init(&a->lock, &a->cond)) {
		free(a);
		complain("no memory");
		return EXIT_FAILED;
	}
	len = snprintf(a->path, sizeof(a->path), "%s/.mmapfs/%s", mnt, name);
	if (len < 0 || (size_t)len >= sizeof(a->path)) {
		free(a);
		complain("the path of the mount point is too long");
		return EXIT_FAILED;
	}
	error = ask_patiently(a);
	if (error)
		(void)explain(mnt, a->path, error);
	else
		*ret_text = a->text;
	if (error != ETIMEDOUT)
		free(a);
	return error ? EXIT_FAILED : EXIT_DONE;
}

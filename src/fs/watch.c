/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <unistd.h>

#include "fdcache.h"
#include "invalidate.h"
#include "log.h"
#include "resync.h"

#ifndef FAN_REPORT_TARGET_FID
#define FAN_REPORT_TARGET_FID 0x1000 /* Linux 5.17 */
#endif

#define BUFFER_BYTES (256u << 10)

/* While only the daemon itself makes events they are left to gather, which
 * merges them in the kernel and wakes the thread less often. */
#define GATHER_NS (4L * 1000 * 1000)

static struct watch {
	int events; /* descriptor of fanotify(7); -1: no watch */
	int mounts; /* what is mounted; -1: not known */
	int stop;   /* eventfd(2) */
	pthread_t thread;
	atomic_bool running; /* set after thread; who clears it joins */
	const char *word;
} watch = {.events = -1, .mounts = -1, .stop = -1, .word = "off: not started"};

static bool wanted(void)
{
	if (!fs.options.watch)
		watch.word = "off, as watch=off says";
	else if (fs.options.cache == CACHE_SHARED || fs.options.cache == CACHE_NONE)
		watch.word = "off: this cache mode looks for itself";
	else
		return true;
	return false;
}

/* The kernel refuses flags that it does not know; an ordinary user has
 * neither a queue nor marks without limit. */
static int open_events(void)
{
	const unsigned base = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_FID |
			      FAN_REPORT_DIR_FID | FAN_REPORT_NAME;
	const unsigned more[] = {FAN_REPORT_TARGET_FID | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
				 FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS, FAN_REPORT_TARGET_FID,
				 0};

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		int fd = fanotify_init(base | more[i], O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			return fd;
	}
	return -1;
}

static void give_up(const char *word)
{
	watch.word = word;
	log_info("no watch of %s: %s", fs.backing, word);
	watch_release();
}

void watch_open(void)
{
	if (!wanted())
		return;
	watch.events = open_events();
	if (watch.events < 0) {
		give_up("off: the kernel has no fanotify(7) for this user");
		return;
	}
	watch.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (watch.stop < 0) {
		give_up("off: no descriptor is left");
		return;
	}
	watch_marks_use(watch.events);
	inode_root_key();
	fs.watch = true;
	if (!watch_mark(fs.root)) {
		fs.watch = false;
		give_up("off: BACKING cannot be marked");
		return;
	}
	watch.mounts = watch_mounts_open();
	fs.epochs = invalidate_all_entries() == 0;
	watch.word = fs.epochs ? "on"
			       : "on; names are believed for a second, since this kernel "
				 "cannot drop them all at once";
}

const char *watch_word(void)
{
	return watch.word;
}

/* Waits for events; false: it is time to end. */
static bool await(bool gather)
{
	struct pollfd fds[] = {{.fd = watch.events, .events = POLLIN},
			       {.fd = watch.stop, .events = POLLIN},
			       {.fd = watch.mounts, .events = POLLPRI}};
	const struct timespec pause = {.tv_nsec = GATHER_NS};

	do {
		while (poll(fds, 3, -1) < 0)
			if (errno != EINTR)
				return false;
		if (fds[1].revents)
			return false;
		if (fds[2].revents)
			watch_mounts_look();
	} while (!fds[0].revents);
	if (gather)
		nanosleep(&pause, NULL);
	return true;
}

static void serve(struct watch_batch *batch, void *buffer)
{
	bool foreign = false;

	while (await(!foreign)) {
		ssize_t n = read(watch.events, buffer, BUFFER_BYTES);

		if (n > 0)
			foreign = watch_batch_read(batch, buffer, (size_t)n);
		else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			/* An event that cannot be read is one that is lost. */
			log_error("reading events of %s: %s", fs.backing, strerror(errno));
			watch_apply_overflow();
		}
	}
}

static void *run(void *arg)
{
	struct watch_batch *batch = watch_batch_new();
	void *buffer = malloc(BUFFER_BYTES);

	(void)arg;
	resync_thread();
	if (batch && buffer)
		serve(batch, buffer);
	else
		log_error("the watch of %s: out of memory", fs.backing);
	watch_batch_free(batch);
	free(buffer);
	return NULL;
}

int watch_start(void)
{
	int rc;

	if (!fs.watch)
		return 0;
	rc = -pthread_create(&watch.thread, NULL, run, NULL);
	atomic_store(&watch.running, !rc);
	return rc;
}

/* Called by the signal thread, and after it has ended by the main one. */
void watch_stop(void)
{
	const uint64_t one = 1;

	if (!atomic_exchange(&watch.running, false))
		return;
	if (write(watch.stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(watch.thread, NULL);
}

void watch_release(void)
{
	watch_mounts_release();
	if (watch.events >= 0)
		close(watch.events);
	if (watch.stop >= 0)
		close(watch.stop);
	watch.events = watch.stop = watch.mounts = -1;
}

/* SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "durability.h"
#include "invalidate.h"
#include "journal.h"
#include "log.h"
#include "mount.h"
#include "own.h"
#include "push.h"
#include "region.h"
#include "stats.h"
#include "task.h"
#include "watch.h"
#include "wire.h"

#define MAX_BACKGROUND 64

/* Of the memory that all file systems' dirty pages may take, for this mount. */
#define DIRTY_PERCENT 40

/* ----------------------------------------------------------------- INIT */

static unsigned wanted(const struct fuse_conn_info *conn)
{
	unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_PARALLEL_DIROPS |
			FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_POSIX_ACL |
			FUSE_CAP_DONT_MASK | FUSE_CAP_CACHE_SYMLINKS;

	/* Not wanted: ATOMIC_O_TRUNC, since only a truncation that comes as
	 * SETATTR has its set-id bits cleared; HANDLE_KILLPRIV, which leaves
	 * that to the daemon; splicing, since replies point into memory. */
	if (fs.options.cache == CACHE_BACK && !fs.options.read_only)
		want |= FUSE_CAP_WRITEBACK_CACHE;
	/* In the other cached modes the mount's own writes must not drop its
	 * cache when mtime moves; opens check. */
	if (fs.options.cache == CACHE_SHARED)
		want |= FUSE_CAP_AUTO_INVAL_DATA;
	return want & conn->capable;
}

void session_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->want = wanted(conn);
	fs.writeback = conn->want & FUSE_CAP_WRITEBACK_CACHE;
	fs.passthrough = fs.options.passthrough && wire_pass_is_offered();
	conn->max_read = (unsigned)fs.options.max_read; /* libfuse wants it twice */
	conn->max_background = MAX_BACKGROUND;
	conn->congestion_threshold = MAX_BACKGROUND * 3 / 4;
	if (fs.options.readahead < conn->max_readahead)
		conn->max_readahead = (unsigned)fs.options.readahead;
	conn->time_gran = 1;
	if (fs.options.cache == CACHE_BACK && !fs.writeback && !fs.options.read_only)
		log_warning("the kernel has no write-back cache for this mount; writes go through");
}

/* --------------------------------------------------------------- tuning */

/* A setting of the mount's backing device info; needs root. */
static bool tune(dev_t dev, const char *file, unsigned long value)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/%s", major(dev), minor(dev), file);
	f = fopen(path, "we");
	if (!f)
		return false;
	fprintf(f, "%lu\n", value);
	return fclose(f) == 0;
}

static void tune_mount(dev_t dev)
{
	unsigned kb = (unsigned)(fs.options.readahead >> 10);

	if (geteuid() != 0) {
		if (fs.options.readahead_set)
			log_warning("readahead= was ignored by the kernel: only root may set it");
		return;
	}
	/* The kernel lets a FUSE mount hold a hundredth of the memory for dirty
	 * pages, for fear of daemons that hang: small buffered writes would be
	 * throttled to the daemon's pace from the first megabytes on. */
	tune(dev, "max_ratio", DIRTY_PERCENT);
	if (tune(dev, "read_ahead_kb", kb))
		atomic_store(&fs.readahead_kb, kb);
	else if (fs.options.readahead_set)
		log_warning("read_ahead_kb of %s cannot be set: %s", fs.mountpoint, strerror(errno));
}

struct starter {
	void (*ready)(void *arg);
	void *arg;
};

/* Asks the mount something, and says that it answers. */
static void ask(const struct starter *s)
{
	int fd = open(fs.mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		log_error("the mount at %s does not answer: %s", fs.mountpoint, strerror(errno));
		if (fd >= 0)
			close(fd);
		kill(getpid(), SIGTERM);
		return;
	}
	if (fs.options.passthrough && !fs.passthrough) {
		log_error("the kernel has no passthrough for FUSE mounts; it needs Linux 6.9 or newer "
			  "with CONFIG_FUSE_PASSTHROUGH: leave the option passthrough out");
		close(fd);
		kill(getpid(), SIGTERM);
		return;
	}
	atomic_store(&fs.mount_dev, st.st_dev);
	tune_mount(st.st_dev);
	close(fd);
	s->ready(s->arg);
}

static void *start(void *arg)
{
	if (own_begin()) {
		ask(arg);
		own_end();
	}
	return NULL;
}

/* -------------------------------------------------------------- signals */

static const int ending[] = {SIGTERM, SIGINT, SIGHUP};

static void ending_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		sigaddset(set, ending[i]);
	sigaddset(set, SIGUSR2); /* ends the signal thread itself */
}

static void nothing(int sig)
{
	(void)sig;
}

static void block_signals(void)
{
	struct sigaction wake = {.sa_handler = nothing}; /* no SA_RESTART: it interrupts */
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	ending_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGUSR1, &wake, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
}

/* Writers shall learn of the end: see lifetime_attr(). */
static void expire(struct inode *inode, void *arg)
{
	(void)arg;
	invalidate_attributes(inode);
}

/* Flushes while the workers still serve: what programs wrote before the
 * signal is in the kernel's cache and comes as WRITE requests. Those that go
 * on writing are followed for a few rounds. */
static void flush_before_end(void)
{
	struct stat st;
	uint64_t before;
	int fd;

	/* It may wait for a lock that a program holds while it waits for a
	 * worker: the workers must serve yet. */
	watch_stop();
	push_stop();
	fd = open(fs.mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) || (uint64_t)st.st_dev != atomic_load(&fs.mount_dev))) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		kernel_flush_use(fd);
	kernel_flush();
	mount_detach();
	regions_each_writable(expire, NULL);
	for (int round = 0; round < 3; round++) {
		before = stats_get(OP_WRITE);
		kernel_flush();
		if (stats_get(OP_WRITE) == before)
			break;
	}
	kernel_flush_use(-1);
}

static pthread_t main_thread;

static void *take_signals(void *arg)
{
	sigset_t set;
	int sig;

	(void)arg;
	ending_set(&set);
	while (sigwait(&set, &sig))
		;
	if (sig == SIGUSR2)
		return NULL; /* unmounted */
	log_info("%s: flushing and unmounting %s", strsignal(sig), fs.mountpoint);
	flush_before_end();
	own_close();
	fuse_session_exit(fs.session);
	/* The loop may be about to wait when the first wake comes. */
	for (;;) {
		struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

		pthread_kill(main_thread, SIGUSR1);
		if (sigtimedwait(&set, NULL, &pause) == SIGUSR2)
			return NULL;
	}
}

/* -------------------------------------------------------------- serving */

static int loop(void)
{
	int rc;

#ifdef HAVE_FUSE_LOOP_CFG
	struct fuse_loop_config *config = fuse_loop_cfg_create();

	if (!config)
		return -ENOMEM;
	/* The default keeps idle threads: coming and going cost twice the
	 * processor time. */
	fuse_loop_cfg_set_max_threads(config, fs.options.threads);
	fuse_loop_cfg_set_clone_fd(config, fs.options.clone_fd);
	rc = fuse_session_loop_mt(fs.session, config);
	fuse_loop_cfg_destroy(config);
#else
	struct fuse_loop_config config = {.clone_fd = fs.options.clone_fd, .max_idle_threads = 10};

	rc = fuse_session_loop_mt(fs.session, &config);
#endif
	if (rc)
		log_debug("loop ended: %d", rc);
	/* A positive value is the signal that libfuse saw; here there is none. */
	return rc < 0 ? rc : 0;
}

static int last_flush(void)
{
	uint64_t files = 0;
	int rc;

	if (fs.options.read_only)
		return 0;
	rc = sync_everything(false, &files);
	if (rc)
		log_error("the last flush of %s: %s; data written last may be lost", fs.backing,
			  strerror(-rc));
	else
		log_info("unmounted %s: all that was written is durable in %s", fs.mountpoint, fs.backing);
	return rc;
}

/* The daemon writes to BACKING so that the kernel can clean pages of MNT: when
 * memory is short it must not wait for just those pages. */
static void become_flusher(void)
{
	/* Needs CAP_SYS_RESOURCE; where that is withheld all works as well. */
	if (geteuid() == 0)
		(void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
}

void session_prepare(void)
{
	block_signals();
	become_flusher();
}

int session_run(void (*ready)(void *arg), void *arg)
{
	struct starter starter = {ready, arg};
	pthread_t signals, start_thread;
	struct mms_error err;
	int rc, one;

	main_thread = pthread_self();
	rc = durability_start(&err);
	if (rc) {
		log_error("%s", err.what);
		return rc;
	}
	push_start(); /* before the thread that may stop it */
	rc = -pthread_create(&signals, NULL, take_signals, NULL);
	if (!rc) {
		rc = watch_start();
		if (!rc)
			rc = -pthread_create(&start_thread, NULL, start, &starter);
		if (!rc) {
			rc = loop();
			pthread_join(start_thread, NULL);
		}
		pthread_kill(signals, SIGUSR2);
		pthread_join(signals, NULL);
		/* Unless a signal did it: the connection is cut, nothing waits. */
		watch_stop();
	}
	push_stop();
	/* Programs that wait for an fsync are answered while there is a session. */
	if (fs.journal)
		journal_settle(fs.journal);
	task_wait_all();
	one = last_flush();
	durability_stop();
	return rc ? rc : one;
}

/* SPDX-License-Identifier: MIT */
#include "fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "confine.h"
#include "control.h"
#include "creds.h"
#include "fdcache.h"
#include "inode.h"
#include "kept.h"
#include "log.h"
#include "mount.h"
#include "recovery.h"
#include "region.h"
#include "session.h"
#include "state.h"
#include "watch.h"

struct fs fs;

static void say(const char *msg)
{
	fprintf(stderr, "mmapfs: %s\n", msg);
}

static void print_version(void)
{
	printf("mmapfs %s\nlibfuse %s (built against %d.%d)\ncrc32: %s\n", PACKAGE_VERSION,
	       fuse_pkgversion(), FUSE_MAJOR_VERSION, FUSE_MINOR_VERSION, mms_crc32_engine());
}

/* Root in name may lack what makes it act for others: in a container, say. */
static bool has_privileges(void)
{
	static const cap_value_t needed[] = {CAP_SETUID, CAP_SETGID, CAP_CHOWN, CAP_FOWNER,
					     CAP_DAC_OVERRIDE};
	cap_t caps = geteuid() == 0 ? cap_get_proc() : NULL;
	bool all = caps != NULL;

	for (size_t i = 0; all && i < sizeof(needed) / sizeof(needed[0]); i++) {
		cap_flag_value_t v;

		all = !cap_get_flag(caps, needed[i], CAP_EFFECTIVE, &v) && v == CAP_SET;
	}
	cap_free(caps);
	return all;
}

static unsigned raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 1024;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 1024;
	return limit.rlim_cur > 1u << 20 ? 1u << 20 : (unsigned)limit.rlim_cur;
}

/* While root may: neither CAP_IPC_LOCK nor CAP_SYS_RESOURCE is kept. */
static void raise_lock_limit(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* Everything that serving needs; on failure a sentence in msg. */
static int set_up(char *msg, size_t size)
{
	const struct options *o = &fs.options;
	const struct mms_pool_options pool = {
		.chunk_shift = o->window_shift,
		.map_limit_bytes = o->map_limit,
		.map_count = o->map_count,
		.small_bytes = o->io == MMS_IO_MMAP ? 1 : 0,
	};
	struct mms_error err;
	int rc;

	fs.started_ms = clock_now_ms();
	fs.fd_limit = raise_descriptor_limit();
	fs.privileged = has_privileges();
	if (o->passthrough && !fs.privileged) {
		snprintf(msg, size, "passthrough needs root: only CAP_SYS_ADMIN may name the file that "
				    "the kernel reads and writes; leave passthrough out");
		return -EPERM;
	}
	if (o->lock)
		raise_lock_limit();
	rc = mms_pool_new(&pool, &fs.pool, &err);
	if (rc) {
		mms_error_format(&err, msg, size);
		return rc;
	}
	rc = inode_table_init();
	if (rc) {
		snprintf(msg, size, "BACKING %s: %s", fs.backing, strerror(-rc));
		return rc;
	}
	fdcache_init();
	control_init();
	rc = state_check(msg, size);
	if (!rc)
		rc = recovery_start(msg, size);
	if (!rc)
		rc = mount_attach(msg, size);
	if (rc)
		return rc;
	watch_open();
	rc = confine();
	if (!rc && fs.privileged)
		rc = creds_prepare();
	if (rc) {
		snprintf(msg, size, "giving up privileges: %s", strerror(-rc));
		mount_detach();
	}
	return rc;
}

/* What emptying the journal came to. */
static int tear_down(void)
{
	int rc = 0;

	if (fs.session) {
		mount_end();
	}
	if (fs.root) {
		kept_drop_all();
		regions_release();
		rc = recovery_end();
		inode_table_release();
	}
	watch_release();
	mms_pool_free(fs.pool);
	if (fs.root_fd >= 0)
		close(fs.root_fd);
	free(fs.backing);
	free(fs.mountpoint);
	options_release(&fs.options);
	return rc;
}

/* The mount answers: let the parent go, and the terminal. */
static void ready(void *arg)
{
	int fd = *(int *)arg;

	if (fd < 0)
		return;
	if (write(fd, "R", 1) == 1) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		log_to_syslog();
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > STDERR_FILENO)
			close(null);
	}
	close(fd);
}

/* The daemon's own process, or the only one in the foreground. */
static int serve(int ready_fd)
{
	char msg[1024];
	int rc, one;

	session_prepare();
	rc = set_up(msg, sizeof(msg));
	if (rc)
		say(msg);
	else
		rc = session_run(ready, &ready_fd);
	one = tear_down();
	rc = rc ? rc : one;
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The parent stays until the child says that the mount answers. */
static int daemonize(void)
{
	int pipefd[2], status;
	char byte;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC)) {
		say(strerror(errno));
		return EXIT_FAILURE;
	}
	pid = fork();
	if (pid < 0) {
		say(strerror(errno));
		return EXIT_FAILURE;
	}
	if (pid == 0) {
		close(pipefd[0]);
		setsid();
		if (chdir("/"))
			return EXIT_FAILURE;
		return serve(pipefd[1]);
	}
	close(pipefd[1]);
	if (read(pipefd[0], &byte, 1) == 1)
		return EXIT_SUCCESS;
	waitpid(pid, &status, 0);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	char msg[1024];

	fs.root_fd = -1;
	if (options_parse(&fs.options, argc, argv, msg, sizeof(msg))) {
		say(msg);
		return EXIT_FAILURE;
	}
	if (fs.options.help) {
		fputs(options_help(), stdout);
		return EXIT_SUCCESS;
	}
	if (fs.options.version) {
		print_version();
		return EXIT_SUCCESS;
	}
	log_start(fs.options.log_level);
	log_take_fuse();
	if (mount_prepare(msg, sizeof(msg))) {
		say(msg);
		return EXIT_FAILURE;
	}
	if (fs.options.fake)
		return EXIT_SUCCESS;
	if (fs.options.fsync_defer)
		log_warning("fsync=defer: fsync returns before data are durable; sync=%s alone decides when they are",
			    sync_word(fs.options.sync));
	return fs.options.foreground ? serve(-1) : daemonize();
}

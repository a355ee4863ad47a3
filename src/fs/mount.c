/* SPDX-License-Identifier: MIT */
#include "mount.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "ops.h"
#include "wire.h"

__attribute__((format(printf, 4, 5))) static int fail(int rc, char *msg, size_t size, const char *fmt,
						      ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, size, fmt, ap);
	va_end(ap);
	return rc;
}

/* Runs fusermount3 with one more argument; its output is dropped. */
static bool run_fusermount(const char *flags, const char *mountpoint)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return false;
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		execlp("fusermount3", "fusermount3", flags, "--", mountpoint, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool detach(const char *mountpoint)
{
	if (umount2(mountpoint, MNT_DETACH) == 0)
		return true;
	return geteuid() != 0 && run_fusermount("-uz", mountpoint);
}

void mount_detach(void)
{
	if (!detach(fs.mountpoint))
		log_warning("detaching %s failed; it may be unmounted already", fs.mountpoint);
}

/* A daemon that died leaves "Transport endpoint is not connected" behind. */
static int detach_stale(const char *mnt, char *msg, size_t size)
{
	struct statfs sf;

	/* Not stat(2): the kernel answers that from its memory for a while. */
	for (int i = 0; i < 16 && statfs(mnt, &sf) && errno == ENOTCONN; i++) {
		char *full = mnt[0] == '/' ? strdup(mnt) : NULL;
		char cwd[PATH_MAX];
		bool ok;

		/* realpath(3) would fail on it: make it absolute by hand. */
		if (!full && getcwd(cwd, sizeof(cwd)) && asprintf(&full, "%s/%s", cwd, mnt) < 0)
			full = NULL;
		ok = full && detach(full);
		free(full);
		if (!ok)
			return fail(-ENOTCONN, msg, size,
				    "%s is a mount whose daemon has died, and detaching it failed; try "
				    "umount -l %s as root, or fusermount3 -u -z %s",
				    mnt, mnt, mnt);
		log_info("detached a stale mount from %s", mnt);
	}
	return 0;
}

static int resolve(const char *what, const char *path, char **ret, char *msg, size_t size)
{
	struct stat st;
	char *real = realpath(path, NULL);

	if (!real)
		return fail(-errno, msg, size, "%s %s: %s; it must be a directory that exists", what, path,
			    strerror(errno));
	if (stat(real, &st)) {
		int rc = -errno;

		free(real);
		return fail(rc, msg, size, "%s %s: %s; it must be a directory that can be reached", what,
			    path, strerror(-rc));
	}
	if (!S_ISDIR(st.st_mode)) {
		free(real);
		return fail(-ENOTDIR, msg, size, "%s %s is not a directory; it must be one", what, path);
	}
	*ret = real;
	return 0;
}

/* Whether directory inner is, or lies beneath, directory outer. */
static bool beneath(const char *inner, const char *outer)
{
	struct stat want, st;
	int fd = open(inner, O_PATH | O_DIRECTORY | O_CLOEXEC), up;
	bool found = false;

	if (fd < 0 || stat(outer, &want)) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	for (;;) {
		struct stat parent;

		if (fstat(fd, &st))
			break;
		if (st.st_dev == want.st_dev && st.st_ino == want.st_ino) {
			found = true;
			break;
		}
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			break;
		close(fd);
		fd = up;
		if (fstat(fd, &parent) || (parent.st_dev == st.st_dev && parent.st_ino == st.st_ino))
			break; /* the root is its own parent */
	}
	close(fd);
	return found;
}

/* The type of what is mounted at exactly this path, the topmost; or "". */
static void mounted_type(const char *path, char *type, size_t size)
{
	FILE *f = setmntent("/proc/self/mounts", "r");
	struct mntent *m;

	type[0] = '\0';
	while (f && (m = getmntent(f)))
		if (!strcmp(m->mnt_dir, path))
			snprintf(type, size, "%s", m->mnt_type);
	if (f)
		endmntent(f);
}

static int check_places(char *msg, size_t size)
{
	char type[64];

	if (!strcmp(fs.backing, fs.mountpoint))
		return fail(-EINVAL, msg, size, "BACKING and MNT are both %s; mount at another directory",
			    fs.backing);
	if (beneath(fs.mountpoint, fs.backing))
		return fail(-EINVAL, msg, size,
			    "MNT %s lies inside BACKING %s, so the mount would contain itself; mount at a "
			    "directory outside",
			    fs.mountpoint, fs.backing);
	if (beneath(fs.backing, fs.mountpoint))
		return fail(-EINVAL, msg, size,
			    "BACKING %s lies inside MNT %s, so the mount would hide it; mount at a "
			    "directory outside",
			    fs.backing, fs.mountpoint);
	mounted_type(fs.mountpoint, type, sizeof(type));
	if (!strncmp(type, "fuse", 4) && strcmp(type, "fusectl"))
		return fail(-EBUSY, msg, size, "MNT %s is in use: a %s file system is mounted there; "
			    "unmount it first (umount %s, or fusermount3 -u %s)",
			    fs.mountpoint, type, fs.mountpoint, fs.mountpoint);
	return 0;
}

/* Whether /etc/fuse.conf lets users open their mounts to others. */
static bool users_may_allow_other(void)
{
	FILE *f = fopen("/etc/fuse.conf", "re");
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		char *s = line;

		while (isspace((unsigned char)*s))
			s++;
		found = !strncmp(s, "user_allow_other", 16) &&
			(!s[16] || isspace((unsigned char)s[16]) || s[16] == '#');
	}
	if (f)
		fclose(f);
	return found;
}

static bool have_fusermount(void)
{
	const char *path = getenv("PATH");
	char *copy = strdup(path ? path : "/usr/local/bin:/usr/bin:/bin"), *save = NULL, *file;
	bool found = false;

	for (char *dir = copy ? strtok_r(copy, ":", &save) : NULL; dir && !found;
	     dir = strtok_r(NULL, ":", &save)) {
		if (asprintf(&file, "%s/fusermount3", dir) < 0)
			break;
		found = access(file, X_OK) == 0;
		free(file);
	}
	free(copy);
	return found;
}

static int check_machine(char *msg, size_t size)
{
	const struct options *o = &fs.options;

	if (access("/dev/fuse", F_OK))
		return fail(-ENODEV, msg, size,
			    "/dev/fuse: %s; load the module (modprobe fuse), or give the container the "
			    "device (--device /dev/fuse)",
			    strerror(errno));
	if (access("/proc/self/fd", X_OK))
		return fail(-ENOENT, msg, size, "/proc/self/fd: %s; mmapfs needs /proc mounted",
			    strerror(errno));
	if (geteuid() == 0)
		return 0;
	if (access("/dev/fuse", R_OK | W_OK))
		return fail(-EACCES, msg, size,
			    "/dev/fuse: %s; ask the administrator for mode 0666 or membership in its group",
			    strerror(errno));
	if (!have_fusermount())
		return fail(-ENOENT, msg, size,
			    "fusermount3 was not found in PATH; install the package fuse3, or mount as root");
	if ((o->allow_other || o->allow_root) && !users_may_allow_other())
		return fail(-EPERM, msg, size,
			    "%s is only for root, unless /etc/fuse.conf has the line user_allow_other; "
			    "add it, or leave the option out",
			    o->allow_other ? "allow_other" : "allow_root");
	if (access(fs.mountpoint, W_OK))
		return fail(-EACCES, msg, size,
			    "MNT %s: %s; a user mounts only at a directory that the user may write",
			    fs.mountpoint, strerror(errno));
	return 0;
}

int mount_prepare(char *msg, size_t size)
{
	const struct options *o = &fs.options;
	int rc = detach_stale(o->mount_arg, msg, size);

	if (!rc)
		rc = resolve("BACKING", o->backing_arg, &fs.backing, msg, size);
	if (!rc)
		rc = resolve("MNT", o->mount_arg, &fs.mountpoint, msg, size);
	if (!rc)
		rc = check_places(msg, size);
	if (!rc)
		rc = check_machine(msg, size);
	if (rc)
		return rc;
	fs.root_fd = open(fs.backing, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fs.root_fd < 0)
		return fail(-errno, msg, size, "BACKING %s: %s; the user who mounts must be able to read it",
			    fs.backing, strerror(errno));
	return 0;
}

/* fsname stands in an option list: commas and backslashes are escaped. */
static void put_escaped(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (*s == ',' || *s == '\\')
			fputc('\\', f);
		fputc(*s, f);
	}
}

/* As on the bare directory, unless told otherwise: who may write to a file
 * system that is mounted nosuid shall not gain by this mount of it. */
static void put_flags(FILE *f)
{
	struct statvfs sv;
	unsigned long flags = fstatvfs(fs.root_fd, &sv) ? ST_NOSUID | ST_NODEV : sv.f_flag;

	fputs(flags & ST_NOSUID ? ",nosuid" : ",suid", f);
	fputs(flags & ST_NODEV ? ",nodev" : ",dev", f);
	if (flags & ST_NOEXEC)
		fputs(",noexec", f);
}

static char *session_options(void)
{
	const struct options *o = &fs.options;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fputs("fsname=", f);
	put_escaped(f, fs.backing);
	fputs(",subtype=mmapfs,default_permissions", f);
	if (geteuid() == 0)
		put_flags(f);
	if (o->read_only)
		fputs(",ro", f);
	if (o->allow_other)
		fputs(",allow_other", f);
	if (o->allow_root)
		fputs(",allow_root", f);
	if (o->max_read)
		fprintf(f, ",max_read=%llu", (unsigned long long)o->max_read);
	if (o->auto_unmount)
		fputs(",auto_unmount", f);
	if (o->debug_fuse)
		fputs(",debug", f);
	if (o->fuse_options)
		fprintf(f, ",%s", o->fuse_options);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* Mounts with stderr caught, so that a failure is told in one line: both
 * libfuse and fusermount3 print their own. The last line goes to reason. */
static int mount_quietly(char *reason, size_t size)
{
	int saved = dup(STDERR_FILENO), pipefd[2], rc;
	char text[1024], *line;
	ssize_t n;

	if (saved < 0 || pipe2(pipefd, O_CLOEXEC | O_NONBLOCK)) {
		if (saved >= 0)
			close(saved);
		return fuse_session_mount(fs.session, fs.mountpoint);
	}
	dup2(pipefd[1], STDERR_FILENO);
	log_capture(true);
	rc = fuse_session_mount(fs.session, fs.mountpoint);
	log_capture(false);
	dup2(saved, STDERR_FILENO);
	n = read(pipefd[0], text, sizeof(text) - 1);
	close(saved);
	close(pipefd[0]);
	close(pipefd[1]);
	text[n > 0 ? n : 0] = '\0';
	line = strtok(text, "\n");
	snprintf(reason, size, "%s", line ? line : log_captured());
	return rc;
}

int mount_attach(char *msg, size_t size)
{
	char *options = session_options(), reason[512] = "";
	char *argv[] = {(char *)"mmapfs", (char *)"-o", options, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);

	if (!options)
		return fail(-ENOMEM, msg, size, "out of memory");
	log_capture(true);
	fs.session = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), NULL);
	log_capture(false);
	free(options);
	fuse_opt_free_args(&args);
	if (!fs.session)
		return fail(-EINVAL, msg, size, "libfuse refused the options: %s", log_captured());
	if (mount_quietly(reason, sizeof(reason))) {
		fuse_session_destroy(fs.session);
		fs.session = NULL;
		return fail(-EIO, msg, size, "mounting at %s failed: %s", fs.mountpoint,
			    reason[0] ? reason : "no reason was given; try mmapfs -d");
	}
	if (wire_attach()) {
		mount_detach();
		return fail(-ENOMEM, msg, size, "out of memory");
	}
	return 0;
}

/* libfuse prints that it cannot unmount what mount_detach() has taken away. */
void mount_end(void)
{
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null >= 0)
		dup2(null, STDERR_FILENO);
	fuse_session_unmount(fs.session);
	if (saved >= 0)
		dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
	fuse_session_destroy(fs.session);
	fs.session = NULL;
}

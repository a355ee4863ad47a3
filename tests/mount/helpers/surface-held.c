/* SPDX-License-Identifier: MIT */
/* What programs hold on to: files without a name, file handles, leases, and
 * watches of inotify(7). */
#include "surface.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

/* A file without a name as programs make it: with O_TMPFILE, and by taking the
 * name away where that is not supported. */
static int nameless(mode_t mode)
{
	char name[] = "tmp-XXXXXX";
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd;
	fd = mkostemp(name, O_CLOEXEC);
	must(fd);
	must(fchmod(fd, mode));
	must(unlink(name));
	return fd;
}

/* Makes name whole or not at all, likewise. */
static long publish(const char *name)
{
	char temporary[] = "new-XXXXXX", path[64];
	int fd = open(".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0640);
	bool named = fd < 0;
	long rc;

	if (named) {
		fd = mkostemp(temporary, O_CLOEXEC);
		must(fd);
		must(fchmod(fd, 0640));
	}
	must(write(fd, "all of it", 9));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rc = named ? rename(temporary, name)
		   : linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
	close(fd);
	return rc;
}

static void try_nameless(void)
{
	say(open("closed", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "in another's directory");
	say(open("/proc/self", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) < 0, "where there are none");
}

static void nameless_files(void)
{
	char buf[5000] = "";
	struct stat st;
	int fd;

	put_file("f", 1, 1);
	must(mkdir("closed", 0755));
	say(open("none", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "in nothing");
	say(open("f", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), "in a file");
	say(open(".", O_TMPFILE | O_RDONLY | O_CLOEXEC, 0600), "only for reading");
	say(open(".", O_TMPFILE | O_CREAT | O_RDWR | O_CLOEXEC, 0600), "with O_CREAT");
	if (is_root_run())
		as_user(USER_A, USER_A, (gid_t)-1, try_nameless);
	for (int i = 0; i < 2; i++) { /* the kernel remembers the first refusal */
		fd = nameless(0640);
		say(pwrite(fd, "data", 4, 4500), "write");
		say(pread(fd, buf, sizeof(buf), 0), "read");
		say(memcmp(buf + 4500, "data", 4), "the same");
		must(fstat(fd, &st));
		printf("  %o links %lu size %lld\n", st.st_mode, (unsigned long)st.st_nlink,
		       (long long)st.st_size);
		say(ftruncate(fd, 10), "truncate");
		say(fsync(fd), "fsync");
		close(fd);
	}
	say(publish("new"), "publish");
	show("new");
	show_data("new");
	show_data(beneath("new"));
	say(rmdir("closed"), "nothing is left in it");
}

/* --------------------------------------------------------------------- file handles */

static struct file_handle *handle_of(const char *path, int flags)
{
	struct file_handle *h = calloc(1, sizeof(*h) + MAX_HANDLE_SZ);
	int mount_id;

	if (!h)
		die("memory");
	h->handle_bytes = MAX_HANDLE_SZ;
	must(name_to_handle_at(AT_FDCWD, path, h, &mount_id, flags));
	return h;
}

/* A file handle finds its file under another name, and not one that is gone. */
static void handles(void)
{
	int top = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, keep;
	struct file_handle *h;
	struct stat a, b;

	put_file("f", 100, 1);
	h = handle_of("f", 0);
	keep = open("f", O_RDONLY | O_CLOEXEC); /* so that the kernel knows it still */
	must(fstat(keep, &a));
	must(rename("f", "g"));
	fd = open_by_handle_at(top, h, O_RDWR | O_CLOEXEC);
	say(fd < 0 ? -1 : fstat(fd, &b), "open by handle");
	say(a.st_ino == b.st_ino, "it is the file");
	say(write(fd, "x", 1), "write");
	close(fd);
	close(keep);
	must(unlink("g"));
	put_file("g", 100, 2);
	usleep(50000);
	say(open_by_handle_at(top, h, O_RDONLY | O_CLOEXEC), "open after its end");
	free(h);
	h = handle_of(".", 0);
	fd = open_by_handle_at(top, h, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	say(fd < 0 ? -1 : 0, "open a directory by handle");
	free(h);
}

/* What path's handle, opened with flags, leads to. */
static void follow_handle(int top, const char *path, int how, int flags)
{
	int keep = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), fd;
	struct file_handle *h = handle_of(path, how), *again = handle_of(path, how);
	struct stat a, b;

	must(keep);
	must(fstatat(AT_FDCWD, path, &a, how & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW));
	say(h->handle_bytes == again->handle_bytes && h->handle_type == again->handle_type &&
		    !memcmp(h->f_handle, again->f_handle, h->handle_bytes),
	    "%s: one handle", path);
	fd = open_by_handle_at(top, h, flags | O_CLOEXEC);
	if (say(fd < 0 ? -1 : fstat(fd, &b), "%s: open %x", path, (unsigned)flags) == 0)
		say(a.st_ino == b.st_ino && a.st_mode == b.st_mode && a.st_size == b.st_size,
		    "%s: it is the one", path);
	if (fd >= 0)
		close(fd);
	close(keep);
	free(h);
	free(again);
}

static struct file_handle *a_handle;

static void not_for_all(void)
{
	int top = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), mount_id;

	say(name_to_handle_at(AT_FDCWD, "dir/f", a_handle, &mount_id, 0), "a user has one made");
	say(open_by_handle_at(top, a_handle, O_RDONLY | O_CLOEXEC), "a user opens by it");
	close(top);
}

static void handle_kinds(void)
{
	int top = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), mount_id, fd, dir;
	struct file_handle small = {.handle_bytes = 0};
	char buf[100];

	must(mkdir("dir", 0755));
	put_file("dir/f", 100, 1);
	must(symlink("dir/f", "sym"));
	must(mkfifo("fifo", 0644));
	must(link("dir/f", "hard"));
	follow_handle(top, "dir", 0, O_RDONLY | O_DIRECTORY);
	follow_handle(top, "dir", 0, O_PATH);
	follow_handle(top, "dir", 0, O_WRONLY);
	follow_handle(top, "dir/f", 0, O_RDWR);
	follow_handle(top, "hard", 0, O_RDONLY);
	follow_handle(top, "sym", 0, O_PATH);
	follow_handle(top, "sym", 0, O_RDONLY);
	follow_handle(top, "sym", AT_SYMLINK_FOLLOW, O_RDONLY);
	follow_handle(top, "fifo", 0, O_RDONLY | O_NONBLOCK);
	follow_handle(top, "fifo", 0, O_PATH);
	say(name_to_handle_at(AT_FDCWD, "none", &small, &mount_id, 0), "of nothing");
	say(name_to_handle_at(AT_FDCWD, "dir", &small, &mount_id, 0), "too little room");
	a_handle = handle_of("dir/f", 0);
	as_user(USER_A, USER_A, (gid_t)-1, not_for_all);

	/* The directory, under another name, leads to what is in it. */
	free(a_handle);
	a_handle = handle_of("dir", 0);
	dir = open("dir", O_PATH | O_CLOEXEC);
	must(mkdir("other", 0755));
	must(rename("dir", "other/moved"));
	fd = open_by_handle_at(top, a_handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	say(fd < 0 ? -1 : 0, "a moved directory");
	say(openat(fd, "f", O_RDONLY | O_CLOEXEC) < 0 ? -1 : 0, "what is in it");
	say(readlinkat(fd, "../../sym", buf, sizeof(buf)), "and above it");
	close(dir);
	close(fd);
	free(a_handle);
	close(top);
}

/* --------------------------------------------------------------------------- events */

/* The names and kinds of the events that come for changes on the mount. */
static void events(void)
{
	int in = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), fd;
	_Alignas(struct inotify_event) char buf[65536];
	ssize_t n;

	must(mkdir("d", 0755));
	must(inotify_add_watch(in, "d", IN_ALL_EVENTS));
	put_file("d/f", 10, 1);
	must(chmod("d/f", 0600));
	must(rename("d/f", "d/g"));
	must(link("d/g", "d/h"));
	fd = open("d/g", O_RDONLY | O_CLOEXEC);
	must(read(fd, buf, 5));
	close(fd);
	must(truncate("d/g", 3));
	must(unlink("d/g"));
	must(mkdir("d/e", 0755));
	must(rmdir("d/e"));
	must(symlink("h", "d/s"));
	must(renameat2(AT_FDCWD, "d/s", AT_FDCWD, "d/h", RENAME_EXCHANGE));
	must(rename("d/h", "out"));
	must(rename("d", "moved"));
	must(unlink("moved/s"));
	must(rmdir("moved"));
	n = read(in, buf, sizeof(buf));
	for (char *at = buf; n > 0 && at < buf + n;) {
		struct inotify_event *e = (struct inotify_event *)(void *)at;

		printf("  %x %s\n", e->mask, e->len ? e->name : "");
		at += sizeof(*e) + e->len;
	}
	close(in);
}

/* --------------------------------------------------------------------------- leases */

static volatile sig_atomic_t breaks;

static void on_break(int sig)
{
	(void)sig;
	breaks++;
}

static void lease_a_stranger(void)
{
	int fd = open("f", O_RDONLY | O_CLOEXEC);

	say(fcntl(fd, F_SETLEASE, F_RDLCK), "lease on another's file");
	close(fd);
}

/* What breaks the lease, by another process, and what does not. */
static void disturb(void)
{
	struct stat st;
	int fd;

	say(stat("f", &st), "other: stat");
	fd = open("f", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	say(fd < 0 ? -1 : 0, "other: open for reading");
	close(fd);
	fd = open("f", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	say(fd < 0 ? -1 : 0, "other: open for writing");
	close(fd);
	say(chmod("f", 0600), "other: chmod");
}

static void show_lease(int fd, const char *what)
{
	say(fcntl(fd, F_GETLEASE), "%s: the lease", what);
	say(breaks > 0, "%s: told", what); /* two signals may come as one */
}

static void leases(void)
{
	int fd, other;

	put_file("f", 10, 1);
	signal(SIGIO, on_break);
	fd = open("f", O_RDONLY | O_CLOEXEC);
	say(fcntl(fd, F_SETLEASE, F_RDLCK), "read lease");
	say(fcntl(fd, F_GETLEASE), "it");
	in_child(disturb);
	show_lease(fd, "read");
	say(fcntl(fd, F_SETLEASE, F_UNLCK), "given back");
	in_child(disturb);
	say(fcntl(fd, F_SETLEASE, F_WRLCK), "write lease on O_RDONLY");
	say(fcntl(fd, F_SETLEASE, F_UNLCK), "given back");
	other = open("f", O_RDWR | O_CLOEXEC);
	say(fcntl(fd, F_SETLEASE, F_RDLCK), "read lease beside a writer");
	say(fcntl(other, F_SETLEASE, F_WRLCK), "write lease beside a reader");
	close(fd);
	breaks = 0;
	say(fcntl(other, F_SETLEASE, F_WRLCK), "write lease");
	say(write(other, "own", 3), "own write");
	in_child(disturb);
	show_lease(other, "write");
	say(fcntl(other, F_SETLEASE, F_UNLCK), "given back");
	close(other);
	fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	say(fcntl(fd, F_SETLEASE, F_RDLCK), "lease on a directory");
	close(fd);
	must(chmod("f", 0644));
	if (is_root_run())
		as_user(USER_A, USER_A, (gid_t)-1, lease_a_stranger);
	signal(SIGIO, SIG_DFL);
}

/* The daemon itself comes to the file, to flush what was written: that is not
 * another who opens it. Longer than the mount's sync_interval in these tests. */
static void lease_kept(void)
{
	int fd;

	put_file("f", 10, 1);
	breaks = 0;
	signal(SIGIO, on_break);
	fd = open("f", O_RDWR | O_CLOEXEC);
	say(fcntl(fd, F_SETLEASE, F_WRLCK), "write lease");
	for (int i = 0; i < 12; i++) {
		must(pwrite(fd, "more", 4, 100 * i));
		usleep(100000);
	}
	show_lease(fd, "after a while");
	close(fd);
	signal(SIGIO, SIG_DFL);
}

const struct posix_case held_cases[] = {
	{.name = "nameless-files", .run = nameless_files},
	{.name = "handles", .run = handles, .root = true},
	{.name = "handle-kinds", .run = handle_kinds, .root = true},
	{.name = "events", .run = events},
	{.name = "leases", .run = leases},
	{.name = "lease-kept", .run = lease_kept},
	{0},
};

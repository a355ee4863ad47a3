/* SPDX-License-Identifier: MIT */
/*
 * A disk that remembers: a FUSE file system with the file "disk", for a loop
 * device (losetup --direct-io=on). It begins as the file BASE, which does not
 * change, and lives in memory. Each write and each flush goes to LOG, in
 * order, before it is answered.
 *
 *	logdisk BASE LOG MNT [SECOND]
 *
 * With SECOND, an offset, there are two disks: "disk" ends there in BASE, and
 * the file "second" is the rest. They share the log. A flush is of one file.
 *
 * The file "control" takes a command a write:
 *
 *	fail writes|flushes|all [OFFSET LEN]   they return EIO from now on; of flushes those of the
 *	                                       disks that begin in that range of BASE
 *	heal                                   they work again
 *
 * What failed is neither on the disk nor in the log. Reading "control" tells
 * the log's position, and how many requests failed.
 */
#define FUSE_USE_VERSION 35

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "arith.h"
#include "disklog.h"
#include "util.h"

enum { ROOT = FUSE_ROOT_ID, DISK, CONTROL, SECOND };

/* One thread serves all requests: that makes the order. */
static struct {
	uint8_t *data;
	uint64_t size, second; /* second: where it begins; 0: there is none */
	struct disklog_head *head;
	int log;
	uint64_t log_end;
	bool fail_writes, fail_flushes;
	uint64_t fail_from, fail_to;
	uint64_t failed;
} disk;

/* ------------------------------------------------------------------- log */

static int log_append(uint32_t kind, uint64_t offset, const void *data, uint32_t len)
{
	static const uint8_t zeros[8];
	struct disklog_entry e = {
		.time_ns = monotonic_ns(), .offset = offset, .len = len, .kind = kind};
	size_t padding = (8 - len % 8) % 8;
	struct iovec iov[] = {{&e, sizeof(e)}, {(void *)data, len}, {(void *)zeros, padding}};
	size_t all = sizeof(e) + len + padding;
	ssize_t n = pwritev(disk.log, iov, 3, (off_t)disk.log_end);

	if (n != (ssize_t)all)
		return n < 0 ? -errno : -ENOSPC;
	disk.log_end += all;
	atomic_fetch_add_explicit(&disk.head->entries, 1, memory_order_release);
	return 0;
}

static void log_create(const char *path)
{
	disk.log = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (disk.log < 0 || ftruncate(disk.log, DISKLOG_HEAD) < 0)
		die("%s", path);
	disk.head = mmap(NULL, DISKLOG_HEAD, PROT_READ | PROT_WRITE, MAP_SHARED, disk.log, 0);
	if (disk.head == MAP_FAILED)
		die("%s", path);
	disk.log_end = DISKLOG_HEAD;
	disk.head->magic = DISKLOG_MAGIC;
	disk.head->disk_size = disk.size;
	disk.head->second = disk.second;
}

static void base_open(const char *path, const char *second)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("%s", path);
	disk.size = (uint64_t)st.st_size;
	disk.data =
		mmap(NULL, disk.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	if (disk.data == MAP_FAILED)
		die("%s", path);
	close(fd);
	disk.second = second ? parse_number(second) : 0;
	errno = EINVAL;
	if (disk.second >= disk.size)
		die("%s: the second disk is not in it", path);
}

/* --------------------------------------------------------------- requests */

static uint64_t begin_of(fuse_ino_t ino)
{
	return ino == SECOND ? disk.second : 0;
}

static uint64_t end_of(fuse_ino_t ino)
{
	return ino == DISK && disk.second ? disk.second : disk.size;
}

static void fill_stat(fuse_ino_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_nlink = 1;
	st->st_mode = ino == ROOT ? S_IFDIR | 0755 : S_IFREG | 0600;
	if (ino == DISK || ino == SECOND)
		st->st_size = (off_t)(end_of(ino) - begin_of(ino));
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	fill_stat(ino, &st);
	fuse_reply_attr(req, &st, 3600);
}

/* A shell's '>' truncates "control". */
static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int which,
		       struct fuse_file_info *fi)
{
	(void)st;
	(void)which;
	op_getattr(req, ino, fi);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {.attr_timeout = 3600, .entry_timeout = 3600};

	(void)parent;
	if (strcmp(name, "disk") == 0)
		e.ino = DISK;
	else if (strcmp(name, "control") == 0)
		e.ino = CONTROL;
	else if (disk.second && strcmp(name, "second") == 0)
		e.ino = SECOND;
	else {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_stat(e.ino, &e.attr);
	fuse_reply_entry(req, &e);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t len, off_t pos,
		    struct fuse_file_info *fi)
{
	uint64_t at = (uint64_t)pos;
	char text[100];
	int n;

	(void)fi;
	if (ino == CONTROL) {
		n = snprintf(text, sizeof(text), "position %" PRIu64 "\nfailed %" PRIu64 "\n",
			     disklog_position(disk.head), disk.failed);
		if (at > (uint64_t)n)
			at = (uint64_t)n;
		fuse_reply_buf(req, text + at, (size_t)n - at < len ? (size_t)n - at : len);
		return;
	}
	at = u64_add_sat(at, begin_of(ino));
	if (at > end_of(ino))
		at = end_of(ino);
	if (len > end_of(ino) - at)
		len = end_of(ino) - at;
	fuse_reply_buf(req, (const char *)disk.data + at, len);
}

/* 0, or -errno */
static int command(const char *buf, size_t len)
{
	char text[100], what[16] = "";
	uint64_t from = 0, bytes = UINT64_MAX;
	bool all;

	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, buf, len);
	text[len] = '\0';
	if (strncmp(text, "heal", 4) == 0) {
		disk.fail_writes = disk.fail_flushes = false;
		return 0;
	}
	if (sscanf(text, "fail %15s %" SCNu64 " %" SCNu64, what, &from, &bytes) < 1)
		return -EINVAL;
	all = strcmp(what, "all") == 0;
	if (!all && strcmp(what, "writes") && strcmp(what, "flushes"))
		return -EINVAL;
	disk.fail_from = from;
	disk.fail_to = bytes > UINT64_MAX - from ? UINT64_MAX : from + bytes;
	disk.fail_writes = all || strcmp(what, "writes") == 0;
	disk.fail_flushes = all || strcmp(what, "flushes") == 0;
	return 0;
}

static bool write_fails(uint64_t at, size_t len)
{
	return disk.fail_writes && at < disk.fail_to && at + len > disk.fail_from;
}

static bool flush_fails(uint64_t begin)
{
	return disk.fail_flushes && begin >= disk.fail_from && begin < disk.fail_to;
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t len, off_t pos,
		     struct fuse_file_info *fi)
{
	uint64_t at = u64_add_sat((uint64_t)pos, begin_of(ino));
	int rc;

	(void)fi;
	if (ino == CONTROL) {
		rc = command(buf, len);
	} else if (at > end_of(ino) || len > end_of(ino) - at) {
		rc = -EFBIG;
	} else if (write_fails(at, len)) {
		disk.failed++;
		rc = -EIO;
	} else {
		rc = log_append(DISKLOG_WRITE, at, buf, (uint32_t)len);
		if (!rc)
			memcpy(disk.data + at, buf, len);
	}
	if (rc)
		fuse_reply_err(req, -rc);
	else
		fuse_reply_write(req, len);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	int rc = 0;

	(void)datasync;
	(void)fi;
	if (ino == DISK || ino == SECOND) {
		if (flush_fails(begin_of(ino))) {
			disk.failed++;
			rc = -EIO;
		} else {
			rc = log_append(DISKLOG_FLUSH, begin_of(ino), NULL, 0);
		}
	}
	fuse_reply_err(req, -rc);
}

static void op_init(void *arg, struct fuse_conn_info *conn)
{
	(void)arg;
	(void)conn;
	atomic_store(&disk.head->ready, 1);
}

static const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.fsync = op_fsync,
};

int main(int argc, char **argv)
{
	char *fuse_argv[] = {argv[0], (char *)"-ofsname=logdisk", NULL};
	struct fuse_args args = FUSE_ARGS_INIT(2, fuse_argv);
	struct fuse_session *session;
	int rc;

	if (argc != 4 && argc != 5) {
		fprintf(stderr, "usage: logdisk BASE LOG MNT [SECOND]\n");
		return 2;
	}
	base_open(argv[1], argv[4]);
	log_create(argv[2]);
	session = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!session || fuse_set_signal_handlers(session) || fuse_session_mount(session, argv[3]))
		return 1;
	rc = fuse_session_loop(session);
	fuse_session_unmount(session);
	fuse_remove_signal_handlers(session);
	fuse_session_destroy(session);
	return rc ? 1 : 0;
}

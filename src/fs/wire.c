/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <linux/fuse.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "intake.h"

#ifdef HAVE_FUSE_CUSTOM_IO

static _Atomic(uint64_t) init_unique; /* 0: INIT was not seen yet, or is answered */
static atomic_bool offered, granted;
static __thread bool kills;

static bool setattr_kills(const char *body, size_t len)
{
	struct fuse_setattr_in in;

	if (len < sizeof(in))
		return false;
	memcpy(&in, body, sizeof(in));
	return (in.valid & FATTR_SIZE) && (in.valid & FATTR_KILL_SUIDGID);
}

static bool write_kills(const char *body, size_t len)
{
	struct fuse_write_in in;

	if (len < sizeof(in))
		return false;
	memcpy(&in, body, sizeof(in));
	return in.write_flags & FUSE_WRITE_KILL_SUIDGID;
}

static void note_init(const struct fuse_in_header *head, const char *body, size_t len)
{
	struct fuse_init_in in = {0};

	memcpy(&in, body, len < sizeof(in) ? len : sizeof(in));
	atomic_store(&offered, (in.flags & FUSE_HANDLE_KILLPRIV_V2) != 0);
	atomic_store(&init_unique, head->unique);
}

static void note_request(const char *buf, size_t len)
{
	const size_t at = sizeof(struct fuse_in_header);
	struct fuse_in_header head;

	kills = false;
	if (len < at)
		return;
	memcpy(&head, buf, at);
	if (head.opcode == FUSE_WRITE)
		kills = write_kills(buf + at, len - at);
	else if (head.opcode == FUSE_SETATTR)
		kills = setattr_kills(buf + at, len - at);
	else if (head.opcode == FUSE_INIT)
		note_init(&head, buf + at, len - at);
}

static ssize_t wire_read(int fd, void *buf, size_t len, void *userdata)
{
	ssize_t n;

	(void)userdata;
	intake_wait(fd);
	n = read(fd, buf, len);
	if (n > 0) {
		intake_took();
		note_request(buf, (size_t)n);
	}
	return n;
}

/* Adds the flag to the reply to INIT; the body stands in one piece. */
static void amend_init(struct iovec *iov, int count)
{
	struct fuse_out_header head;
	struct fuse_init_out out;
	const size_t least = offsetof(struct fuse_init_out, flags) + sizeof(out.flags);

	if (count < 2 || iov[0].iov_len != sizeof(head) || iov[1].iov_len < least)
		return;
	memcpy(&head, iov[0].iov_base, sizeof(head));
	if (head.unique != atomic_load(&init_unique))
		return;
	atomic_store(&init_unique, 0);
	if (head.error || !atomic_load(&offered))
		return;
	memcpy(&out, iov[1].iov_base, least);
	out.flags |= FUSE_HANDLE_KILLPRIV_V2;
	memcpy(iov[1].iov_base, &out, least);
	atomic_store(&granted, true);
}

static ssize_t wire_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	(void)userdata;
	if (atomic_load_explicit(&init_unique, memory_order_relaxed))
		amend_init(iov, count);
	return writev(fd, iov, count);
}

int wire_attach(void)
{
	static const struct fuse_custom_io io = {.writev = wire_writev, .read = wire_read};

	intake_start();
	return fuse_session_custom_io(fs.session, &io, fuse_session_fd(fs.session));
}

bool wire_daemon_kills(void)
{
	return atomic_load_explicit(&granted, memory_order_relaxed);
}

bool wire_request_kills(void)
{
	return kills;
}

#else

int wire_attach(void)
{
	return 0;
}

bool wire_daemon_kills(void)
{
	return false;
}

bool wire_request_kills(void)
{
	return false;
}

#endif

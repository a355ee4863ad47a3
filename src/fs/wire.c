/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <linux/fuse.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "intake.h"

#ifdef HAVE_FUSE_CUSTOM_IO

/* FUSE_PASSTHROUGH and what goes with it (Linux 6.9), which older headers lack. */
#define INIT_EXTENDED (1u << 30)
#define INIT2_PASSTHROUGH (1u << 5)  /* in flags2 */
#define OPEN_PASSTHROUGH (1u << 7)
#define AT_STACK_DEPTH 36u           /* in the reply to INIT; u32 */
#define STACK_DEPTH 1u               /* BACKING's file system lies on no other */

static _Atomic(uint64_t) init_unique; /* 0: INIT was not seen yet, or is answered */
static atomic_bool offered, granted;
static atomic_bool pass_offered;
static __thread bool kills;
static __thread int pass_id; /* of the backing that the next reply names; 0: none */

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
	atomic_store(&pass_offered,
		     (in.flags & INIT_EXTENDED) && (in.flags2 & INIT2_PASSTHROUGH));
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

static void grant_passthrough(char *body)
{
	const uint32_t depth = STACK_DEPTH;
	struct fuse_init_out out;

	memcpy(&out, body, sizeof(out));
	if (!fs.passthrough)
		return;
	out.flags |= INIT_EXTENDED;
	out.flags2 |= INIT2_PASSTHROUGH;
	memcpy(body, &out, sizeof(out));
	memcpy(body + AT_STACK_DEPTH, &depth, sizeof(depth));
}

/* Adds the flags to the reply to INIT; the body stands in one piece. */
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
	if (!head.error && iov[1].iov_len >= sizeof(out))
		grant_passthrough(iov[1].iov_base);
	if (head.error || !atomic_load(&offered))
		return;
	memcpy(&out, iov[1].iov_base, least);
	out.flags |= FUSE_HANDLE_KILLPRIV_V2;
	memcpy(iov[1].iov_base, &out, least);
	atomic_store(&granted, true);
}

/* The reply to OPEN and to CREATE ends with what the kernel calls fuse_open_out. */
static void amend_open(struct iovec *iov, int count, int id)
{
	struct fuse_out_header head;
	struct fuse_open_out out;
	char *body;

	if (count < 2 || iov[0].iov_len != sizeof(head) || iov[1].iov_len < sizeof(out))
		return;
	memcpy(&head, iov[0].iov_base, sizeof(head));
	if (head.error)
		return;
	body = (char *)iov[1].iov_base + iov[1].iov_len - sizeof(out);
	memcpy(&out, body, sizeof(out));
	out.open_flags = (out.open_flags & ~(uint32_t)FOPEN_KEEP_CACHE) | OPEN_PASSTHROUGH;
	memcpy(body, &out, sizeof(out));
	/* The last four bytes, which headers name padding or backing_id. */
	memcpy(body + sizeof(out) - sizeof(id), &id, sizeof(id));
}

static ssize_t wire_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	(void)userdata;
	if (pass_id)
		amend_open(iov, count, pass_id);
	pass_id = 0;
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

bool wire_pass_is_offered(void)
{
	return atomic_load(&pass_offered);
}

void wire_pass_through(int id)
{
	pass_id = id;
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

bool wire_pass_is_offered(void)
{
	return false;
}

void wire_pass_through(int id)
{
	(void)id;
}

#endif

/* SPDX-License-Identifier: MIT */
/* DATA and TRUNCATE records, into their files */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "arith.h"
#include "cleanup.h"
#include "replay.h"

/* By what the kernel shows of a descriptor, since an O_PATH one gives no access. */
static int reopen(int fd, int flags)
{
	char path[40];
	int data;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	data = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return data < 0 ? -errno : data;
}

/* A file that its owner may not write to, as after creating it read-only, lets him for a moment. */
static int open_data(int fd, const struct stat *st)
{
	char path[40];
	int data = reopen(fd, O_RDWR);

	if (data != -EACCES)
		return data;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, (st->st_mode & 07777) | S_IRUSR | S_IWUSR))
		return -EACCES;
	data = reopen(fd, O_RDWR);
	if (chmod(path, st->st_mode & 07777) && data >= 0) {
		(void)close(data);
		return -EACCES;
	}
	return data;
}

static int write_all(int fd, const unsigned char *bytes, size_t len, uint64_t offset)
{
	while (len) {
		ssize_t n = pwrite(fd, bytes, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		bytes += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_data(struct replay *r, int fd, const struct record_data *d)
{
	const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, d->mtime};
	const unsigned char *bytes = d->bytes;
	struct stat st;

	for (uint32_t i = 0; i < d->n_extents; i++) {
		uint64_t offset;
		uint32_t len;
		int n;

		format_extent(d, i, &offset, &len);
		n = write_all(fd, bytes, len, offset);
		if (n)
			return n;
		bytes += len;
		r->report->applied_bytes += len;
	}
	if (fstat(fd, &st))
		return -errno;
	if ((uint64_t)st.st_size < d->size && ftruncate(fd, (off_t)d->size))
		return -errno;
	return futimens(fd, times) ? -errno : 0;
}

static int put_in(struct replay *r, int path_fd, const struct record *record, struct stat *st)
{
	CLEANUP_CLOSE int fd = open_data(path_fd, st);

	if (fd < 0)
		return fd;
	if (record->type == RECORD_DATA)
		return write_data(r, fd, &record->data);
	return ftruncate(fd, (off_t)record->size) ? -errno : 0;
}

static int apply_to(struct replay *r, const struct mms_record *raw, const struct record *record,
		    struct seen_node *seen, int fd)
{
	struct stat st;
	int n;

	if (fstat(fd, &st))
		return error_set(r->err, -errno, "looking at file %llu",
				 (unsigned long long)record->node.node.ino);
	if (!S_ISREG(st.st_mode))
		return error_set(r->err, -MMS_ECORRUPT, "record %llu, of file %llu, not a regular one",
				 (unsigned long long)raw->sequence,
				 (unsigned long long)record->node.node.ino);
	if (quarantine_judge(r, seen, fd, &st))
		return quarantine_keep(r, seen, raw);
	n = put_in(r, fd, record, &st);
	/* Immutable, or another's: somebody has made it so. */
	if (n == -EACCES || n == -EPERM) {
		seen->judged = QUARANTINED;
		return quarantine_keep(r, seen, raw);
	}
	if (n)
		return error_set(r->err, n, "replaying record %llu into file %llu (%s)",
				 (unsigned long long)raw->sequence,
				 (unsigned long long)record->node.node.ino,
				 record->node.node.path ? record->node.node.path : "path not known");
	r->report->applied_data++;
	return 0;
}

int apply_data(struct replay *r, const struct mms_record *raw, const struct record *record)
{
	const struct node_key key = node_key(&record->node.node);
	struct seen_node *seen = replay_node(r, &key);
	CLEANUP_CLOSE int fd = -1;

	if (!seen)
		return -ENOMEM;
	if (raw->sequence <= seen->void_until) {
		r->report->retired++;
		return 0;
	}
	fd = replay_open(r, &record->node.node, seen);
	if (fd == -ENOENT) {
		r->report->skipped_gone++;
		return 0;
	}
	if (fd < 0)
		return error_set(r->err, fd, "looking for file %llu of record %llu",
				 (unsigned long long)key.ino, (unsigned long long)raw->sequence);
	return apply_to(r, raw, record, seen, fd);
}

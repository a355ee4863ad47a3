/* SPDX-License-Identifier: MIT */
/*
 * Appending to the active half
 *
 * Room is kept back in it for what must get in even when nothing else does: one RETIRE for each
 * file that has live records, since who has made such a file durable by itself must be able to say
 * so when checkpoints have failed; and a few heartbeats. That always fits: a file with live
 * records has taken more room in the half before than its RETIRE takes in this one.
 */
#include <errno.h>
#include <stdlib.h>

#include "arith.h"
#include "clock.h"
#include "state.h"

#define PREAMBLE_BYTES 64u
#define HEARTBEATS_KEPT 256u
#define SMALL_IOV 16u

static uint64_t record_bytes(uint64_t payload)
{
	return MMS_RECORD_HEADER_BYTES + u64_align_up(payload, MMS_RECORD_HEADER_BYTES);
}

/* What must stay free behind a record of this kind. */
static uint64_t kept_back(const struct journal *j, enum append_kind kind)
{
	uint64_t retires = (j->live.n + 1) * record_bytes(FORMAT_RETIRE_BYTES);

	switch (kind) {
	case APPEND_RETIRE:
		return 0;
	case APPEND_BEAT:
		return retires;
	default:
		return retires + HEARTBEATS_KEPT * record_bytes(FORMAT_HEARTBEAT_BYTES);
	}
}

void break_locked(struct journal *j, int why)
{
	if (j->broken)
		return;
	j->broken = why;
	j->stats.broken = why;
	pthread_cond_broadcast(&j->changed);
	pthread_cond_broadcast(&j->flushed);
}

/* ------------------------------------------------------------------ halves */

int switch_locked(struct journal *j)
{
	unsigned other = 1 - j->active;
	int r;

	/* So that a record of the other half says, by being there, that this one was whole. Commits
	 * that wait meanwhile find theirs done. */
	r = j->sys->log_sync(j->half[j->active].log, UINT64_MAX);
	if (!r) {
		j->durable = u64_max(j->durable, j->half[j->active].last);
		r = mms_log_reset(j->half[other].log, j->appended + 1);
	}
	if (r) {
		break_locked(j, r);
		return r;
	}
	j->draining = true;
	j->active = other;
	pthread_cond_broadcast(&j->changed);
	pthread_cond_broadcast(&j->flushed);
	return 0;
}

static bool has_room(const struct journal *j, enum append_kind kind, uint64_t bytes)
{
	const struct journal_half *h = &j->half[j->active];
	uint64_t need = PREAMBLE_BYTES + h->used + bytes;

	if (!h->used)
		need += record_bytes(FORMAT_START_BYTES);
	return need + kept_back(j, kind) <= j->half_bytes;
}

static int refused(const struct journal *j, enum append_kind kind)
{
	if (j->broken)
		return j->broken;
	return kind == APPEND_NEW && j->failed ? -EIO : 0;
}

static int find_room_locked(struct journal *j, enum append_kind kind, uint64_t bytes)
{
	bool waited = false;
	int r;

	while (!(r = refused(j, kind)) && !has_room(j, kind, bytes)) {
		if (kind == APPEND_BEAT || (j->failed && j->draining))
			return -ENOSPC;
		if (!j->draining) {
			r = switch_locked(j);
			if (r)
				return r;
			continue;
		}
		if (!waited)
			j->stats.waits_full++;
		waited = true;
		pthread_cond_wait(&j->changed, &j->lock);
	}
	return r;
}

/* ------------------------------------------------------------------ records */

static int put_locked(struct journal *j, enum record_type type, const struct iovec *iov,
		      size_t n_iov, uint64_t bytes, uint64_t *ret_seq)
{
	struct journal_half *h = &j->half[j->active];
	uint64_t seq;
	int r = mms_log_appendv(h->log, (uint16_t)type, 0, iov, n_iov, &seq);

	if (r) {
		/* The space is there, so this is no lack of it. */
		break_locked(j, r);
		return r;
	}
	h->used += record_bytes(bytes);
	h->records++;
	h->last = seq;
	j->appended = seq;
	j->stats.records++;
	j->stats.bytes += record_bytes(bytes);
	j->last_ms = clock_now_ms();
	*ret_seq = seq;
	return 0;
}

static int put_start_locked(struct journal *j)
{
	struct record_start start = {
		.version = FORMAT_VERSION,
		.mount_id = j->mount.mount_id,
		.dev = j->mount.dev,
		.flags = j->options.names ? FORMAT_START_NAMES : 0,
		.interval_ms = j->options.interval_ms,
	};
	struct format_buf b;
	struct iovec iov;
	uint64_t seq;
	int r;

	for (unsigned i = 0; i < sizeof(start.boot_id); i++)
		start.boot_id[i] = j->mount.boot_id[i];
	format_start(&b, &start);
	format_durable(&b, j->durable);
	iov = (struct iovec){b.mem, b.len};
	r = b.error ? b.error : put_locked(j, RECORD_START, &iov, 1, b.len, &seq);
	free(b.mem);
	return r;
}

static struct iovec *gather(const struct format_buf *b, const struct journal_data *data,
			    struct iovec small[SMALL_IOV], size_t *ret_n, uint64_t *ret_bytes)
{
	size_t n = 1 + (data ? data->n_extents : 0);
	struct iovec *iov = n <= SMALL_IOV ? small : calloc(n, sizeof(*iov));

	if (!iov)
		return NULL;
	iov[0] = (struct iovec){b->mem, b->len};
	*ret_bytes = b->len;
	for (size_t i = 1; i < n; i++) {
		const struct journal_extent *e = &data->extents[i - 1];

		iov[i] = (struct iovec){(void *)(uintptr_t)e->bytes, e->len};
		*ret_bytes = u64_add_sat(*ret_bytes, e->len);
	}
	*ret_n = n;
	return iov;
}

static int append_iov_locked(struct journal *j, enum append_kind kind, enum record_type type,
			     struct format_buf *b, const struct iovec *iov, size_t n_iov,
			     uint64_t bytes, const struct node_key *node, uint64_t *ret_seq)
{
	struct live_node *live = NULL;
	uint64_t seq;
	int r = find_room_locked(j, kind, record_bytes(bytes));

	if (!r && node) {
		live = node_table_get(&j->live, node);
		r = live ? 0 : -ENOMEM;
	}
	if (!r && !j->half[j->active].used)
		r = put_start_locked(j);
	if (r)
		return r;
	format_durable(b, j->durable);
	r = put_locked(j, type, iov, n_iov, bytes, &seq);
	if (r)
		return r;
	if (live)
		live->last = seq;
	if (ret_seq)
		*ret_seq = seq;
	return 0;
}

int append_locked(struct journal *j, enum append_kind kind, enum record_type type,
		  struct format_buf *b, const struct journal_data *data,
		  const struct node_key *node, uint64_t *ret_seq)
{
	struct iovec small[SMALL_IOV], *iov;
	uint64_t bytes;
	size_t n;
	int r;

	if (b->error)
		return b->error;
	iov = gather(b, data, small, &n, &bytes);
	if (!iov)
		return -ENOMEM;
	if (bytes > u64_min(JOURNAL_DATA_MAX, j->options.size / 8))
		r = -EMSGSIZE;
	else
		r = append_iov_locked(j, kind, type, b, iov, n, bytes, node, ret_seq);
	if (iov != small)
		free(iov);
	return r;
}

static int append(struct journal *j, enum record_type type, struct format_buf *b,
		  const struct journal_data *data, const struct journal_node *node,
		  uint64_t *ret_seq)
{
	const struct node_key key = node_key(node);
	int r;

	pthread_mutex_lock(&j->lock);
	r = append_locked(j, APPEND_NEW, type, b, data, &key, ret_seq);
	pthread_mutex_unlock(&j->lock);
	free(b->mem);
	return r;
}

int journal_data(struct journal *j, const struct journal_node *node,
		 const struct journal_data *data, uint64_t *ret_seq)
{
	struct format_buf b;

	format_data(&b, node, data);
	return append(j, RECORD_DATA, &b, data, node, ret_seq);
}

int journal_truncate(struct journal *j, const struct journal_node *node, uint64_t size,
		     uint64_t *ret_seq)
{
	struct format_buf b;

	format_truncate(&b, node, size);
	return append(j, RECORD_TRUNCATE, &b, NULL, node, ret_seq);
}

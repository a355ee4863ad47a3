/* SPDX-License-Identifier: MIT */
/*
 * The payloads of the records
 *
 * A decoder believes no length before it was checked against what is left, and no string before it
 * was looked at whole: names lead into system calls.
 */
#include "format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "arith.h"
#include "bytes.h"

#define NO_PATH 0xffffu
#define EXTENT_BYTES 12u
#define NS_PER_S 1000000000u

/* ----------------------------------------------------------------- writing */

static unsigned char *room(struct format_buf *b, size_t n)
{
	if (b->error)
		return NULL;
	if (n > b->size - b->len) {
		size_t size = (size_t)u64_pow2_up(u64_max(b->len + n, 256));
		unsigned char *mem = realloc(b->mem, size);

		if (!mem) {
			b->error = -ENOMEM;
			return NULL;
		}
		b->mem = mem;
		b->size = size;
	}
	b->len += n;
	return b->mem + b->len - n;
}

static void put_bytes(struct format_buf *b, const void *bytes, size_t n)
{
	unsigned char *to = room(b, n);

	if (to && n)
		memcpy(to, bytes, n);
}

static void put_u8(struct format_buf *b, uint8_t v)
{
	put_bytes(b, &v, 1);
}

static void put_u16(struct format_buf *b, uint16_t v)
{
	unsigned char *to = room(b, 2);

	if (to)
		le16_put(to, v);
}

static void put_u32(struct format_buf *b, uint32_t v)
{
	unsigned char *to = room(b, 4);

	if (to)
		le32_put(to, v);
}

static void put_u64(struct format_buf *b, uint64_t v)
{
	unsigned char *to = room(b, 8);

	if (to)
		le64_put(to, v);
}

/* A length, the bytes, and a zero that the length does not count. */
static void put_string(struct format_buf *b, const char *s, size_t most)
{
	size_t n = s ? strlen(s) : 0;

	if (!s || n > most) {
		b->error = b->error ? b->error : -EINVAL;
		return;
	}
	put_u16(b, (uint16_t)n);
	put_bytes(b, s, n + 1);
}

static void put_key(struct format_buf *b, const struct node_key *key)
{
	put_u64(b, key->ino);
	put_u64(b, (uint64_t)key->btime_sec);
	put_u32(b, key->btime_nsec);
}

static void put_node(struct format_buf *b, const struct journal_node *node)
{
	const struct node_key key = node_key(node);
	const struct file_handle *h = node->handle;

	put_key(b, &key);
	if (h && h->handle_bytes && h->handle_bytes <= FORMAT_HANDLE_MAX) {
		put_u16(b, (uint16_t)h->handle_bytes);
		put_u32(b, (uint32_t)h->handle_type);
		put_bytes(b, h->f_handle, h->handle_bytes);
	} else {
		put_u16(b, 0);
	}
	/* A path that is too long is one that is not known. */
	if (node->path && strlen(node->path) <= FORMAT_PATH_MAX)
		put_string(b, node->path, FORMAT_PATH_MAX);
	else
		put_u16(b, NO_PATH);
}

static void put_time(struct format_buf *b, const struct timespec *t)
{
	put_u64(b, (uint64_t)t->tv_sec);
	put_u32(b, (uint32_t)t->tv_nsec);
}

static void begin(struct format_buf *b)
{
	*b = (struct format_buf){0};
	put_u64(b, 0);
}

void format_durable(struct format_buf *b, uint64_t durable)
{
	if (!b->error)
		le64_put(b->mem, durable);
}

void format_start(struct format_buf *b, const struct record_start *start)
{
	begin(b);
	put_u32(b, start->version);
	put_bytes(b, start->boot_id, sizeof(start->boot_id));
	put_u64(b, start->mount_id);
	put_u64(b, start->dev);
	put_u32(b, start->flags);
	put_u32(b, start->interval_ms);
}

void format_data(struct format_buf *b, const struct journal_node *node,
		 const struct journal_data *data)
{
	begin(b);
	put_node(b, node);
	put_u64(b, data->size);
	put_time(b, &data->mtime);
	put_time(b, &data->ctime);
	put_u32(b, data->n_extents);
	for (unsigned i = 0; i < data->n_extents; i++) {
		put_u64(b, data->extents[i].offset);
		put_u32(b, data->extents[i].len);
	}
}

void format_truncate(struct format_buf *b, const struct journal_node *node, uint64_t size)
{
	begin(b);
	put_node(b, node);
	put_u64(b, size);
}

void format_retire(struct format_buf *b, const struct node_key *key, uint64_t until)
{
	begin(b);
	put_key(b, key);
	put_u64(b, until);
}

void format_map(struct format_buf *b, const struct node_key *from, const struct node_key *to)
{
	begin(b);
	put_key(b, from);
	put_key(b, to);
}

void format_heartbeat(struct format_buf *b)
{
	begin(b);
}

void format_name(struct format_buf *b, const struct journal_name *n, uint64_t number)
{
	begin(b);
	put_u64(b, number);
	put_u8(b, (uint8_t)n->op);
	put_node(b, &n->parent);
	put_string(b, n->name, FORMAT_NAME_MAX);
	put_node(b, &n->child);
	put_u32(b, (uint32_t)n->mode);
	put_u32(b, (uint32_t)n->uid);
	put_u32(b, (uint32_t)n->gid);
	put_u32(b, major(n->rdev));
	put_u32(b, minor(n->rdev));
	if (n->op == JOURNAL_RENAME) {
		put_node(b, &n->new_parent);
		put_string(b, n->new_name, FORMAT_NAME_MAX);
		put_u32(b, n->flags);
	} else if (n->op == JOURNAL_SYMLINK) {
		put_string(b, n->target, FORMAT_PATH_MAX);
	}
}

/* ----------------------------------------------------------------- reading */

struct in {
	const unsigned char *at, *end;
	bool bad;
};

static const unsigned char *take(struct in *in, size_t n)
{
	const unsigned char *at = in->at;

	if (in->bad || n > (size_t)(in->end - in->at)) {
		in->bad = true;
		return NULL;
	}
	in->at += n;
	return at;
}

static uint8_t get_u8(struct in *in)
{
	const unsigned char *at = take(in, 1);

	return at ? *at : 0;
}

static uint16_t get_u16(struct in *in)
{
	const unsigned char *at = take(in, 2);

	return at ? le16_get(at) : 0;
}

static uint32_t get_u32(struct in *in)
{
	const unsigned char *at = take(in, 4);

	return at ? le32_get(at) : 0;
}

static uint64_t get_u64(struct in *in)
{
	const unsigned char *at = take(in, 8);

	return at ? le64_get(at) : 0;
}

static struct node_key get_key(struct in *in)
{
	struct node_key key;

	key.ino = get_u64(in);
	key.btime_sec = (int64_t)get_u64(in);
	key.btime_nsec = get_u32(in);
	if (key.btime_nsec >= NS_PER_S)
		in->bad = true;
	return key;
}

/* n bytes and their zero. */
static const char *get_text(struct in *in, size_t n)
{
	const unsigned char *at = take(in, n + 1);

	if (at && (at[n] || memchr(at, 0, n)))
		in->bad = true;
	return in->bad ? NULL : (const char *)at;
}

static bool is_name(const char *name, size_t n)
{
	if (!n || n > FORMAT_NAME_MAX || memchr(name, '/', n))
		return false;
	return !(n == 1 && name[0] == '.') && !(n == 2 && name[0] == '.' && name[1] == '.');
}

static const char *get_name(struct in *in)
{
	size_t n = get_u16(in);
	const char *name = get_text(in, n);

	if (name && !is_name(name, n))
		in->bad = true;
	return in->bad ? NULL : name;
}

/* Beneath BACKING, and nowhere else: names, each followed by one slash or the end. */
static bool is_path(const char *path, size_t n)
{
	if (!n)
		return true;
	for (;;) {
		const char *slash = memchr(path, '/', n);
		size_t len = slash ? (size_t)(slash - path) : n;

		if (!is_name(path, len))
			return false;
		if (!slash)
			return true;
		path += len + 1;
		n -= len + 1;
	}
}

static const char *get_path(struct in *in)
{
	size_t n = get_u16(in);
	const char *path;

	if (in->bad || n == NO_PATH)
		return NULL;
	path = n > FORMAT_PATH_MAX ? NULL : get_text(in, n);
	if (!path || !is_path(path, n))
		in->bad = true;
	return in->bad ? NULL : path;
}

static void get_node(struct in *in, struct record_node *ret)
{
	const struct node_key key = get_key(in);
	size_t n = get_u16(in);

	ret->node = (struct journal_node){
		.ino = key.ino, .btime_sec = key.btime_sec, .btime_nsec = key.btime_nsec};
	if (n > FORMAT_HANDLE_MAX)
		in->bad = true;
	if (n) {
		uint32_t type = get_u32(in);
		const unsigned char *bytes = take(in, n);

		if (bytes) {
			ret->handle.head.handle_bytes = (unsigned)n;
			ret->handle.head.handle_type = (int)type;
			memcpy(ret->handle.head.f_handle, bytes, n);
			ret->node.handle = &ret->handle.head;
		}
	}
	ret->node.path = get_path(in);
}

static struct timespec get_time(struct in *in)
{
	struct timespec t;
	uint32_t nsec;

	t.tv_sec = (time_t)get_u64(in);
	nsec = get_u32(in);
	if (nsec >= NS_PER_S)
		in->bad = true;
	t.tv_nsec = (long)nsec;
	return t;
}

static void get_start(struct in *in, struct record_start *ret)
{
	const unsigned char *id;

	ret->version = get_u32(in);
	id = take(in, sizeof(ret->boot_id));
	if (id)
		memcpy(ret->boot_id, id, sizeof(ret->boot_id));
	ret->mount_id = get_u64(in);
	ret->dev = get_u64(in);
	ret->flags = get_u32(in);
	ret->interval_ms = get_u32(in);
}

void format_extent(const struct record_data *data, uint32_t i, uint64_t *ret_offset,
		   uint32_t *ret_len)
{
	const unsigned char *at = data->extents + (size_t)i * EXTENT_BYTES;

	*ret_offset = le64_get(at);
	*ret_len = le32_get(at + 8);
}

static void get_data(struct in *in, struct record_data *ret)
{
	uint64_t total = 0;

	ret->size = get_u64(in);
	ret->mtime = get_time(in);
	ret->ctime = get_time(in);
	ret->n_extents = get_u32(in);
	if (in->bad || ret->size > OFFSET_MAX ||
	    ret->n_extents > (size_t)(in->end - in->at) / EXTENT_BYTES) {
		in->bad = true;
		return;
	}
	ret->extents = take(in, (size_t)ret->n_extents * EXTENT_BYTES);
	for (uint32_t i = 0; i < ret->n_extents; i++) {
		uint64_t offset;
		uint32_t len;

		format_extent(ret, i, &offset, &len);
		if (u64_add_sat(offset, len) > OFFSET_MAX)
			in->bad = true;
		total += len;
	}
	if (in->bad || total != (uint64_t)(in->end - in->at))
		in->bad = true;
	else
		ret->bytes = take(in, (size_t)total);
}

static void get_op(struct in *in, struct record_name *ret)
{
	uint32_t maj, min;

	ret->number = get_u64(in);
	ret->op = (enum journal_op)get_u8(in);
	if (ret->op > JOURNAL_RENAME)
		in->bad = true;
	get_node(in, &ret->parent);
	ret->name = get_name(in);
	get_node(in, &ret->child);
	ret->mode = get_u32(in);
	ret->uid = get_u32(in);
	ret->gid = get_u32(in);
	maj = get_u32(in);
	min = get_u32(in);
	ret->rdev = makedev(maj, min);
	if (in->bad)
		return;
	if (ret->op == JOURNAL_RENAME) {
		get_node(in, &ret->new_parent);
		ret->new_name = get_name(in);
		ret->flags = get_u32(in);
	} else if (ret->op == JOURNAL_SYMLINK) {
		size_t n = get_u16(in);

		ret->target = n && n <= FORMAT_PATH_MAX ? get_text(in, n) : NULL;
		if (!ret->target)
			in->bad = true;
	}
}

int format_decode(uint16_t type, const void *payload, size_t len, struct record *ret)
{
	struct in in = {.at = payload, .end = (const unsigned char *)payload + len};

	memset(ret, 0, sizeof(*ret));
	ret->type = (enum record_type)type;
	ret->durable = get_u64(&in);
	switch (ret->type) {
	case RECORD_START:
		get_start(&in, &ret->start);
		if (!in.bad && ret->start.version != FORMAT_VERSION)
			return -MMS_EVERSION;
		break;
	case RECORD_DATA:
		get_node(&in, &ret->node);
		get_data(&in, &ret->data);
		break;
	case RECORD_TRUNCATE:
		get_node(&in, &ret->node);
		ret->size = get_u64(&in);
		if (ret->size > OFFSET_MAX)
			in.bad = true;
		break;
	case RECORD_RETIRE:
		ret->key = get_key(&in);
		ret->until = get_u64(&in);
		break;
	case RECORD_NAME:
		get_op(&in, &ret->name);
		break;
	case RECORD_MAP:
		ret->key = get_key(&in);
		ret->to = get_key(&in);
		break;
	case RECORD_HEARTBEAT:
		break;
	default:
		return -MMS_EVERSION;
	}
	return in.bad || in.at != in.end ? -MMS_ECORRUPT : 0;
}

const char *format_op_name(enum journal_op op)
{
	static const char *const names[] = {
		[JOURNAL_CREATE] = "create", [JOURNAL_MKDIR] = "mkdir",
		[JOURNAL_MKNOD] = "mknod",   [JOURNAL_SYMLINK] = "symlink",
		[JOURNAL_LINK] = "link",     [JOURNAL_UNLINK] = "unlink",
		[JOURNAL_RMDIR] = "rmdir",   [JOURNAL_RENAME] = "rename",
	};

	return names[op];
}

/* SPDX-License-Identifier: MIT */
/* Proves that every record comes back as it was put, and that no payload leads out of itself. */
#include "scene.h"

#include <sys/sysmacros.h>

#define KINDS 14u

static union {
	struct file_handle head;
	unsigned char space[sizeof(struct file_handle) + 8];
} handle;

static struct journal_node node(const char *path, bool with_handle)
{
	handle.head.handle_bytes = 8;
	handle.head.handle_type = -3;
	memcpy(handle.head.f_handle, "handle!!", 8);
	return (struct journal_node){.ino = 0x1122334455667788, .btime_sec = -5,
				     .btime_nsec = 999999999, .path = path,
				     .handle = with_handle ? &handle.head : NULL};
}

static void check_node(const struct record_node *got, const struct journal_node *want)
{
	ck_assert_uint_eq(got->node.ino, want->ino);
	ck_assert_int_eq(got->node.btime_sec, want->btime_sec);
	ck_assert_uint_eq(got->node.btime_nsec, want->btime_nsec);
	ck_assert_int_eq(!got->node.path, !want->path);
	if (want->path)
		ck_assert_str_eq(got->node.path, want->path);
	ck_assert_int_eq(!got->node.handle, !want->handle);
	if (want->handle) {
		ck_assert_int_eq(got->node.handle->handle_type, want->handle->handle_type);
		ck_assert_uint_eq(got->node.handle->handle_bytes, want->handle->handle_bytes);
		ck_assert_int_eq(memcmp(got->node.handle->f_handle, want->handle->f_handle, 8), 0);
	}
}

static struct journal_name a_name(enum journal_op op)
{
	return (struct journal_name){.op = op, .parent = node("", false),
				     .new_parent = node("dir/sub", true), .child = node(NULL, true),
				     .name = "name", .new_name = "new", .target = "../target",
				     .flags = 2, .mode = S_IFREG | 04755, .uid = 7, .gid = 8,
				     .rdev = makedev(300, 70000)};
}

/* A payload of each kind. */
static void make(unsigned kind, struct format_buf *b, enum record_type *ret_type)
{
	static const struct journal_extent e[] = {{4096, 3, "abc"}, {1ULL << 40, 2, "de"}};
	const struct journal_node n = node("a/b", kind & 1);
	const struct journal_data d = {.size = 99, .mtime = {1, 2}, .ctime = {3, 4}, .extents = e,
				       .n_extents = 2};
	const struct node_key key = {1, 2, 3}, to = {4, 5, 6};
	const struct record_start start = {.version = 1, .boot_id = "0123456789abcde",
					   .mount_id = 9, .dev = 10, .flags = 1, .interval_ms = 50};
	struct journal_name name;

	switch (kind) {
	case 0:
		*ret_type = RECORD_START;
		format_start(b, &start);
		break;
	case 1:
		*ret_type = RECORD_DATA;
		format_data(b, &n, &d);
		b->mem = realloc(b->mem, b->len + 5);
		memcpy(b->mem + b->len, "abcde", 5);
		b->len += 5;
		break;
	case 2:
		*ret_type = RECORD_TRUNCATE;
		format_truncate(b, &n, 1234);
		break;
	case 3:
		*ret_type = RECORD_RETIRE;
		format_retire(b, &key, 77);
		break;
	case 4:
		*ret_type = RECORD_MAP;
		format_map(b, &key, &to);
		break;
	case 5:
		*ret_type = RECORD_HEARTBEAT;
		format_heartbeat(b);
		break;
	default:
		*ret_type = RECORD_NAME;
		name = a_name((enum journal_op)(kind - 6));
		format_name(b, &name, 42);
	}
	T_OK(b->error);
	format_durable(b, 0x0102030405060708);
}

START_TEST(round_trips)
{
	struct record *r = malloc(sizeof(*r));
	const struct journal_node n0 = node("a/b", false), n1 = node("a/b", true);
	enum record_type type;
	struct format_buf b;
	struct journal_name want = a_name((enum journal_op)(_i < 6 ? 0 : _i - 6));
	uint64_t offset;
	uint32_t len;

	make((unsigned)_i, &b, &type);
	T_OK(format_decode((uint16_t)type, b.mem, b.len, r));
	ck_assert_uint_eq(r->durable, 0x0102030405060708);
	switch (type) {
	case RECORD_START:
		ck_assert_str_eq((char *)r->start.boot_id, "0123456789abcde");
		ck_assert_uint_eq(r->start.mount_id, 9);
		ck_assert_uint_eq(r->start.dev, 10);
		ck_assert_uint_eq(r->start.flags, 1);
		ck_assert_uint_eq(r->start.interval_ms, 50);
		break;
	case RECORD_DATA:
		check_node(&r->node, &n1);
		ck_assert_uint_eq(r->data.size, 99);
		ck_assert_int_eq(r->data.mtime.tv_sec, 1);
		ck_assert_int_eq(r->data.ctime.tv_nsec, 4);
		ck_assert_uint_eq(r->data.n_extents, 2);
		format_extent(&r->data, 1, &offset, &len);
		ck_assert_uint_eq(offset, 1ULL << 40);
		ck_assert_uint_eq(len, 2);
		ck_assert_int_eq(memcmp(r->data.bytes, "abcde", 5), 0);
		break;
	case RECORD_TRUNCATE:
		check_node(&r->node, &n0);
		ck_assert_uint_eq(r->size, 1234);
		break;
	case RECORD_RETIRE:
		ck_assert_uint_eq(r->key.ino, 1);
		ck_assert_uint_eq(r->until, 77);
		break;
	case RECORD_MAP:
		ck_assert_uint_eq(r->key.btime_nsec, 3);
		ck_assert_uint_eq(r->to.ino, 4);
		break;
	case RECORD_NAME:
		ck_assert_uint_eq(r->name.number, 42);
		ck_assert_int_eq(r->name.op, want.op);
		check_node(&r->name.parent, &want.parent);
		check_node(&r->name.child, &want.child);
		ck_assert_str_eq(r->name.name, "name");
		ck_assert_uint_eq(r->name.mode, S_IFREG | 04755);
		ck_assert_uint_eq(r->name.uid, 7);
		ck_assert_uint_eq(r->name.gid, 8);
		ck_assert(r->name.rdev == makedev(300, 70000));
		if (want.op == JOURNAL_RENAME) {
			check_node(&r->name.new_parent, &want.new_parent);
			ck_assert_str_eq(r->name.new_name, "new");
			ck_assert_uint_eq(r->name.flags, 2);
		}
		if (want.op == JOURNAL_SYMLINK)
			ck_assert_str_eq(r->name.target, "../target");
		break;
	default:
		break;
	}
	free(b.mem);
	free(r);
}
END_TEST

/* In memory of just its length, so that a sanitizer sees a look past it. */
static int decode_copy(enum record_type type, const unsigned char *mem, size_t len)
{
	struct record *r = malloc(sizeof(*r));
	unsigned char *copy = malloc(len + !len);
	int result;

	memcpy(copy, mem, len);
	result = format_decode((uint16_t)type, copy, len, r);
	free(copy);
	free(r);
	return result;
}

START_TEST(cut_payloads)
{
	enum record_type type;
	struct format_buf b;

	make((unsigned)_i, &b, &type);
	for (size_t len = 0; len < b.len; len++)
		ck_assert_int_ne(decode_copy(type, b.mem, len), 0);
	b.mem = realloc(b.mem, b.len + 1);
	b.mem[b.len] = 0;
	ck_assert_int_ne(decode_copy(type, b.mem, b.len + 1), 0);
	free(b.mem);
}
END_TEST

START_TEST(hostile_lengths)
{
	static const unsigned char evil[] = {0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff};
	enum record_type type;
	struct format_buf b;

	make((unsigned)_i, &b, &type);
	for (size_t at = 0; at < b.len; at++) {
		for (unsigned i = 0; i < sizeof(evil); i++) {
			unsigned char saved[4];
			size_t n = b.len - at < 4 ? b.len - at : 4;

			memcpy(saved, b.mem + at, n);
			for (size_t width = 1; width <= n; width++) {
				memset(b.mem + at, evil[i], width);
				(void)decode_copy(type, b.mem, b.len);
			}
			memcpy(b.mem + at, saved, n);
		}
	}
	for (uint16_t other = 0; other < 10; other++)
		(void)decode_copy((enum record_type)other, b.mem, b.len);
	free(b.mem);
}
END_TEST

/* What leads elsewhere is no name. */
START_TEST(hostile_names)
{
	static const char *const bad[] = {".", "..", "", "a/b", "/"};
	static const char *const bad_paths[] = {"/", "/a", "a/", "a//b", "..", "a/../b", "a/."};
	struct format_buf b;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct journal_name n = a_name(JOURNAL_CREATE);

		n.name = bad[i];
		format_name(&b, &n, 1);
		ck_assert_int_eq(decode_copy(RECORD_NAME, b.mem, b.len), -MMS_ECORRUPT);
		free(b.mem);
		n = a_name(JOURNAL_RENAME);
		n.new_name = bad[i];
		format_name(&b, &n, 1);
		ck_assert_int_eq(decode_copy(RECORD_NAME, b.mem, b.len), -MMS_ECORRUPT);
		free(b.mem);
	}
	for (unsigned i = 0; i < sizeof(bad_paths) / sizeof(bad_paths[0]); i++) {
		const struct journal_node n = node(bad_paths[i], true);

		format_truncate(&b, &n, 1);
		ck_assert_int_eq(decode_copy(RECORD_TRUNCATE, b.mem, b.len), -MMS_ECORRUPT);
		free(b.mem);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("format");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, round_trips, 0, KINDS);
	tcase_add_loop_test(tc, cut_payloads, 0, KINDS);
	tcase_add_loop_test(tc, hostile_lengths, 0, KINDS);
	tcase_add_test(tc, hostile_names);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the payload of a journal's record
 *
 * The first byte is the type; the rest is decoded. What is accepted must lie inside the payload,
 * lead nowhere but beneath BACKING, and come out the same when it is put and decoded again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name)
{
	size_t n = strlen(name);

	assert(n > 0 && n <= FORMAT_NAME_MAX);
	assert(!strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
}

static void check_node(const struct journal_node *node)
{
	if (node->handle)
		assert(node->handle->handle_bytes > 0 &&
		       node->handle->handle_bytes <= FORMAT_HANDLE_MAX);
	if (!node->path)
		return;
	assert(node->path[0] != '/' && strlen(node->path) <= FORMAT_PATH_MAX);
	assert(!strstr(node->path, "//") && !strstr(node->path, "/../"));
	assert(strncmp(node->path, "../", 3) != 0);
}

static void again(const struct format_buf *b, const uint8_t *payload, size_t len)
{
	assert(!b->error && b->len == len);
	assert(!memcmp(b->mem + 8, payload + 8, len - 8));
	free(b->mem);
}

static void check_data(const struct record *r, const uint8_t *payload, size_t len)
{
	uint64_t total = 0;

	check_node(&r->node.node);
	for (uint32_t i = 0; i < r->data.n_extents; i++) {
		uint64_t offset;
		uint32_t n;

		format_extent(&r->data, i, &offset, &n);
		assert(offset + n <= INT64_MAX);
		total += n;
	}
	assert(r->data.bytes + total == payload + len);
}

static void check_op(const struct record_name *n, const uint8_t *payload, size_t len)
{
	const struct journal_name name = {
		.op = n->op,
		.parent = n->parent.node,
		.new_parent = n->new_parent.node,
		.child = n->child.node,
		.name = n->name,
		.new_name = n->new_name,
		.target = n->target,
		.flags = n->flags,
		.mode = n->mode,
		.uid = n->uid,
		.gid = n->gid,
		.rdev = n->rdev,
	};
	struct format_buf b;

	check_name(n->name);
	check_node(&n->parent.node);
	check_node(&n->child.node);
	assert(format_op_name(n->op));
	if (n->op == JOURNAL_RENAME) {
		check_name(n->new_name);
		check_node(&n->new_parent.node);
	}
	format_name(&b, &name, n->number);
	again(&b, payload, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record *r = malloc(sizeof(*r));
	struct format_buf b;

	assert(r);
	if (size && !format_decode(data[0], data + 1, size - 1, r)) {
		switch (r->type) {
		case RECORD_DATA:
			check_data(r, data + 1, size - 1);
			break;
		case RECORD_NAME:
			check_op(&r->name, data + 1, size - 1);
			break;
		case RECORD_TRUNCATE:
			check_node(&r->node.node);
			format_truncate(&b, &r->node.node, r->size);
			again(&b, data + 1, size - 1);
			break;
		case RECORD_RETIRE:
			format_retire(&b, &r->key, r->until);
			again(&b, data + 1, size - 1);
			break;
		default:
			break;
		}
	}
	free(r);
	return 0;
}

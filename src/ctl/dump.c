/* SPDX-License-Identifier: MIT */
/* mmapfsctl journal dump: a line for each record */
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "ctl.h"
#include "halves.h"

#define NS_PER_S 1000000000u

static void print_node(const char *what, const struct journal_node *n)
{
	printf(" %s=%llu@%lld.%09u", what, (unsigned long long)n->ino, (long long)n->btime_sec,
	       n->btime_nsec);
	if (n->path) {
		putchar(':');
		print_quoted(n->path);
	}
}

static void print_key(const char *what, const struct node_key *k)
{
	const struct journal_node n = {
		.ino = k->ino, .btime_sec = k->btime_sec, .btime_nsec = k->btime_nsec};

	print_node(what, &n);
}

static void print_start(const struct record_start *s)
{
	printf(" version=%u boot=", s->version);
	for (unsigned i = 0; i < sizeof(s->boot_id); i++)
		printf("%02x", s->boot_id[i]);
	printf(" mount=%llu dev=%u:%u names=%u interval_ms=%u", (unsigned long long)s->mount_id,
	       major(s->dev), minor(s->dev), s->flags & FORMAT_START_NAMES, s->interval_ms);
}

static void print_data(const struct record_data *d)
{
	printf(" size=%llu mtime=%lld.%09ld", (unsigned long long)d->size,
	       (long long)d->mtime.tv_sec, d->mtime.tv_nsec);
	for (uint32_t i = 0; i < d->n_extents; i++) {
		uint64_t offset;
		uint32_t len;

		format_extent(d, i, &offset, &len);
		printf(" %llu+%u", (unsigned long long)offset, len);
	}
}

static void print_name(const struct record_name *n)
{
	printf(" number=%llu %s", (unsigned long long)n->number, format_op_name(n->op));
	print_node("parent", &n->parent.node);
	printf(" name=");
	print_quoted(n->name);
	print_node("child", &n->child.node);
	printf(" mode=%o uid=%u gid=%u", n->mode, n->uid, n->gid);
	if (n->op == JOURNAL_MKNOD)
		printf(" rdev=%u:%u", major(n->rdev), minor(n->rdev));
	if (n->op == JOURNAL_SYMLINK) {
		printf(" target=");
		print_quoted(n->target);
	}
	if (n->op == JOURNAL_RENAME) {
		print_node("new_parent", &n->new_parent.node);
		printf(" new_name=");
		print_quoted(n->new_name);
		printf(" flags=%u", n->flags);
	}
}

static int print_record(void *arg, const struct mms_record *raw, const struct record *r)
{
	static const char *const types[] = {
		[RECORD_START] = "START",   [RECORD_DATA] = "DATA",
		[RECORD_TRUNCATE] = "TRUNCATE", [RECORD_RETIRE] = "RETIRE",
		[RECORD_NAME] = "NAME",     [RECORD_MAP] = "MAP",
		[RECORD_HEARTBEAT] = "HEARTBEAT",
	};

	(void)arg;
	printf("%llu %llu.%09u %s durable=%llu", (unsigned long long)raw->sequence,
	       (unsigned long long)(raw->timestamp_ns / NS_PER_S),
	       (unsigned)(raw->timestamp_ns % NS_PER_S), types[r->type],
	       (unsigned long long)r->durable);
	if (r->type == RECORD_START)
		print_start(&r->start);
	if (r->type == RECORD_DATA || r->type == RECORD_TRUNCATE)
		print_node("file", &r->node.node);
	if (r->type == RECORD_DATA)
		print_data(&r->data);
	if (r->type == RECORD_TRUNCATE)
		printf(" size=%llu", (unsigned long long)r->size);
	if (r->type == RECORD_RETIRE || r->type == RECORD_MAP)
		print_key("file", &r->key);
	if (r->type == RECORD_RETIRE)
		printf(" until=%llu", (unsigned long long)r->until);
	if (r->type == RECORD_MAP)
		print_key("now", &r->to);
	if (r->type == RECORD_NAME)
		print_name(&r->name);
	putchar('\n');
	return 0;
}

/* Both in order; or each that can be read, and EXIT_DAMAGED. */
static int look(struct where *w, struct half *halves)
{
	struct mms_error err;
	int r = w->has_state ? halves_look(w->pool, &w->place, halves, &err) : 0;

	if (!r)
		return EXIT_DONE;
	if (!journal_is_unreadable(r))
		return complain_error(&err);
	for (unsigned i = 0; i < JOURNAL_HALVES; i++) {
		if (half_look(w->pool, &w->place, i, &halves[i], &err)) {
			halves[i].exists = false;
			(void)complain_journal(w, &err);
		}
	}
	return EXIT_DAMAGED;
}

int command_dump(struct where *w)
{
	struct half *halves = calloc(JOURNAL_HALVES, sizeof(*halves));
	struct mms_error err;
	int r = 0, result;

	if (!halves) {
		complain("no memory");
		return EXIT_FAILED;
	}
	result = look(w, halves);
	for (unsigned i = 0; result != EXIT_FAILED && !r && i < JOURNAL_HALVES; i++) {
		if (halves[i].exists)
			r = half_walk(w->pool, &halves[i], print_record, NULL, &err);
		if (!r && halves[i].found.strays) {
			complain("%s is damaged at record %llu; %llu records stand behind it",
				 halves[i].path,
				 (unsigned long long)halves[i].found.next_sequence,
				 (unsigned long long)halves[i].found.strays);
			result = EXIT_DAMAGED;
		}
	}
	free(halves);
	return r ? complain_journal(w, &err) : result;
}

/* SPDX-License-Identifier: MIT */
/*
 * Proves that replay brings the names of all operations, whichever prefix of them the disk has.
 *
 * A plan is made of random operations that are possible one after the other. For each k the first
 * k are done in a directory and all are put into a journal, those after k of files that are not
 * there. Replay must lead to the directory in which all were done, also where it is cut.
 */
#include "scene.h"

#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "cleanup.h"

#define OPS 24u
#define NODES 64u
#define NAMES 5u
#define NONE 0xffffu

enum what { IS_GONE, IS_DIR, IS_FILE, IS_LINK, IS_FIFO };

struct item {
	bool is_data;
	enum journal_op op;
	unsigned parent, new_parent, child;
	char name[8], new_name[8], target[16];
	char path[128], new_path[128];
	unsigned flags, mode;
	unsigned text; /* of data */
};

struct plan {
	struct item items[OPS * 2];
	unsigned n_items, n_names;
	enum what what[NODES];
	unsigned n_nodes;
	unsigned entry[NODES][NAMES]; /* of directories: the node under each name */
};

static struct plan plan;
static unsigned seed_now;

static unsigned rnd(unsigned n)
{
	seed_now = seed_now * 1664525u + 1013904223u;
	return (seed_now >> 10) % n;
}

/* ---------------------------------------------------------------- the plan */

static bool find_entry(unsigned node, unsigned *ret_dir, unsigned *ret_name)
{
	for (unsigned d = 0; d < plan.n_nodes; d++)
		for (unsigned i = 0; plan.what[d] == IS_DIR && i < NAMES; i++)
			if (plan.entry[d][i] == node) {
				*ret_dir = d;
				*ret_name = i;
				return true;
			}
	return false;
}

static void path_of(unsigned dir, unsigned name, char buf[128])
{
	unsigned up, at;
	char rest[128] = "";

	(void)snprintf(rest, sizeof(rest), "n%u", name);
	while (dir && find_entry(dir, &up, &at)) {
		char next[128];

		(void)snprintf(next, sizeof(next), "n%u/%.100s", at, rest);
		memcpy(rest, next, sizeof(rest));
		dir = up;
	}
	memcpy(buf, rest, 128);
}

static bool is_beneath(unsigned dir, unsigned top)
{
	unsigned name;

	for (;;) {
		if (dir == top)
			return true;
		if (!dir || !find_entry(dir, &dir, &name))
			return false;
	}
}

static unsigned pick_dir(void)
{
	for (;;) {
		unsigned d = rnd(plan.n_nodes);
		unsigned up, at;

		if (plan.what[d] == IS_DIR && (!d || find_entry(d, &up, &at)))
			return d;
	}
}

static bool is_empty(unsigned dir)
{
	for (unsigned i = 0; i < NAMES; i++)
		if (plan.entry[dir][i] != NONE)
			return false;
	return true;
}

static void new_node(struct item *it, unsigned dir, unsigned name)
{
	static const enum what what[] = {IS_FILE, IS_DIR, IS_FIFO, IS_LINK};
	static const unsigned modes[] = {S_IFREG | 0640, S_IFDIR | 0750, S_IFIFO | 0604,
					 S_IFLNK | 0777};

	it->op = (enum journal_op)(rnd(3) ? rnd(2) : rnd(4));
	it->child = plan.n_nodes++;
	it->mode = modes[it->op];
	(void)snprintf(it->target, sizeof(it->target), "to/%u", it->child);
	plan.what[it->child] = what[it->op];
	for (unsigned i = 0; i < NAMES; i++)
		plan.entry[it->child][i] = NONE;
	plan.entry[dir][name] = it->child;
}

static bool plan_rename(struct item *it, unsigned dir, unsigned name)
{
	unsigned to = pick_dir(), at = rnd(NAMES);
	unsigned node = plan.entry[dir][name], over = plan.entry[to][at];

	if (plan.what[node] == IS_DIR && is_beneath(to, node))
		return false;
	it->new_parent = to;
	(void)snprintf(it->new_name, sizeof(it->new_name), "n%u", at);
	path_of(to, at, it->new_path);
	if (over != NONE && !rnd(3)) {
		if (plan.what[over] == IS_DIR && is_beneath(dir, over))
			return false;
		it->flags = 2; /* RENAME_EXCHANGE */
		plan.entry[dir][name] = over;
		plan.entry[to][at] = node;
		return true;
	}
	if (over == node)
		return true; /* two names of one file: nothing is done */
	if (over != NONE && ((plan.what[over] == IS_DIR) != (plan.what[node] == IS_DIR) ||
			     (plan.what[over] == IS_DIR && !is_empty(over))))
		return false;
	plan.entry[dir][name] = NONE;
	plan.entry[to][at] = node;
	return true;
}

static bool plan_change(struct item *it, unsigned dir, unsigned name)
{
	unsigned node = plan.entry[dir][name];
	unsigned choice = rnd(4);

	it->child = node;
	if (choice == 0) {
		if (plan.what[node] == IS_DIR && !is_empty(node))
			return false;
		it->op = plan.what[node] == IS_DIR ? JOURNAL_RMDIR : JOURNAL_UNLINK;
		plan.entry[dir][name] = NONE;
		return true;
	}
	if (choice == 1) {
		unsigned to = pick_dir(), at = rnd(NAMES);

		if (plan.what[node] == IS_DIR || plan.entry[to][at] != NONE)
			return false;
		/* parent and name are those of the new link; path is the old one */
		it->op = JOURNAL_LINK;
		it->parent = to;
		(void)snprintf(it->name, sizeof(it->name), "n%u", at);
		path_of(to, at, it->new_path);
		plan.entry[to][at] = node;
		return true;
	}
	it->op = JOURNAL_RENAME;
	return plan_rename(it, dir, name);
}

static bool plan_item(struct item *it)
{
	unsigned dir = pick_dir(), name = rnd(NAMES);

	*it = (struct item){.parent = dir};
	(void)snprintf(it->name, sizeof(it->name), "n%u", name);
	path_of(dir, name, it->path);
	if (plan.entry[dir][name] == NONE) {
		new_node(it, dir, name);
		return true;
	}
	if (plan.what[plan.entry[dir][name]] == IS_FILE && rnd(2)) {
		it->is_data = true;
		it->child = plan.entry[dir][name];
		it->text = plan.n_items;
		return true;
	}
	return plan_change(it, dir, name);
}

static void make_plan(unsigned seed)
{
	memset(&plan, 0, sizeof(plan));
	seed_now = seed;
	plan.n_nodes = 1;
	plan.what[0] = IS_DIR;
	for (unsigned i = 0; i < NAMES; i++)
		plan.entry[0][i] = NONE;
	while (plan.n_names < OPS && plan.n_items < OPS * 2) {
		struct item it;

		if (!plan_item(&it))
			continue;
		plan.items[plan.n_items++] = it;
		plan.n_names += !it.is_data;
	}
}

/* ------------------------------------------------------------------ doing it */

static void do_item(struct scene *s, const struct item *it)
{
	int at = s->place.backing_fd;

	switch (it->op) {
	case JOURNAL_CREATE: {
		int fd = openat(at, it->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		ck_assert_int_ge(fd, 0);
		T_OK(fchmod(fd, it->mode & 07777));
		T_OK(close(fd));
		break;
	}
	case JOURNAL_MKDIR:
		T_OK(mkdirat(at, it->path, 0700));
		T_OK(fchmodat(at, it->path, it->mode & 07777, 0));
		break;
	case JOURNAL_MKNOD:
		T_OK(mknodat(at, it->path, S_IFIFO | 0600, 0));
		T_OK(fchmodat(at, it->path, it->mode & 07777, 0));
		break;
	case JOURNAL_SYMLINK:
		T_OK(symlinkat(it->target, at, it->path));
		break;
	case JOURNAL_LINK:
		T_OK(linkat(at, it->path, at, it->new_path, 0));
		break;
	case JOURNAL_UNLINK:
		T_OK(unlinkat(at, it->path, 0));
		break;
	case JOURNAL_RMDIR:
		T_OK(unlinkat(at, it->path, AT_REMOVEDIR));
		break;
	case JOURNAL_RENAME:
		T_OK(syscall(SYS_renameat2, at, it->path, at, it->new_path, it->flags));
		break;
	}
}

static void text_of(const struct item *it, char buf[32])
{
	(void)snprintf(buf, 32, "text %u\n", it->text);
}

static void do_all(struct scene *s)
{
	for (unsigned i = 0; i < plan.n_items; i++) {
		const struct item *it = &plan.items[i];
		char text[32];
		FILE *f;

		if (!it->is_data) {
			do_item(s, it);
			continue;
		}
		text_of(it, text);
		f = fopen(scene_path(s, it->path), "r+");
		ck_assert_ptr_nonnull(f);
		fputs(text, f);
		T_OK(fclose(f));
	}
}

struct known {
	struct journal_node node;
	union {
		struct file_handle head;
		unsigned char space[sizeof(struct file_handle) + 128];
	} handle;
};

static struct known known[NODES];

static void learn(struct scene *s, unsigned node, const char *path, bool is_there)
{
	struct known *k = &known[node];
	int mount;

	if (!is_there) {
		k->node = (struct journal_node){.ino = 1000000000000 + node, .btime_sec = 5};
		return;
	}
	k->node = scene_node(s, path);
	k->node.path = NULL;
	k->handle.head.handle_bytes = 128;
	if (s->place.handles && rnd(2) &&
	    !name_to_handle_at(s->place.backing_fd, path, &k->handle.head, &mount, 0))
		k->node.handle = &k->handle.head;
}

/* What the daemon would say of it: not always by the same means. */
static struct journal_node tell(unsigned node, const char *path)
{
	struct journal_node n = known[node].node;

	if (!node)
		n.path = "";
	else if (path && rnd(2))
		n.path = path;
	return n;
}

struct crash {
	unsigned done; /* operations that the disk has */
};

static void record_item(struct scene *s, const struct item *it, bool is_done)
{
	struct journal_name n = {.op = it->op, .name = it->name, .new_name = it->new_name,
				 .target = it->target, .flags = it->flags, .mode = it->mode,
				 .uid = geteuid(), .gid = getegid()};

	T_OK(journal_name_begin(s->j));
	if (is_done)
		do_item(s, it);
	if (it->op <= JOURNAL_SYMLINK)
		learn(s, it->child, it->path, is_done);
	n.parent = tell(it->parent, NULL);
	n.new_parent = tell(it->new_parent, NULL);
	n.child = tell(it->child, it->path);
	T_OK(journal_name_end(s->j, &n, NULL));
}

static void record_all(struct scene *s, void *arg)
{
	const struct crash *c = arg;
	unsigned names = 0;

	scene_open(s, MIB, true);
	learn(s, 0, ".", true);
	for (unsigned i = 0; i < plan.n_items; i++) {
		const struct item *it = &plan.items[i];

		if (it->is_data) {
			struct journal_node n = tell(it->child, it->path);
			char text[32];

			text_of(it, text);
			scene_data(s, &n, 0, text);
		} else {
			record_item(s, it, names++ < c->done);
		}
	}
	T_OK(journal_commit(s->j, UINT64_MAX));
}

/* ---------------------------------------------------------------- comparing */

static char *tree_of(struct scene *s)
{
	char *text = calloc(1, 65536), command[512];
	FILE *p;

	(void)snprintf(command, sizeof(command),
		       "cd %s && find . -name .mmapfs -prune -o ! -name . -printf '%%p %%y %%m %%l %%n\\n'"
		       " | sort && find . -name .mmapfs -prune -o -type f -print | sort |"
		       " while read -r f; do echo $f; cat $f; done",
		       s->backing);
	p = popen(command, "r");
	ck_assert_ptr_nonnull(p);
	(void)fread(text, 1, 65535, p);
	T_OK(pclose(p));
	return text;
}

static void try_one(const char *want, unsigned done, uint64_t mark, int cut, bool handles)
{
	struct scene s;
	struct crash c = {done};
	struct journal_report report;
	uint64_t n;
	char *got;
	int fd;

	scene_set(&s);
	s.place.handles = handles && geteuid() == 0;
	scene_crash(&s, record_all, &c);
	fd = mark_open(s.place.state_fd, &n);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(n, 1 + plan.n_names);
	T_OK(mark_set(fd, mark));
	t_mount++;
	for (int again = 0; cut && again < 3; again++) {
		t_steps = cut;
		(void)journal_replay(s.pool, &s.place, &report, NULL);
	}
	t_steps = -1;
	report = scene_replay(&s);
	got = tree_of(&s);
	if (strcmp(got, want))
		ck_abort_msg("done %u mark %llu cut %d handles %d\ngot\n%s\nwant\n%s", done,
			     (unsigned long long)mark, cut, handles, got, want);
	ck_assert_uint_eq(t_said[JOURNAL_WARNING], 0);
	T_OK(mark_get(fd, &n));
	ck_assert_uint_ge(n, mark);
	free(got);
	(void)close(fd);
	scene_end(&s);
}

START_TEST(every_prefix)
{
	struct scene all;
	char *want;

	make_plan((unsigned)_i * 7919u + 1);
	scene_set(&all);
	do_all(&all);
	want = tree_of(&all);
	scene_end(&all);
	ck_assert_uint_gt(strlen(want), 20);
	for (unsigned k = 0; k <= plan.n_names; k++) {
		try_one(want, k, k + 1, 0, k & 1);
		try_one(want, k, k + 1, 3 + (int)(k * 5 % 29), !(k & 1));
		if (k < plan.n_names)
			try_one(want, k, k + 2, k & 2 ? 4 + (int)k : 0, k & 1);
	}
	free(want);
}
END_TEST

/* An operation that failed has a number and no record. */
static void record_failures(struct scene *s, void *arg)
{
	struct journal_name n = {.op = JOURNAL_CREATE, .name = "x", .mode = S_IFREG | 0600,
				 .uid = geteuid(), .gid = getegid()};

	(void)arg;
	scene_open(s, MIB, true);
	n.parent = scene_node(s, "");
	for (unsigned i = 0; i < 3; i++) {
		T_OK(journal_name_begin(s->j));
		T_OK(journal_name_end(s->j, NULL, NULL));
	}
	n.child.ino = 12345;
	T_OK(journal_name_begin(s->j));
	T_OK(journal_name_end(s->j, &n, NULL));
	T_OK(journal_commit(s->j, UINT64_MAX));
}

START_TEST(numbers_without_records)
{
	struct scene s;
	uint64_t n;
	int fd;

	scene_set(&s);
	scene_crash(&s, record_failures, NULL);
	fd = mark_open(s.place.state_fd, &n);
	ck_assert_uint_eq(n, 5);
	T_OK(mark_set(fd, 3));
	(void)close(fd);
	ck_assert_uint_eq(scene_replay(&s).redone_names, 1);
	scene_expect(&s, "x", "");
	scene_end(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("names");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, every_prefix, 0, 2);
	tcase_add_test(tc, numbers_without_records);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* SPDX-License-Identifier: MIT */
/* The inode table: identity, counts, walks along names with few descriptors, changes beneath. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../marks.h"
#include "fdcache.h"
#include "inode.h"

struct fs fs;

static char dir[64];

static void run(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "cd %s && %s", dir, command);
	ck_assert_int_eq(system(line), 0);
}

static void set_up(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%.40s/inodes-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	memset(&fs, 0, sizeof(fs));
	fs.backing = dir;
	fs.fd_limit = 32; /* eight idle descriptors */
	fs.options.cache = CACHE_BACK;
	fs.writeback = true;
	fs.root_fd = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(fs.root_fd, 0);
	ck_assert_int_eq(inode_table_init(), 0);
	fdcache_init(); /* not privileged: by path */
	ck_assert(!fs.handles);
}

static void tear_down(void)
{
	char line[128];

	inode_table_release();
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	ck_assert_int_eq(system(line), 0);
}

static struct inode *look(struct inode *parent, const char *name)
{
	struct inode *inode = NULL;
	struct stat st;
	int rc = inode_lookup(parent, name, &inode, &st);

	ck_assert_msg(rc == 0, "%s: %s", name, strerror(-rc));
	ck_assert_uint_eq(inode->id.ino, st.st_ino);
	return inode;
}

START_TEST(one_inode_for_one_file)
{
	struct inode_stats stats;
	struct inode *a, *b;

	run("echo x > a && ln a b");
	a = look(fs.root, "a");
	b = look(fs.root, "b");
	ck_assert_ptr_eq(a, b);
	inode_stats(&stats);
	ck_assert_uint_eq(stats.count, 2);
	inode_forget(a, 1);
	inode_stats(&stats);
	ck_assert_uint_eq(stats.count, 2);
	inode_forget(a, 1);
	inode_stats(&stats);
	ck_assert_uint_eq(stats.count, 1);
}
END_TEST

START_TEST(missing_names)
{
	struct inode *inode;
	struct stat st;

	ck_assert_int_eq(inode_lookup(fs.root, "none", &inode, &st), -ENOENT);
	ck_assert_ptr_null(inode_find(fs.root, "none"));
}
END_TEST

/* More files than descriptors: each is reached all the same, deep down too. */
START_TEST(few_descriptors)
{
	struct inode *at[200], *p = fs.root;
	struct inode_stats stats;
	struct stat st;

	run("d=.; for i in $(seq 200); do d=$d/n$i; done; mkdir -p $d");
	for (int i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i + 1);
		at[i] = p = look(p, name);
	}
	inode_stats(&stats);
	ck_assert_uint_le(stats.fds, stats.fd_limit + 1);
	for (int i = 199; i >= 0; i--) {
		ck_assert_int_eq(inode_stat(at[i], &st), 0);
		ck_assert_uint_eq(st.st_ino, at[i]->id.ino);
	}
	inode_stats(&stats);
	ck_assert_uint_le(stats.fds, stats.fd_limit + 1);
	/* Children hold their parents: dropping all from the bottom frees all. */
	for (int i = 199; i >= 0; i--)
		inode_forget(at[i], 1);
	inode_stats(&stats);
	ck_assert_uint_eq(stats.count, 1);
}
END_TEST

START_TEST(parents_outlive_their_lookups)
{
	struct inode_stats stats;
	struct inode *d, *f;
	struct stat st;

	run("mkdir d && echo x > d/f");
	d = look(fs.root, "d");
	f = look(d, "f");
	inode_forget(d, 1);
	inode_fds_shrink();
	ck_assert_int_eq(inode_stat(f, &st), 0);
	inode_forget(f, 1);
	inode_stats(&stats);
	ck_assert_uint_eq(stats.count, 1);
}
END_TEST

START_TEST(a_replaced_path_is_not_followed)
{
	struct inode *d, *f;
	struct stat st;

	run("mkdir d && echo x > d/f && mkdir out && echo secret > out/f");
	d = look(fs.root, "d");
	f = look(d, "f");
	run("mv d gone && ln -s out d");
	inode_fds_shrink();
	ck_assert_int_eq(inode_stat(f, &st), -ESTALE);
	inode_forget(f, 1);
	inode_forget(d, 1);
}
END_TEST

START_TEST(renames_are_followed)
{
	struct inode *d, *e, *f;
	struct stat st;

	run("mkdir d e && echo x > d/f");
	d = look(fs.root, "d");
	e = look(fs.root, "e");
	f = look(d, "f");
	run("mv d/f e/g");
	inode_moved(f, e, "g");
	run("mv e h");
	inode_moved(e, fs.root, "h");
	inode_fds_shrink();
	ck_assert_int_eq(inode_stat(f, &st), 0);
	inode_forget(f, 1);
	inode_forget(e, 1);
	inode_forget(d, 1);
}
END_TEST

START_TEST(pinned_survives_its_name)
{
	struct inode *f;
	struct stat st;

	run("echo x > f");
	f = look(fs.root, "f");
	ck_assert_int_eq(inode_pin_fd(f), 0);
	run("rm f");
	inode_fds_shrink();
	ck_assert_int_eq(inode_stat(f, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 0);
	inode_forget(f, 1);
}
END_TEST

/* A new file of the same inode number is another inode. */
START_TEST(number_reused)
{
	struct inode *f, *g;

	run("echo x > f");
	f = look(fs.root, "f");
	inode_fds_shrink();
	run("rm f && echo y > f");
	g = look(fs.root, "f");
	ck_assert_ptr_ne(f, g);
	ck_assert_uint_ne(f->generation, g->generation);
	inode_forget(f, 1);
	inode_forget(g, 1);
}
END_TEST

/* Changed beneath while closed: the kernel keeps its own size of the old node. */
START_TEST(changed_beneath_gets_a_new_node)
{
	struct inode *f, *g;

	run("echo x > f");
	f = look(fs.root, "f");
	run("echo more >> f");
	g = look(fs.root, "f");
	ck_assert_ptr_ne(f, g);
	ck_assert_ptr_eq(look(fs.root, "f"), g);
	inode_forget(f, 1);
	inode_forget(g, 2);
}
END_TEST

START_TEST(own_changes_do_not)
{
	struct inode *f;
	bool right;
	int fd;

	run("echo x > f");
	f = look(fs.root, "f");
	fd = inode_fd_get(f);
	right = own_change_begin(f, fd);
	ck_assert(right);
	run("touch -d 2001-01-01 f");
	own_change_end(f, fd, right);
	inode_fd_put(f);
	ck_assert_ptr_eq(look(fs.root, "f"), f);
	inode_forget(f, 2);
}
END_TEST

START_TEST(open_by_what_it_is)
{
	struct inode *f;
	char buf[8];
	int fd;

	run("echo hello > f");
	f = look(fs.root, "f");
	fd = inode_open(f, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read(fd, buf, sizeof(buf)), 6);
	close(fd);
	inode_forget(f, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inodes");
	TCase *tc = tcase_create("table");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, one_inode_for_one_file);
	tcase_add_test(tc, missing_names);
	tcase_add_test(tc, few_descriptors);
	tcase_add_test(tc, parents_outlive_their_lookups);
	tcase_add_test(tc, a_replaced_path_is_not_followed);
	tcase_add_test(tc, renames_are_followed);
	tcase_add_test(tc, pinned_survives_its_name);
	tcase_add_test(tc, number_reused);
	tcase_add_test(tc, changed_beneath_gets_a_new_node);
	tcase_add_test(tc, own_changes_do_not);
	tcase_add_test(tc, open_by_what_it_is);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

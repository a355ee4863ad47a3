/* SPDX-License-Identifier: MIT */
/* Which names reach the system calls on BACKING: single components, and not the daemon's own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../marks.h"
#include "inode.h"
#include "ops.h"

struct fs fs;

static struct inode root, dir, virtual_dir = {.is_virtual = true};

START_TEST(odd_ones_are_names)
{
	static const char *const names[] = {"a",    "...", ". ",      "..a",
					    " ",    "\n",  "-rf",     "\xff\xfe",
					    "a\\b", "*",   "\x1b[2J", ".mmapfs2"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_msg(name_is_single(names[i]), "%s", names[i]);
		ck_assert_int_eq(name_check(&root, names[i]), 0);
	}
}
END_TEST

/* What is behind a NUL does not exist: the name before it decides. */
START_TEST(ways_out_are_not)
{
	static const char *const names[] = {"",     ".",  "..",  "/",      "a/b", "../x",
					    "/etc", "a/", "./a", "..\0/x", "\0a"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ck_assert_msg(!name_is_single(names[i]), "%s", names[i]);
		ck_assert_int_eq(name_check(&root, names[i]), -EINVAL);
		ck_assert_int_eq(name_check(&dir, names[i]), -EINVAL);
	}
}
END_TEST

START_TEST(the_daemons_own)
{
	fs.root = &root;
	ck_assert_int_eq(name_check(&root, RESERVED_NAME), -EPERM);
	ck_assert_int_eq(name_check(&dir, RESERVED_NAME), 0);
	ck_assert_int_eq(name_check(&virtual_dir, "a"), -EPERM);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("names");
	TCase *tc = tcase_create("names");

	tcase_add_test(tc, odd_ones_are_names);
	tcase_add_test(tc, ways_out_are_not);
	tcase_add_test(tc, the_daemons_own);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* SPDX-License-Identifier: MIT */
/* marks.h - what all unit tests have of Check: no system call for each assertion, one way to run
 *
 * Check writes down each assertion that holds, so that it can say after which one a program died.
 * In loops over every byte that is nearly all that a test does: millions of writes. Here each
 * assertion of a source is written down when it first holds in a test, and not again. */
#ifndef MARKS_H
#define MARKS_H

#include <check.h>
#include <stdatomic.h>
#include <stdbool.h>

/* A test case is a process of its own, so each starts with no mark set. */
#define _mark_point(file, line)                                                      \
	__extension__({                                                              \
		static atomic_bool marked_;                                          \
		if (!atomic_load_explicit(&marked_, memory_order_relaxed)) {         \
			atomic_store_explicit(&marked_, true, memory_order_relaxed); \
			(_mark_point)(file, line);                                   \
		}                                                                    \
	})

/* Runs the suite and frees it. The exit status of main(). */
static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}

#endif

/* SPDX-License-Identifier: MIT */
/* guard.h - the SIGBUS handler under mms_copy() and the loads of load.h */
#ifndef MMS_GUARD_H
#define MMS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether there is a table of instructions that may fault: see load.h. */
#if (defined(__x86_64__) || defined(__aarch64__)) && defined(__LP64__) && \
	__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MMS_GUARD_TABLE 1
#else
#define MMS_GUARD_TABLE 0
#endif

/* Which ways of copying the processor is good at, found before main(). A test
 * may change it, to take the others. */
struct copy_ways {
	bool vectors; /* of 32 bytes */
	bool at_once; /* one instruction for all */
};
extern struct copy_ways mms_copy_ways;

/* Counted: the first call installs the handler, the last one gone removes it. */
int mms_guard_install(void);
void mms_guard_remove(void);

/* One byte, as mms_copy() does it, ordered: what was stored before is seen by whoever loads the
 * value that is stored here, in any thread and process that maps the page. */
int mms_guard_store_release(unsigned char *dst, unsigned char value);
int mms_guard_load_acquire(const unsigned char *src, unsigned char *ret_value);

/* Faults survived by the process so far. */
uint64_t mms_guard_faults(void);

/* mms_copy() by a frame, for processors without the table. */
int mms_guard_copy(void *dst, const void *src, size_t len);

/*
 * Calls f(arg), and leaves it by a jump when it faults inside the range: 0,
 * or -EFAULT. f must be fit for that: it computes, and takes no lock, memory
 * or other thing that it would have to give back.
 */
int mms_guard_call(void (*f)(void *arg), void *arg, const void *addr, size_t len);

#endif

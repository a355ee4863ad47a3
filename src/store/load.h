/* SPDX-License-Identifier: MIT */
/*
 * load.h - accesses that survive SIGBUS, at the price of the access alone
 *
 * An instruction that may fault has an entry in a table: from where to where,
 * and where to go on after a fault. The handler in guard.c looks the
 * interrupted program counter up there and moves it; nothing is set up before
 * the access, nothing taken down after it, and nothing kept for the thread.
 * Where there is no such table a load is a guarded copy. Programs have tables
 * of their own: see mmapstore-inline.h.
 */
#ifndef MMS_LOAD_H
#define MMS_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "guard.h"

#if MMS_GUARD_TABLE

#if defined(__x86_64__)
#define MMS_NO_RELOC "R_X86_64_NONE"
#define MMS_LOAD_1 "movzbl %[mem], %%r11d\n22:\tmovb %%r11b, %[ret]\n\t"
#define MMS_LOAD_2 "movzwl %[mem], %%r11d\n22:\tmovw %%r11w, %[ret]\n\t"
#define MMS_LOAD_4 "movl %[mem], %%r11d\n22:\tmovl %%r11d, %[ret]\n\t"
#define MMS_LOAD_8 "movq %[mem], %%r11\n22:\tmovq %%r11, %[ret]\n\t"
#define MMS_SCRATCH "r11"
#define MMS_MEM "m"
#else
#define MMS_NO_RELOC "R_AARCH64_NONE"
#define MMS_LOAD_1 "ldrb w9, %[mem]\n22:\tstrb w9, %[ret]\n\t"
#define MMS_LOAD_2 "ldrh w9, %[mem]\n22:\tstrh w9, %[ret]\n\t"
#define MMS_LOAD_4 "ldr w9, %[mem]\n22:\tstr w9, %[ret]\n\t"
#define MMS_LOAD_8 "ldr x9, %[mem]\n22:\tstr x9, %[ret]\n\t"
#define MMS_SCRATCH "x9"
#define MMS_MEM "Q"
#endif

/*
 * A struct mms_load_entry, all relative to itself: a shared library needs no
 * relocation for it.
 *
 * Faults from label 21 up to label 22 go on at fixup. The empty relocation is
 * for linkers that drop sections: who keeps the code must keep the entry.
 */
#define MMS_GUARD_ENTRY(fixup)                   \
	".pushsection mms_guard_table,\"a\"\n\t" \
	".balign 4\n"                            \
	"23:\t.long 21b - .\n\t"                 \
	".long 22b - .\n\t"                      \
	".long " fixup " - .\n\t"                \
	".long 0\n\t"                            \
	".popsection\n\t"                        \
	".reloc ., " MMS_NO_RELOC ", 23b\n\t"

/* Through memory: an asm that jumps has no outputs in older compilers. */
#define MMS_DEFINE_LOAD(bits, bytes)                                                \
	static inline bool mms_load##bits(const void *p, uint##bits##_t *ret_value) \
	{                                                                           \
		const struct {                                                      \
			uint##bits##_t at_any_address;                              \
		} __attribute__((packed, may_alias)) *mem = p;                      \
                                                                                    \
		__asm__ goto("21:\t" MMS_LOAD_##bytes MMS_GUARD_ENTRY("%l[fault]")  \
			     :                                                      \
			     : [mem] MMS_MEM(*mem), [ret] MMS_MEM(*ret_value)       \
			     : MMS_SCRATCH, "memory"                                \
			     : fault);                                              \
		return true;                                                        \
	fault:                                                                      \
		return false;                                                       \
	}

#else

#include "bytes.h"
#include "mmapstore.h"

#define MMS_DEFINE_LOAD(bits, bytes)                                                \
	static inline bool mms_load##bits(const void *p, uint##bits##_t *ret_value) \
	{                                                                           \
		unsigned char buf[8] = {0};                                         \
                                                                                    \
		if (mms_copy(buf, p, bytes))                                        \
			return false;                                               \
		*ret_value = (uint##bits##_t)le64_get(buf);                         \
		return true;                                                        \
	}

#endif

/* A little-endian number at any address: false, and *ret_value untouched, if
 * the access faulted. */
MMS_DEFINE_LOAD(8, 1)
MMS_DEFINE_LOAD(16, 2)
MMS_DEFINE_LOAD(32, 4)
MMS_DEFINE_LOAD(64, 8)

#endif

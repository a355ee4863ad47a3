/* SPDX-License-Identifier: MIT */
/*
 * mmapstore-inline.h - numbers of a view without a call
 *
 * Optional: mmapstore.h does not bring it. In a file that includes it,
 * mms_view_u8() to mms_view_u64_at() are compiled into the caller where the
 * number lies in the window, which saves a random read of 8 bytes about a
 * fifth of its time; all else is as documented in mmapstore-view.h, also that
 * a fault is survived. The members of struct mms_view become part of the
 * program: it needs the library of the version it was compiled with.
 *
 * A load that may fault is listed in a section of the program, which makes
 * itself known to the library before main(), or when a module that has such
 * loads is loaded, and is forgotten when the module goes. Where there is no
 * such thing (other processors than x86-64 and aarch64, other compilers than
 * gcc and clang) this header does nothing.
 */
#ifndef MMAPSTORE_INLINE_H
#define MMAPSTORE_INLINE_H

#include "mmapstore.h"

#if defined(__GNUC__) && defined(__ELF__) && defined(__LP64__) && \
	(defined(__x86_64__) || (defined(__aarch64__) && !defined(__AARCH64EB__)))
#define MMS_INLINE_LOADS 1

#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the program or module; made by the linker. */
extern const struct mms_load_entry __start_mms_guard_table[] __attribute__((visibility("hidden")));
extern const struct mms_load_entry __stop_mms_guard_table[] __attribute__((visibility("hidden")));

/* So that the section is there without any load. */
static const struct mms_load_entry mms_inline_no_load_
	__attribute__((used, section("mms_guard_table"))) = {0, 0, 0, 0};

__attribute__((constructor, used)) static void mms_inline_begin_(void)
{
	if (mms_loads_register(__start_mms_guard_table, __stop_mms_guard_table))
		abort(); /* out of memory, before main() */
}

__attribute__((destructor, used)) static void mms_inline_end_(void)
{
	mms_loads_unregister(__start_mms_guard_table);
}

#if defined(__x86_64__)
#define MMS_INLINE_RELOC "R_X86_64_NONE"
#define MMS_INLINE_LOAD_8 "movzbl %[mem], %k[value]"
#define MMS_INLINE_LOAD_16 "movzwl %[mem], %k[value]"
#define MMS_INLINE_LOAD_32 "movl %[mem], %k[value]"
#define MMS_INLINE_LOAD_64 "movq %[mem], %[value]"
#define MMS_INLINE_BAD "movl $1, %k[bad]\n\tjmp 32b"
#define MMS_INLINE_MEM "m"
#else
#define MMS_INLINE_RELOC "R_AARCH64_NONE"
#define MMS_INLINE_LOAD_8 "ldrb %w[value], %[mem]"
#define MMS_INLINE_LOAD_16 "ldrh %w[value], %[mem]"
#define MMS_INLINE_LOAD_32 "ldr %w[value], %[mem]"
#define MMS_INLINE_LOAD_64 "ldr %[value], %[mem]"
#define MMS_INLINE_BAD "mov %w[bad], #1\n\tb 32b"
#define MMS_INLINE_MEM "Q"
#endif

/* Loads into value; after a fault bad is 1. See the library's load.h. The
 * sections are in the group of the function, if it has one: an inline function
 * of C++ that the linker drops takes its entries along. */
#define MMS_INLINE_LOAD(bits, address)                                                            \
	__asm__ volatile("31:\t" MMS_INLINE_LOAD_##bits "\n"                                      \
							"32:\n\t"                                 \
							".pushsection .text.mms_fixup,\"ax?\"\n"  \
							"33:\t" MMS_INLINE_BAD "\n\t"             \
							".popsection\n\t"                         \
							".pushsection mms_guard_table,\"a?\"\n\t" \
							".balign 4\n"                             \
							"34:\t.long 31b - .\n\t"                  \
							".long 32b - .\n\t"                       \
							".long 33b - .\n\t"                       \
							".long 0\n\t"                             \
							".popsection\n\t"                         \
							".reloc ., " MMS_INLINE_RELOC ", 34b\n\t" \
			 : [value] "=&r"(value), [bad] "+r"(bad)                                  \
			 : [mem] MMS_INLINE_MEM(*(const struct mms_inline_u##bits *)(address)))

/*
 * The last seven bytes of a window go the other way: one comparison serves
 * all. For a window at the front of its view, as that of a file of one chunk
 * is, it is one instruction, which counts: a random loop over much memory is
 * bound by how many instructions the processor can have in flight. ret_value
 * is given to no function, so it may be a register.
 */
#define MMS_INLINE_READERS(bits)                                                  \
	struct mms_inline_u##bits {                                               \
		uint##bits##_t at_any_address;                                    \
	} __attribute__((packed, may_alias));                                     \
                                                                                  \
	static inline __attribute__((always_inline)) int mms_inline_u##bits##_at( \
		struct mms_view *view, uint64_t pos, uint##bits##_t *ret_value)   \
	{                                                                         \
		uint64_t value, bad = 0;                                          \
		uint##bits##_t slow;                                              \
		int r;                                                            \
                                                                                  \
		if (__builtin_expect(pos < view->window_front, 1) ||              \
		    pos - view->window_start < view->window_u64s) {               \
			MMS_INLINE_LOAD(bits, view->window + pos);                \
			if (__builtin_expect(!bad, 1)) {                          \
				*ret_value = (uint##bits##_t)value;               \
				return 0;                                         \
			}                                                         \
		}                                                                 \
		r = mms_view_u##bits##_at(view, pos, &slow);                      \
		if (!r)                                                           \
			*ret_value = slow;                                        \
		return r;                                                         \
	}                                                                         \
                                                                                  \
	static inline __attribute__((always_inline)) int mms_inline_u##bits(      \
		struct mms_view *view, uint##bits##_t *ret_value)                 \
	{                                                                         \
		int r = mms_inline_u##bits##_at(view, view->pos, ret_value);      \
                                                                                  \
		if (__builtin_expect(!r, 1))                                      \
			view->pos += bits / 8;                                    \
		return r;                                                         \
	}

MMS_INLINE_READERS(8)
MMS_INLINE_READERS(16)
MMS_INLINE_READERS(32)
MMS_INLINE_READERS(64)

#define mms_view_u8(view, ret_value) mms_inline_u8(view, ret_value)
#define mms_view_u16(view, ret_value) mms_inline_u16(view, ret_value)
#define mms_view_u32(view, ret_value) mms_inline_u32(view, ret_value)
#define mms_view_u64(view, ret_value) mms_inline_u64(view, ret_value)
#define mms_view_u8_at(view, pos, ret_value) mms_inline_u8_at(view, pos, ret_value)
#define mms_view_u16_at(view, pos, ret_value) mms_inline_u16_at(view, pos, ret_value)
#define mms_view_u32_at(view, pos, ret_value) mms_inline_u32_at(view, pos, ret_value)
#define mms_view_u64_at(view, pos, ret_value) mms_inline_u64_at(view, pos, ret_value)

#ifdef __cplusplus
}
#endif
#endif
#endif

/* SPDX-License-Identifier: MIT */
/*
 * mms_copy(): as fast as memcpy(3) at every size, and it survives SIGBUS
 *
 * All that may fault is written in assembly, block by block, and each block
 * has one entry in the table of load.h. Short sizes take two overlapping
 * moves or a few; what is longer a loop of vectors; what is long the
 * processor's own copy, which costs some dozen cycles to begin.
 */
#include <errno.h>

#include "load.h"
#include "mmapstore.h"

struct copy_ways mms_copy_ways;

#if MMS_GUARD_TABLE

/* code, which ends with a new line; after a fault in it bad is 1. What is done
 * then lies out of the way. */
#define GUARDED(code)                           \
	"21:\n\t" code "22:\n\t"                \
	".pushsection .text.mms_fixup,\"ax\"\n" \
	"24:\t" SET_BAD "\n\t"                  \
	".popsection\n\t" MMS_GUARD_ENTRY("24b")

#if defined(__x86_64__)

#include <cpuid.h>

#define SET_BAD "movl $1, %k[bad]\n\tjmp 22b"
#define LONG_BYTES 2048u
#define CPUID_ERMS (1u << 9) /* of CPUID 7, EBX */

__attribute__((constructor)) static void look_at_processor(void)
{
	unsigned a, b, c, d;

	__builtin_cpu_init();
	mms_copy_ways.vectors = __builtin_cpu_supports("avx");
	mms_copy_ways.at_once = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & CPUID_ERMS);
}

/* The first and the last bytes of 1 to 2 times the size of a register. */
#define COPY_ENDS(mov, reg, bytes)                                                                 \
	do {                                                                                       \
		uint64_t head, tail;                                                               \
                                                                                                   \
		__asm__ volatile(GUARDED(mov " (%[src]), %" reg "[head]\n\t" mov " -" bytes        \
					     "(%[src], %[len]), %" reg "[tail]\n\t" mov " %" reg   \
					     "[head], (%[dst])\n\t" mov " %" reg "[tail], -" bytes \
					     "(%[dst], %[len])\n")                                 \
				 : [head] "=&q"(head), [tail] "=&q"(tail), [bad] "+r"(bad)         \
				 : [src] "r"(src), [dst] "r"(dst), [len] "r"(len)                  \
				 : "memory");                                                      \
	} while (0)

static uint64_t copy_16(void *dst, const void *src, size_t len)
{
	uint64_t bad = 0;

	if (len >= 8)
		COPY_ENDS("movq", "q", "8");
	else if (len >= 4)
		COPY_ENDS("movl", "k", "4");
	else if (len >= 2)
		COPY_ENDS("movw", "w", "2");
	else if (len)
		COPY_ENDS("movb", "b", "1");
	return bad;
}

/* 16 to 64 bytes: pairs of vectors from both ends. */
static uint64_t copy_64(void *dst, const void *src, size_t len)
{
	uint64_t bad = 0;

	if (len <= 32)
		__asm__ volatile(GUARDED("movdqu (%[src]), %%xmm0\n\t"
					 "movdqu -16(%[src], %[len]), %%xmm1\n\t"
					 "movdqu %%xmm0, (%[dst])\n\t"
					 "movdqu %%xmm1, -16(%[dst], %[len])\n")
				 : [bad] "+r"(bad)
				 : [src] "r"(src), [dst] "r"(dst), [len] "r"(len)
				 : "memory", "xmm0", "xmm1");
	else
		__asm__ volatile(GUARDED("movdqu (%[src]), %%xmm0\n\t"
					 "movdqu 16(%[src]), %%xmm1\n\t"
					 "movdqu -32(%[src], %[len]), %%xmm2\n\t"
					 "movdqu -16(%[src], %[len]), %%xmm3\n\t"
					 "movdqu %%xmm0, (%[dst])\n\t"
					 "movdqu %%xmm1, 16(%[dst])\n\t"
					 "movdqu %%xmm2, -32(%[dst], %[len])\n\t"
					 "movdqu %%xmm3, -16(%[dst], %[len])\n")
				 : [bad] "+r"(bad)
				 : [src] "r"(src), [dst] "r"(dst), [len] "r"(len)
				 : "memory", "xmm0", "xmm1", "xmm2", "xmm3");
	return bad;
}

/*
 * The last four vectors first, then from the front, the last round over a
 * part of those again. len is at least four vectors.
 */
#define COPY_VECTORS(mov, reg, v1, v2, v3, v4, end)                                               \
	__asm__ volatile(                                                                         \
		GUARDED(mov                                                                       \
			" -" v4 "(%[src], %[left]), %%" reg "4\n\t" mov " -" v3                   \
			"(%[src], %[left]), %%" reg "5\n\t" mov " -" v2                           \
			"(%[src], %[left]), %%" reg "6\n\t" mov " -" v1                           \
			"(%[src], %[left]), %%" reg "7\n\t" mov " %%" reg "4, -" v4               \
			"(%[dst], %[left])\n\t" mov " %%" reg "5, -" v3                           \
			"(%[dst], %[left])\n\t" mov " %%" reg "6, -" v2                           \
			"(%[dst], %[left])\n\t" mov " %%" reg "7, -" v1 "(%[dst], %[left])\n\t"   \
			"subq $" v4 ", %[left]\n\t"                                               \
			"jbe 22f\n"                                                               \
			".balign 32\n"                                                            \
			"1:\t" mov " (%[src]), %%" reg "0\n\t" mov " " v1 "(%[src]), %%" reg      \
			"1\n\t" mov " " v2 "(%[src]), %%" reg "2\n\t" mov " " v3                  \
			"(%[src]), %%" reg "3\n\t" mov " %%" reg "0, (%[dst])\n\t" mov " %%" reg  \
			"1, " v1 "(%[dst])\n\t" mov " %%" reg "2, " v2 "(%[dst])\n\t" mov         \
			" %%" reg "3, " v3 "(%[dst])\n\t"                                         \
			"addq $" v4 ", %[src]\n\t"                                                \
			"addq $" v4 ", %[dst]\n\t"                                                \
			"subq $" v4 ", %[left]\n\t"                                               \
			"ja 1b\n") end                                                            \
		: [bad] "+r"(bad), [src] "+r"(src), [dst] "+r"(dst), [left] "+r"(len)             \
		:                                                                                 \
		: "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
		  "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")

/* 64 bytes and more. */
static uint64_t copy_sse(void *dst, const void *src, size_t len)
{
	uint64_t bad = 0;

	COPY_VECTORS("movdqu", "xmm", "16", "32", "48", "64", "");
	return bad;
}

/* 128 bytes and more, where the processor has AVX. */
static uint64_t copy_avx(void *dst, const void *src, size_t len)
{
	uint64_t bad = 0;

	COPY_VECTORS("vmovdqu", "ymm", "32", "64", "96", "128", "vzeroupper\n\t");
	return bad;
}

static uint64_t copy_long(void *dst, const void *src, size_t len)
{
	uint64_t bad = 0;

	__asm__ volatile(GUARDED("rep movsb\n")
			 : [bad] "+r"(bad), "+D"(dst), "+S"(src), "+c"(len)
			 :
			 : "memory");
	return bad;
}

static uint64_t copy(void *dst, const void *src, size_t len)
{
	if (len <= 16)
		return copy_16(dst, src, len);
	if (len <= 64)
		return copy_64(dst, src, len);
	if (len >= LONG_BYTES && mms_copy_ways.at_once)
		return copy_long(dst, src, len);
	if (len >= 128 && mms_copy_ways.vectors)
		return copy_avx(dst, src, len);
	return copy_sse(dst, src, len);
}

#else

#define SET_BAD "mov %w[bad], #1\n\tb 22b"

static uint64_t copy(void *dst, const void *src, size_t len)
{
	uint64_t word;
	uint64_t bad = 0;

	__asm__ volatile(GUARDED("cmp %[left], #32\n\t"
				 "b.lo 2f\n"
				 "1:\tldp q0, q1, [%[src]], #32\n\t"
				 "stp q0, q1, [%[dst]], #32\n\t"
				 "sub %[left], %[left], #32\n\t"
				 "cmp %[left], #32\n\t"
				 "b.hs 1b\n"
				 "2:\tcmp %[left], #8\n\t"
				 "b.lo 3f\n\t"
				 "ldr %[word], [%[src]], #8\n\t"
				 "str %[word], [%[dst]], #8\n\t"
				 "sub %[left], %[left], #8\n\t"
				 "b 2b\n"
				 "3:\tcbz %[left], 22f\n\t"
				 "ldrb %w[word], [%[src]], #1\n\t"
				 "strb %w[word], [%[dst]], #1\n\t"
				 "sub %[left], %[left], #1\n\t"
				 "b 3b\n")
			 : [bad] "+r"(bad), [src] "+r"(src), [dst] "+r"(dst), [left] "+r"(len),
			   [word] "=&r"(word)
			 :
			 : "memory", "cc", "v0", "v1");
	return bad;
}

#endif

int mms_copy(void *dst, const void *src, size_t len)
{
	return __builtin_expect(copy(dst, src, len) != 0, 0) ? -EFAULT : 0;
}

#else

int mms_copy(void *dst, const void *src, size_t len)
{
	return mms_guard_copy(dst, src, len);
}

#endif

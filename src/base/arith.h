/* SPDX-License-Identifier: MIT */
/* arith.h - arithmetic on offsets and sizes that cannot wrap unnoticed */
#ifndef BASE_ARITH_H
#define BASE_ARITH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest offset of a byte in a file. */
#define OFFSET_MAX ((uint64_t)INT64_MAX)

/* The most that one read or write can answer for. */
#define COUNT_MAX ((uint64_t)(SIZE_MAX >> 1))

/* false: the result does not fit, and *ret is untouched. */
static inline bool u64_add(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return false;
	*ret = sum;
	return true;
}

static inline bool u64_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t product;

	if (__builtin_mul_overflow(a, b, &product))
		return false;
	*ret = product;
	return true;
}

/* a + b, or the largest value where that does not fit. */
static inline uint64_t u64_add_sat(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline size_t size_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* min(a, b) of an object size and a file size. */
static inline size_t size_bound(size_t a, uint64_t b)
{
	return a < b ? a : (size_t)b;
}

/* align is a power of two. */
static inline uint64_t u64_align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}

/* Saturates at the largest aligned value. */
static inline uint64_t u64_align_up(uint64_t v, uint64_t align)
{
	return u64_align_down(u64_add_sat(v, align - 1), align);
}

static inline bool u64_is_pow2(uint64_t v)
{
	return v && !(v & (v - 1));
}

/* The smallest power of two that is at least v; v is at most 2^63. */
static inline uint64_t u64_pow2_up(uint64_t v)
{
	return v <= 1 ? 1 : 1ULL << (64 - __builtin_clzll(v - 1));
}

/* Spreads the bits of a key over a hash (the finalizer of MurmurHash3). */
static inline uint64_t u64_mix(uint64_t v)
{
	v ^= v >> 33;
	v *= 0xff51afd7ed558ccdULL;
	v ^= v >> 33;
	v *= 0xc4ceb9fe1a85ec53ULL;
	return v ^ v >> 33;
}

#endif

/* SPDX-License-Identifier: MIT */
/* CRC-32 of blocks of 64 KiB: the store's call, and the libraries that it may call */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "contest.h"
#include "mmapstore.h"
#ifdef HAVE_ISAL
#include <isa-l/crc.h>
#endif

#define BLOCK 65536u

struct summing {
	unsigned char *block;
	unsigned blocks;
};

#define BY(name, call)                                                \
	static double sum_##name(void *arg)                           \
	{                                                             \
		struct summing *t = arg;                              \
		uint32_t crc = 0;                                     \
		double start = now_s();                               \
		for (unsigned i = 0; i < t->blocks; i++)              \
			crc = (uint32_t)call;                         \
		sink = crc;                                           \
		return (double)t->blocks * BLOCK / (now_s() - start); \
	}

BY(mms, mms_crc32(crc, t->block, BLOCK))
BY(zlib, crc32_z(crc, t->block, BLOCK))
#ifdef HAVE_ISAL
BY(isal, crc32_gzip_refl(crc, t->block, BLOCK))
#endif

void bench_crc(const struct bench *b)
{
	struct summing t = {.block = malloc(BLOCK), .blocks = b->quick ? 4000 : 40000};
	struct contest contest = {
		.what = "CRC-32 of 64 KiB blocks",
		.unit = "GB/s",
		.unit_scale = 1e9,
		.contenders = {{"mms_crc32", sum_mms}, {"zlib", sum_zlib}},
		.bars = {{0, 1, 0.8}},
		.arg = &t,
	};

#ifdef HAVE_ISAL
	contest.contenders[2] = (struct contender){"ISA-L", sum_isal};
	if (strcmp(mms_crc32_engine(), "isa-l") == 0)
		contest.bars[0].other = 2;
#endif
	if (!t.block)
		die("no memory");
	for (unsigned i = 0; i < BLOCK; i++)
		t.block[i] = (unsigned char)(i * 167 + (i >> 8));
	contest_hold(b, &contest);
	free(t.block);
}

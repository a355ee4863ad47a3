/* SPDX-License-Identifier: MIT */
/* Numbers of a view as a program reads them that includes mmapstore-inline.h */
#include "mmapstore-inline.h"
#include "reading.h"

double word_inline(void *arg)
{
	struct reading *t = arg;
	const uint64_t bytes = t->bytes, words = t->words;
	uint64_t state = SEED, sum = 0, v = 0;
	double start = now_s();

	for (uint64_t i = 0; i < words; i++) {
		if (mms_view_u64_at(&t->view, place(&state, bytes, 8), &v))
			die("mms_view_u64_at");
		sum += v;
	}
	sink = sum;
	return (double)words / (now_s() - start);
}

/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include <stdlib.h>
#include <string.h>

uint64_t pattern_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t stamp_of(const struct pattern *p, uint64_t pageno)
{
	uint64_t state = p->seed * 0x2545f4914f6cdd1du + pageno;

	return pattern_random(&state);
}

static void put_stamps(uint8_t *page, uint64_t stamp)
{
	memcpy(page, &stamp, sizeof(stamp));
	memcpy(page + PAGE - sizeof(stamp), &stamp, sizeof(stamp));
}

bool pattern_init(struct pattern *p, uint64_t seed)
{
	uint64_t state = seed;

	p->seed = seed;
	p->pages = aligned_alloc(PAGE, PATTERN_PAGES * PAGE);
	if (!p->pages)
		return false;
	for (size_t i = 0; i < PATTERN_PAGES * PAGE; i += sizeof(uint64_t)) {
		uint64_t word = pattern_random(&state);

		memcpy(p->pages + i, &word, sizeof(word));
	}
	return true;
}

void pattern_release(struct pattern *p)
{
	free(p->pages);
	p->pages = NULL;
}

static uint8_t *prepared(const struct pattern *p, uint64_t pageno)
{
	return p->pages + pageno % PATTERN_PAGES * PAGE;
}

void pattern_page(const struct pattern *p, uint64_t pageno, uint8_t *buf)
{
	memcpy(buf, prepared(p, pageno), PAGE);
	put_stamps(buf, stamp_of(p, pageno));
}

void pattern_restamp(const struct pattern *p, uint64_t pageno, uint8_t *buf)
{
	put_stamps(buf, stamp_of(p, pageno));
}

const uint8_t *pattern_stamped(struct pattern *p, uint64_t pageno)
{
	uint8_t *page = prepared(p, pageno);

	put_stamps(page, stamp_of(p, pageno));
	return page;
}

bool pattern_glance(const struct pattern *p, uint64_t pos, const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i += PAGE) {
		uint64_t found;

		memcpy(&found, buf + i, sizeof(found));
		if (found != stamp_of(p, (pos + i) / PAGE))
			return false;
	}
	return true;
}

size_t pattern_check_block(const struct pattern *p, uint64_t pos, const uint8_t *buf, size_t len)
{
	uint8_t page[PAGE];

	for (size_t i = 0; i < len; i += PAGE) {
		pattern_page(p, (pos + i) / PAGE, page);
		if (memcmp(page, buf + i, PAGE) == 0)
			continue;
		for (size_t j = 0; j < PAGE; j++)
			if (page[j] != buf[i + j])
				return i + j;
	}
	return len;
}

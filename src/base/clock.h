/* SPDX-License-Identifier: MIT */
/* clock.h - the clock that nobody sets, and waiting by it */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define MS_PER_S 1000u
#define NS_PER_MS 1000000L

static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * MS_PER_S * NS_PER_MS + (uint64_t)now.tv_nsec;
}

static inline uint64_t clock_now_ms(void)
{
	return clock_now_ns() / NS_PER_MS;
}

static inline void time_add_ms(struct timespec *t, unsigned ms)
{
	t->tv_sec += ms / MS_PER_S;
	t->tv_nsec += (long)(ms % MS_PER_S) * NS_PER_MS;
	if (t->tv_nsec >= (long)MS_PER_S * NS_PER_MS) {
		t->tv_sec++;
		t->tv_nsec -= (long)MS_PER_S * NS_PER_MS;
	}
}

/* Makes both, or neither: 0 or a negative errno. Timed waits on the condition
 * take times of CLOCK_MONOTONIC. */
int clock_pair_init(pthread_mutex_t *lock, pthread_cond_t *cond);

#endif

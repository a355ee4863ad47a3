/* SPDX-License-Identifier: MIT */
#include "clock.h"

int clock_pair_init(pthread_mutex_t *lock, pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int r = pthread_condattr_init(&attr);

	if (r)
		return -r;
	r = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!r)
		r = pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (r)
		return -r;
	r = pthread_mutex_init(lock, NULL);
	if (r)
		pthread_cond_destroy(cond);
	return -r;
}

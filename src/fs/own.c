/* SPDX-License-Identifier: MIT */
#include "own.h"

#include <pthread.h>

/* Shared by who makes requests. It prefers readers, so that they may nest. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static bool closed; /* lock */

bool own_begin(void)
{
	pthread_rwlock_rdlock(&lock);
	if (!closed)
		return true;
	pthread_rwlock_unlock(&lock);
	return false;
}

void own_end(void)
{
	pthread_rwlock_unlock(&lock);
}

void own_close(void)
{
	pthread_rwlock_wrlock(&lock);
	closed = true;
	pthread_rwlock_unlock(&lock);
}

/* SPDX-License-Identifier: MIT */
/*
 * cleanup.h - what a scope owns, given back where it ends
 *
 * errno is kept: a cleanup never hides the failure that led to it.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_freep(void *p)
{
	int saved = errno;

	free(*(void **)p);
	errno = saved;
}

static inline void cleanup_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

static inline void cleanup_unlockp(pthread_mutex_t **lock)
{
	if (*lock)
		pthread_mutex_unlock(*lock);
}

#define CLEANUP_FREE __attribute__((cleanup(cleanup_freep)))
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_closep)))

/* Holds the mutex to the end of the scope; one a scope. */
#define SCOPED_LOCK(mutex)                                                                         \
	__attribute__((cleanup(cleanup_unlockp))) pthread_mutex_t *scoped_lock_ = (mutex);         \
	pthread_mutex_lock(scoped_lock_)

/* The owned value; the variable then owns nothing. */
#define TAKE_FD(fd) __extension__({ int taken_ = (fd); (fd) = -1; taken_; })
#define TAKE_PTR(p) __extension__({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })

#endif

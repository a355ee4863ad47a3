/* SPDX-License-Identifier: MIT */
#include "kept.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept *head; /* lock */

void kept_add(struct kept *kept, void (*drop)(struct kept *kept))
{
	kept->drop = drop;
	kept->prev = NULL;
	pthread_mutex_lock(&lock);
	kept->next = head;
	if (head)
		head->prev = kept;
	head = kept;
	pthread_mutex_unlock(&lock);
}

void kept_remove(struct kept *kept)
{
	pthread_mutex_lock(&lock);
	*(kept->prev ? &kept->prev->next : &head) = kept->next;
	if (kept->next)
		kept->next->prev = kept->prev;
	pthread_mutex_unlock(&lock);
}

void kept_drop_all(void)
{
	while (head)
		head->drop(head);
}

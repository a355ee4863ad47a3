/* SPDX-License-Identifier: MIT */
#include "task.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct task {
	void (*f)(void *arg);
	void *arg;
};

static struct tasks {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	unsigned running; /* lock */
} tasks = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

static void ended(void)
{
	pthread_mutex_lock(&tasks.lock);
	tasks.running--;
	pthread_cond_broadcast(&tasks.ended);
	pthread_mutex_unlock(&tasks.lock);
}

static void *run(void *arg)
{
	struct task task = *(struct task *)arg;

	free(arg);
	task.f(task.arg);
	ended();
	return NULL;
}

int task_start(void (*f)(void *arg), void *arg)
{
	struct task *task = malloc(sizeof(*task));
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	if (!task)
		return -ENOMEM;
	*task = (struct task){f, arg};
	pthread_mutex_lock(&tasks.lock);
	tasks.running++;
	pthread_mutex_unlock(&tasks.lock);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, run, task);
	pthread_attr_destroy(&attr);
	if (rc) {
		free(task);
		ended();
	}
	return -rc;
}

void task_wait_all(void)
{
	pthread_mutex_lock(&tasks.lock);
	while (tasks.running)
		pthread_cond_wait(&tasks.ended, &tasks.lock);
	pthread_mutex_unlock(&tasks.lock);
}

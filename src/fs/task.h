/* SPDX-License-Identifier: MIT */
/* Short-lived threads for what a worker must not do: touch MNT, or send a
 * notification, before it replies. */
#ifndef MMAPFS_TASK_H
#define MMAPFS_TASK_H

/* Runs f(arg) on a thread of its own. 0 or negative errno: f is not run then. */
int task_start(void (*f)(void *arg), void *arg);

/* Returns when no task runs any more. None is started meanwhile. */
void task_wait_all(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the next request.
 *
 * A request takes microseconds to serve, and to wake a worker that sleeps for
 * it takes many more, on a virtual machine above all. So a worker that would
 * sleep looks for the next request for a while first (spin=): a program that
 * asks for one thing after the other finds it awake. Only one worker looks, and
 * only while no other serves; where it does not pay, as with programs that are
 * slow to ask or processors that others want, it is done less and less.
 */
#ifndef MMAPFS_INTAKE_H
#define MMAPFS_INTAKE_H

#include "fs.h"

/* Before the first request: how many processors there are to look on. */
void intake_start(void);

/* This thread is through with its request and is about to read fd. */
void intake_wait(int fd);

/* It has read a request. */
void intake_took(void);

#endif

/* SPDX-License-Identifier: MIT */
/* A loop device and a mount of it, by bare system calls: thousands are made in a run. */
#ifndef TESTS_CRASH_LOOPMOUNT_H
#define TESTS_CRASH_LOOPMOUNT_H

#include <stdbool.h>
#include <stdint.h>

struct loopmount {
	int fd;
	char device[32];
	char dir[4096 - 32]; /* where it is mounted */
};

/* Of an open file. */
struct loop_part {
	int file;
	uint64_t offset, len; /* len 0: to the end */
};

/* Attaches it. It goes with the last descriptor, also when the program dies. */
int loop_attach(struct loopmount *loop, const struct loop_part *part, uint32_t sector, bool direct);
int loop_mount(const struct loopmount *loop, const char *type, const char *options);
int loop_umount(const struct loopmount *loop);
void loop_detach(struct loopmount *loop);

#endif

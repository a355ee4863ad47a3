/* SPDX-License-Identifier: MIT */
/* The disks of a machine, attached and mounted: the workload's, and where there is one, another. */
#ifndef TESTS_CRASH_MACHINE_H
#define TESTS_CRASH_MACHINE_H

#include "loopmount.h"

struct machine {
	struct loopmount disk, second;
	bool two;
};

/* Both in one file, the second one from there on; 0: there is one disk. */
int machine_attach(struct machine *m, int file, uint64_t second, uint32_t sector);
/* A file each, as a disk that logs has them in dir. */
int machine_attach_logged(struct machine *m, const char *dir, bool two, uint32_t sector);
void machine_detach(struct machine *m);

/* type and options are the first one's; the second one is ext4. */
int machine_mount(const struct machine *m, const char *type, const char *options);
int machine_umount(const struct machine *m);

#endif

/* SPDX-License-Identifier: MIT */
/* mount.h - what a daemon says about itself in MNT/.mmapfs */
#ifndef MMAPFSCTL_MOUNT_H
#define MMAPFSCTL_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text of MNT/.mmapfs/NAME, ended by a NUL; to be freed. Prints what is wrong, and returns an
 * exit status. Does not wait longer than ten seconds for a daemon. */
int mount_text(const char *mnt, const char *name, char **ret_text);

/* The numbers of MNT/.mmapfs/stats at one moment. */
struct reading {
	const char *name; /* in text */
	uint64_t value;
};

struct readings {
	char *text;
	struct reading *list;
	size_t count;
};

int readings_take(const char *mnt, struct readings *ret);
void readings_release(struct readings *r);

/* false: the daemon does not know it. */
bool readings_find(const struct readings *r, const char *name, uint64_t *ret_value);

/* 0 where it is not known. */
uint64_t readings_get(const struct readings *r, const char *name);

int command_stats(const char *mnt, bool json, double interval);
int command_mount_status(const char *mnt, bool json);

#endif

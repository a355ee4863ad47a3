/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define SECOND_SECTOR 512u

int machine_attach(struct machine *m, int file, uint64_t second, uint32_t sector)
{
	const struct loop_part first = {.file = file, .len = second};
	const struct loop_part rest = {.file = file, .offset = second};
	int rc = loop_attach(&m->disk, &first, sector, false);

	m->two = second != 0;
	if (rc || !m->two)
		return rc;
	rc = loop_attach(&m->second, &rest, SECOND_SECTOR, false);
	if (rc)
		loop_detach(&m->disk);
	return rc;
}

static int attach_file(struct loopmount *loop, const char *dir, const char *name, uint32_t sector)
{
	struct loop_part part = {0};
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%.4000s/%s", dir, name);
	part.file = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (part.file < 0)
		return -errno;
	rc = loop_attach(loop, &part, sector, true);
	close(part.file);
	return rc;
}

int machine_attach_logged(struct machine *m, const char *dir, bool two, uint32_t sector)
{
	int rc = attach_file(&m->disk, dir, "disk", sector);

	m->two = two;
	if (rc || !two)
		return rc;
	rc = attach_file(&m->second, dir, "second", SECOND_SECTOR);
	if (rc)
		loop_detach(&m->disk);
	return rc;
}

void machine_detach(struct machine *m)
{
	loop_detach(&m->disk);
	if (m->two)
		loop_detach(&m->second);
}

int machine_mount(const struct machine *m, const char *type, const char *options)
{
	int rc = loop_mount(&m->disk, type, options);

	if (rc || !m->two)
		return rc;
	rc = loop_mount(&m->second, "ext4", "");
	if (rc)
		(void)loop_umount(&m->disk);
	return rc;
}

int machine_umount(const struct machine *m)
{
	int rc = m->two ? loop_umount(&m->second) : 0;
	int one = loop_umount(&m->disk);

	return rc ? rc : one;
}

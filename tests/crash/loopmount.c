/* SPDX-License-Identifier: MIT */
#include "loopmount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

static int attach_once(struct loopmount *loop, int control, const struct loop_config *config)
{
	int n = ioctl(control, LOOP_CTL_GET_FREE);

	if (n < 0)
		return -errno;
	snprintf(loop->device, sizeof(loop->device), "/dev/loop%d", n);
	loop->fd = open(loop->device, O_RDWR | O_CLOEXEC);
	if (loop->fd < 0)
		return -errno;
	if (ioctl(loop->fd, LOOP_CONFIGURE, config) == 0)
		return 0;
	n = -errno;
	close(loop->fd);
	return n;
}

int loop_attach(struct loopmount *loop, const struct loop_part *part, uint32_t sector, bool direct)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), rc = -EBUSY;
	struct loop_config config = {.fd = (uint32_t)part->file, .block_size = sector};

	if (control < 0)
		return -errno;
	config.info.lo_offset = part->offset;
	config.info.lo_sizelimit = part->len;
	config.info.lo_flags = LO_FLAGS_AUTOCLEAR | (direct ? LO_FLAGS_DIRECT_IO : 0u);
	/* Somebody else may take the free one first. */
	for (int i = 0; i < 50 && rc == -EBUSY; i++)
		rc = attach_once(loop, control, &config);
	close(control);
	return rc;
}

int loop_mount(const struct loopmount *loop, const char *type, const char *options)
{
	/* What the file beneath was before. */
	if (ioctl(loop->fd, BLKFLSBUF, 0))
		return -errno;
	return mount(loop->device, loop->dir, type, MS_NOATIME, options) ? -errno : 0;
}

int loop_umount(const struct loopmount *loop)
{
	for (int i = 0; i < 200; i++) {
		if (umount2(loop->dir, 0) == 0)
			return 0;
		if (errno != EBUSY)
			return -errno;
		usleep(5000);
	}
	return -EBUSY;
}

void loop_detach(struct loopmount *loop)
{
	close(loop->fd);
	loop->fd = -1;
}

/* SPDX-License-Identifier: MIT */
#include "push_way.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "invalidate.h"
#include "stats.h"

/*
 * From a mapping, which the kernel copies under the lock of its page: whoever
 * changes the file beneath has the page dropped afterwards, for that waits for
 * the lock. A copy made before might be stored after that.
 */
static bool store(struct inode *inode, int fd, const struct run *run)
{
	struct fuse_bufvec buf = FUSE_BUFVEC_INIT((size_t)(run->to - run->from));
	void *map = mmap(NULL, buf.buf[0].size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd,
			 (off_t)run->from);
	struct stat st;
	int rc;

	if (map == MAP_FAILED)
		return false;
	buf.buf[0].mem = map;
	rc = fuse_lowlevel_notify_store(fs.session, inode_number(inode), (off_t)run->from, &buf, 0);
	munmap(map, buf.buf[0].size);
	/* Cut beneath meanwhile: the kernel has been given a size that is not. */
	if (fstat(fd, &st) || (uint64_t)st.st_size < run->to)
		invalidate_data(inode);
	else if (!rc)
		stats_add(PUSH_BYTES, run->to - run->from);
	return !rc;
}

int64_t push_by_store(const struct push_job *job)
{
	int fd = inode_open(job->inode, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_LARGEFILE);
	bool good = fd >= 0;

	for (size_t i = 0; good && i < job->n_runs; i++)
		good = store(job->inode, fd, &job->runs[i]);
	if (fd >= 0)
		close(fd);
	return good ? 0 : -1;
}

/* SPDX-License-Identifier: MIT */
#include "push_way.h"

#include <fcntl.h>
#include <unistd.h>

#include "durability.h"
#include "leases.h"
#include "region.h"

/* What the kernel reads ahead where nobody has set it. */
#define KERNEL_READAHEAD_BYTES (128u << 10)

/* The most that one readahead(2) brings. */
static uint64_t step(void)
{
	unsigned kb = atomic_load(&fs.readahead_kb);
	uint64_t bytes = kb ? (uint64_t)kb << 10 : KERNEL_READAHEAD_BYTES;

	if (bytes > fs.options.readahead)
		bytes = fs.options.readahead;
	return bytes < WINDOW_BYTES ? bytes : WINDOW_BYTES;
}

static void ask(int fd, const struct run *run)
{
	uint64_t most = step();

	for (uint64_t at = run->from; at < run->to; at += most)
		readahead(fd, (off64_t)at, run->to - at < most ? run->to - at : most);
}

static void wait_for(int fd, const struct run *run)
{
	char byte;

	(void)!pread(fd, &byte, 1, (off_t)(run->to - 1));
}

/* Two at a time: while one arrives the next is asked for. Not more, since what
 * programs miss waits behind them in the kernel's queue. */
static void bring(int fd, const struct push_job *job)
{
	for (size_t i = 0; i < job->n_runs; i++) {
		ask(fd, &job->runs[i]);
		if (i)
			wait_for(fd, &job->runs[i - 1]);
	}
	if (job->n_runs)
		wait_for(fd, &job->runs[job->n_runs - 1]);
}

/* A lease for writing would be broken by the open. */
static bool is_leased(const struct inode *inode)
{
	struct leases leases;
	bool is;

	leases_read(&leases);
	is = leases_has(&leases, inode);
	leases_free(&leases);
	return is;
}

int64_t push_by_readahead(const struct push_job *job)
{
	int64_t before;
	bool written;
	int fd;

	if (is_leased(job->inode))
		return -1;
	/* Fails where no name leads there any more, or it may not be opened. */
	fd = open_on_mount(job->inode, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -1;
	bring(fd, job);
	/* Writes back what programs have written, and waits for it. Where nobody
	 * writes, what it took is the machine's load. */
	written = region_is_written(job->inode);
	before = inode_now_ms();
	close_on_mount(job->inode, fd);
	return written ? inode_now_ms() - before : 0;
}

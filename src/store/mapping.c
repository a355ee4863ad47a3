/* SPDX-License-Identifier: MIT */
#include "mapping.h"

#include <errno.h>
#include <sys/mman.h>

#include "arith.h"
#include "file.h"
#include "modes.h"
#include "stats.h"
#include "sys.h"

#define PAGE_MULTIPLE 65536u /* of every page size */

/* MAP_SYNC where it is wanted and the file system has not refused it yet. */
static int map_shared(struct mms_file *file, size_t len, int prot, int fd, uint64_t base,
		      void **ret_addr)
{
	const struct mms_sys *sys = file->pool->sys;
	int r;

	if ((file->want & MMS_WANT_DAX) && !atomic_load(&file->no_dax)) {
		r = sys->mmap(len, prot, MAP_SHARED_VALIDATE | MAP_SYNC, fd, base, ret_addr);
		/* Kernels before 4.15 know neither flag. */
		if (r != -EOPNOTSUPP && r != -EINVAL)
			return r;
		atomic_store(&file->no_dax, true);
		mms_dax_refused(file, r);
	}
	return sys->mmap(len, prot, MAP_SHARED, fd, base, ret_addr);
}

static int map_once(struct mms_file *file, uint64_t base, size_t len, struct mapping *m)
{
	int mode = atomic_load(&file->mode);
	int fd = atomic_load(&file->fd);
	int prot = mode == MMS_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE;
	void *addr;
	int r;

	if (mode == MMS_COW)
		r = file->pool->sys->mmap(len, prot, MAP_PRIVATE | MAP_NORESERVE, fd, base, &addr);
	else
		r = map_shared(file, len, prot, fd, base, &addr);
	if (r)
		return r;
	*m = (struct mapping){.addr = addr, .len = len, .writable = mode != MMS_RDONLY};
	return 0;
}

static int map_at(struct mms_file *file, uint64_t base, uint64_t start, uint64_t file_size,
		  struct mapping *m)
{
	int r = map_once(file, base, m->len, m);

	if (r == -EOVERFLOW && file_size > base) {
		/* The kernel maps nothing up to byte 2^63 - 1: leave out the
		 * end of a file that reaches there. */
		m->len = (size_t)u64_align_down(u64_min(m->len, file_size - base), PAGE_MULTIPLE);
		if (m->len > start)
			r = map_once(file, base, m->len, m);
	}
	return r;
}

int mms_mapping_make(struct chunks *c, struct mms_file *file, uint64_t base, uint64_t start,
		     uint64_t file_size, struct mapping *m)
{
	int r = map_at(file, base, start, file_size, m);

	if (r == -ENOMEM || r == -EAGAIN) {
		/* Address space or mappings run out elsewhere than in this pool. */
		mms_budget_halve(c);
		r = map_at(file, base, start, file_size, m);
	}
	if (r) {
		mms_total_add(c->totals, TOTAL_MAP_FAILURES, 1);
		mms_file_map_failed(file, r, base, m->len);
		return r == -EAGAIN ? -ENOMEM : r; /* which is "look again" to the caller */
	}
	mms_total_add(c->totals, TOTAL_CHUNK_MAPS, 1);
	mms_settings_apply(file, m->addr, m->len);
	return 0;
}

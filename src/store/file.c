/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "arith.h"
#include "errors.h"
#include "modes.h"
#include "size.h"
#include "sys.h"

/* ----------------------------------------------------------- open, adopt */

int mms_file_check_options(const struct mms_file_options *options, struct mms_file_options *ret,
			   const char *name, struct mms_error *err)
{
	struct mms_file_options o = options ? *options : (struct mms_file_options){0};
	bool ok = (unsigned)o.mode <= MMS_COW && (unsigned)o.io <= MMS_IO_PREAD &&
		  (unsigned)o.put <= MMS_PUT_PWRITE && (unsigned)o.advice <= MMS_ADVICE_RANDOM &&
		  (unsigned)o.preload <= MMS_PRELOAD_POPULATE &&
		  (unsigned)o.sync <= MMS_SYNC_NEVER && !(o.want & ~WANT_ALL);

	if (!ok) {
		(void)mms_error_set(err, -EINVAL, "opening %s", name);
		mms_error_hint(err, "an option has a value that does not exist");
		return -EINVAL;
	}
	*ret = o;
	return 0;
}

/* Whether fd is good for what mode needs. */
static int check_fd(const struct mms_sys *sys, int fd, enum mms_mode mode, const char *name,
		    struct mms_error *err)
{
	struct stat st;
	int flags = sys->fd_flags(fd);
	int r = flags < 0 ? flags : sys->fstat(fd, &st);
	const char *why = NULL;

	if (r)
		return mms_error_set(err, r, "opening %s", name);
	if (S_ISDIR(st.st_mode)) {
		r = -EISDIR;
		why = "only regular files can be opened";
	} else if (!S_ISREG(st.st_mode)) {
		r = -EINVAL;
		why = "only regular files can be opened";
	} else if (flags & O_PATH || (flags & O_ACCMODE) == O_WRONLY ||
		   (mode == MMS_RDWR && (flags & O_ACCMODE) != O_RDWR)) {
		r = -EBADF;
		why = mode == MMS_RDWR ? "the descriptor must be open for reading and writing"
				       : "the descriptor must be open for reading";
	} else if (flags & (O_APPEND | O_DIRECT)) {
		/* Linux's pwrite(2) appends under the first; the other wants
		 * aligned buffers and goes around the page cache. */
		r = -EINVAL;
		why = "the descriptor must be open without O_APPEND and O_DIRECT";
	}
	if (!r)
		return 0;
	(void)mms_error_set(err, r, "opening %s", name);
	mms_error_hint(err, "%s", why);
	return r;
}

static struct mms_file *file_alloc(struct mms_pool *pool, const char *name)
{
	struct mms_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->name = strdup(name);
	if (!file->name)
		goto out_file;
	if (pthread_mutex_init(&file->lock, NULL))
		goto out_name;
	if (pthread_cond_init(&file->sync_ended, NULL))
		goto out_lock;
	if (pthread_rwlock_init(&file->growing, NULL))
		goto out_cond;
	if (pthread_mutex_init(&file->memlock_lock, NULL))
		goto out_growing;
	file->pool = pool;
	atomic_init(&file->refs, 1);
	atomic_fetch_add(&pool->memory_bytes, sizeof(*file));
	return file;
out_growing:
	pthread_rwlock_destroy(&file->growing);
out_cond:
	pthread_cond_destroy(&file->sync_ended);
out_lock:
	pthread_mutex_destroy(&file->lock);
out_name:
	free(file->name);
out_file:
	free(file);
	return NULL;
}

static void file_free(struct mms_file *file)
{
	atomic_fetch_sub(&file->pool->memory_bytes, sizeof(*file) + mms_dirty_memory(&file->dirty));
	mms_dirty_release(&file->dirty);
	mms_dirty_release(&file->lost);
	mms_modes_release(file);
	pthread_mutex_destroy(&file->memlock_lock);
	pthread_rwlock_destroy(&file->growing);
	pthread_cond_destroy(&file->sync_ended);
	pthread_mutex_destroy(&file->lock);
	free(file->name);
	free(file);
}

int mms_adopt(struct mms_pool *pool, int fd, const char *name,
	      const struct mms_file_options *options, struct mms_file **ret_file,
	      struct mms_error *err)
{
	struct mms_file_options o;
	struct mms_file *file;
	int r = mms_file_check_options(options, &o, name, err);

	if (!r)
		r = check_fd(pool->sys, fd, o.mode, name, err);
	if (r)
		return r;
	file = file_alloc(pool, name);
	if (!file)
		return mms_error_set(err, -ENOMEM, "opening %s", name);
	r = mms_modes_init(file, o.want);
	if (r) {
		file_free(file);
		return mms_error_set(err, r, "opening %s", name);
	}
	file->id = atomic_fetch_add(&pool->next_file_id, 1);
	file->cow = o.mode == MMS_COW;
	file->io = o.io;
	file->put = o.put;
	file->sync = o.sync;
	file->dirty_class =
		o.sync == MMS_SYNC_LAZY || o.sync == MMS_SYNC_NEVER ? DIRTY_ASKED : DIRTY_TIMED;
	file->synced = o.synced;
	file->cookie = o.cookie;
	file->first_fd = fd;
	atomic_store(&file->fd, fd);
	atomic_store(&file->mode, o.mode);
	atomic_store(&file->shape, pool->chunks.shift);
	list_init(&file->chunks);
	list_init(&file->memlocks);
	list_init(&file->dirty_link);
	pthread_mutex_lock(&pool->files_lock);
	pool->n_files++;
	pthread_mutex_unlock(&pool->files_lock);
	*ret_file = file;
	/* Hints: a file that is slow to read is still open. */
	(void)mms_advise(file, 0, 0, o.advice);
	mms_modes_open(file);
	(void)mms_preload(file, 0, 0, o.preload);
	return 0;
}

int mms_open(struct mms_pool *pool, const char *path, const struct mms_file_options *options,
	     struct mms_file **ret_file, struct mms_error *err)
{
	struct mms_file_options o;
	int fd;
	int r = mms_file_check_options(options, &o, path, err);

	if (r)
		return r;
	/* O_NONBLOCK: a FIFO is refused below, not waited for. */
	fd = pool->sys->open(path, (o.mode == MMS_RDWR ? O_RDWR : O_RDONLY) | O_NOCTTY | O_NONBLOCK,
			     0);
	if (fd < 0)
		return mms_error_set(err, fd, "opening %s", path);
	r = mms_adopt(pool, fd, path, &o, ret_file, err);
	if (r)
		(void)pool->sys->close(fd);
	return r;
}

int mms_upgrade(struct mms_file *file, int fd)
{
	const struct mms_sys *sys = file->pool->sys;
	struct stat old, new;
	int mode = atomic_load(&file->mode);
	int r;

	if (mode != MMS_RDONLY)
		return mode == MMS_RDWR ? -EALREADY : -EINVAL;
	r = check_fd(sys, fd, MMS_RDWR, file->name, NULL);
	if (!r)
		r = sys->fstat(fd, &new);
	if (!r)
		r = sys->fstat(file->first_fd, &old);
	if (r)
		return r;
	if (old.st_dev != new.st_dev || old.st_ino != new.st_ino)
		return -EINVAL;
	/* Chunks that were mapped for reading are replaced one by one, as
	 * somebody wants to write to them. */
	atomic_store(&file->fd, fd);
	atomic_store(&file->mode, MMS_RDWR);
	atomic_store(&file->map_errno, 0);
	mms_full_follow(file);
	return 0;
}

void mms_file_ref(struct mms_file *file)
{
	atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
}

void mms_file_unref(struct mms_file *file)
{
	struct mms_pool *pool = file->pool;
	int fd;

	if (atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) != 1)
		return;
	mms_preload_cancel(file); /* of views that came after mms_close() */
	mms_chunks_drop_file(&pool->chunks, file);
	fd = atomic_load(&file->fd);
	if (fd != file->first_fd)
		(void)pool->sys->close(fd);
	(void)pool->sys->close(file->first_fd);
	pthread_mutex_lock(&pool->files_lock);
	pool->n_files--;
	pthread_mutex_unlock(&pool->files_lock);
	file_free(file);
}

int mms_close(struct mms_file *file)
{
	struct mms_pool *pool;
	int r = 0;

	if (!file)
		return 0;
	pool = file->pool;
	mms_preload_cancel(file);
	mms_file_leave_passes(file);
	if (file->sync == MMS_SYNC_IMMEDIATE || file->sync == MMS_SYNC_LAZY)
		r = mms_sync(file, 0, 0, 0);
	(void)mms_touch(file);
	mms_memlock_release(file);
	pthread_mutex_lock(&pool->files_lock);
	if (file->listed) {
		list_del(&file->dirty_link);
		file->listed = false;
		pool->n_dirty_files--;
	}
	pthread_mutex_unlock(&pool->files_lock);
	/* What is dirty now is the kernel's, also if a view keeps the file. */
	mms_mark_unallocated(file, 0, UINT64_MAX);
	mms_file_unref(file);
	return r;
}

/* -------------------------------------------------------- what it is now */

int mms_fd(const struct mms_file *file)
{
	return atomic_load(&file->fd);
}

int mms_size(const struct mms_file *file, uint64_t *ret_size)
{
	struct stat st;
	int r = file->pool->sys->fstat(atomic_load(&file->fd), &st);

	if (r)
		return r;
	mms_file_size_seen((struct mms_file *)(uintptr_t)file, (uint64_t)st.st_size);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* Constant texts, so that nobody has to own them. */
static const char *not_mappable(int code)
{
	switch (code) {
	case -ENODEV:
		return "not mappable: No such device";
	case -EACCES:
		return "not mappable: Permission denied";
	default:
		return "not mappable: Operation not permitted";
	}
}

const char *mms_file_why_unmapped(const struct mms_file *file, uint64_t size)
{
	int code = atomic_load(&file->map_errno);

	if (file->io == MMS_IO_PREAD)
		return "io=pread";
	if (code)
		return not_mappable(code);
	if (file->io == MMS_IO_AUTO && size < file->pool->small_bytes && !mms_file_is_full(file))
		return "small file";
	return NULL;
}

const char *mms_why_unmapped(const struct mms_file *file)
{
	const char *why = mms_file_why_unmapped(file, UINT64_MAX);
	uint64_t size;

	if (why || file->io != MMS_IO_AUTO)
		return why;
	return mms_size(file, &size) ? "size unknown" : mms_file_why_unmapped(file, size);
}

void mms_file_map_failed(struct mms_file *file, int code, uint64_t offset, size_t len)
{
	char how_much[SIZE_TEXT_BYTES], where[SIZE_TEXT_BYTES];
	struct mms_error err;

	/* Of the file or its file system; other refusals are of the moment. */
	if (code == -ENODEV || code == -EACCES || code == -EPERM)
		atomic_store(&file->map_errno, code);
	(void)mms_error_set(&err, code, "mapping %s of %s at %s",
			    size_format(len, how_much, sizeof(how_much)), file->name,
			    size_format(offset, where, sizeof(where)));
	if (code == -ENODEV)
		mms_error_hint(&err, "its file system cannot map files");
	else if (code == -ENOMEM)
		mms_error_hint(&err,
			       "vm.max_map_count is %llu and this pool may use %llu: raise the "
			       "one, or lower the other; or address space is limited (ulimit -v)",
			       (unsigned long long)file->pool->sys->max_map_count(),
			       (unsigned long long)file->pool->chunks.limit_count);
	pthread_mutex_lock(&file->lock);
	file->map_error = err;
	pthread_mutex_unlock(&file->lock);
}

int mms_map_error(const struct mms_file *const_file, struct mms_error *ret_err)
{
	struct mms_file *file = (struct mms_file *)(uintptr_t)const_file;
	int code;

	pthread_mutex_lock(&file->lock);
	code = file->map_error.code;
	if (code && ret_err)
		*ret_err = file->map_error;
	pthread_mutex_unlock(&file->lock);
	return code;
}

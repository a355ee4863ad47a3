/* SPDX-License-Identifier: MIT */
/*
 * mmapstore.h - files served from memory-mapped chunks
 *
 * The one header to include. It brings the others:
 *   mmapstore-crc.h     CRC-32
 *   mmapstore-header.h  the header that says what a file is
 *   mmapstore-typed.h   numbers, arrays and pointers at an offset
 *   mmapstore-view.h    a position and readers, clones and slices
 *   mmapstore-log.h     an append-only log of records
 *   mmapstore-region.h  memory that processes share; locks on ranges
 * but not mmapstore-inline.h, which makes reading single numbers faster.
 *
 * A pool owns one budget of mapped bytes and mappings. Files opened in it
 * are mapped in chunks of 2^n bytes, lazily; when the budget is spent, the
 * least recently used chunk that nobody has pinned is unmapped. A file of
 * any size therefore works in any budget of at least one chunk a thread.
 *
 * Conventions
 *   Every call that can fail returns 0 (or a count) on success and a negative
 *   errno, or a negated mms_errno, on failure. Outputs are prefixed ret_ and are untouched on failure.
 *   Where a struct mms_error is taken it may be NULL; it is filled on failure
 *   only. Offsets and sizes are in bytes unless the name says otherwise.
 *
 * Threads
 *   All calls on a pool or a file may run concurrently, except that
 *   mms_close() and mms_pool_free() need the object to be unused otherwise;
 *   mms_close() may run beside reads by views of the file.
 *   No call keeps a lock while it waits for the disk, except where noted.
 *
 * Faults
 *   Touching a mapped page can raise SIGBUS: the file was truncated under
 *   the mapping, the disk failed, or a hole met a full disk. mms_read() and
 *   mms_write() survive that (see mms_copy()). Code that dereferences a
 *   pinned address itself must either use mms_copy() or hand the address to
 *   the kernel, which answers EFAULT. A SIGBUS anywhere else is passed to
 *   the handler that was installed before the first pool, and kills by
 *   default: bugs are not hidden.
 */
#ifndef MMAPSTORE_H
#define MMAPSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MMS_EXPORT __attribute__((visibility("default")))

struct mms_pool;
struct mms_file;
struct mms_chunk;
struct mms_syncer;

/*
 * What is wrong with data or with a request for them, returned negated as the
 * errnos are, and never one of those. Damage is told by what is damaged.
 */
enum mms_errno {
	MMS_EMAGIC = 0x4d00, /* another format, or none */
	MMS_EVERSION,        /* a version of the format that is not supported */
	MMS_ECHECKSUM,       /* the bytes are not those that were written */
	MMS_ETRUNCATED,      /* the file ends before what it should hold */
	MMS_ECORRUPT,        /* a field holds what the format forbids */
	MMS_EBOUNDS,         /* the request reaches past the end of the file, view or region */
	MMS_EALIGN,          /* the offset is not a multiple of the alignment */
	MMS_ESPLIT,          /* the range is not mapped in one piece */
};

/* What a negative errno or negated mms_errno means, in a few words, into buf,
 * always terminated. Returns buf. */
MMS_EXPORT const char *mms_strerror(int code, char *buf, size_t size);

/* A chunk is 2^shift bytes. */
#define MMS_CHUNK_SHIFT_MIN 20u
#define MMS_CHUNK_SHIFT_MAX 40u
#define MMS_CHUNK_SHIFT_DEFAULT (sizeof(void *) >= 8 ? 30u : 28u)

/* Bytes of a block of dirty tracking: see mms_write(). */
#define MMS_BLOCK_BYTES 4096u

/*
 * What failed, to which file, and what to do about it. The texts are plain
 * sentences without a final newline, cut where they would not fit.
 */
struct mms_error {
	int code;        /* negative, as returned by the call */
	char what[256];  /* "mapping 1.0 GiB of a/b.db at 4.0 GiB" */
	char hint[256];  /* "vm.max_map_count is 65530 and ..."; may be empty */
};

/* "WHAT: mms_strerror(code); HINT" into buf, always terminated. Returns buf. */
MMS_EXPORT const char *mms_error_format(const struct mms_error *err, char *buf, size_t size);

enum mms_mode {
	MMS_RDONLY, /* MAP_SHARED, PROT_READ */
	MMS_RDWR,   /* MAP_SHARED: stores reach the file */
	MMS_COW,    /* MAP_PRIVATE: stores never reach the file, and live until mms_close(), or
		     * until the last view is released; those in pages that somebody else cuts
		     * off the file are gone with the pages */
};

/* How mms_read() gets at the data. AUTO maps, but reads with pread(2) what
 * does not pay to map (files under pool small_bytes), what cannot be mapped,
 * and what the budget has no calm room for. */
enum mms_io { MMS_IO_AUTO, MMS_IO_MMAP, MMS_IO_PREAD };

/* How mms_write() puts it. See there. */
enum mms_put { MMS_PUT_AUTO, MMS_PUT_MMAP, MMS_PUT_PWRITE };

/*
 * madvise(2). The first three say how a range will be read, and exclude each
 * other. HUGEPAGE to DODUMP are settings of a mapping; the rest is done once,
 * to what is mapped now. FREE, REMOVE and HWPOISON are not offered: they
 * destroy data.
 */
enum mms_advice {
	MMS_ADVICE_NORMAL,
	MMS_ADVICE_SEQUENTIAL,
	MMS_ADVICE_RANDOM,
	MMS_ADVICE_HUGEPAGE,
	MMS_ADVICE_NOHUGEPAGE,
	MMS_ADVICE_DONTFORK, /* a child of fork(2) does not have the mapping */
	MMS_ADVICE_DOFORK,
	MMS_ADVICE_DONTDUMP, /* not in core dumps */
	MMS_ADVICE_DODUMP,
	MMS_ADVICE_MERGEABLE, /* MMS_COW only: equal private pages may be shared */
	MMS_ADVICE_UNMERGEABLE,
	MMS_ADVICE_WILLNEED,
	MMS_ADVICE_DONTNEED, /* -EINVAL under MMS_COW: there it would drop changes */
	MMS_ADVICE_COLD,
	MMS_ADVICE_PAGEOUT,
	MMS_ADVICE_POPULATE_READ,
	MMS_ADVICE_POPULATE_WRITE, /* -EBADF under MMS_RDONLY */
	MMS_ADVICE_COLLAPSE,       /* into huge pages, now */
};

/* What the reading is for, and the advice that suits it: RANDOM for queries,
 * SEQUENTIAL for merging, for checksum passes and what is read once, else
 * NORMAL, for which no system call is made. */
enum mms_intent {
	MMS_INTENT_DEFAULT,
	MMS_INTENT_QUERY,
	MMS_INTENT_MERGE,
	MMS_INTENT_CHECKSUM,
	MMS_INTENT_READ_ONCE,
};

MMS_EXPORT enum mms_advice mms_intent_advice(enum mms_intent intent);

enum mms_preload {
	MMS_PRELOAD_NONE,
	MMS_PRELOAD_ASYNC,    /* a thread of the pool reads it in; the call returns at once */
	MMS_PRELOAD_POPULATE, /* the call returns when it is in memory and, as the budget allows,
			       * mapped */
};

/* When a write is durable. The words are those of mmapfs's sync= option. */
enum mms_sync_mode {
	MMS_SYNC_IMMEDIATE, /* before mms_write() returns */
	MMS_SYNC_PERIODIC,  /* at most the syncer's interval later */
	MMS_SYNC_LAZY,      /* when mms_flush() or mms_close() returns */
	MMS_SYNC_NEVER,     /* when the kernel writes it back */
};

/* ------------------------------------------------------------------ pool */

struct mms_pool_options {
	unsigned chunk_shift;     /* 0: MMS_CHUNK_SHIFT_DEFAULT */
	uint64_t map_limit_bytes; /* 0: 16 TiB on 64-bit, 1 GiB on 32-bit */
	uint64_t map_count;       /* mappings; 0: half of vm.max_map_count, at most 32768 */
	uint64_t small_bytes;     /* MMS_IO_AUTO maps no smaller files; 0: 64 KiB; 1: map all */
};

/*
 * Makes a pool. Refuses (-EINVAL, with a hint) a shift out of range and a
 * map_limit_bytes smaller than one chunk. The first pool of a process
 * installs the SIGBUS handler; the last one gone restores the earlier one.
 */
MMS_EXPORT int mms_pool_new(const struct mms_pool_options *options, struct mms_pool **ret_pool,
			    struct mms_error *err);

/* Frees a pool in which no file is open any more, and of which no view is left:
 * a closed file that a view reads is open still. NULL is allowed. */
MMS_EXPORT void mms_pool_free(struct mms_pool *pool);

/* Totals since the pool was made, except where "now" is said. */
struct mms_stats {
	uint64_t chunk_shift;        /* as in force; MMS_WANT_FULL files are one chunk */
	uint64_t map_limit_bytes;    /* as in force */
	uint64_t map_count_limit;    /* as in force */
	uint64_t files;              /* open now, by their owner or by a view */
	uint64_t chunks;             /* mapped now */
	uint64_t mapped_bytes;       /* mapped now: address space, not memory */
	uint64_t mapped_bytes_peak;
	uint64_t chunk_maps;         /* mappings made */
	uint64_t chunk_evictions;    /* unmapped to make room */
	uint64_t chunk_busy;         /* pins refused: the budget was pinned or too young to evict */
	uint64_t map_failures;       /* mmap(2) refused: the file is read and written without */
	uint64_t reads_mapped, read_bytes_mapped; /* served by mms_read() from a mapping */
	uint64_t reads_pread, read_bytes_pread; /* by mms_read() and by views */
	uint64_t writes_mapped, write_bytes_mapped;
	uint64_t writes_pwrite, write_bytes_pwrite;
	uint64_t faults;             /* SIGBUS survived by the store, in the whole process */
	uint64_t dirty_files;        /* now */
	uint64_t dirty_bytes;        /* now: written since the last sync, counted in blocks */
	uint64_t syncs;              /* fsync(2) and fdatasync(2) calls that succeeded */
	uint64_t sync_failures;
	uint64_t memory_bytes;       /* now: private memory of the pool's own tables */
};

MMS_EXPORT void mms_pool_stats(const struct mms_pool *pool, struct mms_stats *ret_stats);

/* ------------------------------------------------------------------ file */

/*
 * What a file's mappings should be. None is a condition: where the system,
 * the file system or a limit refuses, the file works without, and
 * mms_granted() tells why.
 *
 * FULL    one mapping of the whole file, kept while it is open, in place of
 *         windows of a chunk that slide. Made by the open, whatever the size
 *         of the file, and io: MMS_IO_PREAD means mms_read() only. It follows
 *         the file: after mms_resize() at once, after others at the next use
 *         of what is new; who has the old mapping pinned keeps that, but
 *         under MMS_COW the new part waits until nobody has. Without, as for
 *         files of more than 1 TiB or than map_limit_bytes: windows, until
 *         mms_resize() or mms_upgrade(), which try again.
 * HUGE    transparent huge pages: granted where the kernel takes the advice;
 *         what it finds for this file system is its own affair. Without:
 *         ordinary ones.
 * LOCKED  all that gets mapped is locked into memory, and is not evicted;
 *         with FULL the whole file. Making a mapping then waits for the disk.
 *         Windows lock half of the pool's budget at most, so that the rest
 *         can slide. What the file grows by inside a mapping is locked when
 *         touched, as far as RLIMIT_MEMLOCK goes. Under MMS_COW each page
 *         becomes a private copy. Without: it may be swapped or dropped.
 * DAX     MAP_SYNC: on persistent memory a store is durable once it has left
 *         the processor's caches; mms_sync() is needed all the same. Without,
 *         as always under MMS_COW: an ordinary mapping.
 */
#define MMS_WANT_FULL 1u
#define MMS_WANT_HUGE 2u
#define MMS_WANT_LOCKED 4u
#define MMS_WANT_DAX 8u

struct mms_file_options {
	enum mms_mode mode;
	enum mms_io io;
	enum mms_put put;
	enum mms_advice advice; /* NORMAL, SEQUENTIAL or RANDOM */
	enum mms_preload preload;
	enum mms_sync_mode sync;
	unsigned want; /* MMS_WANT_* */
	/*
	 * Called after a background sync of this file, from the thread that
	 * did it, with no lock of the store held, with 0 or the negative
	 * errno of the sync. The callee may call mms_close(file). May be NULL.
	 */
	void (*synced)(struct mms_file *file, void *cookie, int result);
	void *cookie;
};

/* Opens an existing regular file. options NULL: read-only, all else 0. */
MMS_EXPORT int mms_open(struct mms_pool *pool, const char *path,
			const struct mms_file_options *options, struct mms_file **ret_file,
			struct mms_error *err);

struct mms_create_options {
	uint64_t size;
	mode_t perm; /* exactly these bits, less the umask; 0: 0666 */
	/* The first bytes of the file, in it before its name shows; the rest
	 * is zeros. At most size bytes; NULL: none. See mms_header_seal(). */
	const void *content;
	size_t content_bytes;
	unsigned flags; /* MMS_CREATE_* */
};

#define MMS_CREATE_ALLOCATE 1u /* the space too: a full disk shows now */
#define MMS_CREATE_REPLACE 2u  /* takes the name from a file that has it */
#define MMS_CREATE_DURABLE 4u  /* file and name are durable on return; implied by
				* MMS_SYNC_IMMEDIATE */

/*
 * Creates path, making parent directories (0777 & ~umask) on the way.
 * Atomic: under a temporary name in the same directory, then renamed; the
 * name never shows a half-made file. -EEXIST if path exists, without
 * MMS_CREATE_REPLACE. The mode in options must be MMS_RDWR or MMS_COW.
 *
 * On failure path is what it was, and no temporary name is left; directories
 * that were made stay. But if a file was replaced, and only the sync of the
 * directory fails that MMS_CREATE_DURABLE asks for, the new file has the name.
 */
MMS_EXPORT int mms_create(struct mms_pool *pool, const char *path,
			  const struct mms_create_options *create,
			  const struct mms_file_options *options, struct mms_file **ret_file,
			  struct mms_error *err);

/* Opens by descriptor, which the file owns from then on, on success only.
 * name is for error texts, and is copied. fd must allow what mode needs. */
MMS_EXPORT int mms_adopt(struct mms_pool *pool, int fd, const char *name,
			 const struct mms_file_options *options, struct mms_file **ret_file,
			 struct mms_error *err);

/* Makes a MMS_RDONLY file MMS_RDWR: fd is the same file opened O_RDWR, owned by
 * the file from then on, on success only. The earlier descriptor stays valid
 * until mms_close(). -EALREADY if it is MMS_RDWR. */
MMS_EXPORT int mms_upgrade(struct mms_file *file, int fd);

/*
 * Unmaps and closes. Under MMS_SYNC_IMMEDIATE and MMS_SYNC_LAZY syncs first
 * and returns what the sync returned; else returns 0 and leaves dirty data
 * to the kernel. The file is gone in every case, but for its views: they go
 * on, and it is unmapped and closed with the last of them. NULL is allowed.
 */
MMS_EXPORT int mms_close(struct mms_file *file);

/* The descriptor in use: borrowed; read-write once mms_upgrade() was called. */
MMS_EXPORT int mms_fd(const struct mms_file *file);

/* The size the file has now, asked of the kernel: others may change it. */
MMS_EXPORT int mms_size(const struct mms_file *file, uint64_t *ret_size);

/* Why mms_read() would not use a mapping now: a constant word ("small file",
 * "io=pread", "not mappable: ..."), or NULL if it would. */
MMS_EXPORT const char *mms_why_unmapped(const struct mms_file *file);

/* How it went with one of MMS_WANT_*: 1: as wanted, in all that was mapped so
 * far; 0: not wanted; else why not, negative, with ret_why filled (which may be
 * NULL). With windows it is what was refused last. -EINVAL: want is not one. */
MMS_EXPORT int mms_granted(const struct mms_file *file, unsigned want, struct mms_error *ret_why);

/* What mmap(2) refused to this file last, with a hint, and returns its code;
 * 0, and ret_err untouched, if it never did. ret_err may be NULL. */
MMS_EXPORT int mms_map_error(const struct mms_file *file, struct mms_error *ret_err);

/* ------------------------------------------------------------------ data */

struct mms_pin {
	void *addr;              /* of the byte at the offset; const unless MMS_PIN_WRITE */
	size_t len;              /* bytes at addr inside this mapping, at most what was asked for */
	struct mms_chunk *chunk; /* private */
	unsigned slot;           /* private */
};

#define MMS_PIN_WRITE 1u /* addr may be stored to (MMS_RDWR and MMS_COW) */
#define MMS_PIN_AUTO 2u  /* obey the file's io option: -EOPNOTSUPP where it says not to map,
			  * and -EBUSY rather than evict a chunk mapped less than a second ago */

/*
 * Pins the chunk that holds offset and returns where it is. The mapping
 * stays until mms_unpin(). It may reach past the end of the file, where a
 * touch faults: the caller bounds its access by mms_size().
 *
 * The chunk is mapped if it is not yet: that may take a lock and system
 * calls, and never waits for the disk nor for another thread's pin. A hit
 * takes no lock.
 *
 * -EBUSY: the budget is all pinned (or see MMS_PIN_AUTO). A thread that
 * holds no other pin never gets it if the budget is at least one chunk a
 * thread. Also -EBUSY: the chunk is mapped too short for a file that has
 * grown, or read-only from before mms_upgrade(), and is pinned; it is mapped
 * anew when nobody has it pinned (never, if it holds private changes).
 * -ENOBUFS: chunks that cannot be evicted fill the budget: with private
 * changes (MMS_COW), locked, or of files that are mapped whole; mms_write()
 * returns it too, under MMS_COW. -ENODEV, -ENOMEM, -EACCES: mmap(2) refused.
 * -EFBIG: offset past 2^63-1. -MMS_EBOUNDS: the file is mapped whole, and
 * ends before offset. -EBADF: MMS_PIN_WRITE on MMS_RDONLY.
 *
 * A store through a pin in MMS_RDWR must be told by mms_mark_dirty().
 */
MMS_EXPORT int mms_pin(struct mms_file *file, uint64_t offset, size_t len, unsigned flags,
		       struct mms_pin *ret_pin);
MMS_EXPORT void mms_unpin(struct mms_pin *pin);

/* Copies and survives SIGBUS: 0, or -EFAULT when src or dst faulted (part may
 * have been copied). Nests; async-signal-safe. Never counts as an access
 * outside the guard: a fault of an address outside both ranges is not caught. */
MMS_EXPORT int mms_copy(void *dst, const void *src, size_t len);

/*
 * Reads at most len bytes at offset; short at the end of the file, 0 past
 * it. From the mapping under mms_copy(); a fault there is looked into: past
 * the end of a file that shrank the read is short, a real error is pread's.
 */
MMS_EXPORT ssize_t mms_read(struct mms_file *file, void *buf, size_t len, uint64_t offset);

#define MMS_WRITE_SYNC 1u /* durable before it returns, as with O_DSYNC */
#define MMS_WRITE_NOTIME 2u /* the caller sets the file's times itself */

/*
 * Writes len bytes at offset, extending the file where needed. Returns the
 * count written, which is short only where write(2) would be (disk full).
 *
 * MMS_PUT_AUTO: blocks that this file has dirtied since their last sync are
 * stored into the mapping; extending writes, holes and first touches go
 * through pwrite(2), which reports a full disk as ENOSPC and fills fresh
 * pages at several times the speed of page faults, and count as dirtied
 * from then on. MMS_PUT_MMAP: all that lies inside the file is stored into
 * the mapping (in a hole on a full disk: the fault is caught, and pwrite
 * gives the errno). MMS_PUT_PWRITE: never. MMS_COW: always the mapping;
 * past the end of the file -EFBIG.
 *
 * A store into a mapping does not by itself change mtime and ctime each
 * time as write(2) does; they are set by mms_touch(), mms_sync(),
 * mms_flush() and mms_close(), to the time of the last such store, unless
 * MMS_WRITE_NOTIME was given.
 */
MMS_EXPORT ssize_t mms_write(struct mms_file *file, const void *buf, size_t len, uint64_t offset,
			     unsigned flags);

/* Applies the times that mapped stores owe. Cheap when none do. */
MMS_EXPORT int mms_touch(struct mms_file *file);

/* Drops times that mapped stores owe: the caller has set them itself. */
MMS_EXPORT void mms_untouch(struct mms_file *file);

/* Notes that the range was stored to, through a pin or beneath the store. */
MMS_EXPORT void mms_mark_dirty(struct mms_file *file, uint64_t offset, uint64_t len);

/* Forgets that blocks of the range are known to be allocated (the caller
 * punched a hole, collapsed, cloned): they count as first touches again.
 * The file stays dirty as a whole. */
MMS_EXPORT void mms_mark_unallocated(struct mms_file *file, uint64_t offset, uint64_t len);

/* Sets the file's size, keeping the data; on failure size and data are as
 * before. -EINVAL for MMS_RDONLY and MMS_COW, -EFBIG past 2^63-1. Under
 * MMS_SYNC_IMMEDIATE it syncs: if only that fails, the size is the new one. */
MMS_EXPORT int mms_resize(struct mms_file *file, uint64_t size);

/*
 * Makes the file at least size bytes long with all of that allocated, so that
 * no later store into it can meet a full disk (but on file systems that copy
 * on write). Never shortens it, nor takes away what is written meanwhile.
 *
 * On failure size and data are as before, and space that was got past the end
 * is given back; what was got inside the file stays. Other processes, and
 * other openings of the file, must not extend it while a call may fail:
 * giving back could cut off what they append. Errors as mms_resize(), also
 * on syncs; -EOPNOTSUPP: the file system cannot allocate without a change of
 * size (NFS cannot). May wait for the disk, and make writers wait for it.
 */
MMS_EXPORT int mms_allocate(struct mms_file *file, uint64_t size);

/* ------------------------------------------------------------ durability */

#define MMS_SYNC_META 1u  /* fsync(2) rather than fdatasync(2) */
#define MMS_SYNC_FORCE 2u /* also if nothing in the range was dirtied through this file */

/*
 * On return all that was written to the range through this file before the
 * call is durable. len 0: to the end. Waits for the disk. The granularity
 * of Linux is the file: the range saves the call where nothing in it is
 * dirty. On failure the error is returned, and nothing stays marked dirty:
 * the kernel does not write such pages again. Nor does a later sync of the file
 * return 0 before all that the failed one had was stored to anew through this
 * file, by whole blocks, or cut off: until then it returns the same error.
 */
MMS_EXPORT int mms_sync(struct mms_file *file, uint64_t offset, uint64_t len, unsigned flags);

/* That error, while syncs return it; else 0. */
MMS_EXPORT int mms_sync_lost(struct mms_file *file);

/* What close(2) owes under the file's sync mode: LAZY and IMMEDIATE sync. */
MMS_EXPORT int mms_flush(struct mms_file *file);

MMS_EXPORT bool mms_is_dirty(const struct mms_file *file);

/* Syncs every dirty file of the pool, calling their synced callbacks.
 * Returns the first error; all files are tried. ret_files may be NULL.
 * Passes over a pool are made one at a time: a callback must not call this. */
MMS_EXPORT int mms_pool_sync(struct mms_pool *pool, uint64_t *ret_files);

struct mms_syncer_options {
	unsigned interval_ms; /* 1 and more */
	/* Called before each pass from the syncer's thread; may block; NULL is
	 * allowed. The daemon flushes the kernel's write-back cache here. */
	void (*before)(void *arg);
	/* Called after each pass with the files synced and the first error. */
	void (*after)(void *arg, uint64_t files, int result);
	void *arg;
};

/* Starts a thread that makes passes at a fixed rate, each like mms_pool_sync()
 * but for files of MMS_SYNC_LAZY and MMS_SYNC_NEVER: those are synced by the
 * passes that mms_syncer_kick() asks for only. */
MMS_EXPORT int mms_syncer_start(struct mms_pool *pool, const struct mms_syncer_options *options,
				struct mms_syncer **ret_syncer, struct mms_error *err);
/* Makes a pass now. wait: returns what a pass that began after the call came
 * to (-ECANCELED if the syncer was stopped first); else 0. */
MMS_EXPORT int mms_syncer_kick(struct mms_syncer *syncer, bool wait);
/* Ends the thread after the pass it is in. No last pass is made. NULL is allowed. */
MMS_EXPORT void mms_syncer_stop(struct mms_syncer *syncer);

/* ----------------------------------------------------------------- hints */

/*
 * madvise(2) for the range; len 0: to the end. NORMAL, SEQUENTIAL, RANDOM and
 * the settings are kept for chunks mapped later when the range is the whole
 * file (offset 0, len 0), until the opposite is given for it; advice that is
 * done once reaches what is mapped now, up to the end of the file. WILLNEED and
 * DONTNEED go to posix_fadvise(2) as well, and so reach what is not mapped:
 * the first reads a part in, the second drops clean pages from memory.
 * NORMAL makes no call unless SEQUENTIAL or RANDOM was given before. Advice
 * that the kernel does not know is -EINVAL, where anything is mapped; so are
 * MERGEABLE and UNMERGEABLE but under MMS_COW, and DONTNEED there. The kernel
 * has refusals of its own: DONTNEED of locked pages is -EINVAL. The mapping is
 * shared: so is the advice, with all who use the file here.
 */
MMS_EXPORT int mms_advise(struct mms_file *file, uint64_t offset, uint64_t len,
			  enum mms_advice advice);

/*
 * Locks the range into memory, reading it in, until mms_unlock_memory() or
 * mms_close(); len 0: to the end. By whole pages, up to the end that the file
 * has now. The chunks stay mapped meanwhile, whatever io says. All or nothing.
 * -ENOMEM, -EPERM, -EAGAIN: the hint has RLIMIT_MEMLOCK and what is locked;
 * -EBUSY: the pool's budget is smaller, or too much of it is kept or pinned.
 * Does not nest, as mlock(2). What MMS_WANT_LOCKED has locked stays so. Waits
 * for the disk, and for calls of these two on the same file.
 */
MMS_EXPORT int mms_lock_memory(struct mms_file *file, uint64_t offset, uint64_t len,
			       struct mms_error *err);
MMS_EXPORT int mms_unlock_memory(struct mms_file *file, uint64_t offset, uint64_t len);

/* Reads the range into memory. len 0: to the end. */
MMS_EXPORT int mms_preload(struct mms_file *file, uint64_t offset, uint64_t len,
			   enum mms_preload how);

#ifdef __cplusplus
}
#endif

#include "mmapstore-crc.h"
#include "mmapstore-header.h"
#include "mmapstore-log.h"
#include "mmapstore-region.h"
#include "mmapstore-typed.h"
#include "mmapstore-view.h"

#endif

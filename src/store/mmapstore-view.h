/* SPDX-License-Identifier: MIT */
/*
 * mmapstore-view.h - a position in a file and typed readers; clones and slices
 *
 * A view reads a range of a file that is fixed when the view is made. It
 * keeps the chunk that it is in pinned, so that a read costs a comparison
 * and a load; it moves to another chunk by itself. A clone or a slice of a
 * view, or of a slice, shares the mapping, copies nothing, and has a position
 * of its own.
 *
 * Ownership: the struct is the caller's, on the stack or in another struct;
 * its members are private. It must be released, and must not be copied by
 * assignment: mms_view_clone() does that. A view keeps its file alive: after
 * mms_close() it goes on reading, and the file's descriptors and mappings,
 * with private changes of MMS_COW, go with the last view. All views of a pool
 * are released before mms_pool_free().
 *
 * A program that reads many single numbers may include mmapstore-inline.h too.
 *
 * Threads: one view is used by one thread at a time. Any number of clones
 * run concurrently, with no lock and no shared counter on the way of a read.
 *
 * Where a chunk cannot be mapped (the file system, a limit, a budget that is
 * all pinned, MMS_IO_PREAD, what MMS_IO_AUTO does not map), the view reads
 * with pread(2) and gives the same results; it tries to map again each time
 * it moves on. Under MMS_RDONLY it then reads through a buffer of its own,
 * which may be as old as the view's last move. Where this process may change
 * the file (MMS_RDWR, MMS_COW) nothing is kept: each read shows what is there.
 *
 * A view that has read holds one pin until it moves or is released: a pool
 * with more views than chunks in its budget reads the rest with pread(2).
 *
 * Errors: -MMS_EBOUNDS: past the end of the view; the position stays where
 * it was. -MMS_ETRUNCATED: the file was cut off since the view was made, and
 * the page is gone; what is left of the file's last page reads as zeros where
 * it is mapped. -EIO: the disk. -MMS_ECORRUPT: a number or string that cannot
 * be. -ENOMEM: a string that there is no memory for.
 */
#ifndef MMAPSTORE_VIEW_H
#define MMAPSTORE_VIEW_H

#include "mmapstore.h"

#ifdef __cplusplus
extern "C" {
#endif

struct mms_view_name;

struct mms_view {
	/* All private. */
	uint64_t pos;                   /* in the view */
	uint64_t len;                   /* of the view */
	uintptr_t window;               /* where byte 0 of the view would be, seen from it */
	uint64_t window_start;          /* in the view */
	uint64_t window_len;            /* of which the view may read */
	uint64_t window_u64s;           /* positions in it that 8 bytes can be read from */
	uint64_t window_front;          /* the same if it starts at 0, else 0 */
	uint64_t base;                  /* of the view in the file */
	struct mms_file *file;
	struct mms_view_name *name;     /* shared, counted; NULL: the file's */
	unsigned char *buf;             /* for pread(2); NULL until needed */
	struct mms_pin pin;             /* of window, if pinned */
	int advice;
	unsigned flags;
	int failed;                     /* the last failure, and where in the view it was */
	uint64_t failed_pos;
};

/* ------------------------------------------------------ making and ending */

/* A view of the whole file as long as it is now. */
MMS_EXPORT int mms_view_init(struct mms_view *view, struct mms_file *file);

/* Of the same range, at the same position. It takes no pin, copies no data,
 * and does not fail. */
MMS_EXPORT int mms_view_clone(const struct mms_view *view, struct mms_view *ret_view);

/* Of len bytes from offset on (in view), at position 0. name is copied, and
 * shows in mms_view_name() and in errors: "a.db [segment] [postings]"; NULL:
 * the name of view. -MMS_EBOUNDS if it reaches past the end of view. */
MMS_EXPORT int mms_view_slice(const struct mms_view *view, const char *name, uint64_t offset,
			      uint64_t len, struct mms_view *ret_view);

/* Unpins, and lets go of the file. Harmless on a released or zeroed view. */
MMS_EXPORT void mms_view_release(struct mms_view *view);

/* ------------------------------------------------------------- where it is */

MMS_EXPORT uint64_t mms_view_length(const struct mms_view *view);
MMS_EXPORT uint64_t mms_view_position(const struct mms_view *view);
/* Valid until the view is released. */
MMS_EXPORT const char *mms_view_name(const struct mms_view *view);

/* To any position from 0 to the length. */
MMS_EXPORT int mms_view_seek(struct mms_view *view, uint64_t pos);
MMS_EXPORT int mms_view_skip(struct mms_view *view, uint64_t len);

/* Fills err with what the last call on the view, which returned code, failed
 * at: the view's name, the position that could not be read (else that of the
 * view) and its length, and a hint with the present values of what may be at
 * fault: the size of the file, the mappings in use and their limits. code may
 * be that of a call on the file, too. Returns code; 0 fills nothing. */
MMS_EXPORT int mms_view_error(const struct mms_view *view, int code, struct mms_error *err);

/* ----------------------------------------------------- reading on, by type */

/* On failure the position and *ret_ are untouched. */
MMS_EXPORT int mms_view_u8(struct mms_view *view, uint8_t *ret_value);
MMS_EXPORT int mms_view_u16(struct mms_view *view, uint16_t *ret_value);
MMS_EXPORT int mms_view_u32(struct mms_view *view, uint32_t *ret_value);
MMS_EXPORT int mms_view_u64(struct mms_view *view, uint64_t *ret_value);

/* Seven bits a byte, the lowest first, the top bit set on all but the last
 * (LEB128). At most 5 and 10 bytes; -MMS_ECORRUPT for more, or for a number
 * that does not fit. A longer way to write a number than needed is allowed. */
MMS_EXPORT int mms_view_varint32(struct mms_view *view, uint32_t *ret_value);
MMS_EXPORT int mms_view_varint64(struct mms_view *view, uint64_t *ret_value);
/* The same, zigzag: 0, -1, 1, -2, ... */
MMS_EXPORT int mms_view_zigzag64(struct mms_view *view, int64_t *ret_value);

/* Exactly len bytes. On failure part of buf may have been written. */
MMS_EXPORT int mms_view_bytes(struct mms_view *view, void *buf, size_t len);

/* A varint32 length and that many bytes, allocated with malloc() and
 * terminated: the caller frees it. ret_len may be NULL. A length past the end
 * of the view is -MMS_ECORRUPT, and nothing is allocated for it. */
MMS_EXPORT int mms_view_string(struct mms_view *view, char **ret_string, size_t *ret_len);

/* ---------------------------------------------------- reading at a position */

/* These leave the position where it is. */
MMS_EXPORT int mms_view_u8_at(struct mms_view *view, uint64_t pos, uint8_t *ret_value);
MMS_EXPORT int mms_view_u16_at(struct mms_view *view, uint64_t pos, uint16_t *ret_value);
MMS_EXPORT int mms_view_u32_at(struct mms_view *view, uint64_t pos, uint32_t *ret_value);
MMS_EXPORT int mms_view_u64_at(struct mms_view *view, uint64_t pos, uint64_t *ret_value);
MMS_EXPORT int mms_view_bytes_at(struct mms_view *view, uint64_t pos, void *buf, size_t len);

/* ------------------------------------------------------------------- others */

/* The bytes at the position, without a copy: their address, and how many of
 * them are there in one piece, at least 1; -MMS_EBOUNDS at the end. From the
 * view's buffer, where it reads with pread(2). Valid until the view is used to
 * read or is released. Touching it may fault: see mmapstore.h. */
MMS_EXPORT int mms_view_peek(struct mms_view *view, const void **ret_addr, size_t *ret_len);

/* Carries *crc (0 to begin with) on over the len bytes at the position, which
 * moves past them. On failure both are untouched. */
MMS_EXPORT int mms_view_crc32(struct mms_view *view, uint64_t len, uint32_t *crc);

/* Advice for the range of the view, and for what of it gets mapped later by
 * this view or by clones and slices made from now on. -EINVAL: no such intent. */
MMS_EXPORT int mms_view_intend(struct mms_view *view, enum mms_intent intent);

/* Reads the range of the view in: see mms_preload(). */
MMS_EXPORT int mms_view_preload(struct mms_view *view, enum mms_preload how);

/* ------------------------------------------------------- for mmapstore-inline.h */

/*
 * Instructions of a program or module that go on elsewhere after SIGBUS: from
 * the first up to the second, at the third, each as a distance from itself.
 * A table is known by where it starts and may be registered several times; it
 * is forgotten after as many calls of the other. -ENOMEM.
 */
struct mms_load_entry {
	int32_t from, to, fixup;
	int32_t zero; /* 16 bytes: no gaps where tables are joined, however aligned */
};

MMS_EXPORT int mms_loads_register(const struct mms_load_entry *start,
				  const struct mms_load_entry *stop);
MMS_EXPORT void mms_loads_unregister(const struct mms_load_entry *start);

#ifdef __cplusplus
}
#endif
#endif

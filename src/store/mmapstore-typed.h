/* SPDX-License-Identifier: MIT */
/*
 * mmapstore-typed.h - numbers, arrays and pointers at an offset of a file
 *
 * Each call checks that the offset is a multiple of the alignment
 * (-MMS_EALIGN) and that all of the range lies in the file (-MMS_EBOUNDS,
 * also where count times size overflows), in this order, and then transfers
 * all of it or fails: what a failed call has put or left in buf is undefined,
 * ret_ values are untouched. Numbers are little-endian and aligned to their
 * size; one that is mapped is loaded and stored in one piece. Nothing extends
 * the file: mms_resize() does.
 *
 * mms_get_*() and mms_ref_array() look the file's size up when a request
 * seems to reach past its end, not each time: in a file that somebody else
 * has cut off they fail with -MMS_ETRUNCATED where a page is gone, and may
 * read zeros in the rest of its last page. Once the cut was noticed it is
 * -MMS_EBOUNDS, as of any range past the end. mms_put_*() look each time; but
 * one that runs beside the cut writes as mms_write() would.
 */
#ifndef MMAPSTORE_TYPED_H
#define MMAPSTORE_TYPED_H

#include "mmapstore.h"

#ifdef __cplusplus
extern "C" {
#endif

MMS_EXPORT int mms_get_u8(struct mms_file *file, uint64_t offset, uint8_t *ret_value);
MMS_EXPORT int mms_get_u16(struct mms_file *file, uint64_t offset, uint16_t *ret_value);
MMS_EXPORT int mms_get_u32(struct mms_file *file, uint64_t offset, uint32_t *ret_value);
MMS_EXPORT int mms_get_u64(struct mms_file *file, uint64_t offset, uint64_t *ret_value);

/* -EBADF for MMS_RDONLY, before all else; then the errors of mms_write(), whose rules on
 * durability apply. */
MMS_EXPORT int mms_put_u8(struct mms_file *file, uint64_t offset, uint8_t value);
MMS_EXPORT int mms_put_u16(struct mms_file *file, uint64_t offset, uint16_t value);
MMS_EXPORT int mms_put_u32(struct mms_file *file, uint64_t offset, uint32_t value);
MMS_EXPORT int mms_put_u64(struct mms_file *file, uint64_t offset, uint64_t value);

/*
 * An array of count elements of size bytes each, as they are in the file. An
 * element of a type T: count 1, size sizeof(T), align _Alignof(T). align is a
 * power of two (-EINVAL); an array may cross chunks, and be empty.
 */
MMS_EXPORT int mms_get_array(struct mms_file *file, uint64_t offset, void *buf, size_t count,
			     size_t size, size_t align);
MMS_EXPORT int mms_put_array(struct mms_file *file, uint64_t offset, const void *buf,
			     size_t count, size_t size, size_t align);

/*
 * The same array where it is mapped: ret_pin->addr, until mms_unpin(), with
 * the rules of mms_pin() on faults, on stores (flags: MMS_PIN_WRITE) and on
 * errors. -MMS_ESPLIT where it crosses chunks: MMS_WANT_FULL avoids that. It
 * is mapped whatever the file's io option says, but with MMS_PIN_AUTO. The
 * address is aligned as the offset is, up to the size of a page.
 */
MMS_EXPORT int mms_ref_array(struct mms_file *file, uint64_t offset, size_t count, size_t size,
			     size_t align, unsigned flags, struct mms_pin *ret_pin);

#ifdef __cplusplus
}
#endif
#endif

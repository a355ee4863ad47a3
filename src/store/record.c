/* SPDX-License-Identifier: MIT */
/* The header of a record, byte by byte: see mmapstore-log.h */
#include "bytes.h"
#include "log.h"

#define AT_LENGTH 0u
#define AT_PAYLOAD_CRC 4u
#define AT_SEQUENCE 8u
#define AT_TIMESTAMP 16u
#define AT_TYPE 24u
#define AT_RESERVED 27u
#define AT_HEADER_CRC 28u
#define AT_ZEROS 32u

/* Each field begins where the one before it ends, and is as wide as what holds it. */
#define FIELD_BYTES(field) sizeof(((struct mms_record_header *)0)->field)
_Static_assert(AT_PAYLOAD_CRC == AT_LENGTH + FIELD_BYTES(payload_bytes), "length");
_Static_assert(AT_SEQUENCE == AT_PAYLOAD_CRC + FIELD_BYTES(payload_crc), "payload crc");
_Static_assert(AT_TIMESTAMP == AT_SEQUENCE + FIELD_BYTES(sequence), "sequence");
_Static_assert(AT_TYPE == AT_TIMESTAMP + FIELD_BYTES(timestamp_ns), "timestamp");
_Static_assert(LOG_AT_FLAGS == AT_TYPE + FIELD_BYTES(type), "type");
_Static_assert(AT_RESERVED == LOG_AT_FLAGS + FIELD_BYTES(flags), "flags");
_Static_assert(AT_HEADER_CRC == AT_RESERVED + 1u, "reserved");
_Static_assert(AT_ZEROS == AT_HEADER_CRC + sizeof(uint32_t), "header crc");
_Static_assert(MMS_RECORD_HEADER_BYTES == 64 && AT_ZEROS < MMS_RECORD_HEADER_BYTES, "zeros");
/* In a file, numbers lie where a machine can load them at once, and the flag in one cache line
 * with all that it speaks for. */
_Static_assert(AT_PAYLOAD_CRC % 4 == 0 && AT_HEADER_CRC % 4 == 0 && AT_TYPE % 2 == 0, "aligned");
_Static_assert(AT_SEQUENCE % 8 == 0 && AT_TIMESTAMP % 8 == 0, "aligned");
_Static_assert(LOG_PREAMBLE_BYTES % MMS_RECORD_HEADER_BYTES == 0, "records are aligned");
_Static_assert((1u << MMS_CHUNK_SHIFT_MIN) % MMS_RECORD_HEADER_BYTES == 0, "no header is split");

void mms_record_encode(const struct mms_record_header *header,
		       unsigned char buf[MMS_RECORD_HEADER_BYTES])
{
	memset(buf, 0, MMS_RECORD_HEADER_BYTES);
	le32_put(buf + AT_LENGTH, header->payload_bytes);
	le32_put(buf + AT_PAYLOAD_CRC, header->payload_crc);
	le64_put(buf + AT_SEQUENCE, header->sequence);
	le64_put(buf + AT_TIMESTAMP, header->timestamp_ns);
	le16_put(buf + AT_TYPE, header->type);
	buf[LOG_AT_FLAGS] = header->flags | MMS_RECORD_VALID;
	le32_put(buf + AT_HEADER_CRC, mms_crc32(0, buf, MMS_RECORD_HEADER_BYTES));
	buf[LOG_AT_FLAGS] = header->flags;
}

static bool reserved_is_zero(const unsigned char *buf)
{
	unsigned char any = buf[AT_RESERVED];

	for (unsigned i = AT_ZEROS; i < MMS_RECORD_HEADER_BYTES; i++)
		any |= buf[i];
	return !any;
}

int mms_record_decode(const unsigned char buf[MMS_RECORD_HEADER_BYTES],
		      struct mms_record_header *ret_header)
{
	struct mms_record_header h = {
		.payload_bytes = le32_get(buf + AT_LENGTH),
		.payload_crc = le32_get(buf + AT_PAYLOAD_CRC),
		.sequence = le64_get(buf + AT_SEQUENCE),
		.timestamp_ns = le64_get(buf + AT_TIMESTAMP),
		.type = le16_get(buf + AT_TYPE),
		.flags = buf[LOG_AT_FLAGS],
	};

	if (!(h.flags & MMS_RECORD_VALID))
		return 0;
	if (mms_crc32_except(0, buf, MMS_RECORD_HEADER_BYTES, AT_HEADER_CRC, 4) !=
	    le32_get(buf + AT_HEADER_CRC))
		return -MMS_ECHECKSUM;
	if (h.payload_bytes > MMS_RECORD_PAYLOAD_MAX || h.flags != MMS_RECORD_VALID ||
	    !reserved_is_zero(buf))
		return -MMS_ECORRUPT;
	*ret_header = h;
	return 1;
}

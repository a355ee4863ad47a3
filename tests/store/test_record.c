/* SPDX-License-Identifier: MIT */
/* Proves the header of a record byte by byte, and that no change of it goes unnoticed. */
#include "logs.h"

/* length 5, payload crc 0x3610a686, sequence 0x0807060504030201, timestamp 0x1817161514131211,
 * type 0x2221, valid. The crc was worked out with another program. */
static const unsigned char vector[64] = {
	0x05, 0x00, 0x00, 0x00, 0x86, 0xa6, 0x10, 0x36, 0x01, 0x02, 0x03,
	0x04, 0x05, 0x06, 0x07, 0x08, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16,
	0x17, 0x18, 0x21, 0x22, 0x01, 0x00, 0x3b, 0x1d, 0x26, 0xfa,
};

static const struct mms_record_header header = {
	.payload_bytes = 5,
	.payload_crc = 0x3610a686,
	.sequence = 0x0807060504030201,
	.timestamp_ns = 0x1817161514131211,
	.type = 0x2221,
	.flags = MMS_RECORD_VALID,
};

static void same(const struct mms_record_header *a, const struct mms_record_header *b)
{
	ck_assert_uint_eq(a->payload_bytes, b->payload_bytes);
	ck_assert_uint_eq(a->payload_crc, b->payload_crc);
	ck_assert_uint_eq(a->sequence, b->sequence);
	ck_assert_uint_eq(a->timestamp_ns, b->timestamp_ns);
	ck_assert_uint_eq(a->type, b->type);
	ck_assert_uint_eq(a->flags, b->flags);
}

START_TEST(layout)
{
	struct mms_record_header out = {0}, unset = header;
	unsigned char buf[64], other[64];

	memset(buf, 0xff, sizeof(buf));
	ck_assert_uint_eq(mms_crc32(0, "hello", 5), header.payload_crc);
	mms_record_encode(&header, buf);
	for (size_t i = 0; i < sizeof(buf); i++)
		ck_assert_msg(buf[i] == vector[i], "byte %zu is %02x", i, buf[i]);
	ck_assert_int_eq(mms_record_decode(vector, &out), 1);
	same(&out, &header);
	/* The flag alone makes it valid. */
	unset.flags = 0;
	mms_record_encode(&unset, other);
	ck_assert_int_eq(mms_record_decode(other, &out), 0);
	other[26] |= MMS_RECORD_VALID;
	ck_assert_int_eq(memcmp(other, buf, sizeof(buf)), 0);
}
END_TEST

START_TEST(every_bit)
{
	unsigned char buf[64];

	for (unsigned bit = 0; bit < 512; bit++) {
		struct mms_record_header out = {.type = 7};
		int r;

		memcpy(buf, vector, sizeof(buf));
		buf[bit / 8] ^= (unsigned char)(1u << bit % 8);
		r = mms_record_decode(buf, &out);
		ck_assert_int_eq(r, bit == 26 * 8 ? 0 : -MMS_ECHECKSUM);
		ck_assert_uint_eq(out.type, 7);
		ck_assert_uint_eq(out.payload_bytes, 0);
	}
}
END_TEST

START_TEST(borders)
{
	static const uint32_t lengths[] = {0, 1, MMS_RECORD_PAYLOAD_MAX - 1,
					   MMS_RECORD_PAYLOAD_MAX};

	for (size_t i = 0; i < 4; i++) {
		struct mms_record_header h = {.payload_bytes = lengths[i],
					      .payload_crc = UINT32_MAX,
					      .sequence = UINT64_MAX,
					      .timestamp_ns = UINT64_MAX,
					      .type = UINT16_MAX,
					      .flags = MMS_RECORD_VALID};
		struct mms_record_header out;
		unsigned char buf[64];

		mms_record_encode(&h, buf);
		ck_assert_int_eq(mms_record_decode(buf, &out), 1);
		same(&out, &h);
	}
}
END_TEST

/* What has the right CRC and is forbidden all the same. */
START_TEST(forbidden)
{
	struct mms_record_header h = header, out = {.type = 7};
	unsigned char buf[64];

	h.payload_bytes = MMS_RECORD_PAYLOAD_MAX + 1;
	mms_record_encode(&h, buf);
	ck_assert_int_eq(mms_record_decode(buf, &out), -MMS_ECORRUPT);
	h.payload_bytes = UINT32_MAX;
	mms_record_encode(&h, buf);
	ck_assert_int_eq(mms_record_decode(buf, &out), -MMS_ECORRUPT);
	for (unsigned flag = 2; flag < 256; flag *= 2) {
		h = header;
		h.flags |= (unsigned char)flag;
		mms_record_encode(&h, buf);
		ck_assert_int_eq(mms_record_decode(buf, &out), -MMS_ECORRUPT);
	}
	for (unsigned at = 27; at < 64; at += at == 27 ? 5 : 1) { /* reserved, and the zeros */
		uint32_t crc;

		memcpy(buf, vector, sizeof(buf));
		buf[at] = 1;
		memset(buf + 28, 0, 4);
		crc = mms_crc32(0, buf, sizeof(buf));
		for (unsigned i = 0; i < 4; i++)
			buf[28 + i] = (unsigned char)(crc >> 8 * i);
		ck_assert_int_eq(mms_record_decode(buf, &out), -MMS_ECORRUPT);
	}
	ck_assert_uint_eq(out.type, 7);
}
END_TEST

START_TEST(nothing_there)
{
	struct mms_record_header out;
	unsigned char buf[64] = {0};

	ck_assert_int_eq(mms_record_decode(buf, &out), 0);
	memset(buf, 0xff, sizeof(buf));
	ck_assert_int_eq(mms_record_decode(buf, &out), -MMS_ECHECKSUM);
	buf[26] = 0xfe;
	ck_assert_int_eq(mms_record_decode(buf, &out), 0);
}
END_TEST

/* Places in the file, where other programs look for them. */
START_TEST(preamble)
{
	static const struct log_preamble p = {
		.first_sequence = 0x0807060504030201,
		.created_ns = 0x1817161514131211,
		.id = 0x2827262524232221,
	};
	unsigned char buf[LOG_PREAMBLE_BYTES], by_hand[LOG_PREAMBLE_BYTES] = {0};

	for (unsigned i = 0; i < 24; i++)
		by_hand[16 + i] = (unsigned char)(i / 8 * 16 + i % 8 + 1);
	mms_header_seal(by_hand, sizeof(by_hand), "MMSL", 1);
	mms_log_preamble_encode(&p, buf);
	ck_assert_int_eq(memcmp(buf, by_hand, sizeof(buf)), 0);
	ck_assert_uint_eq(mms_log_seed(p.id), mms_crc32(0, buf + 32, 8));
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, layout);
	tcase_add_test(t, every_bit);
	tcase_add_test(t, borders);
	tcase_add_test(t, forbidden);
	tcase_add_test(t, nothing_there);
	tcase_add_test(t, preamble);
}

int main(void)
{
	return t_run("record", add_tests);
}

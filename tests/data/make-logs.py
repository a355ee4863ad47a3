#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes tests/data/log: logs, each named for its damage. What each must come to is in
tests/store/test_log_corpus.c. Written from mmapfs-format(5) alone, and not from the library, so
that the two check each other.

    tests/data/make-logs.py [DIRECTORY]
"""
import os
import struct
import sys
import zlib

ID = 0x1122334455667788
OTHER_ID = 0x99AABBCCDDEEFF00
VALID = 1


def preamble(first=1, created=1700000000 * 10**9, log_id=ID, magic=b"MMSL", version=1,
             reserved=0, rest=bytes(24)):
    covered = struct.pack("<QQQ", first, created, log_id) + rest
    head = struct.pack("<4sIII", magic, version, 0, reserved)
    crc = zlib.crc32(head + covered)
    return struct.pack("<4sIII", magic, version, crc, reserved) + covered


def record(sequence, payload=None, log_id=ID, flags=VALID, length=None, reserved=0, zeros=bytes(32),
           payload_crc=None):
    if payload is None:
        payload = b"payload of record %d, " % sequence * 3
    if length is None:
        length = len(payload)
    if payload_crc is None:
        payload_crc = zlib.crc32(payload, zlib.crc32(struct.pack("<Q", log_id)))

    def head(f, crc):
        return struct.pack("<IIQQHBBI", length, payload_crc, sequence, 1700000000 * 10**9 + sequence % 1000,
                           sequence & 0xffff, f, reserved, crc) + zeros

    crc = zlib.crc32(head(flags | VALID, 0))
    return head(flags, crc) + payload + bytes(-len(payload) % 64)


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]


def zero(data, at, n):
    return data[:at] + bytes(n) + data[at + n:]


def log(*records, **options):
    return preamble(**options) + b"".join(records)


R = [record(n) for n in range(8)]
THREE = log(R[1], R[2], R[3])
AT3 = 64 + len(R[1]) + len(R[2])
LAST = 2**64 - 2

FILES = {
    # whole
    "ok-empty": log(),
    "ok-three-records": THREE,
    "ok-empty-payloads": log(record(1, b""), record(2, b"")),
    "ok-zeros-follow": THREE + bytes(4096),
    "ok-zeros-follow-unaligned": THREE + bytes(100),
    "ok-first-sequence-1000": log(record(1000), record(1001), first=1000),
    "ok-last-padding-cut": log(R[1], record(2, b"x" * 70))[:-58],
    "ok-last-sequence": log(record(LAST), first=LAST),
    # preamble
    "preamble-empty-file": b"",
    "preamble-short-of-header": preamble()[:15],
    "preamble-short-of-covered": preamble()[:63],
    "preamble-bad-magic": preamble(magic=b"MMSR"),
    "preamble-bad-version-0": preamble(version=0),
    "preamble-bad-version-2": preamble(version=2) + R[1],
    "preamble-bad-checksum": flip(THREE, 33),
    "preamble-reserved-set": preamble(reserved=1),
    "preamble-first-sequence-0": preamble(first=0),
    "preamble-first-sequence-max": preamble(first=2**64 - 1),
    "preamble-tail-set": preamble(rest=bytes(23) + b"\1"),
    # the last record, or what stands where the next should
    "torn-flag-clear": log(R[1], R[2], record(3, flags=0)),
    "torn-header-cut": THREE[:AT3 + 40],
    "torn-header-one-byte": THREE[:AT3 + 1],
    "torn-payload-cut": THREE[:AT3 + 64 + 20],
    "torn-payload-one-byte-short": THREE[:AT3 + 64 + 62],
    "torn-payload-zeroed": zero(THREE, AT3 + 64, 64),
    "torn-payload-changed": flip(THREE, AT3 + 64 + 7),
    "torn-header-changed": flip(THREE, AT3 + 9),
    "torn-header-zeroed": zero(THREE, AT3, 64),
    "torn-garbage": log(R[1], R[2], b"\xa5" * 1000),
    "torn-one-byte-far-behind": THREE + bytes(5000) + b"x",
    "header-length-over-maximum": log(R[1], R[2], record(3, b"abc", length=2**30 + 1)),
    "header-length-4g": log(R[1], R[2], record(3, b"abc", length=2**32 - 1)),
    "header-length-past-end": log(R[1], R[2], record(3, b"abc", length=2**30)),
    "header-unknown-flag": log(R[1], R[2], record(3, flags=VALID | 4)),
    "header-reserved-set": log(R[1], R[2], record(3, reserved=1)),
    "header-zeros-set": log(R[1], R[2], record(3, zeros=bytes(31) + b"\1")),
    "sequence-repeated": log(R[1], R[2], R[2]),
    "sequence-lower": log(R[1], R[2], R[1]),
    "sequence-max": log(record(LAST), record(2**64 - 1), first=LAST),
    "other-log-record": log(R[1], R[2], record(3, log_id=OTHER_ID)),
    "other-log-empty-record": log(R[1], R[2], record(3, b"", log_id=OTHER_ID)),
    "other-log-in-torn-payload": log(
        R[1], R[2], flip(record(3, b"".join(record(n, log_id=OTHER_ID) for n in range(1, 9))), 70)),
    # whole records behind damage
    "strays-sequence-jump": log(R[1], R[2], R[5]),
    "strays-payload-changed": log(R[1], flip(R[2], 70), R[3], R[4]),
    "strays-header-changed": log(R[1], flip(R[2], 3), R[3], R[4]),
    "strays-header-zeroed": log(R[1], zero(R[2], 0, 64), R[3], R[4]),
    "strays-record-zeroed": log(R[1], bytes(len(R[2])), R[3], R[4]),
    "strays-flag-cleared": log(R[1], record(2, flags=0), R[3], R[4]),
    "strays-first-record-changed": log(flip(R[1], 0), R[2], R[3]),
    "strays-far-behind": log(R[1], R[2], flip(R[3], 64)) + bytes(65536) + R[4],
    "strays-two-gaps": log(R[1], flip(R[2], 64), R[3], flip(R[4], 64), R[5]),
    "strays-one-damaged-too": log(R[1], flip(R[2], 64), flip(R[3], 64), R[4]),
    # a header in each 64 bytes, each claiming the rest of the file: the work must stay bounded
    "strays-overlapping-claims": log(b"\xff" * 64, b"".join(
        record(n + 2, b"", length=64 * (500 - n), payload_crc=1) for n in range(501))),
}


def main():
    where = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "log")
    os.makedirs(where, exist_ok=True)
    for name, data in FILES.items():
        with open(os.path.join(where, name), "wb") as f:
            f.write(data)


main()

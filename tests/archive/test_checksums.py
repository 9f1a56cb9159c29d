"""Entries there and back; the checksum of S2's blocks against the plain way and the value that everybody publishes."""

from __future__ import annotations

import random

import pytest

from secondsite.backup.archive import Opened, entry, heads, open_message
from secondsite.backup.s2 import MAGIC, STREAM_HEAD, S2Decoder
from secondsite.backup.s2_write import BLOCK_BYTES, blocks, crc32c

HEAD = bytes((STREAM_HEAD,)) + len(MAGIC).to_bytes(3, "little") + MAGIC


def _plain(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def test_it_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 63, 64, 65, 127, 128, 129, 1000, 4097, 10642, 10646, 14137, 30000])
def test_what_is_folded_and_lanes_are_joined_right(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert crc32c(data) == _plain(data)


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 17 * BLOCK_BYTES + 5])
def test_blocks_hold_the_data_and_their_checksums(size: int) -> None:
    data = random.Random(size).randbytes(size)
    written = blocks(data)
    assert b"".join(S2Decoder().feed(HEAD + written)) == data
    for at in range(0, size, BLOCK_BYTES):
        block = data[at : at + BLOCK_BYTES]
        begin = at // BLOCK_BYTES * (BLOCK_BYTES + 8)
        told, checksum = int.from_bytes(written[begin + 4 : begin + 8], "little"), crc32c(block)
        assert told == ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16383, 16384, 2**28 - 1, 2**28, 2**35, 2**63 - 1, 2**64 - 1])
def test_an_entry_is_read_as_it_was_written(number: int) -> None:
    """With numbers of every length: as sequence, as time, before and after the epoch."""
    for time_ns in (min(number, 2**63 - 1), -min(number, 2**62)):
        raw = entry(b"a.b", time_ns, number, b"NATS/1.0\r\n\r\n", b"x" * 200)
        assert open_message(raw) == Opened("a.b", number, time_ns, b"NATS/1.0\r\n\r\n", b"x" * 200)
        assert list(heads(raw + raw)) == [(number, time_ns, 0, len(raw)), (number, time_ns, len(raw), 2 * len(raw))]

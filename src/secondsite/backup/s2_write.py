"""S2, written: blocks stored as they are, with their checksums.

A checksum is linear: each of many lanes of a few bytes is worked out at once, and then lane is joined to lane.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from secondsite.backup.s2 import PLAIN

BLOCK_BYTES = 256 * 1024
_POLYNOMIAL = 0x82F63B78
_LANE_BYTES = 64
_ONES = 0xFFFFFFFF
_ROWS_AT_ONCE = 16

Words = NDArray[np.uint32]


def _one(value: int, count: int) -> int:
    """``count`` zero bits through the register."""
    for _ in range(count):
        value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_PAIRS: Words = np.array([_one(value, 16) for value in range(65536)], dtype=np.uint32)


@functools.cache
def _shift(zeros: int) -> tuple[Words, Words]:
    """Tables that move a checksum over so many zero bytes, a power of two: by its low half and its high half."""
    if zeros == 2:
        low, high = _PAIRS, np.arange(65536, dtype=np.uint32)
        return low, high
    before = _shift(zeros // 2)
    halves = (np.arange(65536, dtype=np.uint32), np.arange(65536, dtype=np.uint32) << np.uint32(16))
    low, high = (_moved(_moved(half, before), before) for half in halves)
    return low, high


def _moved(values: Words, tables: tuple[Words, Words]) -> Words:
    moved: Words = tables[0][values & np.uint32(0xFFFF)] ^ tables[1][values >> np.uint32(16)]
    return moved


def _checksums(rows: NDArray[np.uint8]) -> Words:
    """Of each row; its length is ``_LANE_BYTES`` times a power of two. Leading zeros do not count."""
    pairs = np.ascontiguousarray(rows.reshape(-1, _LANE_BYTES).view("<u2").T)
    values, index, moved = (np.zeros(pairs.shape[1], dtype=np.uint32) for _ in range(3))
    for column in pairs:  # in place: new arrays would take three times as long as the work
        np.bitwise_xor(values, column, out=index)
        np.bitwise_and(index, 0xFFFF, out=index)
        np.take(_PAIRS, index, out=moved, mode="wrap")
        np.right_shift(values, 16, out=values)
        np.bitwise_xor(values, moved, out=values)
    lanes, reach = values.reshape(len(rows), -1), _LANE_BYTES
    while lanes.shape[1] > 1:
        lanes = _moved(lanes[:, 0::2], _shift(reach)) ^ lanes[:, 1::2]
        reach *= 2
    checksums: Words = lanes[:, 0]
    return checksums


def crc32c(data: bytes) -> int:
    """Castagnoli's."""
    if len(data) < 4:
        return _short(data)
    size = _LANE_BYTES
    while size < len(data):
        size *= 2
    row = np.zeros((1, size), dtype=np.uint8)
    row[0, size - len(data) :] = np.frombuffer(data, dtype=np.uint8)
    row[0, size - len(data) : size - len(data) + 4] ^= 0xFF
    return int(_checksums(row)[0]) ^ _ONES


def _short(data: bytes) -> int:
    value = _ONES
    for byte in data:
        value = value >> 8 ^ _one((value ^ byte) & 0xFF, 8)
    return value ^ _ONES


def blocks(data: bytes) -> bytes:
    """Chunks for the middle of a stream that has begun."""
    whole = len(data) // BLOCK_BYTES
    rows = np.frombuffer(data, dtype=np.uint8, count=whole * BLOCK_BYTES).reshape(whole, BLOCK_BYTES)
    out = []
    for at in range(0, whole, _ROWS_AT_ONCE):
        some = rows[at : at + _ROWS_AT_ONCE].copy()
        some[:, :4] ^= 0xFF
        for row, checksum in enumerate(_checksums(some), at):
            out.append(_block(data[row * BLOCK_BYTES : (row + 1) * BLOCK_BYTES], int(checksum) ^ _ONES))
    if rest := data[whole * BLOCK_BYTES :]:
        out.append(_block(rest, crc32c(rest)))
    return b"".join(out)


def _block(data: bytes, checksum: int) -> bytes:
    masked = ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & _ONES
    return bytes((PLAIN,)) + (len(data) + 4).to_bytes(3, "little") + masked.to_bytes(4, "little") + data

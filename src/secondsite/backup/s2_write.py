"""S2, written: blocks stored as they are, with their checksums.

A checksum is linear. A byte weighs as much as three later ones together (`_FOLDS`), so a block is first folded onto its
last few kilobytes, which takes nothing but exclusive ors. Of these, each of many lanes of a few bytes is worked out at
once, and then lane is joined to lane.
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
_HEAD_BYTES = 8
_FOLDS = (3494, 5660, 10642)
"""1 = x^(8·3494) + x^(8·5660) + x^(8·10642) modulo the polynomial: the shortest such sum of whole 16-bit words."""

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
    """Of each row, which are spoilt."""
    rows[:, :4] ^= 0xFF  # the register begins with ones, which is the same as other data
    tail = _folded(rows)
    size = _LANE_BYTES
    while size < tail.shape[1]:
        size *= 2
    padded = np.zeros((len(tail), size), dtype=np.uint8)  # zeros before the data do not count
    padded[:, size - tail.shape[1] :] = tail
    return _registers(padded) ^ np.uint32(_ONES)


def _folded(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The end of each row, onto which all that lies before it was folded, some columns at a time."""
    step, reach = _FOLDS[0], _FOLDS[-1]
    end = max(0, rows.shape[1] - reach)
    for at in range(0, end, step):
        some = rows[:, at : min(at + step, end)]
        for distance in _FOLDS:
            onto = rows[:, at + distance : at + distance + some.shape[1]]
            np.bitwise_xor(onto, some, out=onto)
    return rows[:, end:]


def _registers(rows: NDArray[np.uint8]) -> Words:
    """Of each row, from a register of zeros. A row has ``_LANE_BYTES`` times a power of two."""
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
    registers: Words = lanes[:, 0]
    return registers


def crc32c(data: bytes) -> int:
    """Castagnoli's."""
    if len(data) < 4:
        return _short(data)
    return int(_checksums(np.frombuffer(bytearray(data), dtype=np.uint8).reshape(1, -1))[0])


def _short(data: bytes) -> int:
    value = _ONES
    for byte in data:
        value = value >> 8 ^ _one((value ^ byte) & 0xFF, 8)
    return value ^ _ONES


def blocks(data: bytes) -> bytes:
    """Chunks for the middle of a stream that has begun."""
    whole = len(data) // BLOCK_BYTES
    rows = np.frombuffer(data, dtype=np.uint8, count=whole * BLOCK_BYTES).reshape(whole, BLOCK_BYTES)
    out = np.empty((whole, _HEAD_BYTES + BLOCK_BYTES), dtype=np.uint8)
    out[:, :4] = np.frombuffer(bytes((PLAIN,)) + (BLOCK_BYTES + 4).to_bytes(3, "little"), dtype=np.uint8)
    out[:, _HEAD_BYTES:] = rows
    for at in range(0, whole, _ROWS_AT_ONCE):
        some = slice(at, at + _ROWS_AT_ONCE)
        out[some, 4:_HEAD_BYTES] = _masked(_checksums(rows[some].copy())).reshape(-1, 4)
    rest = data[whole * BLOCK_BYTES :]
    return b"".join((out.data, _block(rest) if rest else b""))


def _masked(checksums: Words) -> NDArray[np.uint8]:
    """As S2 writes them."""
    turned = (checksums >> np.uint32(15) | checksums << np.uint32(17)) + np.uint32(0xA282EAD8)
    return np.ascontiguousarray(turned, dtype="<u4").view(np.uint8)


def _block(data: bytes) -> bytes:
    masked = _masked(np.array([crc32c(data)], dtype=np.uint32)).tobytes()
    return bytes((PLAIN,)) + (len(data) + 4).to_bytes(3, "little") + masked + data

"""S2, written: blocks stored as they are, with their checksums, for the small parts of an archive that change."""

from __future__ import annotations

from secondsite.backup.s2 import PLAIN

BLOCK_BYTES = 256 * 1024
_POLYNOMIAL = 0x82F63B78


def _table() -> tuple[int, ...]:
    values = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        values.append(value)
    return tuple(values)


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Castagnoli's."""
    value, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def blocks(data: bytes) -> bytes:
    """Chunks for the middle of a stream that has begun."""
    return b"".join(_block(data[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES))


def _block(data: bytes) -> bytes:
    checksum = crc32c(data)
    masked = ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return bytes((PLAIN,)) + (len(data) + 4).to_bytes(3, "little") + masked.to_bytes(4, "little") + data

"""S2, the compression that JetStream snapshots arrive in: decoded as it streams, with memory for one block.

Written from the format's description (klauspost/compress, s2); the checksums of its blocks are not looked at, as every
stored object carries a SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterator

COMPRESSED, PLAIN, STREAM_HEAD = 0x00, 0x01, 0xFF
SKIPPABLE_FROM = 0x80
MAGIC = b"S2sTwO"
MAX_BLOCK_BYTES = 4 * 1024**2


class S2Error(ValueError):
    """These bytes are not an S2 stream, or are cut short."""


class S2Decoder:
    """Feed it pieces of any size; it yields decoded blocks."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._begun = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        rest = self._rest
        rest += piece
        at = 0
        while len(rest) - at >= 4:
            kind, size = rest[at], int.from_bytes(rest[at + 1 : at + 4], "little")
            if size > MAX_BLOCK_BYTES + 16 or not (self._begun or kind == STREAM_HEAD):
                raise S2Error("not an S2 stream")
            if len(rest) - at - 4 < size:
                break
            checksum = 4 if kind == PLAIN else 0
            chunk = bytes(memoryview(rest)[at + 4 + checksum : at + 4 + size])
            at += 4 + size
            if kind == COMPRESSED:
                yield decode_block(chunk, 4)
            elif kind == PLAIN:
                yield chunk
            elif kind == STREAM_HEAD:
                if chunk != MAGIC:
                    raise S2Error("not an S2 stream")
                self._begun = True
            elif kind < SKIPPABLE_FROM:
                raise S2Error(f"an S2 chunk of unknown kind {kind:#x}")
        del rest[:at]

    def close(self) -> None:
        """Raises S2Error when the stream ended inside a block, or never began."""
        if self._rest or not self._begun:
            raise S2Error("the S2 stream is truncated")


def decode_block(source: bytes, at: int = 0) -> bytes:
    """One block from ``at`` on. Raises S2Error."""
    try:
        size, at = _uvarint(source, at)
        if size > MAX_BLOCK_BYTES:
            raise S2Error("a block too large")
        out = _decode(source, at)
    except IndexError:
        raise S2Error("a block that is cut short") from None
    if len(out) != size:
        raise S2Error("a block of another length than it says")
    return bytes(out)


def decoded_size(source: bytes, at: int = 0) -> int:
    """What a block from ``at`` on decodes to, as it says itself."""
    return _uvarint(source, at)[0]


def _uvarint(source: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = source[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _decode(source: bytes, at: int) -> bytearray:  # one branch per tag, inline for speed
    out = bytearray()
    end, offset = len(source), 0
    while at < end:
        tag = source[at]
        kind = tag & 3
        if kind == 0:
            length = tag >> 2
            at += 1
            if length >= 60:
                extra = length - 59
                length = int.from_bytes(source[at : at + extra], "little")
                at += extra
            length += 1
            if at + length > end:
                raise S2Error("a literal beyond its block")
            out += source[at : at + length]
            at += length
            continue
        if kind == 1:
            distance = (tag & 0xE0) << 3 | source[at + 1]
            length = (tag >> 2 & 7) + 4
            at += 2
            if distance:
                offset = distance
            elif length >= 9:  # a repeat of the last offset, with 1 to 3 bytes of length
                extra = length - 8
                more = int.from_bytes(source[at : at + extra], "little")
                length = more + 4 + (4, 1 << 8, 1 << 16)[extra - 1]
                at += extra
        elif kind == 2:
            offset = source[at + 1] | source[at + 2] << 8
            length = (tag >> 2) + 1
            at += 3
        else:
            offset = int.from_bytes(source[at + 1 : at + 5], "little")
            length = (tag >> 2) + 1
            at += 5
        begin = len(out) - offset
        if not 0 < offset <= len(out):
            raise S2Error("a copy from before the block")
        if offset >= length:
            out += out[begin : begin + length]
        else:
            pattern = bytes(out[begin:])
            out += (pattern * (length // offset + 1))[:length]
    return out


class S2Meter:
    """How many bytes a stream of S2 decodes to, told from the heads of its blocks without decoding them.

    ``encoded_bytes`` is what the same blocks take, those of which only the head has come included.
    """

    def __init__(self) -> None:
        self.decoded_bytes = self.encoded_bytes = 0
        self._skip = 0
        self._head = b""

    def feed(self, piece: bytes) -> None:
        at = self._skip
        while at < len(piece):
            head = self._head + piece[at : at + 16 - len(self._head)]
            size = int.from_bytes(head[1:4], "little")
            if len(head) < min(16, 4 + size) or len(head) < 4:
                self._head = head
                self._skip = 0
                return
            if head[0] == COMPRESSED:
                self.decoded_bytes += _uvarint(head + bytes(1), 8)[0]
            elif head[0] == PLAIN:
                self.decoded_bytes += size - 4
            self.encoded_bytes += 4 + size
            at += 4 + size - len(self._head)
            self._head = b""
        self._skip = at - len(piece)

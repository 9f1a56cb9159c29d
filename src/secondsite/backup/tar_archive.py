"""What a snapshot of a server before 2.15 holds: a tar of the stream's store files, read as it streams.

``msgs/N.blk`` are records in the order of their writing: length (its top bit says that there are headers), sequence,
time, length of the subject, subject, length of the headers, headers, payload, eight bytes of checksum. A deletion is
another record, later: a tombstone, which bears the sequence of what is gone. So an archive is read twice, first for
what is gone, then for the messages; what lies below the stream's first sequence is gone without a tombstone.

Messages come out as `Message`s with the very bytes that an archive of 2.15 has for them.
"""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Iterable, Iterator

from secondsite.backup.archive import ArchivedMessage, ArchiveError, entry
from secondsite.backup.s2 import S2Decoder

_HEAD = struct.Struct("<IQqH")
_CHECKSUM_BYTES = 8
_HAS_HEADERS = 1 << 31
_ERASED, _TOMBSTONE = 1 << 63, 1 << 62
_MAX_BLOCK_BYTES = 64 * 1024**2


def tombstones(pieces: Iterable[bytes]) -> set[int]:
    """The sequences of what is gone. Raises S2Error or ArchiveError."""
    return {
        sequence & ~_TOMBSTONE
        for block in _blocks(pieces)
        for sequence, _, _ in _records(block)
        if sequence & _TOMBSTONE
    }


def messages(pieces: Iterable[bytes], first: int, gone: set[int]) -> Iterator[ArchivedMessage]:
    """What is there from ``first`` on. Raises S2Error or ArchiveError."""
    last = 0
    for block in _blocks(pieces):
        for sequence, at, end in _records(block):
            if sequence < first or sequence & (_ERASED | _TOMBSTONE) or sequence in gone:
                continue
            if sequence <= last:
                raise ArchiveError(f"message {sequence} stands after {last}")
            last = sequence
            yield ArchivedMessage(sequence, _entry(block, at, end))


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The message files, whole, one after the other."""
    try:
        with tarfile.open(mode="r|", fileobj=_Decoded(pieces)) as tar:  # type: ignore[call-overload] # it only reads
            for member in tar:
                if not (member.name.startswith("msgs/") and member.name.endswith(".blk")):
                    continue
                content = tar.extractfile(member)
                if content is None or member.size > _MAX_BLOCK_BYTES:
                    raise ArchiveError(f"{member.name} does not hold messages")
                yield content.read()
    except tarfile.TarError as error:
        raise ArchiveError(f"not a tar of store files ({error})") from None


class _Decoded:
    """The tar as tarfile reads it."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._decoder = iter(pieces), S2Decoder()
        self._held = bytearray()
        self._ended = False

    def read(self, size: int) -> bytes:
        while len(self._held) < size and not self._ended:
            piece = next(self._pieces, None)
            if piece is None:
                self._decoder.close()
                self._ended = True
                break
            for block in self._decoder.feed(piece):
                self._held += block
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken


def _records(block: bytes) -> Iterator[tuple[int, int, int]]:
    """Sequence with its marks, begin and end of each record."""
    at, size, unpack = 0, len(block), _HEAD.unpack_from
    while at < size:
        if size - at < _HEAD.size + _CHECKSUM_BYTES:
            raise ArchiveError("a block that is cut short")
        length, sequence, _, subject = unpack(block, at)
        end = at + (length & ~_HAS_HEADERS)
        if end > size or end - at < _HEAD.size + subject + _CHECKSUM_BYTES:
            raise ArchiveError("a record of an impossible length: the block may be compressed or encrypted")
        yield sequence or _ERASED, at, end
        at = end


def _entry(block: bytes, at: int, end: int) -> bytes:
    length, sequence, time_ns, subject = _HEAD.unpack_from(block, at)
    body = at + _HEAD.size
    after = body + subject
    headers = b""
    if length & _HAS_HEADERS:
        size = int.from_bytes(block[after : after + 4], "little")
        headers = block[after + 4 : after + 4 + size]
        after += 4 + size
    return entry(block[body : body + subject], time_ns, sequence, headers, block[after : end - _CHECKSUM_BYTES])

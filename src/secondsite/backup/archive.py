"""What a snapshot holds, read as it streams: the NATSARC1 archive of nats-server 2.15 and later.

Entries come in this order: the stream's state, its consumers, its messages by ascending sequence, an end mark. An
archive without its end mark is cut short. Older servers send a tar of store files: see `tar_archive`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from attrs import frozen

from secondsite.backup.s2 import S2Decoder

MAGIC = b"NATSARC1"
NATSARC_FILE, TAR_FILE = "stream.arc.s2", "stream.tar.s2"
MAX_ENTRY_BYTES = 128 * 1024**2

# Name length, time, sequence, header size, payload size: five variable-length integers, found by one match.
_HEAD = re.compile(rb"([\x80-\xff]*[\x00-\x7f])([\x80-\xff]*[\x00-\x7f])" + rb"([\x80-\xff]*[\x00-\x7f])" * 3)
_MAX_HEAD_BYTES = 50
_KNOWN = 65536


class ArchiveError(ValueError):
    """The archive breaks its own rules."""


@frozen
class ArchivedMessage:
    """``raw`` is the whole entry: the same message has the same bytes in every archive."""

    sequence: int
    raw: bytes


@frozen
class MessageRun:
    """Messages side by side: ``raw`` are their entries, and the sequence of each divided by a width is ``index``."""

    index: int
    count: int
    first: int
    last: int
    raw: memoryview


class ArchiveReader:
    """Feed it the archive as stored by the server; it yields messages, and keeps ``state`` and ``consumers``.

    ``framed``: as S2; otherwise its bytes as they are.
    """

    def __init__(self, *, framed: bool = True) -> None:
        self.state: dict[str, Any] = {}
        self.consumers: list[dict[str, Any]] = []
        self.ended = False
        self._blocks: S2Decoder | _Unframed = S2Decoder() if framed else _Unframed()
        self._rest = b""
        self._begun = False
        self._last = 0
        self._sizes, self._low, self._high = _Numbers(), _Numbers(), _Numbers()

    def feed(self, piece: bytes) -> Iterator[ArchivedMessage]:
        for block in self._blocks.feed(piece):
            data = self._rest + block
            for at, after, sequence in self._spans(data):
                yield ArchivedMessage(sequence, data[at:after])

    def close(self) -> None:
        """Raises S2Error or ArchiveError when the end mark has not come."""
        self._blocks.close()
        if not self.ended:
            raise ArchiveError("the archive is truncated: its end mark is missing")

    def runs(self, piece: bytes, width: int, upto: int | None = None) -> Iterator[MessageRun]:
        """The same messages, as many at once as lie side by side and have one index; none after ``upto``."""
        for block in self._blocks.feed(piece):
            data = self._rest + block
            index, count, first, last, begin, end, limit = 0, 0, 0, 0, 0, 0, 0
            for at, after, sequence in self._spans(data):
                if upto is not None and sequence > upto:
                    continue
                if at != end or sequence >= limit:
                    if count:
                        yield MessageRun(index, count, first, last, memoryview(data)[begin:end])
                    index, count, first, begin = sequence // width, 0, sequence, at
                    limit = (index + 1) * width
                count, last, end = count + 1, sequence, after
            if count:
                yield MessageRun(index, count, first, last, memoryview(data)[begin:end])

    def _spans(self, data: bytes) -> Iterator[tuple[int, int, int]]:
        """Begin, end and sequence of each message that is whole; the rest is kept for what comes next."""
        at, end, size, low, high = 0, len(data), self._sizes, self._low, self._high
        match, last = _HEAD.match, self._last
        if not self._begun:
            if end < len(MAGIC):
                self._rest = data
                return
            if not data.startswith(MAGIC):
                raise ArchiveError("not a NATSARC1 archive")
            at, self._begun = len(MAGIC), True
        while at < end:
            head = match(data, at)
            if not head:
                if end - at > _MAX_HEAD_BYTES:
                    raise ArchiveError("an entry without a readable head")
                break
            names, times, sequences, headers, payloads = head.groups()
            after = head.end() + size[names] + size[headers] + size[payloads]
            if after > end:
                if after - at > MAX_ENTRY_BYTES:
                    raise ArchiveError(f"an entry of {after - at} bytes")
                break
            sequence = low[sequences[:2]] | high[sequences[2:]] << 14
            if sequence:
                if sequence <= last or not self.state:
                    raise ArchiveError(f"message {sequence} stands after {last}")
                last = self._last = sequence
                yield at, after, sequence
            else:
                name_at = head.end()
                body_at = name_at + size[names]
                self._special(data[name_at:body_at].decode(), data[body_at:after], times)
            at = after
        self._rest = data[at:]

    def _special(self, name: str, content: bytes, times: bytes) -> None:
        if name == "state.json":
            self.state = json.loads(content)
        elif name.startswith("consumers/"):
            self.consumers.append(json.loads(content))
        elif not name and times == b"\0":
            self.ended = True
        else:
            raise ArchiveError(f"an entry of unknown kind {name!r}")


class _Unframed:
    """In the place of a decoder, where nothing is to be decoded."""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        yield piece

    def close(self) -> None: ...


class _Numbers(dict[bytes, int]):
    """What bytes stand for: sizes, and halves of sequences, repeat from message to message."""

    def __missing__(self, encoded: bytes) -> int:
        if len(self) > _KNOWN:
            self.clear()
        value = self[encoded] = _decode(encoded)
        return value


def _decode(encoded: bytes) -> int:
    value = 0
    for byte in reversed(encoded):
        value = value << 7 | byte & 0x7F
    return value


def entry(subject: bytes, time_ns: int, sequence: int, headers: bytes, payload: bytes) -> bytes:
    """One message as an archive has it."""
    zigzag = time_ns << 1 if time_ns >= 0 else (-time_ns << 1) - 1
    lengths = _encode(len(headers)), _encode(len(payload))
    return b"".join((_encode(len(subject)), _encode(zigzag), _encode(sequence), *lengths, subject, headers, payload))


def _encode_plainly(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_STEP, _MASK = 14, 0x3FFF
_LAST = [_encode_plainly(value) for value in range(1 << _STEP)]
_MORE = [bytes((value & 0x7F | 0x80, value >> 7 | 0x80)) for value in range(1 << _STEP)]
_high: dict[int, bytes] = {}


def _encode(value: int) -> bytes:
    """Two bytes at a time; what is above them changes seldom, from message to message."""
    if value <= _MASK:
        return _LAST[value]
    high = value >> 2 * _STEP
    if not high:
        return _MORE[value & _MASK] + _LAST[value >> _STEP]
    end = _high.get(high)
    if end is None:
        if len(_high) > 1024:
            _high.clear()
        end = _high[high] = _encode_plainly(high)
    return _MORE[value & _MASK] + _MORE[value >> _STEP & _MASK] + end


@frozen
class RawEntry:
    """An entry of any kind, from the middle of an archive. ``end`` is where the next one begins."""

    name: bytes
    time_ns: int
    sequence: int
    payload: bytes
    end: int


def next_entry(data: bytes, at: int) -> RawEntry | None:
    """The entry at ``at``; None when it is not whole, unless it is a message, of which the head is enough."""
    head = _HEAD.match(data, at)
    if not head:
        return None
    names, time, sequence, headers, payloads = (_decode(group) for group in head.groups())
    body_at = head.end() + names
    end = body_at + headers + payloads
    if end > len(data) and not sequence:
        return None
    name, payload = data[head.end() : body_at], data[body_at + headers : end]
    return RawEntry(name, time >> 1 ^ -(time & 1), sequence, payload, end)


def heads(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Sequence, time in ns, begin and end of each message in entries that are whole. Raises ArchiveError."""
    at, size = 0, len(data)
    while at < size:
        head = _HEAD.match(data, at)
        if not head:
            raise ArchiveError("an entry without a readable head")
        names, time, sequence, headers, payload = (_decode(group) for group in head.groups())
        end = head.end() + names + headers + payload
        if end > size:
            raise ArchiveError("an entry that is cut short")
        yield sequence, time >> 1 ^ -(time & 1), at, end
        at = end


@frozen
class Opened:
    """A message taken apart. ``time_ns`` is since the epoch."""

    subject: str
    sequence: int
    time_ns: int
    headers: bytes
    payload: bytes


def open_message(raw: bytes) -> Opened:
    """The parts of one entry."""
    head = _HEAD.match(raw)
    if not head:
        raise ArchiveError("not an entry")
    name, time, sequence, header, _ = (_decode(group) for group in head.groups())
    name_at = head.end()
    body_at = name_at + name
    subject = raw[name_at:body_at].decode("utf-8", "replace")
    split = body_at + header
    return Opened(subject, sequence, time >> 1 ^ -(time & 1), raw[body_at:split], raw[split:])


def archive_file(first: bytes) -> str:
    """What the nats command calls an archive that begins so: its magic stands uncompressed in the first block."""
    return NATSARC_FILE if MAGIC in first[:64] else TAR_FILE

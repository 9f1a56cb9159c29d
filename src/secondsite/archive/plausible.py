"""What a record of an archive can say: times and sequences that can be, and keys inside the archive. Pure.

A checksum that fits proves nothing here: whoever may write to the store computes it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from secondsite.archive.entries import nanoseconds
from secondsite.archive.layout import pack_number
from secondsite.archive.records import ArchiveSegment, Base, Checkpoint, StreamCheckpoint, StreamDetails
from secondsite.archive.sealed import MAX_PLAIN_BYTES
from secondsite.backup.codec import AGE, ZSTD

MAX_STORED_BYTES = MAX_PLAIN_BYTES + 1024**2
"""A segment that does not shrink, and what sealing adds."""

_LIMITS = ("max_msgs", "max_bytes", "max_msgs_per_subject")
_LAST_NS = 2**63 - 1
_LAST_SEQ = 2**64 - 1
_DIGITS = 10


def flaw(record: Checkpoint | Base) -> str:
    """The first thing that cannot be; empty for a record that can."""
    return next(_flaws(record), "")


def details_flaw(details: Mapping[str, StreamDetails]) -> str:
    """The same of what streams hold beside positions."""
    return next((f"{name}: {why}" for name, one in details.items() for why in _of_details(one)), "")


def _flaws(record: Checkpoint | Base) -> Iterator[str]:
    if not _is_time(record.at_ns):
        yield "its time is impossible"
    streams = (*record.streams, *record.former) if isinstance(record, Base) else record.streams
    for stream in streams:
        yield from (f"{stream.name}: {why}" for why in _of_stream(stream))


def _of_stream(stream: StreamCheckpoint) -> Iterator[str]:
    created, sharp, number = stream.life.rpartition("#")
    if not (sharp and number.isascii() and number.isdigit() and len(number) < _DIGITS and _is_moment(created)):
        yield "it lacks the stream's creation time"
    if not _is_time(stream.at_ns):
        yield "its time is impossible"
    counts = (stream.through, stream.first_seq, stream.last_seq, stream.messages, stream.bytes, stream.vanished)
    if not all(0 <= count <= _LAST_SEQ for count in counts):
        yield "a sequence or a count is impossible"
    for segment in stream.segments:
        yield from _of_segment(segment)


def _of_segment(segment: ArchiveSegment) -> Iterator[str]:
    if pack_number(segment.key) is None or ".." in segment.key.split("/"):
        yield f"{segment.key[:80]!r} is not a segment of an archive"
    if not 0 < segment.first_seq <= segment.last_seq <= _LAST_SEQ:
        yield "a segment ends before it begins"
    if not (_is_time(segment.first_ns) and _is_time(segment.last_ns)):
        yield "a segment's time is impossible"
    if not 0 < segment.messages <= segment.last_seq - segment.first_seq + 1:
        yield "a segment has more messages than sequences"
    if not (0 <= segment.size_bytes <= MAX_STORED_BYTES and 0 <= segment.plain_bytes <= MAX_PLAIN_BYTES):
        yield "a segment is larger than one can be"
    if not set(segment.codecs) <= {ZSTD, AGE}:
        yield "a segment has an unknown encoding"


def _of_details(details: StreamDetails) -> Iterator[str]:
    spans = (*(details.all_gone or ()), *details.newly_gone)
    if not all(len(span) == 2 and 0 <= span[0] <= span[1] <= _LAST_SEQ for span in spans):
        yield "a span of deleted messages is empty"
    config = details.config or {}
    limits = (config.get(key) for key in _LIMITS)
    if not all(limit is None or _is_number(limit) for limit in limits):
        yield "a limit is not a number"
    if not all(map(_is_consumer, details.consumers or ())):
        yield "a consumer is none"


def _is_consumer(info: Mapping[str, Any]) -> bool:
    floor = info.get("ack_floor")
    stands = isinstance(floor, dict) and _is_number(floor.get("stream_seq"))
    return isinstance(info.get("name"), str) and isinstance(info.get("config"), dict) and stands


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LAST_SEQ


def _is_time(at_ns: int) -> bool:
    return 0 <= at_ns <= _LAST_NS


def _is_moment(text: str) -> bool:
    try:
        return nanoseconds(text) > 0
    except (ValueError, OverflowError):
        return False

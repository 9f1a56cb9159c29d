"""What a stream itself had removed of messages that came after the last checkpoint: as a server does it. Pure.

By its limits, by a message that rolls others up, and by a scheduled message that fired and so ends its schedule.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from typing import Any

from attrs import define, field

from secondsite.archive.spans import Span, Walker, spans_of
from secondsite.backup.archive import Opened, open_message
from secondsite.backup.archive import heads as heads_of

_RECORD_BYTES, _HEADERS_BYTES = 22 + 8, 4
_ROLLUP, _NEXT, _SCHEDULER = b"nats-rollup", b"nats-schedule-next", b"nats-scheduler"


async def dropped_by_limits(
    config: Mapping[str, Any], plains: AsyncIterable[bytes], first: int, last: int, gone: Iterable[Span]
) -> tuple[Span, ...]:
    """Sequences that the stream's own limits and messages have removed by the last message."""
    limits = _limits(config)
    if limits is None:
        return ()
    skipped = Walker(gone)
    async for plain in plains:
        for sequence, _, at, end in heads_of(plain):
            if first <= sequence <= last and sequence not in skipped:
                limits.take(open_message(plain[at:end]))
    return spans_of(sorted(limits.dropped))


@define
class _Limits:
    """0 is no limit. ``rolls``: messages may remove those before them."""

    per_subject: int
    most: int
    most_bytes: int
    rolls: bool
    dropped: set[int] = field(factory=set)
    _kept: OrderedDict[int, int] = field(factory=OrderedDict)
    _subjects: dict[str, deque[int]] = field(factory=lambda: defaultdict(deque))
    _total: int = 0

    def take(self, opened: Opened) -> None:
        if self.rolls and opened.headers:
            for sequence in list(self._rolled(opened)):
                self._drop(sequence)
        size = _RECORD_BYTES + len(opened.subject.encode()) + len(opened.payload)
        size += len(opened.headers) + _HEADERS_BYTES if opened.headers else 0
        self._kept[opened.sequence] = size
        self._total += size
        if self.per_subject or self.rolls:
            of_subject = self._subjects[opened.subject]
            of_subject.append(opened.sequence)
            while self.per_subject and len(of_subject) > self.per_subject:
                self._drop(of_subject.popleft())
        while self._kept and self._too_much:
            self._drop(next(iter(self._kept)))

    @property
    def _too_much(self) -> bool:
        many = self.most and len(self._kept) > self.most
        return bool(many or (self.most_bytes and self._total > self.most_bytes))

    def _rolled(self, opened: Opened) -> Iterable[int]:
        """Those before it that it removes."""
        named = dict(_headers(opened.headers))
        rollup = named.get(_ROLLUP, b"").lower()
        if rollup == b"all":
            self._subjects.clear()
            return self._kept
        removed = self._subjects.pop(opened.subject, deque()) if rollup == b"sub" else deque()
        if named.get(_NEXT) == b"purge":
            removed += self._subjects.pop(named.get(_SCHEDULER, b"").decode("utf-8", "replace"), deque())
        return removed

    def _drop(self, sequence: int) -> None:
        size = self._kept.pop(sequence, None)
        if size is not None:
            self._total -= size
            self.dropped.add(sequence)


def _headers(headers: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in headers.split(b"\r\n"):
        name, _, value = line.partition(b":")
        yield name.lower(), value.strip()


def _limits(config: Mapping[str, Any]) -> _Limits | None:
    """None where nothing of it removes anything."""
    per_subject, most, most_bytes = (_limit(config, key) for key in ("max_msgs_per_subject", "max_msgs", "max_bytes"))
    if config.get("discard", "old") != "old":
        most = most_bytes = 0
    rolls = bool(config.get("allow_rollup_hdrs") or config.get("allow_msg_schedules"))
    return _Limits(per_subject, most, most_bytes, rolls) if per_subject or most or most_bytes or rolls else None


def _limit(config: Mapping[str, Any], key: str) -> int:
    """0 for none."""
    return max(0, int(config.get(key) or 0))

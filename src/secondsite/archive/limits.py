"""What a stream's own limits had removed of messages that came after the last checkpoint: as a server does it. Pure."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

from secondsite.archive.spans import Span, Walker, spans_of
from secondsite.backup.archive import heads as heads_of
from secondsite.backup.archive import open_message

_RECORD_BYTES, _HEADERS_BYTES = 22 + 8, 4


async def dropped_by_limits(
    config: Mapping[str, Any], plains: AsyncIterable[bytes], first: int, last: int, gone: Iterable[Span]
) -> tuple[Span, ...]:
    """Sequences that ``max_msgs_per_subject``, ``max_msgs`` and ``max_bytes`` have removed by the last message."""
    per_subject, most, most_bytes = (_limit(config, key) for key in ("max_msgs_per_subject", "max_msgs", "max_bytes"))
    if config.get("discard", "old") != "old":
        most = most_bytes = 0
    if not (per_subject or most or most_bytes):
        return ()
    kept: OrderedDict[int, int] = OrderedDict()
    subjects: dict[str, deque[int]] = defaultdict(deque)
    total, dropped, skipped = 0, set(), Walker(gone)

    def drop(sequence: int) -> int:
        dropped.add(sequence)
        return kept.pop(sequence, 0)

    async for plain in plains:
        for sequence, _, at, end in heads_of(plain):
            if not first <= sequence <= last or sequence in skipped:
                continue
            opened = open_message(plain[at:end])
            size = _RECORD_BYTES + len(opened.subject.encode()) + len(opened.payload)
            size += len(opened.headers) + _HEADERS_BYTES if opened.headers else 0
            kept[sequence] = size
            total += size
            if per_subject:
                of_subject = subjects[opened.subject]
                of_subject.append(sequence)
                while len(of_subject) > per_subject:
                    total -= drop(of_subject.popleft())
            while kept and ((most and len(kept) > most) or (most_bytes and total > most_bytes)):
                total -= drop(next(iter(kept)))
    return spans_of(sorted(dropped))


def _limit(config: Mapping[str, Any], key: str) -> int:
    """0 for none."""
    return max(0, int(config.get(key) or 0))

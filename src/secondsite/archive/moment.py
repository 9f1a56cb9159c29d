"""Which state a moment had: every stream as it was last told of before it, and how far its messages reach. Pure.

Messages carry their own time, so between two checkpoints they are known to the message. What else happens between two
checkpoints (deletions, consumers, configuration) is known as of the checkpoint before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from secondsite.archive.entries import nanoseconds
from secondsite.archive.records import ArchiveSegment, Base, Checkpoint, StreamCheckpoint, StreamDetails
from secondsite.archive.spans import Span, joined

Life = tuple[str, str]
"""Name and life of a stream."""


@frozen
class StandingStream:
    """A stream as it was told of last. ``floor`` is the last sequence that was there for certain.

    ``gone`` may hold spans from before the first sequence: they are of no use any more.
    """

    checkpoint: StreamCheckpoint
    config: Mapping[str, Any]
    consumers: tuple[Mapping[str, Any], ...]
    gone: tuple[Span, ...]

    @property
    def life(self) -> Life:
        return self.checkpoint.name, self.checkpoint.life

    @property
    def floor(self) -> int:
        return min(self.checkpoint.through, self.checkpoint.last_seq)


Details = Callable[[], Mapping[str, StreamDetails]]


@define
class ArchiveTimeline:
    """Fed with a base and then checkpoints in their order, it holds what stood at ``at_ns``; None is the newest moment.

    Checkpoints bear the clocks of servers, which may jump: one from after the moment waits, and counts where one from
    before it follows, as each checkpoint tells only what is new.
    """

    at_ns: int | None
    standing: dict[str, StandingStream] = field(factory=dict)
    reached_ns: int = 0
    _waiting: list[tuple[Checkpoint, Details]] = field(factory=list)

    def begin(self, base: Base, details: Mapping[str, StreamDetails]) -> None:
        for stream in base.streams:
            self._take(stream, details.get(stream.name, StreamDetails()))
        self.reached_ns = base.at_ns

    def add(self, record: Checkpoint, details: Details) -> None:
        """``details`` are asked for when they count."""
        if self.at_ns is not None and record.at_ns > self.at_ns:
            self._waiting.append((record, details))
            return
        for waiting in self._waiting:
            self._apply(*waiting)
        self._waiting.clear()
        late = [stream for stream in record.streams if self.at_ns is not None and stream.at_ns > self.at_ns]
        if late:
            self._waiting.append((evolve(record, streams=tuple(late), gone=()), details))
        self._apply(evolve(record, streams=tuple(stream for stream in record.streams if stream not in late)), details)

    def _apply(self, record: Checkpoint, details: Details) -> None:
        by_stream = details() if record.streams else {}
        for stream in record.streams:
            self._take(stream, by_stream.get(stream.name, StreamDetails()))
        for name in record.gone:
            self.standing.pop(name, None)
        self.reached_ns = max(self.reached_ns, min(record.at_ns, self.at_ns or record.at_ns))

    def _take(self, stream: StreamCheckpoint, details: StreamDetails) -> None:
        before = self.standing.get(stream.name)
        if before and before.checkpoint.life != stream.life:
            before = None
        config = details.config if details.config is not None else before.config if before else {}
        consumers = details.consumers if details.consumers is not None else before.consumers if before else ()
        gone = details.all_gone if details.all_gone is not None else before.gone if before else ()
        spans = joined(gone, details.newly_gone) if details.newly_gone else tuple((first, last) for first, last in gone)
        self.standing[stream.name] = StandingStream(stream, config, consumers, spans)

    def result(self) -> dict[str, StandingStream]:
        """With the streams that were made before the moment and are told of only after it: with what is older."""
        standing = dict(self.standing)
        for record, details in self._waiting:
            if self.at_ns is None or record.at_ns > self.at_ns + CREATION_REACH_NS:
                continue
            for stream in record.streams:
                created, _, number = stream.life.rpartition("#")
                before = standing.get(stream.name)
                if (
                    (before and before.checkpoint.life == stream.life)
                    or number != "1"
                    or nanoseconds(created) > self.at_ns
                ):
                    continue
                config = details().get(stream.name, StreamDetails()).config
                if config is not None:
                    empty = evolve(stream, through=0, first_seq=1, last_seq=0, messages=0, bytes=0)
                    standing[stream.name] = StandingStream(empty, config, (), ())
        return standing


CREATION_REACH_NS = 120 * 10**9


@define
class SegmentCatalogue:
    """Which segments hold the messages of each life, whatever became of it."""

    segments: dict[Life, list[ArchiveSegment]] = field(factory=dict)

    def begin(self, base: Base) -> None:
        for stream in (*base.former, *base.streams):
            self.add((stream,))

    def add(self, streams: Iterable[StreamCheckpoint]) -> None:
        for stream in streams:
            self.segments.setdefault((stream.name, stream.life), []).extend(stream.segments)

    def of(self, life: Life) -> tuple[ArchiveSegment, ...]:
        """By ascending sequence."""
        return tuple(sorted(self.segments.get(life, ()), key=lambda segment: segment.first_seq))

    def holding(self, name: str, sequence: int) -> Life | None:
        """The newest life of a stream that has shipped this sequence."""
        lives = [life for life in self.segments if life[0] == name]
        return next(
            (life for life in reversed(lives) if any(s.last_seq >= sequence for s in self.segments[life])), None
        )

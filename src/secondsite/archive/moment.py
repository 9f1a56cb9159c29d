"""Which state a moment had: every stream as it was last told of before it, and how far its messages reach. Pure.

Messages carry their own time, so between two looks they are known to the message. What else happens between two looks
(deletions, consumers, configuration) is known as of the look before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, evolve, field, frozen

from secondsite.archive.entries import nanoseconds
from secondsite.archive.records import ArchiveSegment, Base, Look, StreamDetails, StreamLook
from secondsite.archive.spans import Span, joined

Life = tuple[str, str]
"""Name and life of a stream."""


@frozen
class StandingStream:
    """A stream as it was told of last. ``floor`` is the last sequence that was there for certain.

    ``gone`` may hold spans from before the first sequence: they are of no use any more.
    """

    look: StreamLook
    config: Mapping[str, Any]
    consumers: tuple[Mapping[str, Any], ...]
    gone: tuple[Span, ...]

    @property
    def life(self) -> Life:
        return self.look.name, self.look.life

    @property
    def floor(self) -> int:
        return min(self.look.through, self.look.last_seq)


Details = Callable[[], Mapping[str, StreamDetails]]


@define
class ArchiveTimeline:
    """Fed with a base and then looks in their order, it holds what stood at ``at_ns``; None is the newest moment.

    Looks bear the clocks of servers, which may jump: one from after the moment waits, and counts where one from before
    it follows, as each look tells only what is new.
    """

    at_ns: int | None
    standing: dict[str, StandingStream] = field(factory=dict)
    reached_ns: int = 0
    _waiting: list[tuple[Look, Details]] = field(factory=list)

    def begin(self, base: Base, details: Mapping[str, StreamDetails]) -> None:
        for look in base.streams:
            self._take(look, details.get(look.name, StreamDetails()))
        self.reached_ns = base.at_ns

    def add(self, record: Look, details: Details) -> None:
        """``details`` are asked for when they count."""
        if self.at_ns is not None and record.at_ns > self.at_ns:
            self._waiting.append((record, details))
            return
        for waiting in self._waiting:
            self._apply(*waiting)
        self._waiting.clear()
        late = [look for look in record.streams if self.at_ns is not None and look.at_ns > self.at_ns]
        if late:
            self._waiting.append((evolve(record, streams=tuple(late), gone=()), details))
        self._apply(evolve(record, streams=tuple(look for look in record.streams if look not in late)), details)

    def _apply(self, record: Look, details: Details) -> None:
        told = details() if record.streams else {}
        for look in record.streams:
            self._take(look, told.get(look.name, StreamDetails()))
        for name in record.gone:
            self.standing.pop(name, None)
        self.reached_ns = max(self.reached_ns, min(record.at_ns, self.at_ns or record.at_ns))

    def _take(self, look: StreamLook, told: StreamDetails) -> None:
        before = self.standing.get(look.name)
        if before and before.look.life != look.life:
            before = None
        config = told.config if told.config is not None else before.config if before else {}
        consumers = told.consumers if told.consumers is not None else before.consumers if before else ()
        gone = told.all_gone if told.all_gone is not None else before.gone if before else ()
        spans = joined(gone, told.newly_gone) if told.newly_gone else tuple((first, last) for first, last in gone)
        self.standing[look.name] = StandingStream(look, config, consumers, spans)

    def result(self) -> dict[str, StandingStream]:
        """With the streams that were made before the moment and are told of only after it: with what is older."""
        found = dict(self.standing)
        for record, details in self._waiting:
            if self.at_ns is None or record.at_ns > self.at_ns + LOOK_AHEAD_NS:
                continue
            for look in record.streams:
                created, _, number = look.life.rpartition("#")
                before = found.get(look.name)
                if (before and before.look.life == look.life) or number != "1" or nanoseconds(created) > self.at_ns:
                    continue
                config = details().get(look.name, StreamDetails()).config
                if config is not None:
                    empty = evolve(look, through=0, first_seq=1, last_seq=0, messages=0, bytes=0)
                    found[look.name] = StandingStream(empty, config, (), ())
        return found


LOOK_AHEAD_NS = 120 * 10**9


@define
class SegmentCatalogue:
    """Which segments hold the messages of each life, whatever became of it."""

    segments: dict[Life, list[ArchiveSegment]] = field(factory=dict)

    def begin(self, base: Base) -> None:
        for look in (*base.former, *base.streams):
            self.add((look,))

    def add(self, looks: Iterable[StreamLook]) -> None:
        for look in looks:
            self.segments.setdefault((look.name, look.life), []).extend(look.segments)

    def of(self, life: Life) -> tuple[ArchiveSegment, ...]:
        """By ascending sequence."""
        return tuple(sorted(self.segments.get(life, ()), key=lambda segment: segment.first_seq))

    def holding(self, name: str, sequence: int) -> Life | None:
        """The newest life of a stream that has shipped this sequence."""
        lives = [life for life in self.segments if life[0] == name]
        return next(
            (life for life in reversed(lives) if any(s.last_seq >= sequence for s in self.segments[life])), None
        )

"""A stream as an archiver has shipped it: how far, with what state, and by which consumer it is read on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from attrs import define

from secondsite.archive.entries import EntryRun
from secondsite.archive.inspection import StreamInfo, mark
from secondsite.archive.plan import GONE_PER_S, ArchivePlan
from secondsite.archive.spans import Span, without
from secondsite.archive.tail import Tail, message_runs
from secondsite.model.errors import MachineError
from secondsite.nats.jetstream import JetStream


@define
class ShippedStream:
    """What an archiver cannot read back of an archive it ships once more: ``config`` is then empty."""

    life: str
    through: int
    end: tuple[int, int] = (0, 0)
    checked: bool = True
    last: StreamInfo | None = None
    config: str = ""
    consumers: str = ""
    gone: tuple[Span, ...] | None = None
    gone_mark: tuple[int, int] = (0, 0)
    gone_asked_s: float = float("-inf")
    tail: Tail | None = None

    def changed(self, info: StreamInfo, held: tuple[dict[str, Any], ...]) -> bool:
        if self.last is None or not self.checked or mark(held) != self.consumers or info.config_mark != self.config:
            return True
        if self.through < info.last_seq or self.lacks_gone(info):
            return True
        same = ("created", "first_seq", "last_seq", "messages", "num_deleted")
        return any(getattr(self.last, field) != getattr(info, field) for field in same)

    def lacks_gone(self, info: StreamInfo) -> bool:
        """Whether the deleted sequences are to be asked for: seldom where there are many, as the server lists all."""
        if not info.num_deleted or (self.gone is not None and self.gone_mark == _gone_mark(info)):
            return False
        return time.monotonic() - self.gone_asked_s >= info.num_deleted / GONE_PER_S

    def news(self, info: StreamInfo, held: tuple[dict[str, Any], ...], gone: tuple[Span, ...] | None) -> dict[str, Any]:
        """What changed, and what this archiver has not shipped yet."""
        news: dict[str, Any] = {}
        if info.config_mark != self.config:
            news["config"], self.config = dict(info.config), info.config_mark
        if (held_mark := mark(held)) != self.consumers:
            news["consumers"], self.consumers = list(held), held_mark
        if gone is not None:
            self.gone_asked_s, self.gone_mark = time.monotonic(), _gone_mark(info)
        elif self.gone is None and not info.num_deleted:
            gone = ()
        if gone is not None:
            if self.gone is None:
                news["all_gone"] = gone
            else:
                news["newly_gone"] = without(gone, self.gone)
            self.gone = gone
        return news

    async def runs(self, jetstream: JetStream, info: StreamInfo, plan: ArchivePlan) -> AsyncIterator[EntryRun]:
        """The messages that are not shipped yet, each run as large as a segment may be."""
        limit = plan.segment_bytes
        if self.through >= info.last_seq:
            return
        first = max(self.through + 1, info.first_seq)
        await self._stale_tail_closed()
        if info.quick and (tail := await self._opened_tail(jetstream, info.name, plan)):
            async for run in tail.runs(info.last_seq, limit):
                yield run
            if tail.through >= info.last_seq:
                return
            first = tail.through + 1  # a replica that lags: the leader is asked for the rest
            await self.close_tail()
        async for run in message_runs(jetstream, info.name, first, info.last_seq, limit):
            yield run

    async def _opened_tail(self, jetstream: JetStream, name: str, plan: ArchivePlan) -> Tail | None:
        """None where the stream allows no consumer now: no meta leader, or a limit of consumers."""
        if self.tail and self.tail.jetstream is jetstream:
            return self.tail
        tail = Tail(jetstream, name, self.through)
        try:
            await tail.open()
        except MachineError as error:
            plan.report(f"{name}: read message by message, as it allows no consumer now ({error})")
            return None
        self.tail = tail
        return tail

    async def _stale_tail_closed(self) -> None:
        """A consumer that nobody asked for so long may have gone, as the server promised; and with it a whole look."""
        if self.tail and self.tail.stale:
            await self.close_tail()

    async def close_tail(self) -> None:
        """The consumer that was read by goes."""
        if self.tail:
            await self.tail.close()
            self.tail = None


def _gone_mark(info: StreamInfo) -> tuple[int, int]:
    """Sequences never come back, so these are the same exactly when the deleted ones are."""
    return info.num_deleted, info.first_seq

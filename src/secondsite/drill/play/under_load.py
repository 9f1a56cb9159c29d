"""A scene under load: old writes first, clients on and off, and what they were promised so far."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, evolve, field

from secondsite.drill.check.rto import Rto, reached, rto
from secondsite.drill.ledger.history import History, read_history
from secondsite.drill.ledger.record import Status
from secondsite.drill.play.clients import LoadClients, writers_before
from secondsite.drill.play.load_streams import why_unacknowledged
from secondsite.drill.play.scene import Scene
from secondsite.drill.play.turn import Turn
from secondsite.model.wording import counted

_STEADY_WITHIN_S = 30.0
_STEADY_WINDOW_S = 3.0
_STEADY_SHARE = 0.9


@define(kw_only=True)
class LoadedScene(Scene):
    """``turn``: who may be measured now. ``extra_ledgers``: of clients beside the load's own."""

    load: LoadClients
    turn: Turn = field(factory=Turn)
    extra_ledgers: list[Path] = field(factory=list)

    async def put_under_load(self) -> None:
        """Old writes are there, it is this run's turn, and the load is on."""
        if self.setup.reach_s:
            await self.have_old_writes()
        await self.turn.take()
        await self.load.start()
        self.note(
            "load",
            rate_per_s=self.setup.rate_per_s,
            servers_replaced=self.venue.replaced(),
        )

    async def have_old_writes(self) -> None:
        """Those that the streams began with, or new ones; then time passes until they are as old as they have to be."""
        if aged := self.setup.aged:
            self.extra_ledgers += aged.hand_over(self.writer.ledgers)
            facts: dict[str, Any] = {"stored_at": aged.stored_at, "digest": aged.digest}
            acknowledged, wait_s = aged.acknowledged, aged.until_s(self.setup.reach_s)
        else:
            before = evolve(self.load, clients=writers_before(self.load.clients))
            self.extra_ledgers += before.ledgers
            facts, acknowledged, wait_s = {}, await before.write(), self.setup.reach_s
        self.note("written-before", acknowledged=acknowledged, **facts)
        if wait_s:
            self.report(
                f"{acknowledged} writes have to be {self.setup.reach_s:g} s old, so that their loss would be visible"
            )
            await asyncio.sleep(wait_s)

    async def steady(self) -> None:
        """Raises MachineError where the load is not acknowledged as it should be: a drill of that shows nothing."""
        end = time.monotonic() + _STEADY_WITHIN_S
        asked = sum(client.rate_per_s for client in self.load.clients)
        while (rate := self.acknowledged_per_s(_STEADY_WINDOW_S)) < _STEADY_SHARE * asked:
            self.load.check()
            if time.monotonic() > end:
                what = f"{rate:.0f} of {asked:g} writes a second are acknowledged, before any fault"
                at = self.venue.place(self.home)
                client = self.load.clients[0]
                size = client.payload_bytes
                raise await why_unacknowledged(what, client.streams, self.history(), at, payload_bytes=size)
            await asyncio.sleep(0.5)
        self.note("steady", acknowledged_per_s=round(rate, 1))

    @property
    def ledgers(self) -> tuple[Path, ...]:
        return (*self.load.ledgers, *self.extra_ledgers)

    def history(self) -> History:
        """What the ledgers say so far: of copies, as clients go on writing."""
        folder = self.venue.folder / "so-far"
        folder.mkdir(exist_ok=True)
        return read_history([Path(shutil.copy(path, folder)) for path in self.ledgers])

    def longest_silence_s(self, begin_ns: int, end_ns: int) -> float:
        """Between two acknowledgements, or from one of the two moments to the nearest."""
        acks = self.history().ack_ns
        within = np.sort(acks[(acks > begin_ns) & (acks < end_ns)])
        return float(np.diff(np.concatenate([[begin_ns], within, [end_ns]])).max()) / 1e9

    def acknowledged_per_s(self, window_s: float) -> float:
        now = time.monotonic_ns()
        acks = self.history().ack_ns
        return float(((acks >= now - window_s * 1e9) & (acks <= now)).sum()) / window_s

    def buffered_by(self, region: str, since_ns: int) -> int:
        """Writes that were sent after the moment and that only a queue of this region took (202)."""
        history = self.history()
        mine = reached(history.endpoint, self.venue.networks(region))
        return int(((history.intent_ns > since_ns) & mine & (history.status == Status.BUFFERED)).sum())

    def recovery(self) -> Rto:
        return rto(self.milestones, self.history(), self.new_side)

    async def settled(self, within_s: float | None = None) -> Rto:
        """Until clients are served as before, or the time is over."""
        limit_s = self.setup.profile.settle_s if within_s is None else within_s
        end = time.monotonic() + limit_s
        while ((recovery := self.recovery()).total is None or not self.stores_back()) and time.monotonic() < end:
            self.load.check()
            await asyncio.sleep(1.0)
        return recovery

    def stores_back(self) -> bool:
        history = self.history()
        stores = [number for number, each in enumerate(history.streams) if each.store]
        return not stores or rto(self.milestones, history.only(*stores), self.new_side).total is not None

    async def rest(self) -> None:
        """After a procedure that failed: clients keep trying for a while."""
        self.report(f"clients keep trying for {self.setup.profile.hopeless_s:g} s")
        await asyncio.sleep(self.setup.profile.hopeless_s)

    async def end(self) -> None:
        """Load off, everything that ran beside it ended."""
        summaries = await self.load.stop()
        self.turn.give()
        acknowledged = sum(summary.acknowledged for summary in summaries)
        self.note("load-ended", acknowledged=acknowledged)
        self.report(f"load ended: {counted(acknowledged, 'writes')} acknowledged")
        await self.cancel()

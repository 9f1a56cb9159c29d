"""What the procedure is carried out by in a small lab: its regions behind the WAN, and a record, a path and people.

No API, name server or store runs: the record is kept here, clients publish where it leads, and what people do is done.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping

from attrs import define, field, frozen

from secondsite.drill.explore.writers import RegionWriter
from secondsite.drill.play.lab_world import LabPlaces, LabSecrets, LabSites
from secondsite.lab.clocks import ClockSkew
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError
from secondsite.model.procedure import Step
from secondsite.nats.streams import StreamApi
from secondsite.operate.identity import identities
from secondsite.operate.live import LiveWorld, RealClock
from secondsite.operate.world import Decision, PathWrite

_REACH_S = 1.5
_ANSWER_S = 2.0


@define
class SkewedClock:
    """The operator's own: its time of day may be off, and its clock may run fast or slow."""

    off_s: float = 0.0
    _skew: ClockSkew = ClockSkew()
    _real: RealClock = field(factory=RealClock)

    def drift(self, faster: float) -> None:
        self._skew = self._skew.drifting(faster, self._real.monotonic())

    def monotonic(self) -> float:
        true_s = self._real.monotonic()
        return true_s + self._skew.off_s(true_s)

    def wall(self) -> float:
        return self._real.wall() + self.off_s

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)


@define
class MemoryRecord:
    """Regions stand for their addresses. A changed record is known everywhere at once."""

    leads_to: tuple[str, ...]

    async def authoritative(self) -> Mapping[str, tuple[str, ...]]:
        return {"record": self.leads_to}

    async def resolved(self) -> Mapping[str, tuple[str, ...]]:
        return {"record": self.leads_to}

    async def addresses(self, region: str) -> tuple[str, ...]:
        return (region,)

    async def owner(self) -> str:
        return ""

    async def may(self) -> str:
        return ""

    async def change(self, addresses: tuple[str, ...]) -> None:
        self.leads_to = addresses


@frozen
class WriterPath:
    """A client that publishes where the record leads; what it was promised counts like any other."""

    record: MemoryRecord
    writers: Mapping[str, RegionWriter]

    async def write(self) -> PathWrite:
        writer = self.writers[self.record.leads_to[0]]
        stream, subject = writer.subjects[0]
        message_id, sent_s = f"path-{uuid.uuid4()}", time.monotonic()
        try:
            async with writer.place.open() as opened:
                headers = {"Nats-Msg-Id": message_id}
                answer = await StreamApi(opened).publish(subject, b"probe", headers, within_s=_ANSWER_S, insist=False)
        except MachineError as error:
            return PathWrite(0, message_id, why=error.problems[0].what)
        writer.take(answer, stream, message_id, sent_s)
        return PathWrite(0 if answer.code else 200, message_id, answer.stream, answer.sequence, answer.why)


@frozen
class EverythingDone:
    """People who do at once what they are asked."""

    async def carry_out(self, _step: Step) -> str | None:
        return "the explorer"

    def has_command(self, _step: Step) -> bool:
        return True


@define
class Doors:
    """``world`` is made anew for each move, with its own decision."""

    lab: Lab
    away: str
    record: MemoryRecord
    writers: Mapping[str, RegionWriter]
    sites: LabSites = field()
    secrets: LabSecrets = field()
    clock: SkewedClock = field(factory=SkewedClock)

    @sites.default
    def _sites(self) -> LabSites:
        return LabSites(self.lab)

    @secrets.default
    def _secrets(self) -> LabSecrets:
        return LabSecrets(self.lab.deployment, self.lab.regions)

    def world(self, why: str) -> LiveWorld:
        return LiveWorld(
            regions=LabPlaces(self.lab, self.away),
            system=LabPlaces(self.lab, self.away, system=True),
            decision=Decision("the explorer", time.time(), why),
            reach_s=_REACH_S,
            clock=self.clock,
            manual_steps=EverythingDone(),
            dns=self.record,
            secrets=self.secrets,
            path=WriterPath(self.record, self.writers),
            sites=self.sites,
            identities=identities(self.lab.deployment),
        )

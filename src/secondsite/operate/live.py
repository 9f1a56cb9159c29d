"""The world as it is: regions by the URLs of their servers. The lab and production differ in what they fill in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from attrs import evolve, field, frozen

from secondsite.model.errors import InputError
from secondsite.model.procedure import Step
from secondsite.nats.connection import HungUpError, RejectedError
from secondsite.nats.jetstream import JetStream
from secondsite.nats.meta import Meta
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import StreamApi
from secondsite.operate.identity import Identity, mismatch
from secondsite.operate.world import (
    ClientPath,
    Clock,
    Decision,
    Dns,
    ManualSteps,
    MetaDoor,
    OriginRestorer,
    RecordDoor,
    Restorer,
    Secrets,
    Sites,
    Stores,
    StreamsDoor,
    Workloads,
)

_GREETINGS, _GREET_AGAIN_S = 3, 0.3


@frozen
class RealClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@frozen
class NoManualSteps:
    """No hands: what no door can do waits for a person."""

    async def carry_out(self, _step: Step, /) -> str | None:
        return None

    def has_command(self, _step: Step, /) -> bool:
        return False


@frozen
class ReportedManualSteps:
    """Somebody said, step by step, that it is done: by step, who."""

    done: Mapping[str, str]

    async def carry_out(self, step: Step) -> str | None:
        return self.done.get(step.id)

    def has_command(self, _step: Step, /) -> bool:
        return False


@frozen
class LiveWorld:
    """``regions`` are servers and logins of the application's account, ``system`` those of the system account.

    Whoever answers as a region has to be it, by ``identities``.
    """

    regions: Mapping[str, NatsPlace]
    decision: Decision
    system: Mapping[str, NatsPlace] = {}
    reach_s: float = 2.0
    clock: Clock = field(factory=RealClock)
    manual_steps: ManualSteps = field(factory=NoManualSteps)
    dns: Dns | None = None
    record_look: RecordDoor | None = None
    services: Workloads | None = None
    secrets: Secrets | None = None
    path: ClientPath | None = None
    sites: Sites | None = None
    restorer: Restorer | None = None
    origins: OriginRestorer | None = None
    stores: Stores | None = None
    bound: Mapping[str, Any] = {}
    identities: Mapping[str, Identity] = {}

    @asynccontextmanager
    async def streams(self, region: str, within_s: float | None = None) -> AsyncIterator[StreamsDoor]:
        place = _within(_place(self.regions, region, "--nats"), within_s or self.reach_s)
        async with AsyncExitStack() as stack:
            jetstream = await self._opened(stack, place)
            self._check(region, jetstream, "--nats")
            yield StreamApi(jetstream)

    async def _opened(self, stack: AsyncExitStack, place: NatsPlace) -> JetStream:
        """One that hangs up in the middle of its greeting is asked again."""
        for _ in range(_GREETINGS):
            try:
                return await stack.enter_async_context(place.open())
            except HungUpError:
                await self.clock.sleep(_GREET_AGAIN_S)
        return await stack.enter_async_context(place.open())

    @asynccontextmanager
    async def meta(self, region: str) -> AsyncIterator[MetaDoor]:
        async with _within(_place(self.system, region, "--system"), self.reach_s).open() as jetstream:
            self._check(region, jetstream, "--system")
            yield Meta(evolve(jetstream, prefix="$JS.API"))

    def _check(self, region: str, jetstream: JetStream, option: str) -> None:
        wrong = mismatch(region, self.identities, jetstream.connection.server)
        if wrong:
            what = f"{jetstream.shown} is not {region}: {wrong}"
            remedy = f"give the servers of each region with {option} {region}=URL"
            raise RejectedError.at(option, what, remedy)


def _place(places: Mapping[str, NatsPlace], region: str, option: str) -> NatsPlace:
    if region not in places:
        what = f"no NATS URL for region {region}"
        raise InputError.at(option, what, f"give {option} {region}=nats://HOST:4222")
    return places[region]


def _within(place: NatsPlace, seconds: float) -> NatsPlace:
    """A connection may take twice its time limit: once for the socket, once for the greeting."""
    return evolve(place, options=evolve(place.options, timeout_s=seconds / 2))

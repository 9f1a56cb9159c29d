"""An observer: looks along every way once a round, keeps the last round, and answers the watches that ask for it.

It decides nothing and knows no watch. A look that hangs ends with its time, and counts as no answer; a round that did
not end has no number, so that whoever asks sees that this observer stands still.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping

from attrs import define, field

from secondsite.operate.observer_config import ObserverConfig
from secondsite.watch.http_server import HttpAnswer, HttpRequest
from secondsite.watch.probes import Look
from secondsite.watch.shared_token import ASKED, NONCE, PROOF, answer_proof, proves, question_proof
from secondsite.watch.signals import ObserverRound, Sight, Signal, SignalAnswer, observation_bytes

PATH = "/observation"
_LONGEST_NONCE = 64
_OTHERS = (Signal.HEARD, Signal.STATUS)
"""Somebody else is asked about the region: his silence is his own."""


@define
class Observer:
    """``looks`` by region and signal. ``report`` gets what changed, once."""

    config: ObserverConfig
    looks: Mapping[str, Mapping[Signal, Look]]
    token: str
    report: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    run: str = field(factory=lambda: secrets.token_hex(8))
    latest: ObserverRound | None = None

    async def keep(self) -> None:
        """Until cancelled. A slow round delays none but itself."""
        begin, count = self.clock(), 0
        while True:
            await self.round()
            passed = self.clock() - begin
            count = max(count + 1, int(passed // self.config.every_s))
            await self.sleep(max(0.0, begin + count * self.config.every_s - self.clock()))

    async def round(self) -> None:
        ways = [(region, signal, look) for region, looks in self.looks.items() for signal, look in looks.items()]
        sights = await asyncio.gather(*(self._sight_of(signal, look) for _, signal, look in ways))
        regions: dict[str, dict[Signal, Sight]] = {}
        for (region, signal, _), sight in zip(ways, sights, strict=True):
            regions.setdefault(region, {})[signal] = sight
        before = self.latest
        self.latest = ObserverRound(self.config.name, self.run, before.number + 1 if before else 1, regions)
        self._say_changes(before)

    async def _sight_of(self, signal: Signal, look: Look) -> Sight:
        try:
            async with asyncio.timeout(self.config.timeout_s):
                return await look()
        except TimeoutError:
            return Sight(SignalAnswer.UNKNOWN if signal in _OTHERS else SignalAnswer.NO, "no answer in time")
        except Exception as error:
            return Sight(SignalAnswer.UNKNOWN, f"it cannot be probed ({type(error).__name__})")

    def _say_changes(self, before: ObserverRound | None) -> None:
        for region, sights in self.latest.regions.items() if self.latest else ():
            known = before.regions.get(region, {}) if before else {}
            for signal, sight in sights.items():
                if signal not in known or known[signal].answer is not sight.answer:
                    self.report(f"{region}: {signal} {sight.answer}{f' ({sight.why})' if sight.why else ''}")

    def answering(self, request: HttpRequest) -> HttpAnswer:
        """From another thread: one reference is read, which is replaced and never changed."""
        if request.path == "/alive":
            return HttpAnswer(200, b"alive\n")
        if request.path != PATH or request.method != "GET":
            return HttpAnswer(404, b"the last round is at /observation\n")
        nonce = request.headers.get(NONCE.lower(), "")[:_LONGEST_NONCE]
        given = request.headers.get(ASKED.lower(), "")
        if not nonce or not proves(given, question_proof(self.token, nonce)):
            return HttpAnswer(403, b"this is for a watch that holds the token\n")
        if self.latest is None:
            return HttpAnswer(503, b"the first round has not ended\n")
        body = observation_bytes(self.latest)
        return HttpAnswer(200, body, "application/json", ((PROOF, answer_proof(self.token, nonce, body)),))

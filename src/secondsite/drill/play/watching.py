"""Health checks from outside, and the second signal that has to agree before anything is fenced.

A check is an HTTP request along the clients' way to one region; so many in a row have to fail. The second signal is
independent of it: whether any NATS server of the region speaks.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from attrs import define, field, frozen

from secondsite.lab.http_get import http_get
from secondsite.model.endpoint import Endpoint

_SPEAK_S = 1.0
_ANSWER_S = 60.0
"""The check's own interval ends it before."""

_LOST, _ALIVE = "lost", "alive"

Probe = Callable[[], Awaitable[bool]]


@frozen
class WatchSight:
    """What a shipped watch says of a region: since when its observers agree now (None: they do not), and whether it
    decided that the region is lost. Nanoseconds of this machine's monotonic clock."""

    agreed_ns: int | None
    decided: bool
    calm: bool


async def watch_sight(judge: Endpoint, region: str) -> WatchSight | None:
    """None where it does not answer."""
    try:
        status, body = await http_get(judge, "/status", _SPEAK_S)
        plain = json.loads(body)
        one = next(each for each in plain["regions"] if each["region"] == region)
    except (OSError, TimeoutError, ValueError, KeyError, StopIteration):
        return None
    if status != 200:
        return None
    old_s = time.time() - plain["at"] + one["for_s"]
    since = time.monotonic_ns() - round(old_s * 1e9) if one["now"] == _LOST else None
    calm = bool(one["observers"]) and all(each["vote"] == _ALIVE for each in one["observers"])
    return WatchSight(since, one["decided"] == _LOST, calm)


@define
class HealthCheck:
    """``bad`` is set from the moment at which the threshold was reached until a check passes again."""

    probe: Probe
    interval_s: float
    threshold: int
    failures: int = 0
    bad: asyncio.Event = field(factory=asyncio.Event)
    bad_since_ns: int = 0
    checks: int = 0

    async def watch(self) -> None:
        """For ever, one check at the beginning of each interval; a slow one does not delay those after it."""
        begin = time.monotonic()
        while True:
            self._take(await self._well())
            self.checks += 1
            wait_s = begin + self.checks * self.interval_s - time.monotonic()
            await asyncio.sleep(max(0.0, wait_s))

    async def _well(self) -> bool:
        try:
            async with asyncio.timeout(self.interval_s):
                return await self.probe()
        except (TimeoutError, OSError):
            return False

    def _take(self, well: bool) -> None:
        if well:
            self.failures = 0
            self.bad.clear()
            return
        self.failures += 1
        if self.failures >= self.threshold and not self.bad.is_set():
            self.bad_since_ns = time.monotonic_ns()
            self.bad.set()


async def http_well(at: Endpoint, path: str) -> bool:
    """Whether a GET is answered with 200; raises OSError or TimeoutError."""
    status, _ = await http_get(at, path, _ANSWER_S)
    return status == 200


async def nats_speaks(at: Endpoint) -> bool:
    """Whether a NATS server greets."""
    try:
        async with asyncio.timeout(_SPEAK_S):
            reader, writer = await asyncio.open_connection(at.host, at.port)
            try:
                return (await reader.readline()).startswith(b"INFO")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def agreed(signal: Probe, check: HealthCheck, window_s: float) -> bool:
    """Whether both signals stay bad for the whole window; False at the first sign of life."""
    end = time.monotonic() + window_s
    while True:
        if not check.bad.is_set() or await signal():
            return False
        if time.monotonic() >= end:
            return True
        await asyncio.sleep(min(0.2, max(0.0, end - time.monotonic())))

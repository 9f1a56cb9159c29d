"""The caches of a drill: filled by what is read, gone with their region, and filled again where clients go then.

Nothing of a cache is lost for good, so no contract is judged by it. What its loss costs is counted all the same: how
many keys were gone, and for how long reads went past it to the stores behind.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from contextlib import suppress

from attrs import asdict, define, field, frozen

from secondsite.dns.lookup import look_up
from secondsite.drill.evidence.events import EventName
from secondsite.drill.load.service_name import ServiceName
from secondsite.drill.play.scene import Scene
from secondsite.lab.world import Lab
from secondsite.model.errors import MachineError
from secondsite.model.wording import counted, duration
from secondsite.stores.redis_place import RedisSession

KEYS = 50
EVERY_S = 0.02
_PREFIX = "secondsite:cached:"
_ALIKE = 0.95
"""Filled again: this share of what was there before."""


@frozen
class CacheRead:
    """``hit``: it was there; else it was fetched from behind and put there."""

    at_ns: int
    region: str
    key: int
    hit: bool


@frozen
class CacheLoss:
    """``keys`` were in the lost region's cache. The other one had ``before`` of them when it was first read, and
    ``again`` in the end; ``seconds`` after that first read it had nearly all, None where it never did.
    """

    keys: int
    before: int
    again: int
    seconds: float | None

    @property
    def described(self) -> str:
        then = f"{self.again:,} of them were there again in the end"
        if self.seconds is not None:
            then = f"{self.again:,} of them were there again, nearly all after {duration(self.seconds)}"
        return f"{counted(self.keys, 'keys')} gone; the other region's had {self.before:,} of them, and {then}"


def cache_loss(reads: Iterable[CacheRead], fault_ns: int, home: str, away: str) -> CacheLoss:
    """Of one cache, from all that was read through it."""
    kept = [each for each in reads if each.at_ns <= fault_ns or each.region == away]
    gone = {each.key for each in kept if each.region == home and each.at_ns <= fault_ns}
    first: dict[int, CacheRead] = {}
    for each in kept:
        if each.region == away and each.at_ns > fault_ns and each.key in gone:
            first.setdefault(each.key, each)
    filled = sorted(each.at_ns for each in first.values())
    enough = -(-len(gone) * _ALIKE // 1)
    full_ns = filled[int(enough) - 1] if gone and len(filled) >= enough else None
    seconds = None if full_ns is None else (full_ns - filled[0]) / 1e9
    return CacheLoss(len(gone), sum(each.hit for each in first.values()), len(first), seconds)


@define
class CacheReader:
    """One cache as the service's pods use it: clients are led to a region, and its pods read that region's."""

    lab: Lab
    store: str
    random: random.Random
    reads: list[CacheRead] = field(factory=list)
    name: ServiceName = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.name = ServiceName(lambda: look_up(self.lab.resolver, self.lab.host), ignoring_ttl=False)

    async def keep_reading(self) -> None:
        """On and on; where nobody answers it is asked again."""
        while True:
            with suppress(MachineError):
                if region := await self._led_to():
                    async with self.lab.stores.caches.reading(self.store, region).open() as session:
                        while await self._led_to() == region:
                            await self._read(session, region)
                            await asyncio.sleep(EVERY_S)
            await asyncio.sleep(EVERY_S)

    async def _led_to(self) -> str:
        addresses = await self.name.addresses()
        caches = self.lab.stores.caches.databases
        regions = [each.region for each in caches if self.lab.address(each.region) in addresses]
        return regions[0] if regions else ""

    async def _read(self, session: RedisSession, region: str) -> None:
        number = self.random.randrange(KEYS)
        key = f"{_PREFIX}{number}"
        hit = await session.ask("GET", key) is not None
        if not hit:
            await session.ask("SET", key, "as the store behind has it")
        self.reads.append(CacheRead(time.monotonic_ns(), region, number, hit))


def note_caches(scene: Scene, readers: Iterable[CacheReader], fault_ns: int) -> None:
    for reader in readers:
        loss = cache_loss(reader.reads, fault_ns, scene.home, scene.away)
        scene.note(EventName.CACHE_LOST, store=reader.store, **asdict(loss))
        scene.observe(f"{reader.store}, a cache: {loss.described}; no contract is judged by it", None)

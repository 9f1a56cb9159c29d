"""The service's name as one user's machine knows it: asked again when the TTL ends, or never."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from secondsite.dns.lookup import Resolved

LookUp = Callable[[], Awaitable[Resolved | None]]


class ServiceName:
    """``ignoring_ttl``: what was resolved first is kept for ever, as JVMs and pinned connections pools do.

    An answer is used for its TTL and not a moment longer; a TTL of 0 is good for the one who asked.
    """

    def __init__(self, look_up: LookUp, *, ignoring_ttl: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._look_up = look_up
        self._ignoring_ttl = ignoring_ttl
        self._clock = clock
        self._lock = asyncio.Lock()
        self._addresses: tuple[str, ...] = ()
        self._good_until_s = 0.0

    async def addresses(self) -> tuple[str, ...]:
        """Empty where the name does not exist; raises MachineError where nobody could be asked."""
        if self._fresh:
            return self._addresses
        async with self._lock:
            if self._fresh:
                return self._addresses
            asked_s = self._clock()
            resolved = await self._look_up()
            self._addresses = resolved.addresses if resolved else ()
            self._good_until_s = asked_s + (resolved.ttl_s if resolved else 0.0)
            return self._addresses

    @property
    def _fresh(self) -> bool:
        return bool(self._addresses) and (self._ignoring_ttl or self._clock() < self._good_until_s)

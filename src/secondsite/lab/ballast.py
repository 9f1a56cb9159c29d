"""Memory that a process takes and never gives back: a leak, or what fills it up until it is killed."""

from __future__ import annotations

import asyncio

_STEP_BYTES = 16 << 20
_PAUSE_S = 0.1


class Ballast:
    def __init__(self) -> None:
        self._held: list[bytes] = []

    def grow(self, size: int) -> None:
        """Written to, so that the kernel has to find the pages."""
        if size:
            self._held.append(b"\x01" * size)

    async def fill(self) -> None:
        """160 MiB a second, until the process is gone."""
        while True:
            self.grow(_STEP_BYTES)
            await asyncio.sleep(_PAUSE_S)

"""Whose turn it is to be measured, where several drills of one machine run beside each other.

Labs start, wait and are read beside a measurement; only so many are measured at a time.
"""

from __future__ import annotations

import asyncio
import os
from typing import Protocol

from attrs import define

_AFTERWARDS = 10


class Slots(Protocol):
    """What a semaphore between processes does."""

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool: ...

    def release(self) -> None: ...


@define
class Turn:
    """Without ``slots`` there is nobody to wait for."""

    slots: Slots | None = None
    held: bool = False

    async def take(self) -> None:
        if self.slots is not None and not self.held:
            while not self.slots.acquire(block=False):  # noqa: ASYNC110 - another process gives it
                await asyncio.sleep(0.1)
            self.held = True

    def give(self) -> None:
        """What comes after a measurement, reading and judging, stands back behind those of others."""
        if self.slots is not None and self.held:
            self.held = False
            self.slots.release()
            os.nice(_AFTERWARDS)

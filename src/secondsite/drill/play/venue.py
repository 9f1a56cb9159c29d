"""Where a drill is played: a lab of real processes on this machine, or the user's own staging clusters.

What is common to both is all that load, detection and the clients' clock take; the rest is the lab's or the game day's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from secondsite.lab.moment import Moment
from secondsite.lab.supervisor import Supervisor
from secondsite.model.endpoint import Endpoint
from secondsite.nats.place import NatsPlace


class DrillVenue(Protocol):
    """``folder`` is of this run alone; ``supervisor`` keeps the clients' processes."""

    @property
    def supervisor(self) -> Supervisor: ...

    @property
    def folder(self) -> Path: ...

    @property
    def regions(self) -> tuple[str, ...]: ...

    @property
    def judge(self) -> Endpoint | None:
        """Where a watch that decides for the drill answers; None where the drill checks by itself."""
        ...

    def place(self, region: str) -> NatsPlace:
        """As the operator, whom no write gate stops."""
        ...

    def networks(self, region: str) -> tuple[str, ...]:
        """Where clients of a region are served, as networks."""
        ...

    def replaced(self) -> list[str]:
        """Binaries that run in the place of others."""
        ...

    async def well(self, region: str) -> bool:
        """One check along the clients' way to the region; may raise OSError or TimeoutError."""
        ...

    async def speaks(self, region: str) -> bool:
        """The second signal: whether any NATS server of the region greets."""
        ...

    async def lose(self, region: str) -> Moment:
        """Everything in it is gone; when it went."""
        ...

"""The door to the WAN process: what a drill does to the links between regions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from secondsite.lab.control import Order, ask
from secondsite.model.endpoint import Endpoint


@frozen
class Carried:
    """What one direction has carried since the lab began."""

    source: str
    target: str
    bytes: int
    connections: int
    open: int
    delay_ms: float
    cut: bool


class Wan:
    """Region names throughout; every order holds from the moment the call returns."""

    def __init__(self, control: Endpoint) -> None:
        self.control = control

    async def set(
        self,
        a: str,
        b: str,
        *,
        delay_ms: float | None = None,
        jitter_ms: float | None = None,
        rate_bytes_per_s: float | None = None,
        one_way: bool = False,
    ) -> None:
        """Of the link, both directions unless ``one_way`` (from a to b). The delay is that of one direction."""
        wanted = {"delay_ms": delay_ms, "jitter_ms": jitter_ms, "rate_bytes_per_s": rate_bytes_per_s}
        await self._both(a, b, one_way, {key: value for key, value in wanted.items() if value is not None})

    async def cut(self, a: str, b: str, *, one_way: bool = False, refuse: bool = False) -> None:
        """Nothing passes until ``heal``: bytes wait, dialling waits; with ``refuse`` connections end instead."""
        await self._both(a, b, one_way, {"refused": True, "reset": True} if refuse else {"cut": True})

    async def heal(self, a: str, b: str) -> None:
        await self._both(a, b, False, {"cut": False, "refused": False})

    async def reset(self, a: str, b: str) -> None:
        """End every connection between the two, drop what is in progress; new ones pass."""
        await self._both(a, b, False, {"reset": True})

    async def isolate(self, region: str) -> None:
        """Hold everything to and from a region."""
        await self._both(region, "", False, {"cut": True})

    async def lose(self, region: str) -> None:
        """Drop all that is in progress to and from a region, end its connections, and let new ones try."""
        await self._both(region, "", False, {"reset": True, "cut": False})

    async def carried(self) -> tuple[Carried, ...]:
        answer = await self._ask({})
        return tuple(Carried(**each) for each in answer["directions"])

    async def bytes_between(self, a: str, b: str) -> int:
        """Both directions together."""
        return sum(each.bytes for each in await self.carried() if {each.source, each.target} == {a, b})

    async def _both(self, a: str, b: str, one_way: bool, order: Mapping[str, Any]) -> None:
        await self._ask({"source": a, "target": b, **order})
        if not one_way:
            await self._ask({"source": b, "target": a, **order})

    async def _ask(self, order: Order) -> Order:
        return await ask(self.control, order, process="wan")

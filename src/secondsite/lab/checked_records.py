"""A DNS provider's data plane: records with health checks from outside, answered by what the checks find.

As Route 53 does it: the first good one of failover records, all good ones of weighted records, and where none is good
the answer is as if all were. Nobody changes a record for it; people may declare one bad.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from attrs import define, frozen

from secondsite.lab.http_get import http_get
from secondsite.model.endpoint import Endpoint


@define
class CheckedAddress:
    """``address`` is answered, ``at`` is checked. ``failures`` in a row; ``declared_bad`` by people, whatever the check
    finds.
    """

    address: str
    at: Endpoint
    path: str
    interval_s: float
    threshold: int
    failures: int = 0
    declared_bad: bool = False

    @property
    def good(self) -> bool:
        return not self.declared_bad and self.failures < self.threshold

    async def watch(self) -> None:
        """For ever, one check at the beginning of each interval; one without an answer by its end has failed."""
        begin, checks = time.monotonic(), 0
        while True:
            self.failures = 0 if await self._passes() else self.failures + 1
            checks += 1
            await asyncio.sleep(max(0.0, begin + checks * self.interval_s - time.monotonic()))

    async def _passes(self) -> bool:
        try:
            return (await http_get(self.at, self.path, self.interval_s))[0] == 200
        except (OSError, TimeoutError):
            return False


@frozen
class CheckedRecords:
    """Of one name; ``one``: only the first good one is answered."""

    ttl_s: int
    one: bool
    addresses: tuple[CheckedAddress, ...]

    def answered(self) -> tuple[str, ...]:
        good = [each.address for each in self.addresses if each.good] or [each.address for each in self.addresses]
        return tuple(good[:1] if self.one else good)

    def declare(self, bad: Collection[str]) -> None:
        for each in self.addresses:
            each.declared_bad = each.address in bad


def checked_records(plain: Mapping[str, Any]) -> CheckedRecords:
    addresses: Sequence[Mapping[str, Any]] = plain["addresses"]
    return CheckedRecords(
        int(plain["ttl_s"]),
        bool(plain["one"]),
        tuple(
            CheckedAddress(each["address"], Endpoint(*each["at"]), each["path"], each["interval_s"], each["threshold"])
            for each in addresses
        ),
    )

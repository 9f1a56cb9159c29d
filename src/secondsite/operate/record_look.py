"""The service's record as it is, where nobody here may change it: what somebody says was done is looked at."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from secondsite.dns.lookup import addresses_of
from secondsite.model.endpoint import Endpoint
from secondsite.model.operate import Operate


@frozen
class ResolvedRecord:
    """``entrances``: by region, what the record leads to there. ``servers`` instead of this machine's resolvers."""

    host: str
    entrances: Mapping[str, str]
    servers: tuple[Endpoint, ...] = ()

    async def now(self) -> tuple[str, ...]:
        return await addresses_of(self.host, self.servers)

    async def of(self, region: str) -> tuple[str, ...]:
        return await addresses_of(self.entrances[region], self.servers) if region in self.entrances else ()


def record_look(host: str, operate: Operate | None) -> ResolvedRecord | None:
    """None where it is not known what the record is, or where it should lead to."""
    entrances = operate.entrances_written if operate else {}
    return ResolvedRecord(host, entrances) if host and entrances else None

"""The user's staging clusters as the venue of a drill: what the lab starts by itself is there already."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from attrs import define

from secondsite.dns.lookup import addresses_of
from secondsite.drill.gameday.fault import FaultDoor
from secondsite.drill.load.http_connection import HttpConnection
from secondsite.drill.play.watching import nats_speaks
from secondsite.lab.moment import Moment
from secondsite.lab.supervisor import Supervisor
from secondsite.model.endpoint import Endpoint
from secondsite.model.operate import WritePath
from secondsite.nats.place import NatsPlace

_CLIENT_PORT, _HTTPS, _HTTP = 4222, 443, 80
_WELL = range(200, 400)


@define
class StagingVenue:
    """``entrances``: by region, the addresses at which its clients enter. ``path`` None: clients speak NATS.

    ``faults``: of the regions that may be lost.
    """

    supervisor: Supervisor
    folder: Path
    places: Mapping[str, NatsPlace]
    entrances: Mapping[str, tuple[str, ...]]
    path: WritePath | None
    check_path: str
    tls: ssl.SSLContext | None
    faults: Mapping[str, FaultDoor]
    judge: Endpoint | None = None

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(self.places)

    def place(self, region: str) -> NatsPlace:
        return self.places[region]

    def networks(self, region: str) -> tuple[str, ...]:
        return tuple(f"{address}/32" for address in self.entrances[region])

    def replaced(self) -> list[str]:
        return []

    async def well(self, region: str) -> bool:
        """A request to where clients enter, as their load balancer's check asks."""
        if self.path is None:
            return await self.speaks(region)
        url = urlsplit(self.path.url)
        port = url.port or (_HTTPS if self.tls else _HTTP)
        request = f"GET {self.check_path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n\r\n"
        for address in self.entrances[region]:
            connection = await HttpConnection.connect(address, port, self.tls, url.hostname)
            try:
                if (await connection.request(request.encode())).status in _WELL:
                    return True
            finally:
                connection.close()
        return False

    async def speaks(self, region: str) -> bool:
        ends = [Endpoint(each.host, _port(each.shown)) for each in self.places[region].addresses]
        return any(await asyncio.gather(*(nats_speaks(end) for end in ends)))

    async def lose(self, region: str) -> Moment:
        """Struck when it is asked for, not when all is gone."""
        await self.faults[region].prepare()
        struck = Moment.now()
        await self.faults[region].inflict()
        return struck

    async def repair(self) -> None:
        for fault in self.faults.values():
            await fault.undo()


def _port(shown: str) -> int:
    return int(shown.rpartition(":")[2])


async def nats_addresses(place: NatsPlace) -> Mapping[str, str]:
    """By the name of each server, the address that it has now, as a ledger keeps it."""
    numbers = {}
    for each in place.addresses:
        if addresses := await addresses_of(each.host):
            numbers[each.host] = addresses[0]
    return numbers

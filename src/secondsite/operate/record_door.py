"""The service's record changed through who keeps it, and looked at where clients' questions are answered.

With failover records nobody changes anything in the failover: the provider's health checks do, and they are waited for.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from secondsite.dns.asking import endpoint_of, state_at
from secondsite.dns.cloudflare import CloudflareRecord
from secondsite.dns.google import GoogleRecord
from secondsite.dns.google_login import GoogleLogin
from secondsite.dns.powerdns import PowerDnsRecord
from secondsite.dns.record import HostRecord, RecordSource, WantedRecord, owner_names, owner_of
from secondsite.dns.rfc2136 import DynamicRecord, tsig_key
from secondsite.dns.route53 import Route53Record
from secondsite.kube.cluster import ClusterPlace
from secondsite.model.access import DnsProvider, Entrance, RecordAccess, RecordSwitch
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import InputError
from secondsite.model.operate import Operate
from secondsite.model.traffic import Traffic
from secondsite.operate.references import followed

_PLACE = "operate.dns"


@frozen
class RecordDoorway:
    """``entrances``: by region, where its clients enter; ``places`` know the Services among them."""

    host: str
    source: RecordSource
    ttl_s: int
    entrances: Mapping[str, Entrance]
    places: Mapping[str, ClusterPlace]
    servers: tuple[Endpoint, ...] = ()
    resolvers: tuple[Endpoint, ...] = ()
    by_health_checks: bool = False

    async def authoritative(self) -> Mapping[str, tuple[str, ...]]:
        """What its keeper has, and what each authoritative server answers."""
        answers = {}
        if not self.by_health_checks:
            answers[self.source.shown] = _values(await self.source.look())
        for server in self.servers:
            answers[str(server)] = _values(await state_at(server, self.host))
        return answers

    async def resolved(self) -> Mapping[str, tuple[str, ...]]:
        return {str(server): _values(await state_at(server, self.host)) for server in self.resolvers}

    async def addresses(self, region: str) -> tuple[str, ...]:
        """Raises InputError where nobody said, MachineError where its cluster cannot tell."""
        entrance = self.entrances.get(region)
        if entrance is None:
            remedy = f"write `address` under {region} in `operate: places:`"
            raise InputError.at(_PLACE, f"the address at which clients enter {region} is unknown", remedy)
        if entrance.at:
            return (entrance.at.rstrip("."),)
        namespace, _, name = entrance.service.partition("/")
        async with self.places[region].open() as cluster:
            given = await cluster.entrance(namespace, name)
        if not given:
            what = f"Service {entrance.service} of {region} has no address"
            raise InputError.at(_PLACE, what, "check its load balancer")
        return tuple(sorted(each.rstrip(".") for each in given))

    async def change(self, addresses: tuple[str, ...]) -> None:
        """Looked at right before, and swapped only from that."""
        if self.by_health_checks:
            return
        state = await self.source.look()
        if _values(state) != tuple(sorted(addresses)):
            await self.source.change(
                state, WantedRecord(tuple(sorted(addresses))), state.ttl_s if state else self.ttl_s
            )

    async def owner(self) -> str:
        for name in () if self.by_health_checks else owner_names(self.host):
            if owner := owner_of(await self.source.texts(name)):
                return owner
        return ""

    async def may(self) -> str:
        return "" if self.by_health_checks else await self.source.may()


def _values(state: HostRecord | None) -> tuple[str, ...]:
    return state.values if state else ()


def record_doorway(
    traffic: Traffic, operate: Operate | None, places: Mapping[str, ClusterPlace]
) -> RecordDoorway | None:
    """None where nobody said who keeps the record, or what it is called. Raises InputError."""
    record = operate.dns if operate else None
    if operate is None or record is None or not traffic.host:
        return None
    entrances = {place.region: place.address for place in operate.places if place.address}
    written = {region: Entrance(at=at) for region, at in operate.entrances_written.items()}
    itself = record.switch is _CHECKED and record.server and record.provider is DnsProvider.RFC2136
    authoritative = record.authoritative or ((record.server,) if itself else ())
    return RecordDoorway(
        traffic.host,
        record_source(traffic.host, record),
        round(traffic.ttl_s),
        {**written, **entrances},
        places,
        tuple(endpoint_of(each, f"{_PLACE}.authoritative") for each in authoritative),
        tuple(endpoint_of(each, f"{_PLACE}.resolvers") for each in record.resolvers),
        by_health_checks=record.switch is _CHECKED,
    )


_CHECKED = RecordSwitch.FAILOVER_RECORDS


def record_source(host: str, record: RecordAccess) -> RecordSource:
    """Raises InputError for a reference that leads nowhere."""
    if record.provider is DnsProvider.ROUTE53:
        return Route53Record(host, record.zone)
    key = followed(record.key, f"{_PLACE}.key") if record.key else ""
    if record.provider is DnsProvider.CLOUDFLARE:
        return CloudflareRecord(host, record.zone, key)
    if record.provider is DnsProvider.GOOGLE:
        return GoogleRecord(host, record.zone, GoogleLogin(key).token)
    if record.provider is DnsProvider.POWERDNS:
        return PowerDnsRecord(host, record.zone, record.server, key)
    tsig = tsig_key(key, f"{_PLACE}.key") if key else None
    return DynamicRecord(host, record.zone, endpoint_of(record.server, f"{_PLACE}.server"), tsig)

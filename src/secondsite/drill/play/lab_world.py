"""The lab through the doors that a Procedure is executed by: in production only what is behind the doors differs.

One process of the API stands for all of its replicas. Stores that the lab does not run are not rehearsed: what a
step would do to them is carried out by nobody and noted as such.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import define, field, frozen

from secondsite.dns.lookup import look_up
from secondsite.lab.addresses import GATEWAY_HTTP_PORT
from secondsite.lab.one_address import dialled
from secondsite.lab.services import at_work
from secondsite.lab.world import Lab
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.procedure import Step, Verb
from secondsite.model.service import Role
from secondsite.nats.address import parse_addresses
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace
from secondsite.nats.streams import StreamApi
from secondsite.operate.http_path import HttpPath
from secondsite.operate.identity import identities
from secondsite.operate.live import LiveWorld
from secondsite.operate.store_logins import new_folder, replicate
from secondsite.operate.world import Decision, PathWrite, Replicas, Restorer
from secondsite.secrets.door import UnrefreshedSecrets
from secondsite.secrets.fingerprints import fingerprint
from secondsite.stores.postgres_host import Followed
from secondsite.stores.server import StoreServer
from secondsite.strategies.server_config import CLIENT_PORT
from secondsite.strategies.service_records import service_records
from secondsite.strategies.store_servers import SLOT

NOT_REHEARSED = "nobody: not part of the lab"
ROWS = "rows"
"""The folder of a lab with the rows that a failback saved."""
_VALUE_BYTES = 24


@frozen
class LabDns:
    lab: Lab
    ttl_s: float

    async def authoritative(self) -> Mapping[str, tuple[str, ...]]:
        addresses = await self.lab.dns.get(self.lab.host)
        return {"dns": addresses.addresses if addresses else ()}

    async def resolved(self) -> Mapping[str, tuple[str, ...]]:
        resolved = await look_up(self.lab.resolver, self.lab.host)
        return {"resolver": resolved.addresses if resolved else ()}

    async def addresses(self, region: str) -> tuple[str, ...]:
        return (self.lab.address(region),)

    async def owner(self) -> str:
        return ""

    async def may(self) -> str:
        return ""

    async def change(self, addresses: tuple[str, ...]) -> None:
        """Checked records are nobody's to set: people make the checks of the others fail, or let them speak again."""
        deployment = self.lab.deployment
        if not deployment.strategy.switch.in_data_plane:
            await self.lab.dns.set(self.lab.host, addresses, self.ttl_s)
            return
        home = self.lab.address(deployment.primary.region.name)
        everywhere = [self.lab.address(each.region) for each in service_records(deployment).records]
        bad = [] if home in addresses else [each for each in everywhere if each not in addresses]
        await self.lab.dns.declare_bad(bad)


@define
class LabServices:
    """``wanted`` by region: what was asked for last."""

    lab: Lab
    api: str
    wanted: dict[str, int] = field(factory=dict)

    def reaches(self, region: str) -> bool:
        return region in self.lab.regions

    async def replicas(self, region: str) -> Mapping[str, Replicas]:
        runs = self.runs(region)
        sites = [site for site in self.lab.deployment.sites if site.region.name == region]
        placed = sum(site.replicas(self.api) for site in sites)
        wanted = self.wanted.get(region, placed)
        return {self.api: Replicas(wanted, wanted if runs else 0)}

    def runs(self, region: str) -> bool:
        return any(self.lab.supervisor.alive(pod.name) for pod in self.lab.pods(region))

    async def rehearse(self, _region: str, _service: str, _replicas: int) -> str:
        return ""

    async def crowded(self, _region: str, _more: Mapping[str, int]) -> str:
        return ""

    async def scale(self, region: str, service: str, replicas: int) -> None:
        self.wanted[region] = replicas
        if not self.runs(region):
            await self.lab.start_services(region)


class LabSecrets(UnrefreshedSecrets):
    """Values made up for this lab, the same in every region until a drill makes one stale."""

    def __init__(self, deployment: Deployment, regions: tuple[str, ...]) -> None:
        made = {
            secret.name: {key: secrets.token_bytes(_VALUE_BYTES) for key in secret.keys or ("value",)}
            for secret in deployment.system.secrets
        }
        self._home = deployment.primary.region.name
        self._values = {region: {name: dict(values) for name, values in made.items()} for region in regions}

    def rotate(self, region: str, name: str) -> None:
        """A new value in one region only."""
        values = self._values[region][name]
        self._values[region][name] = {key: secrets.token_bytes(_VALUE_BYTES) for key in values}

    def forget(self, region: str, name: str) -> None:
        del self._values[region][name]

    def synchronise(self, region: str) -> None:
        self._values[region] = {name: dict(values) for name, values in self._values[self._home].items()}

    async def reference(self, key: bytes) -> Mapping[str, str]:
        return await self.fingerprints(self._home, key)

    async def fingerprints(self, region: str, key: bytes) -> Mapping[str, str]:
        return {name: fingerprint(key, values) for name, values in self._values[region].items()}


@define
class LabPath:
    """A write as a client makes it: the name asked of the resolver, then gateway, API, stream. Ids are kept."""

    lab: Lab
    port: int
    subject: str
    written: set[str] = field(factory=set)

    async def write(self) -> PathWrite:
        resolved = await look_up(self.lab.resolver, self.lab.host)
        if not resolved:
            return PathWrite(0, "", why=f"{self.lab.host} has no address")
        path = HttpPath(
            f"http://{dialled(resolved.addresses[0], self.port)}/v1/events",
            {"apikey": self.lab.options.keys[0], "Host": self.lab.host},
            {"subject": self.subject, "data": "probe"},
        )
        written = await path.write()
        self.written.add(written.message_id)
        return written


@define
class LabNatsPath:
    """Where no service is asked over HTTP: a client that publishes where the name leads. Ids are kept."""

    lab: Lab
    subject: str
    written: set[str] = field(factory=set)

    async def write(self) -> PathWrite:
        resolved = await look_up(self.lab.resolver, self.lab.host)
        led = [r for r in self.lab.regions if resolved and self.lab.address(r) in resolved.addresses]
        if not led:
            return PathWrite(0, "", why=f"{self.lab.host} leads to no region")
        message_id = f"secondsite-probe-{uuid.uuid4()}"
        self.written.add(message_id)
        client = NatsPlace(parse_addresses(self.lab.nats_url(led[0])), ConnectOptions(timeout_s=2.0))
        try:
            async with client.open() as jetstream:
                answer = await StreamApi(jetstream).publish(
                    self.subject, b"probe", {"Nats-Msg-Id": message_id}, insist=False
                )
        except MachineError as error:
            return PathWrite(0, message_id, why=error.problems[0].what)
        return PathWrite(0 if answer.code else 200, message_id, answer.stream, answer.sequence, answer.why)


@define
class LabSites:
    """``alone`` by region, for those that were started anew: asked for what exists already, nothing is done."""

    lab: Lab
    alone: dict[str, bool] = field(factory=dict)

    async def isolate(self, region: str) -> None:
        await self._start(region, alone=True)

    async def join(self, region: str) -> None:
        await self._start(region, alone=False)

    async def _start(self, region: str, *, alone: bool) -> None:
        names = [server.name for server in self.lab.servers(region)]
        if self.alone.get(region) is alone and all(self.lab.supervisor.alive(name) for name in names):
            return
        self.lab.supervisor.kill(*names)
        await self.lab.restart_region(region, isolated=alone)
        self.alone[region] = alone


@define
class LabManualSteps:
    """Starts servers where a step creates a cluster; says of what the lab does not run that nobody did it.

    ``skipped`` are the steps that were not rehearsed.
    """

    lab: Lab
    skipped: list[str] = field(factory=list)

    async def carry_out(self, step: Step) -> str | None:
        if step.verb is Verb.CREATE_CLUSTER:
            await self.lab.create_cluster(step.region)
            return "the lab"
        self.skipped.append(step.id)
        return NOT_REHEARSED

    def has_command(self, step: Step) -> bool:
        return step.verb is Verb.CREATE_CLUSTER


@frozen
class LabPlaces(Mapping[str, NatsPlace]):
    """Every region as the one that operates reaches it, others through the WAN; an address at which nobody answers
    where one has no servers yet.
    """

    lab: Lab
    operating: str
    system: bool = False

    def __getitem__(self, region: str) -> NatsPlace:
        if region not in self.lab.regions:
            raise KeyError(region)
        if self.lab.servers(region):
            return place(self.lab, region, system=self.system, reached_from=self.operating)
        silent = f"{self.lab.addresses.network(region)}.0.9"
        return NatsPlace(parse_addresses(f"nats://{self.lab.addresses.at(silent, CLIENT_PORT)}"), ConnectOptions())

    def __iter__(self) -> Iterator[str]:
        return iter(self.lab.regions)

    def __len__(self) -> int:
        return len(self.lab.regions)


@frozen
class LabStores:
    """As the one that operates reaches them: those of another region through the WAN."""

    lab: Lab
    operating: str

    def server(self, region: str, store: str) -> StoreServer:
        return self.lab.stores.server(store, region, reached_from=self.operating, within_s=1.5)

    def kept(self, region: str, store: str) -> Path:
        return new_folder(self.lab.folder / ROWS, f"{region}-{store}")

    def rewinds(self, region: str, store: str) -> bool:
        return True

    async def follow(self, region: str, store: str, serving: str) -> Followed:
        """As whoever has the server's files does: through the WAN from its own region."""
        if store in self.lab.stores.redis.stores:
            keys = self.lab.stores.redis
            primary = keys.server(store, serving, reached_from=region)
            return await replicate(keys.server(store, region), primary)
        fleet = self.lab.databases
        name = fleet.find(store, region).name
        await fleet.server(store, serving, reached_from=self.operating).keep_for(SLOT)
        self.lab.kill(name)
        followed = await fleet.host(store, region).follow(
            fleet.server(store, serving, reached_from=region).place, slot=SLOT
        )
        await self.lab.restart(name)
        return followed


def lab_world(
    lab: Lab,
    decision: Decision,
    *,
    path: LabPath | LabNatsPath,
    secret: LabSecrets,
    manual_steps: LabManualSteps,
    services: LabServices,
    ttl_s: float,
    sites: LabSites,
    restorer: Restorer | None = None,
) -> LiveWorld:
    """Whoever operates is in the region that is not lost: the standby, or the last one."""
    standby = lab.deployment.standby
    operating = standby.region.name if standby else lab.deployment.sites[-1].region.name
    return LiveWorld(
        regions=LabPlaces(lab, operating),
        system=LabPlaces(lab, operating, system=True),
        decision=decision,
        reach_s=1.5,
        manual_steps=manual_steps,
        dns=LabDns(lab, ttl_s),
        services=services,
        secrets=secret,
        path=path,
        sites=sites,
        restorer=restorer,
        stores=LabStores(lab, operating) if lab.stores.followed else None,
        identities=identities(lab.deployment),
    )


def place(lab: Lab, region: str, *, system: bool = False, reached_from: str = "") -> NatsPlace:
    """As the operator, whom no write gate stops; or as the system account."""
    url = lab.nats_url(region, system=system, operator=not system, reached_from=reached_from)
    return NatsPlace(parse_addresses(url), ConnectOptions())


def has_api(deployment: Deployment) -> bool:
    """Whether a service of the system is asked over HTTP; else its clients speak NATS."""
    return bool(deployment.system.with_role(Role.API))


def lab_path(lab: Lab, subject: str) -> LabPath | LabNatsPath:
    return LabPath(lab, GATEWAY_HTTP_PORT, subject) if has_api(lab.deployment) else LabNatsPath(lab, subject)


def api_service(deployment: Deployment) -> str:
    """What stands for the services; a name of nobody where none is known."""
    service = next(iter(at_work(deployment.system)), None)
    return service.name if service else "api"

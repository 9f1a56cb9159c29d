"""``Lab``: a deployment as real processes on this machine, and what a drill may do to it.

A lab is up when its servers answer, its streams, mirrors and consumers exist, and, where services were asked for,
the name of the service leads to an API that acknowledges. When the context ends, or its process dies in any way,
every process of it is gone.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from attrs import evolve

from secondsite.lab.addresses import LabAddresses, WanListener
from secondsite.lab.agents import Agents
from secondsite.lab.archivers import Archivers
from secondsite.lab.binaries import require_lab_packages
from secondsite.lab.claim import check_free, claim_block
from secondsite.lab.clocks import LabClocks
from secondsite.lab.gates import Gates, all_open
from secondsite.lab.kubelet import Kubelet
from secondsite.lab.meta import formed, meta_groups
from secondsite.lab.moment import Moment
from secondsite.lab.names import Names
from secondsite.lab.nats_fleet import NatsFleet
from secondsite.lab.observing import observing
from secondsite.lab.one_address import DIFFERS, dialled, is_shared
from secondsite.lab.options import LabOptions
from secondsite.lab.pods import restarting
from secondsite.lab.postgres_files import refused
from secondsite.lab.room import check_room
from secondsite.lab.runnable import check_runnable, regions_of
from secondsite.lab.savers import Savers
from secondsite.lab.services import S3, ApiPod, LabProcesses
from secondsite.lab.store_fleets import StoreFleets
from secondsite.lab.streams import create_streams, wait_for_jetstream
from secondsite.lab.supervisor import Spec, Supervisor
from secondsite.lab.wan import Wan
from secondsite.lab.wan_spec import links_of, wan_spec
from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import InputError, MachineError
from secondsite.model.region import Region
from secondsite.strategies.clusters import named
from secondsite.strategies.server_config import CLIENT_PORT, MONITOR_PORT, Login, NatsServer
from secondsite.strategies.write_gate import gate_file

_TRIES = 3
_LOOK_S = 0.1


class Lab:
    """Use ``async with Lab.up(deployment) as lab``."""

    def __init__(
        self, deployment: Deployment, options: LabOptions, addresses: LabAddresses, folder: Path, lock: socket.socket
    ) -> None:
        self.deployment = deployment
        self.options = options
        self.addresses = addresses
        self.folder = folder
        self.fleet = NatsFleet(deployment, addresses, options, folder)
        clocks = LabClocks(folder / "clocks", addresses.regions) if options.clocks else None
        self.supervisor = Supervisor(folder / "logs", lock, folder if options.folder is None else None, clocks)
        self.wan = Wan(addresses.wan_control)
        urls = {region: self.nats_urls(region) for region in addresses.regions}
        cuttable = {region: self._pod_urls(region) for region in addresses.regions}
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        self.services = LabProcesses(deployment, addresses, options, folder, urls, cuttable, key)
        self.stores = StoreFleets.of(
            deployment, addresses, folder, options.databases, options.aged_stores, options.vectors
        )
        self.databases = self.stores.postgres
        self.kubelet: Kubelet | None = None
        self.gates = Gates(deployment, folder, self._plain_url, addresses.gate)
        self.agents = Agents(deployment, folder, self._plain_url, addresses.agent, options.positions_s)
        s3 = self.s3 if options.services else None
        self.archivers = Archivers(deployment, addresses, self._plain_url, s3)
        self.savers = Savers(deployment, addresses, self.stores.qdrant, s3, options.saved_every_s)
        self.observing = observing(deployment, addresses, folder, options, self._plain_url)
        self.dns = Names(addresses.dns, addresses.dns_control, self.services.zone, key)
        self.boot_s = 0.0

    @classmethod
    @asynccontextmanager
    async def up(
        cls,
        deployment: Deployment,
        options: LabOptions = LabOptions(),  # noqa: B008 - frozen
        report: Callable[[str], None] = lambda _what: None,
    ) -> AsyncIterator[Lab]:
        """Raises MachineError where this machine cannot run it: addresses, ports, binaries, a managed service."""
        check_runnable(deployment)
        require_lab_packages()
        block, lock = claim_block(one=options.one_address)
        if is_shared(block):
            report(DIFFERS)
        folder = options.folder or Path(tempfile.mkdtemp(prefix="secondsite-lab-"))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            check_room(folder)
            addresses = LabAddresses(block, regions_of(deployment), str(folder / "nats"))
            lab = cls(deployment, options, addresses, folder, lock)
            if options.databases and (why := refused()):
                report(f"{why}; its stores are not rehearsed")
            try:
                await asyncio.to_thread(lab.fleet.obtain, report)
                await lab._boot()
                yield lab
            finally:
                await lab.end_kubelet()
                lab.supervisor.close()
        finally:
            lock.close()
            if options.folder is None:
                shutil.rmtree(folder, ignore_errors=True)

    async def _boot(self) -> None:
        begin = time.monotonic()
        for region in self.regions:
            self.gates.set(region, is_open=True)
        servers = self.fleet.specs(frozenset(self.regions))
        check_free(self._endpoints())
        await self.supervisor.start(self._wan_spec())
        around = self.services.common() if self.options.services else ()
        stores = [spec for region in self.regions for spec in self.stores.specs(region)]
        await self.supervisor.start(*servers, *around, *stores)
        await self._find_each_other(servers)
        await self._create_streams()
        await self.supervisor.start(*(spec for region in self.regions for spec in self.shipped(region)))
        await self._leases_held()
        if self.options.services:
            running = [region for region in self.regions if self.services.runs_in(region)]
            await self.start_services(*running)
        if self.observing:
            await self.supervisor.start(*self.observing.specs(""), self.observing.judging())
        if self.options.pods:
            self.kubelet = Kubelet(
                self.supervisor,
                restarting(self.supervisor, self.services, self.servers(), self.addresses.listen, self.regions),
            )
        self.boot_s = time.monotonic() - begin

    async def _find_each_other(self, servers: tuple[Spec, ...]) -> None:
        """Started anew where they do not; a fresh lab's stores are empty then, as nothing is in them yet."""
        groups = [
            tuple((server, dialled(self.addresses.listen(server), MONITOR_PORT)) for server in group)
            for group in meta_groups(self.fleet.servers)
        ]
        for _ in range(_TRIES):
            end = time.monotonic() + self.options.ready_within_s / _TRIES
            while time.monotonic() < end:
                if await formed(groups):
                    return
                await asyncio.sleep(_LOOK_S)
            self.supervisor.kill(*(spec.name for spec in servers))
            if self.options.folder is None:
                for server in self.fleet.servers:
                    shutil.rmtree(self.addresses.store(server), ignore_errors=True)
            await self.supervisor.start(*servers)
        what = "its JetStream servers do not agree on a meta leader"
        raise MachineError.at("lab", what, "stop other work on this machine, and start the lab again")

    async def _leases_held(self) -> None:
        """Where servers start shut, and open once they hold a lease: in the region that may write at first."""
        first = [each for each in self.servers() if self.fleet.leased_first(each.region)]
        gates = [self.fleet.conf(each).parent / gate_file(each.region) for each in first]
        await all_open(gates, self.options.ready_within_s)

    async def _create_streams(self) -> None:
        urls = {region: self.nats_url(region, operator=True) for region in self.regions if self.servers(region)}
        await create_streams(self.deployment, urls, self.options.ready_within_s, self.options.aged)

    # --- what is where

    @property
    def regions(self) -> tuple[str, ...]:
        return self.addresses.regions

    def servers(self, region: str = "") -> tuple[NatsServer, ...]:
        """All nats-servers, or those of one region."""
        return tuple(server for server in self.fleet.servers if region in ("", server.region))

    def nats_urls(
        self, region: str, *, system: bool = False, operator: bool = False, reached_from: str = ""
    ) -> tuple[str, ...]:
        """Client URLs of every server of the region, login included: a writer's, the operator's, the system's.

        ``reached_from`` another region they lead through the WAN.
        """
        book = self.addresses
        login = book.system if system else book.operator if operator else book.application
        return self._urls(self._region(region), login, self._at(region, reached_from))

    def _urls(self, region: str, login: Login, at: Callable[[NatsServer], str]) -> tuple[str, ...]:
        servers, book = self.servers(region), self.addresses
        return tuple(f"nats://{login.user}:{login.password}@{book.at(at(server), CLIENT_PORT)}" for server in servers)

    def nats_url(self, region: str, *, system: bool = False, operator: bool = False, reached_from: str = "") -> str:
        """The same in one string, with commas between."""
        return ",".join(self.nats_urls(region, system=system, operator=operator, reached_from=reached_from))

    def _plain_url(self, region: str, reached_from: str = "") -> str:
        """Without a login."""
        at = self._at(region, reached_from)
        return ",".join(f"nats://{self.addresses.at(at(each), CLIENT_PORT)}" for each in self.servers(region))

    def _at(self, region: str, reached_from: str) -> Callable[[NatsServer], str]:
        near = reached_from in ("", region)
        return self.addresses.listen if near else partial(self.addresses.reached_from, self._region(reached_from))

    def shipped(self, region: str) -> tuple[Spec, ...]:
        """What runs beside the servers of a region, here as where it is deployed."""
        beside = (self.gates, self.agents, self.archivers, self.savers, self.observing)
        return tuple(spec for each in beside if each for spec in each.specs(region))

    def monitor_url(self, server: str) -> str:
        spec = next((each for each in self.servers() if each.name == server), None)
        if spec is None:
            raise InputError.at("lab", f"unknown server {server}", _one_of(each.name for each in self.servers()))
        return f"http://{dialled(self.addresses.listen(spec), MONITOR_PORT)}"

    def pods(self, region: str) -> tuple[ApiPod, ...]:
        """The processes of the API in the region."""
        return self.services.pods(self._region(region))

    @property
    def host(self) -> str:
        """The service's name, as clients look it up."""
        return self.services.host

    @property
    def resolver(self) -> Endpoint:
        """Where clients ask for names (UDP); it keeps answers as long as their TTL."""
        return self.addresses.resolver

    @property
    def s3(self) -> S3:
        return self.services.s3

    def address(self, region: str) -> str:
        """What the service's name leads to while the region serves."""
        return self.addresses.address(self._region(region))

    def gateway(self, region: str) -> Endpoint:
        """Where the region's clients arrive (HTTP); the service's name leads to its address."""
        return self.addresses.gateway(self._region(region))

    def consumed(self, region: str) -> Path:
        """What the region's consumers processed, as JSON lines; it outlives the region."""
        return self.services.record(self._region(region))

    # --- what is made on failover

    async def create_cluster(self, region: str) -> None:
        """Servers in a region that has none yet: as the primary's, empty and linked to nobody. Asked again, no more."""
        if not self.servers(self._region(region)):
            home, site = self.deployment.primary.region.name, self._site(region)
            today = [cluster for cluster in self.deployment.clusters if cluster.region == home]
            new = [evolve(named(one, site), streams=(), gateways=(), leaves=(), domain="") for one in today]
            grown = evolve(self.fleet.deployment, clusters=(*self.fleet.deployment.clusters, *new))
            self.fleet = evolve(self.fleet, deployment=grown)
            self.services = evolve(self.services, urls={**self.services.urls, region: self.nats_urls(region)})
        specs = self.fleet.specs(frozenset({region}))
        await self.supervisor.start(*(spec for spec in specs if not self.supervisor.alive(spec.name)))
        await self.answers(region)

    async def answers(self, region: str, within_s: float = 30.0) -> None:
        """Returns when JetStream answers in the region; raises MachineError where it does not within that time.

        A server that listens has no leader yet; a region that lost its quorum never gets one.
        """
        await wait_for_jetstream(self.nats_url(self._region(region)), within_s)

    async def start_services(self, *regions: str) -> None:
        """API, gateway and consumers of regions whose servers run; what runs already is left alone."""
        specs = [spec for region in regions for spec in self.services.regional(self._region(region))]
        await self.supervisor.start(*(spec for spec in specs if not self.supervisor.alive(spec.name)))

    # --- faults

    def kill(self, *names: str) -> Moment:
        """SIGKILL to processes by name; returns the instant before the first signal."""
        moment = Moment.now()
        self.supervisor.kill(*map(self._process, names))
        return moment

    async def restart(self, *names: str) -> None:
        """Start again what was killed, with its data where it left it."""
        await self.supervisor.start(*(self._spec_of(name) for name in names))

    def fill_memory(self, pod: str) -> Moment:
        """An API process takes memory until something ends it."""
        moment = Moment.now()
        self.supervisor.send(self._process(pod), signal.SIGUSR1)
        return moment

    def freeze(self, *names: str) -> Moment:
        """SIGSTOP: connections stay open and nobody answers."""
        moment = Moment.now()
        self.supervisor.freeze(*(self._process(name) for name in names))
        return moment

    def thaw(self, *names: str) -> None:
        self.supervisor.thaw(*(self._process(name) for name in names))

    async def kill_region(self, region: str) -> Moment:
        """Everything in the region dies at once, and with it all bytes that had not arrived elsewhere."""
        await self.wan.isolate(self._region(region))
        await self.end_kubelet()
        moment = Moment.now()
        self.supervisor.kill(*self.processes(region))
        await self.wan.lose(region)
        return moment

    async def restart_region(self, region: str, *, isolated: bool = False) -> None:
        """The region's servers with the data they had; ``isolated``: no leaf, no gateway, no route, no services.

        Where the region has a write gate it is shut at first, and kept from then on; its databases come back fenced.
        """
        chosen = frozenset({self._region(region)})
        self.gates.set(region, is_open=False)
        await self.supervisor.start(*self.fleet.specs(chosen, isolated=chosen if isolated else frozenset()))
        around = (*self.shipped(region), *self.stores.specs(region, fenced=True))
        await self.supervisor.start(*(spec for spec in around if not self.supervisor.alive(spec.name)))

    def processes(self, region: str = "") -> tuple[str, ...]:
        """Names of what runs, in all or in one region."""
        return tuple(name for name, running in self.supervisor.running.items() if region in ("", running.spec.region))

    async def end_kubelet(self) -> None:
        """From now on nothing restarts by itself."""
        if self.kubelet:
            await self.kubelet.end()
            self.kubelet = None

    def _pod_urls(self, region: str) -> tuple[str, ...]:
        """Where the region's pods reach its servers through a link that can be cut."""
        return self._urls(region, self.addresses.application, partial(self.addresses.reached_from, region))

    def _endpoints(self) -> list[Endpoint]:
        servers = self.fleet.servers
        own = [
            dialled(self.addresses.listen(server), port) for server in servers for port in (CLIENT_PORT, MONITOR_PORT)
        ]
        wan = [end for each in self._listeners(servers) for end in (each.at, each.to)]
        around = self.services.endpoints(self.regions) if self.options.services else ()
        return [*dict.fromkeys([*own, *wan, self.wan.control, *around, *self.stores.endpoints()])]

    def _listeners(self, servers: tuple[NatsServer, ...]) -> tuple[WanListener, ...]:
        beside = (
            *self.stores.listeners(),
            *self.archivers.ways(),
            *self.savers.ways(),
            *self.services.monitoring.listeners(),
        )
        return (*self.addresses.wan_listeners(servers, pods=self.options.pods), *beside)

    def _wan_spec(self) -> Spec:
        links = links_of(self.deployment, self.regions, self.options)
        return wan_spec(self.folder, self.options.seed, self.wan.control, links, self._listeners(self.fleet.servers))

    def _spec_of(self, name: str) -> Spec:
        every = [*self.fleet.specs(frozenset(self.regions)), *self.services.common(), self._wan_spec()]
        around = (self.services.regional, self.shipped, self.stores.specs)
        every += [spec for region in self.regions for each in around for spec in each(region)]
        specs = {spec.name: spec for spec in every}
        if name not in specs:
            raise InputError.at("lab", f"unknown process {name}", _one_of(specs))
        return specs[name]

    def _process(self, name: str) -> str:
        if name not in self.supervisor.running:
            raise InputError.at("lab", f"no process {name} runs", _one_of(self.supervisor.running))
        return name

    def _site(self, region: str) -> Region:
        return next(site.region for site in self.deployment.sites if site.region.name == region)

    def _region(self, region: str) -> str:
        if region not in self.regions:
            raise InputError.at("lab", f"unknown region {region}", _one_of(self.regions))
        return region


def _one_of(names: Iterable[str]) -> str:
    return f"there are {', '.join(names)}"

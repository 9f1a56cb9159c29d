"""A system in two regions as production has it: NATS under leases, a cluster each, a name server, a path of clients.

Real: nats-server with its gate as its parent, kube-apiserver and etcd, Knot DNS. Played: kubelets, by patching status,
and the API, which writes into the streams of the region that its name leads to.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen
from knot_server import SECRET, ZONE, knot, values
from kube_api import ADMIN, KubeApi, kube_api
from leased_home import LeasedPair, Link
from nats_world import free_ports
from operated_cluster import SHOP, applied, at_address, autoscaler, established, got, made_ready, service
from region_pair import AWAY, HOME, create, deployment_of, door, stream_named

from secondsite.discover.system_file.writing import write_system
from secondsite.model.access import (
    DnsProvider,
    Entrance,
    KubeAccess,
    NatsAccess,
    RecordAccess,
    RegionPlace,
)
from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.operate import Operate, WritePath, Writers
from secondsite.model.service import Autoscale, Role
from secondsite.model.traffic import Traffic
from secondsite.model.units import Seconds
from secondsite.model.watching import WatchPolicy
from secondsite.nats.tasks import end_tasks
from secondsite.strategies.design import Kit

LEAF = "warm-standby/leafnode-mirror"
HOST = f"api.{ZONE}"
ENTRANCES = {HOME: "192.0.2.1", AWAY: "192.0.2.9"}
LEASE_S, TTL_S = 3.0, 2.0
POSTGRES = "postgres"
_SERVICES = ("api", "kong")


@frozen
class Ran:
    code: int
    out: str
    err: str

    @property
    def plain(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@frozen
class Acknowledged:
    """``at`` on the machine's monotonic clock."""

    at: float
    region: str
    sequence: int


@define
class Clients:
    """The clients' path: one request is one write, in the region that the name led to when it was last asked, which is
    again once its TTL is over.
    """

    pair: LeasedPair
    dns: int
    acknowledged: dict[str, Acknowledged] = field(factory=dict)
    _region: str = ""
    _asked: float = float("-inf")

    async def write(self, message_id: str) -> tuple[int, dict[str, Any]]:
        """503 where nobody is there or takes it."""
        region = await self._led_to()
        with suppress(MachineError, TimeoutError):
            if region:
                async with asyncio.timeout(1), door(self.pair, region) as streams:
                    answer = await streams.publish(
                        "e.A.x", b"x", {"Nats-Msg-Id": message_id}, within_s=0.5, insist=False
                    )
                    if not answer.code:
                        self.acknowledged[message_id] = Acknowledged(time.monotonic(), region, answer.sequence)
                        return 200, {"stream": answer.stream, "sequence": answer.sequence}
        return 503, {}

    async def _led_to(self) -> str:
        if time.monotonic() - self._asked >= TTL_S:
            self._asked = time.monotonic()
            there = await asyncio.to_thread(values, self.dns, "api")
            self._region = next((region for region, at in ENTRANCES.items() if [at] == there), "")
        return self._region

    async def load(self) -> None:
        number = 0
        while True:
            await self.write(f"load-{number}")
            number += 1
            await asyncio.sleep(0.02)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request as `operate: path:` sends it."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        await reader.readexactly(int(headers.get("content-length", 0)))
        status, body = await self.write(headers.get("nats-msg-id", ""))
        text = json.dumps(body).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode() + text)
        await writer.drain()
        writer.close()


@frozen
class Production:
    """``verb`` runs the command line on the system file, and no option says where anything is."""

    folder: Path
    pair: LeasedPair
    clusters: Mapping[str, KubeApi]
    deployment: Deployment
    clients: Clients

    @property
    def environment(self) -> dict[str, str]:
        return {"DR_NATS": "operator", "HOME": str(self.folder), "PATH": os.environ["PATH"]}

    @property
    def file(self) -> str:
        return str(self.folder / "secondsite.yaml")

    async def verb(self, *arguments: str) -> Ran:
        """One that reads the system file."""
        return await self.ran(*arguments, "--file", self.file)

    async def ran(self, *arguments: str) -> Ran:
        command, environment = [sys.executable, "-m", "secondsite", *arguments], self.environment
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment
        )
        out, err = await process.communicate()
        return Ran(process.returncode or 0, out.decode(), err.decode())

    def lose(self, region: str) -> None:
        """Its servers of NATS are killed, its cluster answers nobody any more."""
        self.pair.kill(region)
        os.kill(self.clusters[region].pid, signal.SIGSTOP)

    def repair(self, region: str) -> None:
        os.kill(self.clusters[region].pid, signal.SIGCONT)
        self.pair.start(region)

    def replicas(self, region: str) -> dict[str, int]:
        items = got(self.clusters[region], "deployments", "-n", SHOP)["items"]
        return {one["metadata"]["name"]: one["spec"]["replicas"] for one in items}

    async def stored(self, region: str) -> list[str]:
        """The ids of all messages, in their order."""
        async with door(self.pair, region) as streams:
            state = await streams.stream("A")
            assert state
            return [m.headers.get("Nats-Msg-Id", "") async for m in streams.messages("A", 1, state.last_seq)]


def system_of(kit: Kit, *, stores: bool = False) -> Deployment:
    """Two services in front of one stream; nothing that somebody would have to restore by hand. With ``stores`` the
    database, which has a standby."""
    services = tuple(
        evolve(one, namespace=SHOP, autoscale=Autoscale(2, 10) if one.name == "api" else None)
        for one in kit.system.services
        if one.name in _SERVICES or one.role is Role.NATS or (stores and one.name == POSTGRES)
    )
    kept = tuple(one for one in kit.system.stores if stores and one.name == POSTGRES)
    traffic = Traffic(host=HOST, ttl_s=Seconds(TTL_S))
    bare = evolve(kit.system, services=services, stores=kept, secrets=(), backups=(), gateways=(), traffic=traffic)
    bare = evolve(bare, operate=Operate(writers=Writers.ONE, lease_s=Seconds(LEASE_S)))
    return deployment_of(evolve(kit, system=bare), LEAF, stream_named("A"))


def operated(
    deployment: Deployment,
    pair: LeasedPair,
    clusters: Mapping[str, KubeApi],
    ports: tuple[int, int],
    watch: WatchPolicy,
) -> Operate:
    """The whole block: where everything is, and how to log in there. ``ports`` of DNS and of the clients' path."""
    dns, path = ports
    places = tuple(
        RegionPlace(
            region,
            nats=NatsAccess(
                url=f"nats://127.0.0.1:{pair.ports[region][0]}",
                domain=region,
                user="operator",
                password="env:DR_NATS",
            ),
            kube=KubeAccess(f"file:{api.folder / 'config'}", ADMIN, _uid(api)),
            address=Entrance(service=f"{SHOP}/kong"),
        )
        for region, api in clusters.items()
    )
    server = f"127.0.0.1:{dns}"
    key = pair.folder / "tsig.key"
    key.write_text(f"hmac-sha256:secondsite:{SECRET}")
    record = RecordAccess(DnsProvider.RFC2136, ZONE, server, key=f"file:{key}", resolvers=(server,))
    assert deployment.system.operate
    return evolve(
        deployment.system.operate,
        deployed=LEAF,
        places=places,
        dns=record,
        path=WritePath(f"http://127.0.0.1:{path}/"),
        watch=watch,
    )


def _uid(api: KubeApi) -> str:
    return str(got(api, "namespace", "kube-system")["metadata"]["uid"])


@contextmanager
def clusters_up(folder: Path) -> Iterator[dict[str, KubeApi]]:
    """One a region, started beside each other; the standby's services run smaller."""
    clusters: dict[str, KubeApi] = {}
    with ExitStack() as stack:
        for region in (HOME, AWAY):
            (folder / f"kube-{region}").mkdir()
            clusters[region] = stack.enter_context(kube_api(folder / f"kube-{region}", {}))
        for region, api in clusters.items():
            established(api)
            count = 2 if region == HOME else 1
            applied(api, [*(service(name, count) for name in _SERVICES), autoscaler("api", count)])
            at_address(api, "kong", ENTRANCES[region])
            made_ready(api)
        yield clusters


@contextmanager
def kubelets(clusters: Mapping[str, KubeApi]) -> Iterator[None]:
    """Pods that are wanted are there a moment later."""
    stopped = threading.Event()

    def play(api: KubeApi) -> None:
        while not stopped.wait(0.3):
            with suppress(AssertionError, Exception):
                made_ready(api)

    threads = [threading.Thread(target=play, args=(api,)) for api in clusters.values()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


@asynccontextmanager
async def production(kit: Kit, folder: Path, watch: WatchPolicy) -> AsyncIterator[Production]:
    """Everything up, clients writing; who watches is told, and not started."""
    deployment = system_of(kit)
    with ExitStack() as stack:
        clusters = stack.enter_context(clusters_up(folder))
        (folder / "dns").mkdir()
        dns = stack.enter_context(knot(folder / "dns"))
        pair = LeasedPair(folder, deployment)
        clients, port = Clients(pair, dns), free_ports(1)[0]
        text = write_system(
            evolve(deployment.system, operate=operated(deployment, pair, clusters, (dns, port), watch), marks={})
        )
        (folder / "secondsite.yaml").write_text(text)
        server = await asyncio.start_server(clients.answer, "127.0.0.1", port)
        loading: list[asyncio.Task[None]] = []
        try:
            async with Link(pair.link, pair.ports[HOME][2]).up():
                for region in (HOME, AWAY):
                    await asyncio.to_thread(pair.start, region)
                await create(pair, deployment)
                await pair.opened()
                stack.enter_context(kubelets(clusters))
                loading.append(asyncio.ensure_future(clients.load()))
                yield Production(folder, pair, clusters, deployment, clients)
        finally:
            await end_tasks(*loading)
            server.close()
            for region, api in clusters.items():
                os.kill(api.pid, signal.SIGCONT)
                pair.kill(region)

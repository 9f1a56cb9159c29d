"""Two regions of one real nats-server each, joined by a leaf node, with a domain each; and doors that are files."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from attrs import evolve, field, frozen
from nats_world import free_ports

from secondsite.model.deployment import Deployment
from secondsite.model.nats import Consumer, Stream
from secondsite.model.strategy import Strategy
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import NatsPlace, nats_place
from secondsite.nats.streams import StreamApi
from secondsite.operate.identity import Identity
from secondsite.operate.layout import families
from secondsite.operate.live import LiveWorld, ReportedManualSteps
from secondsite.operate.world import Decision, PathWrite
from secondsite.secrets.door import UnrefreshedSecrets
from secondsite.secrets.fingerprints import fingerprint
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit
from secondsite.strategies.stream_config import consumer_config, stream_config

BINARY = Path(sys.executable).parent / "nats-server"
HOME, AWAY = "us-east-1", "us-west-2"
BY_HAND = (
    *("start-services", "scale-services", "promote-stores", "restore-stores", "serve-stores", "follow-stores"),
    *("follow-again", "resynchronise", "announce"),
)


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"not ready: {what}"
        time.sleep(0.02)


class Pair:
    """``start`` and ``kill`` a region; what it stored stays. ``gate``: what the writers' login includes at home.

    ``denied``: what the leaf link does not carry."""

    def __init__(
        self,
        folder: Path,
        gate: str = "",
        denied: tuple[str, ...] = ("events.>", "e.>"),
        binary: Path = BINARY,
    ) -> None:
        self.folder = folder
        self.binary = binary
        self.denied = denied
        self.gate = gate
        self.ports = dict(zip((HOME, AWAY), (free_ports(3), free_ports(3)), strict=True))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def url(self, region: str, login: str = "app") -> str:
        return f"nats://{login}:{login}@127.0.0.1:{self.ports[region][0]}"

    def place(self, region: str, login: str = "app") -> NatsPlace:
        return nats_place(self.url(region, login), ConnectOptions(timeout_s=2))

    def write_config(self, region: str) -> Path:
        path = self.folder / f"{region}.conf"
        path.write_text(self._config(region))
        return path

    def start(self, region: str) -> None:
        path = self.write_config(region)
        with (self.folder / f"{region}.log").open("ab") as log:
            self.processes[region] = subprocess.Popen(
                [self.binary, "-c", path], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        url = f"http://127.0.0.1:{self.ports[region][1]}/healthz"
        wait_until(lambda: _answers(url), (self.folder / f"{region}.log").read_text()[-2000:])

    def kill(self, region: str) -> None:
        process = self.processes.pop(region, None)
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)

    def signal(self, region: str, number: int) -> None:
        os.killpg(self.processes[region].pid, number)

    def _config(self, region: str) -> str:
        port, http, leaf = self.ports[region]
        return (
            f"server_name: {region}\nlisten: 127.0.0.1:{port}\nhttp: 127.0.0.1:{http}\n"
            f'jetstream {{ domain: {region}, store_dir: "{self.folder / region}" }}\n'
            f"accounts {{ APP {{ jetstream: enabled, users: [{{user: app, password: app\n{self._gate(region)}}},\n"
            "    {user: operator, password: operator}, {user: leaf, password: leaf}] }\n"
            "  SYS { users: [{user: sys, password: sys}] } }\nsystem_account: SYS\n"
            + (f"leafnodes {{ listen: 127.0.0.1:{leaf} }}\n" if region == HOME else self._remote())
        )

    def _gate(self, region: str) -> str:
        gated = self.gate and region == HOME
        return f'permissions {{ publish {{ include "{self.gate}"\n }} }}\n' if gated else ""

    def _remote(self) -> str:
        denied = json.dumps(self.denied)
        return (
            "leafnodes { reconnect: 1s, remotes: [{ account: APP,\n"
            f"  urls: [nats-leaf://leaf:leaf@127.0.0.1:{self.ports[HOME][2]}],\n"
            f"  deny_imports: {denied}, deny_exports: {denied} }}] }}\n"
        )


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 - our own loopback
        return bool(response.status == 200)
    return False


@frozen
class FileDns:
    """The record is a file, so that it is there for the next process."""

    path: Path

    async def owner(self) -> str:
        return ""

    async def may(self) -> str:
        return ""

    async def authoritative(self) -> Mapping[str, tuple[str, ...]]:
        return {"ns1": (self.read(),)}

    async def resolved(self) -> Mapping[str, tuple[str, ...]]:
        return {"resolver": (self.read(),)}

    async def addresses(self, region: str) -> tuple[str, ...]:
        return (region,)

    async def change(self, addresses: tuple[str, ...]) -> None:
        temporary = self.path.with_suffix(".new")
        temporary.write_text(addresses[0])
        temporary.replace(self.path)

    def read(self) -> str:
        return self.path.read_text() if self.path.exists() else HOME


@frozen
class NatsPath:
    """A client that publishes in the region the record names."""

    pair: Pair
    dns: FileDns
    subject: str
    made: list[str] = field(factory=list)

    async def write(self) -> PathWrite:
        message_id = f"path-{time.time_ns()}"
        async with self.pair.place(self.dns.read()).open() as jetstream:
            answer = await StreamApi(jetstream).publish(self.subject, b"path", {"Nats-Msg-Id": message_id})
        self.made.append(message_id)
        return PathWrite(200, message_id, answer.stream, answer.sequence)


@frozen
class SameSecrets(UnrefreshedSecrets):
    at: Mapping[str, bytes] = {"api-secrets": b"value"}

    async def reference(self, key: bytes) -> Mapping[str, str]:
        return {"api-secrets": fingerprint(key, {"KEY": b"value"})}

    async def fingerprints(self, region: str, key: bytes) -> Mapping[str, str]:
        del region
        return {name: fingerprint(key, {"KEY": value}) for name, value in self.at.items()}


def make_world(pair: Pair, folder: Path, subject: str = "e.probe", **more: object) -> LiveWorld:
    dns = FileDns(folder / "record")
    world = LiveWorld(
        regions={region: pair.place(region) for region in (HOME, AWAY)},
        decision=Decision("tester", time.time(), "the region is lost"),
        reach_s=1.0,
        dns=dns,
        secrets=SameSecrets(),
        path=NatsPath(pair, dns, subject),
        manual_steps=ReportedManualSteps(dict.fromkeys(BY_HAND, "tester")),
        identities={r: Identity(r, frozenset({r}), frozenset()) for r in (HOME, AWAY)},
    )
    return evolve(world, **more)  # type: ignore[arg-type] # fields of LiveWorld, spelled at the call


def deployment_of(kit: Kit, strategy: str, *streams: Stream) -> Deployment:
    """One server per region, so streams with one replica."""
    clusters = tuple(
        evolve(cluster, servers=1, streams=tuple(evolve(one, replicas=1) for one in streams or cluster.streams))
        for cluster in kit.system.nats
    )
    system = evolve(kit.system, nats=clusters)
    return lay_out(Strategy.parse(strategy), evolve(kit, system=system))


def stream_named(name: str) -> Stream:
    return Stream(name, subjects=(f"e.{name}.>",), consumers=(Consumer("worker"),))


@asynccontextmanager
async def door(pair: Pair, region: str) -> AsyncIterator[StreamApi]:
    async with pair.place(region).open() as jetstream:
        yield StreamApi(jetstream)


def journal_lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def create(pair: Pair, deployment: Deployment) -> None:
    """Every stream, mirror and consumer of the deployment. A mirror made before the link is there waits for 40 s."""
    await linked(pair)
    for cluster in deployment.clusters:
        async with door(pair, cluster.region or HOME) as streams:
            for stream in cluster.streams:
                await streams.create(stream_config(stream, cluster))
                for consumer in stream.consumers:
                    await streams.create_consumer(stream.name, consumer_config(consumer))
    await synchronised(pair, deployment)


async def linked(pair: Pair) -> None:
    """Until the leaf link is there."""
    deadline = time.monotonic() + 20
    async with door(pair, AWAY) as away:
        while not await away.reaches(HOME):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def synchronised(pair: Pair, deployment: Deployment) -> None:
    """Until every mirror heard from its origin and has all that it has."""
    deadline = time.monotonic() + 20
    async with door(pair, HOME) as home, door(pair, AWAY) as away:
        for family in families(deployment):
            while True:
                there, here = await home.stream(family.name), await away.stream(family.name)
                if there and here and here.last_seq == there.last_seq and (here.mirror_silent_s or 0) >= 0:
                    break
                assert time.monotonic() < deadline, f"{family.name} does not follow"
                await asyncio.sleep(0.02)


async def fill(pair: Pair, region: str, subject: str, count: int, start: int = 0) -> None:
    async with door(pair, region) as streams:
        for number in range(start, start + count):
            answer = await streams.publish(subject, b"x", {"Nats-Msg-Id": f"{subject}-{number}"})
            assert not answer.code

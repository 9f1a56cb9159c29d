"""The databases of a lab: a primary and a standby for each store that the deployment has follow in another region.

They are real servers. The standby follows through the WAN process. ``fsync`` is off: it guards against a machine that
loses power, and a lab kills processes, whose writes the machine keeps. So nothing that is measured changes with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path

from attrs import frozen

from secondsite.extras import install
from secondsite.lab import postgres_files as files
from secondsite.lab.addresses import POSTGRES_PORT
from secondsite.lab.binaries import digest
from secondsite.lab.store_fleet import Database, StoreFleet
from secondsite.lab.supervisor import Spec
from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import MachineError
from secondsite.model.store import Store
from secondsite.stores.postgres import PostgresServer, with_fence
from secondsite.stores.postgres_host import PostgresHost
from secondsite.stores.postgres_place import PostgresPlace
from secondsite.strategies.store_servers import CONFIRMING, FOLLOWER, postgres_follows
from secondsite.strategies.stores import store_replicas

_MAJOR = re.compile(r"(?:pg|postgres|postgresql:v?|postgres:v?)(\d+)")
_SETTINGS = {
    "unix_socket_directories": "",
    "fsync": "off",
    "shared_buffers": "16MB",
    "wal_retrieve_retry_interval": "200ms",
    "log_min_messages": "warning",
}


@frozen
class PostgresFleet(StoreFleet):
    ENGINES = frozenset({"postgres"})
    PORT = POSTGRES_PORT

    @property
    def installed(self) -> bool:
        return files.tools() is not None

    @cached_property
    def programs(self) -> Mapping[str, Path]:
        """By store, the folder of what serves it: of its own major version where that is installed."""
        return programs_of(self.deployment) if self.databases else {}

    def digests(self) -> dict[str, str]:
        """The digest of what runs, by name and version."""
        return {
            f"PostgreSQL {files.version(folder)}": digest(folder / "postgres")
            for folder in sorted(set(self.programs.values()))
        }

    def replaced(self) -> tuple[str, ...]:
        """What runs in the place of a version that is not here, in words."""
        lines = []
        for store in (each.replica.store for each in self.databases if not each.standby):
            major, runs = major_of(self.deployment, store), files.version(self.programs[store.name])
            if not major:
                lines.append(f"nothing states which PostgreSQL {store.name} is: {runs} is used instead")
            elif major != runs.split(".")[0]:
                remedy = f"apt-get install postgresql-{major}"
                lines.append(f"PostgreSQL {major} of {store.name} is not installed ({remedy}): {runs} is used instead")
        return tuple(lines)

    def server(self, store: str, region: str, *, reached_from: str = "", within_s: float = 2.0) -> PostgresServer:
        """As its operator; ``reached_from`` another region through the WAN."""
        at = self.endpoint(self.find(store, region), reached_from)
        return PostgresServer(PostgresPlace(conninfo(at, files.OPERATOR), within_s))

    def host(self, store: str, region: str) -> PostgresHost:
        """Its files, where it is stopped."""
        return PostgresHost(self.data(self.find(store, region)), self._programs(store), files.prefix())

    def keep(self, store: str, region: str, archive: Path) -> None:
        """The server ends, and its files go to the archive."""
        files.keep_cluster(self.host(store, region).tools, self.data(self.find(store, region)), archive)

    def _spec(self, database: Database, *, fenced: bool) -> Spec:
        store = database.replica.store
        programs, data, at = self._programs(store.name), self.data(database), self.endpoint(database)
        if not data.exists():
            aged, rewindable = self.aged.get(store.name), store.running is None or store.running.rewindable is not False
            files.new_cluster(programs, data, standby=database.standby, aged=aged, rewindable=rewindable)
            if database.replica.synchronous and not database.standby:
                files.set_once(data, "synchronous_standby_names", CONFIRMING)
        rules = data.with_name("pg_hba.conf")
        if fenced or not rules.exists():  # a fence outlives a restart
            rules.write_text(_rules(fenced=fenced), encoding="utf-8")
            files.own(rules)
        settings = {**_SETTINGS, "hba_file": str(rules), "cluster_name": database.name, **self._following(database)}
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = (*files.prefix(), str(programs / "postgres"), "-D", str(data), "-h", at.host, "-p", str(at.port))
        return Spec(
            database.name,
            (*command, *given),
            ready=partial(self._ready, database, fenced=fenced),
            region=database.region,
            sessions=True,
        )

    def _programs(self, store: str) -> Path:
        if store not in self.programs:
            raise MachineError.at("lab", "PostgreSQL is not installed", f"run: {install('lab')}")
        return self.programs[store]

    def _following(self, database: Database) -> dict[str, str]:
        if not database.standby:
            return {}
        return dict(postgres_follows(self.primary_of(database), synchronous=database.replica.synchronous))

    async def _ready(self, database: Database, *, fenced: bool) -> bool:
        try:
            state = await self.server(database.replica.store.name, database.region).look()
        except MachineError:
            return False
        return fenced or not state.standby or state.receiving


def programs_of(deployment: Deployment) -> dict[str, Path]:
    """Of what serves each store that follows in another region, by its name; none where PostgreSQL cannot run."""
    stores = {each.store.name: each.store for each in store_replicas(deployment) if each.store.engine == "postgres"}
    majors = {name: major_of(deployment, store) for name, store in stores.items()}
    folders = {major: files.tools(major) for major in set(majors.values())}
    return {name: folder for name, major in majors.items() if (folder := folders[major]) is not None}


def major_of(deployment: Deployment, store: Store) -> str:
    """As its server says, else as its image is called; empty where nothing tells."""
    if store.running is not None and store.running.version:
        return store.running.version.split(".")[0]
    service = deployment.system.service(store.service)
    match = _MAJOR.search((service.image if service else "") or "")
    return match[1] if match else ""


def conninfo(at: Endpoint, user: str) -> str:
    return f"host={at.host} port={at.port} user={user} dbname=postgres"


def _rules(*, fenced: bool) -> str:
    """Everybody is trusted: a lab listens on loopback alone, and its logins are no secrets."""
    every = (("all", files.OPERATOR), ("all", files.WRITER), ("replication", "all"))
    rules = "".join(f"host {what} {user} 127.0.0.0/8 trust\n" for what, user in every)
    return with_fence(rules, (files.WRITER, FOLLOWER)) if fenced else rules

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

from secondsite.lab import postgres_files as files
from secondsite.lab.addresses import LabAddresses, WanListener
from secondsite.lab.binaries import digest
from secondsite.lab.supervisor import Spec
from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import InputError, MachineError
from secondsite.stores.postgres import PostgresServer, with_fence
from secondsite.stores.postgres_host import PostgresHost
from secondsite.stores.postgres_place import PostgresPlace
from secondsite.strategies.stores import StoreReplica, store_replicas

_ENGINE = "postgres"
_MAJOR = re.compile(r"(?:pg|postgres|postgresql:v?|postgres:v?)(\d+)")
_SETTINGS = {
    "unix_socket_directories": "",
    "fsync": "off",
    "shared_buffers": "16MB",
    "wal_retrieve_retry_interval": "200ms",
    "log_min_messages": "warning",
}


@frozen
class Database:
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
class PostgresFleet:
    """``wanted``: whether the lab runs databases at all. ``aged``: files to begin with, by store."""

    deployment: Deployment
    addresses: LabAddresses
    folder: Path
    wanted: bool
    aged: Mapping[str, Path] = {}

    @cached_property
    def databases(self) -> tuple[Database, ...]:
        """None where the packages that it takes are not installed: then their stores are not rehearsed."""
        if not self.wanted or self.tools is None:
            return ()
        replicas = [each for each in store_replicas(self.deployment) if each.store.engine == _ENGINE]
        return tuple(
            Database(each, region, number)
            for number, each in enumerate(replicas)
            for region in (each.primary, each.standby)
        )

    @cached_property
    def tools(self) -> Path | None:
        return files.tools()

    @property
    def version(self) -> str:
        return files.version(self.tools) if self.tools else ""

    @property
    def stores(self) -> tuple[str, ...]:
        """By name, those that run."""
        return tuple(dict.fromkeys(each.replica.store.name for each in self.databases))

    def digests(self) -> dict[str, str]:
        """The digest of what runs, by name and version."""
        if not self.databases or self.tools is None:
            return {}
        return {f"PostgreSQL {self.version}": digest(self.tools / "postgres")}

    def replaced(self) -> tuple[str, ...]:
        """What runs in the place of a version that cannot be had, in words."""
        runs, lines = self.version, []
        for store in (each.replica.store for each in self.databases if not each.standby):
            service = self.deployment.system.service(store.service)
            match = _MAJOR.search((service.image if service else "") or "")
            if match is None:
                lines.append(f"nothing says which PostgreSQL {store.name} is: {runs} runs in its place")
            elif match[1] != runs.split(".")[0]:
                lines.append(f"PostgreSQL {match[1]} of {store.name} comes as no package: {runs} runs in its place")
        return tuple(lines)

    def specs(self, region: str, *, fenced: bool = False) -> tuple[Spec, ...]:
        """``fenced``: nobody but the operator gets in."""
        return tuple(self._spec(each, fenced=fenced) for each in self.databases if each.region == region)

    def find(self, store: str, region: str) -> Database:
        """Raises InputError."""
        for each in self.databases:
            if (each.replica.store.name, each.region) == (store, region):
                return each
        raise InputError.at("lab", f"no database {store} runs in {region}", "name one that the deployment replicates")

    def endpoint(self, database: Database) -> Endpoint:
        return self.addresses.database(database.region, database.number)

    def server(self, store: str, region: str, *, reached_from: str = "", within_s: float = 2.0) -> PostgresServer:
        """As its operator; ``reached_from`` another region through the WAN."""
        at = self.endpoint(self.find(store, region))
        if reached_from not in ("", region):
            at = self.addresses.database_reached_from(reached_from, region, self.find(store, region).number)
        return PostgresServer(PostgresPlace(conninfo(at, files.OPERATOR), within_s))

    def host(self, store: str, region: str) -> PostgresHost:
        """Its files, where it is stopped."""
        if self.tools is None:
            raise MachineError.at("lab", "PostgreSQL is not installed", "run: pip install 'secondsite[lab]'")
        return PostgresHost(self.data(self.find(store, region)), self.tools, files.prefix())

    def keep(self, store: str, region: str, archive: Path) -> None:
        """The server ends, and its files go to the archive."""
        files.keep_cluster(self.host(store, region).tools, self.data(self.find(store, region)), archive)

    def listeners(self) -> tuple[WanListener, ...]:
        return tuple(
            WanListener(
                region,
                each.region,
                self.addresses.database_reached_from(region, each.region, each.number),
                self.endpoint(each),
            )
            for each in self.databases
            for region in self.addresses.regions
            if region != each.region
        )

    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(self.endpoint(each) for each in self.databases)

    def data(self, database: Database) -> Path:
        return self.folder / "stores" / database.name / "data"

    def _spec(self, database: Database, *, fenced: bool) -> Spec:
        if self.tools is None:
            raise MachineError.at("lab", "PostgreSQL is not installed", "run: pip install 'secondsite[lab]'")
        data, at = self.data(database), self.endpoint(database)
        if not data.exists():
            aged = self.aged.get(database.replica.store.name)
            files.new_cluster(self.tools, data, standby=database.standby, aged=aged)
        rules = data.with_name("pg_hba.conf")
        if fenced or not rules.exists():  # a fence outlives a restart
            rules.write_text(_rules(fenced=fenced), encoding="utf-8")
            files.own(rules)
        settings = {**_SETTINGS, "hba_file": str(rules), "cluster_name": database.name, **self._following(database)}
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = (*files.prefix(), str(self.tools / "postgres"), "-D", str(data), "-h", at.host, "-p", str(at.port))
        return Spec(
            database.name,
            (*command, *given),
            ready=partial(self._ready, database, fenced=fenced),
            region=database.region,
            sessions=True,
        )

    def _following(self, database: Database) -> dict[str, str]:
        if not database.standby:
            return {}
        primary = self.addresses.database_reached_from(database.region, database.replica.primary, database.number)
        return {"primary_conninfo": conninfo(primary, files.FOLLOWER), "primary_slot_name": files.SLOT}

    async def _ready(self, database: Database, *, fenced: bool) -> bool:
        try:
            state = await self.server(database.replica.store.name, database.region).look()
        except MachineError:
            return False
        return fenced or not state.standby or state.receiving


def conninfo(at: Endpoint, user: str) -> str:
    return f"host={at.host} port={at.port} user={user} dbname=postgres"


def _rules(*, fenced: bool) -> str:
    """Everybody is trusted: a lab listens on loopback alone, and its logins are no secrets."""
    every = (("all", files.OPERATOR), ("all", files.WRITER), ("replication", "all"))
    rules = "".join(f"host {what} {user} 127.0.0.0/8 trust\n" for what, user in every)
    return with_fence(rules, (files.WRITER, files.FOLLOWER)) if fenced else rules

"""What the databases of a lab have in common, whatever runs: which there are, where they listen, where their files lie.

A primary and a standby for each store that the deployment has follow in another region; the standby follows through the
WAN process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from attrs import astuple, frozen

from secondsite.lab.addresses import LabAddresses, WanListener
from secondsite.lab.supervisor import Spec
from secondsite.model.deployment import Deployment
from secondsite.model.endpoint import Endpoint
from secondsite.model.errors import InputError
from secondsite.strategies.stores import StoreReplica, store_replicas


@frozen
class Database:
    """One server: ``standby`` as it began. ``number`` counts the stores of its engine."""

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
class StoreFleet:
    """Of the engines that one program serves. ``wanted``: whether the lab runs databases at all; ``aged``: files to
    begin with, by store.
    """

    ENGINES: ClassVar[Set[str]] = frozenset()
    PORT: ClassVar[int] = 0

    deployment: Deployment
    addresses: LabAddresses
    folder: Path
    wanted: bool
    aged: Mapping[str, Path] = {}

    @property
    def installed(self) -> bool:
        raise NotImplementedError

    @cached_property
    def databases(self) -> tuple[Database, ...]:
        """None where the packages that it takes are not installed: then their stores are not rehearsed."""
        if not self.wanted or not self.installed:
            return ()
        replicas = [each for each in store_replicas(self.deployment) if each.store.engine in self.ENGINES]
        return tuple(
            Database(each, region, number)
            for number, each in enumerate(replicas)
            for region in (each.primary, each.standby)
        )

    @property
    def stores(self) -> tuple[str, ...]:
        """By name, those that run."""
        return tuple(dict.fromkeys(each.replica.store.name for each in self.databases))

    def specs(self, region: str, *, fenced: bool = False) -> tuple[Spec, ...]:
        """``fenced``: nobody but the operator gets in."""
        return tuple(self._spec(each, fenced=fenced) for each in self.databases if each.region == region)

    def find(self, store: str, region: str) -> Database:
        """Raises InputError."""
        for each in self.databases:
            if (each.replica.store.name, each.region) == (store, region):
                return each
        raise InputError.at("lab", f"no database {store} runs in {region}", "give one that the deployment replicates")

    def endpoint(self, database: Database, reached_from: str = "") -> Endpoint:
        """``reached_from`` another region through the WAN."""
        if reached_from in ("", database.region):
            return self.addresses.database(database.region, database.number, self.PORT)
        return self.addresses.database_reached_from(reached_from, database.region, database.number, self.PORT)

    def host_of(self, database: Database) -> str:
        """As evidence names it."""
        return self.addresses.database_host(database.region, database.number)

    def ends(self, databases: Iterable[Database]) -> Mapping[str, tuple[str, int]]:
        """Where each is dialled, by its host."""
        return {self.host_of(each): astuple(self.endpoint(each)) for each in databases}

    def primary_of(self, standby: Database) -> Endpoint:
        """Where a standby follows."""
        primary = standby.replica.primary
        return self.addresses.database_reached_from(standby.region, primary, standby.number, self.PORT)

    def listeners(self) -> tuple[WanListener, ...]:
        return tuple(
            WanListener(region, each.region, self.endpoint(each, region), self.endpoint(each))
            for each in self.databases
            for region in self.addresses.regions
            if region != each.region
        )

    def endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(self.endpoint(each) for each in self.databases)

    def data(self, database: Database) -> Path:
        return self.folder / "stores" / database.name / "data"

    def _spec(self, database: Database, *, fenced: bool) -> Spec:
        raise NotImplementedError

"""A System laid out over regions by a Strategy: concrete sites, clusters, links, copies, records."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property

from attrs import frozen

from secondsite.model.contract import Subject
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault
from secondsite.model.nats import NatsCluster
from secondsite.model.region import Region
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.traffic import Traffic


class SiteRole(StrEnum):
    """``vault`` holds backups only; ``witness`` holds a vote and no traffic."""

    PRIMARY = "primary"
    STANDBY = "standby"
    ACTIVE = "active"
    WITNESS = "witness"
    VAULT = "vault"


@frozen
class PlacedService:
    """A service at a site; ``replicas`` run all the time, the rest start on failover."""

    service: str
    replicas: int


@frozen
class Site:
    region: Region
    role: SiteRole
    services: tuple[PlacedService, ...] = ()
    control_plane: bool = True

    def replicas(self, service: str) -> int:
        return self._replicas.get(service, 0)

    @cached_property
    def _replicas(self) -> Mapping[str, int]:
        return {placed.service: placed.replicas for placed in reversed(self.services)}


class LinkKind(StrEnum):
    """What carries it."""

    GATEWAY = "gateway"
    LEAF = "leaf"
    ROUTE = "route"
    DATABASE = "database"
    BACKUP = "backup"
    ARCHIVE = "archive"
    MANAGED = "managed"


@frozen
class WanLink:
    """A connection between regions.

    ``rtt_s`` is the round trip between the two, where it is known.
    """

    kind: LinkKind
    source: str
    target: str
    carries: str
    bytes_per_s: float
    rtt_s: float | None = None


@frozen(cache_hash=True)
class Copy:
    """One copy of a subject's data, as a level in a chain of copies (Keeton and Merchant, DSN 2004).

    What a loss costs when this is the best surviving copy: ``hold`` (how long data waits before it sets
    out) + ``propagate`` (how long it travels) + ``interval`` (how often the copy is refreshed).
    ``survives`` are the faults after which the copy is there and good; ``covers`` names the stores it holds
    (empty: all there is of the subject). ``restore``: how long bringing it back takes, where it says so itself.
    """

    subject: Subject
    what: str
    region: str
    method: str
    hold: Estimate
    propagate: Estimate
    interval: Estimate
    survives: frozenset[Fault]
    covers: tuple[str, ...] = ()
    restore: Estimate | None = None

    def left(self, subject: Subject, fault: Fault, item: str) -> bool:
        """Whether a store (or the streams) comes back from it after the fault."""
        return self.subject is subject and fault in self.survives and (not self.covers or item in self.covers)


@frozen
class Requirement:
    """What a strategy needs first: ``hours`` of work, once. ``without`` says what happens where it is skipped."""

    id: str
    what: str
    why: str
    hours: Estimate
    source: str
    without: str = ""


@frozen
class Deployment:
    system: System
    strategy: Strategy
    sites: tuple[Site, ...]
    clusters: tuple[NatsCluster, ...]
    links: tuple[WanLink, ...]
    copies: tuple[Copy, ...]
    traffic: Traffic
    requirements: tuple[Requirement, ...] = ()
    managed_plan: str = ""

    @property
    def primary(self) -> Site:
        return self.sites[0]

    @property
    def standby(self) -> Site | None:
        """The site that serves when the primary does not."""
        return next((site for site in self.sites[1:] if site.role in (SiteRole.STANDBY, SiteRole.ACTIVE)), None)

    @property
    def serving(self) -> tuple[Site, ...]:
        """The sites that take traffic while nothing is wrong."""
        return tuple(site for site in self.sites if site.role in (SiteRole.PRIMARY, SiteRole.ACTIVE))

    def site(self, role: SiteRole) -> Site | None:
        return next((site for site in self.sites if site.role is role), None)

"""Which services belong in a standby, and how many replicas of each run before it is needed."""

from __future__ import annotations

from attrs import evolve

from secondsite.model.deployment import PlacedService
from secondsite.model.service import Role, Service
from secondsite.model.store import Replication
from secondsite.model.system import System
from secondsite.strategies.stores import kept_by

_DATA_ROLES = (Role.NATS, Role.DATABASE, Role.SECRETS, Role.DELIVERY)


def lives(service: Service) -> bool:
    """Jobs run when they run; everything else occupies nodes."""
    return service.kind not in ("CronJob", "Job")


def full(system: System) -> tuple[PlacedService, ...]:
    """As today."""
    return tuple(PlacedService(s.name, s.replicas) for s in system.services if lives(s))


def second(system: System) -> tuple[PlacedService, ...]:
    """As today, but for what is restored there on the day."""
    return _not_yet(system, full(system))


def warm(system: System) -> tuple[PlacedService, ...]:
    """Every service runs: NATS in full, the rest with one replica, to be scaled up."""
    placed = tuple(
        PlacedService(s.name, s.replicas if s.role is Role.NATS else min(s.replicas, 1))
        for s in system.services
        if lives(s)
    )
    return _not_yet(system, placed)


def pilot(system: System) -> tuple[PlacedService, ...]:
    """Data lives, services sleep."""
    placed = tuple(
        PlacedService(s.name, (s.replicas if s.role is Role.NATS else 1) if s.role in _DATA_ROLES else 0)
        for s in system.services
        if lives(s)
    )
    return _not_yet(system, placed)


def _not_yet(system: System, placed: tuple[PlacedService, ...]) -> tuple[PlacedService, ...]:
    """A database that is kept as an archive of its log runs nowhere else."""
    logged = kept_by(system, Replication.ARCHIVE)
    asleep = {store.service for store in system.stores if store.name in logged}
    return tuple(evolve(each, replicas=0) if each.service in asleep else each for each in placed)


def without_nats(placed: tuple[PlacedService, ...], system: System) -> tuple[PlacedService, ...]:
    """The same without servers of our own."""
    return with_nats(placed, system, 0)


def with_nats(placed: tuple[PlacedService, ...], system: System, servers: int) -> tuple[PlacedService, ...]:
    """The same with another number of NATS servers."""
    names = {s.name for s in system.with_role(Role.NATS)} | {c.service for c in system.nats if c.service}
    return tuple(evolve(p, replicas=servers) if p.service in names else p for p in placed)

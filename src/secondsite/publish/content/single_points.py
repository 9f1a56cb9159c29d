"""What takes the service down alone: one replica, one copy, one region, one person."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from secondsite.model.service import Role
from secondsite.model.system import System
from secondsite.model.wording import counted

_NOT_SERVING = frozenset({Role.BACKUP, Role.DELIVERY, Role.OBSERVABILITY})


@frozen
class SinglePoint:
    """``takes_along`` are the services that need it, directly or through others; ``path`` leads to where it stands."""

    what: str
    why: str
    takes_along: tuple[str, ...]
    path: str


def single_points(system: System) -> tuple[SinglePoint, ...]:
    """Widest first: the region, then what the most services hang on."""
    region = SinglePoint(
        f"region {system.region.name}",
        "everything runs there",
        tuple(service.name for service in system.services),
        "region.name",
    )
    points = [*_services(system), *_streams(system), *_secrets(system), *_switch(system)]
    return (region, *sorted(points, key=lambda point: (-len(point.takes_along), point.what)))


def dependents(system: System, name: str) -> tuple[str, ...]:
    """Services that need it, and what needs those; what only watches or saves it goes on without."""
    names: list[str] = []
    ahead = [name]
    while ahead:
        wanted = ahead.pop(0)
        for service in system.services:
            routed = any(g.service == service.name and wanted in g.routes_to for g in system.gateways)
            needs = service.role not in _NOT_SERVING and (wanted in service.depends_on or routed)
            if needs and service.name not in names and service.name != name:
                names.append(service.name)
                ahead.append(service.name)
    return tuple(names)


def _services(system: System) -> Iterator[SinglePoint]:
    for service in system.services:
        if service.replicas > 1 or service.kind in ("CronJob", "Job", "DaemonSet"):
            continue
        alone = "one replica on one volume" if service.stateful else "one replica"
        yield SinglePoint(service.name, alone, dependents(system, service.name), f"services.{service.name}.replicas")


def _streams(system: System) -> Iterator[SinglePoint]:
    for cluster in system.nats:
        for stream in cluster.streams:
            if stream.replicas < 2:
                users = dependents(system, cluster.service or cluster.name)
                path = f"nats.{cluster.name}.streams.{stream.name}.replicas"
                yield SinglePoint(
                    f"stream {stream.name}", f"one copy on {counted(cluster.servers, 'servers')}", users, path
                )


def _secrets(system: System) -> Iterator[SinglePoint]:
    for store in dict.fromkeys(secret.store for secret in system.secrets if secret.store):
        secrets_of = [secret for secret in system.secrets if secret.store == store and len(secret.regions) < 2]
        if secrets_of:
            users = tuple(s.name for s in system.services if any(secret.name in s.secrets for secret in secrets_of))
            where = ", ".join(secrets_of[0].regions) or "an unknown region"
            yield SinglePoint(
                f"secret store {store}",
                f"holds {counted(len(secrets_of), 'secrets')}, in {where} only",
                users,
                f"secrets.{secrets_of[0].name}.regions",
            )


def _switch(system: System) -> Iterator[SinglePoint]:
    if system.traffic.host and not system.traffic.automatic:
        yield SinglePoint(f"record {system.traffic.host}", "it is changed by hand", (), "traffic.automatic")

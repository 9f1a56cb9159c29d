"""What cannot be true of a System, however well it is spelt: dangling names, shares that do not sum to one.

Pure. A path leads through attributes and positions, so that whoever read the System can say where it stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs

from secondsite.model.contract import Subject
from secondsite.model.flaw import Flaw, Path
from secondsite.model.service import Autoscale
from secondsite.model.store import Replication
from secondsite.model.system import System
from secondsite.model.validate_operate import OPERATE_CHECKS

_SHARE_TOLERANCE = 0.001


def flaws(system: System) -> list[Flaw]:
    """All of them, in the order of the checks."""
    return [flaw for check in _CHECKS for flaw in check(system)]


def find_cycle(edges: dict[str, Sequence[str]]) -> list[str] | None:
    """The names along one cycle, the first repeated at the end; None when there is none."""
    done: set[str] = set()
    for root in edges:
        trail: list[str] = []
        ahead: list[Iterator[str]] = [iter((root,))]
        while ahead:
            name = next(ahead[-1], None)
            if name is None:
                ahead.pop()
                if trail:
                    done.add(trail.pop())
            elif name in trail:
                return [*trail[trail.index(name) :], name]
            elif name in edges and name not in done:
                trail.append(name)
                ahead.append(iter(edges[name]))
    return None


def _numbers(system: System) -> Iterator[Flaw]:
    for path, name, value in _leaves(system, ()):
        low, high = _LIMITS.get(name, (0, None))
        if value < low or (high is not None and value > high):
            limits = f"{low} or more" if high is None else f"between {low} and {high}"
            negative = "is negative" if value < 0 <= low else f"is not {limits}"
            yield Flaw(path, f"{_number(value)} {negative}", f"write a number, {limits}")


# By attribute, optionally of a certain noun; every other number is 0 or more.
_LIMITS: dict[str, tuple[float, float | None]] = {
    "Consumer.max_deliver": (-1, None),
    "Consumer.replicas": (0, 5),
    "Stream.replicas": (1, 5),
    "Store.replicas": (1, None),
    "NatsClient.max_reconnects": (-1, None),
    "NatsCluster.servers": (1, None),
    "Region.zones": (1, None),
    "Backup.restore_bytes_per_s": (1, None),
    "Autoscale.min_replicas": (0, None),
    "Autoscale.max_replicas": (1, None),
    "Autoscale.cpu_percent": (1, 1000),
    "Autoscale.memory_percent": (1, 1000),
    "Probe.failure_threshold": (1, None),
    "Probe.port": (0, 65535),
    "Service.ports": (1, 65535),
    "Traffic.check_threshold": (1, None),
    "Population.share": (0, 1),
}


def _leaves(noun: Any, path: Path) -> Iterator[tuple[Path, str, float]]:
    """Path, ``Noun.attribute`` and value of every number."""
    for attribute in attrs.fields(type(noun)):
        if attribute.name == "marks":
            continue
        value = getattr(noun, attribute.name)
        items = enumerate(value) if isinstance(value, tuple) else ((None, value),)
        for position, item in items:
            below: Path = (*path, attribute.name) if position is None else (*path, attribute.name, position)
            if attrs.has(type(item)):
                yield from _leaves(item, below)
            elif isinstance(item, (int, float)) and not isinstance(item, bool):
                yield below, f"{type(noun).__name__}.{attribute.name}", item


def _number(value: float) -> str:
    return f"{value:g}"


def _names(system: System) -> Iterator[Flaw]:
    named: list[tuple[Path, Sequence[Any]]] = [
        ((kind,), getattr(system, kind))
        for kind in ("services", "nats", "stores", "secrets", "gateways", "alerts", "backups")
    ]
    for position, cluster in enumerate(system.nats):
        named.append((("nats", position, "streams"), cluster.streams))
        for number, stream in enumerate(cluster.streams):
            named.append((("nats", position, "streams", number, "consumers"), stream.consumers))
    for path, items in named:
        yield from _repeated(path, "name", [item.name for item in items])
    hosts = [service.host for service in system.external_services]
    yield from _repeated(("external_services",), "host", hosts)
    yield from _repeated(("contracts",), "subject", [contract.name for contract in system.contracts])
    yield from _repeated(("premises",), "region", [place.region for place in system.premises])
    yield from _repeated(("users",), "region", [population.region for population in system.users])
    yield from _repeated(("waivers",), "rule", [f"{w.rule}@{w.at}" if w.at else w.rule for w in system.waivers])
    if not system.name.strip():
        yield Flaw(("name",), "the system has no name", "write one, such as `name: shop`")


def _repeated(path: Path, attribute: str, names: Sequence[str]) -> Iterator[Flaw]:
    counts: Counter[str] = Counter()
    for position, name in enumerate(names):
        counts[name] += 1
        where = (*path, position, attribute)
        if not name.strip():
            yield Flaw(where, "is empty", "write a name")
        elif counts[name] == 2 or (counts[name] > 2):
            yield Flaw(where, f"{name!r} stands twice in `{path[-1]}`", "give each its own name, or remove one")


def _subjects(system: System) -> Iterator[Flaw]:
    for position, cluster in enumerate(system.nats):
        for number, stream in enumerate(cluster.streams):
            for place, subject in enumerate(stream.subjects):
                where = ("nats", position, "streams", number, "subjects", place)
                if why := not_a_subject(subject):
                    yield Flaw(where, f"{subject!r} is not a NATS subject: {why}", "write it as the stream has it")
                elif of_the_server(subject) and not stream.settings.get("no_ack"):
                    what = f"{subject!r} captures what servers say to each other, and they refuse such a stream"
                    yield Flaw(where, what, "narrow it; a stream that runs so has `no_ack: true` in its settings")


def not_a_subject(subject: str) -> str:
    """Why a server takes it for no subject; empty for one."""
    if any(character.isspace() or ord(character) < 32 or ord(character) == 127 for character in subject):
        return "it holds a blank or a control character"
    tokens = subject.split(".")
    if not all(tokens):
        return "a part of it is empty"
    return "> stands before its end" if ">" in tokens[:-1] else ""


def of_the_server(subject: str) -> bool:
    """Whether it overlaps what servers use among themselves; they take it only from a stream without acknowledgements.

    ``$JS.EVENT`` and ``$SYS.ACCOUNT`` are free (nats-server 2.15.1, measured).
    """
    first, *rest = subject.split(".")
    if any(subject.startswith(free) for free in ("$JS.EVENT.", "$SYS.ACCOUNT.")):
        return False
    return first == ">" or (bool(rest) and first in ("*", "$JS", "$JSC", "$SYS"))


def _references(system: System) -> Iterator[Flaw]:
    services = {service.name for service in system.services}
    reachable = services.union(
        *({noun.name for noun in getattr(system, kind)} for kind in ("nats", "stores", "gateways"))
    )
    for position, service in enumerate(system.services):
        yield from _dangling(("services", position, "depends_on"), service.depends_on, reachable)
    for kind in ("nats", "stores", "gateways", "backups"):
        for position, noun in enumerate(getattr(system, kind)):
            if noun.service and noun.service not in services:
                yield _unknown_service((kind, position, "service"), noun.service, services)
    for position, gateway in enumerate(system.gateways):
        yield from _dangling(("gateways", position, "routes_to"), gateway.routes_to, services)
    for position, external in enumerate(system.external_services):
        yield from _dangling(("external_services", position, "called_by"), external.called_by, services)
    for position, backup in enumerate(system.backups):
        yield from _dangling(("backups", position, "covers"), backup.covers, reachable)


def _ways(system: System) -> Iterator[Flaw]:
    """PostgreSQL alone is replicated synchronously, or kept as an archive of its log."""
    for position, store in enumerate(system.stores):
        if store.replication in (Replication.SYNCHRONOUS, Replication.ARCHIVE) and store.engine != "postgres":
            what = f"`replication: {store.replication}` is for postgres alone, and {store.name} is {store.engine}"
            yield Flaw(("stores", position, "replication"), what, "write replica, managed or none")


def _dangling(path: Path, names: Iterable[str], known: set[str]) -> Iterator[Flaw]:
    for position, name in enumerate(names):
        if name not in known:
            yield _unknown_service((*path, position), name, known)


def _unknown_service(path: Path, name: str, known: set[str]) -> Flaw:
    from difflib import get_close_matches  # only a wrong file needs it

    close = get_close_matches(name, sorted(known), 1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return Flaw(path, f"{name!r} is not a service of this system", f"{guess}name one under `services`, or add it there")


def _origins(system: System) -> Iterator[Flaw]:
    known = {stream.name for cluster in system.nats for stream in cluster.streams}
    for position, cluster in enumerate(system.nats):
        for number, stream in enumerate(cluster.streams):
            path: Path = ("nats", position, "streams", number)
            origins = [((*path, "sources", index), origin) for index, origin in enumerate(stream.sources)]
            if stream.mirror:
                origins.append(((*path, "mirror"), stream.mirror))
            if stream.mirror and stream.sources:
                yield Flaw((*path, "mirror"), f"{stream.name!r} has a mirror and sources", "keep one of the two")
            for where, origin in origins:
                if origin.stream == stream.name and not origin.domain and not origin.region:
                    yield Flaw((*where, "stream"), f"{stream.name!r} copies itself", "name another stream or a domain")
                elif not (origin.domain or origin.region or origin.external) and origin.stream not in known:
                    remedy = "name a stream of this file, the `domain` it lives in, or write `external: true`"
                    yield Flaw((*where, "stream"), f"{origin.stream!r} is not a stream of this system", remedy)
            if set(stream.name) & set(" .*>/\\\t"):
                yield Flaw((*path, "name"), f"{stream.name!r} is not a stream name", "leave out blanks and . * > / \\")


def _cycles(system: System) -> Iterator[Flaw]:
    edges: dict[str, Sequence[str]] = {
        service.name: [name for name in service.depends_on if name != service.name] for service in system.services
    }
    for position, service in enumerate(system.services):
        if service.name in service.depends_on:
            where = ("services", position, "depends_on", service.depends_on.index(service.name))
            yield Flaw(where, f"{service.name!r} depends on itself", "remove it here")
    cycle = find_cycle(edges)
    if cycle:
        position = next(i for i, service in enumerate(system.services) if service.name == cycle[-2])
        where = ("services", position, "depends_on", system.services[position].depends_on.index(cycle[-1]))
        remedy = "remove the one that can start without the other"
        yield Flaw(where, f"the dependencies run in a circle: {' -> '.join(cycle)}", remedy)


def _backup_chains(system: System) -> Iterator[Flaw]:
    names = {backup.name for backup in system.backups}
    for position, backup in enumerate(system.backups):
        if backup.copy_of and backup.copy_of not in names:
            what = f"{backup.copy_of!r} is not a backup of this system"
            yield Flaw(("backups", position, "copy_of"), what, "name one under `backups`, or remove it")
    cycle = find_cycle({backup.name: (backup.copy_of,) for backup in system.backups if backup.copy_of})
    if cycle:
        position = next(i for i, backup in enumerate(system.backups) if backup.name == cycle[-2])
        what = f"the backups are copies of each other: {' -> '.join(cycle)}"
        yield Flaw(("backups", position, "copy_of"), what, "remove it from the one that saves the data itself")


def _regions(system: System) -> Iterator[Flaw]:
    places = {(system.region.provider, system.region.name): "region"}
    for attribute in ("second", "third"):
        region = getattr(system, attribute)
        if region is None:
            continue
        other = places.setdefault((region.provider, region.name), attribute)
        if other != attribute:
            what = f"{region.name!r} is the same region as `{other}`"
            yield Flaw((attribute, "name"), what, "name a region that does not fail together with it")
    if system.third and not system.second:
        yield Flaw(("third",), "a third region without a second", "call it `second`")


def _shares(system: System) -> Iterator[Flaw]:
    total = sum(population.share for population in system.users)
    if system.users and abs(total - 1) > _SHARE_TOLERANCE:
        yield Flaw(("users",), f"the shares of the users sum to {total:.4g}", "make them sum to 1")


def _promises(system: System) -> Iterator[Flaw]:
    for position, contract in enumerate(system.contracts):
        path: Path = ("contracts", position)
        if not 0 < 1 - contract.confidence < 1:  # 5e-324 is above 0, and what is left beside it is all there is
            what = f"a confidence of {_number(contract.confidence)} is not between 0 and 1"
            yield Flaw((*path, "confidence"), what, "write a probability, such as 0.9")
        if contract.rto_s is None and contract.rpo_s is None:
            yield Flaw(path, f"{contract.name} promises nothing", "write an `rto`, an `rpo` or both")
        if contract.part and contract.subject not in (Subject.NATS, Subject.STATE):
            what = f"{contract.subject} has no parts"
            yield Flaw((*path, "subject"), what, "write a stream (nats/NAME) or a store (state/NAME)")
    for position, waiver in enumerate(system.waivers):
        if not waiver.reason.strip():
            what = f"the waiver of {waiver.rule!r} has no reason"
            yield Flaw(("waivers", position, "reason"), what, "write why the hazard is accepted")


def _scales(system: System) -> Iterator[Flaw]:
    for position, service in enumerate(system.services):
        scale: Autoscale | None = service.autoscale
        if scale and scale.min_replicas > scale.max_replicas:
            what = f"min_replicas {scale.min_replicas} is more than max_replicas {scale.max_replicas}"
            yield Flaw(("services", position, "autoscale", "min_replicas"), what, "exchange or correct them")
    if system.load.peak_per_s < system.load.mean_per_s:
        what = f"the peak of {_number(system.load.peak_per_s)}/s is below the mean"
        yield Flaw(("load", "peak_per_s"), what, f"write {_number(system.load.mean_per_s)} or more")


_CHECKS: tuple[Callable[[System], Iterator[Flaw]], ...] = (
    _numbers,
    _names,
    _subjects,
    *OPERATE_CHECKS,
    _references,
    _origins,
    _cycles,
    _backup_chains,
    _regions,
    _shares,
    _promises,
    _scales,
    _ways,
)

"""What cannot be true of the block ``operate:``: secrets in the open, references of the wrong kind, places without a
region, two places that say the same thing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from secondsite.model.access import DnsProvider, NatsAccess, RecordAccess, RecordSwitch, kinds_of
from secondsite.model.flaw import Flaw, Path
from secondsite.model.operate import Operate, Writers
from secondsite.model.redact import looks_secret
from secondsite.model.strategy import Strategy
from secondsite.model.system import System

SHORTEST_LEASE_S, LONGEST_LEASE_S = 3.0, 300.0
_SECRET_HEADER = re.compile("auth|key|token|secret|cookie|password", re.IGNORECASE)
_PROJECT_ZONE = re.compile(r"[^/\s]+/[^/\s]+")
_SERVICE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def _path_headers(operate: Operate) -> Iterator[Flaw]:
    """What proves who we are is never written down."""
    for place, header in enumerate(operate.path.headers if operate.path else ()):
        secret = _SECRET_HEADER.search(header.name)
        if secret and not header.value.startswith(("env:", "file:")):
            where = ("path", "headers", place, "value")
            yield Flaw(where, f"{header.name} is written out", "name where it is: env:NAME or file:PATH")


def _lease(operate: Operate) -> Iterator[Flaw]:
    """A shorter one is lost by a slow answer, a longer one is a failover that nobody waits for."""
    if not SHORTEST_LEASE_S <= operate.lease_s <= LONGEST_LEASE_S:
        what = f"a lease of {operate.lease_s:g} s is not between {SHORTEST_LEASE_S:g} s and {LONGEST_LEASE_S:g} s"
        yield Flaw(("lease_s",), what, "10 s is what most want: it is added to the RTO")


def _references(operate: Operate) -> Iterator[Flaw]:
    """A reference is of a kind that its field can follow, and nothing anywhere looks like a secret."""
    blocks = ("places", "dns", "secrets", "journal", "watch", "stores", "game_day")
    for name in blocks:
        value = getattr(operate, name)
        for path, attribute, text in _texts(value, (name,)):
            kinds = kinds_of(attribute)
            if kinds and not re.fullmatch(rf"({'|'.join(kinds)}):\S.*", text):
                # The value is not repeated: it may be the secret itself.
                yield Flaw(path, "is no reference", f"name where it is: {' or '.join(_SPELT[kind] for kind in kinds)}")
            elif looks_secret(text):
                yield Flaw(path, "looks like a secret", "name where it is: env:NAME or file:PATH")


_SPELT = {"env": "env:NAME", "file": "file:PATH"}


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, attrs.Attribute[Any], str]]:
    """Every text below, with its attribute."""
    if isinstance(value, tuple):
        for position, item in enumerate(value):
            yield from _texts(item, (*path, position))
    elif attrs.has(type(value)):
        for attribute in attrs.fields(type(value)):
            inner, below = getattr(value, attribute.name), (*path, attribute.name)
            if isinstance(inner, tuple) and not any(attrs.has(type(item)) for item in inner):
                yield from (((*below, place), attribute, item) for place, item in enumerate(inner))
            elif isinstance(inner, str):
                yield from ((below, attribute, inner),) if inner else ()
            else:
                yield from _texts(inner, below)


def _nats(operate: Operate) -> Iterator[Flaw]:
    for position, place in enumerate(operate.places):
        for attribute in ("nats", "system"):
            access: NatsAccess | None = getattr(place, attribute)
            where = ("places", position, attribute)
            if access and bool(access.context) == bool(access.url):
                yield Flaw(where, f"{attribute} of {place.region} has not one of context and url", "write one of them")
            elif access and "@" in access.url:
                yield Flaw((*where, "url"), "holds a login", "write `user` and a reference in `password`, or `creds`")


def _clusters(operate: Operate) -> Iterator[Flaw]:
    for position, place in enumerate(operate.places):
        if place.kube and not place.kube.context:
            what = f"no context leads to the cluster of {place.region}"
            yield Flaw(("places", position, "kube"), what, "write `context`: one of the kubeconfig")


def _entrances(operate: Operate) -> Iterator[Flaw]:
    for position, place in enumerate(operate.places):
        where = ("places", position, "address")
        if place.address and bool(place.address.service) == bool(place.address.at):
            yield Flaw(where, f"the address of {place.region} has not one of service and at", "write one of them")
        elif place.address and place.address.service and not _SERVICE.fullmatch(place.address.service):
            what = f"{place.address.service!r} is not a Service"
            yield Flaw((*where, "service"), what, "write NAMESPACE/NAME")
        elif place.address and place.address.service and not place.kube:
            what = f"nobody can ask for a Service of {place.region}"
            yield Flaw((*where, "service"), what, "say how its cluster is reached in `kube`, or write `at`")


def _twice(operate: Operate) -> Iterator[Flaw]:
    """One thing is said in one place of the file."""
    for position, place in enumerate(operate.places):
        if any(each.region == place.region for each in operate.places[:position]):
            yield Flaw(("places", position, "region"), f"{place.region!r} stands twice in `places`", "remove one")
        old = {
            ("kube", "cluster"): bool(place.kube and place.kube.cluster) and operate.clusters,
            ("address",): place.address and operate.entrances,
            ("stores",): place.stores and operate.stores,
        }
        for path, others in old.items():
            if others and any(other.region == place.region for other in others):
                key = {"kube": "clusters", "address": "entrances", "stores": "stores"}[path[0]]
                what = f"`{key}` says it of {place.region} already"
                yield Flaw(("places", position, *path), what, "keep one of the two")
        names = Counter(each.store for each in place.stores)
        for number, store in enumerate(place.stores):
            if names[store.store] > 1:
                where = ("places", position, "stores", number, "store")
                yield Flaw(where, f"{store.store!r} stands twice", "remove one")


def _deployed(operate: Operate) -> Iterator[Flaw]:
    if not operate.deployed:
        return
    try:
        Strategy.parse(operate.deployed)
    except ValueError as error:
        yield Flaw(("deployed",), str(error), "name one that `secondsite evaluate` shows")


def _record(operate: Operate) -> Iterator[Flaw]:
    record: RecordAccess | None = operate.dns
    if record and record.provider is DnsProvider.RFC2136 and not record.server:
        yield Flaw(
            ("dns",), "nobody takes updates", "write `server`: the primary server of the zone, HOST or HOST:PORT"
        )
    if record and record.provider is DnsProvider.POWERDNS and not record.server.startswith(("http://", "https://")):
        yield Flaw(
            ("dns",), "nobody takes changes", "write `server`: the URL of PowerDNS's webserver, http://HOST:PORT"
        )
    if record and record.provider in (DnsProvider.POWERDNS, DnsProvider.CLOUDFLARE) and not record.key:
        yield Flaw(("dns",), f"{record.provider} lets nobody in without a key", "write `key: env:NAME` or `file:PATH`")
    if record and record.provider is DnsProvider.GOOGLE and not _PROJECT_ZONE.fullmatch(record.zone):
        yield Flaw(("dns", "zone"), "does not say in which project it is", "write PROJECT/ZONE")
    if record and not record.zone.strip("."):
        yield Flaw(("dns", "zone"), "is no zone", "write its name, or the id that the provider gave it")


def _switch(operate: Operate) -> Iterator[Flaw]:
    """Health checks move clients, or somebody changes a record: strategy and record say the same."""
    if operate.dns is None or not operate.deployed or list(_deployed(operate)):
        return
    checked = Strategy.parse(operate.deployed).switch.in_data_plane
    if checked is not (operate.dns.switch is RecordSwitch.FAILOVER_RECORDS):
        what = f"{operate.dns.switch} is not how {operate.deployed} moves clients"
        remedy = f"write {RecordSwitch.FAILOVER_RECORDS if checked else RecordSwitch.RECORD}, or correct `deployed`"
        yield Flaw(("dns", "switch"), what, remedy)


def _watch(operate: Operate) -> Iterator[Flaw]:
    watch = operate.watch
    if watch is None:
        return
    places = {place.region for place in operate.places}
    for position, observer in enumerate(watch.observers):
        if observer.region and observer.region not in places:
            where = ("watch", "observers", position, "region")
            yield Flaw(where, f"{observer.region!r} is no place", "name one under `places`, or none for outside")
        if any(observer.name == each.name for each in watch.observers[:position]):
            yield Flaw(("watch", "observers", position, "name"), f"{observer.name!r} stands twice", "name it otherwise")
    if watch.quorum and watch.observers and not len(watch.observers) / 2 < watch.quorum <= len(watch.observers):
        what = f"{watch.quorum} of {len(watch.observers)} observers is no majority that can be had"
        yield Flaw(("watch", "quorum"), what, f"write {len(watch.observers) // 2 + 1}")
    for place, fault in enumerate(watch.decide):
        if not fault.leaves_region:
            yield Flaw(("watch", "decide", place), f"there is no failover for {fault}", "leave it out")
    for place, target in enumerate(watch.notify):
        if not target.startswith(("env:", "file:")):
            yield Flaw(("watch", "notify", place), "is no reference", "name where it is: env:NAME or file:PATH")


def _journal(operate: Operate) -> Iterator[Flaw]:
    region = operate.journal.region if operate.journal else ""
    if region and operate.place(region) is None:
        yield Flaw(("journal", "region"), f"{region!r} is no place", "name one under `places`")


_CHECKS: tuple[Callable[[Operate], Iterator[Flaw]], ...] = (
    *(
        _path_headers,
        _lease,
        _references,
        _nats,
        _clusters,
        _entrances,
        _twice,
        _deployed,
        _record,
        _switch,
        _watch,
        _journal,
    ),
)


def _lease_needs_a_gate(system: System) -> Iterator[Flaw]:
    """A gate denies subjects in a server's configuration, which says nothing of users in operator mode."""
    of_operator = [cluster.name for cluster in system.nats if cluster.operator]
    if of_operator and system.operate and system.operate.writers is Writers.ONE:
        what = f"one writer needs a write gate, and {of_operator[0]} has none: its users come from an operator's JWTs"
        yield Flaw(("operate", "writers"), what, "write available, or give its users logins in the configuration")


def _operate(system: System) -> Iterator[Flaw]:
    if system.operate:
        for check in _CHECKS:
            yield from (attrs.evolve(flaw, path=("operate", *flaw.path)) for flaw in check(system.operate))


OPERATE_CHECKS = (_operate, _lease_needs_a_gate)

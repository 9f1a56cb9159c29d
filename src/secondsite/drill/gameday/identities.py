"""What two systems would share: of a game day and production it has to be nothing. Pure: no reference is followed.

The same reference in both files is the same credential, so that a login of production is never read in a game day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from secondsite.model.access import kinds_of
from secondsite.model.system import System


def shared(staging: System, production: System) -> tuple[str, ...]:
    """Each that both have, in words."""
    theirs = _identities(production)
    return tuple(f"{what} {name}" for what, names in _identities(staging).items() for name in names & theirs[what])


def _identities(system: System) -> Mapping[str, frozenset[str]]:
    """By what it is. Empty texts identify nothing."""
    operate = system.operate
    identities: dict[str, set[str]] = {
        "cluster": set(operate.cluster_uids.values()) if operate else set(),
        "NATS server": set(_servers(system)),
        "NATS context": {access.context for access in _accesses(system)},
        "name": {system.traffic.host},
        "address": set(operate.entrances_written.values()) if operate else set(),
        "credential": set(_references(attrs.evolve(operate, game_day=None) if operate else None)),
        "login of a store": set(operate.store_logins.values()) if operate else set(),
        "credential of a header": set(_headers(system)),
        "URL": {_host_of(operate.path.url)} if operate and operate.path else set(),
    }
    return {what: frozenset(names - {""}) for what, names in identities.items()}


def _accesses(system: System) -> Iterator[Any]:
    for place in system.operate.places if system.operate else ():
        yield from (access for access in (place.nats, place.system) if access)


def _servers(system: System) -> Iterator[str]:
    for access in _accesses(system):
        yield from (urlsplit(url.strip()).netloc.rpartition("@")[2] for url in access.url.split(",") if url)


def _headers(system: System) -> Iterator[str]:
    path = system.operate.path if system.operate else None
    yield from (each.value for each in (path.headers if path else ()) if each.value.startswith(("env:", "file:")))


def _host_of(url: str) -> str:
    return urlsplit(url).netloc


def _references(value: Any) -> Iterator[str]:
    """Every reference below to what proves something: an authority's certificate proves nothing to anybody."""
    if isinstance(value, tuple):
        for item in value:
            yield from _references(item)
    elif attrs.has(type(value)):
        for attribute in attrs.fields(type(value)):
            inner = getattr(value, attribute.name)
            if kinds_of(attribute) and attribute.name not in _PUBLIC and isinstance(inner, str):
                yield inner
            else:
                yield from _references(inner)


_PUBLIC = ("ca", "approvers", "kubeconfig")
"""A kubeconfig may hold both; the clusters that it leads to are compared by their uids."""

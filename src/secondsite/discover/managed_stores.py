"""Databases and caches that a provider runs, known by the host names that workloads are given.

What such a name says is the engine and often the region. How many replicas it has, how large it is and how it is saved,
no manifest tells: the store has no service here, and nothing is said against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from attrs import evolve, frozen

from secondsite.discover.dependencies import PodSetting
from secondsite.discover.draft import Draft
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.place import Place
from secondsite.model.store import CopiesToday, Loss

_NAME = r"(?P<name>[a-z0-9][a-z0-9-]*)"
_REGION = r"[a-z]{2}(?:-[a-z]+)+-\d"
_GOOGLE = r"[a-z]+-[a-z]+\d{1,2}"


@frozen
class _Managed:
    """``engine`` is empty where the name does not tell: then the URL's scheme or the port does."""

    product: str
    pattern: re.Pattern[str]
    engine: str
    loss: Loss = Loss.DATA


def _host(product: str, pattern: str, engine: str, loss: Loss = Loss.DATA) -> _Managed:
    return _Managed(product, re.compile(pattern, re.IGNORECASE), engine, loss)


MANAGED = (
    _host("Amazon RDS", rf"{_NAME}\.(?:(?:cluster|proxy)-)?(?:ro-)?[a-z0-9]+\.{_REGION}\.rds\.amazonaws\.com", ""),
    _host(
        "Amazon ElastiCache",
        rf"(?:master\.|replica\.|clustercfg\.)?{_NAME}\.[a-z0-9.-]+\.cache\.amazonaws\.com",
        "redis",
        Loss.CACHE,
    ),
    _host("Amazon MemoryDB", rf"(?:clustercfg\.)?{_NAME}\.[a-z0-9.-]+\.memorydb\.{_REGION}\.amazonaws\.com", "redis"),
    _host("Azure Database for PostgreSQL", rf"{_NAME}\.(?:private\.)?postgres\.database\.azure\.com", "postgres"),
    _host("Azure Database for MySQL", rf"{_NAME}\.(?:private\.)?mysql\.database\.azure\.com", "mysql"),
    _host("Azure SQL", rf"{_NAME}\.database\.windows\.net", "sqlserver"),
    _host("Azure Cache for Redis", rf"{_NAME}\.redis(?:enterprise)?\.cache\.windows\.net", "redis", Loss.CACHE),
    _host("Cloud SQL", rf"(?<![\w/.:-])[a-z][a-z0-9-]{{4,28}}[a-z0-9]:{_GOOGLE}:{_NAME}", ""),
    _host("Cloud SQL", rf"{_NAME}\.[a-z0-9]+\.{_GOOGLE}\.sql(?:-psa)?\.goog", ""),
    _host("Memorystore", rf"{_NAME}\.[a-z0-9.-]*memorystore[a-z0-9.-]*\.goog", "redis", Loss.CACHE),
)
_BY_PORT = {"5432": "postgres", "3306": "mysql", "1433": "sqlserver", "1521": "oracle", "6379": "redis"}
_BY_WORD = (("postgres", "postgres"), ("pgsql", "postgres"), ("mysql", "mysql"), ("mariadb", "mysql"))


@frozen
class ManagedStore:
    name: str
    product: str
    engine: str
    loss: Loss
    place: Place


def managed_in(settings: Iterable[PodSetting]) -> tuple[ManagedStore, ...]:
    """Each once, from the first place that names it; an engine that another place tells is taken from there.

    A database and a cache of one name are two, and the second is told by its engine as well.
    """
    stores: dict[tuple[str, str], ManagedStore] = {}
    for setting in settings:
        for store in _named(setting):
            known = stores.get((store.product, store.name))
            if known is None or (known.engine == "unknown" and store.engine != "unknown"):
                stores[store.product, store.name] = store
    names: set[str] = set()
    named = []
    for store in stores.values():
        name = store.name if store.name not in names else f"{store.name}-{_label(store)}"
        names.add(name)
        named.append(evolve(store, name=name))
    return tuple(named)


def _label(store: ManagedStore) -> str:
    return store.engine if store.engine != "unknown" else store.product.lower().replace(" ", "-")


def is_managed(host: str) -> bool:
    """Whether it is one of a database or cache that a provider runs."""
    return any(managed.pattern.search(host) for managed in MANAGED)


def _named(setting: PodSetting) -> Iterator[ManagedStore]:
    for offset, line in enumerate(setting.text[:200_000].splitlines()):
        if line.lstrip().startswith(("#", "//", "--", ";")):
            continue
        for managed in MANAGED:
            for match in managed.pattern.finditer(line):
                place = Place(setting.place.file, setting.place.line + offset, 0 if offset else setting.place.column)
                engine = managed.engine or _engine(line, match, setting.name)
                yield ManagedStore(match["name"].lower(), managed.product, engine, managed.loss, place)


def _engine(line: str, match: re.Match[str], name: str) -> str:
    port = re.match(r":(\d+)", line[match.end() :])
    if port and port[1] in _BY_PORT:
        return _BY_PORT[port[1]]
    around = f"{name} {line[: match.start()]} {match[0]}".lower()
    return next((engine for word, engine in _BY_WORD if word in around), "unknown")


def managed_draft(store: ManagedStore) -> Draft:
    """``service`` stays empty: none of the cluster's own runs it."""
    draft = Draft({"name": store.name, "service": "", "persistent": True, "replicas": 1})
    draft.mark("", store.place)
    draft.read("loss", store.loss, store.place, f"its host name is one of {store.product}")
    draft.read("product", store.product, store.place, "by its host name")
    draft.read("replicated", CopiesToday.MANAGED, store.place, "its provider keeps its copies; none elsewhere is known")
    if store.engine == "unknown":
        draft.values["engine"] = store.engine
        draft.marks["engine"] = Mark(Knowledge.ASSUMED, store.place, f"{store.product} runs several: write which")
    else:
        draft.read("engine", store.engine, store.place, f"its host name is one of {store.product}")
    for key in ("persistent", "replicas"):
        draft.marks[key] = Mark(Knowledge.ASSUMED, store.place, f"{store.product} runs it: no manifest tells")
    return draft

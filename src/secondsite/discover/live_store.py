"""What a running database or cache said, and the store that follows from it.

A value that it would not say, or that its engine does not have, stays out, without a mark.
"""

from __future__ import annotations

from typing import Any

from attrs import asdict, evolve, frozen

from secondsite.discover.nats_cluster import host_label
from secondsite.model.errors import InputError
from secondsite.model.mark import Knowledge, Mark, key_of
from secondsite.model.place import Place
from secondsite.model.store import Loss, RunningStore, Store
from secondsite.model.system import System
from secondsite.model.units import Bytes
from secondsite.strategies.stores import REDIS


@frozen
class LiveStore:
    """``url`` holds no user information; ``rated`` says over which time its write rate is a mean."""

    url: str
    engine: str
    size_bytes: Bytes | None
    persistent: bool
    evicts: bool
    running: RunningStore
    rated: str = ""
    notes: tuple[str, ...] = ()


def merge_store(system: System, live: LiveStore, named: str = "") -> System:
    """The system with what the server said of the store: the one that is named, else the one of its engine.

    Raises InputError where several could be meant.
    """
    known = _meant(system, live, named)
    name = known.name if known else named or host_label(live.url)
    place = Place(live.url)
    path = f"stores.{name}"
    read: dict[str, Any] = {"running": live.running}
    if live.size_bytes is not None:
        read["size_bytes"] = live.size_bytes
    if live.engine in REDIS:
        read["persistent"] = live.persistent
    marks = {f"{path}.{key_of(attribute)}": Mark(Knowledge.READ, place) for attribute in read}
    for attribute, value in asdict(live.running, recurse=False).items():
        if value is not None and value != "":
            why = live.rated if attribute == "written_bytes_per_s" else ""
            marks[f"{path}.running.{key_of(attribute)}"] = Mark(Knowledge.READ, place, why)
    if known is None:
        loss = Loss.CACHE if live.engine in REDIS and (live.evicts or not live.persistent) else Loss.DATA
        known = Store(name, "", live.engine, loss, live.persistent)
        keys = ("", ".name", ".engine", ".loss", ".persistent")
        marks |= {f"{path}{key}": Mark(Knowledge.READ, place) for key in keys}
        system = evolve(system, stores=(*system.stores, known))
    merged = evolve(known, **read)
    stores = tuple(merged if each is known else each for each in system.stores)
    return evolve(system, stores=stores, marks={**system.marks, **marks})


def _meant(system: System, live: LiveStore, named: str) -> Store | None:
    if named:
        return next((store for store in system.stores if store.name == named), None)
    engines = REDIS if live.engine in REDIS else {live.engine}
    fitting = [store for store in system.stores if store.engine in engines]
    if len(fitting) > 1:
        label = host_label(live.url)
        fitting = [store for store in fitting if label in (store.name, store.service)] or fitting
    if len(fitting) > 1:
        what = f"{', '.join(store.name for store in fitting)}: several stores may be meant by {live.url}"
        raise InputError.at("init", what, f"name one of them: {fitting[0].name}=env:NAME")
    return fitting[0] if fitting else None

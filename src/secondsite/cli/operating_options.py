"""What `failover` and `failback` are told in words, checked before anything is done: a typo is never believed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from secondsite.model.errors import InputError, Problem
from secondsite.model.procedure import Verb

if TYPE_CHECKING:
    from secondsite.kube.cluster import ClusterPlace
    from secondsite.model.deployment import Deployment
    from secondsite.model.fault import Fault
    from secondsite.model.procedure import Procedure
    from secondsite.model.system import System
    from secondsite.operate.http_path import HttpPath
    from secondsite.operate.store_logins import StoreLogins
    from secondsite.stores.postgres_place import PostgresPlace
    from secondsite.stores.redis_place import RedisPlace


def pairs(given: tuple[str, ...], name: str) -> dict[str, str]:
    """NAME=VALUE, each name once; raises InputError."""
    values: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise InputError.at(name, f"{key!r} has no value", f"write {name} NAME=VALUE")
        if key in values:
            raise InputError.at(name, f"{key} is given twice", "give it once")
        values[key] = value
    return values


def places_given(given: tuple[str, ...], name: str, deployment: Deployment) -> dict[str, str]:
    """By region: one that the deployment does not have would be opened by nobody, and another one's be used instead."""
    operate, home = deployment.system.operate, deployment.primary.region.name
    known = {
        *(site.region.name for site in deployment.sites),
        *(cluster.region or home for cluster in deployment.clusters),
        *(place.region for place in (operate.places if operate else ())),
    }
    values = pairs(given, name)
    for region in values:
        if region not in known:
            raise _unknown(name, region, known, f"a region of {deployment.strategy.id}")
    return values


def check_allowed(given: tuple[str, ...]) -> None:
    """Raises InputError for what is no guard that may be lifted."""
    from secondsite.operate.action import ALLOWABLE

    for guard in given:
        if guard not in ALLOWABLE:
            raise _unknown("--allow", guard, ALLOWABLE, "a guard that may be lifted")


def done_by(given: tuple[str, ...], procedure: Procedure, who: str) -> dict[str, str]:
    """By step, who did it: the one who is named, or whoever declares the operation."""
    steps = {step.id for step in procedure.steps}
    people: dict[str, str] = {}
    for text in given:
        step, _, name = text.partition("=")
        if step not in steps:
            raise _unknown("--done", step, steps, f"a step of the {procedure.name}")
        by = name or who or os.environ.get("USER", "")
        if not by:
            raise InputError.at("--done", f"no name is given for {step}", f"write --done {step}=NAME, or give --who")
        people[step] = by
    return people


def commands_of(given: tuple[str, ...], procedure: Procedure) -> dict[str, str]:
    known = {step.id for step in procedure.steps} | {str(step.verb) for step in procedure.steps}
    commands = pairs(given, "--command")
    for name in commands:
        if name not in known:
            raise _unknown("--command", name, known, f"a step or verb of the {procedure.name}")
    return commands


def store_logins(given: tuple[str, ...], deployment: Deployment) -> StoreLogins | None:
    """Those of `operate: stores:`, and over them those that are given; None where there is none: databases are promoted
    by hand then. Raises InputError where one is left out.
    """
    from secondsite.operate.store_logins import StoreLogins
    from secondsite.stores.postgres_place import postgres_place
    from secondsite.stores.redis_place import redis_place
    from secondsite.strategies.stores import REDIS, store_replicas

    replicas = store_replicas(deployment)
    wanted = {f"{at}/{each.store.name}": each.store.engine for each in replicas for at in (each.primary, each.standby)}
    operate = deployment.system.operate
    by_option = pairs(given, "--store")
    logins = {**(operate.store_logins if operate else {}), **by_option}
    for name in logins:
        if name not in wanted:
            raise _unknown("--store", name, wanted, "a database that this strategy replicates")
    if missing := sorted(set(wanted) - set(logins)) if logins else []:
        raise InputError.at(
            "--store", f"no login for {', '.join(missing)}", "give --store REGION/STORE=env:NAME for each"
        )
    if not logins:
        return None
    places: dict[str, PostgresPlace | RedisPlace] = {}
    wrong: list[Problem] = []
    for name, login in logins.items():
        at = f"--store {name}" if name in by_option else f"secondsite.yaml: operate: {name}"
        try:
            places[name] = redis_place(login, at) if wanted[name] in REDIS else postgres_place(login, at)
        except InputError as error:
            wrong += error.problems
    if wrong:
        raise InputError(wrong)
    return StoreLogins(places)


def shown_clusters(system: System, places: Mapping[str, ClusterPlace]) -> dict[str, dict[str, str]]:
    """By the uid of kube-system; that of a place is compared whenever it is opened."""
    uids = dict(system.operate.cluster_uids if system.operate else {})
    shown = {region: uid if region in places else f"{uid} (not checked here)" for region, uid in uids.items()}
    opened = {region: f"{place.shown}, {shown.get(region, 'whichever it is')}" for region, place in places.items()}
    clusters = {**shown, **opened}
    return {"Kubernetes clusters": clusters} if clusters else {}


def target_of(procedure: Procedure) -> str:
    """Where the procedure moves clients to; what a command is told where its step names no region."""
    regions = (step.region for step in procedure.steps if step.verb in (Verb.PROMOTE_STREAMS, Verb.RESTORE_STREAMS))
    return next((region for region in regions if region), "")


def _unknown(option: str, given: str, known: Iterable[str], what: str) -> InputError:
    return InputError.at(option, f"{given!r} is not {what}", f"name one of {', '.join(sorted(known))}")


def path_of(system: System, url: str) -> HttpPath | None:
    """As `operate: path:` says; ``url`` goes before the one there."""
    from secondsite.model.operate import PathHeader, WritePath
    from secondsite.operate.http_path import client_path, path_resolvers

    written = system.operate.path if system.operate else None
    resolvers = path_resolvers(system.operate.dns if system.operate else None)
    if written is None:
        token = (PathHeader("X-API-Key", "env:SECONDSITE_PATH_TOKEN"),) if "SECONDSITE_PATH_TOKEN" in os.environ else ()
        return client_path(WritePath(url, headers=token)) if url else None
    return client_path(evolve(written, url=url) if url else written, resolvers)


def path_line(path: HttpPath | None) -> str:
    """Without what proves who we are."""
    if path is None:
        return ""
    codes = ", ".join(map(str, path.acknowledged))
    return f"{path.method} {path.url}, headers {', '.join(sorted(path.headers)) or 'none'}, acknowledged by {codes}"


def destroying(fault: str) -> Fault:
    """Raises InputError for a fault that destroys no data."""
    from secondsite.model.fault import Fault

    names = sorted(str(one) for one in Fault if one.destroys_data)
    if fault not in names:
        what = f"repair restores what was destroyed, and {fault!r} destroys no data"
        raise InputError.at("--fault", what, f"give --fault {' or --fault '.join(names)}")
    return Fault(fault)

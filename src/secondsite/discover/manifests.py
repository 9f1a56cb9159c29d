"""Manifests -> System, with a mark on every value that was read or assumed.

The order matters: workloads first, then who calls whom, then what that makes each of them. Nothing is promised
here: contracts are a person's to write. All problems of all manifests are told at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from secondsite.discover.alerts import alerts_of
from secondsite.discover.assembly import (
    Assembly,
    ReadManifests,
    add_backups,
    add_external_services,
    add_gateways,
    add_operated,
    add_releases,
    add_roles,
    add_secrets,
    add_services,
    add_stores,
)
from secondsite.discover.draft import Draft
from secondsite.discover.edge import traffic_draft
from secondsite.discover.files import find
from secondsite.discover.helm_releases import argo_applications, bus_notes
from secondsite.discover.helm_values import layered
from secondsite.discover.kinds import unknown_kinds
from secondsite.discover.nats_discovery import nats_of
from secondsite.discover.recognise import DELIVERING, PART_OF
from secondsite.discover.reconcilers import reconciler_notes, reconcilers_in
from secondsite.discover.resources import Resource, ResourceInventory
from secondsite.discover.surroundings import (
    economics_draft,
    load_draft,
    neighbour_draft,
    neighbours,
    region_draft,
    users_of,
)
from secondsite.model.economics import Economics
from secondsite.model.errors import Problem
from secondsite.model.load import Load
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import Stream, StreamOrigin
from secondsite.model.region import Region
from secondsite.model.system import System
from secondsite.model.traffic import Traffic


@frozen
class Discovery:
    """``unknown`` counts objects of kinds that were not understood; ``notes`` are for a person to read.

    ``skipped`` are files and documents that are no manifests, ``unread`` values that stand there and are unknown,
    ``reconcilers`` the controllers that revert what a failover changes, as a person declares them.
    """

    system: System
    unknown: Mapping[str, int]
    notes: tuple[str, ...]
    skipped: tuple[Problem, ...] = ()
    unread: tuple[Problem, ...] = ()
    reconcilers: tuple[str, ...] = ()


def discover(
    paths: Sequence[Path],
    *,
    name: str | None = None,
    base: Path,
    kubectl: bool = False,
    exclude: Sequence[str] = (),
    environments: Sequence[str] = (),
    live: Sequence[Resource] = (),
) -> Discovery:
    """Read folders and files. ``base`` is what places are told relative to; ``live`` are objects of a running cluster,
    taken where the files do not have them. Raises `InputError`, all problems in it.
    """
    manifests = find(paths, base, kubectl=kubectl, exclude=exclude, environments=environments)
    world = ReadManifests.of(ResourceInventory.of((*manifests.resources, *_beside(manifests.resources, live))))
    assembly = Assembly(notes=list(manifests.notes))
    add_services(assembly, world)
    add_operated(assembly, world)
    add_roles(assembly, world)
    nats = nats_of(world.inventory, world.workloads, assembly.services, world.network)
    assembly.clusters += nats.clusters
    for cluster in nats.clusters:
        for part in cluster.parts:
            service = assembly.services[part]
            needs = tuple(name for name in service.depends_on if name not in cluster.parts)
            assembly.services[part] = evolve(service, depends_on=needs)
    assembly.marks |= nats.marks
    assembly.notes += nats.notes
    assembly.problems += nats.problems
    add_releases(assembly, world.inventory, [layered(files) for files in manifests.values])
    _mark_external(assembly)
    system = _system(assembly, world)
    system = _named(system, world.inventory, name, paths)
    notes = [*assembly.notes, *_delivery_notes(world.inventory), *_streaming_notes(world), *bus_notes(world.inventory)]
    reconcilers = reconcilers_in(world.inventory, system.region.name)
    notes += reconciler_notes(reconcilers)
    unread = tuple(dict.fromkeys(assembly.problems))
    kinds = unknown_kinds(world.inventory)
    lines = tuple(f"{one.place}: {one.line}" for one in reconcilers)
    return Discovery(system, kinds, tuple(dict.fromkeys(notes)), tuple(manifests.skipped), unread, lines)


def _beside(known: Sequence[Resource], live: Sequence[Resource]) -> Iterator[Resource]:
    """Without what the files have: there an object without a namespace is the one of that name in any."""
    there = {(one.group, one.kind, one.namespace, one.name) for one in known}
    for resource in live:
        if not any(
            (resource.group, resource.kind, where, resource.name) in there for where in ("", resource.namespace)
        ):
            yield resource


def _system(assembly: Assembly, world: ReadManifests) -> System:
    """All parts, also where some of them have problems: the caller looks at those."""
    draft = region_draft(world.inventory, world.workloads)
    region = Region(**draft.values)
    placed = region.name if draft.marks["name"].origin is Knowledge.READ else ""
    assembly.take("region", draft)
    second, third = neighbours(region)
    for key, beside, use in (("second", second, "the standby"), ("third", third, "the witness")):
        if beside:
            assembly.take(key, neighbour_draft(region, beside, use))
    alerts, alert_draft = assembly.attempt(lambda: alerts_of(world.inventory)) or ([], Draft())
    assembly.take("", alert_draft)
    gateways = assembly.attempt(lambda: add_gateways(assembly, world)) or ()
    secrets = assembly.attempt(lambda: add_secrets(assembly, world)) or ()
    stores = add_stores(assembly, world)
    backups = assembly.attempt(lambda: add_backups(assembly, world, placed)) or ()
    traffic = assembly.attempt(lambda: traffic_draft(world.inventory, world.routes, assembly.services)) or Draft()
    load, economics = load_draft(), economics_draft()
    users, user_draft = users_of(region)
    assembly.take("traffic", traffic)
    assembly.take("load", load)
    assembly.take("economics", economics)
    assembly.take(f"users.{region.name}", user_draft)
    return System(
        name="system",
        region=region,
        second=second,
        third=third,
        services=tuple(assembly.services.values()),
        nats=tuple(assembly.clusters),
        stores=stores,
        secrets=secrets,
        gateways=gateways,
        external_services=add_external_services(assembly, traffic.values.get("host", "")),
        alerts=tuple(alerts),
        backups=backups,
        traffic=Traffic(**traffic.values),
        load=Load(**load.values),
        users=users,
        economics=Economics(**economics.values),
        marks=assembly.marks,
    )


def _named(system: System, inventory: ResourceInventory, name: str | None, paths: Sequence[Path]) -> System:
    parts = Counter(resource.labels.get(PART_OF, "") for resource in inventory.resources)
    for other in ("", *DELIVERING):
        parts.pop(other, None)
    application = next(argo_applications(inventory), None)
    if name:
        mark, label = Mark(Knowledge.ASSUMED, why="the name that was given"), name
    elif parts:
        label = parts.most_common(1)[0][0]
        mark = Mark(Knowledge.ASSUMED, why="the label app.kubernetes.io/part-of of most objects")
    elif application:
        label, mark = application.name, Mark(Knowledge.READ, application.place)
    else:
        label = paths[0].resolve().name if paths else "system"
        mark = Mark(Knowledge.ASSUMED, why="the name of the folder" if paths else "nothing that was read names it")
    return evolve(system, name=label, marks={**system.marks, "name": mark})


def _mark_external(assembly: Assembly) -> None:
    """Origins that no manifest makes: they stand elsewhere, and are kept as they are named."""
    known = {stream.name for cluster in assembly.clusters for stream in cluster.streams}

    def completed(origin: StreamOrigin, stream: Stream) -> StreamOrigin:
        if origin.domain or origin.stream in known:
            return origin
        assembly.notes.append(
            f"{stream.name} copies {origin.stream}, which is no stream of this system: kept as external"
        )
        return evolve(origin, external=True)

    for number, cluster in enumerate(assembly.clusters):
        streams = tuple(
            evolve(
                stream,
                mirror=completed(stream.mirror, stream) if stream.mirror else None,
                sources=tuple(completed(origin, stream) for origin in stream.sources),
            )
            for stream in cluster.streams
        )
        assembly.clusters[number] = evolve(cluster, streams=streams)


def _streaming_notes(world: ReadManifests) -> list[str]:
    return [
        f"{workload.resource.place}: {workload.name} is NATS Streaming (STAN), not NATS JetStream: what it holds is "
        "not seen, and no strategy here moves it"
        for workload in world.workloads
        if workload.kind and workload.kind.engine == "nats-streaming"
    ]


def _delivery_notes(inventory: ResourceInventory) -> list[str]:
    notes = []
    for application in argo_applications(inventory):
        sources = (application.spec["source"], *application.spec["sources"].items)
        how = "on every commit" if application.spec["syncPolicy"]["automated"].node is not None else "by hand"
        origins = [
            f"{source['repoURL'].text} ({source['targetRevision'].text or 'HEAD'})"
            for source in sources
            if source["repoURL"].text
        ]
        notes.append(f"{application.place}: Argo CD deploys {application.name} {how} from {', '.join(origins)}")
    return notes

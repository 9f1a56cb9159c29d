"""The parts of a System, put together in order: each step sees what those before it found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from attrs import define, evolve, field, frozen

from secondsite.discover.backups import BackupSource, cron_backups, velero_backups
from secondsite.discover.clients import ack_buffer, build_buffer, build_client, nats_client
from secondsite.discover.dependencies import Network, PodSetting, dependencies, secrets_of, settings_of
from secondsite.discover.draft import Draft, under
from secondsite.discover.edge import Route, gateway_drafts, routes_of
from secondsite.discover.helm_nats import release
from secondsite.discover.resources import ResourceInventory
from secondsite.discover.secrets_found import secret_drafts
from secondsite.discover.stores import store_draft
from secondsite.discover.workloads import Workload, service_draft, workloads_of
from secondsite.discover.yaml_source import MapNode
from secondsite.model.backup import Backup
from secondsite.model.errors import InputError, Problem
from secondsite.model.gateway import Gateway
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.nats import NatsCluster
from secondsite.model.secret import Secret
from secondsite.model.service import Role, Service
from secondsite.model.store import Store

T = TypeVar("T")

_LOOKS_LIKE_API = re.compile(r"api|gateway|web|frontend|backend|server", re.IGNORECASE)


@frozen
class ReadManifests:
    """All that was read, looked through once. ``settings`` are keyed by the workload's name."""

    inventory: ResourceInventory
    workloads: Sequence[Workload]
    network: Network
    routes: Sequence[Route]
    settings: Mapping[str, Sequence[PodSetting]]

    @classmethod
    def of(cls, inventory: ResourceInventory) -> ReadManifests:
        workloads = list(workloads_of(inventory))
        network = Network.of(inventory, workloads)
        settings = {workload.name: list(settings_of(workload, inventory)) for workload in workloads}
        return cls(inventory, workloads, network, routes_of(inventory, network), settings)


@define
class Assembly:
    """The System as it comes together."""

    services: dict[str, Service] = field(factory=dict)
    clusters: list[NatsCluster] = field(factory=list)
    marks: dict[str, Mark] = field(factory=dict)
    notes: list[str] = field(factory=list)
    problems: list[Problem] = field(factory=list)

    def take(self, path: str, draft: Draft) -> None:
        self.marks |= under(path, draft.marks)

    def attempt(self, make: Callable[[], T]) -> T | None:
        """What ``make`` gives; its problems are collected, so that those of the other parts are found too."""
        try:
            return make()
        except InputError as error:
            self.problems.extend(error.problems)
            return None


def add_services(assembly: Assembly, world: ReadManifests) -> None:
    for workload in world.workloads:
        draft = service_draft(workload, world.inventory, assembly.problems)
        own = world.settings[workload.name]
        inside, outside = dependencies(workload, own, world.network)
        if inside:
            draft.read("depends_on", tuple(inside), next(iter(inside.values())))
        if outside:
            assembly.notes.append(f"{workload.name} calls hosts outside of the cluster: {', '.join(outside)}")
        client, buffer = nats_client(own), ack_buffer(own)
        if client:
            draft.values["nats_client"] = build_client(client)
            draft.nest("nats_client", client)
        if buffer:
            draft.values["ack_buffer"] = build_buffer(buffer)
            draft.nest("ack_buffer", buffer)
        assembly.services[workload.name] = Service(**draft.values)
        assembly.take(f"services.{workload.name}", draft)


def add_roles(assembly: Assembly, world: ReadManifests) -> None:
    """What each workload is: by its product, by what leads to it, by what it does."""
    routed = {name for route in world.routes for name, _ in route.targets}
    served = set(world.network.by_name.values())
    for workload in world.workloads:
        role, why = _role(workload, routed, served)
        service = assembly.services[workload.name]
        assembly.services[workload.name] = evolve(service, role=role)
        path = f"services.{workload.name}.role"
        place = workload.main["image"].place if workload.kind else workload.resource.place
        assembly.marks[path] = Mark(Knowledge.READ, place, why) if place else Mark(Knowledge.ASSUMED, why=why)


def _role(workload: Workload, routed: set[str], served: set[str]) -> tuple[Role, str]:
    if workload.kind:
        return workload.kind.role, f"its image is {workload.kind.engine}"
    if workload.name in routed:
        return Role.API, "an Ingress leads to it"
    if workload.resource.kind == "CronJob":
        named = re.search(r"back-?up|dump|snapshot", workload.resource.name, re.IGNORECASE)
        return (Role.BACKUP, "a job named after backups") if named else (Role.WORKER, "a job on a schedule")
    if not routed and workload.name in served and _LOOKS_LIKE_API.search(workload.name):
        return Role.API, "no Ingress is there, and it is named like one"
    return Role.WORKER, "nothing outside of the cluster leads to it"


def add_releases(assembly: Assembly, values: Sequence[MapNode]) -> None:
    """NATS as the Helm chart would deploy it; a rendered one of the same name is already there."""
    for number, node in enumerate(values):
        try:
            made = release(node, name="nats" if number == 0 else f"nats-{number + 1}")
        except InputError as error:
            assembly.problems.extend(error.problems)
            continue
        assembly.notes += made.notes
        if made.service.name in assembly.services:
            assembly.notes.append(f"{node.place.file}: not used, as {made.service.name} is there rendered")
            continue
        assembly.services[made.service.name] = made.service
        existing = next((cluster for cluster in assembly.clusters if not cluster.service), None)
        cluster = made.cluster
        if existing:
            assembly.clusters.remove(existing)
            cluster = evolve(cluster, streams=existing.streams)
            moved = {path: mark for path, mark in assembly.marks.items() if path.startswith(f"nats.{existing.name}.")}
            for path, mark in moved.items():
                del assembly.marks[path]
                assembly.marks[f"nats.{cluster.name}.{path.split('.', 2)[2]}"] = mark
            assembly.marks.pop(f"nats.{existing.name}", None)
        assembly.clusters.append(cluster)
        assembly.marks |= made.marks


def add_gateways(assembly: Assembly, world: ReadManifests) -> tuple[Gateway, ...]:
    """What a gateway routes to, and where it counts, it depends on."""
    found = []
    for draft in gateway_drafts(world.inventory, world.workloads, world.routes, world.network):
        gateway = Gateway(**draft.values)
        found.append(gateway)
        assembly.take(f"gateways.{gateway.name}", draft)
        service = assembly.services.get(gateway.service)
        if service:
            needs = [*service.depends_on, *gateway.routes_to, gateway.rate_limit_store]
            depends_on = tuple(dict.fromkeys(name for name in needs if name))
            assembly.services[service.name] = evolve(service, depends_on=depends_on)
            mark = draft.marks.get("routes_to")
            if mark and depends_on:
                assembly.marks.setdefault(f"services.{service.name}.depends_on", mark)
    return tuple(found)


def add_secrets(assembly: Assembly, world: ReadManifests) -> tuple[Secret, ...]:
    drafts = secret_drafts(world.inventory, world.workloads)
    for draft in drafts.values():
        assembly.take(f"secrets.{draft.values['name']}", draft)
    for workload in world.workloads:
        used = {drafts[(workload.namespace, name)].values["name"]: at for name, _, at in secrets_of(workload)}
        if used:
            service = assembly.services[workload.name]
            assembly.services[workload.name] = evolve(service, secrets=tuple(used))
            place = next(iter(used.values())).place
            assembly.marks[f"services.{workload.name}.secrets"] = Mark(Knowledge.READ, place)
    return tuple(Secret(**draft.values) for draft in drafts.values())


def add_stores(assembly: Assembly, world: ReadManifests) -> tuple[Store, ...]:
    found = []
    for workload in world.workloads:
        draft = store_draft(workload, assembly.services[workload.name], world.settings[workload.name], assembly.marks)
        if draft:
            found.append(Store(**draft.values))
            assembly.take(f"stores.{workload.name}", draft)
    return tuple(found)


def add_backups(assembly: Assembly, world: ReadManifests, region: str) -> tuple[Backup, ...]:
    by_role: dict[Role, list[str]] = {}
    for service in assembly.services.values():
        by_role.setdefault(service.role, []).append(service.name)
    drafts: list[Draft] = []
    for workload in world.workloads:
        if workload.resource.kind == "CronJob":
            try:
                drafts += cron_backups(
                    BackupSource(workload, world.settings[workload.name]), by_role, world.inventory, region
                )
            except InputError as error:
                assembly.problems.extend(error.problems)
    drafts += velero_backups(world.inventory, world.workloads, region)
    found: dict[str, Backup] = {}
    for draft in drafts:
        while draft.values["name"] in found:
            draft.values["name"] += "-2"
        backup = Backup(**draft.values)
        found[backup.name] = backup
        assembly.take(f"backups.{backup.name}", draft)
        job = assembly.services.get(backup.service)
        if job:
            assembly.services[job.name] = evolve(job, role=Role.BACKUP)
    return tuple(found.values())

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
from secondsite.discover.edge import gateway_drafts
from secondsite.discover.external_services import ExternalCalls, external_service
from secondsite.discover.helm_nats import release
from secondsite.discover.helm_releases import Release, releases_in
from secondsite.discover.managed_resources import managed_resource_draft, managed_resources
from secondsite.discover.managed_stores import managed_draft, managed_in
from secondsite.discover.operated import Operated, is_copy, operated_in, service_of, store_of
from secondsite.discover.operated_backups import backups_of
from secondsite.discover.recognise import DELIVERING, PART_OF
from secondsite.discover.resources import ResourceInventory
from secondsite.discover.routes import Route, host_text, routes_of
from secondsite.discover.secret_drafts import secret_drafts
from secondsite.discover.stores import store_draft
from secondsite.discover.workloads import Workload, service_draft, workloads_of
from secondsite.discover.yaml_source import MapNode
from secondsite.model.backup import Backup
from secondsite.model.errors import InputError, Problem
from secondsite.model.external_service import ExternalService
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
    operated: Sequence[Operated] = ()

    @property
    def own_hosts(self) -> frozenset[str]:
        """Names of the system's own ways in: who calls one of them calls no service of others."""
        return frozenset(host_text(at) for route in self.routes for at in route.hosts)

    @classmethod
    def of(cls, inventory: ResourceInventory) -> ReadManifests:
        workloads = list(workloads_of(inventory))
        operated = operated_in(inventory, frozenset(workload.name for workload in workloads))
        network = Network.of(inventory, workloads)
        for one in operated:
            for host in one.operator.hosts:
                network.by_name.setdefault((one.resource.where, host.format(one.resource.name)), one.name)
        settings = {workload.name: list(settings_of(workload, inventory)) for workload in workloads}
        return cls(inventory, workloads, network, routes_of(inventory, network), settings, operated)


@define
class Assembly:
    """The System as it comes together. ``problems`` are values that cannot be read: unknown, and no error."""

    services: dict[str, Service] = field(factory=dict)
    clusters: list[NatsCluster] = field(factory=list)
    marks: dict[str, Mark] = field(factory=dict)
    notes: list[str] = field(factory=list)
    problems: list[Problem] = field(factory=list)
    outside: ExternalCalls = field(factory=ExternalCalls)

    def take(self, path: str, draft: Draft) -> None:
        self.marks |= under(path, draft.marks)
        self.problems += draft.unread

    def attempt(self, make: Callable[[], T]) -> T | None:
        """What ``make`` gives; its problems are collected, so that those of the other parts are found too."""
        try:
            return make()
        except InputError as error:
            self.problems.extend(error.problems)
            return None


def add_services(assembly: Assembly, world: ReadManifests) -> None:
    for workload in world.workloads:
        draft = service_draft(workload, world.inventory)
        own = world.settings[workload.name]
        inside, outside = dependencies(workload, own, world.network)
        if inside:
            draft.read("depends_on", tuple(inside), next(iter(inside.values())))
        outside = {host: place for host, place in outside.items() if host not in world.own_hosts}
        if outside:
            assembly.notes.append(f"{workload.name} calls hosts outside of the cluster: {', '.join(outside)}")
            assembly.outside.add(workload.name, outside)
        client, buffer = nats_client(own), ack_buffer(own)
        if client:
            draft.values["nats_client"] = build_client(client)
            draft.nest("nats_client", client)
        if buffer:
            draft.values["ack_buffer"] = build_buffer(buffer)
            draft.nest("ack_buffer", buffer)
        assembly.services[workload.name] = Service(**draft.values)
        assembly.take(f"services.{workload.name}", draft)


def add_operated(assembly: Assembly, world: ReadManifests) -> None:
    """What operators run, as services beside the others."""
    for one in world.operated:
        draft = service_of(one)
        assembly.services[one.name] = Service(**draft.values)
        assembly.take(f"services.{one.name}", draft)


def add_roles(assembly: Assembly, world: ReadManifests) -> None:
    """What each workload is: by its product, by what leads to it, by what it does."""
    applications = {workload.name for workload in world.workloads if not workload.kind}
    routed = {name: route.resource.kind for route in world.routes for name, _ in route.targets if name in applications}
    served = set(world.network.by_name.values())
    for workload in world.workloads:
        role, why = _role(workload, routed, served)
        service = assembly.services[workload.name]
        assembly.services[workload.name] = evolve(service, role=role)
        path = f"services.{workload.name}.role"
        place = workload.main["image"].place if workload.kind else workload.resource.place
        assembly.marks[path] = Mark(Knowledge.READ, place, why) if place else Mark(Knowledge.ASSUMED, why=why)


def _role(workload: Workload, routed: Mapping[str, str], served: set[str]) -> tuple[Role, str]:
    part = workload.resource.labels.get(PART_OF, "")
    if part in DELIVERING and not (workload.kind and workload.kind.loss):
        return Role.DELIVERY, f"a part of {part}"
    if workload.kind and workload.resource.kind != "CronJob":
        return workload.kind.role, f"its image is {workload.kind.engine}"
    if workload.name in routed:
        kind = routed[workload.name]
        return Role.API, f"{'an' if kind[0] in 'AEIO' or kind.startswith('HTTP') else 'a'} {kind} leads to it"
    if workload.resource.kind == "CronJob":
        named = re.search(r"back-?up|dump|snapshot", workload.resource.name, re.IGNORECASE)
        return (Role.BACKUP, "a job named after backups") if named else (Role.WORKER, "a job on a schedule")
    if not routed and workload.name in served and _LOOKS_LIKE_API.search(workload.name):
        return Role.API, "there is no Ingress, and its name suggests one"
    return Role.WORKER, "nothing outside of the cluster leads to it"


def add_releases(assembly: Assembly, inventory: ResourceInventory, values: Sequence[MapNode]) -> None:
    """NATS as a Helm chart or an operator would deploy it; a rendered one of the same name is already there."""
    files = [Release("nats", "default", node, known=False) for node in values]
    names: set[str] = set()
    for source in (*files, *releases_in(inventory)):
        name = source.name
        number = 2
        while name in names:
            name, number = f"{source.name}-{number}", number + 1
        names.add(name)
        try:
            made = release(
                source.values, name=name, namespace=source.namespace, known=source.known, unread=source.unread
            )
        except InputError as error:
            assembly.problems.extend(error.problems)
            continue
        assembly.notes += made.notes
        assembly.problems += made.unread
        if made.service.name in assembly.services:
            file = source.values.place.file
            assembly.notes.append(f"{file}: not used: {made.service.name} is in the rendered manifests")
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
    gateways = []
    for draft in gateway_drafts(world.inventory, world.workloads, world.routes, world.network):
        gateway = Gateway(**draft.values)
        gateways.append(gateway)
        assembly.take(f"gateways.{gateway.name}", draft)
        service = assembly.services.get(gateway.service)
        if service:
            needs = [*service.depends_on, *gateway.routes_to, gateway.rate_limit_store]
            depends_on = tuple(dict.fromkeys(name for name in needs if name))
            assembly.services[service.name] = evolve(service, depends_on=depends_on)
            mark = draft.marks.get("routes_to")
            if mark and depends_on:
                assembly.marks.setdefault(f"services.{service.name}.depends_on", mark)
    return tuple(gateways)


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
    stores = []
    for workload in world.workloads:
        draft = store_draft(workload, assembly.services[workload.name], world.settings[workload.name], assembly.marks)
        if draft:
            stores.append(Store(**draft.values))
            assembly.take(f"stores.{workload.name}", draft)
    for one in (one for one in world.operated if not is_copy(one, world.operated)):
        draft = store_of(one, service_of(one), world.operated)
        stores.append(Store(**draft.values))
        assembly.take(f"stores.{one.name}", draft)
    for asked in managed_resources(world.inventory):
        draft = managed_resource_draft(asked)
        stores.append(Store(**draft.values))
        assembly.take(f"stores.{asked.name}", draft)
    taken = {store.name for store in stores}
    for managed in managed_in(setting for settings in world.settings.values() for setting in settings):
        if managed.name not in taken:
            draft = managed_draft(managed)
            stores.append(Store(**draft.values))
            assembly.take(f"stores.{managed.name}", draft)
    return tuple(stores)


def add_external_services(assembly: Assembly, own: str) -> tuple[ExternalService, ...]:
    drafts = assembly.outside.drafts(own)
    for draft in drafts:
        assembly.take(f"external_services.{draft.values['host']}", draft)
    return tuple(map(external_service, drafts))


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
    drafts += [draft for one in world.operated for draft in backups_of(one, world.inventory)]
    backups: dict[str, Backup] = {}
    for draft in drafts:
        while draft.values["name"] in backups:
            draft.values["name"] += "-2"
        backup = Backup(**draft.values)
        backups[backup.name] = backup
        assembly.take(f"backups.{backup.name}", draft)
        job = assembly.services.get(backup.service)
        if job:
            assembly.services[job.name] = evolve(job, role=Role.BACKUP)
    return tuple(backups.values())

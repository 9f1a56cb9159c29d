"""The services of each region, scaled through its cluster: what would put them back is held still first.

Servers of NATS and databases are left alone: they carry data, and other steps are theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import evolve, frozen

from secondsite.kube.capacity import rooms, size, unplaced
from secondsite.kube.cluster import Cluster, ClusterConflictError, ClusterPlace, ClusterRefusedError, Right, together
from secondsite.kube.holding import ControllerState, controller, hold, release
from secondsite.kube.workload import Autoscaler, GitOpsOwner, WorkloadState
from secondsite.model.errors import MachineError
from secondsite.model.operate import Operate, Reconciler, ReconcilerKind
from secondsite.model.service import Role, Service
from secondsite.operate.world import Replicas

_TRIES = 5
_SCALED = ("Deployment", "StatefulSet")
_WITH_DATA = (Role.NATS, Role.DATABASE)
_RESOURCES = {"Deployment": "deployments", "StatefulSet": "statefulsets"}
_CONTROLLERS = {
    ReconcilerKind.ARGO_CD: ("argoproj.io", "applications"),
    ReconcilerKind.FLUX_KUSTOMIZATION: ("kustomize.toolkit.fluxcd.io", "kustomizations"),
    ReconcilerKind.FLUX_HELM_RELEASE: ("helm.toolkit.fluxcd.io", "helmreleases"),
}


@frozen
class _ServiceState:
    """One service as its cluster has it. ``controllers`` would put it back; ``beyond`` those that are out of reach."""

    workload: WorkloadState
    autoscaler: Autoscaler | None
    controllers: tuple[ControllerState, ...]
    beyond: tuple[str, ...]


@frozen
class ClusterWorkloads:
    """``places`` by region. What owns a service is read off it, and off ``operate: reconcilers:``."""

    places: Mapping[str, ClusterPlace]
    services: tuple[Service, ...]
    reconcilers: tuple[Reconciler, ...] = ()

    def reaches(self, region: str) -> bool:
        return region in self.places

    async def replicas(self, region: str) -> Mapping[str, Replicas]:
        async with self.places[region].open() as cluster:
            mine = [service for service in self.services if scaled_here(service)]
            listed = await self._autoscalers(cluster, mine)
            states = await together(self._state_of(cluster, region, service, listed) for service in mine)
            rights = [tuple(_rights(service, one)) for service, one in zip(mine, states, strict=True)]
            lacking = await cluster.may(right for several in rights for right in several)
        return {
            service.name: _replicas(one, [right for right in several if right in lacking])
            for service, one, several in zip(mine, states, rights, strict=True)
        }

    async def scale(self, region: str, service: str, replicas: int) -> None:
        """Looked at right before, and again where somebody was faster: pods that report change the object, too."""
        await self._scaled(region, service, replicas, dry_run=False)

    async def rehearse(self, region: str, service: str, replicas: int) -> str:
        """By the server's own dry run: quotas and admission are asked, rights among them."""
        try:
            await self._scaled(region, service, replicas, dry_run=True)
        except (ClusterRefusedError, ClusterConflictError) as error:
            return error.problems[0].what
        return ""

    async def crowded(self, region: str, more: Mapping[str, int]) -> str:
        async with self.places[region].open() as cluster:
            free = await rooms(cluster)
            if free is None:
                return ""
            mine = [one for one in self.services if one.name in more]
            sizes = await together(size(cluster, one.kind, one.namespace, one.object_name) for one in mine)
        wanted = {one.name: (more[one.name], each) for one, each in zip(mine, sizes, strict=True)}
        missing = unplaced(free, wanted).items()
        lacking = ", ".join(f"{count} pods of {name} ({wanted[name][1]} each)" for name, count in missing)
        return f"the nodes of {region} have no room for {lacking}" if lacking else ""

    async def _scaled(self, region: str, service: str, replicas: int, *, dry_run: bool) -> None:
        named = next(one for one in self.services if one.name == service)
        async with self.places[region].open() as cluster:
            for left in reversed(range(_TRIES)):
                try:
                    await self._swapped(cluster, region, named, replicas, dry_run=dry_run)
                except ClusterConflictError:
                    if not left:
                        raise
                else:
                    return

    async def _swapped(self, cluster: Cluster, region: str, service: Service, replicas: int, *, dry_run: bool) -> None:
        state = await self._state_of(cluster, region, service, await self._autoscalers(cluster, [service]))
        if state is None:
            remedy = "deploy it there, or fix its name and namespace"
            raise MachineError.at(cluster.shown, f"there is no {_named(service)}", remedy)
        for one in state.controllers:
            await hold(cluster, one, dry_run=dry_run)
        if state.autoscaler and state.autoscaler.floor < replicas:
            await cluster.keep_at_least(state.autoscaler, replicas, dry_run=dry_run)
        if state.workload.wanted < replicas:
            await cluster.scale(state.workload, replicas, dry_run=dry_run)

    async def release(self, region: str) -> tuple[str, ...]:
        """Give controllers and autoscalers what they had before us; by name. What somebody else holds stays."""
        freed = []
        async with self.places[region].open() as cluster:
            for scaler in await self._autoscalers(cluster, filter(scaled_here, self.services)):
                if scaler.held is not None:
                    await cluster.give_back_floor(scaler)
                    freed.append(scaler.shown)
            for service in filter(scaled_here, self.services):
                workload = await cluster.workload(service.kind, service.namespace, service.object_name)
                for owner in self._owners(region, workload) if workload else ():
                    state = await controller(cluster, owner)
                    if state and state.held is not None:
                        await release(cluster, state)
                        freed.append(state.shown)
        return tuple(freed)

    async def _autoscalers(self, cluster: Cluster, services: Iterable[Service]) -> tuple[Autoscaler, ...]:
        """None of a namespace that may not be listed, which `_rights` has said then."""
        spaces = dict.fromkeys(service.namespace for service in services)

        async def listed(space: str) -> tuple[Autoscaler, ...]:
            try:
                return await cluster.autoscalers(space)
            except ClusterRefusedError:
                return ()

        return tuple(one for several in await together(map(listed, spaces)) for one in several)

    async def _state_of(
        self, cluster: Cluster, region: str, service: Service, autoscalers: Sequence[Autoscaler]
    ) -> _ServiceState | None:
        workload = await cluster.workload(service.kind, service.namespace, service.object_name)
        if workload is None:
            return None
        scales = next((one for one in autoscalers if one.scales(workload)), None)
        controllers, beyond = [], []
        for owner in self._owners(region, workload):
            try:
                state = await controller(cluster, owner)
            except ClusterRefusedError:
                state = None
            if state is None:
                beyond.append(f"{owner.kind} {owner.name}")
            elif not state.still:
                controllers.append(state)
        return _ServiceState(workload, scales, tuple(controllers), tuple(beyond))

    def _owners(self, region: str, workload: WorkloadState) -> Iterator[GitOpsOwner]:
        """Each once: the file knows in which namespace the object of a controller lies."""
        written = [
            GitOpsOwner(one.kind, one.name, one.namespace)
            for one in self.reconcilers
            if one.region == region and one.kind in _CONTROLLERS and (not one.owns or workload.name in one.owns)
        ]
        yield from written
        owner = workload.owner
        if owner and not any((owner.kind, owner.name) == (one.kind, one.name) for one in written):
            known = (one for one in self.reconcilers if (one.kind, one.name) == (owner.kind, owner.name))
            yield evolve(owner, namespace=owner.namespace or next((one.namespace for one in known), ""))


def _replicas(state: _ServiceState | None, lacking: Sequence[Right]) -> Replicas:
    if state is None:
        return Replicas(0, 0, there=False)
    return Replicas(
        state.workload.wanted,
        state.workload.ready,
        floor=state.autoscaler.floor if state.autoscaler else None,
        holds=tuple(one.shown for one in state.controllers),
        unheld=state.beyond,
        lacking=tuple(map(str, lacking)),
    )


def cluster_workloads(
    places: Mapping[str, ClusterPlace], services: tuple[Service, ...], operate: Operate | None
) -> ClusterWorkloads | None:
    """None where no cluster is named."""
    return ClusterWorkloads(places, services, operate.reconcilers if operate else ()) if places else None


def scaled_here(service: Service) -> bool:
    return service.kind in _SCALED and service.role not in _WITH_DATA


def _rights(service: Service, state: _ServiceState | None) -> Iterator[Right]:
    """What scaling it takes."""
    resource = _RESOURCES[service.kind]
    yield Right("get", "apps", resource, service.namespace, service.object_name)
    yield Right("update", "apps", f"{resource}/scale", service.namespace, service.object_name)
    yield Right("list", "autoscaling", "horizontalpodautoscalers", service.namespace)
    if state and state.autoscaler:
        scaler = state.autoscaler
        yield Right("patch", "autoscaling", "horizontalpodautoscalers", scaler.namespace, scaler.name)
    for one in state.controllers if state else ():
        group, resource = _CONTROLLERS[one.owner.kind]
        yield Right("patch", group, resource, one.namespace, one.owner.name)


def _named(service: Service) -> str:
    return f"{service.kind} {service.namespace}/{service.object_name}"

"""A region of a staging cluster taken away, and given back: what a game day does there.

What was there is written into the cluster before anything is harmed, so that whoever gives it back need not be who took
it away. Giving back twice changes nothing, and what somebody else set meanwhile stays as they set it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from attrs import asdict, evolve, field, frozen

from secondsite.kube.cluster import Cluster, ClusterConflictError, Right, together
from secondsite.kube.workload import WorkloadState, workload_of
from secondsite.model.errors import InputError, MachineError

ALLOWED_LABEL, ALLOWED = "secondsite.io/game-day", "allowed"
RECORD, GUARD = "secondsite-fault", "secondsite-fault-guard"
"""Names of the ConfigMap that says what was there, and of the guard: its Deployment and its Lease."""
_KEY = "fault"
_TRIES = 8


class FaultKind(StrEnum):
    """``network-policy`` needs a network plugin that enforces it, ``resource`` a Chaos Mesh or LitmusChaos."""

    SCALE_TO_ZERO = "scale-to-zero"
    NETWORK_POLICY = "network-policy"
    RESOURCE = "resource"


@frozen
class ScaledWorkload:
    """With the replicas that it had."""

    kind: str
    namespace: str
    name: str
    replicas: int


@frozen
class ChaosResource:
    """An object that is a fault while it is there. ``content`` is all of it, empty in what is read from a record."""

    api_version: str
    kind: str
    plural: str
    namespace: str
    name: str
    content: Mapping[str, Any] = field(factory=dict, repr=False)

    @property
    def group(self) -> str:
        return self.api_version.partition("/")[0]


@frozen
class FaultRecord:
    """``lasts_s`` after it was written it is undone by itself. ``nodes`` are those that we cordoned."""

    id: str
    region: str
    kind: FaultKind
    lasts_s: float
    namespaces: tuple[str, ...]
    workloads: tuple[ScaledWorkload, ...] = ()
    nodes: tuple[str, ...] = ()
    resources: tuple[ChaosResource, ...] = ()

    def text(self) -> str:
        """What undoing takes: of resources where they are, not what they say."""
        alone = evolve(self, resources=tuple(evolve(one, content={}) for one in self.resources))
        return json.dumps(asdict(alone), sort_keys=True)


@frozen
class FaultStanding:
    """A record as it lies in a cluster; ``written_at`` is seconds since the epoch, by the cluster's clock."""

    record: FaultRecord
    written_at: float


@frozen
class FaultTarget:
    """What a fault would meet now. ``spaces``: by namespace its labels, None for one that is not there."""

    spaces: Mapping[str, Mapping[str, str] | None]
    workloads: tuple[WorkloadState, ...]
    nodes: tuple[str, ...]
    standing: FaultStanding | None
    lacking: tuple[str, ...] = field(default=())

    @property
    def unwilling(self) -> tuple[str, ...]:
        """Namespaces that do not carry the label which allows it."""
        return tuple(name for name, labels in self.spaces.items() if (labels or {}).get(ALLOWED_LABEL) != ALLOWED)


async def look(cluster: Cluster, namespaces: Sequence[str], *, cordon: bool) -> FaultTarget:
    """Reads only."""
    from lightkube.resources.core_v1 import Namespace, Node

    async def labels(name: str) -> Mapping[str, str] | None:
        space = await cluster.asked(cluster.client.get(Namespace, name))
        return None if space is None or space.metadata is None else dict(space.metadata.labels or {})

    spaces = dict(zip(namespaces, await together(labels(name) for name in namespaces), strict=True))
    several = await together(_workloads(cluster, name) for name in namespaces)
    nodes = await _names(cluster, Node, lambda node: not (node.spec and node.spec.unschedulable)) if cordon else ()
    lacking = await cluster.may(_rights(namespaces, cordon=cordon))
    return FaultTarget(
        spaces,
        tuple(one for each in several for one in each),
        nodes,
        await standing(cluster, namespaces[0]),
        tuple(map(str, lacking)),
    )


def _rights(namespaces: Sequence[str], *, cordon: bool) -> Iterable[Right]:
    yield Right("create", "", "configmaps", namespaces[0])
    yield Right("delete", "", "configmaps", namespaces[0], RECORD)
    for space in namespaces:
        yield Right("update", "apps", "deployments/scale", space)
        yield Right("update", "apps", "statefulsets/scale", space)
        yield Right("delete", "", "pods", space)
        yield Right("create", "networking.k8s.io", "networkpolicies", space)
    if cordon:
        yield Right("patch", "", "nodes")


async def _workloads(cluster: Cluster, namespace: str) -> tuple[WorkloadState, ...]:
    """All that runs pods there but the guard."""
    from lightkube.resources.apps_v1 import Deployment, StatefulSet

    async def listed(kind: Any) -> list[WorkloadState]:
        given = [workload_of(kind.__name__, one) async for one in cluster.client.list(kind, namespace=namespace)]
        return [one for one in given if one.name != GUARD]

    several = await together(_in_time(cluster, listed(kind)) for kind in (Deployment, StatefulSet))
    return tuple(one for each in several for one in each)


async def _names(cluster: Cluster, kind: Any, chosen: Any) -> tuple[str, ...]:
    async def listed() -> list[str]:
        return [str(one.metadata.name) async for one in cluster.client.list(kind) if chosen(one)]

    return tuple(await _in_time(cluster, listed()))


async def _in_time(cluster: Cluster, listing: Awaitable[list[Any]]) -> list[Any]:
    return await cluster.asked(listing) or []


def planned(
    target: FaultTarget,
    name: str,
    region: str,
    kind: FaultKind,
    lasts_s: float,
    resources: tuple[ChaosResource, ...] = (),
) -> FaultRecord:
    """What a fault would write down. Pure."""
    taken = tuple(
        ScaledWorkload(one.kind, one.namespace, one.name, one.wanted) for one in target.workloads if one.wanted
    )
    scales = kind is FaultKind.SCALE_TO_ZERO
    spaces = tuple(target.spaces)
    given = (taken, target.nodes) if scales else ((), ())
    return FaultRecord(name, region, kind, lasts_s, spaces, *given, resources)


async def write(cluster: Cluster, record: FaultRecord) -> None:
    """Before anything is harmed. Raises ClusterConflictError where a fault stands already."""
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap

    made = ConfigMap(metadata=ObjectMeta(name=RECORD, namespace=record.namespaces[0]), data={_KEY: record.text()})
    await cluster.asked(cluster.client.create(made))


async def standing(cluster: Cluster, namespace: str) -> FaultStanding | None:
    """None where no fault stands; raises MachineError for a record that nobody here wrote."""
    from lightkube.resources.core_v1 import ConfigMap

    given = await cluster.asked(cluster.client.get(ConfigMap, RECORD, namespace=namespace))
    if given is None or given.metadata is None:
        return None
    at = given.metadata.creationTimestamp
    return FaultStanding(_record(str((given.data or {}).get(_KEY, "")), cluster.shown), at.timestamp() if at else 0.0)


def _record(text: str, shown: str) -> FaultRecord:
    try:
        plain = json.loads(text)
        workloads = tuple(ScaledWorkload(**{**one, "replicas": int(one["replicas"])}) for one in plain["workloads"])
        spaces, nodes = tuple(map(str, plain["namespaces"])), tuple(map(str, plain["nodes"]))
        kind, lasts_s = FaultKind(plain["kind"]), float(plain["lasts_s"])
        resources = tuple(ChaosResource(**one) for one in plain.get("resources", ()))
        record = FaultRecord(str(plain["id"]), str(plain["region"]), kind, lasts_s, spaces, workloads, nodes, resources)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        what, remedy = f"its ConfigMap {RECORD} does not record a fault", "see who wrote it, and delete it"
        raise MachineError.at(shown, what, remedy) from None
    touched = {each.namespace for each in workloads} | {each.namespace for each in resources}
    if not spaces or touched - set(spaces):
        what, remedy = f"its ConfigMap {RECORD} names objects of other namespaces", "see who wrote it, and delete it"
        raise MachineError.at(shown, what, remedy)
    return record


async def inflict(cluster: Cluster, record: FaultRecord) -> None:
    """What is written down already. Pods get no time to end in good order: a lost region has none either."""
    if record.kind is FaultKind.NETWORK_POLICY:
        await together(_isolate(cluster, space) for space in record.namespaces)
        return
    if record.kind is FaultKind.RESOURCE:
        for one in record.resources:
            await _make(cluster, one)
        return
    await together(_cordon(cluster, node, on=True) for node in record.nodes)
    await together(_scaled(cluster, one, 0) for one in record.workloads)
    await together(_kill_pods(cluster, space) for space in record.namespaces)


async def undo(cluster: Cluster, record: FaultRecord) -> None:
    """Everything given back, the record gone last."""
    from lightkube.resources.core_v1 import ConfigMap
    from lightkube.resources.networking_v1 import NetworkPolicy

    for space in record.namespaces:
        await cluster.asked(cluster.client.delete(NetworkPolicy, RECORD, namespace=space))
    for one in record.resources:
        await cluster.asked(cluster.client.delete(_resource(one), one.name, namespace=one.namespace))
    await together(_cordon(cluster, node, on=False) for node in record.nodes)
    await together(_scaled(cluster, one, one.replicas, only_from=0) for one in record.workloads)
    await cluster.asked(cluster.client.delete(ConfigMap, RECORD, namespace=record.namespaces[0]))


async def _scaled(cluster: Cluster, wanted: ScaledWorkload, replicas: int, only_from: int | None = None) -> None:
    """Again where somebody was faster: a pod's report changes the object, too. ``only_from``: else it is left alone."""
    for left in reversed(range(_TRIES)):
        state = await cluster.workload(wanted.kind, wanted.namespace, wanted.name)
        if state is None or state.wanted == replicas or (only_from is not None and state.wanted != only_from):
            return
        try:
            await cluster.scale(state, replicas)
        except ClusterConflictError:
            if not left:
                raise
        else:
            return


async def _cordon(cluster: Cluster, node: str, *, on: bool) -> None:
    from lightkube.resources.core_v1 import Node
    from lightkube.types import PatchType

    patch = {"spec": {"unschedulable": on or None}}
    await cluster.asked(cluster.client.patch(Node, node, patch, patch_type=PatchType.MERGE))


async def _kill_pods(cluster: Cluster, namespace: str) -> None:
    from lightkube.resources.core_v1 import Pod

    async def listed() -> list[str]:
        given = [one.metadata async for one in cluster.client.list(Pod, namespace=namespace)]
        return [str(one.name) for one in given if one and (one.labels or {}).get(_NAME) != GUARD]

    names = await _in_time(cluster, listed())
    await together(
        cluster.asked(cluster.client.delete(Pod, name, namespace=namespace, grace_period=0)) for name in names
    )


_NAME = "app.kubernetes.io/name"


async def _isolate(cluster: Cluster, namespace: str) -> None:
    """Nothing in, nothing out."""
    from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
    from lightkube.models.networking_v1 import NetworkPolicySpec
    from lightkube.resources.networking_v1 import NetworkPolicy

    spec = NetworkPolicySpec(podSelector=LabelSelector(), policyTypes=["Ingress", "Egress"])
    policy = NetworkPolicy(metadata=ObjectMeta(name=RECORD, namespace=namespace), spec=spec)
    await cluster.asked(cluster.client.create(policy))


def _resource(one: ChaosResource) -> Any:
    from lightkube.generic_resource import create_namespaced_resource

    group, _, version = one.api_version.partition("/")
    return create_namespaced_resource(group, version, one.kind, one.plural)


async def _make(cluster: Cluster, one: ChaosResource) -> None:
    """Raises MachineError where the cluster knows no such kind: nothing acts on it there."""
    rest = {key: value for key, value in one.content.items() if key not in ("apiVersion", "kind")}
    client: Any = cluster.client
    if await cluster.asked(client.create(_resource(one)(**rest), namespace=one.namespace)) is None:
        what = f"it has no kind {one.kind} of {one.api_version}"
        raise MachineError.at(cluster.shown, what, "install what acts on it, or choose another fault")


def chaos_resource(content: Mapping[str, Any], namespaces: Sequence[str], place: str) -> ChaosResource:
    """Raises InputError for what is no object of a group's own, or lies beside the namespaces that may be harmed."""
    metadata = content.get("metadata")
    if not isinstance(metadata, Mapping):
        metadata = {}
    version, kind = str(content.get("apiVersion", "")), str(content.get("kind", ""))
    namespace, name = str(metadata.get("namespace", "")), str(metadata.get("name", ""))
    group = version.partition("/")[0]
    if group not in _CHAOS or not (kind and name):
        what = f"{kind or 'it'} of {version or 'nothing'} is not a resource of {' or '.join(_CHAOS)}"
        raise InputError.at(place, what, "write one as its own documentation has it, with name and namespace")
    if namespace not in namespaces:
        what = f"{kind} {name} lies in namespace {namespace or 'default'}"
        raise InputError.at(place, what, f"put it in {', '.join(namespaces)}")
    plural = kind.lower() + ("s" if group == "litmuschaos.io" else "")
    return ChaosResource(version, kind, plural, namespace, name, dict(content))


_CHAOS = ("chaos-mesh.org", "litmuschaos.io")
"""Chaos Mesh's plurals are its kinds; LitmusChaos adds an s, as most do."""


async def beat(cluster: Cluster, namespace: str, holder: str, lasts_s: float, at: Any) -> None:
    """The guard says that it is there: until ``lasts_s`` after ``at`` by its own clock, which nobody compares."""
    from lightkube.models.coordination_v1 import LeaseSpec
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.coordination_v1 import Lease

    there = await cluster.asked(cluster.client.get(Lease, GUARD, namespace=namespace))
    version = there.metadata.resourceVersion if there and there.metadata else None
    spec = LeaseSpec(holderIdentity=holder, leaseDurationSeconds=max(1, round(lasts_s)), renewTime=at)
    lease = Lease(metadata=ObjectMeta(name=GUARD, namespace=namespace, resourceVersion=version), spec=spec)
    if version is None:
        await cluster.asked(cluster.client.create(lease))
    else:
        await cluster.asked(cluster.client.replace(lease, GUARD, namespace=namespace))


@frozen
class GuardBeat:
    """``version`` changes with each beat; ``lasts_s`` is within how long the next has to come."""

    holder: str
    version: str
    lasts_s: float


async def guard_of(cluster: Cluster, namespace: str) -> GuardBeat | None:
    from lightkube.resources.coordination_v1 import Lease

    given = await cluster.asked(cluster.client.get(Lease, GUARD, namespace=namespace))
    if given is None or given.metadata is None or given.spec is None:
        return None
    lasts_s = float(given.spec.leaseDurationSeconds or 0)
    return GuardBeat(str(given.spec.holderIdentity), str(given.metadata.resourceVersion), lasts_s)

"""Services of a region cut off by NetworkPolicies of ours: nothing reaches their pods, and they reach nothing.

The API server only keeps a policy. Whether packets stop, and whether connections that stand are cut, is for the
cluster's network plugin; without one that enforces policies nothing happens at all. Policies add up: whatever another
one allows for the same pods stays allowed, so those are named, and with them it is no fence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from secondsite.kube.cluster import Cluster, ClusterConflictError, ClusterRefusedError, Right, together
from secondsite.model.errors import MachineError

FENCE = "secondsite-fence"
_OURS, _GROUP, _POLICIES = "secondsite.io/fence", "networking.k8s.io", "networkpolicies"
_TEXT = "https://kubernetes.io/docs/concepts/services-networking/network-policies/"


@frozen
class FencedService:
    """``pods`` is the workload's own selector. ``version`` is that of our policy, empty where there is none.

    ``opened_by``: policies of others that let something in or out of the same pods.
    """

    kind: str
    namespace: str
    name: str
    pods: Mapping[str, str]
    version: str = ""
    opened_by: tuple[str, ...] = ()

    @property
    def policy(self) -> str:
        return f"{FENCE}-{self.name}"

    @property
    def shown(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def fenced(self) -> bool:
        """What the API server keeps says so; no packet was sent to see it."""
        return bool(self.version) and not self.opened_by


def fence_rights(namespace: str, names: Iterable[str]) -> Iterator[Right]:
    yield Right("list", _GROUP, _POLICIES, namespace)
    yield Right("create", _GROUP, _POLICIES, namespace)
    for name in names:
        for verb in ("patch", "delete"):
            yield Right(verb, _GROUP, _POLICIES, namespace, f"{FENCE}-{name}")


async def look(cluster: Cluster, services: Sequence[tuple[str, str, str]]) -> tuple[FencedService, ...]:
    """Of each KIND, namespace and name that is deployed. Reads only."""
    spaces = tuple(dict.fromkeys(namespace for _, namespace, _ in services))
    policies = dict(zip(spaces, await together(_policies(cluster, space) for space in spaces), strict=True))
    selectors = await together(_selector(cluster, *one) for one in services)
    pairs = zip(services, selectors, strict=True)
    return tuple(_service(one, pods, policies[one[1]]) for one, pods in pairs if pods is not None)


async def fence(cluster: Cluster, expected: FencedService, *, dry_run: bool = False) -> None:
    """Only what was looked at: raises ClusterConflictError where it is another by now, ClusterRefusedError where other
    policies would make it none."""
    if expected.opened_by:
        what = f"{expected.shown} stays open: {', '.join(expected.opened_by)} allows traffic, and policies add up"
        raise ClusterRefusedError.at(cluster.shown, what, f"change or delete it first ({_TEXT})")
    if expected.version:
        return
    (now,) = await look(cluster, [(expected.kind, expected.namespace, expected.name)]) or (None,)
    if now != expected:
        raise _changed(cluster, expected)
    await cluster.asked(cluster.client.create(_made(expected), dry_run=dry_run))


async def lift(cluster: Cluster, expected: FencedService) -> None:
    """Nothing where there is none of ours; raises ClusterConflictError where it was changed since it was looked at."""
    from lightkube.resources.networking_v1 import NetworkPolicy
    from lightkube.types import PatchType

    if not expected.version:
        return
    # An API server deletes whatever has the name; a patch of this very version comes first.
    mark = {"metadata": {"resourceVersion": expected.version, "annotations": {_OURS: "being lifted"}}}
    client, space = cluster.client, expected.namespace
    patched = client.patch(NetworkPolicy, expected.policy, mark, namespace=space, patch_type=PatchType.MERGE)
    if await cluster.asked(patched) is not None:
        await cluster.asked(client.delete(NetworkPolicy, expected.policy, namespace=space))


def _changed(cluster: Cluster, expected: FencedService) -> ClusterConflictError:
    return ClusterConflictError.at(cluster.shown, f"{expected.shown} or its policies changed", "read it again")


def _made(one: FencedService) -> Any:
    from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
    from lightkube.models.networking_v1 import NetworkPolicySpec
    from lightkube.resources.networking_v1 import NetworkPolicy

    metadata = ObjectMeta(name=one.policy, namespace=one.namespace, labels={_OURS: one.name})
    selector = LabelSelector(matchLabels=dict(one.pods))
    spec = NetworkPolicySpec(podSelector=selector, policyTypes=["Ingress", "Egress"])
    return NetworkPolicy(metadata=metadata, spec=spec)


async def _selector(cluster: Cluster, kind: str, namespace: str, name: str) -> Mapping[str, str] | None:
    """None for what is not deployed; raises MachineError for one that no policy can be told of."""
    from lightkube.resources.apps_v1 import Deployment, StatefulSet

    kinds: dict[str, Any] = {"Deployment": Deployment, "StatefulSet": StatefulSet}
    workload = await cluster.asked(cluster.client.get(kinds[kind], name, namespace=namespace))
    if workload is None:
        return None
    selector = workload.spec.selector
    if selector.matchExpressions or not selector.matchLabels:
        what = f"{kind} {namespace}/{name} chooses its pods by expressions"
        raise MachineError.at(cluster.shown, what, "write a NetworkPolicy for it by hand")
    return dict(selector.matchLabels)


async def _policies(cluster: Cluster, namespace: str) -> list[Any]:
    from lightkube.resources.networking_v1 import NetworkPolicy

    async def listed() -> list[Any]:
        return [one async for one in cluster.client.list(NetworkPolicy, namespace=namespace)]

    return await cluster.asked(listed()) or []


def _service(one: tuple[str, str, str], pods: Mapping[str, str], policies: Sequence[Any]) -> FencedService:
    kind, namespace, name = one
    mine = [each for each in policies if _ours(each, name, pods)]
    others = (each for each in policies if not (each.metadata.labels or {}).get(_OURS))
    opened = tuple(f"NetworkPolicy {each.metadata.name}" for each in others if _opens(each, pods))
    version = str(mine[0].metadata.resourceVersion) if mine else ""
    return FencedService(kind, namespace, name, pods, version, opened)


def _ours(policy: Any, name: str, pods: Mapping[str, str]) -> bool:
    """With nothing allowed in it, for these very pods."""
    meta, spec = policy.metadata, policy.spec
    whole = set(spec.policyTypes or ()) == {"Ingress", "Egress"} and not (spec.ingress or spec.egress)
    return bool(
        meta.name == f"{FENCE}-{name}"
        and (meta.labels or {}).get(_OURS) == name
        and whole
        and dict(spec.podSelector.matchLabels or {}) == dict(pods)
        and not spec.podSelector.matchExpressions
    )


def _opens(policy: Any, pods: Mapping[str, str]) -> bool:
    """Whether it lets anything through that a pod with these labels gets; a selector by expressions may."""
    spec = policy.spec
    wanted = dict(spec.podSelector.matchLabels or {}) if spec.podSelector else {}
    known = all(pods.get(key, value) == value for key, value in wanted.items())
    return bool(spec.ingress or spec.egress) and known

"""Databases and caches that an operator runs, from the operator's own resources: one row for each kind.

They are services and stores like those of a StatefulSet, except that the pods are the operator's business.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from secondsite.discover.draft import Draft
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode
from secondsite.discover.spreading import spread_of
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.service import Role, Spreading, Volume
from secondsite.model.store import CopiesToday, Loss
from secondsite.model.units import Bytes


@frozen
class Operator:
    """Where a kind of resource says how many and how large, and of its pods how they are kept apart.

    ``hosts`` are its Services, ``{}`` its name.
    """

    kind: str
    group: str
    engine: str
    replicas: str
    size: str
    storage_class: str = ""
    role: Role = Role.DATABASE
    loss: Loss = Loss.DATA
    hosts: tuple[str, ...] = ("{}",)
    product: str = ""
    pods: str = ""


_PG_HOSTS = (
    *("{}", "{}-rw", "{}-r", "{}-ro", "{}-pooler", "{}-repl"),
    *("{}-primary", "{}-replicas", "{}-pgbouncer", "{}-ha"),
)
_CLAIM = "resources.requests.storage"
_FIRST = "spec.instances.0"
_TEMPLATE = f"spec.storage.volumeClaimTemplate.spec.{_CLAIM}"
CNPG = "postgresql.cnpg.io"
_OPSTREE = "redis.redis.opstreelabs.in"


def _postgres(kind: str, group: str, replicas: str, size: str, storage_class: str = "") -> Operator:
    return Operator(kind, group, "postgres", replicas, size, storage_class, hosts=_PG_HOSTS)


def _cache(kind: str, group: str, engine: str, replicas: str, size: str, *hosts: str) -> Operator:
    return Operator(kind, group, engine, replicas, size, role=Role.CACHE, loss=Loss.CACHE, hosts=hosts or ("{}",))


OPERATORS = (
    evolve(
        _postgres("Cluster", CNPG, "spec.instances", "spec.storage.size", "spec.storage.storageClass"),
        product="CloudNativePG",
    ),
    _postgres(
        *("postgresql", "acid.zalan.do", "spec.numberOfInstances", "spec.volume.size", "spec.volume.storageClass")
    ),
    evolve(
        _postgres(
            *("PostgresCluster", "postgres-operator.crunchydata.com", f"{_FIRST}.replicas"),
            f"{_FIRST}.dataVolumeClaimSpec.{_CLAIM}",
        ),
        pods=_FIRST,
    ),
    _postgres("SGCluster", "stackgres.io", "spec.instances", "spec.pods.persistentVolume.size"),
    evolve(
        _postgres(
            *("PerconaPGCluster", "pgv2.percona.com", f"{_FIRST}.replicas", f"{_FIRST}.dataVolumeClaimSpec.{_CLAIM}")
        ),
        pods=_FIRST,
    ),
    _cache(
        *("RedisFailover", "databases.spotahome.com", "redis", "spec.redis.replicas"),
        *(f"spec.redis.storage.persistentVolumeClaim.spec.{_CLAIM}", "rfs-{}", "rfr-{}"),
    ),
    _cache("RedisCluster", _OPSTREE, "redis", "spec.clusterSize", _TEMPLATE, "{}", "{}-leader", "{}-follower"),
    _cache("RedisReplication", _OPSTREE, "redis", "spec.clusterSize", _TEMPLATE),
    _cache("Redis", _OPSTREE, "redis", "", _TEMPLATE),
    _cache(
        *("Dragonfly", "dragonflydb.io", "redis", "spec.replicas"),
        f"spec.snapshot.persistentVolumeClaimSpec.{_CLAIM}",
    ),
    _cache("Valkey", "hyperspike.io", "valkey", "spec.nodes", f"spec.storage.spec.{_CLAIM}"),
)


@frozen(eq=False)
class Operated:
    """A resource and what its kind says about it; ``name`` is its own in the System."""

    name: str
    resource: Resource
    operator: Operator


def operated_in(inventory: ResourceInventory, taken: frozenset[str]) -> tuple[Operated, ...]:
    """``taken`` are names of workloads; one that is taken is told with its namespace."""
    names = set(taken)
    backups = []
    for operator in OPERATORS:
        for resource in inventory.of_kind(operator.kind):
            if resource.group != operator.group:
                continue
            name = resource.name if resource.name not in names else f"{resource.where}/{resource.name}"
            names.add(name)
            backups.append(Operated(name, resource, operator))
    return tuple(backups)


def is_operated(resource: Resource) -> bool:
    return operates(resource.kind, resource.group)


def operates(kind: str, group: str) -> bool:
    return any(one.kind == kind and one.group == group for one in OPERATORS)


def service_of(one: Operated) -> Draft:
    resource, operator = one.resource, one.operator
    draft = Draft({"name": one.name, "namespace": resource.where, "kind": resource.kind, "role": operator.role})
    draft.mark("", resource.place)
    if one.name != resource.name:
        draft.read("object", resource.name, resource.place)
    draft.mark("role", resource.top["kind"], f"an operator runs {operator.engine} for it")
    if operator.replicas:
        draft.take("replicas", "whole", _at(resource, operator.replicas))
    _spread(one, draft)
    size = _at(resource, operator.size)
    if size:
        inner = Draft({"size_bytes": Bytes(0)})
        inner.mark("", size)
        inner.take("size_bytes", "size", size)
        storage = _at(resource, operator.storage_class) if operator.storage_class else YamlNode(None)
        draft.values["volumes"] = (Volume("data", inner.values["size_bytes"], storage.text),)
        draft.nest("volumes.data", inner)
    return draft


def _spread(one: Operated, draft: Draft) -> None:
    """How its pods are kept apart, where the resource says it; else the operator has rules of its own."""
    resource, operator = one.resource, one.operator
    if operator.group == CNPG:
        _spread_by_type(resource.spec["affinity"], draft)
    pods = _at(resource, operator.pods)
    if pods["affinity"]["podAntiAffinity"] or pods["topologySpreadConstraints"]:
        rule = spread_of(pods)
        draft.read("spread_nodes", rule.nodes, rule.nodes_at.place or resource.place)
        draft.read("spread_zones", rule.zones, rule.zones_at.place or resource.place)
    for attribute in ("spread_nodes", "spread_zones"):
        if attribute not in draft.values:
            why = f"{operator.product or resource.kind}'s operator keeps pods apart by rules of its own"
            draft.values[attribute] = Spreading.NONE
            draft.marks[attribute] = Mark(Knowledge.ASSUMED, resource.place, why)


def _spread_by_type(affinity: YamlNode, draft: Draft) -> None:
    """CloudNativePG's words for it: off, or a preference that may be a demand, by node where no key is named."""
    off, key, firm = affinity["enablePodAntiAffinity"], affinity["topologyKey"], affinity["podAntiAffinityType"]
    if off.flag is False:
        draft.read("spread_nodes", Spreading.NONE, off)
        draft.read("spread_zones", Spreading.NONE, off)
    elif firm or key:
        chosen = Spreading.REQUIRED if firm.text == "required" else Spreading.PREFERRED
        draft.read("spread_zones" if key.text.endswith("/zone") else "spread_nodes", chosen, firm if firm else key)


def store_of(one: Operated, service: Draft, others: Sequence[Operated] = ()) -> Draft:
    """``others``: all that operators run; of CloudNativePG one may be a replica cluster of this."""
    operator = one.operator
    draft = Draft({"name": one.name, "service": one.name})
    draft.mark("", one.resource.place)
    draft.read("engine", operator.engine, one.resource.top["kind"])
    draft.read("loss", operator.loss, one.resource.top["kind"])
    volumes = service.values.get("volumes", ())
    draft.read("persistent", bool(volumes), one.resource.place)
    if volumes:
        draft.read("size_bytes", volumes[0].size_bytes, _at(one.resource, operator.size))
    if "replicas" in service.values:
        draft.read("replicas", service.values["replicas"], _at(one.resource, operator.replicas))
    kind = one.resource.top["kind"]
    draft.read("replicated", CopiesToday.OPERATOR, kind, f"{operator.product or one.resource.kind} keeps its copies")
    draft.read("product", operator.product or None, kind)
    for other in others:
        if other is not one and _replicates(other, one):
            draft.read("copy_elsewhere", other.name, other.resource.spec["replica"], "a replica cluster follows it")
            break
    return draft


def is_copy(one: Operated, others: Sequence[Operated]) -> bool:
    """A replica cluster of one that is known is no store by itself: what it holds is counted there."""
    return any(_replicates(one, other) for other in others if other is not one)


def _replicates(other: Operated, one: Operated) -> bool:
    """Whether it is a replica cluster of CloudNativePG whose source is that one: by its name, or by its host's."""
    replica = other.resource.spec["replica"]
    if other.operator.group != CNPG or one.operator.group != CNPG or not _is_replica(other):
        return False
    source = replica["source"].text
    outside = [each for each in other.resource.spec["externalClusters"].items if each["name"].text == source]
    hosts = [each.dig("connectionParameters", "host").text.partition(".")[0] for each in outside]
    served = [each.dig("barmanObjectStore", "serverName").text for each in outside]
    known = {host.format(one.resource.name) for host in one.operator.hosts}
    return source == one.resource.name or bool(known.intersection((*hosts, *served)))


def _is_replica(one: Operated) -> bool:
    """Enabled by a flag, or in a distributed topology where another cluster is called the primary."""
    replica = one.resource.spec["replica"]
    primary, own = replica["primary"].text, replica["self"].text or one.resource.name
    return replica["enabled"].flag is True or bool(primary and primary != own)


def _at(resource: Resource, path: str) -> YamlNode:
    at = resource.top
    for part in path.split(".") if path else ():
        at = at[int(part)] if part.isdecimal() else at[part]
    return at if path else YamlNode(None)

"""Databases and caches that an operator runs, from the operator's own resources: one row for each kind.

They are services and stores like those of a StatefulSet, except that the pods are the operator's business. Backups that
such a resource declares are backups of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from secondsite.discover.cron import longest_gap_s
from secondsite.discover.draft import Draft
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode
from secondsite.model.backup import Content, Where
from secondsite.model.errors import InputError
from secondsite.model.place import Place
from secondsite.model.service import Role, Volume
from secondsite.model.store import CopiesToday, Loss
from secondsite.model.units import Bytes, Seconds

_WAL_S = Seconds(300)


@frozen
class Operator:
    """Where a kind of resource says how many and how large. ``hosts`` are its Services, ``{}`` its name."""

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
    _postgres(
        *("PostgresCluster", "postgres-operator.crunchydata.com", f"{_FIRST}.replicas"),
        f"{_FIRST}.dataVolumeClaimSpec.{_CLAIM}",
    ),
    _postgres("SGCluster", "stackgres.io", "spec.instances", "spec.pods.persistentVolume.size"),
    _postgres(
        *("PerconaPGCluster", "pgv2.percona.com", f"{_FIRST}.replicas", f"{_FIRST}.dataVolumeClaimSpec.{_CLAIM}")
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
    size = _at(resource, operator.size)
    if size:
        inner = Draft({"size_bytes": Bytes(0)})
        inner.mark("", size)
        inner.take("size_bytes", "size", size)
        storage = _at(resource, operator.storage_class) if operator.storage_class else YamlNode(None)
        draft.values["volumes"] = (Volume("data", inner.values["size_bytes"], storage.text),)
        draft.nest("volumes.data", inner)
    return draft


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


def backups_of(one: Operated, inventory: ResourceInventory) -> Iterator[Draft]:
    """CloudNativePG: the write-ahead log goes to the object store every five minutes, whole copies by schedule."""
    if one.operator.group != CNPG:
        return
    backup = one.resource.spec["backup"]
    destination = backup.dig("barmanObjectStore", "destinationPath")
    scheduled = [
        resource
        for resource in inventory.of_kind("ScheduledBackup")
        if resource.where == one.resource.where and resource.spec["cluster"]["name"].text == one.resource.name
    ]
    if not destination and not scheduled:
        return
    draft = Draft({"name": f"{one.name}-backup", "covers": (one.name,), "content": Content.DATA})
    draft.mark("", backup if destination else scheduled[0].place)
    draft.read("destination", destination.text or None, destination)
    draft.assume("where", Where.UNKNOWN, "a bucket's name does not say where it is; write it")
    if destination:
        draft.read("interval_s", _WAL_S, destination, "its write-ahead log is archived every 5 minutes at the latest")
    else:
        _scheduled(draft, scheduled[0])
    keep = backup["retentionPolicy"]
    if keep:
        draft.take("retention_s", "seconds", keep)
    yield draft


def _scheduled(draft: Draft, resource: Resource) -> None:
    """Six fields, the seconds first."""
    at = resource.spec["schedule"]
    fields = at.text.split()
    try:
        gap = longest_gap_s(" ".join(fields[1:]) if len(fields) == 6 else at.text)
    except ValueError as error:
        draft.values["interval_s"] = Seconds(86400.0)
        draft.unknown("interval_s", InputError.at(at.place or Place("?"), str(error), "write six fields"))
        return
    draft.read("interval_s", gap, at, "the longest time between two runs")


def _at(resource: Resource, path: str) -> YamlNode:
    at = resource.top
    for part in path.split(".") if path else ():
        at = at[int(part)] if part.isdecimal() else at[part]
    return at if path else YamlNode(None)

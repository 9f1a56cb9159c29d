"""Databases that a provider runs, from the resources by which a cluster asks for them: one row for each kind.

Crossplane, AWS Controllers for Kubernetes, Config Connector and Azure Service Operator describe the same databases with
keys of their own. A resource that names its source is that one's replica, and no store by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from attrs import define, frozen

from secondsite.discover.draft import Draft
from secondsite.discover.resources import Resource, ResourceInventory, YamlNode
from secondsite.model.mark import Knowledge, Mark
from secondsite.model.store import CopiesToday, Loss
from secondsite.model.units import Bytes


@frozen
class ManagedKind:
    """Where a kind says it; paths below ``at``. ``source`` names what it copies, ``group_key`` a set of copies.

    ``primary``: a key that only the one has that takes writes, where all of a set look alike.
    """

    kind: str
    group: str
    product: str
    at: str
    engine: str
    size_gb: str = ""
    region: str = "region"
    name: str = ""
    source: tuple[str, ...] = ()
    group_key: str = ""
    primary: str = ""


_RDS, _AURORA, _SQL, _AZURE = "Amazon RDS", "Amazon Aurora", "Cloud SQL", "Azure Database for PostgreSQL"
_PROVIDED = "spec.forProvider"
_SOURCE_ID = ("sourceServerId", "sourceServerIdRef.name", "sourceServerIdSelector.matchLabels")
KINDS = (
    ManagedKind(
        *("Instance", "rds.aws.upbound.io", _RDS, _PROVIDED, "engine", "allocatedStorage"),
        name="identifier",
        source=("replicateSourceDb", "replicateSourceDbRef.name"),
    ),
    ManagedKind(
        *("Cluster", "rds.aws.upbound.io", _AURORA, _PROVIDED, "engine"),
        group_key="globalClusterIdentifier",
        primary="masterUsername",
        source=("replicationSourceIdentifier",),
    ),
    ManagedKind(
        *("DBInstance", "rds.services.k8s.aws", _RDS, "spec", "engine", "allocatedStorage", ""),
        name="dbInstanceIdentifier",
        source=("sourceDBInstanceIdentifier",),
    ),
    ManagedKind(
        *("DBCluster", "rds.services.k8s.aws", _AURORA, "spec", "engine", "", ""),
        name="dbClusterIdentifier",
        group_key="globalClusterIdentifier",
        primary="masterUsername",
        source=("replicationSourceIdentifier",),
    ),
    ManagedKind(
        *("SQLInstance", "sql.cnrm.cloud.google.com", _SQL, "spec", "databaseVersion", "settings.diskSize"),
        name="resourceID",
        source=("masterInstanceRef.name", "masterInstanceRef.external"),
    ),
    ManagedKind(
        *("DatabaseInstance", "sql.gcp.upbound.io", _SQL, _PROVIDED, "databaseVersion", "settings.0.diskSize"),
        source=("masterInstanceName", "masterInstanceNameRef.name"),
    ),
    ManagedKind(
        *("FlexibleServer", "dbforpostgresql.azure.com", _AZURE, "spec", "", "storage.storageSizeGB", "location"),
        name="azureName",
        source=("sourceServerResourceId", "sourceServerResourceReference.name"),
    ),
    ManagedKind(
        *("FlexibleServer", "dbforpostgresql.azure.upbound.io", _AZURE, _PROVIDED, "", "", "location"),
        source=_SOURCE_ID,
    ),
)
_BY_WORD = (("postgres", "postgres"), ("mysql", "mysql"), ("mariadb", "mysql"), ("sqlserver", "sqlserver"))
_GIB = 1 << 30
_ACK_REGION = "services.k8s.aws/region"


@define
class ManagedResource:
    """``replicas`` are copies of it elsewhere, as their own resources say."""

    name: str
    kind: ManagedKind
    resource: Resource
    region: str
    replicas: list[ManagedResource]

    @property
    def asked(self) -> YamlNode:
        return _at(self.resource.top, self.kind.at)


def is_managed(kind: str, group: str) -> bool:
    return any(one.kind == kind and _of(one, group) for one in KINDS)


def managed_resources(inventory: ResourceInventory) -> tuple[ManagedResource, ...]:
    """Those that take writes, each with its copies."""
    every = [one for kind in KINDS for one in _all(kind, inventory)]
    named = {name: one for one in every for name in (one.resource.name, one.name)}
    sources = {id(one): _source(one, named) or _leader(one, every) for one in every}
    for one in every:
        source = sources[id(one)]
        if source is not None:
            source.replicas.append(one)
    return tuple(one for one in every if sources[id(one)] is None)


def managed_resource_draft(one: ManagedResource) -> Draft:
    """``service`` stays empty: none of the cluster's own runs it."""
    draft = Draft({"name": one.name, "service": "", "persistent": True, "loss": Loss.DATA})
    draft.mark("", one.resource.place)
    top = one.resource.top["kind"]
    engine = next((engine for word, engine in _BY_WORD if word in _engine_text(one).lower()), "")
    if engine:
        draft.read("engine", engine, _at(one.asked, one.kind.engine) if one.kind.engine else top)
    else:
        draft.values["engine"] = "unknown"
        draft.marks["engine"] = Mark(Knowledge.ASSUMED, one.resource.place, f"{one.kind.product} runs several")
    draft.read("product", one.kind.product, top)
    draft.read("replicated", CopiesToday.MANAGED, top, "its provider keeps its copies")
    size = _at(one.asked, one.kind.size_gb) if one.kind.size_gb else YamlNode(None)
    if size.text.isdecimal():
        draft.read("size_bytes", Bytes(int(size.text) * _GIB), size)
    for replica in one.replicas:
        if replica.region != one.region or not replica.region:
            where = replica.region or replica.name
            draft.read("copy_elsewhere", where, replica.resource.place, f"its replica {replica.name}")
            break
    for key in ("persistent", "replicas"):
        draft.marks[key] = Mark(Knowledge.ASSUMED, one.resource.place, f"{one.kind.product} runs it")
    return draft


def _engine_text(one: ManagedResource) -> str:
    return _at(one.asked, one.kind.engine).text if one.kind.engine else one.kind.product


def _all(kind: ManagedKind, inventory: ResourceInventory) -> Iterator[ManagedResource]:
    for resource in inventory.of_kind(kind.kind):
        if _of(kind, resource.group):
            body = _at(resource.top, kind.at)
            name = (_at(body, kind.name).text if kind.name else "") or resource.name
            region = _at(body, kind.region).text if kind.region else ""
            annotated = resource.annotations.get(_ACK_REGION)
            yield ManagedResource(name, kind, resource, region or (annotated.text if annotated else ""), [])


def _of(kind: ManagedKind, group: str) -> bool:
    """Crossplane has a group for namespaced objects beside the one for the cluster's: rds.aws.m.upbound.io."""
    return group.replace(".m.upbound.io", ".upbound.io") == kind.group


def _source(one: ManagedResource, named: Mapping[str, ManagedResource]) -> ManagedResource | None:
    """By its name, its ARN or its resource id; a source that is in no manifest is none that could be found."""
    for path in one.kind.source:
        last = re.split(r"[:/]", _at(one.asked, path).text)[-1]
        source = named.get(last)
        if source is not None and source is not one:
            return source
    return None


def _leader(one: ManagedResource, every: list[ManagedResource]) -> ManagedResource | None:
    """Of a global database: its clusters look alike but for a login that only the first one was made with."""
    key = _at(one.asked, one.kind.group_key).text if one.kind.group_key else ""
    if not key or _at(one.asked, one.kind.primary):
        return None
    same = [other for other in every if other.kind is one.kind and _at(other.asked, one.kind.group_key).text == key]
    return next((other for other in same if _at(other.asked, one.kind.primary)), None)


def _at(node: YamlNode, path: str) -> YamlNode:
    for part in path.split(".") if path else ():
        node = node[int(part)] if part.isdecimal() else node[part]
    return node

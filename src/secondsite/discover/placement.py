"""Where the cluster runs, as far as things are placed: nodes, affinities, volumes, the cluster's own definition.

Where a bucket, a registry or a client points is no placement: a copy lies elsewhere on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from attrs import frozen

from secondsite.discover.resources import ResourceInventory, YamlNode
from secondsite.discover.workloads import Workload

_REGION_LABELS = frozenset({"topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"})
_ZONE_LABELS = frozenset(
    {
        *("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone", "topology.ebs.csi.aws.com/zone"),
        *("topology.gke.io/zone", "topology.disk.csi.azure.com/zone"),
    }
)
_ZONE = re.compile(r"(?P<aws>[a-z]{2}(?:-[a-z]+)+-\d)[a-z]|(?P<gcp>[a-z]+-[a-z]+\d+)-[a-z]|(?P<azure>[a-z]+\d?)-\d")
_CERTIFICATES = (
    "alb.ingress.kubernetes.io/certificate-arn",
    "service.beta.kubernetes.io/aws-load-balancer-ssl-cert",
)
_ARN = re.compile(r"arn:aws[a-z-]*:acm:([a-z0-9-]+):")


@frozen(eq=False)
class Placement:
    """Empty where nothing is placed."""

    region: str = ""
    region_at: YamlNode = YamlNode(None)
    zones: frozenset[str] = frozenset()
    zones_at: YamlNode = YamlNode(None)


def placement_of(inventory: ResourceInventory, workloads: Sequence[Workload]) -> Placement:
    """The first region that is named, and the zones of that region that are."""
    regions = list(_regions(inventory, workloads))
    zones = [(at, match) for at in _zones(inventory, workloads) if (match := _ZONE.fullmatch(at.text))]
    regions += [(next(filter(None, match.groups())), at) for at, match in zones]
    if not regions:
        return Placement()
    region, at = regions[0]
    own = [(zone, match) for zone, match in zones if region in match.groups()]
    return Placement(region, at, frozenset(zone.text for zone, _ in own), own[0][0] if own else YamlNode(None))


def _regions(inventory: ResourceInventory, workloads: Sequence[Workload]) -> Iterator[tuple[str, YamlNode]]:
    for key, at in _labelled(inventory, workloads):
        if key in _REGION_LABELS and at.text:
            yield at.text, at
    for cluster in inventory.of_kind("ClusterConfig"):
        at = cluster.top.dig("metadata", "region")
        if at.text:
            yield at.text, at
    for resource in inventory.of_kind("Ingress", "Service"):
        for key in _CERTIFICATES:
            match = _ARN.match(resource.annotations[key].text) if key in resource.annotations else None
            if match:
                yield match[1], resource.annotations[key]


def _zones(inventory: ResourceInventory, workloads: Sequence[Workload]) -> Iterator[YamlNode]:
    yield from (at for key, at in _labelled(inventory, workloads) if key in _ZONE_LABELS)
    for cluster in inventory.of_kind("ClusterConfig"):
        yield from cluster.top["availabilityZones"].items
    for storage in inventory.of_kind("StorageClass"):
        yield from storage.top.dig("parameters", "zones").items


def _labelled(inventory: ResourceInventory, workloads: Sequence[Workload]) -> Iterator[tuple[str, YamlNode]]:
    """Labels by which pods, volumes and nodes are placed, each with a value."""
    for node in inventory.of_kind("Node"):
        yield from node.top.dig("metadata", "labels").entries.items()
    for workload in workloads:
        yield from workload.pod["nodeSelector"].entries.items()
        required = workload.pod.dig("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
        yield from _terms(required["nodeSelectorTerms"])
    for storage in inventory.of_kind("StorageClass"):
        for topology in storage.top["allowedTopologies"].items:
            for expression in topology["matchLabelExpressions"].items:
                yield from ((expression["key"].text, at) for at in expression["values"].items)
    for volume in inventory.of_kind("PersistentVolume"):
        yield from _terms(volume.spec.dig("nodeAffinity", "required", "nodeSelectorTerms"))


def _terms(terms: YamlNode) -> Iterator[tuple[str, YamlNode]]:
    for term in terms.items:
        for expression in term["matchExpressions"].items:
            if expression["operator"].text in ("In", ""):
                yield from ((expression["key"].text, at) for at in expression["values"].items)

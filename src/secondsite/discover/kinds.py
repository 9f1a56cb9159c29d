"""Which kinds of Kubernetes objects are understood. Every other is counted and named, and never an error."""

from __future__ import annotations

from collections import Counter

from secondsite.discover.helm_releases import is_release
from secondsite.discover.managed_resources import is_managed
from secondsite.discover.operated import is_operated, operates
from secondsite.discover.resources import ResourceInventory
from secondsite.discover.stream_scripts import KIND as SCRIPT_KIND

_READ = frozenset(
    {
        *("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Rollout"),
        *("DeploymentConfig", "KnativeService", "VirtualService", "Route", "IngressRoute", "IngressRouteTCP"),
        *("HTTPProxy", "Mapping", "EventBus", "InterStepBufferService", "NATS", "NatsCluster", "ScheduledBackup"),
        *("VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret", "ClusterConfig", "Node", "TLSRoute", "TCPRoute"),
        *("CronJob", "Job", "Service", "Ingress", "HTTPRoute", "GRPCRoute", "NetworkPolicy"),
        *("HorizontalPodAutoscaler", "PodDisruptionBudget", "ConfigMap", "PersistentVolumeClaim", "StorageClass"),
        *("Secret", "SealedSecret", "ExternalSecret", "ClusterExternalSecret", "SecretStore", "ClusterSecretStore"),
        *(
            "KongPlugin",
            "KongClusterPlugin",
            "PrometheusRule",
            "VMRule",
            "Rules",
            "ClusterRules",
            "GlobalRules",
            "ScaledObject",
            "ServiceMonitor",
            "PodMonitor",
        ),
        *("BackupStorageLocation", "VolumeSnapshotLocation"),
    }
)
# Known to say nothing about losing a region.
_SILENT = frozenset(
    {
        *("Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "LimitRange"),
        *("ResourceQuota", "PriorityClass", "CustomResourceDefinition", "Pod", "Endpoints", "EndpointSlice"),
        *("IngressClass", "PersistentVolume", "Kustomization", "Component", SCRIPT_KIND),
    }
)
_KNOWN = _READ | _SILENT
# Names that others use too: understood in these groups only.
_IN_GROUP = {
    "Application": "argoproj.io",
    "Schedule": "velero.io",
    "Certificate": "cert-manager.io",
    **dict.fromkeys(("Stream", "Consumer", "KeyValue", "ObjectStore", "Account"), "jetstream.nats.io"),
}


def is_understood(kind: str, group: str) -> bool:
    """Whether an object of this kind can say anything about the system."""
    wanted = _IN_GROUP.get(kind)
    if wanted:
        return group == wanted
    if kind in _READ or kind in ("HelmRelease", "PersistentVolume", "Kustomization"):
        return True
    return operates(kind, group) or is_managed(kind, group)


def unknown_kinds(inventory: ResourceInventory) -> dict[str, int]:
    """How many objects there are of each kind that is not understood, by name and group."""
    counts: Counter[str] = Counter()
    for resource in inventory.resources:
        group = _IN_GROUP.get(resource.kind)
        if group and group != resource.group:
            counts[f"{resource.kind}.{resource.group}"] += 1
        elif is_operated(resource) or is_release(resource) or is_managed(resource.kind, resource.group):
            continue
        elif not group and resource.kind not in _KNOWN:
            counts[".".join(filter(None, (resource.kind, resource.group)))] += 1
    return dict(sorted(counts.items()))

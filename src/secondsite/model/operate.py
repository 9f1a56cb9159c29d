"""How the system is operated: what `failover` and `failback` need beside the servers. References only, no secret.

A header's value is ``env:NAME`` or ``file:PATH``, read when it is sent; one that proves nothing may stand as it is.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from secondsite.model.units import Seconds


@frozen
class PathHeader:
    """``value``: ``env:NAME``, ``file:PATH``, or the value of a header that is no secret."""

    name: str
    value: str


@frozen
class WritePath:
    """One write as a client makes it. ``$ID`` in the body is the write's own id; ``acknowledged`` are the codes that
    mean stored: what is only promised (202) proves nothing."""

    url: str
    method: str = "POST"
    headers: tuple[PathHeader, ...] = ()
    body: str = ""
    acknowledged: tuple[int, ...] = (200, 201)


@frozen
class RegionEntrance:
    """Where the service's record leads to for clients of a region: an address, or a name that has one."""

    region: str
    at: str


@frozen
class RegionCluster:
    """The Kubernetes cluster of a region: ``uid`` of its namespace kube-system, which no other cluster has."""

    region: str
    uid: str


@frozen
class RegionStore:
    """A database of a region: ``login`` is ``env:NAME``, ``file:PATH`` or ``service:NAME``, where its login is read."""

    region: str
    store: str
    login: str


class ReconcilerKind(StrEnum):
    """Controllers that put back what a step changes."""

    ARGO_CD = "argo-cd"
    FLUX_KUSTOMIZATION = "flux-kustomization"
    FLUX_HELM_RELEASE = "flux-helm-release"
    NACK = "nack"
    HPA = "hpa"


@frozen
class Reconciler:
    """``owns``: the streams or services that it keeps as it has them; empty for all in its region."""

    kind: ReconcilerKind
    name: str
    region: str
    namespace: str = "default"
    owns: tuple[str, ...] = ()


class Writers(StrEnum):
    """What comes first while two regions cannot see each other: that one takes writes, or that somebody does.

    ``one``: the first region takes writes only while it holds a lease that it renews through the other. ``available``:
    it goes on, and both take writes if the other one is promoted meanwhile.
    """

    ONE = "one"
    AVAILABLE = "available"


@frozen
class Operate:
    """The block ``operate:`` of secondsite.yaml. ``lease_s`` is how long a lease of `writers: one` lasts."""

    path: WritePath | None = None
    writers: Writers = Writers.AVAILABLE
    lease_s: Seconds = Seconds(10)
    entrances: tuple[RegionEntrance, ...] = ()
    clusters: tuple[RegionCluster, ...] = ()
    reconcilers: tuple[Reconciler, ...] = ()
    stores: tuple[RegionStore, ...] = ()

    def cluster_uid(self, region: str) -> str:
        """Empty where nobody said."""
        return next((each.uid for each in self.clusters if each.region == region), "")

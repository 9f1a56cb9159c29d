"""How the system is operated: what `failover` and `failback` need beside the servers. References only, no secret.

A header's value is ``env:NAME`` or ``file:PATH``, read when it is sent; one that proves nothing may stand as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import frozen

from secondsite.model.access import JournalPlace, NatsAccess, RecordAccess, RegionPlace, SecretAccess, reference
from secondsite.model.units import Seconds
from secondsite.model.watching import WatchPolicy


@frozen
class PathHeader:
    """``value``: ``env:NAME``, ``file:PATH``, or the value of a header that is no secret."""

    name: str
    value: str


@frozen
class WritePath:
    """One write as a client makes it. ``$ID`` in the body is the write's own id, ``$KEY`` and ``$DATA`` are those of a
    drill's load; ``acknowledged`` are the codes that mean stored: what is only promised (202) proves nothing. ``ca``:
    who signs the server's certificate, where this machine does not know them."""

    url: str
    method: str = "POST"
    headers: tuple[PathHeader, ...] = ()
    body: str = ""
    acknowledged: tuple[int, ...] = (200, 201)
    ca: str = reference("file")


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

    @property
    def entry(self) -> tuple[str, str]:
        return self.region, self.uid


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


class Environment(StrEnum):
    """``staging`` is where a game day may do harm."""

    PRODUCTION = "production"
    STAGING = "staging"


@frozen
class GameDay:
    """What a game day may harm, and who its load is. ``clusters``: uids of the clusters that may be harmed.

    ``production`` is the system file of production, of which identities alone are read. ``clients``: the login of NATS
    clients, where the system's clients speak NATS; its servers are those of the places.
    """

    clusters: tuple[str, ...] = ()
    production: str = reference("file")
    clients: NatsAccess | None = None


@frozen
class Operate:
    """The block ``operate:`` of secondsite.yaml. ``lease_s`` is how long a lease of `writers: one` lasts.

    ``entrances``, ``clusters`` and ``stores`` say of a region what its place may say as well; both at once is refused.
    """

    deployed: str = ""
    environment: Environment = Environment.PRODUCTION
    places: tuple[RegionPlace, ...] = ()
    path: WritePath | None = None
    dns: RecordAccess | None = None
    secrets: SecretAccess | None = None
    journal: JournalPlace | None = None
    watch: WatchPolicy | None = None
    game_day: GameDay | None = None
    writers: Writers = Writers.AVAILABLE
    lease_s: Seconds = Seconds(10)
    entrances: tuple[RegionEntrance, ...] = ()
    clusters: tuple[RegionCluster, ...] = ()
    reconcilers: tuple[Reconciler, ...] = ()
    stores: tuple[RegionStore, ...] = ()

    def place(self, region: str) -> RegionPlace | None:
        return next((each for each in self.places if each.region == region), None)

    def cluster_uid(self, region: str) -> str:
        """Empty where nobody said."""
        return self.cluster_uids.get(region, "")

    @property
    def cluster_uids(self) -> Mapping[str, str]:
        """By region, of those that somebody said."""
        placed = {each.region: each.kube.cluster for each in self.places if each.kube and each.kube.cluster}
        return {**dict(each.entry for each in self.clusters), **placed}

    @property
    def entrances_written(self) -> Mapping[str, str]:
        """By region, the address or name that stands in the file."""
        placed = {each.region: each.address.at for each in self.places if each.address and each.address.at}
        return {**{each.region: each.at for each in self.entrances}, **placed}

    @property
    def entered(self) -> tuple[str, ...]:
        """Regions of which it is said where clients enter."""
        services = (each.region for each in self.places if each.address and each.address.service)
        return tuple(dict.fromkeys((*self.entrances_written, *services)))

    @property
    def store_logins(self) -> Mapping[str, str]:
        """By ``REGION/STORE``, where its login is read."""
        placed = {f"{place.region}/{each.store}": each.login for place in self.places for each in place.stores}
        return {**{f"{each.region}/{each.store}": each.login for each in self.stores}, **placed}

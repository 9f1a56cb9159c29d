"""A Secret by name and keys. Values are never read, so they cannot leak."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from secondsite.model.units import Seconds


class Kept(StrEnum):
    """Where it stands beside its store: in the cluster, in the manifests in clear text, in the manifests sealed.

    What is ``issued`` is made anew wherever its issuer runs: a certificate of cert-manager.
    """

    CLUSTER = "cluster"
    CLEAR = "clear-text"
    SEALED = "sealed"
    ISSUED = "issued"


@frozen
class Secret:
    """``store`` names the external secret store it is synchronised from (empty: none).

    ``regions`` are the regions in which that store holds a copy; empty is unknown, and treated as one.
    """

    name: str
    namespace: str = "default"
    keys: tuple[str, ...] = ()
    store: str = ""
    refresh_s: Seconds | None = None
    regions: tuple[str, ...] = ()
    kept: Kept = Kept.CLUSTER
    object: str = ""

    @property
    def object_name(self) -> str:
        """What Kubernetes calls it, as of a service."""
        return self.object or self.name

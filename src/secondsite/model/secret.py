"""A Secret by name and keys. Values are never read, so they cannot leak."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.units import Seconds


@frozen
class Secret:
    """``store`` names the external secret store it is synchronised from (empty: lives in the cluster only).

    ``regions`` are the regions in which that store holds a copy; empty is unknown, and treated as one.
    """

    name: str
    namespace: str = "default"
    keys: tuple[str, ...] = ()
    store: str = ""
    refresh_s: Seconds | None = None
    regions: tuple[str, ...] = ()

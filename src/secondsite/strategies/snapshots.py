"""Stores that follow no other server and are saved as snapshots for the other region: what saves them, what loads them.

Where the second region serves at once, each snapshot is loaded there as it comes; elsewhere it is loaded on the day of
the failover. Pure.
"""

from __future__ import annotations

from secondsite.model.deployment import Copy, Deployment
from secondsite.model.estimate import Estimate
from secondsite.model.service import Service
from secondsite.model.store import Loss, Store
from secondsite.model.strategy import Pattern
from secondsite.strategies.design import Kit
from secondsite.strategies.sizing import summed, transfer_time
from secondsite.strategies.stores import QDRANT, StoreReplica

KEPT = 4
QDRANT_PORT = 6333
_BACKUP = "scheduled backup"
_SAVED = (Pattern.BACKUP_RESTORE, Pattern.PILOT_LIGHT, Pattern.WARM_STANDBY)


def saved_stores(deployment: Deployment) -> tuple[StoreReplica, ...]:
    """Those of which snapshots go to the second region."""
    copy = _copy(deployment)
    if copy is None or deployment.strategy.pattern not in _SAVED:
        return ()
    home = deployment.primary.region.name
    held = [s for s in deployment.system.stores if s.engine in QDRANT and s.loss is Loss.DATA]
    return tuple(StoreReplica(s, home, copy.region) for s in held if not copy.covers or s.name in copy.covers)


def loaded_stores(deployment: Deployment) -> tuple[StoreReplica, ...]:
    """Those that the second region has loaded already when it is needed."""
    return saved_stores(deployment) if deployment.strategy.pattern is Pattern.WARM_STANDBY else ()


def saver(service: Service) -> str:
    """The Deployment that saves it."""
    return f"{service.object_name}-save"


def follower(service: Service) -> str:
    """The one that loads it in the region that waits."""
    return f"{service.object_name}-follow"


def save_every_s(deployment: Deployment) -> float:
    copy = _copy(deployment)
    return copy.interval.quantile(0.5) if copy else 0.0


def reaches(kit: Kit, store: Store) -> Estimate:
    """From the moment of a snapshot until it is loaded: what of it no drill of a small store rehearses.

    A snapshot holds its indexes, so that loading it builds none.
    """
    size = float(store.size_bytes or 0)
    saved = transfer_time(f"snapshot of {store.name}", size, kit.figures["backup.rate"])
    loaded = transfer_time(f"load of {store.name}", size, kit.figures["restore.rate"])
    return summed(f"snapshot of {store.name} saved and loaded", saved, loaded)


def save_arguments(server: str, to: str, every_s: float) -> tuple[str, ...]:
    """Of `secondsite`: the same wherever it runs."""
    return ("qdrant", "save", server, "--to", to, "--every", f"{every_s:g}s", "--keep", str(KEPT))


def load_arguments(server: str, source: str, every_s: float) -> tuple[str, ...]:
    return ("qdrant", "follow", server, "--from", source, "--every", f"{every_s:g}s")


def snapshots_url(replica: StoreReplica, system: str) -> str:
    """A bucket in the other region; names of buckets are shared by everybody, so a team may need another."""
    name = "".join(c if c.isalnum() else "-" for c in system.lower()).strip("-") or "system"
    return f"s3://{name}-{replica.store.name}-snapshots-{replica.standby}"


def _copy(deployment: Deployment) -> Copy | None:
    return next((one for one in deployment.copies if one.method == _BACKUP), None)

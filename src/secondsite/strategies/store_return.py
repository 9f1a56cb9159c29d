"""How long a database that lost its place takes to follow again: rewound by what differs, or copied anew, by its size.

Rewound it needs the log that the serving region wrote meanwhile; copied anew, all of its bytes. Both go over the link.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from secondsite.model.estimate import Estimate
from secondsite.model.store import Store
from secondsite.model.wording import duration
from secondsite.strategies.design import Kit
from secondsite.strategies.sizing import log_bytes_per_s, summed, transfer_time


def followed_again(kit: Kit, names: Iterable[str]) -> Estimate:
    """One after the other."""
    parts = [_again(kit, store) for store in kit.system.stores if store.name in set(names)]
    return parts[0] if len(parts) == 1 else summed("databases follow again", *parts)


def copied_anew(kit: Kit, names: Iterable[str]) -> Estimate:
    parts = [_copied(kit, store) for store in kit.system.stores if store.name in set(names)]
    return parts[0] if len(parts) == 1 else summed("databases copied anew", *parts)


def _again(kit: Kit, store: Store) -> Estimate:
    """A Redis that parted is copied whole; a PostgreSQL is where it cannot be rewound."""
    whole = _copied(kit, store)
    if store.engine != "postgres" or (store.running is not None and store.running.rewindable is False):
        return whole
    away_s = _away(kit).quantile(0.5)
    written = log_bytes_per_s(kit.system, (store.name,)) * away_s
    name = f"{store.name} rewound"
    moved = transfer_time(f"log of {store.name} meanwhile", written, kit.figures["backup.rate"])
    rewound = summed(name, kit.figures["rewind.store"], moved)
    instead = f"copied anew instead, where its log is gone: {duration(whole.quantile(0.5))}"
    why = f"{written / 1e9:.2g} GB of log in {duration(away_s)} away; {instead}"
    return evolve(rewound, name=name, source=f"{rewound.source}; {why}", inputs=(*rewound.inputs, whole))


def _copied(kit: Kit, store: Store) -> Estimate:
    size = float(store.size_bytes or 0)
    moved = transfer_time(f"all of {store.name}", size, kit.figures["backup.rate"])
    return summed(f"{store.name} copied anew", kit.figures["rewind.store"], moved)


def _away(kit: Kit) -> Estimate:
    own = f"duration.region.{kit.home.provider}"
    return kit.figures[own if own in kit.figures.by_name else "duration.region.other"]

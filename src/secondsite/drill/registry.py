"""The drills that there are, by name."""

from __future__ import annotations

from collections.abc import Mapping

from secondsite.drill.faults import (
    api_cut_off,
    api_killed,
    bad_write,
    database_killed,
    dns_stuck,
    event_and_row,
    failing_back,
    gray_region,
    half_migrated,
    long_report,
    loss_during,
    memory_pressure,
    missing_secret,
    monitoring_lost,
    nats_leader_lost,
    observability_gone,
    purge,
    region_loss,
    second_loss,
    slot_gone,
    soak,
    split_brain,
    stale_secret,
    taken_over_alive,
    under_lag,
    vectors_lost,
    wan_partition,
    zombie_primary,
    zone_loss,
)
from secondsite.drill.play.script import Drill
from secondsite.model.errors import InputError

_MODULES = (
    region_loss,
    monitoring_lost,
    under_lag,
    wan_partition,
    zone_loss,
    gray_region,
    stale_secret,
    missing_secret,
    split_brain,
    half_migrated,
    long_report,
    slot_gone,
    event_and_row,
    vectors_lost,
    dns_stuck,
    purge,
    bad_write,
    loss_during,
    zombie_primary,
    taken_over_alive,
    database_killed,
    failing_back,
    second_loss,
)
_INSIDE = (api_killed, nats_leader_lost, api_cut_off, memory_pressure, observability_gone, soak)
"""What happens inside one region: the chaos baseline."""
DRILLS: Mapping[str, Drill] = {module.DRILL.id: module.DRILL for module in (*_MODULES, *_INSIDE)}

_EACH = "warm-standby/leafnode-mirror"
_BASELINE = "single-region/none/manual@today"
MATRIX: tuple[tuple[str, str], ...] = (
    ("region-loss", "backup-restore/backup"),
    ("region-loss", "backup-restore/archive"),
    ("region-loss", "pilot-light/backup"),
    ("region-loss", "pilot-light/archive"),
    ("region-loss", "pilot-light/leafnode-mirror"),
    ("region-loss", "warm-standby/supercluster-mirror@today"),
    ("region-loss", "warm-standby/supercluster-mirror"),
    ("region-loss", "warm-standby/supercluster-mirror-witness"),
    ("region-loss", "warm-standby/leafnode-mirror"),
    ("region-loss", "warm-standby/stretch"),
    ("region-loss", "active-active/sourced/weighted"),
    ("bad-write", "backup-restore/archive"),
    *((module.DRILL.id, _EACH) for module in _MODULES if module is not region_loss),
    *((module.DRILL.id, _BASELINE) for module in _INSIDE),
)
"""Every strategy of the catalogue that can run here, and every drill: ``pattern/link@version``."""


def find_drill(name: str) -> Drill:
    """Raises InputError."""
    if name not in DRILLS:
        raise InputError.at("drill", f"unknown drill {name}", f"there are {', '.join(DRILLS)}")
    return DRILLS[name]

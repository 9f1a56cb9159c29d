"""The drills that there are, by name."""

from __future__ import annotations

from collections.abc import Mapping

from secondsite.drill.faults import region_loss
from secondsite.drill.script import Drill
from secondsite.model.errors import InputError

DRILLS: Mapping[str, Drill] = {drill.id: drill for drill in (region_loss.DRILL,)}


def find_drill(name: str) -> Drill:
    """Raises InputError."""
    if name not in DRILLS:
        raise InputError.at("drill", f"there is no drill {name}", f"there are {', '.join(DRILLS)}")
    return DRILLS[name]

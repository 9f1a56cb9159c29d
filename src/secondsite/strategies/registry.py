"""The combinations that make sense; what is left out and why stands in docs/strategies.md."""

from __future__ import annotations

from secondsite.model.strategy import Link, Pattern, Strategy, Switch
from secondsite.model.system import System

BASELINE = Strategy(Pattern.SINGLE_REGION, Link.NONE, Switch.MANUAL)

SPREAD = Strategy(Pattern.SEVERAL_REGIONS, Link.NONE, Switch.MANUAL)

MIXED: tuple[Strategy, ...] = (
    Strategy(Pattern.WARM_STANDBY, Link.MIRROR_AND_BACKUP),
    Strategy(Pattern.WARM_STANDBY, Link.MIRROR_AND_BACKUP, Switch.FAILOVER_RECORD),
)
"""A link for each stream: these make sense where contracts on streams differ by more than a backup is old."""

IN_THREE_REGIONS = frozenset({Link.STRETCH, Link.SUPERCLUSTER_MIRROR_WITNESS})
"""Links that need a third region for a replica or a vote."""

STRATEGIES: tuple[Strategy, ...] = (
    BASELINE,
    Strategy(Pattern.BACKUP_RESTORE, Link.BACKUP, Switch.MANUAL),
    Strategy(Pattern.BACKUP_RESTORE, Link.BACKUP),
    Strategy(Pattern.BACKUP_RESTORE, Link.ARCHIVE),
    Strategy(Pattern.PILOT_LIGHT, Link.BACKUP),
    Strategy(Pattern.PILOT_LIGHT, Link.ARCHIVE),
    Strategy(Pattern.PILOT_LIGHT, Link.LEAFNODE_MIRROR),
    Strategy(Pattern.PILOT_LIGHT, Link.SUPERCLUSTER_MIRROR_WITNESS),
    Strategy(Pattern.WARM_STANDBY, Link.BACKUP),
    Strategy(Pattern.WARM_STANDBY, Link.ARCHIVE),
    Strategy(Pattern.WARM_STANDBY, Link.SUPERCLUSTER_MIRROR),
    Strategy(Pattern.WARM_STANDBY, Link.SUPERCLUSTER_MIRROR_WITNESS),
    Strategy(Pattern.WARM_STANDBY, Link.LEAFNODE_MIRROR, Switch.MANUAL),
    Strategy(Pattern.WARM_STANDBY, Link.LEAFNODE_MIRROR),
    Strategy(Pattern.WARM_STANDBY, Link.LEAFNODE_MIRROR, Switch.FAILOVER_RECORD),
    Strategy(Pattern.WARM_STANDBY, Link.STRETCH),
    Strategy(Pattern.WARM_STANDBY, Link.STRETCH, Switch.FAILOVER_RECORD),
    Strategy(Pattern.WARM_STANDBY, Link.MANAGED),
    Strategy(Pattern.ACTIVE_ACTIVE, Link.SUPERCLUSTER_MIRROR_WITNESS, Switch.WEIGHTED),
    Strategy(Pattern.ACTIVE_ACTIVE, Link.STRETCH, Switch.WEIGHTED),
    Strategy(Pattern.ACTIVE_ACTIVE, Link.SOURCED, Switch.WEIGHTED),
    Strategy(Pattern.ACTIVE_ACTIVE, Link.MANAGED, Switch.WEIGHTED),
)


def today(system: System) -> Strategy:
    """The baseline: what is there, in one region or in several."""
    return SPREAD if len(system.regions_today) > 1 else BASELINE

"""The parts by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from secondsite.model.strategy import Link, Pattern, Strategy, Switch
from secondsite.strategies.design import Kit, LinkDesign, PatternDesign, SwitchDesign
from secondsite.strategies.links.archive import ArchiveLink
from secondsite.strategies.links.backup import BackupLink
from secondsite.strategies.links.leafnode_mirror import LeafnodeMirror
from secondsite.strategies.links.managed import Managed
from secondsite.strategies.links.mirror_and_backup import MirrorAndBackup
from secondsite.strategies.links.none import NoLink
from secondsite.strategies.links.sourced import Sourced
from secondsite.strategies.links.stretch import Stretch
from secondsite.strategies.links.supercluster_mirror import SuperclusterMirror
from secondsite.strategies.links.supercluster_mirror_witness import SuperclusterMirrorWitness
from secondsite.strategies.patterns.active_active import ActiveActive
from secondsite.strategies.patterns.backup_restore import BackupRestore
from secondsite.strategies.patterns.pilot_light import PilotLight
from secondsite.strategies.patterns.several_regions import SeveralRegions
from secondsite.strategies.patterns.single_region import SingleRegion
from secondsite.strategies.patterns.warm_standby import WarmStandby
from secondsite.strategies.switches.dns import DnsFailover
from secondsite.strategies.switches.failover_record import FailoverRecord
from secondsite.strategies.switches.manual import Manual
from secondsite.strategies.switches.weighted import Weighted

PATTERNS: Mapping[Pattern, Callable[[Kit], PatternDesign]] = {
    Pattern.SINGLE_REGION: SingleRegion,
    Pattern.SEVERAL_REGIONS: SeveralRegions,
    Pattern.BACKUP_RESTORE: BackupRestore,
    Pattern.PILOT_LIGHT: PilotLight,
    Pattern.WARM_STANDBY: WarmStandby,
    Pattern.ACTIVE_ACTIVE: ActiveActive,
}

LINKS: Mapping[Link, Callable[[Kit], LinkDesign]] = {
    Link.NONE: NoLink,
    Link.BACKUP: BackupLink,
    Link.ARCHIVE: ArchiveLink,
    Link.SUPERCLUSTER_MIRROR: SuperclusterMirror,
    Link.SUPERCLUSTER_MIRROR_WITNESS: SuperclusterMirrorWitness,
    Link.LEAFNODE_MIRROR: LeafnodeMirror,
    Link.MIRROR_AND_BACKUP: MirrorAndBackup,
    Link.STRETCH: Stretch,
    Link.SOURCED: Sourced,
    Link.MANAGED: Managed,
}

SWITCHES: Mapping[Switch, Callable[[Kit], SwitchDesign]] = {
    Switch.DNS: DnsFailover,
    Switch.WEIGHTED: Weighted,
    Switch.MANUAL: Manual,
    Switch.FAILOVER_RECORD: FailoverRecord,
}


def parts(strategy: Strategy, kit: Kit) -> tuple[PatternDesign, LinkDesign, SwitchDesign]:
    return PATTERNS[strategy.pattern](kit), LINKS[strategy.link](kit), SWITCHES[strategy.switch](kit)

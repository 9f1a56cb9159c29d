"""The parts by name."""

from __future__ import annotations

from collections.abc import Mapping

from secondsite.model.strategy import LinkDesign as LinkName
from secondsite.model.strategy import PatternDesign as PatternName
from secondsite.model.strategy import SwitchDesign as SwitchName
from secondsite.strategies.design import LinkDesign, PatternDesign, SwitchDesign
from secondsite.strategies.links.backup import BackupLink
from secondsite.strategies.links.leafnode_mirror import LeafnodeMirror
from secondsite.strategies.links.managed import Managed
from secondsite.strategies.links.none import NoLink
from secondsite.strategies.links.sourced import Sourced
from secondsite.strategies.links.stretch import Stretch
from secondsite.strategies.links.supercluster_mirror import SuperclusterMirror
from secondsite.strategies.links.supercluster_mirror_witness import SuperclusterMirrorWitness
from secondsite.strategies.patterns.active_active import ActiveActive
from secondsite.strategies.patterns.backup_restore import BackupRestore
from secondsite.strategies.patterns.pilot_light import PilotLight
from secondsite.strategies.patterns.single_region import SingleRegion
from secondsite.strategies.patterns.warm_standby import WarmStandby
from secondsite.strategies.switches.dns import DnsFailover
from secondsite.strategies.switches.manual import Manual
from secondsite.strategies.switches.weighted import Weighted

PATTERNS: Mapping[PatternName, PatternDesign] = {
    PatternName.SINGLE_REGION: SingleRegion(),
    PatternName.BACKUP_RESTORE: BackupRestore(),
    PatternName.PILOT_LIGHT: PilotLight(),
    PatternName.WARM_STANDBY: WarmStandby(),
    PatternName.ACTIVE_ACTIVE: ActiveActive(),
}

LINKS: Mapping[LinkName, LinkDesign] = {
    LinkName.NONE: NoLink(),
    LinkName.BACKUP: BackupLink(),
    LinkName.SUPERCLUSTER_MIRROR: SuperclusterMirror(),
    LinkName.SUPERCLUSTER_MIRROR_WITNESS: SuperclusterMirrorWitness(),
    LinkName.LEAFNODE_MIRROR: LeafnodeMirror(),
    LinkName.STRETCH: Stretch(),
    LinkName.SOURCED: Sourced(),
    LinkName.MANAGED: Managed(),
}

SWITCHES: Mapping[SwitchName, SwitchDesign] = {
    SwitchName.DNS: DnsFailover(),
    SwitchName.WEIGHTED: Weighted(),
    SwitchName.MANUAL: Manual(),
}

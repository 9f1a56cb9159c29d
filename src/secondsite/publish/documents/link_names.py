"""How documents call the ways in which streams get to another region."""

from __future__ import annotations

from secondsite.model.strategy import Link

LINK_NAMES = {
    Link.BACKUP: "backups, no live link",
    Link.ARCHIVE: "a continuous archive, no live link",
    Link.SUPERCLUSTER_MIRROR: "super-cluster of two regions, mirrors",
    Link.SUPERCLUSTER_MIRROR_WITNESS: "super-cluster with a vote in a third region, mirrors",
    Link.MIRROR_AND_BACKUP: "a leaf link with mirrors of some streams and backups of the others",
    Link.LEAFNODE_MIRROR: "independent clusters, cross-region mirrors over a leaf link",
    Link.STRETCH: "one cluster stretched over three regions",
    Link.SOURCED: "independent clusters, streams that source each other",
    Link.MANAGED: "managed NATS",
}

"""Which strategies the search plays, and why not the others. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from secondsite.model.strategy import Link, Strategy

_NO_MAJORITY = (
    "its regions share one meta group, and the first has no majority of it while it stands apart: it changes no stream "
    "(10008), so there is no failback to play"
)
_NO_WAY_BACK = "no link carries its streams back, so there is no failback to play"
_WHY_NOT: Mapping[Link, str] = {
    Link.SUPERCLUSTER_MIRROR: _NO_MAJORITY,
    Link.SUPERCLUSTER_MIRROR_WITNESS: (
        "a region that returns joined is reached by writers of every region, and its old streams acknowledge some of "
        "them before they are gone: known, not solved, and so not searched"
    ),
    Link.STRETCH: "its streams span the regions, and none is promoted",
    Link.SOURCED: "each region writes streams of its own, so that two writers are no breach",
    Link.MANAGED: "its servers are run by a provider",
    Link.BACKUP: _NO_WAY_BACK,
    Link.ARCHIVE: _NO_WAY_BACK,
    Link.MIRROR_AND_BACKUP: "some of its streams have no failback",
    Link.NONE: "there is no second region",
}


def why_not_played(strategy: Strategy) -> str:
    """Empty where it is."""
    return _WHY_NOT.get(strategy.link, "")

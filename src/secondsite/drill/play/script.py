"""A drill as a noun: its name, what its contracts are about, where it makes sense, and how it is played."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen

from secondsite.drill.play.profile import Profile
from secondsite.drill.play.stage import Stage
from secondsite.model.contract import Subject
from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.nats_release import Feature, Support, supports


@frozen
class Drill:
    """``fits`` says why it cannot be run on a deployment; empty where it can. ``moves``: clients have to leave the
    first region. ``subjects`` are what it really runs. ``procedure``: the fault whose procedure is carried out, where
    that is another than ``fault``; ``returns``: the failback after it, too; ``again``: and the failover once more.
    ``ignoring_ttl``: the share of users that keep the address they resolved first.
    ``databases``: stores that follow in another region run, too. ``observed``: each region has a Prometheus.
    ``vectors``: so do those of which a snapshot is saved for the other region, saved by what ships.
    ``pods``: it needs pods that restart by themselves.
    ``lasts``: how long it is meant to take beyond the usual, in
    seconds.
    """

    id: str
    title: str
    fault: Fault
    play: Callable[[Stage], Awaitable[None]]
    fits: Callable[[Deployment], str]
    moves: bool = True
    subjects: tuple[Subject, ...] = (Subject.API, Subject.NATS)
    procedure: Fault | None = None
    returns: bool = False
    again: bool = False
    ignoring_ttl: float = 0.0
    pods: bool = False
    databases: bool = False
    vectors: bool = False
    observed: bool = False
    lasts: Callable[[Profile], float] = lambda _: 0.0


def several_regions(deployment: Deployment) -> str:
    return "" if len(deployment.sites) > 1 else "there is no second region"


def mirrored(deployment: Deployment) -> str:
    """The drills about what a mirror keeps need one, and a server that promotes it."""
    if not any(stream.mirror for cluster in deployment.clusters for stream in cluster.streams):
        return "no stream is mirrored"
    if any(supports(cluster.version, Feature.PROMOTION) is not Support.YES for cluster in deployment.clusters):
        return "its servers do not promote mirrors"
    return ""

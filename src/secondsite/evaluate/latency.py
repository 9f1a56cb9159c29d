"""How far users are from what serves them, and how long a publish waits for its acknowledgement, or a COMMIT.

Publish figures were measured on servers on one host: round trips
between zones and regions are added from the table, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from attrs import frozen

from secondsite.catalogue.bundle import Catalogue
from secondsite.catalogue.figures import Figures
from secondsite.evaluate.derive import count, product, total
from secondsite.model.deployment import Deployment, Site
from secondsite.model.estimate import Estimate, unbounded
from secondsite.model.load import Population
from secondsite.model.region import Region
from secondsite.model.store import Replication
from secondsite.model.strategy import Link, Pattern, Switch
from secondsite.strategies.stores import SYNCHRONOUS, kept_by

_Z99 = NormalDist().inv_cdf(0.99)


@frozen
class LatencyFigures:
    """All in ms. ``user`` is the network alone, from users to the region that serves them; ``after``: with the first
    region lost, unbounded where no other takes over. ``commit`` is of the slowest database; None where none waits for a
    standby in another region, whatever the strategy: a COMMIT is then as quick as today."""

    user_p50_ms: Estimate
    user_p99_ms: Estimate
    user_after_p50_ms: Estimate
    publish_p50_ms: Estimate
    publish_p99_ms: Estimate
    commit_p50_ms: Estimate | None = None
    commit_p99_ms: Estimate | None = None


def latency(deployment: Deployment, catalogue: Catalogue) -> LatencyFigures:
    """Raises InputError for a pair of regions that is not in the round-trip table."""
    paths = _user_paths(deployment, deployment.serving, catalogue)
    jitter = catalogue.figures["rtt.jitter"]
    inputs = (jitter, *(trip for _, trip in paths))
    p50, p99 = publish_ack(deployment, catalogue)
    commits = commit_ack(deployment, catalogue)
    return LatencyFigures(
        user_p50_ms=count("users, p50", _mixture(paths, 0.5, jitter), "median over all users", *inputs, unit="ms"),
        user_p99_ms=count("users, p99", _mixture(paths, 0.99, jitter), "p99 over all users", *inputs, unit="ms"),
        user_after_p50_ms=_after(deployment, catalogue),
        publish_p50_ms=p50,
        publish_p99_ms=p99,
        commit_p50_ms=commits[0] if commits else None,
        commit_p99_ms=commits[1] if commits else None,
    )


def commit_ack(deployment: Deployment, catalogue: Catalogue) -> tuple[Estimate, Estimate] | None:
    """p50 and p99 in ms: the flush on the primary's volume, then the round trip to a standby that has to have it."""
    if not kept_by(deployment.system, Replication.SYNCHRONOUS):
        return None
    waiting = [copy.region for copy in deployment.copies if copy.method == SYNCHRONOUS]
    return commit_times(deployment.primary.region, [r for r in _regions(deployment) if r.name in waiting], catalogue)


def commit_times(home: Region, standbys: Sequence[Region], catalogue: Catalogue) -> tuple[Estimate, Estimate]:
    figures = catalogue.figures
    local = figures["commit.local"]
    tail = product("flush, p99", "ms", local, figures["ack.tail"])
    if not standbys:
        return total("commit, p50", "ms", [local]), total("commit, p99", "ms", [tail])
    trip = max((catalogue.round_trips.of(home, region) for region in standbys), key=lambda one: one.mean)
    there = product("round trip to the standby, p99", "ms", trip, figures["rtt.jitter"])
    return total("commit, p50", "ms", [local, trip]), total("commit, p99", "ms", [tail, there])


def _regions(deployment: Deployment) -> list[Region]:
    return list(dict.fromkeys(site.region for site in deployment.sites))


def _after(deployment: Deployment, catalogue: Catalogue) -> Estimate:
    """The median once the first region is lost and its users are served elsewhere."""
    name, home = "users, p50, first region lost", deployment.primary
    left = tuple(site for site in deployment.serving if site is not home)
    left = left or ((deployment.standby,) if deployment.standby else ())
    if not left:
        return unbounded(name, "ms", "no other region serves")
    paths = _user_paths(deployment, left, catalogue)
    jitter = catalogue.figures["rtt.jitter"]
    inputs = (jitter, *(trip for _, trip in paths))
    return count(name, _mixture(paths, 0.5, jitter), "median over all users", *inputs, unit="ms")


def _user_paths(deployment: Deployment, serving: Sequence[Site], catalogue: Catalogue) -> list[tuple[float, Estimate]]:
    """Shares of users and the round trip to what serves them; where no users are named, they are at home.

    Weighted records send every population to all serving regions alike, near or far: that is what weights are.
    """
    home = deployment.primary.region
    users = deployment.system.users or (Population(deployment.primary.region.name, 1.0),)
    whole = math.fsum(population.share for population in users) or 1.0
    paths = []
    for population in users:
        share = population.share / whole
        near = Region(catalogue.prices.regions.provider_of(population.region) or home.provider, population.region)
        trips = [catalogue.round_trips.of(near, site.region) for site in serving]
        if deployment.strategy.switch is Switch.WEIGHTED:
            paths += [(share / len(trips), trip) for trip in trips]
        else:
            paths.append((share, min(trips, key=lambda trip: trip.mean)))
    return paths


def _mixture(paths: Sequence[tuple[float, Estimate]], p: float, jitter: Estimate) -> float:
    """The ``p`` quantile over populations whose round trips are lognormal, p99 at ``jitter`` times the median."""
    sigma = math.log(jitter.mean) / _Z99
    medians = [(share, max(trip.mean, 1e-9)) for share, trip in paths if share > 0]
    low, high = min(m for _, m in medians) / 10, max(m for _, m in medians) * 10
    for _ in range(60):
        middle = math.sqrt(low * high)
        below = math.fsum(
            share * NormalDist().cdf((math.log(middle) - math.log(median)) / sigma) for share, median in medians
        )
        low, high = (middle, high) if below < p else (low, middle)
    return high


def publish_ack(deployment: Deployment, catalogue: Catalogue) -> tuple[Estimate, Estimate]:
    """p50 and p99 in ms, from the region that serves to the acknowledgement."""
    if deployment.strategy.link is Link.STRETCH:
        return _stretch_ack(deployment, catalogue)
    parts = [_local_ack(deployment, catalogue.figures)]
    if deployment.managed_plan:
        parts.append(catalogue.figures["rtt.managed"])
    elif deployment.primary.region.zones > 1:
        parts.append(_zone_hops(deployment.primary.region.zones, catalogue.figures))
    p50 = total("publish, p50", "ms", parts)
    tail = product("publish, p99", "ms", p50, catalogue.figures["ack.tail"])
    away = _to_the_writable_stream(deployment, catalogue)
    return p50, total("publish, p99", "ms", [tail, *away]) if away else tail


def _to_the_writable_stream(deployment: Deployment, catalogue: Catalogue) -> tuple[Estimate, ...]:
    """Where several regions serve and one holds the streams, the others publish across: it shows in the p99."""
    if deployment.strategy.pattern is not Pattern.ACTIVE_ACTIVE or deployment.strategy.link is Link.SOURCED:
        return ()
    home, others = deployment.primary.region, deployment.serving[1:]
    if not others:
        return ()
    trips = (catalogue.round_trips.of(home, other.region) for other in others)
    return (product("to the stream", "ms", max(trips, key=lambda trip: trip.mean), catalogue.figures["rtt.jitter"]),)


def _local_ack(deployment: Deployment, figures: Figures) -> Estimate:
    """Of R3 streams; taken for R1 too, which is no slower."""
    home = [cluster for cluster in deployment.clusters if cluster.region in ("", deployment.primary.region.name)]
    return figures["ack.r3-always" if any(not cluster.sync_interval_s for cluster in home) else "ack.r3"]


def _zone_hops(zones: int, figures: Figures) -> Estimate:
    """Leader to follower, and client to a leader that is in another zone by chance."""
    hops = count("zone crossings", 1 + (1 - 1 / zones), "to a follower; to a leader in another zone", unit="crossings")
    return product("between zones", "ms", hops, figures["rtt.zone"])


def _stretch_ack(deployment: Deployment, catalogue: Catalogue) -> tuple[Estimate, Estimate]:
    """Median: the leader is in the writer's region. p99: it is where writing takes longest, and paths jitter.

    Where several regions write, most writers are away from the leader, in the median too.
    """
    home = deployment.primary.region
    regions = _regions(deployment)

    def trip(a: Region, b: Region) -> Estimate:
        return catalogue.round_trips.of(a, b)

    def quorum(leader: Region) -> Estimate:
        """To the nearer peer, which makes a majority of three."""
        return min((trip(leader, peer) for peer in regions if peer != leader), key=lambda one: one.mean)

    beyond = catalogue.figures["ack.stretch"]
    here = total("publish, leader here", "ms", [beyond, quorum(home)])
    away = [
        total("publish, leader elsewhere", "ms", [beyond, trip(home, leader), quorum(leader)])
        for leader in regions
        if leader != home
    ]
    worst = max(away, key=lambda one: one.mean)
    nearest = min(away, key=lambda one: one.mean)
    p50 = nearest if deployment.strategy.pattern is Pattern.ACTIVE_ACTIVE else here
    return total("publish, p50", "ms", [p50]), product("publish, p99", "ms", worst, catalogue.figures["rtt.jitter"])

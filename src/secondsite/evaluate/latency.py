"""How far users are from what serves them, and how long a publish waits for its acknowledgement.

Publish figures are those measured on nats-server 2.15.1 with nats-py 2.16, servers on one host: round trips
between zones and regions are added from the table, never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from attrs import frozen

from secondsite.catalogue.round_trips import RoundTrips
from secondsite.evaluate.derive import count, product, total
from secondsite.evaluate.quantities import JITTER, MANAGED_ROUND_TRIP_MS, ZONE_ROUND_TRIP_MS
from secondsite.model.deployment import Deployment, Site
from secondsite.model.estimate import Estimate, Fixed, Provenance, unbounded
from secondsite.model.load import Population
from secondsite.model.strategy import Link, Pattern, Switch

_Z99 = NormalDist().inv_cdf(0.99)
_SOURCE = "nats-server 2.15.1 with nats-py 2.16 on 2 cores, 2026-11"


def _measured(name: str, ms: float, what: str) -> Estimate:
    return Estimate(name, "ms", Fixed(ms), Provenance.MEASURED, f"{what}; measured on {_SOURCE}")


ACK_DEFAULT = _measured("acknowledgement, R3 on one host", 0.46, "R3, default sync interval, p50")
ACK_ALWAYS = _measured("acknowledgement, R3 on one host, sync always", 1.07, "R3, sync_interval: always, p50")
ACK_STRETCH = _measured("overhead beyond the round trip", 2.5, "R3 over three regions: 12.5 ms at RTT 10, 22.5 at 20")
ACK_TAIL = Estimate(
    "p99 of an acknowledgement, as a multiple of its median",
    "",
    Fixed(2.2),
    Provenance.ASSUMED,
    f"p99 1 ms at a median of 0.46 ms (measured on {_SOURCE}), taken for every sync setting",
    plausible=(0.7, 5.0),
    settle="nats bench js pub --replicas 3 in the cluster itself",
)


@frozen
class LatencyFigures:
    """All in ms. ``user`` is the network alone, from users to the region that serves them; ``after``: with the first
    region lost, unbounded where no other takes over."""

    user_p50_ms: Estimate
    user_p99_ms: Estimate
    user_after_p50_ms: Estimate
    publish_p50_ms: Estimate
    publish_p99_ms: Estimate


def latency(deployment: Deployment, round_trips: RoundTrips) -> LatencyFigures:
    """Raises InputError for a pair of regions that is not in the round-trip table."""
    paths = _user_paths(deployment, deployment.serving, round_trips)
    inputs = (JITTER, *(trip for _, trip in paths))
    p50, p99 = publish_ack(deployment, round_trips)
    return LatencyFigures(
        user_p50_ms=count("users, p50", _mixture(paths, 0.5), "median over all users", *inputs, unit="ms"),
        user_p99_ms=count("users, p99", _mixture(paths, 0.99), "p99 over all users", *inputs, unit="ms"),
        user_after_p50_ms=_after(deployment, round_trips),
        publish_p50_ms=p50,
        publish_p99_ms=p99,
    )


def _after(deployment: Deployment, round_trips: RoundTrips) -> Estimate:
    """The median once the first region is lost and its users are served elsewhere."""
    name, home = "users, p50, first region lost", deployment.primary
    left = tuple(site for site in deployment.serving if site is not home)
    left = left or ((deployment.standby,) if deployment.standby else ())
    if not left:
        return unbounded(name, "ms", "no other region serves")
    paths = _user_paths(deployment, left, round_trips)
    inputs = (JITTER, *(trip for _, trip in paths))
    return count(name, _mixture(paths, 0.5), "median over all users", *inputs, unit="ms")


def _user_paths(
    deployment: Deployment, serving: Sequence[Site], round_trips: RoundTrips
) -> list[tuple[float, Estimate]]:
    """Shares of users and the round trip to what serves them; where no users are named, they are at home.

    Weighted records send every population to all serving regions alike, near or far: that is what weights are.
    """
    provider = deployment.primary.region.provider
    users = deployment.system.users or (Population(deployment.primary.region.name, 1.0),)
    whole = math.fsum(population.share for population in users) or 1.0
    paths = []
    for population in users:
        share = population.share / whole
        trips = [round_trips.between(provider, population.region, site.region.name) for site in serving]
        if deployment.strategy.switch is Switch.WEIGHTED:
            paths += [(share / len(trips), trip) for trip in trips]
        else:
            paths.append((share, min(trips, key=lambda trip: trip.mean)))
    return paths


def _mixture(paths: Sequence[tuple[float, Estimate]], p: float) -> float:
    """The ``p`` quantile over populations whose round trips are lognormal, p99 at JITTER times the median."""
    sigma = math.log(JITTER.mean) / _Z99
    medians = [(share, max(trip.mean, 1e-9)) for share, trip in paths if share > 0]
    low, high = min(m for _, m in medians) / 10, max(m for _, m in medians) * 10
    for _ in range(60):
        middle = math.sqrt(low * high)
        below = math.fsum(
            share * NormalDist().cdf((math.log(middle) - math.log(median)) / sigma) for share, median in medians
        )
        low, high = (middle, high) if below < p else (low, middle)
    return high


def publish_ack(deployment: Deployment, round_trips: RoundTrips) -> tuple[Estimate, Estimate]:
    """p50 and p99 in ms, from the region that serves to the acknowledgement."""
    if deployment.strategy.link is Link.STRETCH:
        return _stretch_ack(deployment, round_trips)
    parts = [_local_ack(deployment)]
    if deployment.managed_plan:
        parts.append(MANAGED_ROUND_TRIP_MS)
    elif deployment.primary.region.zones > 1:
        parts.append(_zone_hops(deployment.primary.region.zones))
    p50 = total("publish, p50", "ms", parts)
    tail = product("publish, p99", "ms", p50, ACK_TAIL)
    away = _to_the_writable_stream(deployment, round_trips)
    return p50, total("publish, p99", "ms", [tail, *away]) if away else tail


def _to_the_writable_stream(deployment: Deployment, round_trips: RoundTrips) -> tuple[Estimate, ...]:
    """Where several regions serve and one holds the streams, the others publish across: it shows in the p99."""
    if deployment.strategy.pattern is not Pattern.ACTIVE_ACTIVE or deployment.strategy.link is Link.SOURCED:
        return ()
    home, others = deployment.primary.region, deployment.serving[1:]
    if not others:
        return ()
    trips = (round_trips.between(home.provider, home.name, other.region.name) for other in others)
    return (product("to the stream", "ms", max(trips, key=lambda trip: trip.mean), JITTER),)


def _local_ack(deployment: Deployment) -> Estimate:
    """Of R3 streams; taken for R1 too, which is no slower."""
    home = [cluster for cluster in deployment.clusters if cluster.region in ("", deployment.primary.region.name)]
    return ACK_ALWAYS if any(not cluster.sync_interval_s for cluster in home) else ACK_DEFAULT


def _zone_hops(zones: int) -> Estimate:
    """Leader to follower, and client to a leader that is in another zone by chance."""
    hops = count("zone crossings", 1 + (1 - 1 / zones), "to a follower; to a leader in another zone", unit="crossings")
    return product("between zones", "ms", hops, ZONE_ROUND_TRIP_MS)


def _stretch_ack(deployment: Deployment, round_trips: RoundTrips) -> tuple[Estimate, Estimate]:
    """Median: the leader is in the writer's region. p99: it is where writing takes longest, and paths jitter.

    Where several regions write, most writers are away from the leader, in the median too.
    """
    home = deployment.primary.region
    regions = list(dict.fromkeys(site.region.name for site in deployment.sites))

    def trip(a: str, b: str) -> Estimate:
        return round_trips.between(home.provider, a, b)

    def quorum(leader: str) -> Estimate:
        """To the nearer peer, which makes a majority of three."""
        return min((trip(leader, peer) for peer in regions if peer != leader), key=lambda one: one.mean)

    here = total("publish, leader here", "ms", [ACK_STRETCH, quorum(home.name)])
    away = [
        total("publish, leader elsewhere", "ms", [ACK_STRETCH, trip(home.name, leader), quorum(leader)])
        for leader in regions
        if leader != home.name
    ]
    worst = max(away, key=lambda one: one.mean)
    nearest = min(away, key=lambda one: one.mean)
    p50 = nearest if deployment.strategy.pattern is Pattern.ACTIVE_ACTIVE else here
    return total("publish, p50", "ms", [p50]), product("publish, p99", "ms", worst, JITTER)

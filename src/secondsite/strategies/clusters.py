"""NATS clusters as strategies lay them out: today's cluster, moved, doubled, joined."""

from __future__ import annotations

from attrs import evolve

from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy, LinkKind, Site, SiteRole, WanLink
from secondsite.model.estimate import Estimate, fixed, unbounded
from secondsite.model.fault import Fault
from secondsite.model.nats import NatsCluster, Stream, StreamOrigin
from secondsite.model.region import Region
from secondsite.strategies.design import Kit
from secondsite.strategies.sizing import half_round_trip, lag, maybe, mirror_bytes_per_s, stream_rate_bytes_per_s
from secondsite.strategies.stores import nothing, survivable
from secondsite.strategies.stream_config import PROMOTING, copied_by_limits


def named(cluster: NatsCluster, region: Region) -> NatsCluster:
    """The same cluster in a region, under the region's name: `nats-us-west-2`."""
    return evolve(cluster, name=f"{cluster.name}-{region.name}", region=region.name)


def at_home(kit: Kit) -> tuple[NatsCluster, ...]:
    """What runs today in the first region, without its links to clusters elsewhere: a strategy lays out its own."""
    names = {cluster.name for cluster in kit.system.home_clusters}
    return tuple(
        evolve(
            cluster,
            region=kit.home.name,
            gateways=tuple(link for link in cluster.gateways if link.cluster in names),
            leaves=tuple(link for link in cluster.leaves if link.cluster not in _elsewhere(kit)),
        )
        for cluster in kit.system.home_clusters
    )


def _elsewhere(kit: Kit) -> frozenset[str]:
    return frozenset(cluster.name for cluster in kit.system.nats if cluster not in kit.system.home_clusters)


def mirrors(home: NatsCluster, *, domain: bool) -> tuple[Stream, ...]:
    """Mirrors of every stream of ``home``, under the same names: limits and TTLs as the origin's, R3.

    Work queues are mirrored as work queues, so that promotion does not do old work again (2.14+). What mirrors another
    stream today does so in the other region too, where that one's copy holds the same messages.
    """
    origin = StreamOrigin("", domain=home.domain if domain else "", region=home.region)
    return tuple(stream if stream.mirror else _mirror(stream, origin) for stream in home.streams)


def _mirror(stream: Stream, origin: StreamOrigin) -> Stream:
    """Without what a mirror cannot have: the origin keeps it, and the promoting update sets it."""
    copy = copied_by_limits(stream)
    return evolve(
        copy,
        subjects=(),
        mirror=evolve(origin, stream=stream.name),
        sources=(),
        consumers=(),
        settings=copy.settings.without("placement", *PROMOTING),
    )


def stream_copy(kit: Kit, region: Region, method: str, *, behind: Estimate | None = None) -> Copy:
    """An asynchronous copy of every stream: a purge at the origin does not reach it, a wrong write does."""
    return Copy(
        Subject.NATS,
        "streams",
        region.name,
        method,
        behind if behind is not None else lag(kit.figures),
        _travel(kit, region),
        _backlog(kit, region),
        (survivable(kit, region, operators=False) | {Fault.DELETION}),
    )


def _travel(kit: Kit, region: Region) -> Estimate:
    """One way, for a mirror that keeps up with the mean load; the lag of one that does not grows without end."""
    trip = kit.rtt_ms(kit.home, region)
    takes, asked = mirror_bytes_per_s(kit.figures, trip), stream_rate_bytes_per_s(kit.system)
    if asked <= takes:
        return half_round_trip(trip)
    why = (
        f"{asked / 1e6:,.0f} MB/s of messages, and a mirror takes {takes / 1e6:,.0f} MB/s over {trip.mean:.0f} ms "
        "(mirror.in-flight): it falls behind without end"
    )
    return unbounded("lag of the mirror", "s", why, (kit.figures["mirror.in-flight"], trip))


def _backlog(kit: Kit, region: Region) -> Estimate:
    """How far a mirror is behind at the end of a peak that it cannot follow."""
    trip, load = kit.rtt_ms(kit.home, region), kit.system.load
    takes, peak = mirror_bytes_per_s(kit.figures, trip), load.peak_per_s * load.message_bytes
    if peak <= takes:
        return nothing("copied message by message")
    behind = (peak - takes) / takes * kit.figures["load.peak-duration"].mean
    return maybe("backlog of a peak", kit.figures["load.peak-share"], fixed("backlog", behind, "s", "peak load"))


def stream_link(kit: Kit, region: Region, kind: LinkKind, *, both_ways: bool = False) -> tuple[WanLink, ...]:
    """What the copy of every stream sends between regions."""
    rate = stream_rate_bytes_per_s(kit.system)
    there = WanLink(kind, kit.home.name, region.name, "streams", rate / 2 if both_ways else rate)
    back = WanLink(kind, region.name, kit.home.name, "streams", rate / 2)
    return (there, back) if both_ways else (there,)


def empty_at_standby(kit: Kit, sites: tuple[Site, ...]) -> tuple[NatsCluster, ...]:
    """Today's clusters, and the same without streams where a standby lives: what is restored goes there."""
    home = at_home(kit)
    if standby_of(sites) is None:
        return home
    return (*home, *(evolve(named(cluster, kit.second), streams=()) for cluster in home))


def standby_of(sites: tuple[Site, ...]) -> Site | None:
    return next((site for site in sites[1:] if site.role in (SiteRole.STANDBY, SiteRole.ACTIVE)), None)

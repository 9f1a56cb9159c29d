"""NATS clusters as strategies lay them out: today's cluster, moved, doubled, joined."""

from __future__ import annotations

from attrs import evolve

from secondsite.model.contract import Subject
from secondsite.model.deployment import Copy, LinkKind, Site, SiteRole, WanLink
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault
from secondsite.model.nats import NatsCluster, Stream, StreamOrigin
from secondsite.model.region import Region
from secondsite.strategies.design import Kit
from secondsite.strategies.sizing import half_round_trip, lag, stream_rate_bytes_per_s
from secondsite.strategies.stores import nothing, survivable
from secondsite.strategies.stream_config import PROMOTING


def named(cluster: NatsCluster, region: Region) -> NatsCluster:
    """The same cluster in a region, under the region's name: `nats-us-west-2`."""
    return evolve(cluster, name=f"{cluster.name}-{region.name}", region=region.name)


def at_home(kit: Kit) -> tuple[NatsCluster, ...]:
    """What runs today, in its region."""
    return tuple(evolve(cluster, region=cluster.region or kit.home.name) for cluster in kit.system.nats)


def mirrors(home: NatsCluster, *, domain: bool) -> tuple[Stream, ...]:
    """Mirrors of every stream of ``home``, under the same names: limits and TTLs as the origin's, R3.

    Work queues are mirrored as work queues, so that promotion does not do old work again (2.14+). What mirrors another
    stream today does so in the other region too, where that one's copy holds the same messages.
    """
    origin = StreamOrigin("", domain=home.domain if domain else "", region=home.region)
    return tuple(stream if stream.mirror else _mirror(stream, origin) for stream in home.streams)


def _mirror(stream: Stream, origin: StreamOrigin) -> Stream:
    """Without what a mirror cannot have: the origin keeps it, and the promoting update sets it."""
    return evolve(
        stream,
        subjects=(),
        mirror=evolve(origin, stream=stream.name),
        sources=(),
        consumers=(),
        settings=stream.settings.without("placement", *PROMOTING),
    )


def stream_copy(kit: Kit, region: Region, method: str, *, behind: Estimate | None = None) -> Copy:
    """An asynchronous copy of every stream: a purge at the origin does not reach it, a wrong write does."""
    return Copy(
        Subject.NATS,
        "streams",
        region.name,
        method,
        behind if behind is not None else lag(kit.figures),
        half_round_trip(kit.rtt_ms(kit.home, region)),
        nothing("copied message by message"),
        (survivable(kit, region, operators=False) | {Fault.DELETION}),
    )


def stream_link(kit: Kit, region: Region, kind: LinkKind, *, both_ways: bool = False) -> tuple[WanLink, ...]:
    """What the copy of every stream sends between regions."""
    rate = stream_rate_bytes_per_s(kit.system)
    there = WanLink(kind, kit.home.name, region.name, "streams", rate / 2 if both_ways else rate)
    back = WanLink(kind, region.name, kit.home.name, "streams", rate / 2)
    return (there, back) if both_ways else (there,)


def standby_of(sites: tuple[Site, ...]) -> Site | None:
    return next((site for site in sites[1:] if site.role in (SiteRole.STANDBY, SiteRole.ACTIVE)), None)

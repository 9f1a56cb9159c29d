"""Which stream is whose copy, by region: read off a Deployment, so that every executor means the same. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import evolve, frozen

from secondsite.model.deployment import Deployment
from secondsite.model.nats import NatsCluster, Stream
from secondsite.model.strategy import Link
from secondsite.strategies.stream_config import as_mirror, stream_config, subjects_of

FENCED = "secondsite.fenced"
PROMOTING = "secondsite.promoting"
DIVERGED = "secondsite-diverged"


class Reach(StrEnum):
    """How a stream gets to another region."""

    MIRRORED = "mirrored"
    SOURCED = "sourced"
    STRETCHED = "stretched"
    ALONE = "alone"


@frozen
class StreamPlacement:
    """A stream as it lies in one region."""

    region: str
    cluster: NatsCluster
    stream: Stream

    @property
    def name(self) -> str:
        return self.stream.name


@frozen
class StreamFamily:
    """A stream with its copies, under the name that the origin has. ``subjects`` are what its writers use."""

    origin: StreamPlacement
    copies: tuple[StreamPlacement, ...]
    reach: Reach

    @property
    def name(self) -> str:
        return self.origin.name

    @property
    def subjects(self) -> tuple[str, ...]:
        return subjects_of(self.origin.stream)

    def at(self, region: str) -> StreamPlacement | None:
        return next((placement for placement in (self.origin, *self.copies) if placement.region == region), None)

    def asked_in(self, region: str) -> StreamPlacement:
        """What a person there reads: its own copy, else the origin; a stretched cluster answers in each region."""
        there = self.at(region)
        if there is None and self.reach is Reach.STRETCHED:
            return evolve(self.origin, region=region)
        return there or self.origin

    def others(self, region: str) -> tuple[StreamPlacement, ...]:
        return tuple(placement for placement in (self.origin, *self.copies) if placement.region != region)


def families(deployment: Deployment) -> tuple[StreamFamily, ...]:
    """In the order of the primary's streams."""
    home = deployment.primary.region.name
    placements = [StreamPlacement(c.region or home, c, s) for c in deployment.clusters for s in c.streams]
    reach = _reach(deployment)
    by_name: dict[str, StreamFamily] = {}
    for one in (each for each in placements if each.stream.mirror is None):
        known = by_name.get(one.name)
        if known is None:
            copies = tuple(each for each in placements if _copies(each, one, placements))
            own = Reach.ALONE if reach is Reach.MIRRORED and not copies else reach
            by_name[one.name] = StreamFamily(one, copies, own)
        else:
            by_name[one.name] = StreamFamily(known.origin, (*known.copies, one), reach)
    return tuple(by_name.values())


def _copies(each: StreamPlacement, one: StreamPlacement, placements: list[StreamPlacement]) -> bool:
    """A mirror of this very stream; one that stands beside another copy of it reads from that one."""
    mirror = each.stream.mirror
    if mirror is None or mirror.stream != one.name or each.region == one.region:
        return False
    if mirror.region:
        return mirror.region == one.region
    return not any(other.region == each.region and other.name == mirror.stream for other in placements)


def _reach(deployment: Deployment) -> Reach:
    match deployment.strategy.link:
        case Link.STRETCH:
            return Reach.STRETCHED
        case Link.SOURCED:
            return Reach.SOURCED
        case Link.NONE | Link.BACKUP | Link.ARCHIVE:
            return Reach.ALONE
        case _:
            return Reach.MIRRORED


def one_meta_group(deployment: Deployment) -> bool:
    """Whether the regions share one: one of them that stands apart has no majority, and changes no stream (10008)."""
    return any(cluster.gateways for cluster in deployment.clusters)


def fenced_subject(placement: StreamPlacement) -> str:
    """What a fenced stream listens on: nobody publishes there."""
    return f"{FENCED}.{placement.region}.{placement.name}"


def promoting_subject(placement: StreamPlacement) -> str:
    return f"{PROMOTING}.{placement.region}.{placement.name}"


def probe_subject(pattern: str) -> str:
    """A subject that the pattern matches."""
    words = {"*": "secondsite-probe", ">": "secondsite-probe"}
    return ".".join(words.get(token, token) for token in pattern.split("."))


def matches(pattern: str, subject: str) -> bool:
    """Whether a stream that listens on the pattern takes a message with this subject."""
    wanted, tokens = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted, tokens = wanted[:-1], tokens[: len(wanted) - 1] if len(tokens) >= len(wanted) else []
    return len(wanted) == len(tokens) and all(one in ("*", other) for one, other in zip(wanted, tokens, strict=True))


def mirror_config(placement: StreamPlacement, of: StreamPlacement) -> Mapping[str, Any]:
    """The region's stream as a mirror of another region's, through that one's domain where it has its own."""
    config = as_mirror(stream_config(placement.stream, placement.cluster))
    mirror: dict[str, Any] = {"name": of.name}
    if of.cluster.domain and of.cluster.domain != placement.cluster.domain:
        mirror["external"] = {"api": f"$JS.{of.cluster.domain}.API"}
    return config | {"mirror": mirror, "mirror_direct": True}


def writer_config(config: Mapping[str, Any], subjects: tuple[str, ...], **more: Any) -> dict[str, Any]:
    """A stream's configuration as it is, made a writable one with these subjects."""
    kept = {key: value for key, value in config.items() if key not in ("mirror", "mirror_direct")}
    return kept | {"subjects": list(subjects)} | more


def is_writable(config: Mapping[str, Any], family: StreamFamily) -> bool:
    """Whether a publish of the family's writers would be stored here."""
    subjects = tuple(config.get("subjects") or ())
    return not config.get("mirror") and any(subject in family.subjects for subject in subjects)

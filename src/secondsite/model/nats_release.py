"""What each release of nats-server can do: one table, and three answers.

A version that nobody knows is *unknown*, never old and never new: whoever asks decides what unknown means there. A plan
must not hope for it, and an audit must not accuse it.
"""

from __future__ import annotations

from enum import StrEnum

Version = tuple[int, int, int]

CURRENT = "2.15.1"
"""The newest release that was tried; what an upgrade leads to."""


class Support(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Feature(StrEnum):
    PROMOTION = "promoting a mirror by updating it"
    META_RESCUE = "rescuing a meta group that lost its majority"
    FULL_SNAPSHOT = "snapshots with consumers that have fewer replicas than their stream"
    MEMORY_SNAPSHOT = "snapshots of streams in memory"
    CONSUMER_RESET = "setting a consumer's position without changing its configuration"
    ORIGIN_IDENTITY = "sourced messages that name the very stream they come from"
    MIRROR_BESIDE_LIMIT = "a mirror's own consumer that does not count for max_consumers"
    QUEUE_BESIDE_COPY = "consumers of a work queue that are made beside a stream that copies it"
    MIRROR_EXPECTED_LAST = "a mirror that copies messages with an expected last sequence of their subject"
    MIRROR_REPEATED_IDS = "a mirror that copies messages whose ids repeat"
    SOURCE_REPEATED_IDS = "sourcing messages whose ids repeat"
    MESSAGE_ARCHIVE = "snapshots as a list of messages (NATSARC1)"
    INTEREST_OF_COPIES = "an interest stream that counts the consumers of its copies"


_SINCE: dict[Feature, Version] = {
    Feature.PROMOTION: (2, 12, 0),  # tried: 2.10.26 and 2.11.11 refuse (400/10055), 2.12.8, 2.14.6 and 2.15.1 do it
    Feature.META_RESCUE: (2, 15, 0),  # nats-server pull request 8408
    Feature.FULL_SNAPSHOT: (2, 15, 0),  # nats-server issue 7829
    Feature.MEMORY_SNAPSHOT: (2, 15, 0),  # before, they are refused: "no impl" (10064)
    Feature.CONSUMER_RESET: (2, 14, 0),
    Feature.ORIGIN_IDENTITY: (2, 15, 0),  # tried: from 2.15.1 on a restored stream sources a restored origin again
    Feature.MIRROR_BESIDE_LIMIT: (2, 15, 0),  # tried: 2.14.6 refuses it (10026), 2.15.1 does not
    Feature.QUEUE_BESIDE_COPY: (2, 14, 0),  # tried: 2.12.8 refuses them (10100, 10099), 2.14.6 does not
    Feature.MIRROR_EXPECTED_LAST: (2, 11, 0),  # tried: 2.10.26 copies 0 of 60, 2.11.11 all
    Feature.MIRROR_REPEATED_IDS: (2, 12, 0),  # tried: 2.10.26 and 2.11.11 copy 20 of 60, 2.12.8 all
    Feature.SOURCE_REPEATED_IDS: (2, 14, 0),  # tried: 2.10 and 2.11 keep 20 of 60, 2.12.8 58, 2.14.6 all
    Feature.MESSAGE_ARCHIVE: (2, 15, 0),  # nats-server pull request 7882
    Feature.INTEREST_OF_COPIES: (2, 14, 0),  # tried: 2.10.26 to 2.12.8 do not, 2.14.6 and 2.15.1 do
}


def supports(version: str, feature: Feature) -> Support:
    return reaches(version, _SINCE[feature])


def reaches(version: str, since: Version) -> Support:
    """Whether the version is this release or a later one."""
    known = parse_version(version)
    if known is None:
        return Support.UNKNOWN
    return Support.YES if known >= since else Support.NO


def since(feature: Feature) -> str:
    """``2.12``."""
    return release_name(_SINCE[feature])


def release_name(version: Version) -> str:
    return ".".join(map(str, version[:2] if version[2] == 0 else version))


def parse_version(text: str) -> Version | None:
    """``2.10-alpine`` is (2, 10, 0); None when there is no number in it, as in ``latest``."""
    numbers = text.lstrip("v").split("-")[0].split(".")
    if len(numbers) < 2 or not all(part.isdigit() for part in numbers[:3]):
        return None
    major, minor, patch = (*(int(part) for part in numbers[:3]), 0)[:3]
    return major, minor, patch

"""What each of our own programs may do on the servers: the subjects that it uses, and none more.

A program that only reads has a login that can only read: whoever takes it over neither writes, deletes nor listens to
what others are told. Each has an inbox of its own, as `_INBOX.>` hears every answer that anybody in the account gets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from secondsite.model.nats import NatsCluster

API = "$JS.API"
POSITIONS = "secondsite-positions"
BACKUP_INBOX = "_INBOX.backup"
ARCHIVE_INBOX = "_INBOX.archive"
AGENT_INBOX = "_INBOX.agent"


@frozen
class NatsRights:
    """Subjects that a login may publish to, and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]

    def conf(self) -> Mapping[str, Mapping[str, Sequence[str]]]:
        """As ``permissions`` of a user."""
        return {"publish": {"allow": self.publish}, "subscribe": {"allow": self.subscribe}}


def backup_rights(domain: str = "") -> NatsRights:
    """Every stream of the account, read whole: that is what a backup is."""
    verbs = ("INFO", "STREAM.LIST", "STREAM.NAMES", "STREAM.INFO.*", "STREAM.SNAPSHOT.*", "CONSUMER.LIST.*")
    asked = [f"{prefix}.{verb}" for prefix in _prefixes([domain]) for verb in verbs]
    return NatsRights((*asked, "$JS.SNAPSHOT.ACK.>"), (f"{BACKUP_INBOX}.>",))


def archive_rights(domain: str = "") -> NatsRights:
    """Every stream of the account, read on and on: by a consumer of its own, or message by message."""
    looked = ("INFO", "STREAM.LIST", "STREAM.NAMES", "STREAM.INFO.*", "CONSUMER.LIST.*", "STREAM.MSG.GET.*")
    read = ("CONSUMER.CREATE.*.*", "CONSUMER.MSG.NEXT.*.*", "CONSUMER.DELETE.*.*")
    asked = [f"{prefix}.{verb}" for prefix in _prefixes([domain]) for verb in (*looked, *read)]
    return NatsRights(tuple(asked), (f"{ARCHIVE_INBOX}.>",))


def agent_rights(clusters: Iterable[NatsCluster]) -> NatsRights:
    """What is mirrored, in whichever region it is: looked at, and the positions of its consumers written down."""
    clusters = tuple(clusters)
    mirrors = [stream for cluster in clusters for stream in cluster.streams if stream.mirror]
    origins = [stream.mirror.stream for stream in mirrors if stream.mirror]
    names = dict.fromkeys([*(stream.name for stream in mirrors), *origins])
    prefixes = _prefixes(cluster.domain for cluster in clusters)
    verbs = ("STREAM.INFO", "CONSUMER.LIST")
    looked = [f"{prefix}.{verb}.{name}" for prefix in prefixes for name in names for verb in verbs]
    own = (f"{API}.STREAM.INFO.{POSITIONS}", f"{API}.STREAM.CREATE.{POSITIONS}", "secondsite.positions.>")
    return NatsRights((*looked, *own), (f"{AGENT_INBOX}.>",))


def _prefixes(domains: Iterable[str]) -> tuple[str, ...]:
    return (API, *dict.fromkeys(f"$JS.{domain}.API" for domain in domains if domain))

"""What each login may do on the servers: the subjects that it uses, and none more.

A program that only reads has a login that can only read: whoever takes it over neither writes, deletes nor listens to
what others are told. Each has an inbox of its own, as `_INBOX.>` hears every answer that anybody in the account gets;
the application, whose clients listen there, hears none of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from secondsite.model.jetstream_config import ARCHIVERS
from secondsite.model.nats import NatsCluster, StreamKind
from secondsite.strategies.stream_config import subjects_of

API = "$JS.API"
POSITIONS = "secondsite-positions"
WRITERS_STREAM = "secondsite-writers"
BACKUP_INBOX = "_INBOX.backup"
AGENT_INBOX = "_INBOX.agent"
ARCHIVE_INBOX = "_INBOX.archive"
GATE_INBOX = "_INBOX.gate"
OWN_INBOXES = (BACKUP_INBOX, AGENT_INBOX, ARCHIVE_INBOX, GATE_INBOX)

_ON_A_STREAM = ("STREAM.INFO.{0}", "STREAM.MSG.GET.{0}", "DIRECT.GET.{0}", "DIRECT.GET.{0}.>")
_ON_ITS_CONSUMERS = (
    *("CONSUMER.NAMES.{0}", "CONSUMER.LIST.{0}", "CONSUMER.CREATE.{0}", "CONSUMER.CREATE.{0}.>"),
    *("CONSUMER.DURABLE.CREATE.{0}.*", "CONSUMER.INFO.{0}.*", "CONSUMER.DELETE.{0}.*", "CONSUMER.MSG.NEXT.{0}.*"),
)


@frozen
class NatsRights:
    """Subjects that a login may publish to, and subscribe to. ``unheard`` it may not hear, ``replies``: it may answer
    whoever asked it, wherever that is."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    unheard: tuple[str, ...] = ()
    replies: bool = False

    def conf(self) -> Mapping[str, Any]:
        """As ``permissions`` of a user."""
        unheard = {"deny": self.unheard} if self.unheard else {}
        replies = {"allow_responses": True} if self.replies else {}
        return {"publish": {"allow": self.publish}, "subscribe": {"allow": self.subscribe, **unheard}, **replies}


def application_rights(clusters: Iterable[NatsCluster], domain: str = "", more: Sequence[str] = ()) -> NatsRights:
    """What clients of the streams do: publish, read and acknowledge. Streams are created by the operator.

    ``more`` are subjects that the application uses beside its streams.
    """
    streams = {stream.name: stream for cluster in clusters for stream in cluster.streams}
    written = [stream for cluster in clusters for stream in cluster.streams if not stream.mirror]
    subjects = [subject for stream in written for subject in subjects_of(stream)]
    asked = ["INFO", "STREAM.NAMES", "STREAM.LIST"]
    asked += [verb.format(name) for name in streams for verb in (*_ON_A_STREAM, *_ON_ITS_CONSUMERS)]
    asked += [f"STREAM.PURGE.{name}" for name, one in streams.items() if one.kind is StreamKind.OBJECT]
    answered = [f"$JS.{kind}.{where}{name}.>" for kind in ("ACK", "FC") for name in streams for where in ("", "*.*.")]
    delivered = [
        str(consumer.settings["deliver_subject"])
        for cluster in clusters
        for stream in cluster.streams
        for consumer in stream.consumers
        if consumer.settings.get("deliver_subject")
    ]
    published = [*subjects, *more, *(f"{prefix}.{verb}" for prefix in _prefixes([domain]) for verb in asked), *answered]
    return NatsRights(
        tuple(dict.fromkeys(published)),
        tuple(dict.fromkeys([*subjects, *more, *delivered, "_INBOX.>"])),
        unheard=tuple(f"{inbox}.>" for inbox in OWN_INBOXES),
        replies=True,
    )


def backup_rights(domain: str = "") -> NatsRights:
    """Every stream of the account, read whole: that is what a backup is."""
    verbs = ("INFO", "STREAM.LIST", "STREAM.NAMES", "STREAM.INFO.*", "STREAM.SNAPSHOT.*", "CONSUMER.LIST.*")
    asked = [f"{prefix}.{verb}" for prefix in _prefixes([domain]) for verb in verbs]
    return NatsRights((*asked, "$JS.SNAPSHOT.ACK.>"), (f"{BACKUP_INBOX}.>",))


def archive_rights(domain: str = "") -> NatsRights:
    """Every stream of the account is read, by consumers with names of its own; no other consumer is touched."""
    verbs = [*("INFO", "STREAM.LIST", "STREAM.NAMES", "STREAM.INFO.*", "STREAM.MSG.GET.*", "CONSUMER.LIST.*")]
    verbs += [f"CONSUMER.{verb}.*.{name}" for verb in ("CREATE", "DELETE", "MSG.NEXT") for name in ARCHIVERS]
    asked = [f"{prefix}.{verb}" for prefix in _prefixes([domain]) for verb in verbs]
    return NatsRights(tuple(asked), (f"{ARCHIVE_INBOX}.>",))


def gate_rights(clusters: Iterable[NatsCluster], region: str, *, leased: bool) -> NatsRights:
    """Whether streams are mirrors, on both sides; where a lease is kept, the record of its own region."""
    clusters = tuple(clusters)
    prefixes = _prefixes(cluster.domain for cluster in clusters)
    looked = [f"{prefix}.STREAM.INFO.{name}" for prefix in prefixes for name in _mirrored(clusters)]
    verbs = ("STREAM.INFO", "STREAM.CREATE", "STREAM.MSG.GET")
    kept = [f"{prefix}.{verb}.{WRITERS_STREAM}" for prefix in prefixes for verb in verbs] if leased else []
    record = [lease_subject(region)] if leased else []
    return NatsRights((*looked, *kept, *record), (f"{GATE_INBOX}.>",))


def reload_rights() -> NatsRights:
    """In the system account: who is there, and to have servers read their configuration anew."""
    return NatsRights(("$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.*.RELOAD"), (f"{GATE_INBOX}.>",))


def lease_subject(region: str) -> str:
    """Of the record that says who may write in the region."""
    return f"secondsite.writers.{region}"


def agent_rights(clusters: Iterable[NatsCluster]) -> NatsRights:
    """What is mirrored, in whichever region it is: looked at, and the positions of its consumers written down."""
    clusters = tuple(clusters)
    prefixes = _prefixes(cluster.domain for cluster in clusters)
    verbs = ("STREAM.INFO", "CONSUMER.LIST")
    looked = [f"{prefix}.{verb}.{name}" for prefix in prefixes for name in _mirrored(clusters) for verb in verbs]
    own = (f"{API}.STREAM.INFO.{POSITIONS}", f"{API}.STREAM.CREATE.{POSITIONS}", "secondsite.positions.>")
    return NatsRights((*looked, *own), (f"{AGENT_INBOX}.>",))


def _mirrored(clusters: Sequence[NatsCluster]) -> Iterable[str]:
    """Mirrors and their origins."""
    mirrors = [stream for cluster in clusters for stream in cluster.streams if stream.mirror]
    origins = [stream.mirror.stream for stream in mirrors if stream.mirror]
    return dict.fromkeys([*(stream.name for stream in mirrors), *origins])


def _prefixes(domains: Iterable[str]) -> tuple[str, ...]:
    return (API, *dict.fromkeys(f"$JS.{domain}.API" for domain in domains if domain))

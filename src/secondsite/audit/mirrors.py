"""Hazards of mirrors: what a copy does not carry, when it stops, and what it brings back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from secondsite.audit.audited import Audited, Replica, lacks, listed, rpo_below
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Subject
from secondsite.model.fault import LOSES_REGION, Fault
from secondsite.model.hazard import Severity
from secondsite.model.nats import Discard, Retention, Stream, StreamKind
from secondsite.model.nats_release import Feature, Support, supports
from secondsite.model.units import format_bytes
from secondsite.model.wording import duration
from secondsite.strategies.mirrorable import unmirrorable

MEASURED = "nats-server 2.15.1, measured 2026-11"
STALL_S = 10.0
NATS = (Subject.NATS,)
_OF_COPIES = "JS_"
"""How the consumers by which a stream is copied begin: ``JS_MIRROR_…``, ``JS_SOURCE_…``."""
STORAGE_METRIC = re.compile(r"stream_total_bytes|jetstream\w*(storage|bytes)", re.IGNORECASE)


Condition = Callable[[Replica, Stream], str]
"""A message about a mirror and its origin, empty where there is nothing to say."""


def _each_mirror(condition: Condition) -> Callable[[Audited], Iterable[Finding]]:
    """A finding for each mirror with a known origin for which the condition gives a message."""
    return lambda audited: _where(audited, audited.mirrors, condition)


def _each_replica(condition: Condition) -> Callable[[Audited], Iterable[Finding]]:
    """The same for each mirror and each stream with sources."""
    return lambda audited: _where(audited, audited.replicas, condition)


def _where(audited: Audited, replicas: Iterable[Replica], condition: Condition) -> Iterator[Finding]:
    for replica in replicas:
        if replica.origin and (message := condition(replica, replica.origin)):
            yield Finding(replica.path, message, audited.endangered(NATS, LOSES_REGION))


@rule(
    id="nats-workqueue-mirror",
    severity=Severity.HIGH,
    title="A work queue mirrored with another retention",
    why="The mirror keeps what was acknowledged and cannot become a work queue: once promoted, it repeats it.",
    source=f"{MEASURED}: 500/10052",
    remedy="Create the mirror with `retention: workqueue` (2.14 or newer) and purge to the origin's first sequence.",
)
@_each_mirror
def nats_workqueue_mirror(mirror: Replica, origin: Stream) -> str:
    if origin.retention is not Retention.WORKQUEUE or mirror.stream.retention is Retention.WORKQUEUE:
        return ""
    keeps = f"{mirror.stream.name} keeps by {mirror.stream.retention}"
    return f"{keeps} what the work queue {origin.name} has already finished"


@rule(
    id="nats-workqueue-late-consumer",
    severity=Severity.HIGH,
    title="A mirrored work queue whose consumers come later",
    why="A durable consumer that is made after the mirror gets none of the jobs that the mirror took (nats-server 2.14 "
    "and newer), or is refused on the primary (2.10, 2.12).",
    source="nats-server 2.10.26 to 2.15.1, measured 2026-11: 0 of 20 jobs, or 10099",
    remedy="Create the durable consumers of the work queue first, then its mirror; declare them in secondsite.yaml, so "
    "that `secondsite render` does it in that order.",
)
@_each_mirror
def nats_workqueue_late_consumer(mirror: Replica, origin: Stream) -> str:
    if origin.retention is not Retention.WORKQUEUE or origin.consumers:
        return ""
    return f"no durable consumer of the work queue {origin.name} is known, and {mirror.stream.name} mirrors it already"


@rule(
    id="nats-interest-lone-server",
    severity=Severity.HIGH,
    title="A copied interest stream on a single server",
    why="When it starts, a server outside a cluster recovers consumers in the order of their names (2.14 and newer): "
    "the copy's own (`JS_…`) before those in lower case. Messages that only the later ones still need are deleted. "
    "The copy has them, but these consumers never get them.",
    source="nats-server 2.14.6 and 2.15.1, measured 2026-11: 30 of 30 waiting messages gone after SIGTERM and start, "
    "of a mirrored and of a sourced stream; none with 2.10.26 to 2.12.8, none on three servers",
    remedy="Run three servers, keep the stream by limits, or give its durable consumers names that sort before `JS_`.",
)
@_each_replica
def nats_interest_lone_server(replica: Replica, origin: Stream) -> str:
    home = replica.home
    if home is None or home.servers != 1 or origin.retention is not Retention.INTEREST:
        return ""
    late = [consumer.name for consumer in origin.consumers if consumer.durable and consumer.name > _OF_COPIES]
    if not late or supports(home.version, Feature.INTEREST_OF_COPIES) is not Support.YES:
        return ""
    return f"a restart of {home.name} deletes what {listed(late)} of {origin.name} did not process yet"


@rule(
    id="nats-mirror-impossible",
    severity=Severity.FATAL,
    title="A stream that cannot be mirrored, or not be promoted from its mirror",
    why="A counter cannot be mirrored as one; where consumers are limited, the server refuses the mirror's own "
    "consumer, and the mirror stays empty while it reports lag 0.",
    source="nats-server 2.10.26 to 2.15.1, measured 2026-11: 10173 and 10052, 10082, 10026",
    remedy="Remove the limit, or carry this stream by a backup or over a stretched cluster.",
)
@_each_mirror
def nats_mirror_impossible(mirror: Replica, origin: Stream) -> str:
    return unmirrorable(origin, mirror.home) if mirror.home else ""


@rule(
    id="nats-mirror-silent-stall",
    severity=Severity.HIGH,
    title="A copy that stops, or loses messages, and says nothing",
    why="Older servers apply the publisher's checks to what they copy: a key created or updated by its revision, or a "
    "message id that comes again after the origin's window, ends the copy with lag 0.",
    source="nats-server 2.10.26 to 2.15.1, measured 2026-11: 0 and 20 of 60 messages copied",
    remedy="Run 2.12 or newer where mirrors are, 2.14 where streams are sourced.",
)
def nats_mirror_silent_stall(audited: Audited) -> Iterator[Finding]:
    identified = any(service.nats_client and service.nats_client.message_ids for service in audited.system.services)
    return _where(audited, audited.replicas, lambda copy, origin: _stalls(copy, origin, identified=identified))


def _stalls(copy: Replica, origin: Stream, *, identified: bool) -> str:
    """By what is known to be written; ``identified``: some service sends message ids."""
    where = f"nats-server {copy.cluster.version} in {copy.cluster.name}"
    mirrored = copy.stream.mirror is not None
    if mirrored and origin.kind is StreamKind.KV and lacks(copy.cluster, Feature.MIRROR_EXPECTED_LAST):
        return f"{copy.stream.name} stops at the first key that is created or updated by its revision ({where})"
    feature = Feature.MIRROR_REPEATED_IDS if mirrored else Feature.SOURCE_REPEATED_IDS
    if identified and origin.kind is StreamKind.STREAM and lacks(copy.cluster, feature):
        how = "stops at" if mirrored else "leaves out"
        return f"{copy.stream.name} {how} a message id that comes again after the window of {origin.name} ({where})"
    return ""


@rule(
    id="nats-mirror-keeps-done",
    severity=Severity.HIGH,
    title="A limit that also counts finished messages",
    why="A copy of a work queue or an interest stream keeps what consumers acknowledged, and so does the origin itself "
    "until its mirror acknowledges, some seconds later (2.14 and newer). All of it counts for the limit: a message "
    "that still waits is dropped, or, with `discard: new`, the next one is refused.",
    source="nats-server 2.12.8, 2.14.6 and 2.15.1, measured 2026-11: limit 40, 60 jobs in 2 s, the one not done was "
    "dropped from origin and mirror; on 2.12.8 from the mirror alone",
    remedy="Limit the stream by `max_age`, or set the limit far above what is written while a message may wait.",
)
@_each_mirror
def nats_mirror_keeps_done(mirror: Replica, origin: Stream) -> str:
    limit = _size_limit(mirror.stream) or _size_limit(origin)
    if origin.retention is Retention.LIMITS or not limit:
        return ""
    both = f"{origin.name} ({origin.retention} retention) and its mirror"
    return f"{both} count finished messages toward their limit of {limit}"


@rule(
    id="nats-mirror-fills-origin",
    severity=Severity.MEDIUM,
    title="A dead standby can fill the primary",
    why="The mirror's own consumer holds acknowledged messages on a work-queue or interest stream until it returns.",
    source=MEASURED,
    remedy="Size the origin for the longest outage of the standby, and alert on its bytes.",
)
def nats_mirror_fills_origin(audited: Audited) -> Iterator[Finding]:
    return iter(()) if _storage_watched(audited) else _where(audited, audited.mirrors, _keeps_acknowledged)


def _keeps_acknowledged(mirror: Replica, origin: Stream) -> str:
    if origin.retention is Retention.LIMITS:
        return ""
    return (
        f"{origin.name} keeps acknowledged messages ({origin.retention} retention) for as long as its mirror in "
        f"{mirror.cluster.name} is away, and no alert watches its size"
    )


def _storage_watched(audited: Audited) -> bool:
    return any(alert.guards == "storage" or STORAGE_METRIC.search(alert.expression) for alert in audited.system.alerts)


@rule(
    id="nats-mirror-discard-new",
    severity=Severity.HIGH,
    title="A mirror that stops when it is full",
    why="With `discard: new` a full mirror stops copying, and writers to the origin are not told.",
    source=MEASURED,
    remedy="Use `discard: old` on the mirror, with limits no lower than the origin's.",
)
@_each_mirror
def nats_mirror_discard_new(mirror: Replica, origin: Stream) -> str:
    limit = _size_limit(mirror.stream)
    return f"{mirror.stream.name} stops copying at {limit} (discard new)" if limit and _refuses(mirror.stream) else ""


def _refuses(stream: Stream) -> bool:
    return stream.discard is Discard.NEW


def _size_limit(stream: Stream) -> str:
    if stream.max_bytes is not None:
        return format_bytes(stream.max_bytes)
    return "" if stream.max_messages is None else f"{stream.max_messages} messages"


@rule(
    id="nats-mirror-smaller",
    severity=Severity.HIGH,
    title="A mirror with tighter limits than its origin",
    why="Limits apply to each copy: the smaller one has dropped messages that the failover needs.",
    source=MEASURED,
    remedy="Give the mirror the origin's limits, or none.",
)
@_each_mirror
def nats_mirror_smaller(mirror: Replica, origin: Stream) -> str:
    copy = mirror.stream
    tighter = [
        f"{what} {show(mine)} against {'none' if theirs is None else show(theirs)}"
        for what, mine, theirs, show in (
            ("bytes", copy.max_bytes, origin.max_bytes, lambda value: format_bytes(int(value))),
            ("messages", copy.max_messages, origin.max_messages, str),
            ("messages per subject", copy.max_messages_per_subject, origin.max_messages_per_subject, str),
            ("age", copy.max_age_s, origin.max_age_s, duration),
        )
        if mine is not None and (theirs is None or mine < theirs)
    ]
    return f"{copy.name} holds less than its origin: {'; '.join(tighter)}" if tighter else ""


@rule(
    id="nats-mirror-ttl",
    severity=Severity.MEDIUM,
    title="Per-message expiry is lost on the mirror",
    why="A mirror honours a message's expiry only when it allows it itself.",
    source=MEASURED,
    remedy="Set `allow_msg_ttl` on the mirror.",
)
@_each_mirror
def nats_mirror_ttl(mirror: Replica, origin: Stream) -> str:
    if not origin.message_ttl or mirror.stream.message_ttl:
        return ""
    return f"{origin.name} expires messages one by one, {mirror.stream.name} does not: they return on failover"


@rule(
    id="nats-mirror-erasure",
    severity=Severity.MEDIUM,
    title="Erased data lives on in a copy",
    why="Deletes and purges are not replicated: the copy keeps what was erased and serves it after failover.",
    source=f"{MEASURED}: 107 messages on the mirror against 5 at the origin",
    remedy="Repeat each erasure on every copy, and remove `erasure_duty` where no such duty exists.",
)
@_each_replica
def nats_mirror_erasure(replica: Replica, origin: Stream) -> str:
    if not (origin.erasure_duty or replica.stream.erasure_duty):
        return ""
    return f"{origin.name} has a duty to erase, and what is deleted there stays in {replica.cluster.name}"


@rule(
    id="nats-origin-recreated",
    severity=Severity.HIGH,
    title="A mirror that holds more than its origin",
    why="A mirror of a recreated origin reports no lag and no error, and copies nothing.",
    source=MEASURED,
    remedy="Compare both sides, recreate the mirror, and alert when a mirror is ahead of its origin.",
)
@_each_mirror
def nats_origin_recreated(mirror: Replica, origin: Stream) -> str:
    if origin.messages is None or mirror.stream.messages is None or mirror.stream.messages <= origin.messages:
        return ""
    return (
        f"{mirror.stream.name} holds {mirror.stream.messages} messages and its origin {origin.messages}: the origin "
        "was recreated or purged"
    )


@rule(
    id="nats-mirror-stall",
    severity=Severity.MEDIUM,
    title="RPO under 10 s on a mirror",
    why="When the origin's leader dies the mirror stalls for 10 s while it reports no lag.",
    source=f"{MEASURED}: 761 messages behind",
    remedy="Use a stretch cluster with three replicas for such streams, or agree on an RPO above 10 s.",
)
def nats_mirror_stall(audited: Audited) -> Iterator[Finding]:
    contracts = audited.endangered(NATS, LOSES_REGION | {Fault.NODE}, rpo_below(STALL_S))
    for cluster in audited.clusters if contracts else ():
        behind = [mirror.stream.name for mirror in audited.remote_mirrors if mirror.cluster is cluster]
        if behind:
            yield Finding(
                f"nats.{cluster.name}.streams",
                f"{listed(behind)} are up to {STALL_S:.0f} s behind after the leader of their origin dies",
                contracts,
            )


@rule(
    id="nats-rpo-below-delay",
    severity=Severity.FATAL,
    title="RPO below the delay of the only copy",
    why="A copy that is made after the acknowledgement is always behind by the way to it.",
    source=f"{MEASURED}: 22, 78 and 197 messages lost at 20, 80 and 200 ms and 2,000 messages a second",
    remedy="Use a stretch cluster, whose acknowledgement waits for another region, or agree on a longer RPO.",
)
def nats_rpo_below_delay(audited: Audited) -> Iterator[Finding]:
    for copy in audited.copies:
        if copy.subject is not Subject.NATS:
            continue
        delay_s = copy.propagate.quantile(0.5)
        faults = [fault for fault in LOSES_REGION & copy.survives if not _nearer(audited, fault, delay_s)]
        contracts = audited.endangered(NATS, faults, rpo_below(delay_s))
        if contracts:
            yield Finding(
                "nats", f"{copy.what} in {copy.region} is {duration(delay_s)} behind at the median", contracts
            )


def _nearer(audited: Audited, fault: Fault, delay_s: float) -> bool:
    """Whether another copy that survives the fault is nearer."""
    return any(
        copy.subject is Subject.NATS and fault in copy.survives and copy.propagate.quantile(0.5) < delay_s
        for copy in audited.copies
    )

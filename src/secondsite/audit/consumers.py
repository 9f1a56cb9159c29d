"""Hazards of consumers and of deduplication: what a reader's position and a message id are worth after failover."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from secondsite.audit.audited import Audited, Replica, stream_path
from secondsite.audit.rule import Finding, rule
from secondsite.model.contract import Subject
from secondsite.model.fault import INSIDE_REGION, LOSES_REGION
from secondsite.model.hazard import Severity
from secondsite.model.nats import Consumer, Retention, Stream
from secondsite.model.procedure import Step, Verb

MEASURED = "nats-server 2.15.1, measured 2026-11"
NATS = (Subject.NATS,)


def _durable(stream: Stream) -> tuple[Consumer, ...]:
    return tuple(consumer for consumer in stream.consumers if consumer.durable)


def _restored(audited: Audited, replica: Replica, before: Verb | None = None) -> bool:
    """Whether some failover restores the consumers of this stream, before its promotion if that is asked."""
    for procedure in audited.failovers:
        restores = {
            step.id
            for step in procedure.steps
            if step.verb is Verb.RESTORE_CONSUMERS and not step.blocked and _means(step, replica)
        }
        gates = [step for step in procedure.steps if step.verb is before]
        in_time = all(restores & {earlier.id for earlier in procedure.leading_to(gate.id)} for gate in gates)
        if restores and in_time:
            return True
    return False


def _means(step: Step, replica: Replica) -> bool:
    """Targets are ``stream`` or ``stream/consumer``, by the mirror's name or its origin's; none means all."""
    named = _named(step)
    return not named or replica.stream.name in named or replica.of.stream in named


@lru_cache(maxsize=64)
def _named(step: Step) -> frozenset[str]:
    """The streams of a step, once for all the mirrors that are held against it."""
    return frozenset(target.split("/")[0] for target in step.targets)


@rule(
    id="nats-consumers-not-carried",
    severity=Severity.HIGH,
    title="Durable consumers are not carried by mirrors",
    why="A mirror brings messages, not positions: after failover the consumers do not exist.",
    source=f"{MEASURED}: 0 consumers on the mirror; resumed exactly at floor + 1 when recreated",
    remedy="Copy each consumer's configuration and acknowledged floor regularly, and restore both in the failover.",
)
def nats_consumers_not_carried(audited: Audited) -> Iterator[Finding]:
    for mirror in audited.remote_mirrors:
        there = {consumer.name for consumer in mirror.stream.consumers}
        missing = [c.name for c in _durable(mirror.origin) if c.name not in there] if mirror.origin else []
        if missing and not _restored(audited, mirror):
            yield Finding(
                f"{mirror.path}.consumers",
                f"{mirror.stream.name} in {mirror.cluster.name} has no {', '.join(missing)}, and no step restores them",
                audited.endangered((Subject.NATS, Subject.API), LOSES_REGION),
            )


@rule(
    id="nats-interest-promotion",
    severity=Severity.FATAL,
    title="An interest stream without its consumers beside the copy",
    why="Interest retention without consumers means that nobody wants the messages. A mirror by interest keeps none of "
    "them while its consumers are elsewhere, and a copy that becomes one without consumers deletes all that it has.",
    source="nats-server 2.12.8, 2.14.6 and 2.15.1, measured 2026-11: 0 of 20 messages on a mirror by interest; of a "
    "mirror by limits every message that a consumer still wanted, with its consumers made before it is one of interest",
    remedy="Mirror it with `retention: limits`, declare its durable consumers in secondsite.yaml, and restore them "
    "before the copy is kept by interest again, as `secondsite failover` does.",
)
def nats_interest_promotion(audited: Audited) -> Iterator[Finding]:
    for mirror in audited.remote_mirrors:
        if mirror.origin and (why := _why_uninterested(audited, mirror, mirror.origin)):
            endangered = audited.endangered(NATS, LOSES_REGION)
            yield Finding(f"{mirror.path}.consumers", f"{mirror.stream.name} {why}", endangered)


def _why_uninterested(audited: Audited, mirror: Replica, origin: Stream) -> str:
    """Consumers that wait on the mirror already, or stand before it is promoted, are all that it needs."""
    if origin.retention is not Retention.INTEREST or mirror.stream.consumers:
        return ""
    if mirror.stream.retention is Retention.INTEREST:
        return f"has interest retention in {mirror.cluster.name} and no consumer there: it holds no message"
    if not (_durable(origin) or _restored(audited, mirror, before=Verb.PROMOTE_STREAMS)):
        return "has no known durable consumer: once promoted it keeps limits retention, or all of it is deleted"
    return ""


@rule(
    id="nats-exactly-once",
    severity=Severity.MEDIUM,
    title="Deduplication does not survive promotion",
    why="The window is not carried: the first retry of a message id that the mirror already holds is stored again.",
    source=f"{MEASURED}; rebuilt only by a server restart",
    remedy="Make consumers idempotent, or publish with expected-sequence headers.",
)
def nats_exactly_once(audited: Audited) -> Iterator[Finding]:
    users = [
        service.name for service in audited.system.services if service.nats_client and service.nats_client.message_ids
    ]
    for mirror in audited.remote_mirrors if users else ():
        if mirror.origin and mirror.origin.duplicate_window_s > 0:
            yield Finding(
                mirror.path,
                f"{', '.join(users)} send message ids, but {mirror.stream.name} knows none of the last "
                f"{mirror.origin.duplicate_window_s:g} s when it is promoted",
                audited.endangered(NATS, LOSES_REGION),
            )


@rule(
    id="nats-consumer-single-replica",
    severity=Severity.MEDIUM,
    title="A durable consumer with one replica",
    why="The node that holds it takes its position along, though the stream survives.",
    source="NATS documentation, consumer replicas; nats-server 2.15.1, measured 2026-11",
    remedy="Leave the consumer's replicas at 0, so that they follow the stream's.",
)
def nats_consumer_single_replica(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        for stream in cluster.streams:
            for consumer in _durable(stream):
                if consumer.replicas == 1 and stream.replicas > 1:
                    yield Finding(
                        f"{stream_path(cluster, stream)}.consumers.{consumer.name}.replicas",
                        f"{consumer.name} has one replica, its stream {stream.replicas}: its position dies with a node",
                        audited.endangered((Subject.NATS, Subject.API), INSIDE_REGION),
                    )

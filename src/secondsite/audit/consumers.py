"""Hazards of consumers and of deduplication: what a reader's position and a message id are worth after failover."""

from __future__ import annotations

from collections.abc import Iterator

from secondsite.audit.audited import Audited, Replica, stream_path
from secondsite.audit.rule import Finding, Rule
from secondsite.model.contract import Subject
from secondsite.model.fault import INSIDE_REGION, LOSES_REGION
from secondsite.model.hazard import Severity
from secondsite.model.nats import Consumer, Retention, Stream
from secondsite.model.procedure import Verb

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
            if step.verb is Verb.RESTORE_CONSUMERS and not step.blocked and _means(step.targets, replica)
        }
        gates = [step for step in procedure.steps if step.verb is before]
        in_time = all(restores & {earlier.id for earlier in procedure.leading_to(gate.id)} for gate in gates)
        if restores and in_time:
            return True
    return False


def _means(targets: tuple[str, ...], replica: Replica) -> bool:
    """Targets are ``stream`` or ``stream/consumer``, by the mirror's name or its origin's; none means all."""
    named = {target.split("/")[0] for target in targets}
    return not named or bool(named & {replica.stream.name, replica.of.stream})


def _not_replicated(audited: Audited) -> Iterator[Finding]:
    for mirror in audited.remote_mirrors:
        there = {consumer.name for consumer in mirror.stream.consumers}
        missing = [c.name for c in _durable(mirror.origin) if c.name not in there] if mirror.origin else []
        if missing and not _restored(audited, mirror):
            yield Finding(
                f"{mirror.path}.consumers",
                f"{mirror.stream.name} in {mirror.cluster.name} has no {', '.join(missing)}, and no step restores them",
                audited.endangered((Subject.NATS, Subject.API), LOSES_REGION),
            )


def _interest(audited: Audited) -> Iterator[Finding]:
    for mirror in audited.remote_mirrors:
        origin = mirror.origin
        if (
            origin
            and origin.retention is Retention.INTEREST
            and not mirror.stream.consumers
            and not _restored(audited, mirror, before=Verb.PROMOTE_STREAMS)
        ):
            yield Finding(
                f"{mirror.path}.consumers",
                f"{mirror.stream.name} has no consumer yet when it is promoted to interest retention",
                audited.endangered(NATS, LOSES_REGION),
            )


def _exactly_once(audited: Audited) -> Iterator[Finding]:
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


def _single_replica(audited: Audited) -> Iterator[Finding]:
    for cluster in audited.clusters:
        for stream in cluster.streams:
            for consumer in _durable(stream):
                if consumer.replicas == 1 and stream.replicas > 1:
                    yield Finding(
                        f"{stream_path(cluster, stream)}.consumers.{consumer.name}.replicas",
                        f"{consumer.name} has one replica, its stream {stream.replicas}: its position dies with a node",
                        audited.endangered((Subject.NATS, Subject.API), INSIDE_REGION),
                    )


RULES = (
    Rule(
        "nats-consumers-not-carried",
        Severity.HIGH,
        "Durable consumers are not carried by mirrors",
        "A mirror brings messages, not positions: after failover the consumers do not exist.",
        f"{MEASURED}: 0 consumers on the mirror; resumed exactly at floor + 1 when recreated",
        "Copy each consumer's configuration with its acknowledged floor regularly, and restore them in the failover.",
        _not_replicated,
    ),
    Rule(
        "nats-interest-promotion",
        Severity.FATAL,
        "An interest stream promoted before its consumers exist",
        "Interest retention without consumers means that nobody wants the messages: all of them are deleted.",
        MEASURED,
        "Create the consumers on the mirror first, then promote.",
        _interest,
    ),
    Rule(
        "nats-exactly-once",
        Severity.MEDIUM,
        "Deduplication does not survive promotion",
        "The window is not carried: the first retry of a message id that the mirror already holds is stored again.",
        f"{MEASURED}; rebuilt only by a server restart",
        "Make consumers idempotent, or publish with expected-sequence headers.",
        _exactly_once,
    ),
    Rule(
        "nats-consumer-single-replica",
        Severity.MEDIUM,
        "A durable consumer with one replica",
        "The node that holds it takes its position along, though the stream survives.",
        "NATS documentation, consumer replicas; nats-server 2.15.1, measured 2026-11",
        "Leave the consumer's replicas at 0, so that they follow the stream's.",
        _single_replica,
    ),
)

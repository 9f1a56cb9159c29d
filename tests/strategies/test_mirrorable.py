"""What cannot be mirrored stops every procedure that would promote its mirror, and is told by the stream's name."""

from __future__ import annotations

import pytest
from attrs import evolve

from secondsite.model.fault import Fault
from secondsite.model.nats import Consumer, Retention, Stream, StreamOrigin
from secondsite.model.settings import Settings
from secondsite.model.strategy import Strategy
from secondsite.strategies.compose import failover, lay_out
from secondsite.strategies.design import Kit

COUNTER = Stream("TOTALS", ("totals.>",), settings=Settings({"allow_msg_counter": True}))
LIMITED = Stream("EVENTS", ("events.>",), settings=Settings({"consumer_limits": {"max_ack_pending": 500}}))
FULL = Stream("EVENTS", ("events.>",), consumers=(Consumer("one"),), settings=Settings({"max_consumers": 1}))
MIRRORS = (
    "warm-standby/leafnode-mirror",
    "warm-standby/supercluster-mirror",
    "warm-standby/supercluster-mirror-witness",
)


def blocked(kit: Kit, strategy: str, stream: Stream, version: str, *beside: Stream) -> str:
    clusters = tuple(evolve(cluster, version=version, streams=(stream, *beside)) for cluster in kit.system.nats)
    changed = evolve(kit, system=evolve(kit.system, nats=clusters))
    deployment = lay_out(Strategy.parse(strategy), changed, prepared=False)
    procedure = failover(deployment, evolve(changed, system=deployment.system), Fault.REGION)
    return next((step.blocked for step in procedure.steps if step.blocked), "")


@pytest.mark.parametrize("strategy", MIRRORS)
@pytest.mark.parametrize(("stream", "code"), [(COUNTER, "10052"), (LIMITED, "10082")])
def test_what_cannot_be_mirrored_blocks_the_promotion(kit: Kit, strategy: str, stream: Stream, code: str) -> None:
    why = blocked(kit, strategy, stream, "2.15.1")
    assert stream.name in why
    assert code in why


@pytest.mark.parametrize(("version", "refused"), [("2.14.6", True), ("2.15.1", False)])
def test_a_full_set_of_consumers_has_no_room_for_a_mirror_before_2_15(kit: Kit, version: str, *, refused: bool) -> None:
    assert ("10026" in blocked(kit, MIRRORS[0], FULL, version)) is refused


@pytest.mark.parametrize(("version", "refused"), [("2.12.8", True), ("2.14.6", False)])
def test_a_work_queue_that_another_stream_copies_gets_no_consumers_before_2_14(
    kit: Kit, version: str, *, refused: bool
) -> None:
    """Measured: CONSUMER.CREATE of the promoted queue is answered with 10100, as the source's own consumer is there."""
    queue = Stream("JOBS", ("jobs.>",), retention=Retention.WORKQUEUE, consumers=(Consumer("mail"),))
    copy = Stream("MERGED", ("merged.>",), sources=(StreamOrigin("JOBS"),))
    assert ("10100" in blocked(kit, MIRRORS[0], queue, version, copy)) is refused
    assert not blocked(kit, MIRRORS[0], queue, version)


def test_an_unknown_version_is_told_as_one(kit: Kit) -> None:
    assert "not known" in blocked(kit, MIRRORS[0], Stream("EVENTS", ("events.>",)), "latest")
    assert "below 2.12" in blocked(kit, MIRRORS[0], Stream("EVENTS", ("events.>",)), "2.10.26")


def test_a_stretched_stream_may_count(kit: Kit) -> None:
    assert not blocked(kit, "active-active/stretch", COUNTER, "2.15.1")

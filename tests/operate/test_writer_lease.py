"""The lease of the first region's writers, one call at a time: how long it lasts, what renews it, what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import define, evolve, field
from fake_world import FakeWorld
from odd_world import AWAY, HOME, LEAF, SUPER, context_of, failover_of, layout, step_of

from secondsite.model.deployment import Deployment
from secondsite.model.errors import MachineError
from secondsite.model.operate import Operate, Writers
from secondsite.model.procedure import Verb
from secondsite.nats.stored import StoredMessage
from secondsite.nats.streams import WRONG_LAST_SEQUENCE, PublishAnswer
from secondsite.operate.action import Facts
from secondsite.operate.actions.fence import LEASE_RAN_OUT, Fence
from secondsite.operate.journal import UNFENCED
from secondsite.operate.undo import may_undo, undo_fence
from secondsite.operate.world import LeaseReading
from secondsite.operate.writer_lease import (
    WriterLease,
    WriterRecord,
    ending,
    grant_lease,
    granting,
    lease_config,
    read_lease,
    run_out,
)
from secondsite.strategies.design import Kit
from secondsite.strategies.rights import WRITERS_STREAM, lease_subject
from secondsite.strategies.write_gate import LeaseTerms

TERMS = LeaseTerms(10.0)
STARTED_S, ANSWERED_AFTER_S = 100.0, 3.0


@define
class Keeper:
    """The other region's stream: an answer takes a while."""

    now: float = STARTED_S
    newest_record: StoredMessage | None = None
    there: bool = True
    answer: PublishAnswer | MachineError = field(factory=lambda: PublishAnswer(WRITERS_STREAM, "", 7))
    asked: list[tuple[str, bytes, dict[str, str]]] = field(factory=list)
    made: list[Mapping[str, Any]] = field(factory=list)

    async def stream(self, name: str) -> object:
        assert name == WRITERS_STREAM
        return self if self.there else None

    async def create(self, config: Mapping[str, Any]) -> None:
        self.made.append(config)
        self.there = True

    async def newest(self, stream: str, subject: str) -> StoredMessage | None:
        assert (stream, subject) == (WRITERS_STREAM, "secondsite.writers.east")
        return self.newest_record

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str]) -> PublishAnswer:
        self.asked.append((subject, data, dict(headers)))
        self.now += ANSWERED_AFTER_S
        if isinstance(self.answer, MachineError):
            raise self.answer
        return self.answer

    def lease(self) -> WriterLease:
        return WriterLease("east", "nats-0", TERMS, {"name": WRITERS_STREAM}, lambda: self.now)


def renew(lease: WriterLease, keeper: Keeper) -> None:
    asyncio.run(lease.renew(keeper))  # type: ignore[arg-type] # as much of a door as a lease knocks at


def record(granted: bool, sequence: int) -> StoredMessage:
    return StoredMessage(sequence, lease_subject("east"), {}, WriterRecord(granted, "x").data, "")


def test_it_lasts_from_before_it_was_asked_for() -> None:
    keeper = Keeper()
    lease = keeper.lease()
    assert not lease.writes
    renew(lease, keeper)
    assert lease.until == STARTED_S + TERMS.seconds
    assert keeper.asked == [
        (lease_subject("east"), WriterRecord(True, "nats-0").data, {"Nats-Expected-Last-Subject-Sequence": "0"})
    ]
    ends = lease.until - TERMS.shut_before_s
    keeper.now = ends - 0.001
    assert lease.writes
    keeper.now = ends
    assert not lease.writes, "there has to be time left to shut writers out in order"


def test_it_is_renewed_when_it_is_time_to_and_on_what_it_wrote_last() -> None:
    keeper = Keeper()
    lease = keeper.lease()
    renew(lease, keeper)
    keeper.now = STARTED_S + TERMS.renew_after_s - 0.001
    renew(lease, keeper)
    assert len(keeper.asked) == 1
    keeper.now = STARTED_S + TERMS.renew_after_s
    renew(lease, keeper)
    assert [headers for _, _, headers in keeper.asked][1:] == [{"Nats-Expected-Last-Subject-Sequence": "7"}]
    assert lease.until == STARTED_S + TERMS.renew_after_s + TERMS.seconds


def test_what_is_granted_there_is_gone_on_with_and_a_stream_that_is_missing_is_made() -> None:
    keeper = Keeper(newest_record=record(True, 41))
    renew(keeper.lease(), keeper)
    assert keeper.asked[0][2] == {"Nats-Expected-Last-Subject-Sequence": "41"}
    assert not keeper.made
    keeper = Keeper(there=False)
    renew(keeper.lease(), keeper)
    assert keeper.made == [{"name": WRITERS_STREAM}]
    assert len(keeper.asked) == 1


def test_one_that_was_ended_is_not_held_a_moment_longer() -> None:
    keeper = Keeper()
    lease = keeper.lease()
    renew(lease, keeper)
    keeper.answer = PublishAnswer(WRITERS_STREAM, "", 0, code=WRONG_LAST_SEQUENCE[0], why="wrong last sequence")
    keeper.now += TERMS.renew_after_s
    renew(lease, keeper)
    assert lease.until == STARTED_S + TERMS.seconds, "refused: it runs out by itself"
    keeper.newest_record = record(False, 8)
    renew(lease, keeper)
    assert lease.until == 0.0
    assert len(keeper.asked) == 2, "what was ended is not asked for"


@pytest.mark.parametrize(
    "answer",
    [
        PublishAnswer(WRITERS_STREAM, "", 9, code=10077, why="full"),
        PublishAnswer("INTRUDER", "", 9),
        MachineError.at("west", "no answer", "none"),
    ],
)
def test_what_is_refused_answered_by_another_or_not_at_all_renews_nothing(answer: PublishAnswer | MachineError) -> None:
    keeper = Keeper(answer=answer)
    lease = keeper.lease()
    renew(lease, keeper)
    assert lease.until == 0.0
    keeper.answer = PublishAnswer(WRITERS_STREAM, "", 10)
    begin = keeper.now
    renew(lease, keeper)
    assert lease.until == begin + TERMS.seconds, "asked again at once, on what the record is now"
    assert keeper.asked[-1][2] == {"Nats-Expected-Last-Subject-Sequence": "0"}


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"granted": 1}', b'{"granted": "true"}', b"\xff"])
def test_a_record_that_cannot_be_read_grants_nothing(data: bytes) -> None:
    assert not WriterRecord.of(data).granted


@pytest.mark.parametrize("granted", [True, False])
def test_a_record_is_read_as_it_was_written(*, granted: bool) -> None:
    assert WriterRecord.of(WriterRecord(granted, "ann").data) == WriterRecord(granted, "ann")


class Sleeping(FakeWorld):
    """By a clock of its own."""

    now = 50.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def _leased(kit: Kit, strategy: str = LEAF) -> Deployment:
    """Under `writers: one`."""
    return layout(evolve(kit, system=evolve(kit.system, operate=Operate(writers=Writers.ONE))), strategy)


def test_nobody_takes_over_before_it_has_run_out(kit: Kit) -> None:
    """Not before, and no longer than that: what passed since the end counts."""
    deployment = _leased(kit)
    world = Sleeping(deployment, set())
    terms = LeaseTerms(Operate(writers=Writers.ONE).lease_s)
    asyncio.run(run_out(context_of(world, failover_of(deployment, kit)), since=40.0))
    assert world.now == pytest.approx(40.0 + terms.handover_s)
    asyncio.run(run_out(context_of(world, failover_of(deployment, kit)), since=40.0))
    assert world.now == pytest.approx(40.0 + terms.handover_s), "it has run out already"


@pytest.mark.parametrize("writers", list(Writers))
@pytest.mark.parametrize("dead", [True, False])
def test_the_lease_of_a_region_that_is_stopped_is_ended_whether_it_answers_or_not(
    kit: Kit, writers: Writers, *, dead: bool
) -> None:
    deployment = layout(evolve(kit, system=evolve(kit.system, operate=Operate(writers=writers))))
    world = Sleeping(deployment, {HOME} if dead else set())
    procedure = failover_of(deployment, kit)
    context = context_of(world, procedure, allowed=frozenset({"unfenced"}))
    facts = asyncio.run(Fence().run(context, step_of(procedure, Verb.FENCE)))
    assert (facts["state"] == UNFENCED) is dead
    assert (facts.get("lease") == LEASE_RAN_OUT) is (writers is Writers.ONE)
    assert (WRITERS_STREAM in world.regions[AWAY]) is (writers is Writers.ONE)
    assert (world.now > 50.0) is (writers is Writers.ONE)
    if writers is Writers.ONE:
        (ended,) = world.regions[AWAY][WRITERS_STREAM].messages
        assert (ended.subject, WriterRecord.of(ended.data).granted) == (lease_subject(HOME), False)


@pytest.mark.parametrize(("renewed", "waits_until"), [(False, 40.0), (True, 50.0)])
def test_a_lease_that_was_seen_runs_out_while_it_is_made_sure(kit: Kit, *, renewed: bool, waits_until: float) -> None:
    """From when its last renewal was seen, unless there was another one since; it is ended for good in either case."""
    deployment = _leased(kit)
    world = Sleeping(deployment, {HOME})
    procedure = failover_of(deployment, kit)
    context = context_of(world, procedure)
    asyncio.run(grant_lease(context, HOME))
    (held,) = world.regions[AWAY][WRITERS_STREAM].messages
    world.decision = evolve(world.decision, lease=LeaseReading(held.sequence, 40.0))
    if renewed:
        asyncio.run(grant_lease(context, HOME))
    asyncio.run(Fence().run(context, step_of(procedure, Verb.FENCE)))
    terms = LeaseTerms(Operate(writers=Writers.ONE).lease_s)
    assert world.now == pytest.approx(waits_until + terms.handover_s)
    assert not WriterRecord.of(world.regions[AWAY][WRITERS_STREAM].messages[-1].data).granted


def test_a_record_is_seen_since_it_was_read_first() -> None:
    """Never since before that: it was stored by then."""
    keeper = Keeper(newest_record=record(granted=True, sequence=4))

    def see(known: LeaseReading | None) -> LeaseReading:
        return asyncio.run(read_lease(keeper, "east", known, lambda: keeper.now))  # type: ignore[arg-type] # as above

    first = see(None)
    assert first == LeaseReading(4, STARTED_S)
    keeper.now += 5
    assert see(first) == first
    keeper.newest_record = record(granted=True, sequence=5)
    assert see(first) == LeaseReading(5, STARTED_S + 5)
    keeper.there = False
    assert see(first) == LeaseReading(0, STARTED_S + 5)


@pytest.mark.parametrize("region", [HOME, AWAY])
@pytest.mark.parametrize("writers", list(Writers))
def test_each_region_has_one(kit: Kit, writers: Writers, region: str) -> None:
    deployment = layout(evolve(kit, system=evolve(kit.system, operate=Operate(writers=writers))))
    world = Sleeping(deployment, set())
    context = context_of(world, failover_of(deployment, kit))
    asyncio.run(grant_lease(context, region))
    has = writers is Writers.ONE
    assert (WRITERS_STREAM in world.regions[AWAY]) is has
    assert bool(list(granting(context, region))) is has
    assert len(list(ending(context, region))) == 2 * has
    assert not list(granting(context, "elsewhere"))


def _said(world: FakeWorld, region: str) -> list[bool]:
    """What the records of the region said, one after the other."""
    messages = world.regions[AWAY][WRITERS_STREAM].messages
    return [WriterRecord.of(one.data).granted for one in messages if one.subject == lease_subject(region)]


def test_none_is_granted_before_the_other_one_has_run_out(kit: Kit) -> None:
    """The first region's counts as granted until somebody says otherwise, the other one's does not."""
    deployment = _leased(kit)
    world = Sleeping(deployment, set())
    context = context_of(world, failover_of(deployment, kit))
    handover_s = LeaseTerms(Operate(writers=Writers.ONE).lease_s).handover_s
    asyncio.run(grant_lease(context, AWAY))
    assert (_said(world, HOME), _said(world, AWAY)) == ([False], [True])
    assert world.now == pytest.approx(50.0 + handover_s)
    asyncio.run(grant_lease(context, AWAY))
    assert world.now == pytest.approx(50.0 + handover_s), "nobody else's is granted"
    asyncio.run(grant_lease(context, HOME))
    assert (_said(world, HOME), _said(world, AWAY)) == ([False, True], [True, True, False])
    assert world.now == pytest.approx(50.0 + 2 * handover_s)


def test_a_region_that_was_granted_nothing_asks_for_nothing() -> None:
    """The one that takes over: the stream is there or not, no record is no right."""
    for keeper in (Keeper(), Keeper(there=False)):
        lease = evolve(keeper.lease(), at_first=False)
        renew(lease, keeper)
        assert lease.until == 0.0
        assert not keeper.asked
        keeper.newest_record = record(granted=True, sequence=3)
        renew(lease, keeper)
        assert lease.until > keeper.now


def test_by_hand_the_same_record_is_written_and_the_same_time_waited(kit: Kit) -> None:
    deployment = _leased(kit)
    context = context_of(FakeWorld(deployment, set()), failover_of(deployment, kit))
    publish, sleep = ending(context, HOME)
    assert '"granted": false' in publish.replace("\\", "")
    assert '"granted": true' in next(iter(granting(context, HOME))).replace("\\", "")
    handover_s = LeaseTerms(Operate(writers=Writers.ONE).lease_s).handover_s
    assert handover_s <= int(sleep.split()[1]) < handover_s + 1


def test_a_keeper_that_refuses_the_end_is_an_error_that_names_it(kit: Kit) -> None:
    deployment = _leased(kit)
    world = Sleeping(deployment, set())
    context = context_of(world, failover_of(deployment, kit))
    world.refusing[WRITERS_STREAM] = 10077
    with pytest.raises(MachineError, match=rf"the lease of {HOME} could not be granted: full \(10077\)"):
        asyncio.run(grant_lease(context, HOME))


def test_the_record_is_as_safe_as_the_streams_beside_it(kit: Kit) -> None:
    config = lease_config(_leased(kit))
    assert config["num_replicas"] == 3
    assert (config["max_msgs_per_subject"], config["deny_delete"], config["deny_purge"]) == (1, True, True)
    assert config["subjects"] == ["secondsite.writers.*"]
    assert "placement" not in config
    assert lease_config(_leased(kit, SUPER))["placement"] == {"cluster": "nats-us-west-2"}


def _may_undo(kit: Kit, known: Mapping[str, Any], *, dead: bool = False, promoted: str = "", gone: str = "") -> bool:
    deployment = layout(kit)
    world = FakeWorld(deployment, {AWAY} if dead else set())
    if promoted:
        world.regions[AWAY][promoted].config.pop("mirror")
    if gone:
        del world.regions[AWAY][gone]
    return asyncio.run(may_undo(context_of(world, failover_of(deployment, kit)), known))


def test_a_fence_is_taken_off_while_nothing_was_promoted(kit: Kit) -> None:
    """Of a region that is silent: as long as the promotion was not begun."""
    promotion = step_of(failover_of(layout(kit), kit), Verb.PROMOTE_STREAMS).id
    fenced, begun = {"fence": object()}, {promotion: object()}
    for known in (fenced, begun):
        assert _may_undo(kit, known)
        assert _may_undo(kit, known, gone="EVENTS"), "what does not exist takes no writes"
        assert not _may_undo(kit, known, promoted="EVENTS")
        assert not _may_undo(kit, known, promoted="kgent-events")
    assert _may_undo(kit, fenced, dead=True)
    assert not _may_undo(kit, begun, dead=True)


def test_taken_off_its_streams_and_its_lease_are_home_again(kit: Kit) -> None:
    deployment = _leased(kit)
    world = Sleeping(deployment, set())
    procedure = failover_of(deployment, kit)
    subjects = {name: stream.config["subjects"] for name, stream in world.regions[HOME].items()}
    fence = step_of(procedure, Verb.FENCE)
    facts: dict[str, Facts] = {fence.id: asyncio.run(Fence().run(context_of(world, procedure), fence))}
    context = context_of(world, procedure, facts)
    assert set(asyncio.run(undo_fence(context))) == {"EVENTS", "kgent-events"}
    assert {name: stream.config["subjects"] for name, stream in world.regions[HOME].items()} == subjects
    assert WriterRecord.of(world.regions[AWAY][WRITERS_STREAM].messages[-1].data).granted

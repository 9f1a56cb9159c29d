"""What steps say and refuse where real servers hardly ever bring them: each alone, on streams in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from fake_world import FakeRegion, FakeWorld
from odd_world import AWAY, HOME, SUPER, Odd, context_of, failover_of, layout, step_of, told_by

from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.nats import Retention
from secondsite.model.operate import Operate, Writers
from secondsite.model.procedure import QuorumMethod, Verb
from secondsite.nats.streams import PublishAnswer
from secondsite.operate.abort import Aborted, abort, open_again
from secondsite.operate.action import INSIST_TRIES, Facts, FinalError, insisting
from secondsite.operate.actions.fence import LEASE_RAN_OUT, fence_returned, fence_stream, leaseless
from secondsite.operate.actions.promote import Promote
from secondsite.operate.actions.quorum import RestoreQuorum
from secondsite.operate.actions.restore import RestoreStreams
from secondsite.operate.epoch import read_sides
from secondsite.operate.journal import FENCED, SERVES_AGAIN, UNFENCED, EntryKind, Journal
from secondsite.operate.layout import families, fenced_subject, promoting_subject
from secondsite.operate.undo import done_anew, undo_fence
from secondsite.strategies.design import Kit


def given_up(kit: Kit, world: FakeWorld, folder: Path) -> Aborted:
    procedure = failover_of(world.deployment, kit)
    with Journal(folder / "failover.jsonl", world.clock) as journal:
        journal.append(EntryKind.PLAN, "", {"procedure": procedure.name, "hash": "h"})
        return asyncio.run(abort(procedure, world.deployment, world, journal))


def fence(world: FakeWorld, region: str, name: str = "EVENTS") -> None:
    family = next(one for one in families(world.deployment) if one.name == name)
    placement = family.at(region)
    assert placement
    config = world.regions[region][name].config
    config.pop("mirror", None)
    config["subjects"] = [fenced_subject(placement)]


def test_given_up_what_is_half_done_is_left_to_a_person(kit: Kit, tmp_path: Path) -> None:
    world = FakeWorld(layout(kit), set())
    fence(world, HOME)
    family = next(one for one in families(world.deployment) if one.name == "EVENTS")
    copy = world.regions[AWAY]["EVENTS"].config
    copy.pop("mirror")
    copy["subjects"] = [promoting_subject(family.copies[0])]
    found = given_up(kit, world, tmp_path)
    assert found.opened == (f"EVENTS in {HOME}",)
    assert found.left == (f"EVENTS in {AWAY} is no longer a mirror: make it a mirror again",)
    assert world.regions[HOME]["EVENTS"].config["subjects"] == list(family.subjects)
    assert found.without_writer == ()


def test_given_up_a_copy_that_is_fenced_and_a_side_that_is_silent_are_named(kit: Kit, tmp_path: Path) -> None:
    world = FakeWorld(layout(kit), set())
    fence(world, AWAY)
    assert given_up(kit, world, tmp_path / "a").left == (f"EVENTS in {AWAY} stays fenced with its messages",)
    silent = FakeWorld(layout(kit), {HOME})
    found = given_up(kit, silent, tmp_path / "b")
    assert found.opened == ()
    assert found.left == tuple(
        f"{HOME} does not answer, so it is unknown whether it takes writes of {name}"
        for name in ("EVENTS", "kgent-events")
    )
    assert found.without_writer == ("EVENTS", "kgent-events")
    assert found.plain()["nobody"] == ["EVENTS", "kgent-events"]


def test_a_fence_is_not_taken_off_beside_another_writer(kit: Kit) -> None:
    """Looked at right before, at the copy."""
    world = FakeWorld(layout(kit), set())
    fence(world, HOME)
    family = next(one for one in families(world.deployment) if one.name == "EVENTS")
    copy = world.regions[AWAY]["EVENTS"].config
    copy.pop("mirror")
    copy["subjects"] = list(family.subjects)
    context = context_of(world, failover_of(world.deployment, kit))
    with pytest.raises(MachineError) as error:
        asyncio.run(open_again(context, family, family.origin, AWAY))
    assert told_by(error) == (f"{AWAY} takes writes of EVENTS now", "resume instead")
    assert asyncio.run(undo_fence(context)) == ()
    assert world.regions[HOME]["EVENTS"].config["subjects"] == [fenced_subject(family.origin)]


def test_a_fence_that_is_taken_off_and_answers_nothing_is_said(kit: Kit) -> None:
    world = Odd(layout(kit), set())
    fence(world, HOME)
    family = next(one for one in families(world.deployment) if one.name == "EVENTS")

    async def probe(_region: FakeRegion, _found: Any, _subject: str) -> PublishAnswer | None:
        return None

    world.ways = {"probe": probe}
    with pytest.raises(MachineError, match="EVENTS accepts no writes yet"):
        asyncio.run(open_again(context_of(world, failover_of(world.deployment, kit)), family, family.origin, AWAY))


def test_what_takes_writes_after_its_fence_is_no_fenced_stream(kit: Kit) -> None:
    """As where a controller gives it its subjects back; under a lease its writers are refused by the servers."""
    world = Odd(layout(kit), set())
    family = next(one for one in families(world.deployment) if one.name == "EVENTS")

    async def probe(_region: FakeRegion, _found: Any, _subject: str) -> PublishAnswer | None:
        return PublishAnswer("EVENTS", "", 0, code=10071)

    world.ways = {"probe": probe}

    async def fenced(*, leaseless: bool) -> bool:
        async with world.streams(HOME) as door:
            return await fence_stream(door, family, family.origin, leaseless=leaseless)

    with pytest.raises(FinalError, match=f"EVENTS in {HOME} still takes writes after it was fenced"):
        asyncio.run(fenced(leaseless=False))
    assert asyncio.run(fenced(leaseless=True)) is False, "it listens on nothing any more"
    world.regions[HOME]["EVENTS"].config["subjects"] = list(family.subjects)
    assert asyncio.run(fenced(leaseless=True)) is True
    del world.regions[HOME]["EVENTS"]
    assert asyncio.run(fenced(leaseless=False)) is False


def _returned(kit: Kit, world: FakeWorld, facts: Mapping[str, Any] | None = None) -> str:
    return asyncio.run(fence_returned(context_of(world, failover_of(world.deployment, kit), facts), HOME))


def test_a_region_that_returns_is_fenced_where_another_took_over(kit: Kit) -> None:
    world = FakeWorld(layout(kit), {HOME})
    assert _returned(kit, world) == "", "it is missing yet"
    world.dead = {AWAY}
    assert _returned(kit, world) == "", "nobody knows who took over"
    world.dead = set()
    assert _returned(kit, world) == "", "the promotion is to come, and fences it itself"
    done: dict[str, Facts] = {step.id: {} for step in failover_of(world.deployment, kit).steps}
    assert _returned(kit, world, done) == SERVES_AGAIN
    assert world.regions[HOME]["EVENTS"].config["subjects"] == ["events.>"]
    for family in families(world.deployment):
        world.regions[HOME][family.name].config["subjects"] = []  # so that of each there is one writer at any time
        config = world.regions[AWAY][family.name].config
        config.pop("mirror")
        config["subjects"] = list(family.subjects)
        world.regions[HOME][family.name].config["subjects"] = list(family.subjects)
    assert _returned(kit, world) == FENCED
    assert world.regions[HOME]["EVENTS"].config["subjects"][0].startswith("secondsite.fenced.")


def test_whether_this_operation_ended_a_regions_lease(kit: Kit) -> None:
    world = FakeWorld(layout(kit), set())
    procedure = failover_of(world.deployment, kit)
    ended = {"fence": {"region": HOME, "lease": LEASE_RAN_OUT}}
    assert leaseless(context_of(world, procedure, ended), HOME)
    assert not leaseless(context_of(world, procedure, ended), AWAY)
    assert not leaseless(context_of(world, procedure, {"fence": {"region": HOME, "state": FENCED}}), HOME)


def test_once_the_fence_is_off_it_is_done_again_with_what_was_written_down(kit: Kit) -> None:
    world = FakeWorld(layout(kit), set())
    procedure = failover_of(world.deployment, kit)
    record, fences = step_of(procedure, Verb.RECORD_STATE), step_of(procedure, Verb.FENCE)
    known = {record.id: {}, fences.id: {"region": HOME, "state": FENCED}, "decide": {}}
    assert done_anew(context_of(world, procedure, known)) == (fences, record)
    for facts in ({"region": HOME, "state": UNFENCED}, {"region": AWAY, "state": FENCED}):
        assert done_anew(context_of(world, procedure, {fences.id: facts})) == ()
    ended = {fences.id: {"region": HOME, "state": UNFENCED, "lease": LEASE_RAN_OUT}}
    assert done_anew(context_of(world, procedure, ended)) == (fences,)


def test_a_stream_kept_by_interest_is_not_promoted_unasked(kit: Kit) -> None:
    """Without consumers it would drop every message that it has."""
    world = FakeWorld(layout(kit), set())
    procedure = failover_of(world.deployment, kit)
    promote = step_of(procedure, Verb.PROMOTE_STREAMS)
    context = context_of(world, procedure)
    assert asyncio.run(Promote().look(context, promote)).guards == ()
    world.regions[AWAY]["EVENTS"].config["retention"] = str(Retention.INTEREST)
    (guard,) = asyncio.run(Promote().look(context, promote)).guards
    assert (guard.id, guard.absolute) == ("interest-without-consumers", False)
    assert guard.what.startswith("EVENTS has interest retention")
    world.regions[AWAY]["EVENTS"].config.pop("mirror")
    assert asyncio.run(Promote().look(context, promote)).guards == (), "it is promoted already"


def test_a_copy_is_cut_off_from_its_origin_before_it_listens(kit: Kit) -> None:
    """First it takes nothing from anybody, then what its writers send: never both at once."""
    world = Odd(layout(kit), {HOME})
    procedure = failover_of(world.deployment, kit)
    listened: list[tuple[list[str], bool]] = []

    async def update(region: FakeRegion, found: Any, config: dict[str, Any]) -> Any:
        if config["name"] == "EVENTS":
            listened.append((list(config["subjects"]), "mirror" in config))
        return await found(config)

    world.ways = {"update": update}
    family = next(one for one in families(world.deployment) if one.name == "EVENTS")
    unfenced: dict[str, Facts] = {step_of(procedure, Verb.FENCE).id: {"region": HOME, "state": UNFENCED}}
    asyncio.run(Promote().run(context_of(world, procedure, unfenced), step_of(procedure, Verb.PROMOTE_STREAMS)))
    assert listened == [([promoting_subject(family.copies[0])], False), (list(family.subjects), False)]


@pytest.mark.parametrize(("region", "ends"), [(HOME, True), (AWAY, False)])
def test_coming_home_says_that_the_other_regions_lease_ends(kit: Kit, region: str, ends: bool) -> None:
    leased = evolve(kit, system=evolve(kit.system, operate=Operate(writers=Writers.ONE)))
    world = FakeWorld(layout(leased), set())
    procedure = failover_of(world.deployment, leased)
    step = evolve(step_of(procedure, Verb.PROMOTE_STREAMS), region=region)
    changes = asyncio.run(Promote().look(context_of(world, procedure), step)).changes
    assert any(change.startswith(f"end the write lease of {AWAY}") for change in changes) is ends


@pytest.mark.parametrize("failures", [0, 1, INSIST_TRIES - 1, INSIST_TRIES])
def test_what_fails_for_a_moment_is_asked_again_and_no_more_than_that(kit: Kit, failures: int) -> None:
    world = FakeWorld(layout(kit), set())
    asked: list[float] = []

    async def ask() -> str:
        asked.append(world.slept_s)
        if len(asked) <= failures:
            raise MachineError.at("east", "no leader", "wait")
        return "done"

    context = context_of(world, failover_of(world.deployment, kit))
    if failures < INSIST_TRIES:
        assert asyncio.run(insisting(context, ask)) == "done"
    else:
        with pytest.raises(MachineError, match="no leader"):
            asyncio.run(insisting(context, ask))
    assert len(asked) == min(failures + 1, INSIST_TRIES)
    assert len(set(asked)) == len(asked), "it waits between two tries"


def test_a_region_that_answers_no_question_is_silent(kit: Kit) -> None:
    """It was reached, and its streams' state comes from nowhere: what it does is unknown, and no error of ours."""
    world = Odd(layout(kit), set())

    async def stream(region: FakeRegion, found: Any, name: str) -> Any:
        if region.region == AWAY:
            raise MachineError.at(AWAY, "no answer", "wait")
        return await found(name)

    world.ways = {"stream": stream}
    sides = asyncio.run(read_sides(context_of(world, failover_of(world.deployment, kit))))
    assert (sides[HOME].silent, sides[AWAY].silent) == (False, True)


@pytest.mark.parametrize("method", [None, QuorumMethod.REMOVE_PEERS, QuorumMethod.RESCUE])
def test_what_gives_a_group_its_majority_back_is_named(kit: Kit, method: QuorumMethod | None) -> None:
    deployment = layout(kit, SUPER)
    procedure = failover_of(deployment, kit, Fault.REGION)
    step = evolve(step_of(procedure, Verb.RESTORE_QUORUM), method=method)
    found = asyncio.run(RestoreQuorum().look(context_of(FakeWorld(deployment, {HOME}), procedure), step))
    assert [guard.id for guard in found.guards] == ([] if method else ["no-quorum-method"])
    assert found.changes[0].startswith("remove from the meta group those of ")


class _Restorer:
    async def restore(self, region: str, streams: tuple[str, ...]) -> Mapping[str, str]:
        assert region == AWAY
        return {name: "" if name == "EVENTS" else f"no backup holds {name}" for name in streams}


def test_what_was_not_restored_is_named_with_its_cause(kit: Kit) -> None:
    world = FakeWorld(layout(kit), set())
    procedure = failover_of(world.deployment, kit)
    step = evolve(step_of(procedure, Verb.PROMOTE_STREAMS), targets=("EVENTS",), region=AWAY)
    context = context_of(world, procedure)
    assert asyncio.run(RestoreStreams().look(context, step, _Restorer())).changes == (f"restore EVENTS in {AWAY}",)
    assert asyncio.run(RestoreStreams().run(context, step, _Restorer())) == {"restored": ["EVENTS"]}
    more = evolve(step, targets=("EVENTS", "JOBS", "AUDIT"))
    with pytest.raises(FinalError) as error:
        asyncio.run(RestoreStreams().run(context, more, _Restorer()))
    assert told_by(error)[0] == "not restored: AUDIT: no backup holds AUDIT; JOBS: no backup holds JOBS"


def test_a_stream_that_the_deployment_has_not_is_a_plan_of_another_file(kit: Kit) -> None:
    world = FakeWorld(layout(kit), set())
    with pytest.raises(FinalError, match="the deployment has no stream GONE"):
        context_of(world, failover_of(world.deployment, kit)).family("GONE")

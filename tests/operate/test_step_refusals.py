"""Where a step ends instead of going on: what it says, what it leaves as it was, and what it takes up again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve
from fake_world import FakeRegion, FakeWorld, refused
from odd_world import (
    AWAY,
    HOME,
    LEAF,
    SUPER,
    Impatient,
    Odd,
    Old,
    context_of,
    failover_of,
    family_of,
    layout,
    step_of,
    told_by,
)

from secondsite.model.errors import MachineError
from secondsite.model.fault import Fault
from secondsite.model.nats import Stream, StreamOrigin
from secondsite.model.procedure import Procedure, QuorumMethod, Verb
from secondsite.nats.jetstream import NO_META_LEADER, RefusedError
from secondsite.nats.streams import PublishAnswer, StreamState
from secondsite.operate.action import Facts, FinalError
from secondsite.operate.actions.promote import Promote
from secondsite.operate.actions.quorum import Elect, FreeSubjects, RestoreQuorum
from secondsite.operate.journal import UNFENCED
from secondsite.operate.layout import fenced_subject
from secondsite.strategies.compose import failback, failover
from secondsite.strategies.design import Kit


def test_what_has_no_copy_is_not_promoted_and_its_writers_go_on(kit: Kit) -> None:
    deployment = layout(kit)
    procedure, world = failover_of(deployment, kit), FakeWorld(deployment, set())
    del world.regions[AWAY]["EVENTS"]
    before = {name: stream.config["subjects"] for name, stream in world.regions[HOME].items()}
    with pytest.raises(FinalError) as error:
        asyncio.run(Promote().run(context_of(world, procedure), step_of(procedure, Verb.PROMOTE_STREAMS)))
    assert told_by(error) == (f"{AWAY} has no stream EVENTS", "create the mirror, or restore it from a backup")
    assert {name: stream.config["subjects"] for name, stream in world.regions[HOME].items()} == before


def test_a_region_that_nobody_tried_to_fence_is_not_passed_over(kit: Kit) -> None:
    """It may take writes: only a step that fenced it, or marked it, lets the other be promoted."""
    deployment = layout(kit)
    procedure, world = failover_of(deployment, kit), FakeWorld(deployment, {HOME})
    promote = step_of(procedure, Verb.PROMOTE_STREAMS)
    with pytest.raises(FinalError) as error:
        asyncio.run(Promote().run(context_of(world, procedure), promote))
    assert told_by(error) == (
        f"{HOME} cannot be reached and no step fenced it or marked it unfenced",
        "resume after a fence step is done",
    )
    assert world.regions[AWAY]["EVENTS"].config["mirror"]
    facts = {"fence": {"region": HOME, "state": UNFENCED}}
    done = asyncio.run(Promote().run(context_of(world, procedure, facts), promote))
    assert done["drained"] == []
    assert not world.regions[AWAY]["EVENTS"].config.get("mirror")


def test_where_a_mirror_stays_behind_nobody_is_stopped(kit: Kit) -> None:
    """At the step's limit; who accepted the loss by name does not wait for it."""
    deployment = layout(kit)
    procedure, world, notes = failover_of(deployment, kit), Impatient(deployment, set()), list[Any]()
    world.regions[HOME]["EVENTS"].last_seq += 5
    subjects = world.regions[HOME]["EVENTS"].config["subjects"]
    promote = step_of(procedure, Verb.PROMOTE_STREAMS)
    with pytest.raises(FinalError, match="the limit"):
        asyncio.run(Promote().run(context_of(world, procedure, notes=notes), promote))
    assert world.regions[HOME]["EVENTS"].config["subjects"] == subjects
    assert not [note for note in notes if note[0] == "unfenced"], "nothing had to be given back"
    assert world.regions[AWAY]["EVENTS"].config["mirror"]
    world.waits = 0
    accepted = context_of(world, procedure, allowed=frozenset({"lagging-mirror"}))
    asyncio.run(Promote().run(accepted, promote))
    assert world.regions[AWAY]["EVENTS"].config["subjects"] == subjects


def test_a_subject_that_another_stream_answers_is_not_acknowledged(kit: Kit) -> None:
    deployment = layout(kit)
    procedure, world = failover_of(deployment, kit), Odd(deployment, set())

    async def probe(_region: FakeRegion, _found: Any, _subject: str) -> PublishAnswer:
        return PublishAnswer("INTRUDER", "", 0, code=10071)

    asyncio.run(Promote().run(context_of(world, procedure), step_of(procedure, Verb.PROMOTE_STREAMS)))
    world.ways = {"probe": probe}
    with pytest.raises(FinalError) as error:
        asyncio.run(Promote().run(context_of(world, procedure), step_of(procedure, Verb.PROMOTE_STREAMS)))
    what, remedy = told_by(error)
    assert "is answered by INTRUDER, not by" in what
    assert remedy == "remove the subject from that stream, then resume"


def test_answers_that_do_not_come_are_asked_for_again(kit: Kit) -> None:
    """As while the group elects a leader; a refusal is final."""
    deployment = layout(kit)
    procedure, world = failover_of(deployment, kit), Odd(deployment, set())
    promote, silent, notes = step_of(procedure, Verb.PROMOTE_STREAMS), [3], list[Any]()

    async def stream(region: FakeRegion, found: Any, name: str) -> StreamState | None:
        look: StreamState | None = await found(name)
        if region.region == AWAY and look and not look.is_mirror and silent[0]:
            silent[0] -= 1
            raise MachineError.at(AWAY, "no answer within 5 s", "none")
        return look

    world.ways = {"stream": stream}
    done = asyncio.run(Promote().run(context_of(world, procedure, notes=notes), promote))
    assert silent == [0]
    assert set(done["streams"]) >= {"EVENTS"}
    assert notes.count(("retried", {"why": "no answer (MachineError)"})) == 3

    async def update(region: FakeRegion, found: Any, config: Mapping[str, Any]) -> None:
        if region.region == AWAY:
            raise refused(10055)
        await found(config)

    again = Odd(deployment, set())
    again.ways = {"update": update}
    with pytest.raises(RefusedError):
        asyncio.run(Promote().run(context_of(again, procedure), promote))


@pytest.mark.parametrize(
    ("version", "told"), [("2.11.9", "refuses to promote a mirror"), ("odd", "reports an unknown version")]
)
def test_a_server_that_promotes_nothing_stops_nobody(kit: Kit, version: str, told: str) -> None:
    deployment = layout(kit)
    procedure, world = failover_of(deployment, kit), Old(deployment, set())
    world.version = version
    with pytest.raises(FinalError) as error:
        asyncio.run(Promote().run(context_of(world, procedure), step_of(procedure, Verb.PROMOTE_STREAMS)))
    what, remedy = told_by(error)
    assert told in what
    assert remedy == "upgrade first, or restore the streams from a backup"
    assert fenced_subject(family_of(world, procedure).origin) not in world.regions[HOME]["EVENTS"].config["subjects"]


def test_the_plan_says_that_a_release_has_no_rescue(kit: Kit) -> None:
    deployment = layout(kit, SUPER)
    procedure, world = failover_of(deployment, kit, Fault.REGION), Old(deployment, {HOME})
    world.version = "2.14.0"
    step = evolve(step_of(procedure, Verb.RESTORE_QUORUM), method=QuorumMethod.RESCUE)
    found = asyncio.run(RestoreQuorum().look(context_of(world, procedure), step))
    assert [(guard.id, guard.absolute) for guard in found.guards] == [("server-too-old", True)]
    assert f"nats-server in {AWAY} has no rescue; 2.15" in found.guards[0].what


def test_without_a_rescue_a_group_without_a_leader_is_asked_again(kit: Kit) -> None:
    """Until the step's limit: nothing is removed from a group that has no leader."""
    deployment = layout(kit, SUPER)
    procedure, world = failover_of(deployment, kit, Fault.REGION), Impatient(deployment, {HOME})
    world.quorum = 100
    step = evolve(step_of(procedure, Verb.RESTORE_QUORUM), method=QuorumMethod.REMOVE_PEERS)
    with pytest.raises(FinalError, match="the limit"):
        asyncio.run(RestoreQuorum().run(context_of(world, procedure), step))
    assert not world.removed
    assert world.quorum == 100


def _free(world: FakeWorld, procedure: Procedure) -> Facts:
    return asyncio.run(FreeSubjects().run(context_of(world, procedure), step_of(procedure, Verb.DELETE_ORIGIN)))


def test_the_subjects_of_a_lost_origin_are_freed_whatever_is_answered(kit: Kit) -> None:
    """The answer would come from the lost stream's own leader; one that is gone already is free."""
    deployment = layout(kit, SUPER)
    procedure, world = failover_of(deployment, kit, Fault.REGION), FakeWorld(deployment, {HOME})
    world.quorum = 1
    assert "EVENTS" in _free(world, procedure)["freed"]
    family = family_of(world, procedure)
    assert world.regions[HOME][family.origin.name].config["subjects"] == [fenced_subject(family.origin)]

    async def holders(region: FakeRegion, _found: Any, _subject: str) -> tuple[str, ...]:
        del region
        return (family.origin.name,)

    gone = Odd(deployment, {HOME})
    gone.quorum, gone.ways = 1, {"holders": holders}
    gone.regions[HOME].clear()
    only = evolve(step_of(procedure, Verb.DELETE_ORIGIN), targets=("EVENTS",))
    done = asyncio.run(FreeSubjects().run(context_of(gone, procedure), only))
    assert done["freed"] == ["EVENTS"]


def test_no_answer_is_no_freed_subject(kit: Kit) -> None:
    """What was asked for and not done is asked for again: only the next look tells."""
    deployment = layout(kit, SUPER)
    procedure, world, lost = failover_of(deployment, kit, Fault.REGION), Odd(deployment, set()), [2]

    async def update(_region: FakeRegion, found: Any, config: Mapping[str, Any]) -> None:
        if lost[0]:
            lost[0] -= 1
            raise MachineError.at(AWAY, "no answer within 5 s", "none")
        await found(config)

    world.quorum, world.ways = 1, {"update": update}
    only = evolve(step_of(procedure, Verb.DELETE_ORIGIN), targets=("EVENTS",))
    asyncio.run(FreeSubjects().run(context_of(world, procedure), only))
    family = family_of(world, procedure)
    assert lost == [0]
    assert world.regions[HOME]["EVENTS"].config["subjects"] == [fenced_subject(family.origin)]


def test_subjects_that_a_stranger_holds_are_not_taken(kit: Kit) -> None:
    deployment = layout(kit, SUPER)
    procedure, world = failover_of(deployment, kit, Fault.REGION), Odd(deployment, {HOME})

    async def holders(_region: FakeRegion, _found: Any, _subject: str) -> tuple[str, ...]:
        return ("EVENTS", "STRANGER")

    world.quorum, world.ways = 1, {"holders": holders}
    with pytest.raises(FinalError) as error:
        _free(world, procedure)
    what, remedy = told_by(error)
    assert "STRANGER" in what
    assert remedy == "it is not the lost origin: find out who created it, then resume"
    assert fenced_subject(family_of(world, procedure).origin) not in world.regions[HOME]["EVENTS"].config["subjects"]


def _refusing(kit: Kit, code: int) -> tuple[Odd, Procedure]:
    deployment = layout(kit, SUPER)
    procedure, world = failover_of(deployment, kit, Fault.REGION), Odd(deployment, {HOME})

    async def update(_region: FakeRegion, _found: Any, _config: Any) -> None:
        raise refused(code)

    world.quorum, world.ways = 1, {"update": update}
    return world, procedure


def test_a_refusal_to_free_a_subject_that_lasts_ends_it_at_once(kit: Kit) -> None:
    """It was asked for again until the limit, and then said to have taken too long."""
    world, procedure = _refusing(kit, 10052)
    with pytest.raises(FinalError) as error:
        _free(world, procedure)
    what, remedy = told_by(error)
    assert what.endswith("keeps its subjects: refused (10052)")
    assert remedy == "retrying does not help: fix what the server names, then resume"
    assert not world.waits


def test_a_refusal_of_the_moment_is_asked_again(kit: Kit) -> None:
    world, procedure = _refusing(kit, NO_META_LEADER)
    notes = list[Any]()
    with pytest.raises(FinalError, match="the limit"):
        asyncio.run(
            FreeSubjects().run(context_of(world, procedure, notes=notes), step_of(procedure, Verb.DELETE_ORIGIN))
        )
    assert ("retried", {"why": f"refused ({NO_META_LEADER})"}) in notes


def test_elected_is_what_has_a_leader_and_answers(kit: Kit) -> None:
    """A group that keeps silent, or whose subject nobody answers, is asked again."""
    deployment = layout(kit, "warm-standby/stretch")
    procedure, world = failover_of(deployment, kit, Fault.REGION), Odd(deployment, set())
    step, late = step_of(procedure, Verb.ELECT), [TimeoutError(), None]

    async def probe(_region: FakeRegion, found: Any, subject: str) -> PublishAnswer | None:
        if late:
            way = late.pop(0)
            if way is not None:
                raise way
            return None
        answer: PublishAnswer | None = await found(subject)
        return answer

    world.ways = {"probe": probe}
    done = asyncio.run(Elect().run(context_of(world, procedure), step))
    assert not late
    assert done["leaders"]["EVENTS"] == "leader"


def test_a_stream_that_only_sources_others_is_elected_without_a_write(kit: Kit) -> None:
    """It has no subject, so no probe is ever answered: the failover waited for one until its limit, and stopped."""
    collecting = Stream("ALL", sources=(StreamOrigin("EVENTS"),), replicas=3)
    cluster = kit.system.nats[0]
    system = evolve(kit.system, nats=(evolve(cluster, streams=(*cluster.streams, collecting)),))
    kit = evolve(kit, system=system)
    deployment = layout(kit, "warm-standby/stretch")
    procedure, world = failover_of(deployment, kit, Fault.REGION), Odd(deployment, set())
    asked: list[str] = []

    async def probe(_region: FakeRegion, found: Any, subject: str) -> PublishAnswer | None:
        asked.append(subject)
        answer: PublishAnswer | None = await found(subject)
        return None if subject == "ALL" else answer

    world.ways = {"probe": probe}
    done = asyncio.run(Elect().run(context_of(world, procedure), step_of(procedure, Verb.ELECT)))
    assert done["leaders"]["ALL"] == "leader"
    assert "ALL" not in asked


@pytest.mark.parametrize(("strategy", "blocked"), [(SUPER, True), (LEAF, False)])
def test_the_way_back_to_a_region_that_has_no_majority_apart_is_blocked(
    kit: Kit, strategy: str, *, blocked: bool
) -> None:
    deployment = layout(kit, strategy)
    ready = evolve(kit, system=deployment.system)
    for procedure, expected in (
        (failback(deployment, ready), blocked),
        (failover(deployment, ready, Fault.GRAY), False),
    ):
        assert any("has no majority" in step.blocked for step in procedure.steps) is expected

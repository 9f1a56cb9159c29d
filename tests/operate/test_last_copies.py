"""What is salvaged, deleted, made anew and started again at its position: the refusals, and what they leave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from fake_world import FakeRegion, FakeWorld
from odd_world import AWAY, HOME, Impatient, Odd, context_of, failover_of, family_of, layout, step_of, told_by

from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.model.procedure import Procedure, Verb
from secondsite.nats.options import ConnectOptions
from secondsite.nats.place import nats_place
from secondsite.nats.stored import StoredMessage
from secondsite.nats.streams import ConsumerState, PublishAnswer
from secondsite.operate.abort import abort
from secondsite.operate.action import Context, Facts, FinalError, Guard, WaitingError
from secondsite.operate.actions.consumers import RestoreConsumers, carry_consumers
from secondsite.operate.actions.people import ByHand, Declared, Refused, nothing_typed
from secondsite.operate.actions.promote import Promote
from secondsite.operate.actions.restore import RestoreStreams
from secondsite.operate.actions.resynchronise import Resynchronise
from secondsite.operate.actions.salvage import Salvage
from secondsite.operate.actions.salvaging import ID, MARK
from secondsite.operate.actions.unplaced import UNPLACED
from secondsite.operate.agent import Agent, AgentConfig
from secondsite.operate.epoch import changed_since, read_epoch
from secondsite.operate.journal import FENCED, EntryKind, Journal
from secondsite.operate.layout import DIVERGED
from secondsite.operate.positions import STREAM as POSITIONS
from secondsite.operate.positions import copy_positions, make_positions, read_positions
from secondsite.operate.world import Decision
from secondsite.strategies.compose import failback
from secondsite.strategies.design import Kit


class Parted:
    """After a failover: home is fenced and has ``more`` messages that nobody else has; away serves."""

    def __init__(self, kit: Kit, more: int = 0, world: type[Impatient] = Odd) -> None:
        self.deployment: Deployment = layout(kit)
        self.kit = evolve(kit, system=self.deployment.system)
        self.world = world(self.deployment, set())
        self.over = failover_of(self.deployment, kit)
        self.procedure: Procedure = failback(self.deployment, self.kit)
        self.promoted = asyncio.run(
            Promote().run(context_of(self.world, self.over), step_of(self.over, Verb.PROMOTE_STREAMS))
        )
        for _ in range(more):
            self.add({})

    def add(self, headers: Mapping[str, str], subject: str = "events.x") -> None:
        home = self.world.regions[HOME]["EVENTS"]
        home.last_seq += 1
        home.messages.append(StoredMessage(home.last_seq, subject, dict(headers), b"%d" % home.last_seq, "then"))

    def context(self, facts: Mapping[str, Facts] | None = None, **more: Any) -> Context:
        return context_of(self.world, self.procedure, facts, **more)

    def salvage(self) -> dict[str, Any]:
        step = step_of(self.procedure, Verb.SALVAGE)
        found = asyncio.run(Salvage().run(self.context(), step))["streams"]
        return dict(found.get("EVENTS") or {})

    def again(self, facts: Mapping[str, Facts] | None = None, **more: Any) -> Facts:
        step = step_of(self.procedure, Verb.RESYNCHRONISE)
        return asyncio.run(Resynchronise().run(self.context(facts, **more), step))


def test_more_than_is_on_its_way_at_once_is_salvaged_once(kit: Kit) -> None:
    case = Parted(kit, more=130)
    first = case.salvage()
    assert (first["found"], first["republished"], first["present"]) == (130, 130, 0)
    marks = [m.headers[MARK] for m in case.world.regions[AWAY]["EVENTS"].messages if MARK in m.headers]
    assert sorted(marks) == sorted(f"{HOME}/EVENTS/{number}" for number in range(4, 134))
    again = case.salvage()
    assert (again["found"], again["republished"], again["present"]) == (130, 0, 130)


def test_a_rollup_is_kept_beside(kit: Kit) -> None:
    """Republished, it would delete what was written since."""
    case = Parted(kit)
    case.add({"Nats-Rollup": "all", ID: "r"})
    found = case.salvage()
    assert (found["republished"], found["saved"]) == (0, 1)
    assert found["refusals"] == {"a rollup, which would delete newer writes": 1}
    (saved,) = case.world.regions[AWAY][UNPLACED].messages
    assert (saved.headers["Secondsite-Was-Nats-Rollup"], saved.data) == ("all", b"4")


def test_what_another_stream_stores_is_kept_beside(kit: Kit) -> None:
    case = Parted(kit, more=1)

    async def publish(_region: FakeRegion, found: Any, subject: str, *rest: Any) -> PublishAnswer:
        answer: PublishAnswer = await found(subject, *rest)
        return evolve(answer, stream="OTHER") if subject == "events.x" else answer

    assert isinstance(case.world, Odd)
    case.world.ways = {"publish": publish}
    assert case.salvage()["refusals"] == {"stored by another stream: OTHER": 1}
    assert len(case.world.regions[AWAY][UNPLACED].messages) == 1


def test_an_old_value_of_a_key_is_kept_beside(kit: Kit) -> None:
    clusters = tuple(
        evolve(one, streams=tuple(evolve(s, max_messages_per_subject=1) for s in one.streams))
        for one in kit.system.nats
    )
    case = Parted(evolve(kit, system=evolve(kit.system, nats=clusters)))
    case.add({}, "events.a")
    case.add({}, "events.b")
    away = case.world.regions[AWAY]["EVENTS"]
    away.last_seq += 1
    away.messages.append(StoredMessage(away.last_seq, "events.a", {}, b"newer", ""))
    found = case.salvage()
    assert (found["republished"], found["refusals"]) == (1, {"the key has a newer value": 1})


def test_nothing_is_salvaged_from_a_stream_that_still_takes_writes(kit: Kit) -> None:
    case = Parted(kit, more=1)
    case.world.regions[HOME]["EVENTS"].config["subjects"] = ["events.>"]
    with pytest.raises(FinalError) as error:
        case.salvage()
    assert told_by(error) == (
        f"EVENTS in {HOME} still accepts writes, so a salvage would be incomplete",
        "start a new failback, which fences it first",
    )


def test_without_a_parting_nothing_is_salvaged_by_guess(kit: Kit) -> None:
    case = Parted(kit, more=1)
    del case.world.regions[AWAY]["EVENTS"].config["metadata"][DIVERGED]
    with pytest.raises(FinalError) as error:
        case.salvage()
    what, remedy = told_by(error)
    assert what == "it is not recorded where EVENTS diverged from its origin"
    assert DIVERGED in remedy
    look = asyncio.run(Salvage().look(case.context(), step_of(case.procedure, Verb.SALVAGE)))
    assert "EVENTS: nothing diverged" in look.now


def test_a_plan_says_what_parted_or_who_is_silent(kit: Kit) -> None:
    case = Parted(kit, more=2)
    step = step_of(case.procedure, Verb.SALVAGE)
    look = asyncio.run(Salvage().look(case.context(), step))
    assert "EVENTS: diverged after 3, the old primary ends at 5" in look.now
    case.world.dead.add(HOME)
    silent = asyncio.run(Salvage().look(case.context(), step))
    assert silent.now == (f"{HOME} cannot be reached",)
    assert silent.changes == look.changes


def test_a_copy_that_cannot_part_is_not_salvaged(kit: Kit) -> None:
    sourced = layout(kit, "active-active/sourced/weighted")
    world, step = FakeWorld(sourced, set()), step_of(Parted(kit).procedure, Verb.SALVAGE)
    context = context_of(world, failover_of(sourced, kit))
    look = asyncio.run(Salvage().look(context, step))
    assert (look.changes, look.now) == ((), ("no stream has a copy that could have diverged",))
    assert asyncio.run(Salvage().run(context, step)) == {"streams": {}}


def test_the_last_copy_of_what_was_not_salvaged_is_kept(kit: Kit) -> None:
    """Unless somebody gives it up by name."""
    case = Parted(kit)
    with pytest.raises(FinalError) as error:
        case.again()
    what, remedy = told_by(error)
    assert "of the old primary was not salvaged" in what
    assert "--allow not-salvaged" in remedy
    assert case.world.regions[HOME]["EVENTS"].messages
    case.again(allowed=frozenset({"not-salvaged"}))
    assert case.world.regions[HOME]["EVENTS"].config["mirror"]


def test_where_nobody_serves_nothing_is_deleted(kit: Kit) -> None:
    case = Parted(kit)
    case.world.regions[AWAY]["EVENTS"].config["subjects"] = ["nowhere"]
    with pytest.raises(FinalError) as error:
        case.again(allowed=frozenset({"not-salvaged"}))
    what, remedy = told_by(error)
    assert what == f"EVENTS in {AWAY} does not serve alone, so EVENTS in {HOME} is not deleted"
    assert "which region serves now" in remedy
    assert case.world.regions[HOME]["EVENTS"].messages


def test_a_mirror_of_a_stream_that_is_gone_is_not_made(kit: Kit) -> None:
    case = Parted(kit)
    for region in (HOME, AWAY):
        del case.world.regions[region]["EVENTS"]
    with pytest.raises(FinalError) as error:
        case.again(allowed=frozenset({"not-salvaged"}))
    assert told_by(error) == (f"{AWAY} has no stream EVENTS", "there is nothing to mirror; find out who deleted it")
    assert "EVENTS" not in case.world.regions[HOME]


@pytest.mark.parametrize("parted", ["", "2"])
def test_the_standby_is_not_deleted_while_it_has_more_than_home(kit: Kit, parted: str) -> None:
    """After a failback: home went on where the standby ended, or what only the standby has would be gone."""
    case = Parted(kit)
    home, away = case.world.regions[HOME]["EVENTS"], case.world.regions[AWAY]["EVENTS"]
    away.config["subjects"] = ["nowhere"]
    home.config |= {"subjects": ["events.>"], "metadata": {DIVERGED: parted} if parted else {}}
    step = evolve(step_of(case.procedure, Verb.RESYNCHRONISE), region=AWAY)
    with pytest.raises(FinalError) as error:
        asyncio.run(Resynchronise().run(case.context(), step))
    assert told_by(error) == (
        f"EVENTS in {AWAY} ends at 3, and {HOME} went on after {parted or '?'}",
        "copy the messages that only it has, then resume",
    )
    assert away.messages


class Passing(Odd):
    """Time passes with every sleep."""

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds


@pytest.mark.parametrize(("after_s", "joined"), [(3.0, "by its link"), (60.0, "tester")])
def test_a_link_comes_a_moment_after_its_region(kit: Kit, after_s: float, joined: str) -> None:
    """A person is asked only where it does not come by itself."""
    case = Parted(kit, world=Passing)
    case.world.sites = None

    async def reaches(_region: FakeRegion, _found: Any, _domain: str, **_more: Any) -> bool:
        return bool(case.world.slept_s > after_s or case.world.carried_out)

    assert isinstance(case.world, Odd)
    case.world.ways = {"reaches": reaches}
    assert case.again(allowed=frozenset({"not-salvaged"}))["joined"] == joined


def test_a_consumer_needs_its_stream(kit: Kit) -> None:
    case = Parted(kit)
    step = evolve(step_of(case.over, Verb.PROMOTE_STREAMS), verb=Verb.RESTORE_CONSUMERS, targets=("EVENTS/x",))
    context = context_of(case.world, case.over)
    done = asyncio.run(RestoreConsumers().run(context, step))
    assert done["consumers"] == {"EVENTS/x": {"start": 1, "source": "unknown: starts at the first message"}}
    del case.world.regions[AWAY]["EVENTS"]
    with pytest.raises(FinalError) as error:
        asyncio.run(RestoreConsumers().run(context, step))
    what, remedy = told_by(error)
    assert what == f"{AWAY} has no stream for the consumer EVENTS/x"
    assert remedy == "promote or restore the stream, then resume"

    async def carry() -> dict[str, int]:
        family = family_of(case.world, case.over)
        held = family.at(AWAY)
        assert held
        async with case.world.streams(HOME) as source, case.world.streams(AWAY) as door:
            return await carry_consumers(source, door, family, family.origin, held)

    assert asyncio.run(carry()) == {}


def test_a_consumer_that_somebody_else_makes_is_told(kit: Kit) -> None:
    case = Parted(kit)

    async def consumer(_region: FakeRegion, _found: Any, stream: str, name: str) -> ConsumerState:
        del stream
        return ConsumerState(name, {}, 0, 0, 0, untouched=True)

    assert isinstance(case.world, Odd)
    case.world.ways = {"consumer": consumer}
    facts = {
        "record": {"positions": {"EVENTS/x": {"floor": 3, "config": {"durable_name": "x"}, "source": "primary"}}},
    }
    record = evolve(step_of(case.over, Verb.RECORD_STATE), id="record")
    procedure = evolve(case.over, steps=(record,))
    step = evolve(record, verb=Verb.RESTORE_CONSUMERS, targets=(), region=AWAY)
    with pytest.raises(FinalError) as error:
        asyncio.run(RestoreConsumers().run(context_of(case.world, procedure, facts), step))
    assert told_by(error) == (
        "the consumer EVENTS/x was changed after it was created",
        "find out who else creates it, then resume",
    )


def test_positions_of_somebody_else_are_passed_over(kit: Kit) -> None:
    case = Parted(kit)

    async def run() -> None:
        async with case.world.streams(HOME) as home, case.world.streams(AWAY) as away:
            await make_positions(away, 1, "")
            await make_positions(away, 1, "")
            copied = await copy_positions(home, away, "EVENTS", "EVENTS", 7.0)
            known = await read_positions(away)
            assert copied == len(known) > 0
            await away.publish("secondsite.positions.EVENTS.odd", b"no position", {})
            await away.publish("secondsite.positions.EVENTS.odd", json.dumps({"floor": 1}).encode(), {})
            assert await read_positions(away) == known
            case.world.refusing[POSITIONS] = 10077
            with pytest.raises(MachineError, match=r"the position of EVENTS/\S+ is not stored: full \(10077\)"):
                await copy_positions(home, away, "EVENTS", "EVENTS", 8.0)

    asyncio.run(run())


def test_what_somebody_else_did_since_is_recognised(kit: Kit) -> None:
    """Made anew, promoted anew, promoted by another, or no more serving: each has its own words."""
    case = Parted(kit)
    begun = asyncio.run(read_epoch(context_of(case.world, case.over)))
    promotion = step_of(case.over, Verb.PROMOTE_STREAMS)
    ours = context_of(case.world, case.over, {promotion.id: case.promoted})
    before = context_of(case.world, case.over)
    assert changed_since(ours, begun, begun) == ""
    at = f"{AWAY}/EVENTS"
    anew = evolve(begun, parted={**begun.parted, at: "99"})
    assert changed_since(ours, begun, anew) == f"EVENTS in {AWAY} was promoted again"
    nobody = evolve(begun, serving={})
    assert changed_since(ours, begun, nobody).startswith(f"{AWAY} no longer serves ")
    assert changed_since(ours, begun, evolve(nobody, silent=(AWAY,))) == ""
    assert changed_since(before, evolve(begun, serving={}), begun).endswith("but this operation did not promote it")
    fences = step_of(case.over, Verb.FENCE)
    for region, changed in ((AWAY, True), (HOME, False), ("zz-last-1", False)):
        fenced = context_of(case.world, case.over, {fences.id: {"state": FENCED, "region": region}})
        assert bool(changed_since(fenced, begun, begun)) is changed, "only a region that we fenced may not serve"
    home = f"{HOME}/EVENTS"
    assert changed_since(before, begun, evolve(begun, made={**begun.made, home: "later"})) == (
        f"EVENTS in {HOME} was recreated"
    )
    assert changed_since(before, begun, evolve(begun, parted={**begun.parted, home: "9"})) == (
        f"EVENTS in {HOME} was promoted again"
    )
    assert changed_since(before, begun, evolve(begun, silent=(HOME,), made={})) == ""


def test_given_up_before_its_promotion_the_source_serves_again(kit: Kit, tmp_path: Path) -> None:
    """What was left half done in the target is told; past the point of no return it is refused."""
    case = Parted(kit)
    away = case.world.regions[AWAY]["EVENTS"]
    for each in case.world.regions[AWAY].values():
        if each.config.get("subjects"):
            each.config["subjects"] = [f"secondsite.promoting.{AWAY}.{each.config['name']}"]
    with Journal(tmp_path / "journal", case.world) as journal:
        journal.append(EntryKind.PLAN, "", {"procedure": case.over.name})
        found = asyncio.run(abort(case.over, case.deployment, case.world, journal))
        assert found.serving["EVENTS"] == (HOME,)
        assert f"EVENTS in {HOME}" in found.opened
        assert f"EVENTS in {AWAY} is no longer a mirror: make it a mirror again" in found.left
        assert found.without_writer == ()
        away.config["subjects"] = [f"secondsite.fenced.{AWAY}.EVENTS"]
        again = asyncio.run(abort(case.over, case.deployment, case.world, journal))
        assert again.opened == ()
        assert f"EVENTS in {AWAY} stays fenced with its messages" in again.left
        case.world.dead.add(HOME)
        silent = asyncio.run(abort(case.over, case.deployment, case.world, journal))
        assert f"{HOME} does not answer, so it is unknown whether it takes writes of EVENTS" in silent.left
        assert "EVENTS" in silent.without_writer
        away.config["subjects"] = ["events.>"]
        with pytest.raises(InputError, match="takes writes of EVENTS already") as error:
            asyncio.run(abort(case.over, case.deployment, case.world, journal))
        assert "failover resume" in error.value.problems[0].remedy


def test_what_nobody_declared_or_did_waits(kit: Kit) -> None:
    case = Parted(kit)
    step, guard = case.over.steps[0], Guard("no-client-path", "nobody told the path", "name it")
    context = context_of(case.world, case.over)

    class Nobody:
        async def carry_out(self, _step: object) -> None:
            return None

        def has_command(self, _step: object) -> bool:
            return False

    case.world.manual_steps = Nobody()
    with pytest.raises(WaitingError) as error:
        asyncio.run(ByHand().run(context, step))
    assert told_by(error) == (
        f"manual step: {step.title}",
        f"do it ({step.check}), then resume with --done {step.id}",
    )
    case.world.decision = Decision("", 0.0, "")
    with pytest.raises(WaitingError, match="no incident was declared"):
        asyncio.run(Declared(nothing_typed).run(context, step))
    assert asyncio.run(Refused(guard).look(context, step)).guards == (guard,)
    with pytest.raises(FinalError) as refused:
        asyncio.run(Refused(guard).run(context, step))
    assert told_by(refused) == ("nobody told the path", "name it, then resume")


def test_a_backup_that_does_not_come_back_is_named(kit: Kit) -> None:
    case = Parted(kit)
    step = evolve(case.over.steps[0], verb=Verb.RESTORE_STREAMS, targets=("A", "B"))

    class Broken:
        async def restore(self, region: str, streams: tuple[str, ...]) -> Mapping[str, str]:
            assert region == AWAY
            return dict(zip(streams, ("", "a chunk is missing"), strict=True))

    with pytest.raises(FinalError) as error:
        asyncio.run(RestoreStreams().run(context_of(case.world, case.over), step, Broken()))
    assert told_by(error)[0] == "not restored: B: a chunk is missing"


def test_an_agent_without_servers_says_so_once_and_lives(tmp_path: Path) -> None:
    """Rounds go on: a file that grows old would mean a stuck one."""
    told: list[str] = []
    alive = tmp_path / "alive"

    rounds: list[str] = []

    class EnoughError(Exception):
        pass

    class Counting(Agent):
        def _lives(self) -> None:
            super()._lives()
            rounds.append(alive.read_text())
            if len(rounds) == 3:
                raise EnoughError

    place = nats_place("nats://127.0.0.1:1", ConnectOptions())
    with pytest.raises(EnoughError):
        asyncio.run(Counting(AgentConfig(AWAY, ()), place, 0.0, told.append, alive).keep())
    assert len(told) == 1
    assert told[0].startswith("servers: ")
    assert all(float(each) > 0 for each in rounds)

"""No acknowledged message vanishes from all regions: a failback saves what it cannot place, deletes no last copy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from attrs import define, evolve
from fake_world import FakeRegion, FakeStream, FakeWorld

from secondsite.model.deployment import Deployment
from secondsite.model.fault import Fault
from secondsite.model.nats import Retention
from secondsite.model.procedure import Procedure
from secondsite.model.strategy import Strategy
from secondsite.nats.stored import StoredMessage
from secondsite.nats.streams import StreamState
from secondsite.operate.actions.unplaced import UNPLACED
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import Journal, StepState
from secondsite.operate.plan import make_plan
from secondsite.strategies.compose import failback, failover, lay_out
from secondsite.strategies.design import Kit

HOME, AWAY = "us-east-1", "us-west-2"


class Case:
    """A failback after a failover, with two messages at home that never crossed."""

    def __init__(self, kit: Kit, folder: Path, world: Callable[[Deployment, set[str]], FakeWorld] = FakeWorld) -> None:
        self.deployment: Deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)
        self.kit, self.folder = evolve(kit, system=self.deployment.system), folder
        self.world = world(self.deployment, set())
        self.shortened = ""
        assert self.run(failover(self.deployment, self.kit, Fault.GRAY), "over").finished
        for number in (4, 5):
            self.home.messages.append(
                StoredMessage(number, "events.x", {"Nats-Msg-Id": f"m{number}"}, b"only here", "")
            )
            self.home.last_seq = number

    @property
    def home(self) -> FakeStream:
        return self.world.regions[HOME]["EVENTS"]

    @property
    def away(self) -> FakeStream:
        return self.world.regions[AWAY]["EVENTS"]

    def short_limit(self, step_id: str) -> None:
        """So that a step that cannot end is given up at once."""
        self.shortened = step_id

    def back(self, journal: str = "back", *, approve: bool = True) -> OperationOutcome:
        procedure = failback(self.deployment, self.kit)
        steps = tuple(evolve(s, limit_s=0.2) if s.id == self.shortened else s for s in procedure.steps)
        return self.run(evolve(procedure, steps=steps), journal, approve=approve)

    def run(self, procedure: Procedure, name: str, *, approve: bool = True) -> OperationOutcome:
        async def work() -> OperationOutcome:
            with Journal(self.folder / name, self.world) as journal:
                begun = journal.entries
                planned = begun[0].data["hash"] if begun else (await make_plan(procedure, self.deployment, world)).hash
                options = Options(approved=str(planned) if approve else "")
                return await execute(procedure, self.deployment, world, journal, options=options)

        world = self.world
        return asyncio.run(work())


def test_what_is_refused_is_saved_before_its_last_copy_is_deleted(kit: Kit, tmp_path: Path) -> None:
    case = Case(kit, tmp_path)
    case.world.refusing["EVENTS"] = 10077
    outcome = case.back()
    facts = outcome.steps["salvage"].facts["streams"]["EVENTS"]
    assert (facts["found"], facts["republished"], facts["saved"]) == (2, 0, 2)
    assert facts["saved_in"] == f"{UNPLACED} in {AWAY}"
    saved = case.world.regions[AWAY][UNPLACED].messages
    assert [(m.headers["Secondsite-Subject"], m.data) for m in saved] == [("events.x", b"only here")] * 2
    assert [m.headers["Secondsite-Was-Nats-Msg-Id"] for m in saved] == ["m4", "m5"]
    assert outcome.finished, outcome.problems


def test_nothing_is_deleted_where_it_cannot_be_saved(kit: Kit, tmp_path: Path) -> None:
    case = Case(kit, tmp_path)
    case.world.refusing |= {"EVENTS": 10077, UNPLACED: 10047}
    outcome = case.back()
    assert outcome.steps["salvage"].state is StepState.FAILED
    assert "has no place" in outcome.steps["salvage"].why
    assert "resynchronise" not in outcome.steps
    assert [m.sequence for m in case.home.messages] == [1, 2, 3, 4, 5]
    case.world.refusing.clear()
    assert case.back().finished


def test_what_the_other_operator_finished_is_not_deleted_again(kit: Kit, tmp_path: Path) -> None:
    """One failback waits for its approval, another finishes; the first is then approved."""
    case = Case(kit, tmp_path)
    assert case.back("first", approve=False).steps["resynchronise"].state is StepState.WAITING
    assert case.back("second").finished
    before = [m.sequence for m in case.home.messages]
    outcome = case.back("first")
    assert outcome.steps["resynchronise"].state is StepState.FAILED
    assert "serves" in outcome.steps["resynchronise"].why
    assert [m.sequence for m in case.home.messages] == before
    assert case.home.config["subjects"] == ["events.>"]


def test_what_was_written_after_the_salvage_is_not_deleted(kit: Kit, tmp_path: Path) -> None:
    case = Case(kit, tmp_path)
    assert case.back(approve=False).steps["salvage"].state is StepState.DONE
    case.home.messages.append(StoredMessage(6, "events.x", {}, b"later", ""))
    case.home.last_seq = 6
    outcome = case.back()
    assert "changed after it was salvaged" in outcome.steps["resynchronise"].why
    assert case.home.messages[-1].data == b"later"
    assert case.back("anew").finished


@define
class _Written(FakeWorld):
    """Clients write ``each`` messages to the serving region between two looks; the mirror is always these behind.

    ``looks``: how often the new mirror was looked at while the writers went on.
    """

    each: int = 1
    looks: int = 0

    def looked(self, region: str, name: str) -> None:
        held, mirror = self.regions[AWAY].get(name), self.regions[HOME].get(name)
        if held is None or held.config.get("mirror"):
            return
        if mirror is not None and mirror.config.get("mirror"):
            mirror.messages, mirror.last_seq = list(held.messages), held.last_seq
        if held.config["subjects"] != ["events.>"]:
            return
        self.looks += region == HOME and mirror is not None and bool(mirror.config.get("mirror"))
        for _ in range(self.each if region == AWAY else 0):
            held.last_seq += 1
            held.messages.append(StoredMessage(held.last_seq, "events.x", {}, b"load", ""))


class _WrittenRegion(FakeRegion):
    async def stream(self, name: str) -> StreamState | None:
        assert isinstance(self.world, _Written)
        self.world.looked(self.region, name)
        return await super().stream(name)


def test_a_failback_ends_while_clients_write(kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy is whole once it has what was there when it began; the rest is drained once the writers are stopped."""
    case = Case(kit, tmp_path, _Written)
    monkeypatch.setattr("fake_world.FakeRegion", _WrittenRegion)
    outcome = case.back()
    assert outcome.finished, outcome.problems
    assert case.home.config["subjects"] == ["events.>"]


LOOKS_AT_A_NEW_MIRROR = 12
"""While its writers go on: until it has what was there at first, before they are stopped, and by plan and guards."""


@pytest.mark.parametrize("between_looks", [1, 48, 478, 4780])
def test_how_much_is_written_is_no_matter_to_a_failback(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, between_looks: int
) -> None:
    """The example's peak is 478 a second. It waits for the copy to have what was there, not what is there now."""
    case = Case(kit, tmp_path, partial(_Written, each=between_looks))
    monkeypatch.setattr("fake_world.FakeRegion", _WrittenRegion)
    outcome = case.back()
    assert outcome.finished, outcome.problems
    assert isinstance(case.world, _Written)
    assert 0 < case.world.looks <= LOOKS_AT_A_NEW_MIRROR
    written = sum(message.data == b"load" for message in case.home.messages)
    assert written >= between_looks, "the writers went on meanwhile, and all of it is at home"


def test_a_work_queue_is_not_mirrored_before_its_workers_consumers_are_there(kit: Kit, tmp_path: Path) -> None:
    clusters = tuple(
        evolve(one, streams=tuple(evolve(s, retention=Retention.WORKQUEUE) for s in one.streams if s.name == "EVENTS"))
        for one in kit.system.nats
    )
    case = Case(evolve(kit, system=evolve(kit.system, nats=clusters)), tmp_path)
    away = case.away
    kept = dict(away.consumers)
    away.consumers.clear()
    outcome = case.back()
    assert "a mirror would consume the jobs" in outcome.steps["resynchronise"].why
    assert case.home.last_seq == 5
    away.consumers |= kept
    outcome = case.back()
    assert outcome.finished, [str(problem) for problem in outcome.problems]


class _NeverFollows(FakeRegion):
    """The mirror at home stays one message behind, for ever."""

    async def stream(self, name: str) -> StreamState | None:
        look = await super().stream(name)
        if look is not None and self.region == HOME and look.is_mirror and self._fenced(name):
            await asyncio.sleep(0)
            return evolve(look, last_seq=look.last_seq - 1)
        return look

    def _fenced(self, name: str) -> bool:
        return self.world.regions[AWAY][name].config.get("subjects") == [f"secondsite.fenced.{AWAY}.{name}"]


def test_a_failback_that_cannot_drain_gives_the_writers_back(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(kit, tmp_path)
    case.short_limit("promote-streams")
    with monkeypatch.context() as patched:
        patched.setattr("fake_world.FakeRegion", _NeverFollows)
        outcome = case.back()
    assert "within its time limit" in outcome.steps["promote-streams"].why
    assert case.away.config["subjects"] == ["events.>"]
    assert case.home.config["mirror"]
    assert case.back().finished
    assert case.home.config["subjects"] == ["events.>"]

"""A salvage that is interrupted goes on from its cursor; a long one ends within its limit while it gets any further."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from fake_world import FakeRegion, FakeStream
from kill_points import KilledJournal, Points
from odd_world import AWAY, HOME, Odd, failover_of, layout, step_of

from secondsite.model.deployment import Deployment
from secondsite.model.procedure import Procedure, Step, Verb
from secondsite.nats.stored import StoredMessage
from secondsite.operate.action import Context, Facts, Prospect
from secondsite.operate.actions.salvage import Salvage
from secondsite.operate.actions.salvaging import CURSOR, ID, MARK, SalvagePace
from secondsite.operate.actions.unplaced import UNPLACED
from secondsite.operate.executor import OperationOutcome, Options, execute
from secondsite.operate.journal import EntryKind, Journal, StepState
from secondsite.operate.plan import make_plan
from secondsite.operate.verbs import EXECUTORS
from secondsite.strategies.compose import failback
from secondsite.strategies.design import Kit

MORE = 60
PACE = SalvagePace(share=25, window=4, cursor=8)


class DiedError(BaseException):
    """Not an Exception: nothing may catch it."""


class Case:
    """Home has 60 messages more than the side that serves; the procedure ends with its salvage."""

    def __init__(self, kit: Kit, folder: Path, *, keyed: bool = False) -> None:
        if keyed:
            kit = evolve(kit, system=evolve(kit.system, nats=tuple(map(_keyed, kit.system.nats))))
        self.deployment: Deployment = layout(kit)
        self.kit, self.folder = evolve(kit, system=self.deployment.system), folder
        self.world = Odd(self.deployment, set())
        assert self.run(failover_of(self.deployment, kit), "over").finished
        for number in range(4, 4 + MORE):
            message = StoredMessage(number, f"events.{number % 30}", {ID: f"m{number}"}, b"%d" % number, "then")
            self.home.messages.append(message)
            self.home.last_seq = number
        whole = failback(self.deployment, self.kit)
        last = step_of(whole, Verb.SALVAGE).id
        self.procedure = evolve(whole, steps=whole.leading_to(last))
        self.reads: list[tuple[int, int]] = []
        self.world.ways = {"many": self._many}

    @property
    def home(self) -> FakeStream:
        return self.world.regions[HOME]["EVENTS"]

    @property
    def away(self) -> FakeStream:
        return self.world.regions[AWAY]["EVENTS"]

    def _many(
        self, region: FakeRegion, found: Any, stream: str, first: int, last: int, **more: bool
    ) -> AsyncIterator[StoredMessage]:
        if region.region == HOME and more.get("bodies", True):
            self.reads.append((first, last))
        messages: AsyncIterator[StoredMessage] = found(stream, first, last)
        return messages

    def run(
        self,
        procedure: Procedure,
        name: str,
        points: Points | None = None,
        pace: SalvagePace = PACE,
        limit_s: float = 60.0,
    ) -> OperationOutcome:
        steps = tuple(evolve(step, limit_s=limit_s) for step in procedure.steps)
        procedure, world = evolve(procedure, steps=steps), self.world
        executors = {**EXECUTORS, Verb.SALVAGE: Salvage(pace)}

        async def work() -> OperationOutcome:
            path = self.folder / name
            with Journal(path, world) if points is None else KilledJournal(path, world, points) as journal:
                begun = journal.entries
                planned = begun[0].data["hash"] if begun else (await make_plan(procedure, self.deployment, world)).hash
                options = Options(approved=str(planned), executors=executors)
                return await execute(procedure, self.deployment, world, journal, options=options)

        return asyncio.run(work())

    def salvage(self, points: Points | None = None, **more: Any) -> Facts:
        outcome = self.run(self.procedure, "back", points, **more)
        assert outcome.steps["salvage"].state is StepState.DONE, outcome.problems
        return dict(outcome.steps["salvage"].facts["streams"]["EVENTS"])

    def cursors(self) -> list[int]:
        with Journal(self.folder / "back", self.world) as journal:
            notes = [entry.data for entry in journal.entries if entry.kind is EntryKind.NOTE]
        return [int(note[CURSOR]["upto"]) for note in notes if CURSOR in note]


def _keyed(cluster: Any) -> Any:
    return evolve(cluster, streams=tuple(evolve(one, max_messages_per_subject=1) for one in cluster.streams))


def _die() -> None:
    raise DiedError


def _marks(stream: FakeStream) -> list[int]:
    return [int(m.headers[MARK].rpartition("/")[2]) for m in stream.messages if MARK in m.headers]


def test_how_far_it_is_stands_in_the_journal(kit: Kit, tmp_path: Path) -> None:
    case = Case(kit, tmp_path)
    facts = case.salvage()
    assert (facts["found"], facts["republished"]) == (MORE, MORE)
    assert case.cursors() == [11, 19, 27, 28, 36, 44, 52, 53, 61, 63]
    assert _marks(case.away) == list(range(4, 4 + MORE)), "in the order of the old stream"


def test_killed_anywhere_it_goes_on_from_its_cursor(kit: Kit, tmp_path: Path) -> None:
    """Nothing is stored twice, nothing is missing, and what lies before the cursor is not read again."""
    count = 0
    while True:
        folder = tmp_path / str(count)
        folder.mkdir()
        case, points = Case(kit, folder), Points(_die, count)
        try:
            case.salvage(points)
            break
        except DiedError:
            cursor = max(case.cursors(), default=3)
        case.reads.clear()
        facts = case.salvage()
        assert all(first > cursor for first, _ in case.reads)
        assert _marks(case.away) == list(range(4, 4 + MORE))
        assert facts["found"] == MORE == facts["republished"] + facts["present"]
        count += 3
    assert count > 30


def test_a_cursor_is_of_one_stream_as_it_was(kit: Kit, tmp_path: Path) -> None:
    """Where the old stream was recreated meanwhile, all of it is read."""
    case = Case(kit, tmp_path)
    with pytest.raises(DiedError):
        case.salvage(Points(_die, 30))
    assert case.cursors()
    case.home.created = "anew"
    case.reads.clear()
    case.salvage()
    assert case.reads[0][0] == 4


def test_what_was_refused_before_the_interruption_is_listed_once(kit: Kit, tmp_path: Path) -> None:
    case = Case(kit, tmp_path)
    case.world.refusing["EVENTS"] = 10077
    with pytest.raises(DiedError):
        case.salvage(Points(_die, 40))
    assert len(case.cursors()) > 2
    facts = case.salvage()
    assert [one["sequence"] for one in facts["refused"]] == list(range(4, 4 + MORE))
    assert (facts["saved"], sum(facts["refusals"].values())) == (MORE, MORE)
    assert len(case.world.regions[AWAY][UNPLACED].messages) == MORE


def test_a_key_written_meanwhile_keeps_its_newer_value(kit: Kit, tmp_path: Path) -> None:
    """The old value is published on the condition that the key is as it was looked at."""
    case = Case(kit, tmp_path, keyed=True)

    async def publish_all(region: FakeRegion, found: Any, messages: Any) -> Any:
        if messages[0].subject == "events.4" and messages[0].headers[ID] == "m4":
            await region.publish("events.4", b"newer", {})
        return await found(messages)

    case.world.ways = {**case.world.ways, "publish_all": publish_all}
    facts = case.salvage()
    kept = [message.data for message in case.away.messages if message.subject == "events.4"]
    assert kept[-1] == b"newer"
    assert facts["refusals"] == {"the key has a newer value": 2}
    assert [m.data for m in case.world.regions[AWAY][UNPLACED].messages] == [b"4", b"34"]
    values = {message.subject: message.data for message in case.away.messages if MARK in message.headers}
    assert values["events.5"] == b"35", "of two old values the later one is what stays"


def test_a_value_from_before_the_parting_is_overwritten(kit: Kit, tmp_path: Path) -> None:
    """What the serving side has of the key came over from home, and is older than what home wrote after it."""
    case = Case(kit, tmp_path, keyed=True)
    case.home.messages.append(StoredMessage(64, "events.before", {}, b"after", "then"))
    case.home.last_seq = 64
    case.away.messages[0] = evolve(case.away.messages[0], subject="events.before", data=b"before")
    facts = case.salvage()
    assert [m.data for m in case.away.messages if m.subject == "events.before"][-1] == b"after"
    assert facts["refusals"] == {}


def test_a_subject_that_nobody_listens_on_is_kept_beside(kit: Kit, tmp_path: Path) -> None:
    case = Case(kit, tmp_path)
    case.home.messages.append(StoredMessage(64, "gone.x", {}, b"64", "then"))
    case.home.last_seq = 64
    facts = case.salvage()
    assert facts["refusals"] == {"no stream listens on gone.x": 1}
    assert case.world.regions[AWAY][UNPLACED].messages[0].data == b"64"


@frozen
class Slow:
    """Takes far longer than its limit and gets further all the time, until it stands still."""

    rounds: int
    still: bool

    async def look(self, context: Context, step: Step) -> Prospect:
        del context, step
        return Prospect()

    async def run(self, context: Context, step: Step) -> Facts:
        del step
        for _ in range(self.rounds):
            await asyncio.sleep(0.05)
            context.progressed()
        if self.still:
            await asyncio.sleep(60)
        return {"streams": {}}

    def commands(self, context: Any, step: Step) -> tuple[str, ...]:
        del context, step
        return ()


@pytest.mark.parametrize("still", [False, True])
def test_a_limit_counts_from_the_last_progress(kit: Kit, tmp_path: Path, *, still: bool) -> None:
    case = Case(kit, tmp_path)
    steps = tuple(evolve(s, limit_s=0.3 if s.verb is Verb.SALVAGE else 60.0) for s in case.procedure.steps)
    procedure, world = evolve(case.procedure, steps=steps), case.world

    async def work() -> OperationOutcome:
        with Journal(tmp_path / "slow", world) as journal:
            planned = (await make_plan(procedure, case.deployment, world)).hash
            executors = {**EXECUTORS, Verb.SALVAGE: Slow(10, still)}
            return await execute(
                procedure, case.deployment, world, journal, options=Options(planned, executors=executors)
            )

    record = asyncio.run(work()).steps["salvage"]
    assert record.state is (StepState.FAILED if still else StepState.DONE)
    assert ("no progress within its time limit of 0.3 s" in record.why) is still

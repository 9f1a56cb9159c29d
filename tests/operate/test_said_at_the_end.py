"""What an operation could not place, or did not know, is said by it and by `status`, and not in the journal alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from attrs import evolve
from fake_world import FakeWorld
from odd_world import AWAY, HOME, context_of, failover_of, layout, step_of
from repairs import carried_out, repair_of

from secondsite.model.procedure import Verb
from secondsite.nats.stored import StoredMessage
from secondsite.operate.actions.consumers import RestoreConsumers
from secondsite.operate.actions.record import RecordState
from secondsite.operate.actions.salvaging import Salvaged
from secondsite.operate.executor import OperationOutcome
from secondsite.operate.journal import EntryKind, JournalEntry, StepRecord, StepState
from secondsite.operate.layout import families
from secondsite.operate.plan import make_plan
from secondsite.operate.positions import replicate_positions
from secondsite.publish.terminal.operation import outcome_text, status_text
from secondsite.strategies.design import Kit


def _said(step: str, facts: dict[str, Any]) -> tuple[str, str]:
    """By the run, and by `status` afterwards."""
    outcome = OperationOutcome("1" * 16, {step: StepRecord(StepState.DONE, 1, 0, 1, facts)}, ())
    plan: dict[str, Any] = {"procedure": "failback", "hash": "1" * 16, "steps": [{"id": step}]}
    done: dict[str, Any] = {"state": "done", "facts": facts}
    rows: tuple[tuple[EntryKind, str, dict[str, Any]], ...] = (
        (EntryKind.PLAN, "", plan),
        (EntryKind.INTENT, step, {}),
        (EntryKind.OUTCOME, step, done),
    )
    entries = [JournalEntry(n, kind, about, 0.0, 0.0, data, "", "") for n, (kind, about, data) in enumerate(rows)]
    return outcome_text("failback", outcome, Path("failback.jsonl")), status_text(entries)


def test_messages_without_a_place_are_named_with_where_they_are_kept() -> None:
    salvaged = Salvaged(diverged=3, last=5, upto=5, read=2)
    for number in (4, 5):
        salvaged.refuse(StoredMessage(number, "$KV.b.k", {}, b"", ""), "the key has a newer value")
    for text in _said("salvage", {"streams": {"KV_b": salvaged.facts(AWAY), "E": Salvaged(1, 1, 1).facts(AWAY)}}):
        assert (
            f"KV_b: 2 messages not put back (the key has a newer value: 2); kept in secondsite-unplaced in {AWAY}"
        ) in text
        assert "E: " not in text


def test_what_was_left_of_streams_is_named() -> None:
    for text in _said("restore-consumers", {"consumers": {}, "kept": {"W": "has limits retention still"}}):
        assert "W: has limits retention still" in text
    for text in _said("resynchronise", {"beside": {"RO": {"left": "recreate it by hand"}, "R2": {"goes on": True}}}):
        assert "RO: recreate it by hand" in text
        assert "R2" not in text


def test_a_repair_says_where_what_it_replaced_is_saved(kit: Kit, tmp_path: Path) -> None:
    deployment = layout(kit)
    world = FakeWorld(deployment, set())
    outcome = carried_out(repair_of(deployment, kit), world, tmp_path / "repair")
    assert outcome.finished, outcome.problems
    text = outcome_text("repair", outcome, tmp_path / "repair")
    assert "EVENTS: what was replaced is saved in replaced" in text
    assert f"{AWAY}/EVENTS: saved before it was recreated: {AWAY}/EVENTS" in text
    for text in _said("copies-anew", {"copies": {}, "left": ["MIX in us-east-1 accepts writes of its own"]}):
        assert "MIX in us-east-1 accepts writes of its own" in text


def test_consumers_that_begin_anew_are_named(kit: Kit) -> None:
    deployment = layout(kit)
    world, procedure = FakeWorld(deployment, {HOME}), failover_of(deployment, kit)
    step = evolve(step_of(procedure, Verb.RESTORE_CONSUMERS), targets=("EVENTS/metering",))
    facts = dict(asyncio.run(RestoreConsumers().run(context_of(world, procedure), step)))
    for text in _said(step.id, facts):
        assert "EVENTS/metering: started at the first message" in text


def test_a_deliver_policy_that_no_position_goes_with_is_named_before_and_after(kit: Kit) -> None:
    """The server sets the position of those alone that deliver all; an application's own create is refused then."""
    deployment = layout(kit)
    world, over = FakeWorld(deployment, set()), failover_of(deployment, kit)
    step = evolve(step_of(over, Verb.RESTORE_CONSUMERS), targets=("EVENTS/metering",))
    for region in (HOME, AWAY):
        world.regions[region]["EVENTS"].consumers.pop("metering", None)
    for name, policy in (("audit", "new"), ("plain", "all")):
        config = {"durable_name": name, "deliver_policy": policy}
        world.regions[HOME]["EVENTS"].consumers[name] = config
        world.regions[HOME]["EVENTS"].floors[name] = 1
    told = "EVENTS/audit: deliver_policy new cannot be kept with a position"
    now = asyncio.run(RestoreConsumers().look(context_of(world, over), step)).now
    assert [line for line in now if "deliver_policy" in line and line.startswith(told)], now
    assert not any("EVENTS/plain" in line for line in now)
    record = step_of(over, Verb.RECORD_STATE)
    facts = {record.id: asyncio.run(RecordState().run(context_of(world, over), record))}
    done = dict(asyncio.run(RestoreConsumers().run(context_of(world, over, facts), step)))
    assert world.regions[AWAY]["EVENTS"].consumers["audit"]["deliver_policy"] == "by_start_sequence"
    for text in _said(step.id, done):
        assert told in text
        assert "EVENTS/plain" not in text


def test_a_plan_says_whose_position_nobody_copied(kit: Kit) -> None:
    deployment = layout(kit)
    over = failover_of(deployment, kit)
    step = step_of(over, Verb.RESTORE_CONSUMERS)
    world, plans = FakeWorld(deployment, {HOME}), []
    plans.append(asyncio.run(make_plan(over, deployment, world)))
    world.dead.clear()
    asyncio.run(replicate_positions(world, families(deployment), HOME, AWAY))
    world.dead.add(HOME)
    plans.append(asyncio.run(make_plan(over, deployment, world)))
    unknown, known = (" ".join(next(one.now for one in plan.steps if one.step.id == step.id)) for plan in plans)
    assert step.targets
    for key in step.targets:
        assert key in unknown
        assert key not in known
    assert "will start at the first message" in unknown
    assert "copied" in known
    assert plans[0].hash == plans[1].hash, "positions move on while a plan is approved"

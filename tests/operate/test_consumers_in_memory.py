"""Where a consumer goes on, and by which requests: a server that sets positions, and one that does not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest
from attrs import define, evolve, field
from fake_world import FakeWorld
from odd_world import AWAY, HOME, context_of, failover_of, layout, step_of, told_by

from secondsite.model.nats import Consumer, Retention
from secondsite.model.procedure import Verb
from secondsite.nats.streams import ConsumerState
from secondsite.operate.action import FinalError
from secondsite.operate.actions.consumers import (
    HELD_UNTIL,
    RestoreConsumers,
    WantedConsumer,
    carry_consumers,
    restore,
    start_after,
)
from secondsite.operate.consumer_config import filters_of, is_users, may_be_set, recreated, started_at
from secondsite.operate.layout import DIVERGED, families
from secondsite.strategies.design import Kit

PLAIN: dict[str, Any] = {"durable_name": "worker", "ack_policy": "explicit", "deliver_policy": "all"}
LATER = "2099-01-01T00:00:00Z"


@define
class Consumers:
    """Those of one stream; ``asked`` are the requests that changed something."""

    version: str = "2.15.1"
    there: ConsumerState | None = None
    deaf: bool = False
    first: int = 1
    asked: list[tuple[Any, ...]] = field(factory=list)

    async def consumer(self, stream: str, name: str) -> ConsumerState | None:
        assert (stream, name) == ("EVENTS", "worker")
        return self.there

    async def create_consumer(self, stream: str, config: Mapping[str, Any]) -> None:
        self.asked.append(("create", stream, dict(config)))
        if not self.deaf:
            floor = int(config.get("opt_start_seq", self.first)) - 1
            self.there = ConsumerState("worker", dict(config), floor, floor, 0, untouched=True)

    async def reset_consumer(self, stream: str, name: str, sequence: int) -> None:
        self.asked.append(("reset", stream, name, sequence))
        if not self.deaf and self.there:
            self.there = evolve(self.there, floor=sequence - 1, untouched=True)

    async def pause_consumer(self, stream: str, name: str, until: str) -> None:
        self.asked.append(("pause", stream, name, until))

    async def delete_consumer(self, stream: str, name: str) -> None:
        self.asked.append(("delete", stream, name))
        self.there = None

    async def purge(self, name: str, *, below: int, subject: str = "") -> None:
        self.asked.append(("purge", name, below, subject))
        self.first = below


@pytest.fixture
def wanted(kit: Kit) -> WantedConsumer:
    family = next(one for one in families(layout(kit)) if one.name == "EVENTS")
    return WantedConsumer(family, family.copies[0], "worker", PLAIN, 31, "replicated")


def ask(door: Consumers, wanted: WantedConsumer) -> list[tuple[Any, ...]]:
    asyncio.run(restore(cast(Any, door), wanted))
    return door.asked


def standing(floor: int, *, untouched: bool, **config: Any) -> ConsumerState:
    return ConsumerState("worker", {**PLAIN, **config}, floor, floor, 0, untouched=untouched)


def queue(wanted: WantedConsumer) -> WantedConsumer:
    origin = wanted.family.origin
    stream = evolve(origin.stream, retention=Retention.WORKQUEUE)
    return evolve(wanted, family=evolve(wanted.family, origin=evolve(origin, stream=stream)))


def test_one_that_is_not_there_is_created_paused_then_set_then_let_go(wanted: WantedConsumer) -> None:
    made = {**PLAIN, "name": "worker", "pause_until": HELD_UNTIL}
    assert ask(Consumers(), wanted) == [
        ("create", "EVENTS", made),
        ("reset", "EVENTS", "worker", 31),
        ("pause", "EVENTS", "worker", ""),
    ]
    its_own = evolve(wanted, config={**PLAIN, "pause_until": LATER})
    assert ask(Consumers(), its_own)[-1] == ("pause", "EVENTS", "worker", LATER)


def test_from_the_first_message_on_nothing_has_to_be_set(wanted: WantedConsumer) -> None:
    asked = ask(Consumers(), evolve(wanted, start=1))
    assert [kind for kind, *_ in asked] == ["create", "pause"]


@pytest.mark.parametrize("config", [PLAIN, {**PLAIN, "opt_start_time": "2026-01-01T00:00:00Z"}])
def test_a_server_that_sets_no_position_is_told_it_in_the_configuration(
    wanted: WantedConsumer, config: dict[str, Any]
) -> None:
    made = {**PLAIN, "name": "worker", "deliver_policy": "by_start_sequence", "opt_start_seq": 31}
    assert ask(Consumers("2.12.3"), evolve(wanted, config=config)) == [("create", "EVENTS", made)]
    new = evolve(wanted, config={**config, "deliver_policy": "new"})
    assert ask(Consumers(), new) == [("create", "EVENTS", made)], "nor one that does not deliver all"


@pytest.mark.parametrize("version", ["2.12.3", "2.15.1"])
@pytest.mark.parametrize(("floor", "untouched"), [(30, True), (30, False), (40, False)])
def test_one_that_stands_right_or_has_gone_on_is_kept(
    wanted: WantedConsumer, version: str, floor: int, *, untouched: bool
) -> None:
    assert ask(Consumers(version, standing(floor, untouched=untouched)), wanted) == []


@pytest.mark.parametrize(("floor", "untouched"), [(29, False), (0, True), (31, True), (40, True)])
def test_one_that_stands_elsewhere_is_moved(wanted: WantedConsumer, floor: int, *, untouched: bool) -> None:
    there = standing(floor, untouched=untouched)
    assert ask(Consumers(there=there), wanted) == [("reset", "EVENTS", "worker", 31)]
    asked = ask(Consumers("2.12.3", there), wanted)
    assert [kind for kind, *_ in asked] == ["delete", "create"]


def test_one_that_an_attempt_before_left_paused_is_let_go(wanted: WantedConsumer) -> None:
    there = standing(30, untouched=True, pause_until=HELD_UNTIL)
    assert ask(Consumers(there=there), wanted) == [("pause", "EVENTS", "worker", "")]
    theirs = standing(30, untouched=True, pause_until=LATER)
    assert ask(Consumers(there=theirs), wanted) == []


def test_of_a_work_queue_what_it_had_done_is_purged_on_its_subjects(wanted: WantedConsumer) -> None:
    filtered = evolve(queue(wanted), config={**PLAIN, "filter_subjects": ["events.a", "events.b"]})
    purged = [("purge", "EVENTS", 31, "events.a"), ("purge", "EVENTS", 31, "events.b")]
    asked = ask(Consumers(), filtered)
    assert asked[1:3] == purged
    assert [kind for kind, *_ in asked] == ["create", "purge", "purge", "reset", "pause"]
    asked = ask(Consumers("2.12.3"), filtered)
    assert asked[:2] == purged
    created = {**filtered.config, "name": "worker"}
    assert asked[2:] == [("create", "EVENTS", created)], "a work queue's consumer begins at its first message"
    assert "purge" not in [kind for kind, *_ in ask(Consumers(), evolve(filtered, start=1))]
    assert "purge" not in [kind for kind, *_ in ask(Consumers(), wanted)]


def test_one_that_is_not_as_it_was_created_is_said(wanted: WantedConsumer) -> None:
    for there in (None, standing(3, untouched=True)):
        with pytest.raises(FinalError) as error:
            ask(Consumers(there=there, deaf=True), wanted)
        assert told_by(error) == (
            "the consumer EVENTS/worker was changed after it was created",
            "find out who else creates it, then resume",
        )


@pytest.mark.parametrize(("floor", "diverged", "start"), [(30, 100, 31), (100, 30, 31), (0, 5, 1), (7, 7, 8)])
def test_it_goes_on_after_what_it_acknowledged_and_never_after_the_parting(
    floor: int, diverged: int, start: int
) -> None:
    assert start_after(floor, diverged) == start


def test_which_positions_a_server_sets() -> None:
    assert may_be_set({}, 1)
    assert may_be_set({"deliver_policy": "all"}, 5)
    assert not may_be_set({"deliver_policy": "new"}, 5)
    begins = {"deliver_policy": "by_start_sequence", "opt_start_seq": 5}
    assert [may_be_set(begins, sequence) for sequence in (4, 5, 6)] == [False, True, True]
    assert may_be_set({"deliver_policy": "by_start_sequence"}, 1)


def test_what_a_server_noted_of_itself_is_not_created() -> None:
    config = {"durable_name": "old", "metadata": {"_nats.ver": "2.15.1", "team": "a"}, "max_deliver": 3}
    assert recreated(config, "w") == {"durable_name": "w", "name": "w", "metadata": {"team": "a"}, "max_deliver": 3}
    assert recreated({"metadata": {"_nats.ver": "1"}}, "w") == {"durable_name": "w", "name": "w"}
    assert started_at({"opt_start_time": "x", "opt_start_seq": 3}, "w", 9) == {
        **recreated({}, "w"),
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": 9,
    }


def test_a_consumer_without_a_durable_name_or_of_a_mirror_is_nobodys() -> None:
    assert is_users({"durable_name": "w"})
    assert not is_users({})
    assert not is_users({"durable_name": ""})
    assert not is_users({"durable_name": "w", "sourcing": True})
    assert filters_of({"filter_subject": "a", "filter_subjects": ["b"]}) == ("a",)
    assert filters_of({"filter_subjects": ["b", ""]}) == ("b",)


# --- the step --------------------------------------------------------------------------------------------------


def _restored(kit: Kit, positions: Mapping[str, Any], targets: tuple[str, ...] = (), parted: str = "") -> Any:
    deployment = layout(kit)
    world, procedure = FakeWorld(deployment, {HOME}), failover_of(deployment, kit)
    step = evolve(step_of(procedure, Verb.RESTORE_CONSUMERS), targets=targets)
    record = step_of(procedure, Verb.RECORD_STATE)
    world.regions[AWAY]["EVENTS"].config["metadata"] = {DIVERGED: parted} if parted else {}
    progress: list[int] = []
    facts = {record.id: {"positions": positions}}
    context = context_of(world, procedure, facts, progressed=lambda: progress.append(1))
    done = asyncio.run(RestoreConsumers().run(context, step))
    assert len(progress) == len(done["consumers"])
    return world, done


def _position(floor: int, **config: Any) -> dict[str, Any]:
    return {"config": {"durable_name": "audit", **config}, "floor": floor, "source": "replicated"}


def test_those_that_are_named_and_those_that_are_known_go_on(kit: Kit) -> None:
    positions = {"EVENTS/audit": _position(2, max_deliver=4), "GONE/worker": _position(9)}
    world, done = _restored(kit, positions, ("EVENTS/metering",))
    assert done["region"] == AWAY
    assert done["consumers"] == {
        "EVENTS/metering": {"start": 1, "source": "unknown: starts at the first message"},
        "EVENTS/audit": {"start": 3, "source": "replicated"},
    }
    held = world.regions[AWAY]["EVENTS"]
    assert held.consumers["audit"]["max_deliver"] == 4
    assert held.floors["audit"] == 2


def test_what_is_named_is_not_restored_twice_and_stands_where_it_was_seen(kit: Kit) -> None:
    _, done = _restored(kit, {"EVENTS/metering": _position(2)}, ("EVENTS/metering",))
    assert done["consumers"] == {"EVENTS/metering": {"start": 3, "source": "replicated"}}


def test_more_than_the_copy_holds_was_acknowledged(kit: Kit) -> None:
    _, done = _restored(kit, {"EVENTS/audit": _position(50)})
    assert done["consumers"]["EVENTS/audit"]["start"] == 4, "after the last message that it had"
    _, done = _restored(kit, {"EVENTS/audit": _position(50)}, parted="2")
    assert done["consumers"]["EVENTS/audit"]["start"] == 3, "after the parting"


def test_without_its_stream_no_consumer(kit: Kit) -> None:
    deployment = layout(kit)
    world, procedure = FakeWorld(deployment, {HOME}), failover_of(deployment, kit)
    del world.regions[AWAY]["EVENTS"]
    step = evolve(step_of(procedure, Verb.RESTORE_CONSUMERS), targets=("EVENTS/metering",))
    with pytest.raises(FinalError) as error:
        asyncio.run(RestoreConsumers().run(context_of(world, procedure), step))
    assert told_by(error)[0] == f"{AWAY} has no stream for the consumer EVENTS/metering"
    found = asyncio.run(RestoreConsumers().look(context_of(world, procedure), step))
    assert found.changes == (f"create the consumer EVENTS/metering in {AWAY}",)


def test_on_the_way_back_they_are_carried_from_where_they_are(kit: Kit) -> None:
    deployment = layout(kit)
    world = FakeWorld(deployment, set())
    family = next(one for one in families(deployment) if one.name == "EVENTS")
    world.regions[AWAY]["EVENTS"].consumers["own"] = {"durable_name": "own", "max_deliver": 2}
    world.regions[AWAY]["EVENTS"].floors["own"] = 1

    async def carried() -> dict[str, int]:
        async with world.streams(AWAY) as there, world.streams(HOME) as home:
            return await carry_consumers(there, home, family, family.copies[0], family.origin)

    assert asyncio.run(carried())["EVENTS/own"] == 2
    assert world.regions[HOME]["EVENTS"].consumers["own"]["max_deliver"] == 2
    del world.regions[HOME]["EVENTS"]
    assert asyncio.run(carried()) == {}
    assert Consumer("own").durable

"""What the watch does: begins once, asks where it may not, goes on with what another left, and never twice."""

from __future__ import annotations

import asyncio

import pytest
from in_loop import in_loop
from observed import API_DEAD, EAST_LOST
from watched_world import ALL_WELL, GONE, Watched, plan_of

from secondsite.model.errors import InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.nats.tasks import end_tasks
from secondsite.operate.action import Guard
from secondsite.operate.lease import HeldElsewhereError
from secondsite.publish.terminal.watch import status_text
from secondsite.watch.approvals import Approval
from secondsite.watch.permission import LastOperation, LastStep
from secondsite.watch.status import watch_status

UNFENCED = Guard("unfenced", "us-east-1 is promoted beside", "--allow unfenced")
FAILED_BACK = LastOperation("failback-1", 60.0, is_open=False, is_failover=False)


@in_loop
async def test_a_lost_region_is_failed_over_once() -> None:
    one = Watched.of()
    await one.well()
    await one.pass_s(30, GONE)
    assert one.hands.begun == [(Fault.REGION, "", frozenset())]
    assert one.kinds == ["begins", "ended"]


@in_loop
async def test_whether_to_go_back_is_asked_once_it_lives_again_and_begun_when_approved() -> None:
    one = Watched.of(plan_of(title="home"))
    await one.well()
    await one.pass_s(30, GONE)
    assert one.watch.ask is None
    await one.pass_s(20, ALL_WELL)
    ask = one.watch.ask
    assert ask is not None
    assert (ask.fault, ask.question, ask.plan) == (None, "fail back to us-east-1", plan_of(title="home").hash)
    assert one.kinds == ["begins", "ended", "asks"]
    one.hands.moves = False
    one.watch.approve(Approval(ask.id, ask.plan, who="ann"))
    await one.pass_s(40, ALL_WELL)
    assert one.hands.begun[1:] == [(None, ask.plan, frozenset())]
    assert one.kinds[3:] == ["begins", "ended"]
    assert one.watch.ask is None


@in_loop
async def test_the_question_of_the_way_back_goes_with_the_region() -> None:
    one = Watched.of()
    await one.well()
    await one.pass_s(30, GONE)
    await one.pass_s(20, ALL_WELL)
    await one.pass_s(20, GONE)
    assert one.watch.ask is None
    assert one.kinds[3:] == ["withdrawn"]
    assert len(one.hands.begun) == 1


@in_loop
async def test_it_is_begun_once_also_where_nobody_can_read_that_it_was() -> None:
    one = Watched.of()
    one.hands.writes_down = False
    await one.well()
    await one.pass_s(30, GONE)
    assert len(one.hands.begun) == 1


@in_loop
async def test_nothing_is_begun_while_a_region_lives_or_an_observer_is_away() -> None:
    one = Watched.of()
    await one.well()
    await one.pass_s(30, {**ALL_WELL, "west": EAST_LOST})
    await one.pass_s(30, {**ALL_WELL, "office": None})
    assert one.hands.begun == []
    assert one.kinds == []


@in_loop
async def test_gray_is_asked_with_what_was_seen_and_begun_when_approved() -> None:
    one = Watched.of()
    await one.well()
    await one.pass_s(40, dict.fromkeys(("east", "west", "office"), API_DEAD))
    assert one.hands.begun == []
    assert one.kinds == ["asks"]
    ask = one.watch.ask
    assert ask is not None
    assert ask.fault is Fault.GRAY
    assert "api silent" in one.notices[0].text
    one.watch.approve(Approval(ask.id, ask.plan, ("unfenced",), "kim"))
    await one.pass_s(3, dict.fromkeys(("east", "west", "office"), API_DEAD))
    assert one.hands.begun == [(Fault.GRAY, ask.plan, frozenset({"unfenced"}))]
    assert one.watch.ask is None


@in_loop
async def test_an_approval_of_something_else_begins_nothing() -> None:
    one = Watched.of()
    await one.well()
    with pytest.raises(InputError, match="no approval is requested"):
        one.watch.approve(Approval("x", "y"))
    await one.pass_s(10, dict.fromkeys(("east", "west", "office"), API_DEAD))
    ask = one.watch.ask
    assert ask is not None
    for wrong in (Approval("other", ask.plan), Approval(ask.id, "another plan"), Approval(ask.id, "")):
        with pytest.raises(InputError, match="is requested now"):
            one.watch.approve(wrong)
    assert one.hands.begun == []


@in_loop
async def test_an_approval_that_would_begin_nothing_is_refused_with_the_guard_that_stands() -> None:
    refused = Guard("refused-us", "wrong password", "give the right one", absolute=True)
    for guards, allow, words in (
        ((UNFENCED,), (), "unfenced: us-east-1 is promoted beside.*add --allow unfenced"),
        ((UNFENCED, refused), ("unfenced", "refused-us"), "wrong password.*nobody can lift it"),
    ):
        one = Watched.of(plan_of(*guards))
        await one.well()
        await one.pass_s(10, dict.fromkeys(("east", "west", "office"), API_DEAD))
        ask = one.watch.ask
        assert ask is not None
        with pytest.raises(InputError, match=words):
            one.watch.approve(Approval(ask.id, ask.plan, allow))
        assert one.watch.ask == ask
        assert one.hands.begun == []
        shown = status_text(watch_status(one.watch, {}, {}, (), {"streams": ()}))
        assert "lifted by --allow unfenced" in shown
        assert ("nobody can lift it: give the right one" in shown) is (refused in guards)


@in_loop
async def test_without_a_plan_there_is_nothing_to_approve() -> None:
    one = Watched.of()
    one.hands.cannot_plan = MachineError.at("us-west-2", "no answer", "look there")
    await one.well()
    await one.pass_s(10, dict.fromkeys(("east", "west", "office"), API_DEAD))
    ask = one.watch.ask
    assert ask is not None
    assert "no plan can be made" in ask.why
    with pytest.raises(InputError, match="no plan to approve"):
        one.watch.approve(Approval(ask.id, ""))


@in_loop
async def test_the_question_is_another_one_when_the_plan_is() -> None:
    one = Watched.of(plan_of(), plan_of(), plan_of(title="promote all"))
    await one.well()
    says = dict.fromkeys(("east", "west", "office"), API_DEAD)
    await one.pass_s(8, says)
    first = one.watch.ask
    await one.pass_s(31, says)
    assert first is not None
    assert one.watch.ask is not None
    assert one.watch.ask.id == first.id
    await one.pass_s(31, says)
    assert one.watch.ask.id != first.id
    assert one.kinds == ["asks", "asks"]
    with pytest.raises(InputError, match="is requested now"):
        one.watch.approve(Approval(first.id, first.plan))


@in_loop
async def test_a_region_that_answers_again_withdraws_the_question() -> None:
    one = Watched.of()
    await one.well()
    await one.pass_s(10, dict.fromkeys(("east", "west", "office"), API_DEAD))
    await one.pass_s(10, ALL_WELL)
    assert one.watch.ask is None
    assert one.kinds == ["asks", "withdrawn"]


@in_loop
async def test_a_second_failover_within_the_block_asks() -> None:
    one = Watched.of()
    one.hands.known = FAILED_BACK
    await one.well()
    await one.pass_s(20, GONE)
    assert one.hands.begun == []
    assert one.kinds == ["asks"]
    assert "second one" in one.notices[0].text


@in_loop
async def test_maintenance_asks_and_ends_by_itself() -> None:
    one = Watched.of()
    await one.well()
    one.watch.announce_maintenance(60)
    await one.pass_s(20, GONE)
    assert one.hands.begun == []
    assert one.kinds == ["asks"]
    await one.pass_s(80, GONE)
    assert len(one.hands.begun) == 1


@in_loop
async def test_a_journal_that_nobody_can_read_asks() -> None:
    one = Watched.of()
    one.hands.reachable = False
    await one.well()
    await one.pass_s(20, GONE)
    assert one.hands.begun == []
    assert one.kinds == ["asks"]


@in_loop
async def test_a_watch_that_just_started_asks() -> None:
    """It never saw the region alive: its addresses may be wrong."""
    one = Watched.of()
    await one.watch.read_journal()
    await one.pass_s(20, GONE)
    assert one.hands.begun == []
    assert one.kinds == ["asks"]


@in_loop
async def test_of_two_watches_the_other_one_waits_and_sees_it_done() -> None:
    one = Watched.of()
    one.hands.fails = [HeldElsewhereError.at("us-west-2", "watch office on b acts", "nothing more is done here")]
    await one.well()
    one.hands.during = None
    await one.pass_s(7, GONE)
    assert len(one.hands.begun) == 1
    one.hands.known = LastOperation("failover-1", 0.0, is_open=False, is_failover=True, who="watch office")
    await one.pass_s(30, GONE)
    assert len(one.hands.begun) == 1
    assert "does not serve" in one.watch.why_not


@in_loop
async def test_what_another_did_a_moment_ago_is_looked_at_before_anything_is_begun() -> None:
    one = Watched.of()
    await one.well()
    one.hands.known = LastOperation("failover-1", 0.0, is_open=False, is_failover=True, who="watch office")
    await one.pass_s(30, GONE)
    assert one.hands.begun == []


@in_loop
async def test_a_plan_that_must_not_run_is_tried_again_and_then_asked_about() -> None:
    one = Watched.of(plan_of(UNFENCED))
    one.hands.fails = [InputError.at("fence", "us-east-1 is promoted beside", "--allow unfenced")] * 3
    await one.well()
    await one.pass_s(30, GONE)
    assert len(one.hands.begun) == 3
    assert one.watch.ask is not None
    assert [refusal.guard for refusal in one.watch.ask.refusals] == ["unfenced"]
    one.watch.approve(Approval(one.watch.ask.id, one.watch.ask.plan, ("unfenced",), "kim"))
    await one.pass_s(3, GONE)
    assert one.hands.begun[-1][2] == frozenset({"unfenced"})
    assert one.kinds[-1] == "ended"


@pytest.mark.parametrize(
    ("last", "goes_on"),
    [
        (LastOperation("f", 60.0, is_open=True, is_failover=True, who="watch office"), 1),
        (LastOperation("f", 3.0, is_open=True, is_failover=True, acting="watch office acts", who="watch office"), 0),
        (LastOperation("f", 60.0, is_open=True, is_failover=True, who="kim"), 0),
        (LastOperation("f", 60.0, is_open=False, is_failover=True, who="watch office"), 0),
        (
            LastOperation(
                *("f", 60.0), is_open=True, is_failover=True, who="watch a", steps=(LastStep("s", "", "waiting"),)
            ),
            0,
        ),
    ],
    ids=["left by a watch", "acts still", "begun by a person", "done", "waits for a person"],
)
@in_loop
async def test_what_a_watch_left_is_gone_on_with(last: LastOperation, goes_on: int) -> None:
    one = Watched.of()
    one.hands.known = last
    keeping = asyncio.ensure_future(one.watch.keep())
    for _ in range(20):
        await asyncio.sleep(0)
    await end_tasks(keeping)
    assert one.hands.went_on == goes_on

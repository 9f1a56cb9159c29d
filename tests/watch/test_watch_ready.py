"""Whether a failover could run is asked before it has to; and a watch that could not decide well does not start."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_loop import in_loop
from observed import EAST, rules
from watched_world import GONE, Hands, Watched, plan_of

from secondsite.cli.__main__ import run
from secondsite.model.errors import InputError, MachineError
from secondsite.model.fault import Fault
from secondsite.operate.action import Guard
from secondsite.operate.world import Decision
from secondsite.watch.no_operations import judging_watch
from secondsite.watch.readiness import Readiness, ReadyPlan
from secondsite.watch.status import watch_status

EXAMPLE = str(Path(__file__).parents[2] / "examples/kgents/secondsite.yaml")
NATS = ["--nats", "us-east-1=nats://127.0.0.1:1", "--nats", "us-west-2=nats://127.0.0.1:2"]
BEHIND = Guard("lagging-mirror", "EVENTS is 912 messages behind", "look at the link")
TWO = ["--observer", "west@us-west-2=http://127.0.0.1:1", "--observer", "office=http://127.0.0.1:2"]
THREE = [*TWO, "--observer", "branch=http://127.0.0.1:3"]


def readiness(one: Watched, changes: list[ReadyPlan], *, paused: bool = False) -> Readiness:
    faults = (Fault.REGION,)
    return Readiness(one.hands, faults, Decision("w", 0.0, ""), one.watch.clock, lambda: paused, changes.append)


@in_loop
async def test_what_forbids_it_is_told_once_and_so_is_its_end() -> None:
    one, changes = Watched.of(plan_of(), plan_of(BEHIND), plan_of(BEHIND), plan_of()), list[ReadyPlan]()
    ready = readiness(one, changes)
    await ready.look()
    assert changes == [], "that all is well at first wakes nobody"
    for _ in range(2):
        await ready.look()
    assert [[refusal.guard for refusal in each.refusals] for each in changes] == [["lagging-mirror"]]
    assert not ready.plans[Fault.REGION].ready
    await ready.look()
    assert [each.ready for each in changes] == [False, True]


@in_loop
async def test_a_plan_that_was_made_while_a_region_went_says_nothing() -> None:
    one, changes = Watched.of(plan_of(BEHIND)), list[ReadyPlan]()
    ready = readiness(one, changes, paused=True)
    await ready.look()
    assert (changes, ready.plans) == ([], {})


@in_loop
async def test_a_plan_that_cannot_be_made_is_not_ready() -> None:
    one, changes = Watched.of(), list[ReadyPlan]()
    for error in (MachineError.at("us-west-2", "wrong password", "give the right one"), ValueError("unforeseen")):
        one.hands.cannot_plan = error
        await readiness(one, changes).look()
    assert ["wrong password" in changes[0].problem, "unforeseen" in changes[1].problem] == [True, True]
    assert not any(each.ready for each in changes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (TWO, "3 are needed"),
        ([*TWO, "--observer", "east@us-east-9=http://127.0.0.1:3"], "no region that is watched"),
        ([*THREE, "--quorum", "4"], "can never agree"),
        ([*THREE, "--quorum", "1"], "none decides alone"),
        ([*THREE, "--decide", "gray"], "always needs approval"),
        ([*THREE, "--decide", "regoin"], "is no fault"),
    ],
)
def test_a_watch_that_could_not_decide_well_does_not_start(
    options: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECONDSITE_WATCH_TOKEN", "a token of sixteen")
    assert run(["watch", "--file", EXAMPLE, *NATS, *options]) == 2
    assert words in capsys.readouterr().err


def test_a_watch_that_only_judges_is_as_particular(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECONDSITE_WATCH_TOKEN", "a token of sixteen")
    regions = ["--region", "us-east-1", "--region", "us-west-2"]
    assert run(["watch", "judge", *regions, *TWO]) == 2
    assert "3 are needed" in capsys.readouterr().err


@in_loop
async def test_a_watch_that_only_judges_says_what_it_found_and_asks_nobody() -> None:
    said: list[str] = []
    running = judging_watch("drill", EAST, rules(), {}, "a token of sixteen", said.append)
    one = Watched(Hands([plan_of()]), running.watch)
    running.watch.clock = lambda: one.now_s
    await one.well()
    await one.pass_s(30, GONE)
    status = watch_status(running.watch, {}, {})
    (east,) = [each for each in status["regions"] if each["region"] == EAST]
    assert (east["now"], east["decided"]) == ("lost", "lost")
    assert status["ask"] is None
    assert "leads to no action" in status["why_not"]
    assert any(line.startswith(f"{EAST}: decided: lost") for line in said)
    with pytest.raises(InputError, match="starts nothing"):
        await running.watch.operations.begin(Fault.REGION, Decision("", 0.0, ""), "")


@pytest.mark.parametrize(("token", "words"), [("", "is not set"), ("short", "has 5 characters")])
def test_a_token_that_anybody_could_guess_is_refused(
    token: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SECONDSITE_WATCH_TOKEN", token)
    assert run(["watch", "--file", EXAMPLE, *NATS, *THREE]) == 2
    assert words in capsys.readouterr().err
    config = tmp_path / "observer.json"
    config.write_text("{}")
    assert run(["watch", "observe", "--config", str(config)]) == 2
    assert "schema" in capsys.readouterr().err

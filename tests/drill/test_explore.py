"""The search for a schedule that breaks a law: drawn from a seed, written and read again, made as small as it gets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve
from command import secondsite
from drilling import EXAMPLE

from secondsite.cli.__main__ import run
from secondsite.drill.explore.laws import Breach, Promise, conservation, lasted_s, lost, overlap, silence_s
from secondsite.drill.explore.play import Played
from secondsite.drill.explore.schedule import (
    TARGETS,
    Disturbance,
    FaultSchedule,
    MovePhase,
    RegionLoss,
    Trouble,
    draw,
    read_schedule,
    schedule_json,
    spoil,
)
from secondsite.drill.explore.search import Explored, Search
from secondsite.drill.explore.supported import why_not_played
from secondsite.model.errors import EXIT_BAD_INPUT, InputError
from secondsite.model.operate import Writers
from secondsite.model.strategy import Link, Strategy
from secondsite.strategies.registry import STRATEGIES

CUT = Disturbance(MovePhase.BACK, 1.5, Trouble.CUT, "home>away", 0.5)
SLOW = Disturbance(MovePhase.BEFORE, 0.5, Trouble.SLOW, "both", 1.0, 400)
KILLED = Disturbance(MovePhase.OVER, 0.2, Trouble.KILL, "agent", 1.0)


def test_a_seed_is_a_schedule_and_seeds_reach_every_kind(tmp_path: Path) -> None:
    schedules = [draw(seed) for seed in range(400)]
    assert schedules == [draw(seed) for seed in range(400)]
    kinds = {(one.phase, one.kind, one.target) for schedule in schedules for one in schedule.disturbances}
    assert {(phase, kind) for phase, kind, _ in kinds} == {(phase, kind) for phase in MovePhase for kind in Trouble}
    assert {(kind, target) for _, kind, target in kinds} == {(kind, one) for kind in TARGETS for one in TARGETS[kind]}
    assert {(one.loss, one.writers) for one in schedules} == {
        (loss, writers) for loss in RegionLoss for writers in Writers
    }
    assert not any(one.kind is Trouble.DISK for seed in range(400) for one in draw(seed, disk=False).disturbances)
    for number, schedule in enumerate(schedules[:20]):
        path = tmp_path / f"{number}.json"
        path.write_text(schedule_json(schedule))
        assert read_schedule(path) == schedule


GIVEN = json.loads(schedule_json(FaultSchedule(1, RegionLoss.KILL, Writers.ONE, (CUT,))))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema": "other"}, "is not a schedule"),
        ({"loss": "flood"}, "cannot read a schedule"),
        ({"disturbances": [{**GIVEN["disturbances"][0], "target": "moon"}]}, "cut has no target 'moon'"),
    ],
)
def test_what_is_no_schedule_is_refused(tmp_path: Path, change: dict[str, object], why: str) -> None:
    path = tmp_path / "schedule.json"
    path.write_text(
        json.dumps({**json.loads(schedule_json(FaultSchedule(1, RegionLoss.KILL, Writers.ONE, (CUT,)))), **change})
    )
    with pytest.raises(InputError, match=why):
        read_schedule(path)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_what_cannot_be_played_says_why(strategy: Strategy, capsys: pytest.CaptureFixture[str]) -> None:
    why = why_not_played(strategy)
    assert bool(why) is (strategy.link is not Link.LEAFNODE_MIRROR)
    if why:
        assert run(["drill", "explore", "--file", str(EXAMPLE), "--strategy", strategy.id]) == EXIT_BAD_INPUT
        assert why in " ".join(capsys.readouterr().err.split())


class PlayedInMemory(Search):
    """Breaks a law where the link is cut on the way back, and nowhere else."""

    def play(self, schedule: FaultSchedule) -> Explored:
        broken = any((one.phase, one.kind) == (MovePhase.BACK, Trouble.CUT) for one in schedule.disturbances)
        return Explored(schedule, Played((Breach("conservation", "gone"),) if broken else (), {}, 0, 0.0, 1, 1.0))


def test_what_breaks_a_law_is_made_as_small_as_it_can_be_and_written(tmp_path: Path) -> None:
    found: list[Explored] = []
    search = PlayedInMemory(tmp_path / "secondsite.yaml", "any", tmp_path / "schedules", found.append, disks=False)
    given = FaultSchedule(9, RegionLoss.FREEZE, Writers.ONE, (SLOW, CUT, KILLED))
    small = search.made_small(search.play(given))
    least = FaultSchedule(9, RegionLoss.KILL, Writers.ONE, (evolve(CUT, after_s=0.0),))
    assert small.schedule == given
    assert small.least == least
    assert read_schedule(Path(small.file)) == least
    assert json.loads(Path(small.file).read_text())["breaches"] == ["conservation: gone"]
    assert search.play(read_schedule(Path(small.file))).laws


def test_the_laws_are_broken_by_what_breaks_them() -> None:
    """Home writes 1 and 2, the other side takes over at 3 s; home writes on at 4 s."""
    kept = [Promise("E", region, f"{region}-{n}", n, at, at + 0.1) for region, n, at in
            (("home", 1, 1.0), ("home", 2, 2.0), ("away", 2, 3.0), ("home", 3, 4.0))]  # fmt: skip
    assert [one.message_id for one in overlap(kept, "home", "away", 0.0)] == ["home-3"]
    assert overlap(kept[:3], "home", "away", 0.0) == []
    assert lasted_s([kept[1], kept[3]]) == 2.0
    held = {"E": {"home-1", "home-2", "away-2"}}
    assert [one.message_id for one in lost(kept, held)] == ["home-3"]
    (breach,) = conservation(lost(kept, held), "salvage")
    assert breach.text == "conservation: 1 acknowledged writes are missing everywhere after salvage: E 3 of home"
    assert silence_s(kept, 0.0, 6.0) == pytest.approx(1.9)
    assert spoil(draw(3), "no-fence").writers is Writers.ONE


FOUND = Path(__file__).parent / "schedules"


@pytest.mark.slow
@pytest.mark.drills
@pytest.mark.parametrize("path", sorted(FOUND.glob("*.json")), ids=lambda path: path.stem)
def test_what_broke_a_law_once_holds(path: Path) -> None:
    """Found by the search, made small, mended: see the commit that added each."""
    out, _ = secondsite("drill", "explore", "--file", str(EXAMPLE), "--schedule", str(path), "--json")
    (one,) = json.loads(out)["schedules"]
    assert one["holds"], one


@pytest.mark.slow
def test_one_schedule_on_real_servers_holds(tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    path.write_text(schedule_json(FaultSchedule(5, RegionLoss.KILL, Writers.AVAILABLE, (CUT, KILLED))))
    out, _ = secondsite("drill", "explore", "--file", str(EXAMPLE), "--schedule", str(path), "--json")
    (one,) = json.loads(out)["schedules"]
    assert one["holds"], one
    assert one["acknowledged"] > 100
    assert set(one["longest_without_writer_s"]) == {"failover", "failback"}


@pytest.mark.slow
@pytest.mark.drills
@pytest.mark.parametrize(
    ("control", "law", "loss", "writers"),
    [
        ("no-salvage", "conservation", RegionLoss.KILL, Writers.AVAILABLE),
        # Its lease ends the region that is cut off, so nobody writes twice; the salvage sees that it is not fenced.
        ("no-fence", "completes", RegionLoss.CUT, Writers.ONE),
    ],
)
def test_a_law_that_is_broken_on_purpose_is_found_and_made_small(
    tmp_path: Path, control: str, law: str, loss: RegionLoss, writers: Writers
) -> None:
    search = Search(EXAMPLE, "warm-standby/leafnode-mirror", tmp_path, lambda _explored: None, disks=False)
    schedule = FaultSchedule(7, loss, writers, (KILLED,), control)
    played = search.play(schedule)
    for _ in range(2):  # where nothing was on its way as the region went, nothing could be lost
        played = played if law in played.laws else search.play(schedule)
    small = search.made_small(played)
    assert law in small.laws, small
    assert small.least
    assert (small.least.loss, small.least.spoiled) == (loss, control)
    assert len(small.least.disturbances) <= 1  # whether there is a tail to lose hangs on the instant of the loss
    assert read_schedule(Path(small.file)) == small.least

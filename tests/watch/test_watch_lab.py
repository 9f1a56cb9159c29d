"""A region is killed, and the shipped watch fails it over with nobody's help: on real servers, as real processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from watched_lab import AWAY, HOME, WatchedLab, in_log, until, watched_file, with_path

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.lab.clocks import ClockSkew
from secondsite.lab.options import LabOptions
from secondsite.lab.world import Lab
from secondsite.model.strategy import Strategy
from secondsite.nats.tasks import end_tasks
from secondsite.operate.journal import JournalEntry, OperationEnd, StepState, end_of, read_journal, records
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit

pytestmark = [pytest.mark.slow, pytest.mark.drills]
EXAMPLE = Path(__file__).parents[2] / "examples/kgents/secondsite.yaml"
TTL_S = 2
WALL_S = {"first": 3_600.0, "second": -86_400.0, "third": 60.0, "west": -900.0}
"""By so much the time of day of each is wrong."""
OBSERVERS = {"east": (1, HOME), "west": (2, AWAY), "office": (3, ""), "branch": (4, "")}


def test_a_killed_region_is_failed_over_by_the_watch(tmp_path: Path) -> None:
    """Four observers, one of them cut off and then another frozen; two watches, and a third in the region that is lost;
    every one of them has another time of day; SIGKILL; no person."""
    asyncio.run(_whole_way(tmp_path))


async def _whole_way(tmp_path: Path) -> None:
    file = tmp_path / "secondsite.yaml"
    watched_file(EXAMPLE, file, TTL_S)
    kit = Kit.of(load_system(file), load_catalogue())
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit)
    async with Lab.up(deployment, LabOptions(ttl_s=TTL_S, clocks=True)) as lab:
        with_path(file, lab)
        one = WatchedLab(lab, file)
        _other_times_of_day(lab)
        observers = [
            one.observer("east", 1, inside=HOME),
            one.observer("west", 2, inside=AWAY),
            one.observer("office", 3),
            one.observer("branch", 4, blind=True),
        ]
        await lab.supervisor.start(*observers)
        await lab.supervisor.start(
            one.watch("first", 11, OBSERVERS),
            one.watch("second", 12, OBSERVERS),
            one.watch("third", 13, OBSERVERS, inside=HOME),
        )
        writes = asyncio.ensure_future(one.write())
        try:
            await _is_calm(one)
            await _is_failed_over(one, lab)
        finally:
            await end_tasks(writes)
            for name in ("first", "second", "third"):
                print(f"--- {name}\n{lab.supervisor.log_tail(name)}")


def _other_times_of_day(lab: Lab) -> None:
    clocks = lab.supervisor.clocks
    assert clocks is not None
    for name, wall_s in {**dict.fromkeys(OBSERVERS, 7_200.0), **WALL_S}.items():
        clocks.of(name).begin(ClockSkew(wall_s=wall_s))


async def _is_calm(one: WatchedLab) -> None:
    """An observer that is cut off sees nobody, and changes nothing."""
    await asyncio.sleep(one.checks * one.every_s + one.window_s + 3)
    for number in (11, 12, 13):
        status = await one.status(number)
        home = next(each for each in status["regions"] if each["region"] == HOME)
        assert home["now"] == "nothing", home
        votes = {each["observer"]: each["vote"] for each in home["observers"]}
        assert votes == {"east": "alive", "west": "alive", "office": "alive", "branch": "none"}
        assert status["operation"] is None


async def _is_failed_over(one: WatchedLab, lab: Lab) -> None:
    lab.kill("branch")
    await lab.supervisor.start(one.observer("branch", 4))
    await asyncio.sleep(one.checks * one.every_s + 1)
    lab.freeze("office")
    fault = await lab.kill_region(HOME)
    first_s = await one.acknowledged_after(fault)
    done = [in_log(lab, name, "the failover is done") for name in ("first", "second")]

    async def somebody() -> bool:
        return any([await each() for each in done])

    await until(somebody, "the failover is done", 60)
    assert sum([await each() for each in done]) == 1
    assert "starts the failover" not in lab.supervisor.log_tail("third")
    await asyncio.sleep(3)
    acted = [name for name in ("first", "second") if "starts the failover" in lab.supervisor.log_tail(name)]
    journals = [path for name in acted if (path := _journal(lab, name)).exists() and path.stat().st_size]
    assert len(journals) == 1
    entries = read_journal(journals[0])
    assert end_of(entries) is OperationEnd.DONE
    known = records(entries)
    assert {record.state for record in known.values()} == {StepState.DONE}
    assert (await one.status(11))["operation"]["is_failover"]
    _tell(one, entries, fault.monotonic_ns / 1e9, first_s)


def _journal(lab: Lab, name: str) -> Path:
    return lab.folder / f"machine-{name}" / ".secondsite" / "failover.jsonl"


def _tell(one: WatchedLab, entries: Sequence[JournalEntry], fault_s: float, first_s: float) -> None:
    """From the journal's own monotonic clock, which is the machine's."""
    by_step = {(e.step, str(e.kind)): e.monotonic - fault_s for e in entries}
    begun = entries[0].monotonic - fault_s
    figures = {
        "decided and planned": begun,
        "promoted": by_step["promote-streams", "outcome"],
        "record changed": by_step["change-traffic", "outcome"],
        "converged": by_step["converge", "outcome"],
        "first acknowledged": first_s,
    }
    budget = one.checks * one.every_s + one.window_s + TTL_S
    print("; ".join(f"{name} {seconds:.1f} s" for name, seconds in figures.items()))
    print(f"checks {one.checks * one.every_s:g} s + window {one.window_s:g} s + TTL {TTL_S} s = {budget:g} s")

"""A region is killed; the shipped watch notices, decides by its quorum and does every step of the recommended strategy
through the doors, with no person; then home again by one signed approval, and the same once more. Real servers only.

No kubelet runs: what a pod would report is patched into the API servers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from knot_server import values
from operated_system import ENTRANCES, TTL_S, Production, Ran, production
from region_pair import AWAY, HOME
from watched_production import CHECKS, EVERY_S, WINDOW_S, Watching, policy

from secondsite.operate.journal import JournalEntry, OperationEnd, end_of, read_journal, records
from secondsite.strategies.design import Kit

pytestmark = [pytest.mark.slow, pytest.mark.drills]
BUDGET_S = CHECKS * EVERY_S + WINDOW_S + TTL_S
"""What the rules alone take from SIGKILL to the first acknowledged write."""
MOST = 1.2
"""So much of it may it take in all: what is beyond the rules is plan, steps and the clients' own asking."""


def test_a_region_is_lost_and_comes_back_by_one_approval(kit: Kit, tmp_path: Path) -> None:
    asyncio.run(_there_and_back(kit, tmp_path))


async def _there_and_back(kit: Kit, folder: Path) -> None:
    watch = policy(folder)
    async with production(kit, folder, watch) as system:
        await _written(system, 20)
        _check(await system.verb("operate", "check", "--json"))
        watching = Watching(system, watch)
        with watching.up():
            try:
                for _ in range(2):  # the roles are as before, and so are the steps
                    await _ready(watching)
                    await _away(watching)
                    watching.repair(HOME)
                    await _home_again(watching)
                    await _written(system, 20)
            finally:
                print(watching.log[-6000:])
        acknowledged = set(system.clients.acknowledged)
        kept = await system.stored(HOME)
        assert acknowledged <= set(kept)
        assert len(kept) == len(set(kept))


async def _ready(watching: Watching) -> None:
    """Every observer counts, and a failover could run."""

    async def calm() -> bool:
        status = await watching.status()
        home = next((one for one in status["regions"] if one["region"] == HOME), None)
        counted = home is not None and all(one["vote"] == "alive" for one in home["observers"])
        ready = bool(status["readiness"]) and all(one["ready"] for one in status["readiness"])
        return counted and ready and status["journal"]["known"]

    await _until(calm, "the watch is calm")


async def _away(watching: Watching) -> None:
    system = watching.system
    lost, wall = watching.lose(HOME)
    await _until(lambda: _journalled(system, "failover", wall), "the failover is done")
    entries = read_journal(_journal(system, "failover"))
    assert _by_hand(entries) == []
    await _written(system, 20)
    taken = [one for one in system.clients.acknowledged.values() if one.region == AWAY and one.at > lost]
    first_s = min(one.at for one in taken) - lost
    _told(entries, wall, first_s)
    await _counted(system, entries, lost)
    assert system.replicas(AWAY) == {"api": 2, "kong": 2}
    assert values(system.clients.dns, "api") == [ENTRANCES[AWAY]]


async def _counted(system: Production, entries: list[JournalEntry], lost: float) -> None:
    """Lost is what the mirror had not copied at the moment of the fault, and no more; nobody wrote on both sides."""
    parted = records(entries)["promote-streams"].facts["streams"]["A"]["diverged"]
    known = system.clients.acknowledged
    copied = {name for name, one in known.items() if one.region == HOME and one.sequence <= parted}
    assert copied <= set(await system.stored(AWAY))
    first = min(one.at for one in known.values() if one.region == AWAY and one.at > lost)
    assert not [one for one in known.values() if one.region == HOME and one.at >= first]
    tail = [name for name, one in known.items() if one.region == HOME and one.sequence > parted and one.at <= lost]
    print(f"{len(copied)} acknowledged and copied, {len(tail)} not copied yet, 0 on both sides")


def _told(entries: list[JournalEntry], fault: float, first_s: float) -> None:
    """Seconds from SIGKILL, by the journal's clock on the wall."""
    known = records(entries)
    ended = {name: one.ended or 0.0 for name, one in known.items()}
    moments = {
        "detected": float(known["detect"].facts["at"]),
        "decided": float(known["decide"].facts["at"]),
        "planned": entries[0].wall,
        "fenced": ended["fence"],
        "promoted": ended["promote-streams"],
        "record": ended["change-traffic"],
    }
    print("; ".join(f"{name} {at - fault:.2f} s" for name, at in moments.items()), f"; first ack {first_s:.2f} s")
    print(f"checks + window + TTL = {BUDGET_S:g} s; {first_s / BUDGET_S:.2f} of it")
    in_order = [fault, *moments.values()]
    assert in_order == sorted(in_order), moments  # each part has a beginning and an end, and none is counted twice
    assert fault + first_s > moments["promoted"]  # clients may be led there before the step has seen that they are
    assert moments["detected"] - fault >= (CHECKS - 1) * EVERY_S
    assert moments["decided"] - moments["detected"] == pytest.approx(WINDOW_S, abs=0.01)
    assert first_s <= MOST * BUDGET_S, moments


async def _home_again(watching: Watching) -> None:
    """One question, one signature."""
    system, began = watching.system, time.time()
    asked: dict[str, Any] = {}

    async def asks() -> bool:
        asked.update((await watching.status())["ask"] or {})
        return bool(asked.get("plan")) and asked["fault"] == ""

    await _until(asks, "it is asked whether to fail back")
    key = ("--key", str(system.folder / "ann"))
    given = await system.ran(
        "watch", "approve", "--at", watching.at, *key, "--ask", asked["id"], "--plan", asked["plan"]
    )
    assert given.code == 0, given.err
    await _until(lambda: _journalled(system, "failback", began), "the failback is done")
    entries = read_journal(_journal(system, "failback"))
    assert _by_hand(entries) == ["announce"]
    assert "approved by ann" in entries[0].data["why"]
    assert values(system.clients.dns, "api") == [ENTRANCES[HOME]]


def _check(answer: Ran) -> None:
    checked = answer.plain
    findings = {one["about"]: (one["answer"], one["what"]) for one in checked["findings"]}
    assert answer.code == 0, findings
    assert {step["step"] for step in checked["by_hand"]} == {"announce"}
    assert findings[f"{HOME}: address"] == ("yes", f"clients enter at {ENTRANCES[HOME]}")
    assert findings[f"{AWAY}: services"] == ("yes", "api 1 of 1, kong 1 of 1")


def _journal(system: Production, direction: str) -> Path:
    return system.folder / ".secondsite" / f"{direction}.jsonl"


async def _journalled(system: Production, direction: str, since: float) -> bool:
    """Whether an operation that began since then is done."""
    path = _journal(system, direction)
    entries = read_journal(path) if path.exists() else []
    return bool(entries) and entries[0].wall >= since and end_of(entries) is OperationEnd.DONE


def _by_hand(entries: list[JournalEntry]) -> list[str]:
    facts: Mapping[str, Mapping[str, Any]] = {name: one.facts for name, one in records(entries).items()}
    return [name for name, one in facts.items() if "by" in one]


async def _written(system: Production, count: int) -> None:
    """So many more writes were acknowledged."""
    wanted = len(system.clients.acknowledged) + count

    async def taken() -> bool:
        return len(system.clients.acknowledged) >= wanted

    await _until(taken, "somebody takes writes")


async def _until(done: Callable[[], Awaitable[bool]], what: str, within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not await done():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)

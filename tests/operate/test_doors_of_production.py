"""A region is lost, and the block `operate:` alone is enough: every step of the recommended strategy is carried out
through a door, on real servers, with nobody's hands; then home again by one approval, and the same once more.

No kubelet runs: what a pod would report is patched into the API servers.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from knot_server import values
from operated_system import ENTRANCES, Production, Ran, production
from region_pair import AWAY, HOME

from secondsite.strategies.design import Kit

pytestmark = [pytest.mark.slow, pytest.mark.drills]
WHO = ("--who", "a trigger", "--why", "no observer reaches us-east-1")


def test_a_region_is_lost_and_comes_back_with_nobodys_hands(kit: Kit, tmp_path: Path) -> None:
    asyncio.run(_there_and_back(kit, tmp_path))


async def _there_and_back(kit: Kit, folder: Path) -> None:
    async with production(kit, folder) as system:
        await _written(system, 20)
        _check(await system.verb("operate", "check", "--json"))
        for _ in range(2):  # the roles are as before, and so are the steps
            await _away(system)
            system.repair(HOME)
            await _home_again(system)
            await _written(system, 20)
        acknowledged = set(system.clients.acknowledged)
        kept = await system.stored(HOME)
        assert acknowledged <= set(kept)
        assert len(kept) == len(set(kept))


async def _away(system: Production) -> None:
    system.lose(HOME)
    lost_at = time.monotonic()
    over = await system.verb("failover", "run", *WHO, "--json")
    assert over.code == 0, over.out + over.err
    assert _by_hand(over) == []
    await _written(system, 20)
    first = min(at for at, region in system.clients.acknowledged.values() if region == AWAY and at > lost_at)
    print(f"from SIGKILL to the first acknowledged write {first - lost_at:.1f} s")
    assert system.replicas(AWAY) == {"api": 2, "kong": 2}
    assert values(system.clients.dns, "api") == [ENTRANCES[AWAY]]


async def _home_again(system: Production) -> None:
    planned = (await system.verb("failback", "plan", *WHO, "--json")).plain
    back = await system.verb("failback", "run", *WHO, "--approve", planned["hash"], "--done", "announce=ann", "--json")
    assert back.code == 0, back.out + back.err
    assert _by_hand(back) == ["announce"]
    assert values(system.clients.dns, "api") == [ENTRANCES[HOME]]


def _check(answer: Ran) -> None:
    checked = answer.plain
    findings = {one["about"]: (one["answer"], one["what"]) for one in checked["findings"]}
    assert answer.code == 0, findings
    assert {step["step"] for step in checked["by_hand"]} == {"detect", "decide", "announce"}
    assert findings[f"{HOME}: address"] == ("yes", f"clients enter at {ENTRANCES[HOME]}")
    assert findings[f"{AWAY}: services"] == ("yes", "api 1 of 1, kong 1 of 1")


def _by_hand(ran: Ran) -> list[str]:
    return [name for name, step in ran.plain["steps"].items() if "by" in (step or {}).get("facts", {})]


async def _written(system: Production, count: int) -> None:
    """So many more writes were acknowledged."""
    wanted, deadline = len(system.clients.acknowledged) + count, time.monotonic() + 60
    while len(system.clients.acknowledged) < wanted:
        assert time.monotonic() < deadline, "nobody takes writes"
        await asyncio.sleep(0.05)

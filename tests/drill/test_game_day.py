"""A game day on staging clusters: two real kube-apiservers whose pods a fake kubelet runs, NATS, PostgreSQL with its
standby, Knot, the user's API, and the shipped observers with `watch judge`, which decide.

The region goes by its cluster's door, and the whole way is gone twice: failover and failback, by the executor through
the doors of `operate:`, judged from ledgers and copies as in the lab. Commits are counted here, by the tables.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judged import judged
from region_pair import AWAY, HOME
from staging import ENTRANCES, WINDOW_S, Staging, staging
from staging_stores import STORE

from secondsite.drill.evidence.folder import Evidence, evidence_below, read_evidence
from secondsite.drill.ledger.history import read_history
from secondsite.drill.play.saved_rows import saved_ids
from secondsite.drill.verdict.judge import judge
from secondsite.model.contract import Venue, Verdict
from secondsite.operate.journal import read_journal, records
from secondsite.strategies.design import Kit

pytestmark = [pytest.mark.slow, pytest.mark.drills]


def test_the_whole_way_twice(kit: Kit, tmp_path: Path) -> None:
    asyncio.run(_twice(kit, tmp_path))


async def _twice(kit: Kit, folder: Path) -> None:
    async with staging(kit, folder) as system:
        with judged(system.pair, folder, every_s=1.0, checks=2, window_s=WINDOW_S) as judge:
            await _drilled(system, folder, judge)


async def _drilled(system: Staging, folder: Path, judge: str) -> None:
    before = system.replicas(HOME)
    store = await system.backed_up()
    what = ("drill", "failback", "--on", "staging", "--file", str(system.file), "--from", store, "--trigger", judge)
    commands = ("--command", "announce=true", "--command", system.postgres.command)
    more = ("--lasts-s", "300", "--rate", "40", "--runs", "2", "--json", *commands)
    asked = await system.ran(*what, *more)
    assert asked.code == 2, asked.err
    assert "Deployment shop/api: 2 replicas to 0" in asked.err
    approve = asked.err.rpartition("--approve ")[2].split()[0]
    ran = await system.ran(*what, *more, "--approve", approve)
    print(ran.err)
    assert ran.code == 3, ran.err  # two runs prove nothing at 90 %
    _reported(json.loads(ran.out))
    runs = evidence_below(folder / ".secondsite" / "evidence").ended
    assert len(runs) == 2
    for path in runs:
        evidence = read_evidence(path)
        _judged(evidence)
        _decided_by_the_watch(evidence)
        _no_secret(path)
    assert system.replicas(HOME) == before
    assert system.replicas(AWAY) == {"api": 2, "kong": 2, "nats": 1, "postgres": 1}
    await _committed(system, [read_evidence(path) for path in runs])
    assert "PRODUCTION" not in ran.err + ran.out


async def _committed(system: Staging, runs: Sequence[Evidence]) -> None:
    """Each order that a client was answered is in both tables, or among the rows that were saved before the old
    primary was rewound; and it is the shipped door that promoted, fenced and saved."""
    acknowledged: set[str] = set()
    for evidence in runs:
        over, back = (records(read_journal(evidence.folder / f"{name}.jsonl")) for name in ("journal", "failback"))
        for step in (over["promote-stores"], back["promote-stores"], back["follow-stores"], back["follow-again"]):
            assert set(step.facts["stores"]) == {STORE}, step
        history = read_history(evidence.ledgers)
        acknowledged |= set(history.message_ids(np.flatnonzero(history.acknowledged)))
    await system.postgres.caught_up()
    there = await system.postgres.ids(HOME)
    assert there == await system.postgres.ids(AWAY)
    assert len(acknowledged) > 400
    saved = saved_ids(system.folder / ".secondsite" / "rows")
    missing = acknowledged - set(there)
    print(f"{len(acknowledged)} orders acknowledged, {len(there)} rows, {len(saved)} saved, {len(missing)} only saved")
    assert missing <= saved


def _decided_by_the_watch(evidence: Evidence) -> None:
    """No check of the drill's: detection and decision are what the shipped quorum took."""
    events = {event.name: event for event in evidence.events}
    assert [events[each].data["by"] for each in ("detected", "decided")] == ["watch", "watch"]
    assert evidence.manifest.trigger == "watch"
    assert events["decided"].monotonic_ns - events["detected"].monotonic_ns >= WINDOW_S * 1e9


def _reported(report: dict[str, Any]) -> None:
    assert [len(run["verdicts"]) > 0 for run in report["runs"]] == [True, True]


def _judged(evidence: Evidence) -> None:
    """Recomputed from the raw files: every acknowledged write is there, and clients were served again."""
    assert evidence.manifest.where is Venue.STAGING
    assert evidence.manifest.new_side == (f"{ENTRANCES[AWAY]}/32",)
    judgement = judge(evidence)
    assert judgement.loss is not None
    assert judgement.loss.messages == 0
    assert judgement.ledger["acknowledged-present"] > 200
    assert judgement.rto is not None
    assert judgement.rto.total is not None
    assert not judgement.stopped
    assert [one.what for one in judgement.observations if one.holds is False] == []
    assert Verdict.BREACHED not in {one.verdict for one in judgement.verdicts}
    assert judgement.skipped == ()


def _no_secret(folder: Path) -> None:
    """Who the operator is came from the environment, and is nowhere in what was kept."""
    for path in folder.rglob("*"):
        assert not path.is_file() or b"password" not in path.read_bytes().lower(), path

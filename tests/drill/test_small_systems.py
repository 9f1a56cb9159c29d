"""Systems unlike the example, each drilled to a verdict: whatever a stream is, it is written to, read, and judged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from drilling import timely
from kinds import OF_EACH_KIND, SYSTEMS, setup_for, system_of, with_streams

from secondsite.drill.evidence.folder import read_evidence
from secondsite.drill.ledger.history import read_history
from secondsite.drill.registry import find_drill
from secondsite.drill.run import RunResult, run_drill
from secondsite.model.contract import Subject, Verdict
from secondsite.model.system import System

pytestmark = [pytest.mark.slow, pytest.mark.drills]

NOTHING_WRONG = ("duplicate", "reordered", "resurrected", "phantom", "altered", "moved", "clashes", "skipped", "unread")


def _drilled(folder: Path, system: System) -> RunResult:
    drill, setup = find_drill("region-loss"), setup_for(system)
    return timely(lambda: asyncio.run(run_drill(drill, setup, folder, lambda _what: None)))


def _sound(result: RunResult, system: System) -> None:
    """Every stream and bucket took acknowledged writes, every write is accounted for, and the streams came back."""
    ledger = result.judgement.ledger
    assert {name: ledger.get(name, 0) for name in NOTHING_WRONG} == dict.fromkeys(NOTHING_WRONG, 0)
    assert ledger["undrained"] == 0
    assert result.loss.proven
    history = read_history(read_evidence(result.evidence).ledgers)
    written = {history.streams[number].name for number in set(history.stream[history.acknowledged].tolist())}
    assert written == {stream.name for cluster in system.nats for stream in cluster.streams}
    nats = next(each for each in result.judged if each.contract.subject is Subject.NATS)
    assert nats.verdict is Verdict.MET, nats.why


@pytest.mark.parametrize("name", sorted(path.stem for path in SYSTEMS.glob("*.yaml")))
def test_a_small_system_is_drilled_to_a_verdict(tmp_path: Path, name: str) -> None:
    system = system_of(name)
    _sound(_drilled(tmp_path, system), system)


def test_a_stream_of_each_kind_is_written_and_judged_as_what_it_is(tmp_path: Path) -> None:
    system = with_streams(system_of("one-token-wildcard"), *OF_EACH_KIND)
    result = _drilled(tmp_path, system)
    _sound(result, system)
    assert result.judgement.ledger["processed"] > 50
    assert not result.judgement.ledger.get("torn")
    assert not result.judgement.ledger.get("jobs-never")

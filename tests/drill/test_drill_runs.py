"""Drills on real servers: each shows what it is there for, and leaves evidence that proves it again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from drilling import EXAMPLE, SEEN, controlled, drilled
from output_fit import misfits
from rich.console import Console

from secondsite.drill.controls import CONTROLS
from secondsite.drill.evidence.chain import check_chain
from secondsite.drill.evidence.folder import read_evidence
from secondsite.drill.run import RunResult
from secondsite.drill.verdict.judge import judge
from secondsite.drill.verdict.judgement import RunVerdict, verdicts_json
from secondsite.lab.one_address import DIFFERS
from secondsite.lab.postgres_files import tools
from secondsite.model.contract import Subject, Verdict
from secondsite.publish.machine.drill import drill_json
from secondsite.publish.terminal.drill import outcome, render_drills

pytestmark = [pytest.mark.slow, pytest.mark.drills]


def _nats(result: RunResult) -> RunVerdict:
    """Of the API nobody can tell by a lab: a DNS provider takes its time, and more where the lost region holds it."""
    return next(each for each in result.judged if each.contract.subject is Subject.NATS)


def _shown(result: RunResult) -> list[str]:
    return [seen.what for seen in result.observations if seen.holds is False]


def test_a_mirror_over_a_leaf_link_comes_back_in_seconds(tmp_path: Path) -> None:
    result = drilled(tmp_path, "region-loss", trigger="watch")
    _decided_by_the_shipped_watch(result)
    assert _nats(result).verdict is Verdict.MET, _nats(result).why
    parts = result.recovery.parts()
    assert parts["total"] is not None
    assert parts["total"] == pytest.approx(sum(part for name, part in parts.items() if part and name != "total"))
    assert result.loss.proven
    assert result.loss.seconds < SEEN
    assert result.judgement.salvageable == result.loss.messages
    assert result.judgement.ledger["duplicate"] == 0
    assert result.judgement.ledger["phantom"] == 0
    assert not result.judgement.ledger["skipped"] + result.judgement.ledger["undrained"]
    if tools() is not None:
        _database_failed_over(result)
    _proven_again(result)
    _readable(result)


def _decided_by_the_shipped_watch(result: RunResult) -> None:
    """Three observers and a watch ran as they ship; what was lost with the region said nothing any more."""
    events = {event.name: event.data for event in read_evidence(result.evidence).events}
    assert [events[each]["by"] for each in ("detected", "decided")] == ["watch", "watch"]
    logs = {path.stem: path.read_text() for path in (result.evidence / "logs").glob("*.log")}
    assert "us-east-1: decided: lost" in logs["watch-judge"]
    assert all("us-east-1: nats no" in logs[f"observer-{where}"] for where in ("us-west-2", "outside"))
    assert "us-east-1: nats no" not in logs["observer-us-east-1"]
    manifest, parts = read_evidence(result.evidence).manifest, result.recovery.parts()
    assert manifest.trigger == "watch"
    checks_s = manifest.timing.check_interval_s * (manifest.timing.check_threshold - 1)
    assert parts["detect"] is not None
    assert parts["decide"] is not None
    assert parts["detect"] >= checks_s
    assert parts["decide"] >= manifest.timing.decide_s


def _database_failed_over(result: RunResult) -> None:
    """By the procedure's own step: its clients write on, and what is lost of their commits is on the old disks."""
    (state,) = result.in_part
    assert (state.contract.subject, state.verdict) == (Subject.STATE, Verdict.UNPROVEN)
    assert state.measured_s is not None
    assert "qdrant did not run here" in state.why
    (lost,) = result.loss_of_stores.values()
    assert lost.proven
    assert lost.seconds < SEEN
    assert result.judgement.commits_salvageable == lost.messages
    assert "promote-stores" not in result.judgement.skipped


def _proven_again(result: RunResult) -> None:
    assert check_chain(result.evidence) == ()
    kept = json.loads((result.evidence / "verdicts.json").read_text())
    assert verdicts_json(judge(read_evidence(result.evidence))) == kept
    assert any((result.evidence / "logs").glob("nats*.log"))


def _readable(result: RunResult) -> None:
    plain = drill_json([result])
    assert misfits("drill", plain) == []
    assert set(plain["runs"][0]["rto_s"]) == {
        *("detect", "decide", "execute", "converge", "first_ack", "sustained", "total")
    }
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    shown = StringIO()
    render_drills([result, result], Console(width=100, file=shown))
    lines = shown.getvalue().splitlines()
    assert max(len(line) for line in lines if not line.startswith("evidence: ")) <= 100  # a path stays in one piece
    assert lines[0].split()[0] in ("HELD", "UNPROVEN")
    many = StringIO()
    render_drills([result] * 5, Console(width=100, file=many))
    lines = many.getvalue().splitlines()
    assert max(len(line) for line in lines if not line.startswith("evidence: ")) <= 100
    assert [line.split()[0] for line in lines[1:6]] == ["region-loss"] * 5
    assert sum(line.startswith("evidence: ") for line in lines) == 1
    assert sum("not rehearsed" in line for line in lines) == bool(result.judgement.skipped)


def test_the_plan_on_paper_cannot_promote_and_the_server_says_so(tmp_path: Path) -> None:
    result = drilled(tmp_path, "region-loss", "warm-standby/supercluster-mirror", version="today")
    assert result.verdict is Verdict.BREACHED
    assert result.recovery.total is None
    told = " ".join(seen.what for seen in result.observations)
    assert "10055" in told
    assert "10008" in told
    assert drill_json([result])["runs"][0]["rto_s"] is None
    assert misfits("drill", drill_json([result])) == []


def test_a_rescued_super_cluster_comes_back_in_seconds(tmp_path: Path) -> None:
    result = drilled(tmp_path, "region-loss", "warm-standby/supercluster-mirror")
    assert result.recovery.total is not None, result.judgement.stopped
    limit_s = _nats(result).contract.rto_s
    assert limit_s is not None
    assert result.recovery.total < limit_s
    assert result.people == ("approve",)
    (rejoined,) = [seen.what for seen in result.observations if "rejoined" in seen.what]
    assert "messages on its servers before" in rejoined


def test_a_stretched_cluster_loses_nothing_on_one_address_as_well(tmp_path: Path) -> None:
    result = drilled(tmp_path, "region-loss", "warm-standby/stretch", one_address=True)
    assert (result.loss.messages, result.loss.proven) == (0, True)
    (replaced,) = [
        event.data["servers_replaced"]
        for event in read_evidence(result.evidence).events
        if "servers_replaced" in event.data
    ]
    assert DIFFERS in replaced
    assert result.recovery.total is not None


def test_a_cut_between_regions_moves_nobody(tmp_path: Path) -> None:
    result = drilled(tmp_path, "wan-partition")
    assert _shown(result) == []
    assert result.loss.messages == 0
    assert len(result.observations) == 2


def test_a_purged_stream_is_back_after_failover(tmp_path: Path) -> None:
    result = drilled(tmp_path, "purge")
    assert _shown(result) == []
    assert result.judgement.ledger["resurrected"] > 0


BASELINE = "single-region/none/manual"


@pytest.mark.parametrize("name", ["api-killed", "nats-leader-lost", "memory-pressure", "observability-gone"])
def test_the_chaos_baseline_holds_on_what_runs_today(name: str, tmp_path: Path) -> None:
    result = drilled(tmp_path, name, BASELINE, version="today", one_address=name == "nats-leader-lost")
    assert result.verdict is Verdict.MET, (result.observations, [each.why for each in result.judged])
    assert (result.loss.messages, result.loss.proven) == (0, True)
    if name == "nats-leader-lost":  # clients were promised to all the while
        assert result.back_s == result.judged[0].measured_s
        assert outcome(result).startswith("streams store again after ")
    _proven_again(result)
    told = [event.name for event in read_evidence(result.evidence).events]
    assert ("pod-started" in told) == (name != "observability-gone")


def test_an_api_that_was_cut_off_keeps_what_it_promised(tmp_path: Path) -> None:
    result = drilled(tmp_path, "api-cut-off", BASELINE, version="today")
    assert result.verdict is Verdict.MET, result.observations
    assert (result.loss.messages, result.loss.proven) == (0, True)
    assert result.judgement.ledger["duplicate"] == 0
    assert result.judged == ()


def test_a_wrong_write_is_replicated_and_only_the_backup_helps(tmp_path: Path) -> None:
    result = drilled(tmp_path, "bad-write")
    assert result.verdict is Verdict.MET, result.observations
    assert [seen.holds for seen in result.observations] == [True, True, None, None, True]
    counts = result.judgement.ledger
    assert (counts["wrong-present"], counts["wrong-absent"]) == (0, 50)
    assert result.loss.messages > 0
    assert result.loss.proven


def test_the_dead_region_comes_back_and_stores_nothing(tmp_path: Path) -> None:
    """Its gate holds while no controller lives; then it is fenced."""
    result = drilled(tmp_path, "zombie-primary")
    assert _shown(result) == []
    seen = [each.what for each in result.observations]
    assert "writes that the old primary stored after it came back: 0" in seen
    assert "writers that found the old primary accepting writes: 0" in seen
    assert "fenced-on-return" in [event.name for event in read_evidence(result.evidence).events]
    assert _nats(result).verdict is Verdict.MET, _nats(result).why


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_turn_red(name: str, tmp_path: Path) -> None:
    checked = controlled(tmp_path, name)
    assert checked.red, checked.result.observations
    assert read_evidence(checked.result.evidence).manifest.control == name


@pytest.mark.parametrize("moment", ["starting", "steady", "fault", "promote-streams"])
def test_an_interrupt_leaves_nothing_behind(moment: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "secondsite.cli",
        "drill",
        "--file",
        str(EXAMPLE),
        "--evidence",
        str(tmp_path / "e"),
    ]
    process = subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr
    assert any(moment in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.endswith("interrupted\n")
    end = time.monotonic() + 5
    while (left := _running(str(tmp_path))) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == []
    assert list(tmp_path.glob("secondsite-lab-*")) == []


def _running(folder: str) -> list[str]:
    """Command lines that name the folder; a process that ends meanwhile names nothing."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue
        if folder in text:
            found.append(text)
    return found

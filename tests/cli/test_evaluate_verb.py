"""The verb on the example: every form of output, several systems at once, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from secondsite.cli.__main__ import run

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"
BEST = "warm-standby/leafnode-mirror/failover-record"
FEW = ["--years", "200", "--strategy", BEST, "--strategy", "single-region/none/manual"]


def evaluate(*arguments: str, file: Path = EXAMPLE) -> int:
    return run(["evaluate", "--file", str(file), *FEW, *arguments])


def test_text_fits_and_names_the_recommendation(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate() == 0
    out = capsys.readouterr().out
    assert f"Recommended: {BEST}" in out
    assert max(map(len, out.splitlines())) <= 100


def test_json_is_the_stable_shape(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "secondsite/evaluation/1"
    assert {"system", "seed", "years", "strategies", "pareto", "recommendation"} <= set(found)
    warm = found["strategies"][0]
    assert {"id", "contracts", "availability", "downtime_minutes_per_year", "cost", "latency_ms"} <= set(warm)
    assert set(warm["cost"]) == {"aws", "gcp", "azure"}
    rto = warm["contracts"][0]["rto"]
    assert {"p05", "p50", "p95", "unbounded", "unit", "provenance", "source"} <= set(rto)
    baseline = next(s for s in found["strategies"] if s["id"] == "single-region/none/manual")
    assert baseline["contracts"][0]["rto"]["p50"] is None
    assert baseline["contracts"][0]["rto"]["unbounded"] is True


def test_explain_walks_to_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("--explain", f"{BEST}:api/region/rto") == 0
    out = capsys.readouterr().out
    assert "share.control-plane" in out, "a lost region is a mixture of kinds"
    assert "LANMAN 2014" in out


@pytest.mark.slow
def test_several_systems_are_a_line_each(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(EXAMPLE.read_text().replace("name: kgents ", "name: elsewhere ", 1))
    assert evaluate("--file", str(other)) == 0
    out = capsys.readouterr().out
    assert out.count(BEST) == 2
    assert "elsewhere" in out
    assert evaluate("--file", str(other), "--json") == 0
    assert [found["system"] for found in json.loads(capsys.readouterr().out)] == ["kgents", "elsewhere"]


def test_one_that_cannot_hold_its_contracts_ends_with_1() -> None:
    assert run(["evaluate", "--file", str(EXAMPLE), "--years", "200", "--strategy", "single-region/none/manual"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategy", "warm-standby/sourced"], "unknown strategy 'warm-standby/sourced'"),
        (["--explain", f"{BEST}:nothing"], "has no figure 'nothing'"),
        (["--file", str(EXAMPLE), "--html", "x.html"], "options that show one"),
        (["--workers", "ssh://somewhere"], "--workers"),
    ],
)
def test_bad_options_say_what_to_write(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(*arguments) in (2, 4)
    assert message in capsys.readouterr().err

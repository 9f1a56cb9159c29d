"""What one verb has found is not simulated again by the next, as long as nothing has changed."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from secondsite.cli import evaluations
from secondsite.cli.__main__ import run
from secondsite.evaluate.years import YearlyDowntime, downtime
from secondsite.model.errors import MachineError

FILE = """\
schema: secondsite/system/1
name: shop
region: {provider: aws, name: us-east-1}
second: {provider: aws, name: us-west-2}
third: {provider: aws, name: us-east-2}
contracts:
  - {subject: api, fault: region, rto: 30m}
load: {mean_per_s: 40, peak_per_s: 400}
services:
  - {name: api, role: api, replicas: 2, cpu_limit: 1}
  - {name: nats, role: nats, replicas: 3}
nats:
  - {name: nats, service: nats, version: 2.15.1, streams: [{name: ORDERS, subjects: [orders.>], replicas: 3}]}
stores:
  - {name: db, service: api, engine: postgres, size: 1Gi}
"""
FEW = ["--years", "50"]
ONE = ["--strategy", "single-region/none/manual"]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache, and a folder with a system to be called in."""
    monkeypatch.delenv(evaluations.NO_CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "secondsite.yaml").write_text(FILE)
    monkeypatch.chdir(folder)
    return tmp_path / "cache" / "secondsite" / "evaluations"


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each simulation of years."""
    seen: list[int] = []

    def counted(*arguments: Any) -> tuple[YearlyDowntime, ...]:
        seen.append(1)
        return downtime(*arguments)

    monkeypatch.setattr("secondsite.evaluate.compare.downtime", counted)
    return seen


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run([*arguments, *FEW]) in (0, 1)
    return capsys.readouterr().out


@pytest.mark.slow
def test_no_verb_simulates_what_another_has(
    kept: Path, simulated: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    first = printed(capsys, "evaluate", "--json")
    assert len(simulated) == 1
    assert printed(capsys, "evaluate", "--json") == first
    for verb in (
        ["publish", "docs"],
        ["publish", "docs", "--check"],
        ["plan"],
        ["render", "deploy", "--domain", "nats.example.com"],
    ):
        printed(capsys, *verb)
    printed(capsys, "evaluate", "--file", "../shop/secondsite.yaml")
    printed(capsys, "evaluate", "--file", "secondsite.yaml", "--file", "secondsite.yaml")
    printed(capsys, "diff", "secondsite.yaml")
    assert len(simulated) == 1
    (entry,) = kept.iterdir()
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700


def change_system(_: Path) -> None:
    Path("secondsite.yaml").write_text(FILE.replace("400", "401"))


def spoil(kept: Path) -> None:
    (entry,) = kept.iterdir()
    packed = bytearray(entry.read_bytes())
    packed[len(packed) // 2] ^= 1
    entry.write_bytes(bytes(packed))


def cut(kept: Path) -> None:
    (entry,) = kept.iterdir()
    entry.write_bytes(entry.read_bytes()[:100])


def empty(kept: Path) -> None:
    (entry,) = kept.iterdir()
    entry.write_bytes(b"")


@pytest.mark.parametrize("change", [change_system, spoil, cut, empty])
def test_what_changed_is_simulated_anew(
    change: Callable[[Path], None], kept: Path, simulated: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, "evaluate", *ONE)
    change(kept)
    again = printed(capsys, "evaluate", *ONE)
    assert len(simulated) == 2
    assert printed(capsys, "evaluate", *ONE) == again
    assert len(simulated) == 2, "the entry is good again"


@pytest.mark.parametrize("more", [["--seed", "2"], ["--strategy", "backup-restore/backup"], ["--years", "51"]])
def test_other_options_are_another_evaluation(
    more: list[str], kept: Path, simulated: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    printed(capsys, "evaluate", *ONE)
    run(["evaluate", *ONE, *(FEW if "--years" not in more else []), *more])
    assert len(simulated) == 2
    assert len(list(kept.iterdir())) == 2


def test_figures_and_code_count_to_the_last_byte(
    kept: Path, simulated: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    printed(capsys, "evaluate", *ONE)
    assert run(["catalogue", "add-rtt", "us-east-1", "us-west-2", "63.5", "--provider", "aws", "--source", "ping"]) == 0
    printed(capsys, "evaluate", *ONE)
    assert len(simulated) == 2
    monkeypatch.setattr(evaluations, "_code", lambda: "another")
    printed(capsys, "evaluate", *ONE)
    assert len(simulated) == 3


def test_the_code_s_digest_is_of_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "evaluate" / "years.py"
    source.parent.mkdir()
    (tmp_path / "__init__.py").write_text("")
    source.write_text("YEAR = 1\n")
    monkeypatch.setattr("secondsite.__file__", str(tmp_path / "__init__.py"))
    before = evaluations._code.__wrapped__()
    assert evaluations._code.__wrapped__() == before
    source.write_text("YEAR = 2\n")
    assert evaluations._code.__wrapped__() != before


def test_no_cache_neither_reads_nor_keeps(kept: Path, simulated: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    printed(capsys, "evaluate", *ONE, "--no-cache")
    assert not kept.exists()
    printed(capsys, "evaluate", *ONE)
    printed(capsys, "evaluate", *ONE, "--no-cache")
    assert len(simulated) == 3


def test_the_oldest_go(kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(evaluations, "MOST_ENTRIES", 2)
    for seed in ("1", "2", "1", "3"):
        printed(capsys, "evaluate", *ONE, "--seed", seed)
    assert len(list(kept.iterdir())) == 2
    monkeypatch.setattr(evaluations, "MOST_BYTES", 1)
    printed(capsys, "evaluate", *ONE, "--seed", "4")
    assert not list(kept.iterdir())


def test_a_folder_that_cannot_be_written_is_no_error(
    kept: Path, simulated: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    kept.parent.mkdir(parents=True)
    kept.write_text("a file where the folder should be")
    printed(capsys, "evaluate", *ONE)
    printed(capsys, "evaluate", *ONE)
    assert len(simulated) == 2


def test_a_user_without_a_home_has_no_cache(
    kept: Path, simulated: list[int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> Path:
        raise MachineError.at("XDG_CACHE_HOME", "no home", "set HOME")

    monkeypatch.setattr("secondsite.lab.folders.cache", nowhere)
    printed(capsys, "evaluate", *ONE)
    printed(capsys, "evaluate", *ONE)
    assert len(simulated) == 2


def test_a_faulty_file_is_told_by_its_whole_path(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("secondsite.yaml").write_text(FILE.replace("400", "-4"))
    assert run(["evaluate", "--file", "../shop/secondsite.yaml", *FEW]) == 2
    assert "../shop/secondsite.yaml:8" in capsys.readouterr().err

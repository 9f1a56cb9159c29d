"""``watch describe`` of an observer that the watch counts on, and of a name that it does not know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from secondsite.cli.__main__ import run
from secondsite.model.errors import EXIT_BAD_INPUT, EXIT_HOLDS

EXAMPLE = Path(__file__).parents[2] / "examples/kgents/secondsite.yaml"
WATCH = """
operate:
  deployed: warm-standby/leafnode-mirror/failover-record
  watch:
    observers: [{name: outside, at: "https://a.example"}, {name: office, at: "https://b.example"}]
"""


def described(folder: Path, name: str, more: str) -> int:
    file = folder / "secondsite.yaml"
    text = EXAMPLE.read_text("utf-8")
    assert "\noperate:" not in text
    file.write_text(text + more, "utf-8")
    scope = ["--file", str(file), "--strategy", "warm-standby/leafnode-mirror/failover-record"]
    return run(["watch", "describe", "--name", name, *scope])


@pytest.mark.parametrize(("name", "more"), [("office", WATCH), ("anybody", "")])
def test_an_observer_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, more: str) -> None:
    assert described(tmp_path, name, more) == EXIT_HOLDS
    assert json.loads(capsys.readouterr().out)["name"] == name


def test_a_name_that_the_watch_does_not_know_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert described(tmp_path, "ofice", WATCH) == EXIT_BAD_INPUT
    shown = capsys.readouterr()
    assert not shown.out
    assert "outside, office" in shown.err

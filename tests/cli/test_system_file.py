"""Which system file is read when none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from secondsite.cli.__main__ import run

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"


@pytest.fixture
def nested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder two levels below one with a system file."""
    (tmp_path / "repository/deploy/k8s").mkdir(parents=True)
    (tmp_path / "repository/secondsite.yaml").write_text(EXAMPLE.read_text("utf-8"), "utf-8")
    monkeypatch.chdir(tmp_path / "repository/deploy/k8s")
    monkeypatch.delenv("SECONDSITE_FILE", raising=False)
    return tmp_path / "repository"


def audited(*arguments: str) -> int:
    return run(["audit", "--brief", "--fail-on", "never", *arguments])


def test_the_nearest_one_above_is_read(nested: Path) -> None:
    assert audited() == 0
    (nested / "deploy/secondsite.yaml").write_text("name: [", "utf-8")
    assert audited() == 2


def test_the_way_up_ends_at_the_root_of_the_repository(nested: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (nested / "deploy/.git").mkdir()
    assert audited() == 2
    assert "secondsite.yaml: no such file" in capsys.readouterr().err


def test_one_that_is_named_comes_first(nested: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECONDSITE_FILE", str(tmp_path / "nowhere.yaml"))
    assert audited() == 2, "the variable comes before the folders above"
    assert audited("--file", str(nested / "secondsite.yaml")) == 0, "the option comes before the variable"


def test_init_writes_where_it_is_called(nested: Path) -> None:
    before = (nested / "secondsite.yaml").read_bytes()
    (nested / "deploy/k8s/api.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\n"
        "spec:\n  template: {spec: {containers: [{name: api, image: 'a:1'}]}}\n",
        "utf-8",
    )
    assert run(["init", ".", "--yes"]) == 0
    assert (nested / "deploy/k8s/secondsite.yaml").is_file()
    assert (nested / "secondsite.yaml").read_bytes() == before

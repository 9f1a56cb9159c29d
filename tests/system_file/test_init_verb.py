"""`secondsite init` as a person runs it, on the example that ships with the project."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from secondsite.cli.__main__ import run
from secondsite.discover.system_file.reading import load_system
from secondsite.model.mark import Knowledge

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "manifests"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "manifests")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_run_writes_a_file_that_reads_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "manifests"]) == 0
    out = capsys.readouterr().out
    system = load_system(folder / "secondsite.yaml")
    assert "1 NATS cluster, 3 streams" in out
    assert "contracts:" in out
    assert max(len(line) for line in out.splitlines()) <= 100
    api = system.service("kgent-api")
    assert api
    assert api.replicas == 2
    place = system.place("services.kgent-api.replicas")
    line = (folder / place.file).read_text().splitlines()[place.line - 1]
    assert line.strip() == "replicas: 2"
    assert {mark.origin for mark in system.marks.values()} == set(Knowledge)


def test_the_written_file_teaches(folder: Path) -> None:
    run(["init", "manifests"])
    text = (folder / "secondsite.yaml").read_text()
    assert "\nschema: secondsite/system/1\n" in text
    assert "#   - {subject: api, fault: region, rto: 5m, rpo: 1m, confidence: 0.9}" in text
    assert "    replicas: 2  # read manifests/api/deployment.yaml:" in text
    example = text.replace("# contracts:\n", "contracts:\n").replace("#   - {subject", "  - {subject")
    (folder / "secondsite.yaml").write_text(example)
    assert len(load_system(folder / "secondsite.yaml").contracts) == 3


def test_a_second_run_says_that_there_is_nothing_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", "manifests"])
    before = (folder / "secondsite.yaml").read_bytes()
    capsys.readouterr()
    assert run(["init", "manifests"]) == 0
    assert "nothing to change" in capsys.readouterr().out
    assert (folder / "secondsite.yaml").read_bytes() == before


def change(folder: Path) -> None:
    deployment = folder / "manifests" / "api" / "deployment.yaml"
    text = deployment.read_text()
    assert "replicas: 2\n" in text
    deployment.write_text(text.replace("replicas: 2\n", "replicas: 4\n"))


def test_a_change_is_shown_and_written_only_when_it_is_agreed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", "manifests"])
    before = (folder / "secondsite.yaml").read_bytes()
    change(folder)
    capsys.readouterr()
    assert run(["init", "manifests"]) == 1
    shown = capsys.readouterr()
    assert "+    replicas: 4  # read manifests/api/deployment.yaml" in shown.out
    assert "--yes" in shown.err
    assert (folder / "secondsite.yaml").read_bytes() == before
    assert run(["init", "manifests", "--yes"]) == 0
    assert b"    replicas: 4  # read" in (folder / "secondsite.yaml").read_bytes()


def test_for_machines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "manifests", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["schema"], first["written"], first["found"]["streams"]) == ("secondsite/init/1", True, 3)
    change(folder)
    assert run(["init", "manifests", "--json"]) == 1
    second = json.loads(capsys.readouterr().out)
    assert (second["written"], second["changed"]) == (False, True)
    assert any(line.startswith("+    replicas: 4") for line in second["diff"])


def test_places_are_told_relative_to_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert run(["init", f"{folder.name}/manifests", "--file", f"{folder.name}/secondsite.yaml"]) == 0
    assert "# read manifests/api/deployment.yaml:" in (folder / "secondsite.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [([], "no input is given"), (["nowhere"], "nowhere"), (["manifests", "--file", "manifests"], "is a folder")],
)
def test_wrong_usage(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    assert run(["init", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert not (folder / "secondsite.yaml").exists()


def test_a_broken_file_is_told_with_all_its_errors(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["init", "manifests"])
    file = folder / "secondsite.yaml"
    broken = file.read_text().replace("    role: api ", "    role: apy ").replace("  ttl: 1m ", "  ttl: 1 ")
    file.write_text(broken)
    capsys.readouterr()
    assert run(["init", "manifests", "--yes"]) == 2
    err = capsys.readouterr().err
    assert "'apy' is not known here" in err
    assert "1 is not a duration" in err
    assert file.read_text() == broken


def test_help_loads_no_verb() -> None:
    code = (
        "import sys; from secondsite.cli.__main__ import run; run(['--help']);"
        "bad = {'ruamel.yaml', 'cattrs', 'nats', 'numpy', 'httpx2'} & set(sys.modules); sys.exit(bool(bad))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0

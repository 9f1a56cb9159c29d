"""The verb: writes once, finds what is stale, keeps what a team wrote, and breaks nothing on bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drilled import Scenario, leave, quick

from secondsite.cli import publish as verb
from secondsite.cli.__main__ import run
from secondsite.publish.content.inputs import Inputs

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents"
YEARS = ["--years", "500"]


@pytest.fixture(scope="module", autouse=True)
def evaluated_once() -> Iterator[None]:
    """The same system is evaluated once for all tests: what differs between them is on the disk."""
    known: dict[tuple[object, ...], Inputs] = {}
    gather = verb.gather

    def once(file: Path, folder: Path, *rest: Any, **options: Any) -> Inputs:
        beside = [file.parent / name for name in ("secondsite-catalogue", ".secondsite")]
        lying = tuple(str(path.relative_to(file.parent)) for place in beside for path in sorted(place.rglob("*")))
        key = (file.read_text(encoding="utf-8"), lying, os.path.relpath(folder, file.parent), *rest)
        if key not in known:
            known[key] = gather(file, folder, *rest, **options)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verb, "gather", once)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, published once into a folder of its own."""
    folder = tmp_path_factory.mktemp("published")
    shutil.copy(EXAMPLE / "secondsite.yaml", folder)
    (folder / "docs").mkdir()
    shutil.copy(EXAMPLE / "docs" / "saas" / "runbook.md", folder / "docs")
    assert publish(folder) == 0
    return folder


def publish(folder: Path, *more: str) -> int:
    return run(["publish", str(folder / "docs"), "--file", str(folder / "secondsite.yaml"), *YEARS, *more])


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "system"))


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_a_second_run_touches_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(folder)
    assert publish(folder) == 0
    assert snapshot(folder) == before
    assert "up to date" in capsys.readouterr().out


def test_check_holds_writes_nothing_and_shows_a_diff_when_stale(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert publish(folder, "--check") == 0
    assert capsys.readouterr().out == ""
    system = folder / "secondsite.yaml"
    system.write_text(
        system.read_text().replace("{subject: api, fault: region, rto: 5m,", "{subject: api, fault: region, rto: 4m,")
    )
    before = snapshot(folder)
    assert publish(folder, "--check") == 1
    assert snapshot(folder) == before
    out = capsys.readouterr().out
    assert "--- " in out
    assert "-| `api/region`" in out
    assert "+| `api/region`" in out


def test_a_row_of_ones_own_in_the_catalogue_makes_documents_stale(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = folder / "secondsite-catalogue"
    row = ["aws", "lb_hour", "us-east-1", "0.05", "USD/h", "--source", "our own bill", "--as-of", "2026-10-01"]
    assert run(["catalogue", "add-price", *row, "--catalogue", str(mine)]) == 0
    capsys.readouterr()
    assert publish(folder, "--check") == 1
    assert "our own bill" in "".join(line for line in capsys.readouterr().out.splitlines() if line[:1] == "+")
    shutil.rmtree(mine)
    assert publish(folder, "--check") == 0


def test_evidence_that_was_added_makes_documents_stale(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence = folder / ".secondsite" / "evidence"
    left = leave(evidence, Scenario(manifest=quick()))
    assert publish(folder, "--check") == 1
    assert left.name in "".join(line for line in capsys.readouterr().out.splitlines() if line[:1] == "+")


def in_a_process(folder: Path, source: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "secondsite.cli", "publish", str(folder / "docs"), "--check", *YEARS]
    return subprocess.run(
        [*command, "--file", str(folder / "secondsite.yaml")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(source), **environment},
    )


def test_another_process_with_another_hash_seed_writes_the_same_bytes(made: Path, pytestconfig: pytest.Config) -> None:
    seed = "77" if os.environ.get("PYTHONHASHSEED") != "77" else "78"
    again = in_a_process(made, pytestconfig.rootpath / "src", PYTHONHASHSEED=seed)
    assert (again.returncode, again.stdout) == (0, ""), again.stderr


def test_documents_of_other_code_are_stale(made: Path, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    source = tmp_path / "src"
    shutil.copytree(pytestconfig.rootpath / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    template = source / "secondsite/publish/templates/documents/cost-estimate.md.j2"
    template.write_text(template.read_text().replace("no discounts", "no rebates"))
    found = in_a_process(made, source)
    assert found.returncode == 1, found.stderr
    changed = [line for line in found.stdout.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    versions = [line for line in changed if re.search(r"\| \d{4}-\d\d-\d\d, [0-9a-f]{8} \|", line)]
    assert [line[0] for line in versions] == ["-", "+"], "another text is another version"
    before, after = (line for line in changed if line not in versions)
    assert ("no discounts" in before, "no rebates" in after) == (True, True)


def test_a_byte_changed_by_hand_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "docs" / "dr-contracts.md"
    path.write_text(path.read_text().replace("**unproven**", "**met**", 1))
    assert publish(folder, "--check") == 1
    assert "-| `api/region`" in capsys.readouterr().out


def test_words_of_the_team_stay_where_they_stand(folder: Path) -> None:
    path = folder / "docs" / "dr-contracts.md"
    own = "<!-- team:people -->\nAda, 555-0100; nights: **Grace**\n<!-- /team:people -->"
    path.write_text(path.read_text().replace("<!-- team:people -->\n<!-- /team:people -->", own))
    assert publish(folder, "--check") == 0, "words of the team make nothing stale"
    system = folder / "secondsite.yaml"
    system.write_text(system.read_text().replace("ttl: 1m", "ttl: 2m"))
    assert publish(folder) == 0
    assert own in path.read_text()


def test_the_runbook_around_the_section_is_left_alone(folder: Path) -> None:
    path = folder / "docs" / "runbook.md"
    before, _, rest = path.read_bytes().partition(b"<!-- secondsite:disaster-recovery begin")
    after = rest.partition(b"<!-- secondsite:disaster-recovery end -->")[2]
    path.write_bytes(
        b"\xff\xfe not text \r\n" + before + b"<!-- secondsite:disaster-recovery begin" + rest + b"\x00tail"
    )
    assert publish(folder) == 0
    found = path.read_bytes()
    assert found.startswith(b"\xff\xfe not text \r\n" + before)
    assert found.endswith(after + b"\x00tail")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("dr-contracts.md", "<!-- /team:people -->", ""), "the section 'people' has no end"),
        (("runbook.md", "<!-- secondsite:disaster-recovery end -->", ""), "begin and 0 end markers"),
    ],
)
def test_broken_markers_are_told_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str, str], told: str
) -> None:
    name, old, new = change
    path = folder / "docs" / name
    path.write_text(path.read_text().replace(old, new))
    system = folder / "secondsite.yaml"
    system.write_text(system.read_text().replace("ttl: 1m", "ttl: 2m"))
    before = snapshot(folder)
    assert publish(folder) == 2
    assert told in capsys.readouterr().err
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--date", "yesterday"], "--date: 'yesterday' is not a day; write a date such as"),
        (["--evidence", "/nowhere/at/all"], "/nowhere/at/all: no evidence found there"),
    ],
)
def test_bad_input_is_told(folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], told: str) -> None:
    assert publish(folder, *more) == 2
    assert told in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "file").write_text("x")
    code = run(["publish", str(folder / "file"), "--file", str(folder / "secondsite.yaml"), *YEARS])
    assert code == 4
    assert "name another folder" in capsys.readouterr().err


def test_plan_prints_a_step_by_name_number_or_not_at_all(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = ["--file", str(folder / "secondsite.yaml"), *YEARS]
    assert run(["plan", "DNS failover", *file]) == 0
    by_name = capsys.readouterr().out
    assert run(["plan", "2", *file]) == 0
    assert capsys.readouterr().out == by_name
    assert "- [ ] **Run the exit test**" in by_name
    assert run(["plan", "dns-failover", "--json", *file]) == 0
    assert json.loads(capsys.readouterr().out)["step"]["slug"] == "dns-failover"
    assert run(["plan", "nonsense", *file]) == 2
    assert "name one of: backups-in-another-region" in capsys.readouterr().err


def test_the_committed_documents_of_the_example_are_up_to_date() -> None:
    arguments = ["publish", str(EXAMPLE / "docs" / "saas"), "--file", str(EXAMPLE / "secondsite.yaml"), "--check"]
    assert run([*arguments, "--evidence", str(EXAMPLE / "evidence")]) == 0

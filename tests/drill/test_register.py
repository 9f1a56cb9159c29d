"""Nothing that was opened in an evidence folder goes without a trace: a campaign, a run, or the register of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve
from drilled import API, MANIFEST, Scenario, campaign, leave

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.evidence.campaign import read_campaign
from secondsite.drill.evidence.chained_lines import FIRST, append_line
from secondsite.drill.evidence.folder import is_single, read_evidence
from secondsite.drill.evidence.manifest import DrillManifest
from secondsite.drill.evidence.packed import is_packed, pack
from secondsite.drill.evidence.register import read_register
from secondsite.drill.verdict.verification import EvidenceVerification, todays, verify
from secondsite.model.contract import Verdict
from secondsite.model.system import System
from secondsite.model.units import Seconds
from secondsite.publish.machine.verification import verification_json

EXAMPLE = Path("examples/kgents/secondsite.yaml")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
BREACHED, UNPROVEN, MET = Verdict.BREACHED, Verdict.UNPROVEN, Verdict.MET
LOST = frozenset(range(200))


@pytest.fixture(scope="module")
def system() -> System:
    return evolve(load_system(EXAMPLE), contracts=(evolve(API, confidence=0.6),))


@pytest.fixture(scope="module")
def manifest(system: System) -> DrillManifest:
    return evolve(MANIFEST, contracts=(), fingerprint=todays(system, load_catalogue())(MANIFEST))


@pytest.fixture(scope="module")
def drilled(manifest: DrillManifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign with a bad run, and then a good one: two good runs are what a confidence of 0.6 needs."""
    root = tmp_path_factory.mktemp("register")
    for bad in (True, False):
        record = campaign(root, manifest, 2)
        leave(root, _run(manifest, bad=bad), record=record)
        leave(root, _run(evolve(manifest, run=2)), record=record)
        record.close()
    return root


def _run(manifest: DrillManifest, *, bad: bool = False) -> Scenario:
    return Scenario(until_s=20.0, manifest=manifest, lost=LOST if bad else frozenset(), aged_lost=bad)


def _verified(system: System, root: Path, *heads: str, now: datetime = NOW) -> EvidenceVerification:
    return verify(system, load_catalogue(), (root,), now, heads=heads)


def _records(root: Path) -> list[Path]:
    """In the order in which they were opened."""
    return sorted(root.glob("*.campaign"), key=lambda path: read_campaign(path).opened)


def _runs_of(root: Path, record: Path) -> list[Path]:
    """In their order."""
    ids = [run.id for run in read_campaign(record).runs]
    found = {read_evidence(path).manifest.id: path for path in root.iterdir() if is_single(path)}
    return [found[name] for name in ids]


def _register(root: Path) -> Path:
    (path,) = root.glob("*.register")
    return path


def _remove(root: Path, number: int = 0) -> None:
    """A whole campaign, with all its runs."""
    record = _records(root)[number]
    for run in _runs_of(root, record):
        run.unlink() if is_packed(run) else shutil.rmtree(run)
    record.unlink()


def _remove_with_register(root: Path) -> None:
    _remove(root)
    _register(root).unlink()


def _remove_from_register(root: Path) -> None:
    """By somebody who can write chains."""
    gone = read_campaign(_records(root)[0]).id
    _remove(root)
    _forged(_register(root), lambda line: line.get("campaign") != gone)


def _forged(path: Path, kept: Callable[[dict[str, object]], bool]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.unlink()
    previous = FIRST
    for line in lines:
        body = {name: value for name, value in line.items() if name not in ("previous", "hash")}
        if kept(body):
            previous = append_line(path, previous, body)


def _remove_bad_run(root: Path) -> None:
    shutil.rmtree(_runs_of(root, _records(root)[0])[0])


def _forge_without_bad_run(root: Path) -> None:
    record = _records(root)[0]
    bad = _runs_of(root, record)[0]
    gone = read_evidence(bad).manifest.id
    shutil.rmtree(bad)
    record.write_text(record.read_text().replace('"planned": 2', '"planned": 1'))
    _forged(record, lambda line: line.get("run") != gone)


def _edit_register(root: Path) -> None:
    path = _register(root)
    path.write_text(path.read_text().replace('"planned": 2', '"planned": 1'))


def _unregister(root: Path) -> None:
    """All as an older version would have left it: with records that no register knows."""
    _remove_with_register(root)
    for record in _records(root):
        lines = [json.loads(line) for line in record.read_text().splitlines()]
        record.unlink()
        previous = FIRST
        for line in lines:
            body = {key: value for key, value in line.items() if key not in ("previous", "hash", "registered")}
            previous = append_line(record, previous, body)


def test_as_it_was_drilled_it_is_breached(system: System, drilled: Path) -> None:
    found = _verified(system, drilled)
    assert ([row.verdict for row in found.rows], found.problems) == ([BREACHED], ())
    (register,) = found.registers
    assert [(each.planned, bool(each.last)) for each in register.campaigns] == [(2, True), (2, True)]
    told = {"file": str(register.path), "campaigns": 2, "head": register.head}
    assert verification_json(found)["registers"] == [told]


@pytest.mark.parametrize(
    ("take", "verdict", "problem"),
    [
        (_remove, UNPROVEN, ""),
        (_remove_with_register, UNPROVEN, "is missing or was changed"),
        (_remove_from_register, UNPROVEN, "is missing or was changed"),
        (_remove_bad_run, UNPROVEN, ""),
        (_forge_without_bad_run, UNPROVEN, "was changed after the campaign ended"),
        (_edit_register, BREACHED, "the hash chain breaks here"),
        (_unregister, UNPROVEN, ""),
    ],
)
def test_what_is_taken_away_is_told_and_proves_nothing(
    take: Callable[[Path], None], verdict: Verdict, problem: str, system: System, drilled: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(drilled, tmp_path / "evidence")
    take(root)
    found = _verified(system, root)
    assert [row.verdict for row in found.rows] == [verdict], found.rows[0].why
    assert found.rows[0].why
    if problem:
        assert any(problem in each.what for each in found.problems), found.problems
        assert found.exit_code == 1
    else:
        assert found.problems == ()


def test_a_removed_campaign_is_named(system: System, drilled: Path, tmp_path: Path) -> None:
    root = shutil.copytree(drilled, tmp_path / "evidence")
    name = _records(root)[0].name
    _remove(root)
    assert f"{name} with its 2 runs was removed" in _verified(system, root).rows[0].why


def test_where_a_strategy_has_no_run_left_its_contract_is_open(
    system: System, manifest: DrillManifest, drilled: Path, tmp_path: Path
) -> None:
    """The good runs of another one do not cover for it."""
    root = shutil.copytree(drilled, tmp_path / "evidence")
    other = evolve(manifest, strategy="warm-standby/supercluster-mirror")
    leave(root, _run(other, bad=True))
    _remove(root, -1)
    rows = {row.strategy: row for row in _verified(system, root).rows}
    assert (rows[manifest.strategy].verdict, rows[other.strategy].verdict) == (BREACHED, UNPROVEN)
    assert "was removed" in rows[other.strategy].why


def test_what_was_removed_counts_as_long_as_it_would_have(system: System, drilled: Path, tmp_path: Path) -> None:
    root = shutil.copytree(drilled, tmp_path / "evidence")
    _remove(root)
    (opened,) = [each.opened for each in read_register(_register(root)).campaigns[:1]]
    later = opened + timedelta(days=102)
    long_lived = evolve(system, contracts=(evolve(system.contracts[0], shelf_life_s=Seconds(101 * 86400.0)),))
    assert "was removed" not in _verified(long_lived, root, now=later).rows[0].why
    assert "was removed" in _verified(long_lived, root, now=opened + timedelta(days=1)).rows[0].why


def test_a_copy_of_the_folder_is_as_good(system: System, drilled: Path, tmp_path: Path) -> None:
    """Packed, too; and a campaign that is opened there goes on in the same register."""
    root = shutil.copytree(drilled, tmp_path / "evidence")
    for path in [each for each in root.iterdir() if each.is_dir()]:
        pack(path)
    assert [row.verdict for row in _verified(system, root).rows] == [BREACHED]
    record = campaign(root, MANIFEST)
    assert record.registered is not None
    assert read_register(_register(root)).knows(record.registered, record.id)
    _remove(root)
    assert [row.verdict for row in _verified(system, root).rows] == [UNPROVEN]


def test_a_head_that_was_kept_tells_what_was_cut_off_at_the_end(
    system: System, manifest: DrillManifest, drilled: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(drilled, tmp_path / "evidence")
    leave(root, _run(manifest, bad=True))
    head = read_register(_register(root)).head
    assert not _verified(system, root, head[:16]).problems
    gone = read_campaign(_records(root)[-1]).id
    _remove(root, -1)
    _forged(_register(root), lambda line: line.get("campaign") != gone)
    assert not _verified(system, root).problems
    (problem,) = _verified(system, root, head[:16]).problems
    assert "were removed" in problem.what


def test_a_line_that_was_cut_short_announced_nothing(system: System, drilled: Path, tmp_path: Path) -> None:
    """A disk that was full, or a machine that died: what was noted before stays good, and goes on."""
    root = shutil.copytree(drilled, tmp_path / "evidence")
    with _register(root).open("a") as file:
        file.write('{"at": "2026-11')
    assert not _verified(system, root).problems
    campaign(root, MANIFEST)
    assert not _verified(system, root).problems
    assert len(read_register(_register(root)).campaigns) == 3

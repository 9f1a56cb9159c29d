"""Runs on other machines: two real workers take one each, and what comes back counts where it is what was ordered."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from dask_cluster import dask_cluster
from distributed import Client
from drilled import leave
from remote_leaves import left_there

from secondsite.catalogue.bundle import load_catalogue
from secondsite.cli.__main__ import run
from secondsite.discover.system_file.writing import write_system
from secondsite.drill.evidence.campaign import campaigns_below
from secondsite.drill.evidence.folder import read_evidence
from secondsite.drill.evidence.packed import pack
from secondsite.drill.play.setup import Setup, make_setup
from secondsite.drill.registry import find_drill
from secondsite.drill.remote import RemoteOrder, RemoteRun, order_of, taken
from secondsite.drill.run import RunOf
from secondsite.model.errors import InputError, MachineError
from secondsite.model.strategy import Strategy
from secondsite.strategies.design import Kit

NAMES = ("rack-1", "rack-2")
STRATEGY = "warm-standby/leafnode-mirror"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("dask")
    with dask_cluster(folder, names=NAMES, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as at:
        yield at


@pytest.fixture
def file(kit: Kit, tmp_path: Path) -> Path:
    file = tmp_path / "secondsite.yaml"
    file.write_text(write_system(kit.system))
    return file


@pytest.mark.slow
@pytest.mark.drills
def test_two_workers_run_one_each_and_send_their_evidence(cluster: str, file: Path, tmp_path: Path) -> None:
    drill = ("drill", "api-killed", "--strategy", "single-region/none/manual", "--runs", "2", "--rate", "30")
    what = (*drill, "--reach", "1s", "--workers", cluster, "--json")
    ended = subprocess.run(
        [sys.executable, "-m", "secondsite", *what, "--file", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    print(ended.stderr)
    assert ended.returncode in (0, 3), ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    paths = [Path(run["evidence"]) for run in report["runs"]]
    machines = {read_evidence(path).manifest.host["worker"].partition(" ")[0] for path in paths}
    assert machines == set(NAMES)
    assert all(name in ended.stderr for name in NAMES)
    (campaign,) = campaigns_below(tmp_path / ".secondsite" / "evidence")[0]
    assert sorted(run.number for run in campaign.runs) == [1, 2]
    assert all(run.closing and not run.why for run in campaign.runs)


def _leaves(client: Client, order: RemoteOrder) -> object:
    client.wait_for_workers(len(NAMES))
    return client.submit(left_there, order.text(), pure=False, retries=0)


@pytest.mark.slow
@pytest.mark.drills
def test_all_drills_are_spread_and_what_does_not_fit_is_left_out(
    cluster: str, file: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real verb and two real workers, who leave evidence without a lab."""
    fitting = {("region-loss", STRATEGY), ("region-loss", "pilot-light/backup")}
    unfit = ("failback", "backup-restore/backup")
    assert find_drill(unfit[0]).fits(make_setup(setup.system, load_catalogue(), Strategy.parse(unfit[1])).deployment)
    monkeypatch.setattr("secondsite.drill.registry.MATRIX", (*sorted(fitting), unfit))
    monkeypatch.setattr("secondsite.cli.drill_workers._submitted", _leaves)
    assert run(["drill", "--all", "--workers", cluster, "--json", "--file", str(file)]) == 0
    reports = json.loads(capsys.readouterr().out)
    assert {one["strategy"] for one in reports} == {strategy for _, strategy in fitting}
    manifests = [read_evidence(Path(each["evidence"])).manifest for one in reports for each in one["runs"]]
    assert {(one.drill, one.strategy) for one in manifests} == fitting
    assert {one.host["worker"] for one in manifests} == set(NAMES)
    campaigns = campaigns_below(file.parent / ".secondsite" / "evidence")[0]
    assert {one.id for one in campaigns} == {one.campaign for one in manifests}
    assert all(run.closing and not run.why for one in campaigns for run in one.runs)


@pytest.fixture
def setup(kit: Kit) -> Setup:
    return make_setup(kit.system, load_catalogue(), Strategy.parse(STRATEGY))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Once: it is compressed as well as can be."""
    return pack(leave(tmp_path_factory.mktemp("there")))


@pytest.fixture
def sent(packed: Path, setup: Setup, tmp_path: Path) -> tuple[RemoteOrder, RemoteRun]:
    """Evidence as a worker packs it, and the order that it fits."""
    manifest = read_evidence(packed).manifest
    file = tmp_path / "secondsite.yaml"
    file.write_text(write_system(setup.system))
    order = order_of(manifest.drill, setup, file, RunOf(manifest.run, manifest.id, manifest.campaign))
    order = evolve(order, seed=manifest.seed, strategy=manifest.strategy)
    return order, RemoteRun("rack-1", packed.name, packed.read_bytes())


def test_what_was_ordered_is_taken_and_judged_here(
    sent: tuple[RemoteOrder, RemoteRun], setup: Setup, tmp_path: Path
) -> None:
    order, run = sent
    result, closing = taken(order, setup, run, tmp_path / "here")
    assert result.evidence == tmp_path / "here" / run.name
    assert closing
    assert result.judgement.verdicts


@pytest.mark.parametrize(
    "more",
    [{"id": "another"}, {"campaign": "another"}, {"number": 7}, {"seed": 99}, {"strategy": "pilot-light/backup"}],
)
def test_another_run_than_the_one_ordered_is_no_evidence(
    sent: tuple[RemoteOrder, RemoteRun], setup: Setup, tmp_path: Path, more: dict[str, Any]
) -> None:
    order, run = sent
    with pytest.raises(MachineError, match="a different run from the one that was ordered"):
        taken(evolve(order, **more), setup, run, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_bytes_that_were_changed_are_no_evidence(
    sent: tuple[RemoteOrder, RemoteRun], setup: Setup, tmp_path: Path
) -> None:
    order, run = sent
    changed = evolve(run, packed=_with_another_manifest(run.packed))
    for each in (changed, evolve(run, packed=b"no archive"), evolve(run, packed=run.packed[: len(run.packed) // 2])):
        with pytest.raises((MachineError, InputError)):
            taken(order, setup, each, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def _with_another_manifest(packed: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(packed)) as old, tarfile.open(fileobj=made, mode="w:xz") as new:
        for entry in old:
            source = old.extractfile(entry)
            assert source
            content = source.read()
            if entry.name == "manifest.json":
                profile = b'"profile": "production"'
                assert profile in content
                content = content.replace(profile, b'"profile": "quick"')
                entry.size = len(content)
            new.addfile(entry, io.BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize("name", ["../x.evidence", "x", "/x.evidence", "", ".evidence", "a/b.evidence"])
def test_evidence_lies_where_it_belongs(
    sent: tuple[RemoteOrder, RemoteRun], setup: Setup, tmp_path: Path, name: str
) -> None:
    order, run = sent
    with pytest.raises(MachineError, match="sent evidence as"):
        taken(order, setup, evolve(run, name=name), tmp_path / "here")


def test_evidence_that_is_there_is_not_replaced(
    sent: tuple[RemoteOrder, RemoteRun], setup: Setup, tmp_path: Path
) -> None:
    order, run = sent
    (tmp_path / run.name).write_text("mine")
    with pytest.raises(MachineError, match="sent evidence as"):
        taken(order, setup, run, tmp_path)
    assert (tmp_path / run.name).read_text() == "mine"


def test_why_there_is_none_is_told(sent: tuple[RemoteOrder, RemoteRun], setup: Setup, tmp_path: Path) -> None:
    order, _ = sent
    with pytest.raises(MachineError, match="the disk is full"):
        taken(order, setup, RemoteRun("rack-1", why="the disk is full"), tmp_path / "here")


def test_an_own_binary_stays_here(setup: Setup, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this machine alone"):
        order_of("region-loss", evolve(setup, nats_server=Path("/nats-server")), tmp_path / "f", RunOf())

"""A study on a real Dask cluster of two workers gives the very numbers it gives here."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import dask as dask_itself
import distributed
import pytest
from attrs import evolve
from dask_cluster import address as address_of
from dask_cluster import dask, dask_cluster, end, scheduler
from identities import Certificates, certificates

from secondsite.catalogue.bundle import load_catalogue
from secondsite.cli import workers
from secondsite.cli.drill_workers import run_on_workers
from secondsite.cli.workers import distributed_over, installed
from secondsite.drill.evidence.register import CampaignSeries
from secondsite.evaluate.assess import Assessor
from secondsite.evaluate.compare import compare, evaluate_many, study_setting
from secondsite.evaluate.evaluation import Evaluation
from secondsite.evaluate.recorded import record
from secondsite.evaluate.years import CHUNK_YEARS
from secondsite.model.deployment import Deployment
from secondsite.model.errors import InputError, MachineError
from secondsite.model.hazard import Hazard
from secondsite.model.load import Load
from secondsite.model.procedure import Procedure
from secondsite.model.strategy import Strategy
from secondsite.model.system import System

__all__ = ["certificates"]
STRATEGIES = tuple(map(Strategy.parse, ("single-region/none/manual", "backup-restore/backup", "warm-standby/backup")))


def no_hazards(system: System, deployment: Deployment, procedures: tuple[Procedure, ...]) -> tuple[Hazard, ...]:
    del system, deployment, procedures
    return ()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dask_cluster(tmp_path_factory.mktemp("dask"), Path(__file__).parent) as contact:
        yield contact


@pytest.mark.slow
def test_a_cluster_gives_the_same_numbers(cluster: str, system: System) -> None:
    catalogue = load_catalogue()
    here = compare(system, catalogue, no_hazards, years=500, strategies=STRATEGIES)
    with distributed_over(cluster, 60) as parallel_map:
        there = compare(system, catalogue, no_hazards, years=500, strategies=STRATEGIES, parallel_map=parallel_map)
        busier = evolve(system, name="busier", load=Load(mean_per_s=400.0))
        many = evaluate_many(
            (system, busier), catalogue, no_hazards, years=500, strategies=STRATEGIES, parallel_map=parallel_map
        )
    assert there.recommendation.stability == here.recommendation.stability
    assert there.recommendation.influences == here.recommendation.influences
    assert there.recommendation.flips == here.recommendation.flips
    assert [evaluation.system.name for evaluation in many] == ["small", "busier"]
    assert _figures(many[0]) == _figures(here)
    assert _figures(many[1]) != _figures(here)


def _figures(evaluation: Evaluation) -> list[tuple[str, float]]:
    return [(name, figure.mean) for a in evaluation.assessments for name, figure in a.figures()]


@pytest.mark.slow
def test_scores_are_bit_identical(cluster: str, system: System) -> None:
    import numpy as np

    from secondsite.evaluate.study import score

    catalogue = load_catalogue()
    here = compare(system, catalogue, no_hazards, years=500, strategies=STRATEGIES)
    setting = study_setting(Assessor(system, catalogue, 1, no_hazards), here.assessments, "aws")
    names = ("lag.share", "fault.region.rate", "decide.automatic")
    factors = np.random.default_rng(1).uniform(0.5, 2, (600, 3))
    local = score(setting, names, factors)
    with distributed_over(cluster, 60) as parallel_map:
        remote = score(setting, names, factors, parallel_map)
    assert (local.owning_usd == remote.owning_usd).all()
    assert (local.breached == remote.breached).all()


def pid(_shared: object, _item: int) -> int:
    return os.getpid()


def not_here(*_: object) -> None:
    raise AssertionError("worked out in this process")


@pytest.mark.slow
def test_years_and_draws_are_worked_out_by_the_workers_and_what_they_share_is_sent_once(
    cluster: str, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    scatter = distributed.Client.scatter

    def counted(client: distributed.Client, data: object, **options: object) -> object:
        sent.append(type(data).__name__)
        return scatter(client, data, **options)  # type: ignore[no-untyped-call] # theirs

    monkeypatch.setattr(distributed.Client, "scatter", counted)
    catalogue, years = load_catalogue(), 3 * CHUNK_YEARS
    here = compare(system, catalogue, no_hazards, years=years, strategies=STRATEGIES)
    with distributed_over(cluster, 60) as parallel_map, monkeypatch.context() as patch:
        assert len(set(parallel_map(pid, "who", range(20)))) == 2
        patch.setattr("secondsite.evaluate.years.Chunk.yearly_s", not_here)
        sent.clear()
        there = compare(system, catalogue, no_hazards, years=years, strategies=STRATEGIES, parallel_map=parallel_map)
    assert sent == ["Race", "StudySetting"]
    assert record(there) == record(here)


@pytest.mark.slow
def test_many_systems_are_spread_as_wholes(cluster: str, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    systems = [evolve(system, name=f"s{i}", load=Load(mean_per_s=40.0 + i)) for i in range(16)]
    alone = partial(evaluate_many, systems, load_catalogue(), no_hazards, years=200, strategies=STRATEGIES[:1])
    here = alone()
    with distributed_over(cluster, 60) as parallel_map:
        monkeypatch.setattr("secondsite.evaluate.years.Chunk.yearly_s", not_here)
        there = alone(parallel_map=parallel_map)
    assert [record(one) for one in there] == [record(one) for one in here]


@pytest.mark.slow
def test_another_version_on_a_worker_is_refused(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "version", lambda package: f"{package}-of-tomorrow")
    with pytest.raises(MachineError, match=r"worker tcp.* has secondsite .* here is secondsite secondsite-of-tomorrow"):
        distributed_over(cluster, 60).__enter__()


@pytest.mark.slow
def test_a_scheduler_without_workers_is_refused(tmp_path: Path) -> None:
    contact = tmp_path / "contact.json"
    process = scheduler(contact)
    try:
        address = address_of(contact, process).replace("tcp://", "dask://")
        with pytest.raises(MachineError, match="no worker within 1 s"):
            distributed_over(address, 1).__enter__()
    finally:
        end([process])


@pytest.mark.slow
def test_a_scheduler_that_begins_runs_anew_takes_no_drills(cluster: str, tmp_path: Path) -> None:
    """It would hide a run that died with its machine."""
    with pytest.raises(MachineError, match=r"start a run again 3 times.*ALLOWED_FAILURES=0"):
        run_on_workers(cluster, [], 1, tmp_path / "secondsite.yaml", tmp_path, _no_series, lambda *_: None)


def _no_series(*_: object) -> CampaignSeries:
    raise AssertionError


def test_a_cluster_that_is_not_there_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(MachineError, match=r"no scheduler answered within 1 s.*omit --workers"):
        distributed_over(f"dask://127.0.0.1:{port}", 1).__enter__()


@pytest.mark.parametrize(
    "address",
    ["localhost:8786", "", "ssh://host", "dask://nonsense", "dask://", "dask://host:port", "dask://a b:1"],
)
def test_what_is_no_address_is_refused_before_anything_is_asked(address: str) -> None:
    with pytest.raises(InputError, match="write dask://HOST:PORT"):
        distributed_over(address).__enter__()


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MachineError, match=r"run: pip install .*\[dask\]', or omit --workers"):
        distributed_over("dask://127.0.0.1:1").__enter__()


def test_a_missing_package_has_no_version() -> None:
    assert installed(("numpy", "no-such-package"))[1] == ""


@pytest.mark.parametrize("host", ["10.0.0.1", "scheduler.example.com", "[2001:db8::1]", "localhost.evil.example"])
def test_a_scheduler_elsewhere_is_spoken_to_by_tls_alone(host: str) -> None:
    with pytest.raises(InputError, match=r"is not this machine.*write tls://"):
        distributed_over(f"dask://{host}:8786").__enter__()


def test_tls_without_certificates_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InputError, match="set DASK_DISTRIBUTED__COMM__TLS__CA_FILE"):
        distributed_over("tls://127.0.0.1:1").__enter__()


@pytest.mark.slow
def test_a_scheduler_with_tls_takes_whoever_has_a_certificate(tmp_path: Path, certificates: Certificates) -> None:
    """It is reached (it has no worker), and by nobody without: neither in clear nor with an authority of their own."""
    contact, files = tmp_path / "contact.json", certificates
    tls = ("--tls-ca-file", str(files.ca), "--tls-cert", str(files.server), "--tls-key", str(files.server_key))
    process = dask(
        *("scheduler", "--protocol", "tls", "--host", "tls://127.0.0.1", "--port", "0", "--no-dashboard"),
        *("--scheduler-file", str(contact), *tls),
    )
    try:
        address = address_of(contact, process)
        assert address.startswith("tls://")
        with pytest.raises(MachineError, match="no scheduler answered"):
            distributed_over(address.replace("tls://", "dask://"), 2).__enter__()
        client = {
            "distributed.comm.tls.client.cert": str(files.client),
            "distributed.comm.tls.client.key": str(files.client_key),
        }
        with (
            dask_itself.config.set({"distributed.comm.tls.ca-file": str(files.ca), **client}),
            pytest.raises(MachineError, match="no worker within 2 s"),
        ):
            distributed_over(address, 2).__enter__()
        with (
            dask_itself.config.set({"distributed.comm.tls.ca-file": str(files.client), **client}),
            pytest.raises(MachineError, match="no scheduler answered"),
        ):
            distributed_over(address, 2).__enter__()
    finally:
        end([process])

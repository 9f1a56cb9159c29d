"""Of what a verdict is, and of what a figure: a design is never what is deployed, and what nobody ran is named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve
from drilled import API, MANIFEST, NATS, Scenario, leave

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.evidence.fingerprint import fingerprint
from secondsite.drill.evidence.manifest import FAILBACK, TODAY
from secondsite.drill.evidence.rehearsal import Unrehearsed
from secondsite.drill.play.setup import make_setup
from secondsite.drill.verdict.verification import verify
from secondsite.model.contract import Standing, Subject, Verdict
from secondsite.model.fault import Fault
from secondsite.model.store import Loss
from secondsite.model.strategy import Strategy
from secondsite.model.wording import duration
from secondsite.publish.content.measured_words import rto_words
from secondsite.strategies.compose import failback, lay_out, procedures
from secondsite.strategies.design import Kit

EXAMPLE = Path("examples/kgents/secondsite.yaml")
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("strategy", "version", "standing"),
    [
        ("single-region/none/manual", TODAY, Standing.DEPLOYED),
        ("single-region/none/manual", "", Standing.DESIGN),
        ("warm-standby/leafnode-mirror", TODAY, Standing.DESIGN),
        ("warm-standby/leafnode-mirror", "", Standing.DESIGN),
    ],
)
def test_only_the_system_as_it_runs_is_what_is_deployed(strategy: str, version: str, standing: Standing) -> None:
    setup = make_setup(load_system(EXAMPLE), load_catalogue(), Strategy.parse(strategy), nats_version=version)
    assert setup.standing is standing


def test_a_drill_of_two_procedures_is_fresh_when_it_is_written(tmp_path: Path) -> None:
    """The fingerprint holds both, and so does what it is compared with."""
    system = evolve(load_system(EXAMPLE), contracts=(evolve(NATS, confidence=0.5),))
    kit = Kit.of(system, load_catalogue())
    deployment = lay_out(Strategy.parse(MANIFEST.strategy), kit)
    both = [procedures(deployment, kit)[Fault.REGION], failback(deployment, kit)]
    ran = fingerprint(deployment.system, deployment, both)
    manifest = evolve(
        MANIFEST, drill=FAILBACK, contracts=(), fingerprint=ran, carried_out=(str(Fault.REGION), FAILBACK)
    )
    leave(tmp_path, Scenario(manifest=manifest))
    (row,) = verify(system, load_catalogue(), (tmp_path,), NOW).rows
    assert (row.verdict, row.why) == (Verdict.MET, "held in 1 of 1 runs")


def test_what_was_not_rehearsed_stands_in_the_text_of_the_figure(tmp_path: Path) -> None:
    """And in the bound that it is part of."""
    system = evolve(load_system(EXAMPLE), contracts=(evolve(API, confidence=0.5),))
    missing = {Subject.API: Unrehearsed(("verify-secrets", "change-traffic"), 70.0)}
    leave(tmp_path, Scenario(manifest=evolve(MANIFEST, contracts=(), unrehearsed=missing)))
    (row,) = verify(system, load_catalogue(), (tmp_path,), NOW).rows
    assert row.measurement is not None
    assert row.measurement.rto_s is not None
    total_s = row.measurement.rto_s["total"]
    assert row.measurement.upper_rto_s == pytest.approx(total_s + 70)
    bound = f"(at most {duration(total_s + 70)}, 70 s of it for verify-secrets, change-traffic, not rehearsed)"
    assert bound in rto_words(row.measurement, duration)


@pytest.mark.parametrize(
    ("subject", "missing", "remedy"),
    [
        (Subject.NATS, "stream", "declare it in secondsite.yaml, or read it with init --nats URL"),
        (Subject.API, "API", "write `role: api` at the service that answers requests in secondsite.yaml"),
        (Subject.STATE, "store with data", "declare it under `stores` in secondsite.yaml"),
    ],
)
def test_a_contract_about_what_the_system_is_not_known_to_have_is_never_met(
    subject: Subject, missing: str, remedy: str, tmp_path: Path
) -> None:
    """Whatever the evidence says: nothing was lost of nothing."""
    whole = load_system(EXAMPLE)
    nats = tuple(evolve(cluster, streams=()) for cluster in whole.nats)
    contract = evolve(API, subject=subject, confidence=0.5)
    system = evolve(whole, nats=nats, services=(), stores=(), contracts=(contract,))
    leave(tmp_path, Scenario(manifest=evolve(MANIFEST, contracts=(contract,))))
    (row,) = verify(system, load_catalogue(), (tmp_path,), NOW).rows
    assert (row.verdict, row.why) == (Verdict.UNPROVEN, f"no {missing} of the system is known: {remedy}")


def test_a_cache_alone_is_no_store_with_data(tmp_path: Path) -> None:
    whole = load_system(EXAMPLE)
    caches = tuple(one for one in whole.stores if one.loss is not Loss.DATA)
    assert caches
    contract = evolve(API, subject=Subject.STATE, confidence=0.5)
    leave(tmp_path, Scenario(manifest=evolve(MANIFEST, contracts=(contract,))))
    (row,) = verify(evolve(whole, stores=caches, contracts=(contract,)), load_catalogue(), (tmp_path,), NOW).rows
    assert row.verdict is Verdict.UNPROVEN
    assert row.why.startswith("no store with data of the system is known")

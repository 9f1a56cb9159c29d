"""A contract is met only by fresh evidence of today's system; everything else is breached or unproven, and says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from attrs import evolve
from drilled import MANIFEST, STEPS, Scenario, leave, quick
from hypothesis import given, settings
from hypothesis import strategies as st

from secondsite.catalogue.bundle import load_catalogue
from secondsite.cli.__main__ import run
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.evidence.chain import write_chain
from secondsite.drill.evidence.fingerprint import Fingerprint, fingerprint
from secondsite.drill.evidence.manifest import TODAY, DrillManifest
from secondsite.drill.registry import DRILLS
from secondsite.drill.verdict.judgement import verdicts_json
from secondsite.drill.verdict.measurements import find_runs
from secondsite.drill.verdict.verification import (
    EvidenceVerification,
    recompute,
    todays,
    verify,
)
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.errors import Problem
from secondsite.model.fault import Fault
from secondsite.model.place import Place
from secondsite.model.service import Service
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.model.units import Seconds
from secondsite.publish.machine.junit import junit
from secondsite.strategies.compose import lay_out, procedures
from secondsite.strategies.design import Kit

EXAMPLE = Path("examples/kgents/secondsite.yaml")
STRATEGY = "warm-standby/leafnode-mirror"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
API = Contract(Subject.API, Fault.REGION, Seconds(300), Seconds(60), confidence=0.5)
NATS = Contract(Subject.NATS, Fault.REGION, Seconds(900), Seconds(300), confidence=0.5)


@pytest.fixture(scope="module")
def system() -> System:
    return evolve(load_system(EXAMPLE), contracts=(API, NATS))


@pytest.fixture(scope="module")
def manifest(system: System) -> DrillManifest:
    """Of a drill of today's system; one run is enough for a confidence of one half."""
    return evolve(MANIFEST, contracts=(), fingerprint=todays(system, load_catalogue())(MANIFEST))


def _verify(system: System, root: Path, *strategies: str, now: datetime = NOW) -> EvidenceVerification:
    return verify(system, load_catalogue(), (root,), now, strategies)


def test_fresh_evidence_of_today_meets(system: System, manifest: DrillManifest, tmp_path: Path) -> None:
    leave(tmp_path, Scenario(manifest=manifest))
    found = _verify(system, tmp_path)
    assert [(row.contract, row.verdict) for row in found.rows] == [(API, Verdict.MET), (NATS, Verdict.MET)]
    assert found.rows[0].age_s == timedelta(days=2, hours=14).total_seconds()
    assert found.strategies == (STRATEGY,)
    assert found.exit_code == 0


def test_of_a_contract_that_is_not_met_each_limit_is_judged_alone(
    system: System, manifest: DrillManifest, tmp_path: Path
) -> None:
    """A restore from an archive keeps an RPO of minutes, however long it takes to create a cluster."""
    leave(tmp_path, Scenario(manifest=manifest))
    strict = evolve(system, contracts=(evolve(API, rto_s=Seconds(10)), NATS))
    late, fine = _verify(strict, tmp_path).rows
    assert late.verdict is Verdict.BREACHED
    assert [(one.limit, one.verdict) for one in late.apart] == [("RTO", Verdict.BREACHED), ("RPO", Verdict.MET)]
    assert late.apart[1].why == "held in 1 of 1 runs"
    assert fine.apart == ()
    stale = _verify(strict, tmp_path, now=NOW + timedelta(days=200))
    assert all(row.apart == () for row in stale.rows)


def test_what_bears_on_both_limits_bears_on_each_alone(system: System, manifest: DrillManifest, tmp_path: Path) -> None:
    leave(tmp_path, Scenario(manifest=manifest, complete=False))
    (row,) = _verify(evolve(system, contracts=(API,)), tmp_path).rows
    assert {one.limit: one.verdict for one in row.apart}["RPO"] is Verdict.UNPROVEN
    leave(tmp_path, Scenario(manifest=evolve(manifest, drill="other"), phantom=True))
    rows = _verify(evolve(system, contracts=(API,)), tmp_path).rows
    (broken,) = [each for each in rows if each.verdict is Verdict.BREACHED]
    assert {one.verdict for one in broken.apart} == {Verdict.BREACHED}


def test_without_evidence_everything_is_unproven(system: System, tmp_path: Path) -> None:
    found = _verify(system, tmp_path / "none")
    assert {row.verdict for row in found.rows} == {Verdict.UNPROVEN}
    assert found.rows[0].why == "no drill of region that covers api has left evidence"
    assert found.exit_code == 3


def test_what_no_drill_runs_is_told_apart_from_what_nobody_drilled(system: System, tmp_path: Path) -> None:
    assert {subject for drill in DRILLS.values() for subject in drill.subjects} == set(Subject)
    contract = Contract(Subject.STATE, Fault.REGION, Seconds(3600))
    (row,) = _verify(evolve(system, contracts=(contract,)), tmp_path).rows
    assert (row.verdict, row.why) == (
        Verdict.UNPROVEN,
        "no drill of region that covers state has left evidence",
    )


def test_what_promises_nothing_is_not_judged(system: System, tmp_path: Path) -> None:
    found = _verify(evolve(system, contracts=(Contract(Subject.API, Fault.REGION),)), tmp_path)
    assert found.rows == ()
    assert found.exit_code == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"system": "other"}, "stale: the system changed"),
        ({"strategy": "other"}, f"stale: the strategy changed from other to {STRATEGY}"),
        ({"server": "2.12.3"}, "stale: nats-server was 2.12.3 and is"),
        ({"procedure": "other"}, "stale: the procedure changed"),
    ],
)
def test_drift_makes_evidence_stale(
    change: dict[str, str], why: str, system: System, manifest: DrillManifest, tmp_path: Path
) -> None:
    """Even a breach of another system says nothing about this one."""
    other = evolve(manifest, fingerprint=evolve(manifest.fingerprint, **change))
    leave(tmp_path, Scenario(manifest=other, lost=frozenset(range(200))))
    found = _verify(system, tmp_path)
    assert {row.verdict for row in found.rows} == {Verdict.UNPROVEN}
    assert found.rows[0].why.startswith(why)


def test_a_changed_system_drifts_and_a_changed_limit_does_not(
    system: System, manifest: DrillManifest, tmp_path: Path
) -> None:
    leave(tmp_path, Scenario(manifest=manifest))
    grown = evolve(system, services=(*system.services, Service("new")))
    assert {row.verdict for row in _verify(grown, tmp_path).rows} == {Verdict.UNPROVEN}
    strict = evolve(system, contracts=(evolve(API, rto_s=Seconds(10)), NATS))
    assert [row.verdict for row in _verify(strict, tmp_path).rows] == [Verdict.BREACHED, Verdict.MET]


@pytest.mark.parametrize(
    ("drilled", "today", "same"),
    [
        ("2.12.3", "2.12-alpine", True),
        ("2.12.3", "2.12", True),
        ("2.12.3", "v2.12.3", True),
        ("2.12.3", "", True),
        ("2.12.3", "2.1", False),
        ("2.10.29", "2.12", False),
        ("2.12.30", "2.12.3", False),
        ("2.10.29, 2.12.3", "2.12", False),
        ("2.12.3", "2.10, 2.12", False),
    ],
)
def test_a_server_is_of_the_line_that_is_asked_for(drilled: str, today: str, same: bool) -> None:
    drift = Fingerprint("s", "x", drilled, "p").drift(Fingerprint("s", "x", today, "p"))
    assert (drift == ()) is same


def test_a_design_that_ran_as_the_system_is_today_is_compared_with_that(system: System, tmp_path: Path) -> None:
    """A second region without what its strategy prepares, such as an upgrade, is a design of its own."""
    kit = Kit.of(system, load_catalogue())
    deployment = lay_out(Strategy.parse(STRATEGY), kit, prepared=False)
    procedure = procedures(deployment, kit)[Fault.REGION]
    ran = fingerprint(deployment.system, deployment, [procedure], ["2.10.26"])
    today = evolve(MANIFEST, contracts=(), fingerprint=ran, version=TODAY)
    leave(tmp_path, Scenario(manifest=today, lost=frozenset(range(200)), aged_lost=True))
    found = _verify(system, tmp_path)
    assert [(row.verdict, row.strategy) for row in found.rows] == [(Verdict.BREACHED, f"{STRATEGY}@today")] * 2
    assert "stale" not in found.rows[0].why


def test_a_design_and_the_same_as_the_system_is_today_are_two(
    system: System, manifest: DrillManifest, tmp_path: Path
) -> None:
    leave(tmp_path, Scenario(manifest=manifest))
    leave(tmp_path, Scenario(manifest=evolve(manifest, version=TODAY), lost=frozenset(range(200))))
    assert {row.strategy for row in _verify(system, tmp_path).rows} == {STRATEGY, f"{STRATEGY}@today"}
    assert [row.verdict for row in _verify(system, tmp_path, STRATEGY).rows] == [Verdict.MET] * 2
    assert {row.strategy for row in _verify(system, tmp_path, f"{STRATEGY}@today").rows} == {f"{STRATEGY}@today"}


def test_evidence_of_the_future_proves_nothing(system: System, manifest: DrillManifest, tmp_path: Path) -> None:
    leave(tmp_path, Scenario(manifest=manifest))
    early = datetime.fromisoformat(MANIFEST.started_at) - timedelta(days=3)
    found = _verify(system, tmp_path, now=early)
    assert {(row.verdict, row.why) for row in found.rows} == {(Verdict.UNPROVEN, "stale: dated 3 days in the future")}


@pytest.mark.parametrize(("profile", "days"), [("production", 100), ("quick", 35)])
def test_evidence_has_a_shelf_life(
    profile: str, days: int, system: System, manifest: DrillManifest, tmp_path: Path
) -> None:
    leave(tmp_path, Scenario(manifest=manifest if profile == "production" else quick(manifest)))
    last = datetime.fromisoformat(MANIFEST.started_at) + timedelta(days=days)
    assert _verify(system, tmp_path, now=last).exit_code == 0
    assert _verify(system, tmp_path, now=last + timedelta(seconds=1)).exit_code == 3
    late = _verify(system, tmp_path, now=last + timedelta(days=1))
    assert late.exit_code == 3
    assert late.rows[0].why == f"stale: {days + 1} days old, valid for {days}"


def test_a_contract_may_have_a_shelf_life_of_its_own(system: System, manifest: DrillManifest, tmp_path: Path) -> None:
    leave(tmp_path, Scenario(manifest=manifest))
    started = datetime.fromisoformat(MANIFEST.started_at)
    own = evolve(system, contracts=(evolve(API, shelf_life_s=Seconds(3600)),))
    assert _verify(own, tmp_path, now=started + timedelta(hours=1)).exit_code == 0
    assert _verify(own, tmp_path, now=started + timedelta(hours=2)).exit_code == 3
    assert _verify(own, tmp_path, now=started - timedelta(hours=2)).rows[0].age_s == 0


def test_stale_runs_count_neither_way_beside_fresh_ones(
    system: System, manifest: DrillManifest, tmp_path: Path
) -> None:
    leave(tmp_path, Scenario(manifest=evolve(manifest, started_at="2026-01-01T00:00:00+00:00"), back_s=200.0))
    leave(tmp_path, Scenario(manifest=manifest))
    found = _verify(system, tmp_path)
    assert [row.verdict for row in found.rows] == [Verdict.MET, Verdict.MET]
    assert found.rows[0].measurement is not None
    assert found.rows[0].measurement.runs == 1


def test_every_drill_of_the_fault_counts_and_the_worst_decides(
    system: System, manifest: DrillManifest, tmp_path: Path
) -> None:
    leave(tmp_path, Scenario(manifest=manifest))
    lagging = evolve(manifest, drill="region-loss-under-lag")
    leave(tmp_path, Scenario(manifest=lagging, lost=frozenset(range(200))))
    leave(tmp_path, Scenario(manifest=evolve(lagging, control="dropped mirror"), back_s=None, failed=("fence", "no")))
    strict = evolve(system, contracts=(evolve(API, rpo_s=Seconds(5)),))
    found = _verify(strict, tmp_path)
    assert [(row.drill, row.verdict) for row in found.rows] == [
        ("region-loss", Verdict.MET),
        ("region-loss-under-lag", Verdict.BREACHED),
    ]
    assert found.of(strict.contracts[0]) is Verdict.BREACHED
    assert found.exit_code == 1


def test_of_quick_and_production_the_one_that_decides(system: System, manifest: DrillManifest, tmp_path: Path) -> None:
    leave(tmp_path, Scenario(manifest=manifest))
    leave(tmp_path, Scenario(manifest=quick(manifest), complete=False))
    (row,) = _verify(evolve(system, contracts=(API,)), tmp_path).rows
    assert row.verdict is Verdict.MET
    leave(tmp_path, Scenario(manifest=quick(manifest), lost=frozenset(range(200))))
    (row,) = _verify(evolve(system, contracts=(evolve(API, rpo_s=Seconds(5)),)), tmp_path).rows
    assert row.verdict is Verdict.BREACHED
    assert row.measurement is not None
    assert row.measurement.projected


def test_only_the_named_strategy_counts(system: System, manifest: DrillManifest, tmp_path: Path) -> None:
    leave(tmp_path, Scenario(manifest=manifest))
    other = "warm-standby/supercluster-mirror"
    of_other = evolve(manifest, strategy=other)
    bound = evolve(of_other, fingerprint=todays(system, load_catalogue())(of_other))
    refused = ("restore-quorum", "JetStream system temporarily unavailable (503/10008)")
    leave(tmp_path, Scenario(manifest=bound, back_s=None, failed=refused, ends_s=(3.0, 4.0)))
    found = _verify(system, tmp_path)
    assert found.strategies == (STRATEGY, other)
    assert found.exit_code == 1
    assert _verify(system, tmp_path, STRATEGY).exit_code == 0
    rows = _verify(system, tmp_path, other).rows
    assert {row.verdict for row in rows} == {Verdict.BREACHED}
    assert "503/10008" in rows[0].why


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_nothing_is_met_by_changed_evidence(
    data: st.DataObject, system: System, manifest: DrillManifest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("changed")
    folder = leave(root, Scenario(manifest=manifest, until_s=20))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    found = _verify(system, root)
    assert Verdict.MET not in {row.verdict for row in found.rows}
    assert any(path.name in problem.place.file for problem in found.problems)
    assert found.exit_code == 1


def test_a_folder_alone_is_judged_again_from_its_raw_files(tmp_path: Path) -> None:
    folder = leave(tmp_path, Scenario())
    found = recompute([folder], NOW)
    assert [row.verdict for row in found.rows] == [Verdict.UNPROVEN] * 3
    assert found.rows[0].why == "held in this run; a campaign of 22 is needed to be 90 % sure of 90 %"
    assert found.exit_code == 3
    assert found.rows[0].age_s == timedelta(days=2, hours=14).total_seconds()
    (folder / "chain.json").unlink()
    (problem,) = recompute([folder], NOW).problems
    assert "no hash chain" in problem.what


def test_verdicts_that_do_not_follow_are_noticed_even_in_a_new_chain(tmp_path: Path) -> None:
    folder = leave(tmp_path, Scenario(lost=frozenset(range(200))))
    (folder / "verdicts.json").write_text('{"verdicts": []}')
    write_chain(folder)
    (problem,) = recompute([folder], NOW).problems
    assert "do not follow from the raw files" in problem.what


def test_of_an_older_version_the_raw_clock_has_to_follow_and_its_projection_has_not(tmp_path: Path) -> None:
    folder = leave(tmp_path, Scenario())
    kept = json.loads(json.dumps(verdicts_json(find_runs(folder).runs[0].judgement)))
    (folder / "verdicts.json").write_text(json.dumps(kept | {"schema": "secondsite/verdicts/2", "steps_s": {}}))
    write_chain(folder)
    assert not recompute([folder], NOW).problems
    (folder / "verdicts.json").write_text(
        json.dumps(kept | {"schema": "secondsite/verdicts/2", "ledger": {"phantom": 7}})
    )
    write_chain(folder)
    (problem,) = recompute([folder], NOW).problems
    assert "do not follow from the raw files" in problem.what


def _tree(tmp_path: Path, system: System, scenario: Scenario) -> Path:
    """A system file with loose contracts, beside evidence of a drill of today."""
    text = EXAMPLE.read_text()
    start, end = text.index("contracts:\n"), text.index("# How clients find the service")
    contracts = "contracts:\n  - {subject: api, fault: region, rto: 5m, rpo: 1m, confidence: 0.5}\n"
    (tmp_path / "secondsite.yaml").write_text(text[:start] + contracts + text[end:])
    started = datetime.now(UTC).isoformat()
    leave(
        tmp_path / ".secondsite" / "evidence", evolve(scenario, manifest=evolve(scenario.manifest, started_at=started))
    )
    return tmp_path / "secondsite.yaml"


@pytest.mark.parametrize(
    ("scenario", "code", "verdict"),
    [
        ({}, 0, "met"),
        ({"lost": frozenset(range(50, 150)), "payload_bytes": 4096}, 0, "met"),
        ({"lost": frozenset(range(100))}, 3, "unproven"),
        ({"back_s": None, "failed": ("fence", "refused\x00"), "ends_s": (3.0, 4.0)}, 1, "breached"),
        ({"complete": False}, 3, "unproven"),
    ],
)
def test_the_command_says_it_in_every_form(
    scenario: dict[str, object],
    code: int,
    verdict: str,
    system: System,
    manifest: DrillManifest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begin = datetime.now(UTC)
    file = _tree(tmp_path, system, Scenario(manifest=manifest, **scenario))  # type: ignore[arg-type] # by name
    report = tmp_path / "report.xml"
    assert run(["verify", "--file", str(file)]) == code
    text = capsys.readouterr().out
    assert text.split()[:4] == [verdict, "api/region", "RTO", "5"]
    assert "\x00" not in text
    assert run(["verify", "--file", str(file), "--json", "--junit", str(report)]) == code
    shape = json.loads(capsys.readouterr().out)
    assert shape["schema"] == "secondsite/verification/1"
    (row,) = shape["contracts"]
    assert {"subject", "fault", "strategy", "verdict", "measured", "limit", "age_s"} <= set(row)
    assert (row["subject"], row["fault"], row["strategy"], row["verdict"]) == ("api", "region", STRATEGY, verdict)
    assert row["limit"] == {"rto_s": 300, "rpo_s": 60, "confidence": 0.5}
    assert 0 <= row["age_s"] <= (datetime.now(UTC) - begin).total_seconds()
    suites = _valid(report.read_text())
    outcome = {"met": "system-out", "breached": "failure", "unproven": "error"}[verdict]
    assert [child.tag for child in suites[0][0]] == [outcome]


_ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "disabled", "errors"},
    "testsuite": {
        "name",
        "tests",
        "failures",
        "errors",
        "time",
        "disabled",
        "skipped",
        "timestamp",
        "hostname",
        "id",
        "package",
    },
    "testcase": {"name", "assertions", "time", "classname", "status"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "system-out": set(),
}
_CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase", "system-out", "system-err"},
    "testcase": {"skipped", "error", "failure", "system-out", "system-err"},
}


def _valid(text: str) -> Element:
    """By the rules of the schema that Jenkins publishes for JUnit reports (junit-10.xsd)."""
    root = fromstring(text)  # noqa: S314 - our own text
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) <= _ATTRIBUTES[element.tag]
        assert {child.tag for child in element} <= _CHILDREN.get(element.tag, set())
    for suite in root:
        assert {"name"} <= set(suite.attrib)
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    return root


def test_changed_evidence_is_in_the_report_too() -> None:
    problem = Problem(Place("evidence/x/ledger/0.ledger"), "was changed <&>", "again")
    root = _valid(junit(EvidenceVerification((), (problem,))))
    assert root[0][0].attrib["name"] == "evidence/x/ledger/0.ledger"


def test_one_folder_by_command_names_the_changed_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = leave(tmp_path, Scenario())
    assert run(["verify", "--evidence", str(folder)]) == 3
    capsys.readouterr()
    path = folder / "ledger" / "0.ledger"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert run(["verify", "--evidence", str(folder)]) == 1
    assert "0.ledger" in capsys.readouterr().out.replace("\n", "")
    assert run(["verify", "--evidence", str(tmp_path / "none")]) == 2


def test_the_steps_of_a_drill_are_named_as_in_the_procedure(manifest: DrillManifest, tmp_path: Path) -> None:
    (row, *_) = recompute([leave(tmp_path, Scenario(manifest=evolve(manifest, contracts=(API,))))], NOW).rows
    assert row.measurement is not None
    assert set(row.measurement.steps_s) == {step.id for step in STEPS} - {"change-traffic"}  # the lab has no provider
    assert row.measurement.steps_s["fence"] == pytest.approx(1)

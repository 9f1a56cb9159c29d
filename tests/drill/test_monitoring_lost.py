"""A contract on observability: seen again once the other region tells the loss and counts the service's writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from drilled import FAULT_NS, MANIFEST, PRODUCTION, QUICK, SECOND_NS, Scenario, leave

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.drill.check.visibility import MonitoringSample, visibility
from secondsite.drill.evidence.events import EventName, Milestone, TimelineEvent
from secondsite.drill.evidence.rehearsal import Unrehearsed
from secondsite.drill.faults.monitoring_lost import fits
from secondsite.drill.verdict.measurements import find_runs
from secondsite.drill.verdict.monitoring import judged_by_monitoring
from secondsite.lab.addresses import LabAddresses
from secondsite.lab.monitoring import Monitoring
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.fault import Fault
from secondsite.model.strategy import Strategy
from secondsite.model.units import Seconds
from secondsite.strategies.compose import lay_out
from secondsite.strategies.design import Kit

EXAMPLE = Path(__file__).parents[2] / "examples" / "kgents" / "secondsite.yaml"
SEEN = Contract(Subject.OBSERVABILITY, Fault.REGION, Seconds(60))
OWN = evolve(MANIFEST, drill="monitoring-lost", subjects=(Subject.OBSERVABILITY,), contracts=(SEEN,))
MARKS = {Milestone.FAULT: 0, Milestone.DETECTED: 3 * SECOND_NS, Milestone.DECIDED: 4 * SECOND_NS}


def sample(at_s: float, writes: float | None, firing: bool = False) -> MonitoringSample:
    return MonitoringSample(round(at_s * SECOND_NS), writes, firing)


def event(at_s: float, writes: float | None, firing: bool = False) -> TimelineEvent:
    return TimelineEvent(EventName.MONITORED, round(at_s * SECOND_NS), 0, {"writes": writes, "firing": firing})


def noted(at_s: float, **data: object) -> TimelineEvent:
    return TimelineEvent(EventName.OBSERVATION, round(at_s * SECOND_NS), 0, data)


WELL = (event(-1, 5), event(1, 5), event(20, 9), event(31, 40, firing=True))


def test_both_have_to_be_seen_and_the_later_of_them_counts() -> None:
    assert visibility((sample(-1, 5), sample(8, 9), sample(31, 40, firing=True)), 0).back_ns == 31 * SECOND_NS
    assert visibility((sample(-1, 5), sample(8, 5, firing=True), sample(31, 6, firing=True)), 0).back_ns == 31e9
    told = visibility((sample(-1, 5), sample(31, 5, firing=True)), 0)
    assert told.back_ns is None
    assert told.why == "it counts no acknowledged writes"
    counted = visibility((sample(-1, None), sample(31, 6)), 0)
    assert counted.why == "no alert says that the region is gone"


def test_what_could_not_have_been_otherwise_shows_nothing() -> None:
    assert visibility((sample(1, 5, firing=True),), 0).blind
    assert visibility((sample(-1, 5, firing=True), sample(1, 9, firing=True)), 0).blind


def test_the_clock_has_its_parts_and_is_projected_to_production() -> None:
    verdict = judged_by_monitoring(SEEN, WELL, MARKS, OWN)
    assert verdict.verdict is Verdict.MET
    assert verdict.rto_s == {
        **dict.fromkeys(("first_ack", "sustained"), 0.0),
        **{"detect": 3.0, "decide": 1.0, "execute": 0.0, "converge": 27.0, "total": 31.0},
    }
    slower = judged_by_monitoring(SEEN, WELL, MARKS, evolve(OWN, timing=QUICK, production=PRODUCTION))
    assert slower.measured_s == 31
    assert slower.rto_s is not None
    assert slower.rto_s["total"] > 31 + 27
    assert slower.verdict is Verdict.BREACHED
    assert "seen again after" in slower.why


@pytest.mark.parametrize(
    ("events", "verdict", "why"),
    [
        ((*WELL[:3], noted(60, what="nobody tells", holds=False)), Verdict.BREACHED, "nobody tells"),
        (WELL[:3], Verdict.UNPROVEN, "no alert says"),
        ((event(-1, 5, firing=True), *WELL), Verdict.UNPROVEN, "fired before"),
        ((*WELL, noted(60, what="a position", holds=None, unproven=True)), Verdict.UNPROVEN, "a position"),
    ],
)
def test_what_was_refuted_is_breached_and_what_was_not_seen_unproven(
    events: tuple[TimelineEvent, ...], verdict: Verdict, why: str
) -> None:
    found = judged_by_monitoring(SEEN, events, MARKS, OWN)
    assert found.verdict is verdict
    assert why in found.why


def test_an_rpo_and_steps_that_nobody_rehearsed_prove_nothing() -> None:
    kept = judged_by_monitoring(evolve(SEEN, rpo_s=Seconds(60)), WELL, MARKS, OWN)
    assert kept.verdict is Verdict.UNPROVEN
    by_hand = evolve(OWN, unrehearsed={Subject.OBSERVABILITY: Unrehearsed(("start-services",), 30.0)})
    lacking = judged_by_monitoring(SEEN, WELL, MARKS, by_hand)
    assert lacking.verdict is Verdict.UNPROVEN
    assert lacking.why.endswith("29 s are left"), "60 s are promised, and it took 31"


def test_a_folder_of_evidence_is_judged_by_its_timeline(tmp_path: Path) -> None:
    def seen(folder: Path) -> None:
        lines = [evolve(each, monotonic_ns=each.monotonic_ns + FAULT_NS).line() for each in WELL]
        with (folder / "timeline.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(lines)

    leave(tmp_path, Scenario(manifest=OWN), change=seen)
    (run,) = find_runs(tmp_path, [SEEN]).runs
    (verdict,) = run.ran
    assert (verdict.verdict, verdict.measured_s) == (Verdict.MET, 31.0)
    assert run.judgement.verdict is Verdict.MET


def test_the_drill_fits_where_prometheus_and_api_run_in_both_regions() -> None:
    kit = Kit.of(load_system(EXAMPLE), load_catalogue())
    assert not fits(lay_out(Strategy.parse("warm-standby/leafnode-mirror"), kit))
    assert "does not run in us-west-2" in fits(lay_out(Strategy.parse("pilot-light/leafnode-mirror"), kit))
    bare = evolve(kit, system=evolve(kit.system, services=kit.system.services[:1]))
    assert "no Prometheus" in fits(lay_out(Strategy.parse("warm-standby/leafnode-mirror"), bare))


def test_each_scrapes_both_regions_the_other_one_through_the_wan(tmp_path: Path) -> None:
    deployment = lay_out(Strategy.parse("warm-standby/leafnode-mirror"), Kit.of(load_system(EXAMPLE), load_catalogue()))
    book = LabAddresses(0, ("us-east-1", "us-west-2"), str(tmp_path))
    program = tmp_path / "prometheus"
    monitoring = Monitoring(deployment, book, tmp_path, True, {})
    object.__setattr__(monitoring, "program", str(program))
    (spec,) = monitoring.specs("us-west-2")
    config = (tmp_path / "prometheus-us-west-2" / "prometheus.yaml").read_text(encoding="utf-8")
    ways = {listener.at: listener.to for listener in monitoring.listeners() if listener.source == "us-west-2"}
    assert spec.command[0] == str(program)
    assert str(book.api("us-west-2")) in config
    assert [str(at) in config for at in ways] == [True]
    assert list(ways.values()) == [book.api("us-east-1")]
    rules = (tmp_path / "prometheus-us-west-2" / "rules.yaml").read_text(encoding="utf-8")
    assert "RegionUnseen" in rules

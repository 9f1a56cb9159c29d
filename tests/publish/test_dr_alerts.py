"""The rules are taken by promtool, whatever the names; and they fire when they should, in promtool's own simulator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import frozen
from needed import missing
from ruamel.yaml import YAML

from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.operate import Operate
from secondsite.model.strategy import Strategy
from secondsite.model.watching import WatchObserver, WatchPolicy
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.state import replicated, rounded
from secondsite.publish.documents.alerts import AlertRule, alerts, anchor, rules
from secondsite.publish.documents.dashboard import dashboard

WATCHED = Operate(watch=WatchPolicy(observers=(WatchObserver("west", "us-west-2", "http://west:8090"),)))
Rename = Callable[[Evaluation, Callable[[str], str]], Evaluation]


@pytest.fixture(scope="session")
def promtool() -> str:
    found = os.environ.get("PROMTOOL") or shutil.which("promtool")
    return found or missing("promtool is not installed; on Debian: apt-get install prometheus")


def of(evaluation: Evaluation, strategy: str = "") -> Inputs:
    """With a watch; with another strategy as the recommended one, where one is named."""
    evaluation = attrs.evolve(evaluation, system=attrs.evolve(evaluation.system, operate=WATCHED))
    if strategy:
        chosen = attrs.evolve(evaluation.recommendation, strategy=Strategy.parse(strategy))
        evaluation = attrs.evolve(evaluation, recommendation=chosen)
    return Inputs(evaluation, (), (), date(2026, 11, 1))


def written(inputs: Inputs) -> str:
    return rules(inputs.system.name, alerts(inputs))


def run(promtool: str, *arguments: str) -> str:
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_strategy_has_rules_that_promtool_takes(promtool: str, evaluation: Evaluation, tmp_path: Path) -> None:
    for number, assessment in enumerate(evaluation.assessments):
        (tmp_path / f"{number}.yaml").write_text(written(of(evaluation, assessment.strategy.id)), encoding="utf-8")
    assert "SUCCESS" in run(promtool, "check", "rules", *map(str, sorted(tmp_path.glob("*.yaml"))))


@pytest.mark.parametrize(
    "bite", ['"} or vector(1) #', "{{ .Labels }}{{", "\n- alert: x", "': [", "\\", "\u202e", "x" * 3000]
)
def test_hostile_names_stay_names(
    promtool: str, evaluation: Evaluation, rename: Rename, tmp_path: Path, bite: str
) -> None:
    hostile = of(rename(evaluation, lambda text: text + bite))
    path = tmp_path / "rules.yaml"
    path.write_text(written(hostile), encoding="utf-8")
    run(promtool, "check", "rules", str(path))
    plain = [alert.name for alert in alerts(of(evaluation))]
    found: Any = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    assert [rule["alert"] for rule in found["groups"][0]["rules"]] == [one.name for one in alerts(hostile)]
    assert len(plain) == len(set(plain))


def test_every_expression_of_the_dashboard_is_promql(promtool: str, evaluation: Evaluation, tmp_path: Path) -> None:
    for number, assessment in enumerate(evaluation.assessments):
        found = alerts(of(evaluation, assessment.strategy.id))
        shown = json.loads(dashboard("s", found))
        drawn = [target["expr"] for panel in shown["panels"] for target in panel["targets"]]
        assert drawn == [alert.value for alert in found]
        records = [{"record": f"panel:{place}", "expr": expression} for place, expression in enumerate(drawn)]
        with (tmp_path / f"{number}.yaml").open("w", encoding="utf-8") as file:
            YAML().dump({"groups": [{"name": "panels", "rules": records}]}, file)
    run(promtool, "check", "rules", *map(str, sorted(tmp_path.glob("*.yaml"))))


@frozen
class Case:
    """Series that are good up to minute 20 and bad from then on, and the labels that the alert then carries."""

    series: Mapping[str, str]
    labels: Mapping[str, str] = {}


LAST = "jetstream_stream_last_seq"
HOME, THERE = 'region="us-east-1"', 'region="us-west-2"'
ORIGIN = f'{LAST}{{{HOME},stream_name="EVENTS"}}'
CASES = {
    "MirrorBehind": Case(
        {ORIGIN: "0+600x60", f'{LAST}{{{THERE},stream_name="EVENTS"}}': "0+600x20 12000x40"}, {"stream_name": "EVENTS"}
    ),
    "MirrorAheadOfOrigin": Case(
        {ORIGIN: "0+600x20 0+1x40", f'{LAST}{{{THERE},stream_name="EVENTS"}}': "0+600x20 12000x40"},
        {"stream_name": "EVENTS"},
    ),
    "MirrorUnseen": Case({f'{LAST}{{{THERE},stream_name="EVENTS"}}': "0+600x20 stale"}, {"region": "us-west-2"}),
    "LeafLinkDown": Case({f"gnatsd_leafz_conn_nodes_total{{{THERE}}}": "1x20 0x40"}),
    "GatewayLinkDown": Case(
        {f'gnatsd_gatewayz_outbound_gateway_conn_idle_seconds{{{THERE},remote_gateway_name="home"}}': "5x20 900x40"},
        {"remote_gateway_name": "home"},
    ),
    "StreamBackupOld": Case({"secondsite_backup_age_seconds": "60x20 100000x40"}),
    "StreamBackupUnseen": Case({"secondsite_backup_age_seconds": "60x20 stale"}),
    "ArchiveBehind": Case({'secondsite_archive_stream_age_seconds{stream="EVENTS"}': "4x20 100000x40"}),
    "ArchiveStands": Case({"secondsite_archive_age_seconds": "4x20 600x40"}),
    "ArchiveUnseen": Case({"secondsite_archive_age_seconds": "4x20 stale"}),
    "StoreBackupOld": Case(
        {'kube_cronjob_status_last_successful_time{cronjob="db-backup"}': "0+60x20 -1000000x40"},
    ),
    "DatabaseReplicaBehind": Case({f"pg_replication_lag_seconds{{{THERE}}}": "1x20 100000x40"}),
    "SecretNotSynchronised": Case(
        {
            f'externalsecret_status_condition{{{THERE},namespace="a",name="s",condition="Ready",status="False"}}': (
                "0x20 1x40"
            )
        },
        {"region": "us-west-2", "namespace": "a", "name": "s"},
    ),
    "SecretDrift": Case(
        {
            f'secondsite_secret_digest_info{{namespace="a",name="s",digest="x",{HOME}}}': "1x60",
            f'secondsite_secret_digest_info{{namespace="a",name="s",digest="x",{THERE}}}': "1x20 stale",
            f'secondsite_secret_digest_info{{namespace="a",name="s",digest="y",{THERE}}}': "_x20 1x40",
        },
        {"namespace": "a", "name": "s"},
    ),
    "TtlDrift": Case({'secondsite_dns_ttl_seconds{host="api.example.io"}': "60x20 3600x40"}),
    "GatewayDown": Case(
        {f'probe_success{{{HOME},instance="https://api.example.io/health"}}': "1x20 0x40"}, {"region": "us-east-1"}
    ),
    "RegionUnseen": Case(
        {f'up{{job="api",{HOME}}}': "1x20 0x40", f'up{{job="api",{THERE}}}': "1x60"}, {"region": "us-east-1"}
    ),
    "StandbyNotReady": Case(
        {f'kube_deployment_status_replicas_available{{{THERE},deployment="api"}}': "2x20 0x40"}, {"deployment": "api"}
    ),
    "FailoverNotReady": Case({'secondsite_plan_ready{fault="region"}': "1x20 0x40"}, {"fault": "region"}),
    "FailoverPlanOld": Case({'secondsite_plan_age_seconds{fault="region"}': "60x20 5000x40"}, {"fault": "region"}),
    "WatchAsks": Case({"secondsite_watch_asks": "0x20 1x40"}),
    "ObserverDoesNotCount": Case(
        {f'secondsite_watch_observer_counts{{{HOME},observer="west"}}': "1x20 0x40"}, {"observer": "west"}
    ),
    "WatchUnseen": Case({'secondsite_plan_ready{fault="region"}': "1x20 stale"}),
}


def test_without_a_watch_nobody_is_told_about_one(evaluation: Evaluation) -> None:
    plain = Inputs(evaluation, (), (), date(2026, 11, 1))
    assert {one.name for one in alerts(of(evaluation))} - {one.name for one in alerts(plain)} == {
        *("FailoverNotReady", "FailoverPlanOld", "WatchAsks", "ObserverDoesNotCount", "WatchUnseen")
    }


def test_every_alert_has_a_case_and_every_case_an_alert(evaluation: Evaluation) -> None:
    every = {alert.name for a in evaluation.assessments for alert in alerts(of(evaluation, a.strategy.id))}
    assert every == set(CASES)


@pytest.mark.slow
def test_each_alert_is_silent_while_all_is_well_and_fires_when_it_is_not(
    promtool: str, evaluation: Evaluation, tmp_path: Path
) -> None:
    """In promtool's own simulator, each with its own series alone, under every strategy that has rules of its own."""
    different = {written(of(evaluation, a.strategy.id)): a for a in evaluation.assessments}
    for number, assessment in enumerate(different.values()):
        inputs = of(evaluation, assessment.strategy.id)
        (tmp_path / f"rules-{number}.yaml").write_text(written(inputs), encoding="utf-8")
        tests = [_simulated(alert, _case(alert.name, assessment.strategy.id)) for alert in alerts(inputs)]
        with (tmp_path / f"test-{number}.yaml").open("w", encoding="utf-8") as file:
            YAML().dump({"rule_files": [f"rules-{number}.yaml"], "evaluation_interval": "1m", "tests": tests}, file)
    assert "SUCCESS" in run(promtool, "test", "rules", *map(str, sorted(tmp_path.glob("test-*.yaml"))))


def _case(name: str, strategy: str) -> Case:
    """In one account space the copies carry the region's name."""
    if "supercluster" not in strategy:
        return CASES[name]
    renamed = {
        series.replace("EVENTS", "EVENTS-us-west-2") if THERE in series else series: values
        for series, values in CASES[name].series.items()
    }
    return Case(renamed, CASES[name].labels)


def _simulated(alert: AlertRule, case: Case) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [
            {"eval_time": "19m", "alertname": alert.name, "exp_alerts": []},
            {"eval_time": "58m", "alertname": alert.name, "exp_alerts": [_expected(alert, case.labels)]},
        ],
    }


def _expected(alert: AlertRule, own: Mapping[str, str]) -> dict[str, Any]:
    contract = {"contract": alert.contract} if alert.contract else {}
    told = {"summary": alert.summary, "remedy": alert.remedy, "runbook_url": f"runbook.md#{anchor(alert)}"}
    for key, value in own.items():
        told = {name: text.replace(f"{{{{ $labels.{key} }}}}", value) for name, text in told.items()}
    return {"exp_labels": {**own, "severity": alert.severity, **contract}, "exp_annotations": told}


def test_thresholds_lie_between_what_is_usual_and_what_is_promised(evaluation: Evaluation) -> None:
    for assessment in evaluation.assessments:
        for one in replicated(assessment):
            if one.limit_s is not None and not one.too_slow:
                assert one.usual_s <= one.alert_s <= one.limit_s
            elif one.limit_s is not None:
                assert one.alert_s == one.limit_s


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(150.0, 150.0), (200.0, 180.0), (1801.0, 1800.0), (0.2, 1.0), (45.0, 40.0), (9000.0, 9000.0), (90000.0, 90000.0)],
)
def test_thresholds_are_numbers_that_people_use(seconds: float, shown: float) -> None:
    assert rounded(seconds) == shown

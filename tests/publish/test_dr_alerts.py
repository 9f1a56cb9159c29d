"""The rules are taken by promtool, whatever the names; and they fire when they should, in promtool's own simulator."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import attrs
import pytest
from ruamel.yaml import YAML

from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.strategy import Strategy
from secondsite.publish.alerts import alerts, rules
from secondsite.publish.inputs import Inputs
from secondsite.publish.state import replicated, rounded

Rename = Callable[[Evaluation, Callable[[str], str]], Evaluation]


@pytest.fixture(scope="session")
def promtool() -> str:
    found = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if found is None:
        remedy = "promtool is not installed; on Debian: apt-get install prometheus"
        if os.environ.get("CI") == "true":
            pytest.fail(remedy)
        pytest.skip(remedy)
    return found


def of(evaluation: Evaluation, strategy: str = "") -> Inputs:
    """With another strategy as the recommended one, where one is named."""
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


def test_they_fire_in_promtools_simulator(promtool: str, evaluation: Evaluation, tmp_path: Path) -> None:
    """A mirror that stops falls behind in seconds of the origin's rate; a backup ages; secrets differ."""
    inputs = of(evaluation)
    (tmp_path / "rules.yaml").write_text(written(inputs), encoding="utf-8")
    labels = {"MirrorBehind": "stream_name: EVENTS", "SecretDrift": "namespace: a, name: s"}
    severity = {alert.name: alert for alert in alerts(inputs)}
    series = {
        'jetstream_stream_last_seq{region="us-east-1",stream_name="EVENTS"}': "0+600x60",
        'jetstream_stream_last_seq{region="us-west-2",stream_name="EVENTS"}': "0+600x20 12000x40",
        'gnatsd_leafz_conn_nodes_total{region="us-west-2"}': "1x20 0x40",
        "secondsite_backup_age_seconds": "0+300x60",
        'secondsite_secret_digest_info{namespace="a",name="s",digest="x",region="us-east-1"}': "1x60",
        'secondsite_secret_digest_info{namespace="a",name="s",digest="y",region="us-west-2"}': "_x20 1x40",
        'secondsite_dns_ttl_seconds{host="api.example.io"}': "60x20 3600x40",
    }
    names = ("MirrorBehind", "LeafLinkDown", "StreamBackupOld", "SecretDrift", "TtlDrift")
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [{"eval_time": "19m", "alertname": name, "exp_alerts": []} for name in names]
            + [
                {"eval_time": "55m", "alertname": name, "exp_alerts": [_expected(severity[name], labels.get(name, ""))]}
                for name in names
            ],
        }
    ]
    with (tmp_path / "test.yaml").open("w", encoding="utf-8") as file:
        YAML().dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}, file)
    assert "SUCCESS" in run(promtool, "test", "rules", str(tmp_path / "test.yaml"))


def _expected(alert: Any, labels: str) -> dict[str, Any]:
    own = dict(part.split(": ") for part in labels.split(", ")) if labels else {}
    contract = {"contract": alert.contract} if alert.contract else {}
    told = {"summary": alert.summary, "remedy": alert.remedy}
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

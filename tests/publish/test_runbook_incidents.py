"""What the runbook says before its first command: how bad it is, who is woken, and when nobody fails over."""

from __future__ import annotations

import re
import shlex
from datetime import date

import pytest
from attrs import evolve
from ruamel.yaml import YAML

from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.external_service import ExternalService
from secondsite.model.fault import Fault
from secondsite.model.strategy import Switch
from secondsite.operate.action import ManualContext
from secondsite.operate.verbs import commands
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.sources import Sources
from secondsite.publish.documents.document_set import ALERTS, RUNBOOK, files
from secondsite.publish.runbook.by_hand import SHOWS_ITSELF, by_hand_s, checks
from secondsite.publish.runbook.incidents import gradually, gray, levels, tightest_rto_s
from secondsite.publish.runbook.runbook import section


@pytest.fixture(scope="module")
def inputs(evaluation: Evaluation) -> Inputs:
    return Inputs(evaluation, (), (), date(2026, 11, 1))


def test_who_is_woken_follows_from_the_tightest_promise(inputs: Inputs) -> None:
    rto_s = tightest_rto_s(inputs)
    assert rto_s is not None
    told = str(levels(inputs, Sources(inputs.system))).replace("\u00a0", " ")
    first = next(line for line in told.splitlines() if "P0" in line)
    assert f"{rto_s / 5:g} s" in first
    assert [level for level in ("P0", "P1", "P2", "P3") if level in told] == ["P0", "P1", "P2", "P3"]
    bare = evolve(inputs.evaluation, assessments=tuple(evolve(a, outcomes=()) for a in inputs.evaluation.assessments))
    unpromised = evolve(inputs, evaluation=bare)
    assert tightest_rto_s(unpromised) is None
    assert "60 s [[a1]]" in str(levels(unpromised, Sources(inputs.system))).replace("\u00a0", " "), "then it is assumed"


def test_every_alert_leads_to_a_chapter_that_is_there(inputs: Inputs) -> None:
    published = files(evolve(inputs, published="https://git.example/docs/"))
    rules = YAML(typ="safe").load(published[ALERTS])["groups"][0]["rules"]
    urls = [rule["annotations"]["runbook_url"] for rule in rules]
    assert len(urls) > 8
    anchors = set(re.findall(r'<a id="([^"]+)">', published[RUNBOOK]))
    assert {url.partition("#")[0] for url in urls} == {"https://git.example/docs/runbook.md"}
    assert {url.partition("#")[2] for url in urls} <= anchors
    assert "runbook_url: runbook.md#dr-severity" in files(inputs)[ALERTS]


def test_an_attack_is_no_reason_to_fail_over_and_a_gray_region_has_numbers(inputs: Inputs) -> None:
    told = section(inputs, Sources(inputs.system))
    attack = told.split("### When it is an attack")[1].split("\n### ")[0]
    assert "**Do not fail over:**" in attack
    assert "secondsite watch maintain" in attack
    gray = told.split("### When a live region counts as failed")[1].split('<a id="dr-attack">')[0]
    assert len(re.findall(r"\d+ % of requests|\d+ attempts|than \d+\ss", gray)) == 3
    assert "### What both regions depend on" in told


def test_services_of_others_are_asked_from_where_they_will_be_called(inputs: Inputs) -> None:
    stripe = ExternalService("api.stripe.com", "payments", ("api",), allow_list=True)
    audit = ExternalService("audit.example.net", "", ("batch",), allow_list=False, webhooks=False)
    system = evolve(inputs.system, external_services=(stripe, audit))
    known = evolve(inputs, evaluation=evolve(inputs.evaluation, system=system))
    told = section(known, Sources(system)).split("### What both regions depend on")[1].split("\n### ")[0]
    rows = [" ".join(row.split()) for row in told.splitlines() if row.startswith("| `a")]
    assert "| payments | `api` | yes: list the addresses of us-west-2 as well | not known | not known |" in rows[0]
    assert "| not known | `batch` | no | no | not known |" in rows[1]
    typed = told.split("```sh\n")[1].split("```")[0].splitlines()
    inside = "kubectl --context us-west-2 --request-timeout=10s -n default exec deployment/api -- curl"
    assert [line.startswith(inside) for line in typed] == [True, True], "the service, and the address it is called from"
    assert shlex.split(typed[0])[-3:] == ["-w", "%{http_code} %{remote_ip}\\n", "https://api.stripe.com/"]
    unknown = evolve(inputs, evaluation=evolve(inputs.evaluation, system=evolve(system, external_services=())))
    assert "found no call to a host outside the cluster" in section(unknown, Sources(system))


def test_only_weighted_records_bring_clients_back_in_shares(inputs: Inputs) -> None:
    assert "moves all clients at once" in str(gradually(inputs, Sources(inputs.system)))
    weighted = evolve(inputs.chosen.strategy, switch=Switch.WEIGHTED)
    chosen = evolve(inputs.chosen, deployment=evolve(inputs.chosen.deployment, strategy=weighted))
    found = evolve(inputs.evaluation, assessments=(*inputs.evaluation.assessments[:1], chosen))
    found = evolve(found, recommendation=evolve(found.recommendation, strategy=weighted))
    told = str(gradually(evolve(inputs, evaluation=found), Sources(inputs.system)))
    assert "10 %, 50 %, 100 %" in told
    assert "ResourceRecordSet: (.Weight = $weight)" in told


def test_a_step_that_is_typed_has_a_check_that_is_typed(inputs: Inputs) -> None:
    """Or its own commands show it; and a person is given more time than the executor takes."""
    chosen = inputs.chosen
    assert chosen.failback
    procedures = [*chosen.procedures.items(), (None, chosen.failback)]
    unchecked = set()
    for fault, procedure in procedures:
        for step in (one for one in procedure.steps if not one.blocked):
            context = ManualContext(chosen.deployment, procedure, "us-west-2", fault)
            typed = commands(context, step)
            if typed and not checks(context, step) and step.verb not in SHOWS_ITSELF:
                unchecked.add((fault, step.id))
            assert by_hand_s(step, typed) >= step.duration.quantile(0.5) + 60
    assert not unchecked


def test_a_system_without_a_host_has_requests_all_the_same(inputs: Inputs) -> None:
    chosen = inputs.chosen
    nowhere = evolve(chosen.deployment, traffic=evolve(chosen.deployment.traffic, host=""))
    kept = tuple(evolve(one, deployment=nowhere) if one is chosen else one for one in inputs.evaluation.assessments)
    bare = evolve(inputs, evaluation=evolve(inputs.evaluation, assessments=kept))
    assert "of requests fail" in str(gray(bare, Sources(inputs.system))).replace("\u00a0", " ")
    assert "of requests to `" in str(gray(inputs, Sources(inputs.system))).replace("\u00a0", " ")


def test_the_table_for_people_has_the_times_of_people(inputs: Inputs) -> None:
    """A limit of seconds in it had somebody escalated before the first command was read."""
    text = section(inputs, Sources(inputs.system)).replace("\u00a0", " ")
    chapter = text.split("### Fault: region")[1].split("#### 1.")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in chapter.splitlines() if line[:1] == "|"]
    head = [re.sub(r" \[\[.*", "", cell) for cell in rows[0]]
    assert head == ["Step", "What", "Who", "After", "By hand", "Escalate after", "Restored"]
    procedure = inputs.chosen.procedures[Fault.REGION]
    assert len(rows) - 2 == len(procedure.steps)
    for row, step in zip(rows[2:], procedure.steps, strict=True):
        hand, late = (_seconds(row[column]) for column in (4, 5))
        assert hand >= 60, f"{step.id}: nobody reads and types in {row[4]}"
        assert late == 2 * hand
        assert row[3] == "–" or [int(one) for one in row[3].split(", ")] == sorted(
            int(one) for one in row[3].split(", ")
        )


def _seconds(cell: str) -> float:
    units = {"s": 1, "min": 60, "h": 3600}
    return sum(float(size) * units[unit] for size, unit in re.findall(r"([\d.]+) (s|min|h)\b", cell))

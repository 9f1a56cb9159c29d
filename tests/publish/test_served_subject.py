"""What clients wait for heads the comparison: the API, or the streams of a system whose clients speak NATS."""

from __future__ import annotations

import re
from datetime import date
from io import StringIO

import pytest
from attrs import evolve
from kinds import SYSTEMS
from rich.console import Console

from secondsite.catalogue.bundle import load_catalogue
from secondsite.discover.system_file.reading import load_system
from secondsite.evaluate.compare import compare
from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.contract import Subject
from secondsite.model.strategy import Strategy
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.sources import Sources
from secondsite.publish.page.evaluation import render_html
from secondsite.publish.runbook.runbook import section
from secondsite.publish.terminal.evaluation import render_many, render_text

AS_OF = date(2026, 11, 1)
FEW = tuple(map(Strategy.parse, ("single-region/none/manual", "warm-standby/leafnode-mirror")))


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    system = load_system(SYSTEMS / "no-api.yaml")
    contracts = tuple(each for each in system.contracts if each.subject is not Subject.API)
    return compare(evolve(system, contracts=contracts), load_catalogue(), lambda *_: (), years=300, strategies=FEW)


def _printed(shown: object) -> str:
    to = StringIO()
    Console(file=to, width=100).print(shown)
    return to.getvalue()


def test_without_an_api_the_streams_are_what_comes_back(evaluation: Evaluation) -> None:
    shown = StringIO()
    render_text(evaluation, Console(file=shown, width=100))
    compared = shown.getvalue().split("The strategies")[1]
    assert compared.index("NATS RTO") < compared.index("leafnode-mirror")
    assert re.search(r"leafnode-mirror +[0-9]", compared)
    page = render_html(evaluation)
    assert "NATS RTO" in page
    assert "API RTO" not in shown.getvalue() + page


def test_of_many_systems_each_has_its_own(evaluation: Evaluation) -> None:
    assert re.search(r"leafnode-mirror +[0-9]", _printed(render_many([evaluation])))


def test_the_runbook_of_a_system_without_a_name_says_so(evaluation: Evaluation) -> None:
    """With the name left out, sentences had a hole, and commands changed the record of service.example.com."""
    system = evaluation.system
    traffic = evolve(system.traffic, host="")
    nameless = tuple(
        evolve(one, deployment=evolve(one.deployment, traffic=evolve(one.deployment.traffic, host="")))
        for one in evaluation.assessments
    )
    inputs = Inputs(evolve(evaluation, system=evolve(system, traffic=traffic), assessments=nameless), (), (), AS_OF)
    text = section(inputs, Sources(inputs.system))
    assert "`traffic: host:` in `secondsite.yaml` is empty" in text
    for wrong in ("service.example.com", "requests to  fail", "\n, TTL", "``,", "its API answers", "the API does not"):
        assert wrong not in text, wrong
    for line in (line for line in text.splitlines() if line.startswith("dig ")):
        assert '"$HOST"' in line

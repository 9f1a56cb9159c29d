"""What clients wait for heads the comparison: the API, or the streams of a system whose clients speak NATS."""

from __future__ import annotations

import re
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
from secondsite.publish.page.evaluation import render_html
from secondsite.publish.terminal.evaluation import render_many, render_text

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

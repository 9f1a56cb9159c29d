"""The page for who decides: the budget, how sure the choice is, and what is asked follow from the figures."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import attrs
import pytest
from reported import drilled

from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.contract import Subject, Verdict
from secondsite.model.service import Role
from secondsite.model.store import Loss
from secondsite.publish.content.confidence import confidence
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.sources import Sources
from secondsite.publish.documents import summary


def page(evaluation: Evaluation, **more: Any) -> str:
    inputs = attrs.evolve(Inputs(evaluation, (), (), date(2026, 11, 23)), **more)
    return summary.document(inputs, Sources(evaluation.system)).replace("\u00a0", " ")


def budgeted(evaluation: Evaluation, budget: float | None) -> Evaluation:
    economics = attrs.evolve(evaluation.system.economics, budget_usd_per_month=budget)
    return attrs.evolve(evaluation, system=attrs.evolve(evaluation.system, economics=economics))


def test_the_first_sentence_tells_what_databases_lose_as_well(evaluation: Evaluation) -> None:
    """Who signs reads it alone; it spoke of milliseconds of messages where minutes of rows go."""
    state = evaluation.recommended.outcome(Subject.STATE)
    streams = evaluation.recommended.outcome(Subject.NATS)
    assert state is not None
    assert streams is not None
    assert state.rpo.quantile(0.5) > 60 * streams.rpo.quantile(0.5)
    first = next(line for line in page(evaluation).splitlines() if line.startswith("**"))
    assert re.search(
        r"of acknowledged messages are lost, and up to \d+ min( \d+ s)? of writes to postgres and qdrant", first
    )
    caches = tuple(attrs.evolve(store, loss=Loss.CACHE) for store in evaluation.system.stores)
    without = attrs.evolve(evaluation, system=attrs.evolve(evaluation.system, stores=caches))
    first = next(line for line in page(without).splitlines() if line.startswith("**"))
    assert "of acknowledged writes are lost, for $" in first


def test_one_contract_is_counted_as_one(evaluation: Evaluation) -> None:
    shown = attrs.evolve(
        evaluation, assessments=tuple(attrs.evolve(one, outcomes=one.outcomes[:1]) for one in evaluation.assessments)
    )
    assert "**1 contract: " in page(shown)


@pytest.mark.parametrize(
    ("budget", "said", "asked"),
    [
        (100.0, "a month above** the budget of $100.", "1. Raise the budget from $100 to $"),
        (1e6, "a month below the budget of $1,000,000.", ""),
        (None, "`secondsite.yaml` has no budget.", "1. Write a budget into `secondsite.yaml`"),
    ],
)
def test_the_bill_is_held_against_the_budget(
    evaluation: Evaluation, budget: float | None, said: str, asked: str
) -> None:
    found = page(budgeted(evaluation, budget))
    assert said in found
    assert asked in found
    assert ("Raise the budget" in found) is (budget == 100.0)


@pytest.mark.parametrize(("share", "word"), [(0.8, "High"), (0.79, "Medium"), (0.5, "Medium"), (0.49, "Low")])
def test_how_sure_it_is_begins_with_a_word(evaluation: Evaluation, share: float, word: str) -> None:
    firm = attrs.evolve(evaluation.recommendation, stability=share)
    assert confidence(firm).startswith(f"{word}: it wins in {100 * share:.0f}")
    assert f"\n{word}: it wins in " in page(attrs.evolve(evaluation, recommendation=firm))


def test_a_system_without_an_api_is_told_of_its_streams(evaluation: Evaluation) -> None:
    """A queue and its workers have no API that could come back."""
    system = evaluation.system
    services = tuple(one for one in system.services if one.role is not Role.API)
    contracts = tuple(one for one in system.contracts if one.subject is not Subject.API)
    assert "is lost, the API is expected back in" in page(evaluation)
    assert "is lost, writing is expected back in" in page(
        attrs.evolve(evaluation, system=attrs.evolve(system, services=services, contracts=contracts))
    )
    promised = attrs.evolve(evaluation, system=attrs.evolve(system, services=services))
    assert "is lost, the API is expected back in" in page(promised)


def test_a_contract_that_a_drill_breached_is_not_to_be_promised(evaluation: Evaluation) -> None:
    strategy = evaluation.recommendation.strategy.id
    breached = drilled(strategy=strategy, verdict=Verdict.BREACHED)
    assert "Stop promising" not in page(evaluation)
    found = page(evaluation, measurements=(breached,), as_of=date.fromisoformat(breached.at[:10]))
    assert f"Stop promising `{breached.about}/{breached.fault}` until a drill meets it" in found


def test_today_stands_beside_the_recommendation(evaluation: Evaluation) -> None:
    row = next(line for line in page(evaluation).split("\n") if line.startswith("| `api/region`"))
    _, _, limit, today, recommended, shown, _ = (cell.strip() for cell in row.split("|"))
    assert "RTO 5 min" in limit
    assert today.startswith("**breached**: RTO unbounded")
    assert recommended.startswith("RTO ~")
    assert shown == "**unproven**"

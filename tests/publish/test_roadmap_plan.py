"""The way there: what each step wins adds up, tasks stand in an order that can be done, and the stop is computed."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from secondsite.catalogue.figures import load_figures
from secondsite.evaluate.evaluation import Evaluation
from secondsite.publish.content.inputs import Inputs
from secondsite.publish.content.roadmap import RoadmapStep, roadmap, why_stop
from secondsite.publish.content.tasks import as_json, as_markdown, tasks

EXAMPLE = Path(__file__).parents[2] / "examples/kgents"


@pytest.fixture(scope="module")
def steps(evaluation: Evaluation) -> tuple[RoadmapStep, ...]:
    return roadmap(Inputs(evaluation, (), (), date(2026, 11, 1)), "aws")


def test_the_stop_is_the_recommendation(steps: tuple[RoadmapStep, ...], evaluation: Evaluation) -> None:
    (stop,) = [step for step in steps if step.stop]
    assert stop.assessment.strategy == evaluation.recommendation.strategy
    assert all(step.beyond == (step.number > stop.number) for step in steps)
    assert "expected to hold" in why_stop(steps)


def test_money_and_contracts_add_up(steps: tuple[RoadmapStep, ...], evaluation: Evaluation) -> None:
    today = evaluation.assessments[0]
    broken = {outcome.contract.name for outcome in today.breached}
    running = 0.0
    for step in steps:
        running += step.added_new_usd.mean
        assert step.cumulative_usd.mean == pytest.approx(running)
        broken -= set(step.won)
        assert broken == set(step.breached)
        assert step.low_hours <= step.hours.mean <= step.high_hours
    saved = sum(step.saves_usd.mean for step in steps)
    last = steps[-1].assessment.expected_loss_usd.mean
    assert saved == pytest.approx(today.expected_loss_usd.mean - last)


def test_tasks_can_be_done_in_their_order(steps: tuple[RoadmapStep, ...]) -> None:
    for step in steps:
        done: set[str] = set()
        for task in tasks(step):
            assert set(task.after) <= done, (step.slug, task.id)
            assert task.id not in done
            done.add(task.id)
        assert {need.id for need in step.deliverables} < done


def test_both_forms_say_the_same(steps: tuple[RoadmapStep, ...]) -> None:
    for step in steps:
        found = json.loads(json.dumps(as_json(step)))
        lines = as_markdown(step).split("\n")
        assert found["schema"] == "secondsite/plan/1"
        assert len([line for line in lines if line.startswith("- [ ] ")]) == len(found["tasks"])
        assert found["step"]["wins"] == list(step.won)


def test_a_step_that_wins_contracts_ends_with_their_verdicts(steps: tuple[RoadmapStep, ...]) -> None:
    for step in steps:
        last = step.exit_tests[-1]
        assert ("secondsite verify" in last) == bool(step.won)
        assert all(f'"{name}"' in last for name in step.won)


def test_drills_cost_the_hours_that_the_calendar_of_the_example_has() -> None:
    """136 hours a year: the figure that bills take, and the sum over what is scheduled."""
    schedule = (EXAMPLE / "docs/saas/dr-test-schedule.md").read_text("utf-8")
    (hours,) = re.findall(r"About (\d+) hours", schedule)
    assert load_figures()["drill.people-hours"].mean * 12 == pytest.approx(float(hours), rel=0.01)

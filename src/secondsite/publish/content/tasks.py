"""A step of the roadmap as tasks: each can be pasted into an issue tracker as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from secondsite.model.wording import number
from secondsite.publish.content.roadmap import NEEDS, RoadmapStep
from secondsite.publish.text.markdown import Md, code, text

SCHEMA = "secondsite/plan/1"


@frozen
class Task:
    """``hours`` is a range, None for what takes no time of its own. ``after`` are ids of tasks to be done first."""

    id: str
    title: str
    because: str
    without: str
    hours: tuple[float, float] | None
    done: tuple[str, ...]
    after: tuple[str, ...]
    labels: tuple[str, ...]


def tasks(step: RoadmapStep) -> tuple[Task, ...]:
    """Deliverables in an order in which they can be done, then the test and the decision."""
    return tuple(_tasks(step))


def _tasks(step: RoadmapStep) -> Iterator[Task]:
    here = {need.id for need in step.deliverables}
    for number_, condition in enumerate(step.prerequisites, 1):
        yield Task(f"prerequisite-{number_}", f"Check: {condition}", "", "", None, (), (), (step.slug, "prerequisite"))
    for need in sorted(step.deliverables, key=lambda one: _depth(one.id, here)):
        hours = (need.hours.quantile(0.05), need.hours.quantile(0.95))
        after = tuple(name for name in NEEDS.get(need.id, ()) if name in here)
        labels = (step.slug, "deliverable")
        yield Task(need.id, _capital(need.what), need.why, need.without, hours, (), after, labels)
    all_work = tuple(need.id for need in step.deliverables)
    yield Task("exit-test", "Run the exit test", "", "", None, step.exit_tests, all_work, (step.slug, "test"))
    yield Task(
        "decide",
        "Decide on the next step",
        "; ".join(step.criteria),
        "",
        None,
        (),
        ("exit-test",),
        (step.slug, "decision"),
    )


def _depth(name: str, here: set[str]) -> int:
    return 1 + max((_depth(one, here) for one in NEEDS.get(name, ()) if one in here), default=0)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def as_markdown(step: RoadmapStep) -> str:
    lines = [
        f"## {step.number}. {text(_capital(step.name))}",
        "",
        f"Strategy {code(step.assessment.strategy.id)}; {_range(step.low_hours, step.high_hours)}. "
        f"To undo it: {text(step.rollback)}.",
        "",
    ]
    for task in tasks(step):
        hours = f" ({_range(*task.hours)})" if task.hours else ""
        lines.append(f"- [ ] **{text(task.title)}**{hours}")
        lines += [f"  - {label}: {detail}" for label, detail in _details(task)]
    return "\n".join(lines) + "\n"


def _details(task: Task) -> Iterator[tuple[str, Md]]:
    if task.because:
        yield "Why", text(task.because)
    if task.without:
        yield "Without it", text(task.without)
    for done in task.done:
        yield "Done when this command exits 0", code(done)
    if task.after:
        yield "After", Md(", ".join(code(name) for name in task.after))


def _range(low: float, high: float) -> str:
    return f"{number(low)} to {number(high)} hours"


def as_json(step: RoadmapStep) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "step": {
            "number": step.number,
            "name": step.name,
            "slug": step.slug,
            "strategy": step.assessment.strategy.id,
            "hours": {"low": step.low_hours, "high": step.high_hours},
            "added_usd_per_month": step.added_usd.mean,
            "added_people_usd_per_month": step.added_people_usd.mean,
            "wins": list(step.won),
            "rollback": step.rollback,
            "stop_here": step.stop,
        },
        "tasks": [
            {
                "id": task.id,
                "title": task.title,
                "why": task.because,
                "without": task.without,
                "hours": None if task.hours is None else {"low": task.hours[0], "high": task.hours[1]},
                "done_when": list(task.done),
                "after": list(task.after),
                "labels": list(task.labels),
            }
            for task in tasks(step)
        ],
    }

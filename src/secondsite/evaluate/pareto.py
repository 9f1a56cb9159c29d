"""The strategies that no other beats in everything at once."""

from __future__ import annotations

from collections.abc import Sequence

from secondsite.evaluate.evaluation import Assessment
from secondsite.model.strategy import Strategy


def pareto(assessments: Sequence[Assessment], provider: str) -> tuple[Strategy, ...]:
    """Over: monthly cost, contracts breached, mean downtime, and messages at risk when the region goes."""
    points = [(a.strategy, _objectives(a, provider)) for a in assessments]
    return tuple(s for s, point in points if not any(_dominates(other, point) for _, other in points))


def _objectives(assessment: Assessment, provider: str) -> tuple[float, ...]:
    risk = assessment.outcome("nats")
    return (
        assessment.monthly_usd[provider].mean,
        float(len(assessment.breached)),
        assessment.downtime_minutes.mean,
        risk.messages_at_risk.mean if risk else 0.0,
    )


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))

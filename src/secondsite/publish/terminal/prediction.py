"""How far a prediction had been off, step by step, for a person and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from secondsite.evaluate.calibrate import Prediction
from secondsite.model.wording import duration, number


def prediction_table(predictions: Sequence[Prediction]) -> Table:
    """``now measured``: the evaluation used the measured value."""
    table = Table(title="\nPredicted and measured, by step", title_justify="left", title_style="bold", box=None)
    for name, right in (
        ("step", False),
        ("expected, to 95 %", True),
        ("measured", True),
        ("runs", True),
        ("off by", True),
        ("", False),
    ):
        table.add_column(name, justify="right" if right else "left", header_style="dim", no_wrap=right, overflow="fold")
    strategy = ""
    for one in predictions:
        if one.strategy != strategy:
            strategy = one.strategy
            table.add_row(strategy, style="bold")
        used = "now measured" if one.used else ""
        expected = f"{duration(one.expected.quantile(0.5))} to {duration(one.expected.quantile(0.95))}"
        table.add_row(f" {one.step}", expected, duration(one.middle_s), str(len(one.measured)), _off(one), used)
    return table


def prediction_json(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    return [
        {
            "strategy": one.strategy,
            "step": one.step,
            "figure": one.expected.name,
            "expected_s": {f"p{round(100 * p):02}": one.expected.quantile(p) for p in (0.05, 0.5, 0.95)},
            "measured_s": list(one.measured),
            "factor": one.factor,
            "used": one.used,
        }
        for one in predictions
    ]


def _off(one: Prediction) -> str:
    if one.factor is None:
        return ""
    return f"× {number(one.factor)}{' !' if one.surprising else ''}"

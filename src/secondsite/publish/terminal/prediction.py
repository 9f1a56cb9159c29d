"""How far a prediction had been off, step by step, for a person and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from secondsite.evaluate.calibrate import ContractPrediction, Prediction
from secondsite.model.estimate import Estimate
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


def contract_table(predictions: Sequence[ContractPrediction]) -> Table:
    """Of each contract that was drilled: what a lab was expected to show, before and with what drills measured."""
    table = Table(title="\nPredicted and measured, by contract", title_justify="left", title_style="bold", box=None)
    columns = ("contract", "expected, 90 %", "with drills", "measured", "runs", "ratio")
    for name in columns:
        left = name == "contract"
        table.add_column(
            name, justify="left" if left else "right", header_style="dim", no_wrap=not left, overflow="fold"
        )
    strategy = ""
    for one in predictions:
        if one.strategy != strategy:
            strategy = one.strategy
            table.add_row(strategy, style="bold")
        ratio = f"{one.ratio:.2f}{' !' if one.surprising else ''}"
        calibrated, middle = duration(one.calibrated.quantile(0.5)), duration(one.middle_s)
        table.add_row(f" {one.contract.name}", _band(one), calibrated, middle, str(len(one.measured)), ratio)
    return table


def surprises(predictions: Sequence[ContractPrediction]) -> tuple[str, ...]:
    """What has to be read before any figure: contracts whose measurements lie outside of what was expected."""
    return tuple(
        f"{one.contract.name} of {one.strategy}: drills measured {duration(one.middle_s)}, expected was {_band(one)}: "
        "trust the measurement, and find out why"
        for one in predictions
        if one.surprising
    )


def contract_json(predictions: Sequence[ContractPrediction]) -> list[dict[str, Any]]:
    return [
        {
            "strategy": one.strategy,
            "subject": one.contract.about,
            "fault": str(one.contract.fault),
            "expected_s": _quantiles(one.before),
            "calibrated_s": _quantiles(one.calibrated),
            "measured_s": list(one.measured),
            "ratio": one.ratio,
            "outside": one.surprising,
        }
        for one in predictions
    ]


def _band(one: ContractPrediction) -> str:
    low, high = (duration(one.before.quantile(p)) for p in (0.05, 0.95))
    return low if low == high else f"{low} to {high}"


def _quantiles(estimate: Estimate) -> dict[str, float | None]:
    return {f"p{round(100 * p):02}": None if estimate.unbounded else estimate.quantile(p) for p in (0.05, 0.5, 0.95)}


def _off(one: Prediction) -> str:
    if one.factor is None:
        return ""
    return f"× {number(one.factor)}{' !' if one.surprising else ''}"

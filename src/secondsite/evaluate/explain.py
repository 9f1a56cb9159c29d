"""From a figure to its inputs and sources: a tree of estimates, down to the rows of the catalogue."""

from __future__ import annotations

from difflib import get_close_matches

from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.errors import InputError
from secondsite.model.estimate import Estimate
from secondsite.model.strategy import Strategy
from secondsite.strategies.registry import MIXED, SPREAD, STRATEGIES


def find(evaluation: Evaluation, name: str) -> Estimate:
    """``STRATEGY:FIGURE``: ``warm-standby/leafnode-mirror:api/region/rto``. Raises InputError with near names."""
    strategy, _, figure = name.partition(":")
    known = {assessment.strategy.id: assessment for assessment in evaluation.assessments}
    if strategy not in known:
        raise InputError.at("--explain", f"unknown strategy {strategy!r}", _near(strategy, tuple(known)))
    figures = dict(known[strategy].figures())
    if figure not in figures:
        raise InputError.at("--explain", f"{strategy} has no figure {figure!r}", _near(figure, tuple(figures)))
    return figures[figure]


def parse_strategy(text: str) -> Strategy:
    """Raises InputError for what is not one of the strategies; the near ones are named."""
    known = {strategy.id: strategy for strategy in (*STRATEGIES, *MIXED, SPREAD)}
    if text not in known:
        what = f"unknown strategy {text!r} (docs/strategies.md lists the exclusions and their reasons)"
        raise InputError.at("--strategy", what, _near(text, tuple(known)))
    return known[text]


def lines(estimate: Estimate, indent: int = 0) -> list[str]:
    """The tree as text, each figure with its value, how it was derived or where it was taken from."""
    pad = "  " * indent
    how = f"= {estimate.formula}" if estimate.formula else ""
    first = f"{pad}{estimate.name}: {value(estimate)}  [{estimate.provenance}] {how}".rstrip()
    rows = [first, f"{pad}  source: {estimate.source}"] if estimate.source else [first]
    if estimate.plausible != (1.0, 1.0):
        low, high = estimate.plausible
        rows.append(
            f"{pad}  range × {low:.2g} to × {high:.2g}" + (f"; settle: {estimate.settle}" if estimate.settle else "")
        )
    for part in dict.fromkeys(estimate.inputs):
        rows += lines(part, indent + 1)
    return rows


def value(estimate: Estimate) -> str:
    """One value where there is no spread, else the median with its 5 and 95 % quantiles."""
    if estimate.unbounded:
        return "unbounded"
    low, middle, high = (estimate.quantile(p) for p in (0.05, 0.5, 0.95))
    if low == high:
        return f"{middle:,.4g} {estimate.unit}"
    return f"{middle:,.4g} {estimate.unit} ({low:,.4g} to {high:,.4g})"


def _near(name: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(name, known, n=4, cutoff=0.3) or known[:4]
    return "write one like " + ", ".join(close)

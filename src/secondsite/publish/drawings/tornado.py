"""The tornado: what the recommendation costs to own when one assumption alone is at the low or high end of its range.

The figures are those of `evaluate.tornado`; here it is only decided which are shown, and how they read.
"""

from __future__ import annotations

import math

from attrs import frozen

from secondsite.evaluate.evaluation import Evaluation, Swing, Tornado
from secondsite.model.strategy import Strategy
from secondsite.model.wording import dollars
from secondsite.publish.drawings import charts
from secondsite.publish.text.nonbreaking import quantity, span

SHOWN = 12
_MARGIN = 0.02


@frozen
class AssumptionBar:
    """One assumption. ``low_to`` and ``high_to`` are what is recommended at that end, None where it stays.

    ``drawing`` is an inline bar; ``at_low`` and ``at_high`` are shares of the axis, for other drawings.
    """

    name: str
    source: str
    settle: str
    today: str
    low: str
    high: str
    between: str
    low_usd: str
    high_usd: str
    low_to: Strategy | None
    high_to: Strategy | None
    at_low: float
    at_high: float
    drawing: str


@frozen
class TornadoDrawing:
    """``low_usd`` and ``high_usd`` are the ends of the axis; ``rest`` assumptions move less than ``rest_usd`` each."""

    owning: str
    base: float
    low_usd: float
    high_usd: float
    bars: tuple[AssumptionBar, ...]
    rest: int
    rest_usd: str


def tornado(evaluation: Evaluation) -> TornadoDrawing | None:
    """None where owning has no bound, or nothing moves it."""
    drawn, chosen = evaluation.recommendation.tornado, evaluation.recommendation.strategy
    swings = [swing for swing in drawn.swings if swing.width_usd >= 1]
    if not math.isfinite(drawn.owning_usd) or not swings:
        return None
    shown, hidden = swings[:SHOWN], drawn.swings[len(swings[:SHOWN]) :]
    low, high = _ends(drawn, shown)
    return TornadoDrawing(
        owning=dollars(drawn.owning_usd),
        base=_share(drawn.owning_usd, low, high),
        low_usd=low,
        high_usd=high,
        bars=tuple(_bar(swing, chosen, drawn.owning_usd, low, high) for swing in shown),
        rest=len(hidden),
        rest_usd=dollars(shown[-1].width_usd),
    )


def _ends(swings: Tornado, shown: list[Swing]) -> tuple[float, float]:
    usd = [one for swing in shown for one in (swing.low_usd, swing.high_usd) if math.isfinite(one)]
    low, high = min([swings.owning_usd, *usd]), max([swings.owning_usd, *usd])
    margin = (high - low or high or 1.0) * _MARGIN
    return max(0.0, low - margin), high + margin


def _share(usd: float, low: float, high: float) -> float:
    return min(1.0, (usd - low) / (high - low))


def _bar(swing: Swing, chosen: Strategy, owning: float, low: float, high: float) -> AssumptionBar:
    base = _share(owning, low, high)
    at_low, at_high = _share(swing.low_usd, low, high), _share(swing.high_usd, low, high)
    pieces = [
        charts.Segment(min(at, base), abs(at - base), kind, f"{quantity(value, swing.unit)}: {dollars(usd)}")
        for kind, at, value, usd in (
            ("swing-low", at_low, swing.low, swing.low_usd),
            ("swing-high", at_high, swing.high, swing.high_usd),
        )
    ]
    return AssumptionBar(
        name=swing.name,
        source=swing.source,
        settle=swing.settle,
        low=quantity(swing.low, swing.unit),
        today=quantity(swing.today, swing.unit),
        high=quantity(swing.high, swing.unit),
        between=span(swing.low, swing.high, swing.unit),
        low_usd=_usd(swing.low_usd),
        high_usd=_usd(swing.high_usd),
        low_to=None if swing.low_to == chosen else swing.low_to,
        high_to=None if swing.high_to == chosen else swing.high_to,
        at_low=at_low,
        at_high=at_high,
        drawing=charts.bar(sorted(pieces, key=lambda piece: -piece.length), base),
    )


def _usd(value: float) -> str:
    return dollars(value) if math.isfinite(value) else "unbounded"

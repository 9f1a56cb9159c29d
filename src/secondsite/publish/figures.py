"""How figures are written for people: short, with their unit, and with a word where there is no number."""

from __future__ import annotations

import math

from secondsite.model.estimate import Estimate

_UNITS = (
    (1.0, 0.001, "ms"),
    (120.0, 1.0, "s"),
    (7200.0, 60.0, "min"),
    (172800.0, 3600.0, "h"),
    (math.inf, 86400.0, "d"),
)


def duration(seconds: float) -> str:
    """``31 ms``, ``71 s``, ``3.8 min``, ``6.7 h``, ``2.1 d``; ``unbounded`` for what never ends."""
    if math.isinf(seconds):
        return "unbounded"
    if seconds == 0:
        return "0 s"
    size, unit = _unit(seconds)
    return f"{_short(seconds / size)} {unit}"


def spread(estimate: Estimate) -> str:
    """Median and 95 % quantile of a time, in the unit of the latter: ``3.0–3.7 min``."""
    if estimate.unbounded:
        return "unbounded"
    middle, high = estimate.quantile(0.5), estimate.quantile(0.95)
    if high == 0:
        return "0 s"
    size, unit = _unit(high)
    low_text, high_text = _short(middle / size), _short(high / size)
    return f"{high_text} {unit}" if low_text == high_text else f"{low_text}–{high_text} {unit}"


def money(usd: float) -> str:
    """Whole dollars; ``by quote`` where a provider names no price."""
    if math.isinf(usd):
        return "by quote"
    return f"-${-usd:,.0f}" if usd <= -0.5 else f"${abs(usd):,.0f}"


def percent(share: float) -> str:
    """As many digits as the distance to 100 % needs."""
    return f"{share:.0%}" if share < 0.99 or share == 1 else f"{share:.2%}" if share < 0.9999 else f"{share:.4%}"


def _unit(seconds: float) -> tuple[float, str]:
    return next((size, unit) for limit, size, unit in _UNITS if seconds < limit)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 or value == 0 else f"{value:.1f}"

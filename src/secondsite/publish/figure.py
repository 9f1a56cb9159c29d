"""A figure as people read it: the value, its spread, and whether somebody measured, published or assumed it.

Holds no markup. A figure without a bound says ``unbounded`` and why; nothing is ever shown as infinite.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from textwrap import shorten

from attrs import frozen

from secondsite.evaluate.derive import leaves, weakest
from secondsite.model.estimate import Estimate, Provenance

UNBOUNDED = "unbounded"
_NOTE_CHARACTERS = 300
_SPACE = "\u00a0"
_TO = f"{_SPACE}–{_SPACE}"


@frozen
class Figure:
    """``order`` is what tables sort by; ``basis`` is the weakest provenance behind the value."""

    text: str
    span: str
    basis: Provenance
    note: str
    order: float

    @property
    def unbounded(self) -> bool:
        return math.isinf(self.order)


def figure(estimate: Estimate, *, mean: bool = False) -> Figure:
    """The median with its 5 and 95 % quantiles; the mean in its place where that is what decisions use."""
    if estimate.unbounded:
        return Figure(UNBOUNDED, "", Provenance.DERIVED, f"{UNBOUNDED}: {why_unbounded(estimate)}", math.inf)
    low, middle, high = (estimate.quantile(p) for p in (0.05, 0.5, 0.95))
    centre = estimate.mean if mean else middle
    return Figure(
        text=quantity(centre, estimate.unit),
        span=span(low, high, estimate.unit),
        basis=weakest(estimate),
        note=note(estimate),
        order=centre,
    )


def note(estimate: Estimate) -> str:
    """Where it comes from, in one sentence or two."""
    parts = [_origin(estimate)]
    if estimate.plausible != (1.0, 1.0):
        low, high = estimate.plausible
        parts.append(f"could be × {low:.2g} to × {high:.2g}")
    if estimate.settle:
        parts.append(f"to settle it: {estimate.settle}")
    return "; ".join(parts)


def why_unbounded(estimate: Estimate) -> str:
    """The reason that its first input without a bound gives, all the way down; its own where no input is to blame."""
    culprit = next((part for part in estimate.inputs if part.unbounded), None)
    return why_unbounded(culprit) if culprit else estimate.source


def _origin(estimate: Estimate) -> str:
    source = _short(estimate.source)
    if not estimate.inputs:
        return f"{estimate.provenance}: {source}" if source else str(estimate.provenance)
    kinds = Counter(leaf.provenance for leaf in dict.fromkeys(leaves(estimate)))
    made_of = ", ".join(f"{kinds[kind]} {kind}" for kind in Provenance if kinds[kind])
    how = _short(estimate.formula) or source
    return f"derived: {how}; made of {made_of}"


def _short(text: str) -> str:
    return shorten(text, _NOTE_CHARACTERS, placeholder=" …")


def span(low: float, high: float, unit: str) -> str:
    """Both ends in one unit, the unit once; empty where there is no spread."""
    if low == high:
        return ""
    if unit in ("USD", "USD/month", "USD/year"):
        return f"{dollars(low)}{_TO}{dollars(high)}"
    if unit == "share":
        return f"{_share(low)}{_TO}{_share(high)}"
    size, name = next(row for row in _SCALES if high < row[0] * row[2])[:2] if unit == "s" else (1.0, unit)
    return f"{number(low / size)}{_TO}{number(high / size)}{_SPACE}{name}".rstrip()


def quantity(value: float, unit: str) -> str:
    """``177 s`` reads ``2 min 57 s``, 1696 USD/month reads ``$1,696``; other units stay beside their number."""
    if not math.isfinite(value):
        return UNBOUNDED
    spell = _SPELLINGS.get(unit)
    return spell(value) if spell else f"{number(value)}{_SPACE}{unit}".rstrip()


def duration(value_s: float) -> str:
    """``32 ms``, ``59 s``, ``2 min 57 s``, ``6 h 13 min``, ``3 d 2 h``: two units at most, never split over lines."""
    if not math.isfinite(value_s):
        return UNBOUNDED
    if 0 < value_s < 1:
        return f"{number(value_s * 1000)}{_SPACE}ms"
    if value_s < 120:
        return f"{number(value_s)}{_SPACE}s"
    size, unit, below, part = next(row for row in _LONG if value_s < row[-1])[:4]
    whole, rest = divmod(round(value_s / below), size // below)
    return _SPACE.join((f"{whole:,}", unit, str(rest), part) if rest else (f"{whole:,}", unit))


def number(value: float) -> str:
    """Three digits that count, no exponent."""
    size = abs(value)
    if size == 0 or size >= 99.95:
        return f"{value:,.0f}"
    if size < 0.001:
        return "<0.001" if value > 0 else ">−0.001"
    decimals = max(0, 2 - math.floor(math.log10(size)))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def dollars(value: float) -> str:
    """Cents below ten dollars, three digits that count below one."""
    sign = "−" if value < 0 else ""
    if 0.001 <= abs(value) < 0.01:
        return f"{sign}${number(abs(value))}"
    return f"{sign}${abs(value):,.2f}" if 0 < abs(value) < 10 else f"{sign}${abs(value):,.0f}"


def percent(share: float) -> str:
    """Never rounded up to certainty: 0.99996 is ``>99.9 %``."""
    if 0.9995 <= share < 1:
        return f">99.9{_SPACE}%"
    if 0 < share < 0.0005:
        return f"<0.1{_SPACE}%"
    return f"{100 * share:.1f}".removesuffix(".0") + f"{_SPACE}%"


def about(share: float) -> str:
    """A percentage that was estimated; a bound needs no ``~``."""
    shown = percent(share)
    return shown if shown[0] in "<>" else f"~{shown}"


def _share(value: float) -> str:
    """Of time: the third decimal of a percentage is five minutes a year. Rounded down."""
    return f"{math.floor(value * 100_000) / 1000:.3f}{_SPACE}%"


_SPELLINGS: dict[str, Callable[[float], str]] = {
    "s": duration,
    "USD": dollars,
    "USD/month": dollars,
    "USD/year": dollars,
    "share": _share,
}

# Size in seconds, unit, size of the smaller unit, its name, and up to where.
_LONG = (
    (60, "min", 1, "s", 5400.0),
    (3600, "h", 60, "min", 172800.0),
    (86400, "d", 3600, "h", math.inf),
)

# Size in seconds, unit, and up to how many of it a span uses it.
_SCALES = ((0.001, "ms", 1000.0), (1.0, "s", 120.0), (60.0, "min", 90.0), (3600.0, "h", 48.0), (86400.0, "d", math.inf))

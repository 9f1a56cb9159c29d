"""How a quantity is written for people: one scale of units and one rounding, in the terminal and in every document.

Two forms. The full one has two units or three digits: ``2 min 57 s``, ``3.28 – 57.2 min``. The short one has one unit
and two digits, for columns of a terminal that are tight: ``3 min``, ``3.3–57 min``. Nothing is ever shown as infinite.
How `secondsite.yaml` spells quantities, to be read back, is in `model.units`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from attrs import frozen

UNBOUNDED = "unbounded"
_TO = " – "


@frozen
class _Scale:
    """A unit of time: its size in seconds, up to how many seconds it is used, and the unit of what is left over."""

    size_s: float
    unit: str
    below_s: float
    part_s: float = 0.0
    part: str = ""


_SCALES = (
    _Scale(0.001, "ms", 0.9995),
    _Scale(1.0, "s", 120.0),
    _Scale(60.0, "min", 5400.0, 1.0, "s"),
    _Scale(3600.0, "h", 172800.0, 60.0, "min"),
    _Scale(86400.0, "d", math.inf, 3600.0, "h"),
)


def counted(number: int, nouns: str) -> str:
    """``1 message``, ``2 messages``, ``1,528 messages``, ``1 copy``: ``nouns`` is the plural."""
    if number != 1:
        return f"{number:,} {nouns}"
    return f"1 {nouns[:-3]}y" if nouns.endswith("ies") else f"1 {nouns.removesuffix('s')}"


def duration(value_s: float) -> str:
    """``32 ms``, ``59 s``, ``2 min 57 s``, ``6 h 13 min``, ``3 d 2 h``: two units at most."""
    if not math.isfinite(value_s):
        return UNBOUNDED
    scale = _scale(value_s)
    if not scale.part:
        return f"{number(value_s / scale.size_s)} {scale.unit}"
    whole, rest = divmod(round(value_s / scale.part_s), round(scale.size_s / scale.part_s))
    return " ".join((f"{whole:,}", scale.unit, *((str(rest), scale.part) if rest else ())))


def short_duration(value_s: float) -> str:
    """``32 ms``, ``71 s``, ``3.8 min``, ``6.7 h``, ``2.1 d``: `duration` where a column is tight."""
    if not math.isfinite(value_s):
        return UNBOUNDED
    scale = _scale(value_s)
    return f"{number(value_s / scale.size_s, 2)} {scale.unit}"


def span(low: float, high: float, unit: str) -> str:
    """Both ends in one unit, the unit once; empty where there is no spread."""
    if low == high:
        return ""
    if unit.startswith("USD"):
        return f"{dollars(low)}{_TO}{quantity(high, unit)}"
    if unit == "share":
        return f"{_share(low)}{_TO}{_share(high)}"
    size, name = (_scale(high).size_s, _scale(high).unit) if unit == "s" else (1.0, unit)
    return f"{number(low / size)}{_TO}{number(high / size)} {name}".rstrip()


def short_span(low_s: float, high_s: float) -> str:
    """``3–3.7 min``; one value where both ends read the same: `span` of times where a column is tight."""
    if not math.isfinite(high_s):
        return UNBOUNDED
    scale = _scale(high_s)
    low, high = (number(end / scale.size_s, 2) for end in (low_s, high_s))
    return f"{high} {scale.unit}" if low == high else f"{low}–{high} {scale.unit}"


def quantity(value: float, unit: str) -> str:
    """``177 s`` reads ``2 min 57 s``, 1696 USD/month ``$1,696``, 100 USD/h ``$100/h``; other units follow."""
    if not math.isfinite(value):
        return UNBOUNDED
    if unit not in _SPELLINGS and unit.startswith("USD/"):
        return f"{unit_price(value)}{unit.removeprefix('USD')}"
    spell = _SPELLINGS.get(unit)
    return spell(value) if spell else f"{number(value)} {unit}".rstrip()


def number(value: float, digits: int = 3) -> str:
    """As many digits that count, all of the whole part, no exponent."""
    size = abs(value)
    if size == 0 or size >= 10 ** (digits - 1) - 0.05:
        return f"{value:,.0f}"
    if size < 0.001:
        return "<0.001" if value > 0 else ">−0.001"
    text = f"{value:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def dollars(value: float) -> str:
    """Cents below ten dollars, three digits that count below one."""
    if not math.isfinite(value):
        return UNBOUNDED
    sign = "−" if value < 0 else ""
    if 0.001 <= abs(value) < 0.01:
        return f"{sign}${number(abs(value))}"
    return f"{sign}${abs(value):,.2f}" if 0 < abs(value) < 10 else f"{sign}${abs(value):,.0f}"


def unit_price(value: float) -> str:
    """What one of something costs, as a price list has it: $0.0225, not $0.02, of which hundreds are bought."""
    if not 0 < abs(value) < 10:
        return dollars(value)
    whole, _, cents = f"{abs(value):.9f}".rstrip("0").partition(".")
    return f"{'−' if value < 0 else ''}${whole}.{cents:0<2}"


def percent(share: float) -> str:
    """Never rounded up to certainty: 0.99996 is ``>99.9 %``."""
    if 0.9995 <= share < 1:
        return ">99.9 %"
    if 0 < share < 0.0005:
        return "<0.1 %"
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def about(share: float) -> str:
    """A percentage that was estimated; a bound needs no ``~``."""
    shown = percent(share)
    return shown if shown[0] in "<>" else f"~{shown}"


def _scale(value_s: float) -> _Scale:
    """Nothing at all is told in seconds."""
    return _SCALES[1] if value_s <= 0 else next(scale for scale in _SCALES if value_s < scale.below_s)


def _share(value: float) -> str:
    """Of time: the third decimal of a percentage is five minutes a year. Rounded down."""
    return f"{math.floor(value * 100_000) / 1000:.3f} %"


_SPELLINGS: dict[str, Callable[[float], str]] = {
    "s": duration,
    "USD": dollars,
    "USD/month": dollars,
    "USD/year": dollars,
    "share": _share,
}

"""Quantities as `model.wording` writes them, whose unit no line break in a document parts from its number."""

from __future__ import annotations

import re

from secondsite.model import wording

_SPACE = "\u00a0"


def duration(value_s: float) -> str:
    return kept(wording.duration(value_s))


def quantity(value: float, unit: str) -> str:
    return kept(wording.quantity(value, unit))


def span(low: float, high: float, unit: str) -> str:
    """In a narrow cell a line may end after the dash, and the next does not begin with a blank."""
    return kept(wording.span(low, high, unit)).replace(f"–{_SPACE}", "– ")


def percent(share: float) -> str:
    return kept(wording.percent(share))


def about(share: float) -> str:
    return kept(wording.about(share))


def kept(text: str) -> str:
    """Together, up to what it is for each of."""
    value, *of = re.split("( per | of )", text, maxsplit=1)
    return "".join([value.replace(" ", _SPACE), *of])

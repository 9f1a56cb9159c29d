"""An estimate as people read it: the value, its spread, and whether somebody measured, published or assumed it.

Holds no markup; how the value itself is written is in `model.wording`. A figure without a bound says why.
"""

from __future__ import annotations

import math
from collections import Counter
from textwrap import shorten

from attrs import field, frozen

from secondsite.evaluate.derive import leaves, weakest
from secondsite.model.estimate import Estimate, Provenance
from secondsite.model.wording import UNBOUNDED
from secondsite.publish.text.nonbreaking import quantity, span

_NOTE_CHARACTERS = 300


def _six_digits(value: float) -> float:
    return float(f"{value:.6g}")


@frozen
class Figure:
    """``order`` is what tables sort by; ``basis`` is the weakest provenance behind the value.

    Of the order six digits stay: processors add up arrays differently, and a page is the same on all of them.
    """

    text: str
    span: str
    basis: Provenance
    note: str
    order: float = field(converter=_six_digits)

    @property
    def unbounded(self) -> bool:
        return math.isinf(self.order)

    @property
    def looks(self) -> str:
        """The text where nothing but text can show that it rests on an assumption: with ``~``."""
        bare = self.basis is not Provenance.ASSUMED or self.unbounded or self.text[:1] in "<>~"
        return self.text if bare else f"~{self.text}"


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


def made_of(shown: str, how: str, order: float, *inputs: Estimate) -> Figure:
    """What was computed from estimates on the way to a reader, no surer than the weakest of them."""
    basis = weakest(*inputs)
    weak = "" if basis is Provenance.DERIVED else f"; its weakest input is  {basis}"
    return Figure(shown, "", basis, f"computed: {how}{weak}", order)


def looking(estimate: Estimate, shown: str) -> str:
    """``shown``, made of the estimate alone, as `Figure.looks`."""
    return made_of(shown, "", math.inf if estimate.unbounded else 0.0, estimate).looks


def note(estimate: Estimate) -> str:
    """Where it comes from, in one sentence or two."""
    parts = [_origin(estimate)]
    if estimate.plausible != (1.0, 1.0):
        low, high = estimate.plausible
        parts.append(f"range × {low:.2g} to × {high:.2g}")
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
    return f"derived: {how}; from {made_of}"


def _short(text: str) -> str:
    return shorten(text, _NOTE_CHARACTERS, placeholder=" …")

"""What the recommendation saves of expected loss against today, and how much of that rests on a few assumptions.

Lost writes are a product: how often data is destroyed, times what a write is worth. Where that one product is most of
what is saved, a reader has to know, and how far it may be off.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from secondsite.model.fault import Fault
from secondsite.model.wording import dollars, percent

MOST = 0.5
"""From here on one product is told as what the saving rests on."""


@frozen
class Saving:
    """USD a year. ``share`` of ``saved_usd`` is ``rate`` times ``price``, each with its plausible factors."""

    saved_usd: float
    share: float
    rate: str
    price: str
    low_usd: float
    high_usd: float

    @property
    def words(self) -> str:
        """One line; short where the saving has many legs."""
        saved = f"reduces expected loss by {dollars(self.saved_usd)} a year compared with today"
        if self.share < MOST:
            return saved
        return (
            f"{saved}; {percent(self.share)} of that is the product of two assumptions, {self.rate} × {self.price}: "
            f"with both at their lowest it is {dollars(self.low_usd)}, at their highest {dollars(self.high_usd)}"
        )


def saving(
    saved_usd: float,
    writes_usd: Mapping[Fault, tuple[float, float]],
    ranges: Mapping[str, tuple[float, float]],
    price: str,
) -> Saving:
    """``writes_usd``: of each fault what lost writes cost a year, today and with the recommendation; ``ranges``: the
    plausible factors of each assumption by its name."""
    parts = {fault: before - after for fault, (before, after) in writes_usd.items()}
    destroyed = {fault: usd for fault, usd in parts.items() if fault.destroys_data}
    together = sum(destroyed.values())
    names = [f"fault.{fault}.rate" for fault, usd in destroyed.items() if usd > 0]
    rest = saved_usd - together
    low, high = (rest + together * ranges[price][end] * (ranges[names[0]][end] if names else 1.0) for end in (0, 1))
    share = together / saved_usd if saved_usd > 0 else 0.0
    return Saving(saved_usd, share, " and ".join(names), price, low, high)

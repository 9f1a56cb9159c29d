"""An alerting rule, as far as it guards a promise."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.units import Seconds


@frozen
class Alert:
    """Fires at the earliest ``threshold_s + hold_s`` after the thing it watches went wrong.

    ``guards`` is what it watches: ``backup-age``, ``mirror-lag``, ``availability`` or ``other``.
    """

    name: str
    expression: str
    guards: str = "other"
    threshold_s: Seconds | None = None
    hold_s: Seconds = Seconds(0)

    @property
    def earliest_s(self) -> float | None:
        return None if self.threshold_s is None else self.threshold_s + self.hold_s

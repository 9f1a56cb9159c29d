"""How much the system is asked to do, and from where."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.units import Bytes, Seconds


@frozen
class Load:
    """``publish_budget_s`` is how long a publish may take to be acknowledged, where somebody promised that."""

    mean_per_s: float = 40.0
    peak_per_s: float = 478.0
    message_bytes: Bytes = Bytes(1024)
    publish_budget_s: Seconds | None = None


@frozen
class Population:
    """A share of the users, and the region of the round-trip table nearest to them."""

    region: str
    share: float

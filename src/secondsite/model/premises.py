"""A place that is no cloud region, on-premises or a colocation: its own prices and round trips, as written there."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.region import Region


@frozen
class OwnPrice:
    """``item`` is named as in the price table, ``usd`` in its unit there: ``node_hour`` (2 cores, 8 GB),
    ``volume_gb_month``, ``lb_hour`` and so on."""

    item: str
    usd: float


@frozen
class OwnRoundTrip:
    """``to`` is the name of another region of the system, or of one that users sit near."""

    to: str
    ms: float


@frozen
class Premises:
    """``like`` is the cloud region that stands in for what nothing is said of. ``source``: whose figures these are."""

    provider: str
    region: str
    like: Region | None = None
    prices: tuple[OwnPrice, ...] = ()
    round_trips: tuple[OwnRoundTrip, ...] = ()
    source: str = ""

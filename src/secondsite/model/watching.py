"""What the watch is told: who observes, what it may decide alone, and whom it asks and tells."""

from __future__ import annotations

from attrs import frozen

from secondsite.model.access import reference
from secondsite.model.fault import Fault
from secondsite.model.units import Seconds


@frozen
class WatchObserver:
    """``region`` is empty for one outside of every region; ``at`` is where the others ask it."""

    name: str
    region: str = ""
    at: str = ""


@frozen
class WatchPolicy:
    """``quorum`` of the observers have to agree for ``window_s``; 0 is more than half of them.

    ``decide``: faults that are acted upon without a person; ``ask``: those that a person is asked about,
    where they are not decided. ``block_s``: a second failover within it needs a person. ``notify``: references
    to where messages go.
    """

    observers: tuple[WatchObserver, ...] = ()
    quorum: int = 0
    window_s: Seconds = Seconds(30)
    decide: tuple[Fault, ...] = ()
    ask: tuple[Fault, ...] = (Fault.REGION, Fault.GRAY)
    approvers: str = reference("file")
    block_s: Seconds = Seconds(3600)
    notify: tuple[str, ...] = ()

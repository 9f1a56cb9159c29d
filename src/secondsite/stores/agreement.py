"""One business event in two stores: a row in a database, and the event that an outbox carries from it to a stream.

After a failover the two may disagree, as each has its own replication: an event whose row is gone was announced to
others and never happened here; a row whose event is gone happened, and nobody was told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from attrs import frozen


@frozen
class Agreement:
    """Ids, in order: of what stands on one side alone, and of events that stand there more than once."""

    rows: int
    events: int
    events_without_row: tuple[str, ...]
    rows_without_event: tuple[str, ...]
    repeated: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Repeated events are no disagreement: delivery is at least once."""
        return not self.events_without_row and not self.rows_without_event


def compare(rows: Iterable[str], events: Iterable[str]) -> Agreement:
    """The ids of all rows, and those of all events as often as they stand in the stream."""
    known, sent = frozenset(rows), Counter(events)
    return Agreement(
        rows=len(known),
        events=len(sent),
        events_without_row=tuple(sorted(sent.keys() - known)),
        rows_without_event=tuple(sorted(known - sent.keys())),
        repeated=tuple(sorted(name for name, times in sent.items() if times > 1)),
    )

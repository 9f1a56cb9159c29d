"""What the checker found: every intent in exactly one fate, and what is there that should not be, or not so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

_RARE = ("processed", "discarded", "torn", "jobs-twice", "jobs-never")
"""Named where there are any: an older version did not count them."""
_COUNTED = (
    "duplicate",
    "doubled",
    "reordered",
    "disordered",
    "resurrected",
    "phantom",
    "altered",
    "moved",
    "clashes",
    "out_of_place",
    "torn",
    "jobs_twice",
    "jobs_never",
)


class Fate(IntEnum):
    """``erased``: acknowledged, removed by an operator since, absent as it should be. ``unread``: not found, and
    a surviving copy was not read in full, so nobody knows. A superseded value of a KV key counts as present.
    ``processed``: acknowledged, done by those who had to, and given up by its stream; ``discarded``: by its limits.
    """

    ACKNOWLEDGED_PRESENT = 1
    ACKNOWLEDGED_LOST = 2
    INDETERMINATE_PRESENT = 3
    INDETERMINATE_ABSENT = 4
    ERASED = 5
    UNREAD = 6
    WRONG_PRESENT = 7
    WRONG_ABSENT = 8
    PROCESSED = 9
    DISCARDED = 10

    @property
    def label(self) -> str:
        return self.name.lower().replace("_", "-")


@frozen
class Phantom:
    """A message in ``place`` that no client intended for that stream."""

    place: str
    stream_sequence: int
    text: str


@frozen(eq=False)
class Marks:
    """One row per intent of the History. ``phantoms`` are at most some per copy; ``phantom_counts`` are all."""

    fate: NDArray[np.uint8]
    duplicated: NDArray[np.bool_]
    reordered: NDArray[np.bool_]
    resurrected: NDArray[np.bool_]
    altered: NDArray[np.bool_]
    moved: NDArray[np.bool_]
    salvaged: NDArray[np.bool_]
    phantoms: Mapping[str, tuple[Phantom, ...]]
    phantom_counts: Mapping[str, int]


@frozen
class StreamFindings:
    """Counts of intents. ``phantom`` counts messages, in the copy that has most of them.

    ``torn`` are objects, ``jobs_twice`` and ``jobs_never`` messages of a stream that gives up what was done.
    ``doubled`` are those duplicates and ``disordered`` those out of order that nothing explains: sent once, stored
    at once. ``out_of_place``: what a failback salvaged, and now stands behind what was acknowledged after it.
    ``clashes`` counts messages, too. ``unread`` names the copies that were not read in full, with the reason, and a
    stream without a copy names itself; ``uncompared`` names those whose contents nobody looked at.
    """

    stream: str
    fates: Mapping[Fate, int]
    duplicate: int
    reordered: int
    resurrected: int
    phantom: int
    doubled: int = 0
    disordered: int = 0
    altered: int = 0
    moved: int = 0
    out_of_place: int = 0
    clashes: int = 0
    torn: int = 0
    jobs_twice: int = 0
    jobs_never: int = 0
    unread: tuple[str, ...] = ()
    uncompared: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether every intent's fate is known."""
        return not self.fates[Fate.UNREAD]


@frozen
class ConsumerFindings:
    """``processed_twice`` and ``skipped`` count messages; ``skipped`` is None where the consumer was not drained.

    ``processed_lost``: done, and the message is in no surviving copy (None where not every copy was read).
    """

    consumer: str
    stream: str
    processed: int
    processed_twice: int
    skipped: int | None
    processed_lost: int | None
    unknown: int = 0


@frozen(eq=False)
class Findings:
    """``examples``: some message ids of each kind of finding, for people."""

    streams: Mapping[str, StreamFindings]
    consumers: tuple[ConsumerFindings, ...]
    marks: Marks
    examples: Mapping[str, tuple[str, ...]]

    def only(self, names: Collection[str], mine: NDArray[np.bool_]) -> Findings:
        """Of some streams; ``mine`` are their rows."""
        marks = self.marks
        columns = ("fate", "duplicated", "reordered", "resurrected", "altered", "moved")
        return evolve(
            self,
            streams={name: self.streams[name] for name in names},
            consumers=tuple(consumer for consumer in self.consumers if consumer.stream in names),
            marks=evolve(marks, **{name: getattr(marks, name)[mine] for name in columns}),
        )

    @property
    def proven_streams(self) -> bool:
        return all(stream.proven for stream in self.streams.values())

    @property
    def proven(self) -> bool:
        return self.proven_streams and all(consumer.skipped is not None for consumer in self.consumers)

    def counts(self) -> dict[str, int]:
        """Over all streams, under the names of ``--json``."""
        total = {fate.label: sum(stream.fates[fate] for stream in self.streams.values()) for fate in Fate}
        for name in _COUNTED:
            total[name.replace("_", "-")] = sum(getattr(stream, name) for stream in self.streams.values())
        total["processed-twice"] = sum(consumer.processed_twice for consumer in self.consumers)
        total["processed-lost"] = sum(consumer.processed_lost or 0 for consumer in self.consumers)
        total["undrained"] = sum(consumer.skipped is None for consumer in self.consumers)
        total["skipped"] = sum(consumer.skipped or 0 for consumer in self.consumers)
        return {name: count for name, count in total.items() if count or name not in _RARE}

"""What a client process counts beside its ledger: the load that was asked for, and what became of it."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from pathlib import Path

import numpy as np
from attrs import asdict, define, field, frozen

from secondsite.drill.ledger.record import Status

_MOST_REFUSALS = 20
"""Kinds that are told apart: no server has many words for no."""


@frozen
class Summary:
    """``withheld``: arrivals that found too much under way; an open loop that withholds is no longer open.

    ``late_ms``: how far the process itself fell behind its schedule at most, which is this machine's fault and
    not the system's. Latencies are of acknowledged attempts. ``refusals``: what servers said, and how often.
    """

    client: int
    seconds: float
    arrivals: int
    withheld: int
    acknowledged: int
    outcomes: dict[str, int]
    most_in_flight: int
    unfinished: int
    late_ms: float
    latency_ms: dict[str, float]
    stopped: str
    refusals: dict[str, int] = field(factory=dict)

    @property
    def acknowledged_per_s(self) -> float:
        return self.acknowledged / self.seconds if self.seconds else 0.0

    def save(self, path: Path) -> None:
        aside = path.with_suffix(".new")
        aside.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        aside.rename(path)


@define
class Tally:
    arrivals: int = 0
    withheld: int = 0
    acknowledged: int = 0
    most_in_flight: int = 0
    late_s: float = 0.0
    outcomes: Counter[Status] = field(factory=Counter)
    refusals: Counter[str] = field(factory=Counter)
    latencies_s: array[float] = field(factory=lambda: array("f"))

    def took(self, status: Status, seconds: float, why: str = "") -> None:
        self.outcomes[status] += 1
        if why and (why in self.refusals or len(self.refusals) < _MOST_REFUSALS):
            self.refusals[why] += 1
        if status.acknowledged:
            self.acknowledged += 1
            self.latencies_s.append(seconds)

    def summary(self, client: int, seconds: float, unfinished: int, stopped: str) -> Summary:
        latencies = np.asarray(self.latencies_s) * 1000
        return Summary(
            client=client,
            seconds=seconds,
            arrivals=self.arrivals,
            withheld=self.withheld,
            acknowledged=self.acknowledged,
            outcomes={status.name.lower(): self.outcomes[status] for status in Status},
            most_in_flight=self.most_in_flight,
            unfinished=unfinished,
            late_ms=self.late_s * 1000,
            latency_ms={f"p{q}": float(np.percentile(latencies, q)) for q in (50, 95, 99) if len(latencies)},
            stopped=stopped,
            refusals=dict(self.refusals.most_common()),
        )


def read_summary(path: Path) -> Summary:
    return Summary(**json.loads(path.read_text(encoding="utf-8")))

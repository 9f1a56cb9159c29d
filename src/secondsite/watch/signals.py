"""What an observer saw of each region, in one round: signals that do not share a cause, each yes, no or unknown.

``no`` is silence: nothing answered, or nothing that could serve. Whoever answers and will not have us (a login, TLS, a
rate limit) is there: that is ``unknown``, as is what could not be inspected. No time of any clock is in it: a round has
a number, and whoever hears of it looks at a clock of his own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from attrs import frozen

from secondsite.backup.strict import MisfitError, parse, structure

SCHEMA = "secondsite/observation/1"


class Signal(StrEnum):
    """``heard``: the region's JetStream, asked through the other side's servers and the links between them."""

    PATH = "path"
    API = "api"
    NATS = "nats"
    HEARD = "heard"
    KUBE = "kube"
    STATUS = "status"

    @property
    def counts(self) -> bool:
        """What a provider says of itself is shown, and decides nothing."""
        return self is not Signal.STATUS


class SignalAnswer(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@frozen
class Sight:
    """``why``: what came instead of a plain yes, in words for people."""

    answer: SignalAnswer
    why: str = ""


Sights = Mapping[Signal, Sight]


@frozen
class ObserverRound:
    """``run`` is one life of an observer's process, ``number`` its round: it only grows. By region, what was seen."""

    observer: str
    run: str
    number: int
    regions: Mapping[str, Sights]

    def plain(self) -> dict[str, Any]:
        regions = {
            region: {str(signal): {"answer": str(one.answer), "why": one.why} for signal, one in sights.items()}
            for region, sights in self.regions.items()
        }
        return {
            "schema": SCHEMA,
            "observer": self.observer,
            "run": self.run,
            "number": self.number,
            "regions": regions,
        }


@frozen
class _Wire:
    schema: str
    observer: str
    run: str
    number: int
    regions: dict[str, dict[str, dict[str, str]]]


def observation_bytes(observation: ObserverRound) -> bytes:
    return json.dumps(observation.plain(), sort_keys=True).encode()


def read_observation(content: bytes) -> ObserverRound | None:
    """None for what is none."""
    try:
        wire = structure(parse(content), _Wire)
        if wire.schema != SCHEMA or wire.number < 0:
            return None
        regions = {region: _sights(signals) for region, signals in wire.regions.items()}
    except (MisfitError, ValueError, KeyError):
        return None
    return ObserverRound(wire.observer, wire.run, wire.number, regions)


def _sights(signals: Mapping[str, Mapping[str, str]]) -> Sights:
    return {
        Signal(name): Sight(SignalAnswer(one["answer"]), str(one.get("why", ""))[:200]) for name, one in signals.items()
    }

"""A finding of the audit."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from secondsite.model.place import Place


class Severity(StrEnum):
    """``fatal``: the contract cannot hold while this stands."""

    FATAL = "fatal"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


@frozen
class Hazard:
    """``subject`` is the path of what is at fault; ``contract`` names the contracts it endangers, if any."""

    rule: str
    severity: Severity
    place: Place
    subject: str
    message: str
    contract: str
    source: str
    remedy: str
    waived: str = ""

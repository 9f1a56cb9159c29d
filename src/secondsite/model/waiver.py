"""A hazard that a person has looked at and accepted, with the reason."""

from __future__ import annotations

from attrs import frozen


@frozen
class Waiver:
    """``rule`` is a rule id; ``at`` limits it to subjects or files with that name in them (empty: all)."""

    rule: str
    reason: str
    at: str = ""

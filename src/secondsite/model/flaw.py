"""Something that cannot be true of a System: where it stands, what it is, and what to write instead."""

from __future__ import annotations

from attrs import frozen

Path = tuple[str | int, ...]


@frozen
class Flaw:
    """``path`` leads through attributes and positions of the System."""

    path: Path
    what: str
    remedy: str

"""The algebra of NATS subjects: ``*`` stands for one token, a final ``>`` for one or more."""

from __future__ import annotations

from itertools import zip_longest


def overlap(left: str, right: str) -> bool:
    """Whether some message could match both."""
    for one, other in zip_longest(left.split("."), right.split(".")):
        if one is None or other is None:
            return False
        if ">" in (one, other):
            return True
        if "*" not in (one, other) and one != other:
            return False
    return True


def covers(wide: str, narrow: str) -> bool:
    """Whether every message that matches ``narrow`` matches ``wide``."""
    for one, other in zip_longest(wide.split("."), narrow.split(".")):
        if one is None or other is None:
            return False
        if one == ">":
            return True
        if other == ">" or (one not in ("*", other)):
            return False
    return True

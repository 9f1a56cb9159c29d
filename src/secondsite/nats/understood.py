"""An answer that makes no sense is no answer: it says neither yes nor no, and ends in words, never in a traceback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from secondsite.model.errors import MachineError

_NO_SENSE = (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
_MOST = 2**64


@contextmanager
def understood(shown: str, subject: str) -> Iterator[None]:
    """Around whatever reads an answer; raises MachineError where it cannot be read."""
    try:
        yield
    except _NO_SENSE as error:
        what = f"the answer to {subject} is invalid ({type(error).__name__})"
        raise MachineError.at(
            shown, what, "check that a NATS server answers there, and check proxies in between"
        ) from None


def count(value: Any) -> int:
    """A number of things or a sequence, as servers count them; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST:
        raise ValueError("no count")
    return value


def an_object(value: Any) -> Mapping[str, Any]:
    """Raises TypeError for anything else; nothing at all is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts; nothing at all is an empty one."""
    if not isinstance(value, list | None) or not all(isinstance(each, str) for each in value or ()):
        raise TypeError("no texts")
    return tuple(value or ())

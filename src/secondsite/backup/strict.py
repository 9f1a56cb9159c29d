"""JSON from a store into typed values, totally: what does not fit is `MisfitError`, whatever it is.

Nothing is coerced: a number in quotes is no number, a text is no list, null is nothing but null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, TypeVar, get_args, get_origin

import cattrs

MAX_VALUES = 8_000_000
T = TypeVar("T")
_ERRORS = (cattrs.errors.BaseValidationError, ExceptionGroup, TypeError, ValueError, KeyError, AttributeError)


class MisfitError(ValueError):
    """``str()`` says what does not fit."""


def parse(data: bytes) -> Any:
    """JSON. Raises MisfitError, also for what would take gigabytes of memory: `[],[],…` takes 20 times its bytes."""
    if sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise MisfitError("it holds too many values")
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError):
        raise MisfitError("it is not JSON") from None


def structure(content: object, kind: type[T]) -> T:
    """Raises MisfitError."""
    try:
        return _converter.structure(content, kind)
    except (*_ERRORS, OverflowError, RecursionError) as error:
        raise MisfitError(_first(error)) from None


def _first(error: BaseException) -> str:
    """The first thing that does not fit, with its place where it is told."""
    place: list[str] = []
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
        place += [note.rsplit(" ", 1)[-1] for note in getattr(error, "__notes__", ())][:1]
    what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)
    return f"{'.'.join(place)}: {what}"[:200] if place else what[:200]


def _exactly(kind: type, *more: type) -> Callable[[Any, Any], Any]:
    def check(value: Any, _: Any) -> Any:
        if type(value) not in (kind, *more):
            raise TypeError(f"{str(value)[:40]!r} is not of the type {kind.__name__}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("not a finite number")
        if isinstance(value, str):
            value.encode()  # half a surrogate pair can neither be printed nor be part of a key
        return value

    return check


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _tuple(kind: Any) -> Callable[[Any, Any], Any]:
    item = get_args(kind)[0]

    def build(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise TypeError("it is not a list")
        return tuple(_converter.structure(part, item) for part in value)

    return build


_converter = cattrs.Converter()
for _kind, _more in ((str, ()), (int, ()), (float, (int,)), (bool, ())):
    _converter.register_structure_hook(_kind, _exactly(_kind, *_more))
_converter.register_structure_hook_factory(_is_tuple, _tuple)

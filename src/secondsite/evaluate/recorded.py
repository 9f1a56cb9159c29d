"""What an evaluation found, as text and back: to be kept between verbs.

One row for each value that is not a plain one, in the order in which they can be built again; a value that stands in a
hundred places is one row. Nothing of the text is executed: only the classes that an `Evaluation` is made of are built
from it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from itertools import chain
from typing import Any, get_args, get_type_hints

import attrs
from attrs import define, field

from secondsite.evaluate.evaluation import Evaluation
from secondsite.model.settings import Settings

_TUPLE, _MAP, _SET = "tuple", "map", "set"
_PLAIN: Mapping[type[Any], Callable[[Any], str]] = {
    str: json.dumps,
    int: repr,
    float: json.dumps,
    bool: json.dumps,
    type(None): json.dumps,
}


class UnreadableError(ValueError):
    """The text is not one that `record` wrote."""


def record(value: object) -> str:
    """Equal values have equal texts; numbers come back to the last bit."""
    table = _Rows()
    root = table.item(value)
    return f"[{','.join(table.rows)},{root}]" if table.rows else f"[{root}]"


def evaluation_of(text: str) -> Evaluation:
    """Raises `UnreadableError`."""
    try:
        *rows, root = json.loads(text)
        built: list[Any] = []
        for name, *items in rows:
            built.append(_builder(name)([built[item[0]] if isinstance(item, list) else item for item in items]))
        evaluation = built[root[0]]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise UnreadableError(str(error)) from error
    if not isinstance(evaluation, Evaluation):
        raise UnreadableError(f"holds a {type(evaluation).__name__}")
    return evaluation


@define
class _Rows:
    rows: list[str] = field(factory=list)
    _by_identity: dict[int, str] = field(factory=dict)
    _by_text: dict[str, str] = field(factory=dict)
    _by_class: dict[type[Any], tuple[str, Callable[[Any], Iterable[object]]]] = field(factory=dict)

    def item(self, value: object) -> str:
        """A plain value as it is; of any other the number of its row, in a list."""
        plain = _PLAIN.get(type(value))
        if plain is not None:
            return plain(value)
        known = self._by_identity.get(id(value))
        if known is None:
            name, parts = self._apart(type(value))
            text = f'["{name}"{"".join([f",{self.item(part)}" for part in parts(value)])}]'
            known = self._by_text.get(text)
            if known is None:
                known = self._by_text[text] = f"[{len(self.rows)}]"
                self.rows.append(text)
            self._by_identity[id(value)] = known
        return known

    def _apart(self, kind: type[Any]) -> tuple[str, Callable[[Any], Iterable[object]]]:
        if kind not in self._by_class:
            self._by_class[kind] = _taken_apart(kind)
        return self._by_class[kind]


def _taken_apart(kind: type[Any]) -> tuple[str, Callable[[Any], Iterable[object]]]:
    """What a row of this class begins with, and what stands in it."""
    if issubclass(kind, Enum):
        return kind.__name__, lambda value: (value.value,)
    if issubclass(kind, Settings):
        return kind.__name__, lambda value: (value.text,)
    if attrs.has(kind):
        names = [attribute.name for attribute in attrs.fields(kind) if attribute.init]
        return kind.__name__, lambda value: [getattr(value, name) for name in names]
    if issubclass(kind, tuple):
        return _TUPLE, iter
    if issubclass(kind, (set, frozenset)):
        return _SET, sorted
    if issubclass(kind, Mapping):
        return _MAP, lambda value: chain.from_iterable(value.items())
    raise TypeError(f"no evaluation holds a {kind.__name__}")


@cache
def _builder(name: str) -> Callable[[list[Any]], Any]:
    """KeyError for what is no part of an evaluation."""
    made: dict[str, Callable[[list[Any]], Any]] = {
        _TUPLE: tuple,
        _SET: frozenset,
        _MAP: lambda items: dict(zip(items[::2], items[1::2], strict=True)),
    }
    if name in made:
        return made[name]
    if name == Settings.__name__:
        return lambda items: Settings(json.loads(items[0]))
    noun = _classes()[name]
    return lambda items: noun(*items)


@cache
def _classes() -> Mapping[str, type[Any]]:
    """Every class that a field of an evaluation may hold, however deep, by its name."""
    classes: dict[str, type[Any]] = {}
    ahead: list[Any] = [Evaluation]
    while ahead:
        hint = ahead.pop()
        ahead += get_args(hint)
        if isinstance(hint, type) and hint.__name__ not in classes:
            if attrs.has(hint):
                classes[hint.__name__] = hint
                ahead += get_type_hints(hint).values()
            elif issubclass(hint, Enum):
                classes[hint.__name__] = hint
    return classes

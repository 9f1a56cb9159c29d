"""A mapping as text in NATS's configuration grammar."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from secondsite.strategies.nats_quote import nats_string

INCLUDE = "include"

Conf = Mapping[str, Any]


class Variable(str):
    """``$NAME``: the server takes the value from its environment. It stands without quotes, and for a whole value."""

    __slots__ = ()


def nats_conf(parts: Conf, depth: int = 0) -> str:
    """The mapping in NATS's configuration grammar."""
    indent = "  " * depth
    return "".join(f"{indent}{_entry(key, value, depth)}\n" for key, value in parts.items())


def _entry(key: str, value: Any, depth: int) -> str:
    if key == INCLUDE:
        return f"{key} {nats_string(value)}"
    if isinstance(value, Mapping):
        return f"{key} {{\n{nats_conf(value, depth + 1)}{'  ' * depth}}}"
    return f"{key}: {_value(value, depth)}"


def _value(value: Any, depth: int) -> str:
    if isinstance(value, Mapping):
        return f"{{\n{nats_conf(value, depth + 1)}{'  ' * depth}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        inner = "  " * (depth + 1)
        items = "".join(f"{inner}{_value(item, depth + 1)}\n" for item in value)
        return f"[\n{items}{'  ' * depth}]"
    if isinstance(value, Variable):
        return value
    return nats_string(value) if isinstance(value, str) else json.dumps(value)

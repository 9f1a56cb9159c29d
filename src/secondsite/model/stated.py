"""A value of today's system as a figure that other figures are made of, with how the system came by it.

What nobody has checked is an assumption, wherever it ends up: a figure made of it is no surer than it is.
"""

from __future__ import annotations

from attrs import fields, has

from secondsite.model.estimate import Estimate, Provenance, fixed
from secondsite.model.mark import Knowledge, Mark, key_of
from secondsite.model.system import System

_DEFAULT = Mark(Knowledge.ASSUMED, why="nobody has written it, so this is the default")


def stated(system: System, path: str, name: str, value: float, unit: str) -> Estimate:
    """``path`` is where the value stands in the system's file. A ``value`` that differs was set by the strategy.

    Read and written values are DERIVED with their path as source: they are the team's own.
    """
    if value_at(system, path) != value:
        return fixed(name, value, unit, f"{path}, set by the strategy")
    mark = system.marks.get(path, _DEFAULT if system.marks else None)
    if mark is not None and mark.origin is Knowledge.ASSUMED:
        return fixed(name, value, unit, f"{path}, {mark}", Provenance.ASSUMED)
    return fixed(name, value, unit, path)


def load_of(system: System) -> tuple[Estimate, Estimate]:
    """What everything that is sized by traffic rests on: writes a second, and bytes of each."""
    load = system.load
    return (
        stated(system, "load.mean_per_s", "mean rate", load.mean_per_s, "messages/s"),
        stated(system, "load.message", "size of a message", load.message_bytes, "B"),
    )


def value_at(system: System, path: str) -> object:
    """Of a dotted path, such as ``traffic.ttl`` or ``backups.nightly.interval``; None where there is none."""
    value: object = system
    for key in path.split("."):
        if isinstance(value, tuple):
            value = next((one for one in value if getattr(one, "name", None) == key), None)
        else:
            value = _attribute(value, key)
    return value


def _attribute(noun: object, key: str) -> object:
    kind = type(noun)
    names = (field.name for field in fields(kind)) if has(kind) else ()
    return next((getattr(noun, name) for name in names if key_of(name) == key), None)

"""What `failover` and `failback` are told in words, checked before anything is done: a typo is never believed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from secondsite.model.errors import InputError
from secondsite.model.procedure import Verb

if TYPE_CHECKING:
    from secondsite.model.procedure import Procedure


def pairs(given: tuple[str, ...], name: str) -> dict[str, str]:
    """NAME=VALUE, each name once; raises InputError."""
    values: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise InputError.at(name, f"{key!r} has no value", f"write {name} NAME=VALUE")
        if key in values:
            raise InputError.at(name, f"{key} is given twice", "give it once")
        values[key] = value
    return values


def check_allowed(given: tuple[str, ...]) -> None:
    """Raises InputError for what is no guard that may be lifted."""
    from secondsite.operate.action import ALLOWABLE

    for guard in given:
        if guard not in ALLOWABLE:
            raise _unknown("--allow", guard, ALLOWABLE, "a guard that may be lifted")


def done_by(given: tuple[str, ...], procedure: Procedure, who: str) -> dict[str, str]:
    """By step, who did it: the one who is named, or whoever declares the operation."""
    steps = {step.id for step in procedure.steps}
    people: dict[str, str] = {}
    for text in given:
        step, _, name = text.partition("=")
        if step not in steps:
            raise _unknown("--done", step, steps, f"a step of the {procedure.name}")
        by = name or who or os.environ.get("USER", "")
        if not by:
            raise InputError.at("--done", f"nobody is named for {step}", f"write --done {step}=NAME, or give --who")
        people[step] = by
    return people


def commands_of(given: tuple[str, ...], procedure: Procedure) -> dict[str, str]:
    known = {step.id for step in procedure.steps} | {str(step.verb) for step in procedure.steps}
    commands = pairs(given, "--command")
    for name in commands:
        if name not in known:
            raise _unknown("--command", name, known, f"a step or verb of the {procedure.name}")
    return commands


def target_of(procedure: Procedure) -> str:
    """Where the procedure moves clients to; what a command is told where its step names no region."""
    regions = (step.region for step in procedure.steps if step.verb in (Verb.PROMOTE_STREAMS, Verb.RESTORE_STREAMS))
    return next((region for region in regions if region), "")


def _unknown(option: str, given: str, known: Iterable[str], what: str) -> InputError:
    return InputError.at(option, f"{given!r} is not {what}", f"name one of {', '.join(sorted(known))}")

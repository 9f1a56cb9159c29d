"""Which rules look: all, those that were selected, without those that were ignored; and which one an id means.

A pattern is an id, or a glob over ids such as ``nats-mirror-*``. One that matches no rule is refused: a misspelt
``--ignore`` would otherwise fail a build, and a misspelt ``--select`` would pass every one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from secondsite.audit.rule import Rule
from secondsite.model.errors import InputError


def selected(rules: Sequence[Rule], select: Iterable[str] = (), ignore: Iterable[str] = ()) -> tuple[Rule, ...]:
    """The rules in their order. Patterns may stand together, with commas between. Raises `InputError`."""
    wanted, unwanted = _matching(rules, select, "--select"), _matching(rules, ignore, "--ignore")
    return tuple(rule for rule in rules if (not wanted or rule.id in wanted) and rule.id not in unwanted)


def named(rules: Sequence[Rule], rule_id: str, option: str) -> Rule:
    """Raises `InputError`."""
    match = next((rule for rule in rules if rule.id == rule_id), None)
    if match is None:
        raise _unknown(rules, rule_id, option)
    return match


def _matching(rules: Sequence[Rule], patterns: Iterable[str], option: str) -> set[str]:
    matched: set[str] = set()
    for pattern in (part.strip() for patterns_given in patterns for part in patterns_given.split(",")):
        ids = {rule.id for rule in rules if fnmatchcase(rule.id, pattern)}
        if not ids:
            raise _unknown(rules, pattern, option)
        matched |= ids
    return matched


def _unknown(rules: Sequence[Rule], pattern: str, option: str) -> InputError:
    close = get_close_matches(pattern, [rule.id for rule in rules], 1)
    guess = f"did you mean {close[0]}? " if close else ""
    return InputError.at(option, f"no rule has the id {pattern!r}", f"{guess}list them with `secondsite audit --list`")

"""A bad and a good example of every rule: parts of a `secondsite.yaml`, kept as data beside the rules.

A test reads each pair: the rule fires on the bad one and is silent on the good one. Two blocks stand in no system
file, they describe what a strategy adds: ``procedures`` (the verbs of the steps, in order), ``copies`` and ``links``.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from attrs import frozen

from secondsite.audit.rule import Rule


@frozen
class Example:
    bad: str
    good: str


def example_of(rule: Rule) -> Example | None:
    """The rule's own, or the one that ships with it; None for a rule of somebody's own that brings none."""
    if rule.bad or rule.good:
        return Example(rule.bad.strip("\n"), rule.good.strip("\n"))
    return _shipped().get(rule.id)


@cache
def _shipped() -> dict[str, Example]:
    examples: dict[str, Example] = {}
    for file in files("secondsite.audit").joinpath("rule_examples").iterdir():
        if file.name.endswith(".toml"):
            pairs = tomllib.loads(file.read_text("utf-8"))
            examples |= {rule_id: Example(pair["bad"].strip(), pair["good"].strip()) for rule_id, pair in pairs.items()}
    return examples

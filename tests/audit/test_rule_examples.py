"""Every rule's examples do what they say: the bad one is found, the good one is not."""

from __future__ import annotations

import pytest
from audit_examples import world_of

from secondsite.audit.examples import example_of
from secondsite.audit.registry import RULES
from secondsite.audit.rule import Rule


@pytest.mark.parametrize("known", RULES, ids=lambda known: known.id)
def test_the_rule_fires_on_its_bad_example_and_not_on_its_good_one(known: Rule) -> None:
    example = example_of(known)
    assert example, f"{known.id} has no examples in src/secondsite/audit/rule_examples"
    assert known.id in world_of(example.bad).rules(), "the bad example is not found"
    assert known.id not in world_of(example.good).rules(), "the good example is found"

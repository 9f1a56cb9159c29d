"""What a rule of the audit is: a condition on an Audited, and everything a reader needs when it holds.

A rule is one pure function with its record right above it:

    @rule(id="image-latest", severity=Severity.MEDIUM, title=…, why=…, source=…, remedy=…)
    def image_latest(audited: Audited) -> Iterator[Finding]: …

The function yields findings; severity, source and remedy belong to the rule, so that the same finding always reads
the same and can be listed without being found. `secondsite audit --explain` and docs/audit.md are the records, printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType

from attrs import field, frozen

from secondsite.audit.audited import Audited
from secondsite.model.hazard import Severity
from secondsite.model.place import Place


@frozen
class Finding:
    """``subject`` is a path as in `System.marks`; ``place`` is only given where that path has none of its own."""

    subject: str
    message: str
    contracts: tuple[str, ...] = ()
    place: Place | None = None


Check = Callable[[Audited], Iterable[Finding]]


@frozen
class Rule:
    """``why`` is one sentence; ``source`` is public and names the version or the date of what was observed.

    ``bad`` and ``good`` are the parts of a system file that matter to it: the rule finds something in the first and
    nothing in the second.
    """

    id: str
    severity: Severity
    title: str
    why: str
    source: str
    remedy: str
    check: Check = field(eq=False, repr=False)
    bad: str = ""
    good: str = ""


def rule(
    *,
    id: str,  # noqa: A002 # the record's field, as it is printed
    severity: Severity,
    title: str,
    why: str,
    source: str,
    remedy: str,
    bad: str = "",
    good: str = "",
) -> Callable[[Check], Rule]:
    """Makes a check the rule that this record describes."""
    return lambda check: Rule(id, severity, title, why, source, remedy, check, bad, good)


def rules_of(module: ModuleType) -> tuple[Rule, ...]:
    """The rules that a module defines, in its order."""
    return tuple(value for value in vars(module).values() if isinstance(value, Rule))

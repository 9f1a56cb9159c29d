"""What a rule of the audit is: a condition on an Audited, and everything a reader needs when it holds.

A rule is data plus one pure function. The function yields findings; severity, source and remedy belong to
the rule, so that the same finding always reads the same and can be listed without being found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

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


@frozen
class Rule:
    """``why`` is one sentence; ``source`` is public and names the version or the date of what was observed."""

    id: str
    severity: Severity
    title: str
    why: str
    source: str
    remedy: str
    check: Callable[[Audited], Iterable[Finding]] = field(eq=False, repr=False)

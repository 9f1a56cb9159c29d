"""Waivers: hazards that a person has looked at and accepted stay in the result and no longer fail it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import evolve

from secondsite.audit.rule import Rule
from secondsite.model.hazard import Hazard, Severity
from secondsite.model.system import System
from secondsite.model.waiver import Waiver

UNUSED = Rule(
    "waiver-unused",
    Severity.LOW,
    "A waiver that waives nothing",
    "A waiver outlives its hazard unnoticed, and hides the next one of its kind.",
    "the waivers of the system file",
    "Correct the rule's id or its `at`, or delete the waiver.",
    check=lambda audited: (),  # known only after all other rules were applied: see `apply`
)


def matches(waiver: Waiver, hazard: Hazard) -> bool:
    return waiver.rule == hazard.rule and (waiver.at in hazard.subject or waiver.at in hazard.place.file)


def apply(system: System, hazards: Sequence[Hazard], rule_ids: Collection[str], whole: bool) -> list[Hazard]:
    """The same hazards, waived where a waiver matches, and one more for each waiver that is of no use.

    ``whole``: the system itself was audited. A waiver that matches nothing in one strategy may in another.
    """
    judged = [_waived(hazard, system.waivers) for hazard in hazards]
    for waiver in system.waivers:
        if waiver.rule not in rule_ids:
            judged.append(_unused(system, waiver, f"no rule has the id {waiver.rule!r}"))
        elif whole and not any(matches(waiver, hazard) for hazard in hazards):
            at = f" at {waiver.at}" if waiver.at else ""
            judged.append(_unused(system, waiver, f"nothing to waive: {waiver.rule} finds nothing{at}"))
    return judged


def _waived(hazard: Hazard, waivers: Sequence[Waiver]) -> Hazard:
    reason = next((waiver.reason for waiver in waivers if matches(waiver, hazard)), None)
    return hazard if reason is None else evolve(hazard, waived=reason or "no reason given")


def _unused(system: System, waiver: Waiver, message: str) -> Hazard:
    path = f"waivers.{waiver.rule}@{waiver.at}" if waiver.at else f"waivers.{waiver.rule}"
    return Hazard(UNUSED.id, UNUSED.severity, system.place(path), path, message, "", UNUSED.source, UNUSED.remedy)

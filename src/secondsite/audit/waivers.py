"""Waivers: hazards that a person has looked at and accepted stay in the result and no longer fail it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import evolve

from secondsite.audit.audited import Audited
from secondsite.audit.rule import Finding, rule
from secondsite.model.hazard import Hazard, Severity
from secondsite.model.system import System
from secondsite.model.waiver import Waiver


@rule(
    id="waiver-unused",
    severity=Severity.LOW,
    title="A waiver that waives nothing",
    why="A waiver outlives its hazard unnoticed, and hides the next one of its kind.",
    source="the waivers of the system file",
    remedy="Correct the rule's id or its `at`, or delete the waiver.",
)
def waiver_unused(_audited: Audited) -> tuple[Finding, ...]:
    """Nothing: what a waiver is of use for is known only after all other rules were applied, see `apply`."""
    return ()


def matches(waiver: Waiver, hazard: Hazard) -> bool:
    return waiver.rule == hazard.rule and (waiver.at in hazard.subject or waiver.at in hazard.place.file)


def apply(
    system: System, hazards: Sequence[Hazard], applied: Collection[str], known: Collection[str], whole: bool
) -> list[Hazard]:
    """The same hazards, waived where a waiver matches, and one more for each waiver that is of no use.

    ``applied`` are the ids of the rules that looked, ``known`` those of all there are. ``whole``: the system itself
    was audited. A waiver that matches nothing in one strategy may in another.
    """
    judged = [_waived(hazard, system.waivers) for hazard in hazards]
    for waiver in system.waivers if waiver_unused.id in applied else ():
        if waiver.rule not in known:
            judged.append(_unused(system, waiver, f"no rule has the id {waiver.rule!r}"))
        elif waiver.rule in applied and whole and not any(matches(waiver, hazard) for hazard in hazards):
            at = f" at {waiver.at}" if waiver.at else ""
            judged.append(_unused(system, waiver, f"nothing to waive: {waiver.rule} finds nothing{at}"))
    return judged


def _waived(hazard: Hazard, waivers: Sequence[Waiver]) -> Hazard:
    reason = next((waiver.reason for waiver in waivers if matches(waiver, hazard)), None)
    return hazard if reason is None else evolve(hazard, waived=reason or "no reason given")


def _unused(system: System, waiver: Waiver, message: str) -> Hazard:
    path = f"waivers.{waiver.rule}@{waiver.at}" if waiver.at else f"waivers.{waiver.rule}"
    return Hazard(
        waiver_unused.id,
        waiver_unused.severity,
        system.place(path),
        path,
        message,
        "",
        waiver_unused.source,
        waiver_unused.remedy,
    )

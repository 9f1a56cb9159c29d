"""How long the steps took that a run really rehearsed. What nobody carried out took no time, and is no figure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from secondsite.drill.check.rto import Rto
from secondsite.drill.evidence.events import StepRun
from secondsite.drill.evidence.manifest import DrillManifest
from secondsite.drill.evidence.rehearsal import REAL
from secondsite.drill.verdict.projection import moved_s, projected
from secondsite.model.procedure import Verb

CLOCK_PARTS: Mapping[Verb, str] = {Verb.DETECT: "detect", Verb.DECIDE: "decide", Verb.CONVERGE: "converge"}
"""These nobody executes: they are parts of the clients' clock."""


def rehearsed_s(manifest: DrillManifest, rto: Rto | None, runs: Iterable[StepRun]) -> dict[str, float]:
    """By step, at the strategy's own intervals."""
    real = {step.id for step in manifest.steps if REAL.get(step.figure) is step.verb}
    seconds = {run.id: run.seconds for run in runs if run.id in real}
    parts: Mapping[str, float] = {}
    if rto is not None and rto.total is not None:
        parts = {name: value or 0.0 for name, value in rto.parts().items()}
        by_checks = manifest.moves_by_checks
        if manifest.projected:
            parts = projected(parts, manifest.timing, manifest.production, from_detection=by_checks)
        parts = {**parts, "converge": moved_s(parts, from_detection=by_checks)}
    for verb, part in CLOCK_PARTS.items():
        step_id = manifest.step_of(verb)
        seconds.pop(step_id, None)
        if part in parts and step_id and (verb is not Verb.DECIDE or step_id in real):
            seconds[step_id] = parts[part]
    return seconds

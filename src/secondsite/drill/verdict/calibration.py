"""From evidence to the figures that an evaluation works with: which steps a drill measures, and how long they took.

A lab runs nats-server, the trigger and the executor for real. Machines that start, a provider's DNS and people it
does not run: their figures stay what they were, and nothing is compared with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from secondsite.catalogue.bundle import Catalogue
from secondsite.drill.evidence.rehearsal import REAL
from secondsite.drill.verdict.measurements import Run, find_runs
from secondsite.drill.verdict.steps import CLOCK_PARTS
from secondsite.evaluate.assess import plan
from secondsite.evaluate.calibrate import Prediction, calibrated, predictions
from secondsite.model.errors import InputError, Problem
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure
from secondsite.model.strategy import Strategy
from secondsite.model.system import System


@frozen
class Calibration:
    """``catalogue`` with what was measured in it. ``problems``: evidence that was not used, as it was changed."""

    catalogue: Catalogue
    predictions: tuple[Prediction, ...]
    problems: tuple[Problem, ...] = ()


def calibration(system: System, catalogue: Catalogue, roots: Sequence[Path]) -> Calibration:
    """From all sound evidence below the folders, controls and failbacks left out."""
    evidence = [find_runs(root) for root in roots]
    runs = [run for each in evidence for run in each.runs]
    values: dict[str, list[float]] = {}
    sources: dict[str, str] = {}
    for run in runs:
        seconds = run.judgement.steps_s
        for step in run.evidence.manifest.steps:
            if REAL.get(step.figure) is step.verb and step.id in seconds:
                values.setdefault(step.figure, []).append(seconds[step.id])
                sources[step.figure] = _source(run)
    figures = calibrated(catalogue.figures, values, sources)
    problems = tuple(problem for each in evidence for problem in each.problems)
    return Calibration(evolve(catalogue, figures=figures), _compared(system, catalogue, runs), problems)


def _compared(system: System, catalogue: Catalogue, runs: Sequence[Run]) -> tuple[Prediction, ...]:
    """For each strategy and fault that was drilled, as its procedure was expected to go."""
    measured: dict[tuple[str, Fault], dict[str, list[float]]] = {}
    for run in runs:
        manifest = run.evidence.manifest
        steps = measured.setdefault((manifest.strategy, manifest.fault), {})
        for step_id, value in run.judgement.steps_s.items():
            steps.setdefault(step_id, []).append(value)
    compared: list[Prediction] = []
    for (strategy, fault), steps in sorted(measured.items()):
        try:
            procedure = plan(Strategy.parse(strategy), system, catalogue).procedures.get(fault)
        except (ValueError, InputError):
            continue  # a strategy that this system cannot be laid out by any more predicts nothing
        if procedure:
            compared += predictions(strategy, _ran(procedure), steps, frozenset(REAL))
    return tuple(compared)


def _ran(procedure: Procedure) -> Procedure:
    """The steps that a lab runs, and those that follow from what is configured; the rest would be compared with air."""
    kept = [step for step in procedure.steps if step.verb in CLOCK_PARTS or REAL.get(step.duration.name) is step.verb]
    return evolve(procedure, steps=tuple(kept))


def _source(run: Run) -> str:
    """The latest run names the series."""
    manifest = run.evidence.manifest
    versions = ", ".join(sorted({f"nats-server {manifest.fingerprint.server}"} | _others(manifest.versions)))
    return f"drill {manifest.drill} of {manifest.strategy}, {manifest.profile}, {manifest.started_at[:10]}, {versions}"


def _others(versions: Mapping[str, str]) -> set[str]:
    return {f"{name} {version}" for name, version in versions.items() if name == "secondsite"}

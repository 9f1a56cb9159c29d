"""From evidence to the figures that an evaluation works with: which steps a drill measures, and how long they took.

A lab runs nats-server, the trigger and the executor for real. Machines that start, a provider's DNS and people it
does not run: their figures stay what they were, and nothing is compared with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import evolve, frozen

from secondsite.catalogue.bundle import Catalogue
from secondsite.drill.evidence.rehearsal import REAL, as_rehearsed
from secondsite.drill.verdict.measurements import Run, find_runs
from secondsite.drill.verdict.steps import CLOCK_PARTS
from secondsite.evaluate.assess import plan
from secondsite.evaluate.calibrate import ContractPrediction, Prediction, calibrated, predictions
from secondsite.evaluate.draws import Draws
from secondsite.evaluate.parts import own_procedures
from secondsite.evaluate.recovery import rto
from secondsite.model.contract import Contract
from secondsite.model.errors import InputError, Problem
from secondsite.model.estimate import Estimate
from secondsite.model.fault import Fault
from secondsite.model.procedure import Procedure
from secondsite.model.strategy import Strategy
from secondsite.model.system import System
from secondsite.strategies.design import Kit

_SAMPLES = 20_000


@frozen
class Calibration:
    """``catalogue`` with what was measured in it. ``problems``: evidence that was not used, as it was changed."""

    catalogue: Catalogue
    predictions: tuple[Prediction, ...]
    problems: tuple[Problem, ...] = ()
    contracts: tuple[ContractPrediction, ...] = ()

    @property
    def surprises(self) -> tuple[ContractPrediction, ...]:
        return tuple(one for one in self.contracts if one.surprising)


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
    measured = evolve(catalogue, figures=figures)
    contracts = _contracts_compared(system, (catalogue, measured), runs)
    return Calibration(measured, _compared(system, catalogue, runs), problems, contracts)


def _contracts_compared(
    system: System, catalogues: tuple[Catalogue, Catalogue], runs: Sequence[Run]
) -> tuple[ContractPrediction, ...]:
    """For each strategy and contract whose clock ended in a drill; ``catalogues``: before any drill, and after."""
    seconds: dict[tuple[str, Contract], list[float]] = {}
    for run in runs:
        for verdict in run.ran:
            if verdict.rto_s is not None and verdict.contract.rto_s is not None:
                key = run.evidence.manifest.strategy, verdict.contract
                seconds.setdefault(key, []).append(verdict.rto_s["total"])
    compared: list[ContractPrediction] = []
    for (strategy, contract), values in sorted(seconds.items(), key=lambda pair: (pair[0][0], pair[0][1].name)):
        try:
            before, after = (_expected(system, catalogue, strategy, contract) for catalogue in catalogues)
        except (ValueError, InputError):
            continue  # a strategy that this system cannot be laid out by any more predicts nothing
        compared.append(ContractPrediction(strategy, contract, before, after, tuple(values)))
    return tuple(compared)


def _expected(system: System, catalogue: Catalogue, strategy: str, contract: Contract) -> Estimate:
    """The plain fault, as a drill plays it, and what a lab runs of the procedure."""
    planned = plan(Strategy.parse(strategy), system, catalogue)
    own = own_procedures(contract, planned.deployment, planned.procedures, Kit.of(system, catalogue))
    lab = {fault: as_rehearsed(procedure) for fault, procedure in own.items()}
    return rto(lab, contract.fault, contract.subject, Draws(1, f"lab/{contract.fault}", _SAMPLES), contract.part)


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
    steps = as_rehearsed(procedure).steps
    kept = [step for step in steps if step.verb in CLOCK_PARTS or REAL.get(step.duration.name) is step.verb]
    return evolve(procedure, steps=tuple(kept))


def _source(run: Run) -> str:
    """The latest run names the series."""
    manifest = run.evidence.manifest
    versions = ", ".join(sorted({f"nats-server {manifest.fingerprint.server}"} | _others(manifest.versions)))
    return f"drill {manifest.drill} of {manifest.strategy}, {manifest.profile}, {manifest.started_at[:10]}, {versions}"


def _others(versions: Mapping[str, str]) -> set[str]:
    return {f"{name} {version}" for name, version in versions.items() if name == "secondsite"}

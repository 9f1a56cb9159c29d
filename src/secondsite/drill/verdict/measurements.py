"""Runs of one drill, strategy and profile, put together to a figure for each contract: what they prove, and how surely.

A contract is met when so many runs held both limits that its confidence is reached; one run that did not hold them
breaches it, unless there are enough others; all else is unproven. A run that proves nothing leaves the contract
unproven, as nobody knows what it would have shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from attrs import frozen

from secondsite.drill.evidence.folder import Evidence, check_chain, evidence_below, read_evidence
from secondsite.drill.verdict.confidence import allowed_failures, runs_needed, upper_bound
from secondsite.drill.verdict.judge import judge
from secondsite.drill.verdict.judgement import RunJudgement, RunVerdict
from secondsite.model.contract import Contract, Verdict
from secondsite.model.errors import Problem, SecondsiteError
from secondsite.model.measurement import DataLoss, Measurement
from secondsite.model.place import Place
from secondsite.model.wording import percent

_REMEDY = "a run that was there is gone: bring it back, or remove the link and say why"


@frozen(eq=False)
class Run:
    """One drill, judged. ``judgement`` is against the contracts that it was asked about."""

    evidence: Evidence
    judgement: RunJudgement

    @property
    def ran(self) -> tuple[RunVerdict, ...]:
        return self.judgement.ran

    @property
    def series(self) -> tuple[str, str, str]:
        manifest = self.evidence.manifest
        return manifest.strategy, manifest.drill, manifest.profile


@frozen(eq=False)
class EvidenceFound:
    """What lies below a folder: sound ``runs``, what was changed or cannot be read, and drills that did not end."""

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]
    unfinished: tuple[Path, ...]


def find_runs(root: Path, contracts: Sequence[Contract] | None = None, *, every: bool = False) -> EvidenceFound:
    """All evidence below ``root``; controls and what bears on no contract only if ``every`` run is asked for."""
    below = evidence_below(root)
    runs: list[Run] = []
    problems = [Problem(Place(str(path)), "leads nowhere", _REMEDY) for path in below.dangling]
    for path in below.ended:
        changed = check_chain(path)
        if changed:
            problems += changed
            continue
        try:
            evidence = read_evidence(path)
        except SecondsiteError as error:
            problems += error.problems
            continue
        if every or (evidence.manifest.subjects and not evidence.manifest.control):
            runs.append(Run(evidence, judge(evidence, contracts)))
    return EvidenceFound(tuple(runs), tuple(problems), below.unfinished)


def load_measurements(folder: Path) -> tuple[Measurement, ...]:
    """Of every series of runs below ``folder``, judged against the contracts it was drilled for; nothing changed."""
    return tuple(found for _, found in measured(find_runs(folder).runs))


def measured(runs: Iterable[Run]) -> tuple[tuple[Contract, Measurement], ...]:
    """By strategy, drill and profile, in that order, and then by contract."""
    found = []
    for _, group in groupby(sorted(runs, key=lambda run: run.series), key=lambda run: run.series):
        series = sorted(group, key=lambda run: run.evidence.manifest.started_at)
        for contract in dict.fromkeys(v.contract for run in series for v in run.ran):
            mine = [(run, v) for run in series for v in run.ran if v.contract == contract]
            found.append((contract, measurement(contract, mine)))
    return tuple(found)


def measurement(contract: Contract, runs: Sequence[tuple[Run, RunVerdict]]) -> Measurement:
    """Of one series, in the order of time; ``runs`` is not empty."""
    newest, verdicts = runs[-1][0], [verdict for _, verdict in runs]
    manifest = newest.evidence.manifest
    verdict, why = _together(contract, verdicts)
    totals = [math.inf if v.rto_s is None else v.rto_s["total"] for v in verdicts]
    longest, slowest = max(zip(totals, range(len(totals)), strict=True))
    bound = upper_bound(totals, contract.confidence)
    known = [v.loss for v in verdicts if v.loss is not None]
    return Measurement(
        subject=contract.subject,
        fault=contract.fault,
        drill=manifest.drill,
        strategy=manifest.strategy,
        profile=manifest.profile,
        verdict=verdict,
        rto_s=None if math.isinf(longest) else verdicts[slowest].rto_s,
        loss=max(known, key=_gravity, default=None),
        runs=len(runs),
        seed=manifest.seed,
        at=manifest.started_at,
        versions=manifest.versions,
        evidence=str(newest.evidence.path),
        fingerprint=manifest.fingerprint.whole,
        ledger=newest.judgement.ledger,
        upper_rto_s=None if bound is None or math.isinf(bound) else bound,
        projected=manifest.projected,
        why=why,
        steps_s=runs[slowest][0].judgement.steps_s,
    )


def _gravity(loss: DataLoss) -> tuple[float, int, int]:
    return loss.seconds, loss.messages, loss.bytes


def _together(contract: Contract, verdicts: Sequence[RunVerdict]) -> tuple[Verdict, str]:
    runs = len(verdicts)
    breached = [v for v in verdicts if v.verdict is Verdict.BREACHED]
    unproven = [v for v in verdicts if v.verdict is Verdict.UNPROVEN]
    allowed = allowed_failures(runs, contract.confidence)
    if breached and (unproven or allowed is None or len(breached) > allowed):
        return Verdict.BREACHED, f"{_times(len(breached), runs)}{breached[-1].why}"
    if unproven:
        return Verdict.UNPROVEN, f"{_times(len(unproven), runs)}{unproven[-1].why}"
    if allowed is None:
        sure = percent(contract.confidence)
        needed = runs_needed(contract.confidence)
        return Verdict.UNPROVEN, f"held in {runs} of {runs} runs; {needed} are needed to be {sure} sure of {sure}"
    return Verdict.MET, f"held in {runs - len(breached)} of {runs} runs"


def _times(count: int, runs: int) -> str:
    return f"in {count} of {runs} runs: " if runs > 1 else ""

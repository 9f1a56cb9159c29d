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

from attrs import evolve, frozen

from secondsite.drill.evidence.campaign import Campaign
from secondsite.drill.evidence.folder import Evidence
from secondsite.drill.evidence.manifest import DrillManifest
from secondsite.drill.evidence.register import Register
from secondsite.drill.evidence.rehearsal import Unrehearsed
from secondsite.drill.evidence.sound import Absent, sound_runs
from secondsite.drill.verdict.confidence import allowed_failures, runs_needed, upper_bound
from secondsite.drill.verdict.judge import judge
from secondsite.drill.verdict.judgement import RunJudgement, RunVerdict
from secondsite.model.contract import Contract, Verdict
from secondsite.model.errors import Problem
from secondsite.model.measurement import DataLoss, Measurement
from secondsite.model.wording import percent


@frozen(eq=False)
class Run:
    """One drill, judged. ``judgement`` is against the contracts that it was asked about.

    ``counted``: the record of its campaign says that it is one of its runs. One of which nobody wrote down that it was
    begun may have been chosen among many; it can break a contract and never prove it.
    """

    evidence: Evidence
    judgement: RunJudgement
    counted: bool = True

    @property
    def ran(self) -> tuple[RunVerdict, ...]:
        return self.judgement.ran

    @property
    def series(self) -> tuple[str, str, str]:
        manifest = self.evidence.manifest
        return manifest.design, manifest.drill, manifest.profile


@frozen(eq=False)
class EvidenceSet:
    """What lies below a folder: sound ``runs``, what was changed or cannot be read, and drills that did not end."""

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]
    unfinished: tuple[Path, ...]
    absent: tuple[Absent, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    registers: tuple[Register, ...] = ()


def find_runs(root: Path, contracts: Sequence[Contract] | None = None, *, every: bool = False) -> EvidenceSet:
    """Each run below ``root`` once; controls, and what bears on no contract, only if ``every`` run is asked for."""
    sound = sound_runs(root)
    runs = tuple(
        Run(evidence, judge(evidence, contracts), sound.counts(evidence))
        for evidence in sound.runs
        if every or (evidence.manifest.subjects and not evidence.manifest.control)
    )
    return EvidenceSet(runs, sound.problems, sound.unfinished, sound.absent(), sound.campaigns, sound.registers)


def load_measurements(folder: Path) -> tuple[Measurement, ...]:
    """Of every series of runs below ``folder``, judged against the contracts it was drilled for; nothing changed."""
    evidence = find_runs(folder)
    return tuple(one for _, one in measured(evidence.runs, evidence.absent))


def measured(runs: Iterable[Run], absent: Sequence[Absent] = ()) -> tuple[tuple[Contract, Measurement], ...]:
    """By strategy, drill and profile, in that order, and then by contract."""
    measurements = []
    for key, group in groupby(sorted(runs, key=lambda run: run.series), key=lambda run: run.series):
        series = sorted(group, key=lambda run: run.evidence.manifest.started_at)
        missing = [each for each in absent if each.series == key]
        for contract in dict.fromkeys(v.contract for run in series for v in run.ran):
            mine = [(run, v) for run in series for v in run.ran if v.contract == contract]
            measurements.append((contract, measurement(contract, mine, missing)))
    return tuple(measurements)


def measurement(
    contract: Contract, runs: Sequence[tuple[Run, RunVerdict]], absent: Sequence[Absent] = ()
) -> Measurement:
    """Of one series, in the order of time; ``runs`` is not empty."""
    newest, verdicts = runs[-1][0], [verdict for _, verdict in runs]
    manifest = newest.evidence.manifest
    verdict, why = _together(contract, runs, absent)
    totals = [math.inf if v.rto_s is None else v.rto_s["total"] for v in verdicts]
    longest, slowest = max(zip(totals, range(len(totals)), strict=True))
    bound = upper_bound(
        [total for total, (run, _) in zip(totals, runs, strict=True) if run.counted], contract.confidence
    )
    known = [v.loss for v in verdicts if v.loss is not None]
    loss = max(known, key=_by_loss, default=None)
    missing = manifest.unrehearsed.get(contract.subject, Unrehearsed((), 0.0))
    return Measurement(
        subject=contract.subject,
        part=contract.part,
        fault=contract.fault,
        drill=manifest.drill,
        strategy=manifest.design,
        profile=manifest.profile,
        verdict=verdict,
        rto_s=None if math.isinf(longest) else verdicts[slowest].rto_s,
        loss=loss and evolve(loss, at_least=any(each.at_least for each in known)),
        runs=len(runs),
        seed=manifest.seed,
        at=manifest.started_at,
        versions=manifest.versions,
        evidence=str(newest.evidence.path),
        fingerprint=manifest.fingerprint.whole,
        ledger=newest.judgement.ledger,
        upper_rto_s=None if bound is None or math.isinf(bound) else bound + missing.seconds,
        projected=manifest.projected,
        why=why,
        of=manifest.of,
        where=manifest.where,
        unrehearsed=missing.steps,
        unrehearsed_s=missing.seconds,
        steps_s=runs[slowest][0].judgement.steps_s,
        production_loss_s=_production_loss_s(manifest, contract, verdicts),
    )


def _production_loss_s(manifest: DrillManifest, contract: Contract, verdicts: Sequence[RunVerdict]) -> float | None:
    if not (manifest.projected and manifest.saved_for(contract)):
        return None
    return max((v.lost_window_s or 0.0 for v in verdicts), default=0.0) or None


def _by_loss(loss: DataLoss) -> tuple[float, int, int]:
    return loss.seconds, loss.messages, loss.bytes


def _together(
    contract: Contract, runs: Sequence[tuple[Run, RunVerdict]], absent: Sequence[Absent]
) -> tuple[Verdict, str]:
    total = len(runs)
    breached = [v for _, v in runs if v.verdict is Verdict.BREACHED]
    unproven = [v for _, v in runs if v.verdict is Verdict.UNPROVEN]
    counted = sum(run.counted for run, _ in runs)
    allowed = allowed_failures(counted, contract.confidence)
    if breached and (unproven or absent or allowed is None or len(breached) > allowed):
        return Verdict.BREACHED, f"{_times(len(breached), total)}{breached[-1].why}"
    if unproven:
        return Verdict.UNPROVEN, f"{_times(len(unproven), total)}{unproven[-1].why}"
    if absent:
        return Verdict.UNPROVEN, "; ".join(each.why for each in absent)
    if allowed is None:
        return Verdict.UNPROVEN, _too_few(contract, total, counted) + _beside(runs)
    return Verdict.MET, f"held in {total - len(breached)} of {total} runs{_beside(runs)}"


def _beside(runs: Sequence[tuple[Run, RunVerdict]]) -> str:
    """What is told of runs that held, in the words of the one that lost most, the last of those: it breaks nothing."""
    noted = sorted((v for _, v in runs if v.verdict is Verdict.MET and v.why), key=lambda v: v.lost_window_s or 0.0)
    return f"; {_times(len(noted), len(runs))}{noted[-1].why}" if noted else ""


def _too_few(contract: Contract, total: int, counted: int) -> str:
    needed, sure = runs_needed(contract.confidence), percent(contract.confidence)
    count_line = f"held in {total} of {total} runs"
    if counted < total:
        count_line += f", {total - counted} of them of no campaign that is registered, which may have been chosen"
    return f"{count_line}; {needed} are needed to be {sure} sure of {sure}"


def _times(count: int, runs: int) -> str:
    return f"in {count} of {runs} runs: " if runs > 1 else ""

"""What one run says about each contract of its fault, and what it cannot say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, frozen

from secondsite.drill.check.rto import Rto
from secondsite.drill.evidence.events import StepRun
from secondsite.model.contract import Contract, Verdict
from secondsite.model.measurement import DataLoss

SCHEMA = "secondsite/verdicts/1"


@frozen
class RunVerdict:
    """``rto_s``: parts and total in seconds, at the strategy's own intervals; None where the clock never ended.

    ``measured_s`` is the total as it was. ``lost_window_s``: from the oldest to the newest lost write, with the fault
    in it. In one run, met means that its limits were kept this time.
    """

    contract: Contract
    verdict: Verdict
    why: str
    rto_s: Mapping[str, float] | None = None
    measured_s: float | None = None
    loss: DataLoss | None = None
    lost_window_s: float | None = None


@frozen
class RunJudgement:
    """``crashed`` is the reason for which nothing could be judged, empty where all was.

    ``writer_changes``: how often the log of each stream began anew, as `secondsite.drill.check.writers` counts it.
    """

    verdicts: tuple[RunVerdict, ...]
    rto: Rto | None = None
    ledger: Mapping[str, int] = {}
    steps: tuple[StepRun, ...] = ()
    crashed: str = ""
    writer_changes: Mapping[str, int] = {}

    @property
    def worst(self) -> Verdict:
        return worst(verdict.verdict for verdict in self.verdicts)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """A breach counts most, and nothing at all is unproven."""
    found = set(verdicts)
    if Verdict.BREACHED in found:
        return Verdict.BREACHED
    return Verdict.MET if found == {Verdict.MET} else Verdict.UNPROVEN


def verdicts_json(judgement: RunJudgement) -> dict[str, Any]:
    """What is kept as ``verdicts.json``; the same for the same raw files."""
    return {
        "schema": SCHEMA,
        "verdicts": [_verdict_json(verdict) for verdict in judgement.verdicts],
        "rto_s": judgement.rto.parts() if judgement.rto else None,
        "ledger": dict(judgement.ledger),
        "writer_changes": dict(judgement.writer_changes),
        "crashed": judgement.crashed,
    }


def _verdict_json(verdict: RunVerdict) -> dict[str, Any]:
    return {
        "subject": str(verdict.contract.subject),
        "fault": str(verdict.contract.fault),
        "verdict": str(verdict.verdict),
        "why": verdict.why,
        "rto_s": dict(verdict.rto_s) if verdict.rto_s else None,
        "measured_s": verdict.measured_s,
        "rpo": asdict(verdict.loss) if verdict.loss else None,
        "lost_window_s": verdict.lost_window_s,
        "limit": {"rto_s": verdict.contract.rto_s, "rpo_s": verdict.contract.rpo_s},
    }

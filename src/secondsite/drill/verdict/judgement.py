"""What one run says about each contract of its fault, and what it cannot say: all that anybody reads of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict, frozen

from secondsite.drill.check.rpo import Rpo
from secondsite.drill.check.rto import Rto
from secondsite.drill.evidence.observation import Observation
from secondsite.model.contract import Contract, Subject, Verdict
from secondsite.model.measurement import DataLoss

SCHEMA = "secondsite/verdicts/3"
OLDER = ("secondsite/verdicts/1", "secondsite/verdicts/2")
UNCHANGED = ("rto_s", "ledger", "writer_changes", "stopped", "crashed", "observations")
"""Drills before this version kept clocks that were projected otherwise: of theirs, these have to follow."""


@frozen
class RunVerdict:
    """``rto_s``: parts and total in seconds, at the strategy's own intervals; None where the clock never ended.

    ``measured_s`` is the total as it was. ``lost_window_s``: from the oldest to the newest lost write, with the fault
    in it, and ``lost_at_most_s`` its bound; None where no older write of a stream is there to bound it. ``reach_s``:
    how old a write was that could have been seen to be lost. In one run, met means that its limits were kept this time.
    """

    contract: Contract
    verdict: Verdict
    why: str
    rto_s: Mapping[str, float] | None = None
    measured_s: float | None = None
    loss: DataLoss | None = None
    lost_window_s: float | None = None
    lost_at_most_s: float | None = None
    reach_s: float = 0.0


@frozen
class RunJudgement:
    """``crashed`` is the reason for which nothing could be judged, empty where all was.

    ``subjects`` are what the drill ran, ``parts`` contracts of a part that ran alone. ``steps_s``: of the steps that
    were really rehearsed, how long each took at the strategy's own intervals. ``stopped``: what refused the procedure.
    ``salvageable``: of the lost messages, and ``commits_salvageable`` of the lost commits, those that the old region's
    disks hold, and ``after_rejoin`` what is left of the messages once it joined the others again; None where nobody
    looked, or could not see. ``skipped``: steps that the lab has nothing for. ``refusals``: what servers
    said to writes that they refused, and how often. ``processed``: how many messages
    consumers processed twice and skipped, None for unknown. ``caches``: what was counted of each that was lost.
    """

    verdicts: tuple[RunVerdict, ...]
    rto: Rto | None = None
    ledger: Mapping[str, int] = {}
    steps_s: Mapping[str, float] = {}
    crashed: str = ""
    writer_changes: Mapping[str, int] = {}
    subjects: tuple[Subject, ...] = (Subject.API, Subject.NATS)
    parts: tuple[Contract, ...] = ()
    observations: tuple[Observation, ...] = ()
    loss: Rpo | None = None
    loss_by_stream: Mapping[str, Rpo] = {}
    stopped: str = ""
    salvageable: int | None = None
    commits_salvageable: int | None = None
    after_rejoin: int | None = None
    skipped: tuple[str, ...] = ()
    refusals: Mapping[str, int] = {}
    caches: Mapping[str, Mapping[str, Any]] = {}

    @property
    def worst(self) -> Verdict:
        return worst(verdict.verdict for verdict in self.verdicts)

    @property
    def ran(self) -> tuple[RunVerdict, ...]:
        """Verdicts on what the drill really ran: no output about other subjects, good or bad."""
        return tuple(v for v in self.verdicts if v.contract.subject in self.subjects or v.contract in self.parts)

    @property
    def verdict(self) -> Verdict:
        """Of its contracts; a drill that did not show what it is there for holds nothing."""
        if any(observation.holds is False for observation in self.observations):
            return Verdict.BREACHED
        if self.crashed or any(observation.unproven for observation in self.observations):
            return Verdict.UNPROVEN
        if self.ran:
            return worst(verdict.verdict for verdict in self.ran)
        return Verdict.MET if any(observation.holds for observation in self.observations) else Verdict.UNPROVEN


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """A breach counts most, and nothing at all is unproven."""
    distinct = set(verdicts)
    if Verdict.BREACHED in distinct:
        return Verdict.BREACHED
    return Verdict.MET if distinct == {Verdict.MET} else Verdict.UNPROVEN


def verdicts_json(judgement: RunJudgement) -> dict[str, Any]:
    """What is kept as ``verdicts.json``; the same for the same raw files."""
    return {
        "schema": SCHEMA,
        "verdict": str(judgement.verdict),
        "verdicts": [_verdict_json(verdict) for verdict in judgement.verdicts],
        "observations": [asdict(observation) for observation in judgement.observations],
        "rto_s": judgement.rto.parts() if judgement.rto else None,
        "steps_s": dict(judgement.steps_s),
        "ledger": dict(judgement.ledger),
        "writer_changes": dict(judgement.writer_changes),
        "stopped": judgement.stopped,
        "crashed": judgement.crashed,
    }


def _verdict_json(verdict: RunVerdict) -> dict[str, Any]:
    return {
        "subject": verdict.contract.about,
        "fault": str(verdict.contract.fault),
        "verdict": str(verdict.verdict),
        "why": verdict.why,
        "rto_s": dict(verdict.rto_s) if verdict.rto_s else None,
        "measured_s": verdict.measured_s,
        "rpo": asdict(verdict.loss) if verdict.loss else None,
        "lost_window_s": verdict.lost_window_s,
        "lost_at_most_s": verdict.lost_at_most_s,
        "reach_s": verdict.reach_s,
        "limit": {"rto_s": verdict.contract.rto_s, "rpo_s": verdict.contract.rpo_s},
    }

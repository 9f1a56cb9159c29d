"""A series of drills for machines: ``secondsite/drill/1``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from secondsite.drill.run import RunResult
from secondsite.drill.verdict.judgement import RunVerdict
from secondsite.model.measurement import Measurement

SCHEMA = "secondsite/drill/1"


def drill_json(runs: Sequence[RunResult], measurements: Sequence[Measurement] = ()) -> dict[str, Any]:
    """Of runs of one drill and strategy; ``rto_s`` is None where service did not come back."""
    first = runs[0]
    return {
        "schema": SCHEMA,
        "strategy": first.setup.strategy.id,
        "fault": first.drill.id,
        "profile": first.setup.profile.name,
        "seed": first.setup.seed,
        "nats_version": first.version,
        "runs": [_run(run) for run in runs],
        "contracts": [_measurement(each) for each in measurements],
    }


def _run(run: RunResult) -> dict[str, Any]:
    return {
        "rto_s": run.recovery.parts() if run.recovery.total is not None else None,
        "rpo": {"messages": run.loss.messages, "bytes": run.loss.bytes, "seconds": run.loss.seconds},
        "rpo_by_stream": {
            name: {"messages": each.messages, "bytes": each.bytes, "seconds": each.seconds}
            for name, each in run.judgement.loss_by_stream.items()
        },
        "proven": run.loss.proven,
        "salvageable": run.judgement.salvageable,
        "commits_salvageable": run.judgement.commits_salvageable,
        "after_rejoin": run.judgement.after_rejoin,
        "verdict": str(run.verdict),
        "ledger": dict(run.judgement.ledger),
        "verdicts": [_verdict(each) for each in run.judgement.verdicts],
        "observations": [
            {"what": each.what, "holds": each.holds, "unproven": each.unproven} for each in run.observations
        ],
        "failure": run.judgement.stopped,
        "refusals": dict(run.judgement.refusals),
        "caches": {name: dict(each) for name, each in run.judgement.caches.items()},
        "not_rehearsed": list(run.judgement.skipped),
        "evidence": str(run.evidence),
    }


def _verdict(verdict: RunVerdict) -> dict[str, Any]:
    return {
        "subject": str(verdict.contract.subject),
        "fault": str(verdict.contract.fault),
        "verdict": str(verdict.verdict),
        "why": verdict.why,
        "rto_s": verdict.rto_s["total"] if verdict.rto_s else None,
        "limit": {"rto_s": verdict.contract.rto_s, "rpo_s": verdict.contract.rpo_s},
    }


def _measurement(measurement: Measurement) -> dict[str, Any]:
    return {
        "subject": measurement.about,
        "fault": str(measurement.fault),
        "verdict": str(measurement.verdict),
        "why": measurement.why,
        "runs": measurement.runs,
        "upper_rto_s": measurement.upper_rto_s,
        "projected": measurement.projected,
        "of": str(measurement.of),
        "where": str(measurement.where),
        "unrehearsed": {"steps": list(measurement.unrehearsed), "seconds": measurement.unrehearsed_s},
    }

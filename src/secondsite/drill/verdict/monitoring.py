"""A contract on observability: until who is on duty sees, from the other region, the loss and the service.

What monitoring had recorded before is not asked for: metrics of the lost region are lost with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from secondsite.drill.check.visibility import samples, visibility
from secondsite.drill.evidence.events import Milestone, TimelineEvent
from secondsite.drill.evidence.manifest import DrillManifest
from secondsite.drill.evidence.observation import observations
from secondsite.drill.verdict.judgement import RunVerdict
from secondsite.drill.verdict.projection import projected
from secondsite.model.contract import Contract, Verdict
from secondsite.model.measurement import RTO_PARTS

_STAGES = (Milestone.DETECTED, Milestone.DECIDED, Milestone.EXECUTED)


def judged_by_monitoring(
    contract: Contract, events: Sequence[TimelineEvent], marks: Mapping[Milestone, int], manifest: DrillManifest
) -> RunVerdict:
    view = visibility(samples(events), marks[Milestone.FAULT])
    shown = observations(events)
    refuted = "; ".join(each.what for each in shown if each.holds is False)
    if refuted or view.back_ns is None:
        breached = bool(refuted) and not view.blind
        why = f"does not hold: {refuted}" if breached else view.why
        return RunVerdict(contract, Verdict.BREACHED if breached else Verdict.UNPROVEN, why)
    measured = _parts(marks, view.back_ns)
    parts = measured
    if manifest.projected:
        parts = projected(measured, manifest.timing, manifest.production, from_detection=manifest.moves_by_checks)
    verdict, why = _against(contract, parts["total"], manifest)
    if any(each.unproven for each in shown) and verdict is Verdict.MET:
        verdict, why = Verdict.UNPROVEN, "; ".join(each.what for each in shown if each.unproven)
    return RunVerdict(contract, verdict, why, rto_s=parts, measured_s=measured["total"])


def _parts(marks: Mapping[Milestone, int], back_ns: int) -> dict[str, float]:
    times = [marks[Milestone.FAULT]]
    for stage in _STAGES:
        times.append(max(times[-1], min(back_ns, marks.get(stage, times[-1]))))
    times.append(max(times[-1], back_ns))
    lengths = [(end - begin) / 1e9 for begin, end in pairwise(times)]
    parts = dict.fromkeys(RTO_PARTS, 0.0) | dict(zip(("detect", "decide", "execute", "converge"), lengths, strict=True))
    return parts | {"total": sum(lengths)}


def _against(contract: Contract, total_s: float, manifest: DrillManifest) -> tuple[Verdict, str]:
    if contract.rpo_s is not None:
        return Verdict.UNPROVEN, "no drill counts what monitoring lost: promise an RTO, or export its data"
    limit_s, missing = float(contract.rto_s or 0.0), manifest.unrehearsed.get(contract.subject)
    if total_s > limit_s:
        return Verdict.BREACHED, f"seen again after {total_s:.1f} s"
    if missing and total_s + missing.seconds > limit_s:
        return Verdict.UNPROVEN, missing.beyond(limit_s - total_s)
    return Verdict.MET, ""
